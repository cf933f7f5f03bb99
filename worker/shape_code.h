/*
 * What can come of shaping a payload: one code for each end, the words for it, and what it means for the delivery.
 *
 * The numbers travel between a sandbox and its sender, which never believes a sandbox's own words for a code.
 */
#ifndef DLO_WORKER_SHAPE_CODE_H
#define DLO_WORKER_SHAPE_CODE_H

enum shape_result {
    SHAPE_OK,
    SHAPE_TRANSFORM_FAILED, /* the tenant's program, or what it did to its sandbox */
    SHAPE_SCHEMA_REJECTED,  /* the schema, or the payload against it */
    SHAPE_UNAVAILABLE       /* not judged: no sandbox. The same request may be made again */
};

#define SHAPE_TEXT_MAX 512 /* a sentence for people, with its NUL: valid UTF-8, one line */

enum shape_code {
    SHAPE_CODE_OK,
    /* The program. */
    SHAPE_CODE_INVALID,        /* it does not compile, or names what a transform cannot have */
    SHAPE_CODE_ERROR,          /* it raised an error */
    SHAPE_CODE_NO_OUTPUT,      /* exactly one value is wanted */
    SHAPE_CODE_MANY_OUTPUTS,   /* likewise */
    SHAPE_CODE_OUTPUT_LARGE,   /* above LIMIT_PAYLOAD_BYTES */
    SHAPE_CODE_OUTPUT_DEEP,    /* nested deeper than libjq can read */
    SHAPE_CODE_NUMBER_ALTERED, /* a number of the payload that a double cannot carry */
    SHAPE_CODE_NOT_A_NUMBER,   /* the result holds an infinity or a NaN */
    SHAPE_CODE_PAYLOAD,        /* libjq cannot read the payload */
    /* The sandbox it ran in. */
    SHAPE_CODE_TIMEOUT,
    SHAPE_CODE_MEMORY,
    SHAPE_CODE_FORBIDDEN, /* a system call that the wall refuses */
    SHAPE_CODE_CRASHED,
    /* The schema. */
    SHAPE_CODE_SCHEMA_REJECTED,
    SHAPE_CODE_SCHEMA_COSTLY,
    SHAPE_CODE_SCHEMA_INVALID,
    /* No judgement. */
    SHAPE_CODE_UNAVAILABLE,
    SHAPE_CODE_COUNT
};

/* "transform_timeout", ...; static. A number out of range: the name of SHAPE_CODE_CRASHED. */
const char *shape_code_name(enum shape_code code);
enum shape_result shape_code_result(enum shape_code code);

#endif
