/*
 * Payloads that wait to be shaped: first in, first out within a project, and the projects in turn.
 *
 * Bounded by SHAPE_QUEUE_MAX. A job owns copies of its program and schema; its payload is the caller's until `done`.
 */
#ifndef DLO_WORKER_SHAPE_QUEUE_H
#define DLO_WORKER_SHAPE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/sandboxes.h"

#define SHAPE_QUEUE_MAX 256

struct shape_job {
    int32_t project_id;
    char *transform, *schema; /* NULL: none */
    const void *payload;
    size_t payload_len;
    sandboxes_done *done;
    void *arg;
    int64_t queued_ms;
    bool again; /* its first sandbox was lost through no fault that is known */
    struct shape_job *next;
};

struct shape_queue;

struct shape_queue *shape_queue_new(void);
void shape_queue_free(struct shape_queue *q);

void shape_queue_job_free(struct shape_job *job);

/* -1: it is full, the job is still the caller's. */
int shape_queue_push(struct shape_queue *q, struct shape_job *job);
/* The head of the next project in turn that `fits`; that project then stands last. NULL: none fits. */
struct shape_job *shape_queue_pop(struct shape_queue *q, bool (*fits)(void *arg, int32_t project),
                                  void *arg);
/* The oldest of all that was queued before `ms`, or NULL. */
struct shape_job *shape_queue_pop_older(struct shape_queue *q, int64_t ms);

int shape_queue_count(const struct shape_queue *q);
/* How many projects have something waiting and `fit`. */
int shape_queue_projects(const struct shape_queue *q, bool (*fits)(void *arg, int32_t project),
                         void *arg);
bool shape_queue_others(const struct shape_queue *q, int32_t project); /* does another one? */
/* When the oldest was queued; INT64_MAX for none. */
int64_t shape_queue_oldest_ms(const struct shape_queue *q);

#endif
