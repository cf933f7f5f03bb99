/*
 * What a sandbox does with one request: the transform if there is one, then the schema if there is one, on the bytes
 * that would leave.
 */
#ifndef DLO_WORKER_SHAPE_H
#define DLO_WORKER_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "worker/jq_program.h"
#include "worker/shape_code.h"

/* Each text has a NUL behind it. NULL: there is none. */
struct shape_request {
    const char *transform, *schema, *payload;
    size_t schema_len, payload_len;
};

struct shape_answer {
    enum shape_code code;
    char why[SHAPE_TEXT_MAX];
    struct buf
        bytes; /* what the transform made, also when the schema refuses it; empty without a transform */
};

void shape_run(struct jq_programs *programs, const struct shape_request *request,
               struct shape_answer *answer);

/* What must be done before the wall is up. */
void shape_warm_up(void);

/* worker/shape_schema.c */
void shape_schema_warm_up(void);
/* SHAPE_CODE_OK, or a code and the words for it. */
enum shape_code shape_schema(const char *schema, size_t schema_len, const char *json, size_t n,
                             char *why);

#endif
