/*
 * A sender's sandboxes: payloads in, shaped payloads out, on the sender's epoll set and without blocking.
 *
 * Forked ahead by the nursery. A sandbox serves one project and is replaced before it serves another; projects are served in
 * turn, and while others wait none holds more than half of the sandboxes (at least one). A request that is not answered
 * within SANDBOXES_WALL_MS is killed with its sandbox. What a program does to its sandbox is its own failure; what
 * befalls all of them (no wall, no nursery) is SHAPE_UNAVAILABLE.
 */
#ifndef DLO_WORKER_SANDBOXES_H
#define DLO_WORKER_SANDBOXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/shape_code.h"

#define SANDBOXES_WALL_MS 500
#define SANDBOXES_WAIT_MS 10000 /* a request that found no sandbox for so long is unavailable */

struct sandboxes;

/*
 * A shaping has ended. Never called from within sandboxes_submit or sandboxes_free; may itself submit. `code` (static)
 * and `text` say what went wrong (text: valid UTF-8 in one line, its words may be the tenant's). `bytes` is NULL when
 * there was no transform or it made nothing; it stands also when the schema refused what the transform made. Text and
 * bytes are the pool's. `elapsed_us` is 0 for what never ran.
 */
typedef void sandboxes_done(void *arg, enum shape_result result, const char *code, const char *text,
                            const void *bytes, size_t n, int64_t elapsed_us);

/* `transform` and `schema` are copied (NULL: none). `payload` is borrowed until `done` is called. */
struct shaping {
    int32_t project_id;
    const char *transform; /* at most LIMIT_TRANSFORM_BYTES bytes */
    const char *schema;    /* at most LIMIT_SCHEMA_BYTES bytes */
    const void *payload;
    size_t payload_len; /* at most LIMIT_PAYLOAD_BYTES */
    sandboxes_done *done;
    void *arg;
};

struct sandboxes_owner {
    void *arg;
    void (*watch)(void *arg, int fd, unsigned epoll_events, bool known); /* events 0: forget it */
};

/*
 * `nursery_fd`: the sender's end of the nursery's socket (taken; -1: there is none). `count`: sandboxes, 0 for none:
 * everything is then unavailable. NULL: out of memory.
 */
struct sandboxes *sandboxes_new(int nursery_fd, int count, const struct sandboxes_owner *owner);
void sandboxes_free(struct sandboxes *p); /* what waits or runs is forgotten without `done` */

/* -1: the queue is full (or out of memory, or a text is too long), nothing was taken. */
int sandboxes_submit(struct sandboxes *p, const struct shaping *s, int64_t now_ms);

void sandboxes_ready(struct sandboxes *p, int fd, int64_t now_ms);
/* Does what is due; returns when it wants to be called again, INT64_MAX for never. */
int64_t sandboxes_tick(struct sandboxes *p, int64_t now_ms);

/* Has a sandbox put up its wall, and none failed to since? */
bool sandboxes_available(const struct sandboxes *p);
int sandboxes_busy(const struct sandboxes *p);    /* that run something */
int sandboxes_waiting(const struct sandboxes *p); /* requests in the queue */

#endif
