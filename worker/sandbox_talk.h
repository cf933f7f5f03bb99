/*
 * The sender's end of one sandbox's socket: a request out, an answer in, without blocking. What comes in is not believed:
 * lengths are bounded, a code is one of ours or the answer is broken, the words are made one line of UTF-8 and the bytes must be JSON.
 */
#ifndef DLO_WORKER_SANDBOX_TALK_H
#define DLO_WORKER_SANDBOX_TALK_H

#include "common/buf.h"
#include "worker/sandbox.h"
#include "worker/shape_queue.h"

enum sandbox_talk_state { SANDBOX_TALK_MORE, SANDBOX_TALK_ANSWERED, SANDBOX_TALK_BROKEN };

struct sandbox_talk {
    int fd; /* -1: none */
    struct sandbox_request head;
    const struct shape_job *job; /* being sent or answered */
    size_t sent;
    struct buf in;
};

void sandbox_talk_init(struct sandbox_talk *t, int fd); /* takes the descriptor */
void sandbox_talk_release(struct sandbox_talk *t);

/* `job` stays the caller's and must outlive the answer. */
void sandbox_talk_ask(struct sandbox_talk *t, const struct shape_job *job);
/* Is something of the request still to be written? */
bool sandbox_talk_wants_write(const struct sandbox_talk *t);

/* Writes and reads what goes. ANSWERED: `answer` has it, until the next call. */
enum sandbox_talk_state sandbox_talk_go(struct sandbox_talk *t);

enum shape_code sandbox_talk_code(const struct sandbox_talk *t);
void sandbox_talk_words(const struct sandbox_talk *t, char why[SHAPE_TEXT_MAX]);
/* NULL: no transform made anything. */
const void *sandbox_talk_bytes(const struct sandbox_talk *t, size_t *n);

#endif
