/*
 * A sandbox: a process that runs one project's programs and schemas, and can do nothing else.
 *
 * It has one descriptor (its socket), no environment, no file system and no network (the nursery left them behind), few
 * resources, and a seccomp filter under which it may read and write that socket, manage memory and end. Without the
 * filter it runs nothing. It is killed from outside when it takes too long: it has no clock of its own to obey.
 *
 * On the socket, in the byte order of the host: once a sandbox_answer (SHAPE_CODE_OK: the wall is up; SHAPE_CODE_UNAVAILABLE
 * and why: it is not, and the process ends); then for each sandbox_request one sandbox_answer.
 */
#ifndef DLO_WORKER_SANDBOX_H
#define DLO_WORKER_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"
#include "worker/shape.h"

#define SANDBOX_ABSENT UINT32_MAX

/* Followed by the three texts, without NULs. */
struct sandbox_request {
    uint32_t transform_len; /* at most LIMIT_TRANSFORM_BYTES, or SANDBOX_ABSENT */
    uint32_t schema_len;    /* at most LIMIT_SCHEMA_BYTES, or SANDBOX_ABSENT */
    uint32_t payload_len;   /* at most LIMIT_PAYLOAD_BYTES */
};

/* Followed by the words and the bytes. */
struct sandbox_answer {
    uint32_t code;      /* enum shape_code */
    uint32_t text_len;  /* less than SHAPE_TEXT_MAX */
    uint32_t bytes_len; /* at most LIMIT_PAYLOAD_BYTES, or SANDBOX_ABSENT: no transform was run */
};

#define SANDBOX_ANSWER_MAX (sizeof(struct sandbox_answer) + SHAPE_TEXT_MAX + LIMIT_PAYLOAD_BYTES)

/*
 * Memory above what the process has when it begins. Measured: libjq itself 3 MiB, a payload of 256 KiB of empty
 * objects 35, and as much for each copy that a program makes.
 */
#define SANDBOX_MEMORY_BYTES (192UL << 20)
#define SANDBOX_CPU_S 30 /* in its whole life; the sender replaces it before */
#define SANDBOX_CALM_MS                                                                            \
    50 /* of processor time for one request: then it stands back behind everybody, for good */

/* Leaves TZ=UTC0, the one variable that libc itself needs. */
void sandbox_clear_environment(void);
/* Before /proc is out of reach, in the process that forks sandboxes: what the limit of memory counts from. */
void sandbox_measure(void);

/* Puts the walls up around this process; `fd` is all it keeps. 0, or -1 with why. */
int sandbox_enter(int fd, char *why);

/* The whole life of a sandbox: the process ends in it. */
_Noreturn void sandbox_serve(int fd);

#endif
