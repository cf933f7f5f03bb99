/*
 * See trials.h and reading.h. Owns the trials under way. A crash leaves their rows waiting: whoever owns the shard next
 * runs them again, and trial_done writes a row once.
 */
#include "worker/trials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/clock.h"
#include "worker/reading.h"
#include "worker/row.h"

#define LOOK_MS 1000

enum trial_state { FREE, RUNNING, OVER, TELLING };

struct trial {
    enum trial_state state;
    struct uuid id;
    char *payload;
    const char *code;
    char text[SHAPE_TEXT_MAX];
    char *bytes;
    size_t n;
    int64_t elapsed_us;
};

struct trials {
    struct sandboxes *sandboxes;
    struct trial all[TRIALS_MAX];
    int64_t look_at_ms;
};

struct trials *trials_new(struct sandboxes *sandboxes)
{
    struct trials *t = calloc(1, sizeof *t);
    if (t)
        t->sandboxes = sandboxes;
    return t;
}

static void release(struct trial *t)
{
    free(t->payload);
    free(t->bytes);
    *t = (struct trial){0};
}

void trials_free(struct trials *t)
{
    for (int i = 0; t && i < TRIALS_MAX; i++)
        release(&t->all[i]);
    free(t);
}

static struct trial *in_state(struct trials *t, enum trial_state state)
{
    for (int i = 0; i < TRIALS_MAX; i++)
        if (t->all[i].state == state)
            return &t->all[i];
    return NULL;
}

bool trials_busy(const struct trials *t)
{
    for (int i = 0; i < TRIALS_MAX; i++)
        if (t->all[i].state != FREE)
            return true;
    return false;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static void shaped(void *arg, enum shape_result result, const char *code, const char *text,
                   const void *bytes, size_t n, int64_t elapsed_us)
{
    struct trial *t = arg;
    t->state = OVER;
    t->elapsed_us = elapsed_us;
    t->code = result == SHAPE_OK ? NULL : code;
    snprintf(t->text, sizeof t->text, "%s", text);
    t->bytes = bytes ? malloc(n + 1) : NULL;
    if (!t->bytes)
        return;
    memcpy(t->bytes, bytes, n);
    t->n = n;
}

/* One row: id, project, transform, payload. What finds no place is read again. */
static void take(struct trials *all, const PGresult *res, int i)
{
    struct trial *t = in_state(all, FREE);
    size_t n = (size_t)PQgetlength(res, i, 3);
    if (!t || !(t->payload = malloc(n + 1)))
        return;
    memcpy(t->id.b, PQgetvalue(res, i, 0), sizeof t->id.b);
    memcpy(t->payload, PQgetvalue(res, i, 3), n);
    struct shaping s = {.project_id = row_int4(res, i, 1),
                        .transform = PQgetvalue(res, i, 2),
                        .payload = t->payload,
                        .payload_len = n,
                        .done = shaped,
                        .arg = t};
    if (sandboxes_submit(all->sandboxes, &s, clock_ms()))
        release(t);
    else
        t->state = RUNNING;
}

/* --- the reader's questions --------------------------------------------------------------------------------------- */

bool trials_due(const struct reader *r, int64_t now_ms)
{
    struct trials *t = r->set.trials;
    return now_ms >= t->look_at_ms && !r->stopping && in_state(t, FREE) &&
           leases_count(r->set.leases, LEASE_HELD) > 0;
}

bool trials_over(const struct reader *r, int64_t now_ms)
{
    (void)now_ms;
    return in_state(r->set.trials, OVER);
}

static void found(void *arg, PGresult *res)
{
    struct reader *r = arg;
    if (!reading_good(r, res, "trials_waiting"))
        return;
    for (int i = 0; i < PQntuples(res); i++)
        take(r->set.trials, res, i);
}

int trials_ask(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct trials *t = r->set.trials;
    struct reading_args a = {0};
    t->look_at_ms = now_ms + LOOK_MS;
    pg_array_clear(&r->shards);
    pg_array_clear(&r->uuids);
    leases_readable(r->set.leases, &r->shards, 0);
    for (int i = 0; i < TRIALS_MAX; i++)
        if (t->all[i].state != FREE)
            pg_array_uuid(&r->uuids, &t->all[i].id);
    reading_arg_array(&a, &r->shards);
    reading_arg_array(&a, &r->uuids);
    return reading_ask(r, pipe, WORKER_SQL_TRIALS_WAITING, &a, true, found);
}

static void told(void *arg, PGresult *res)
{
    struct reader *r = arg;
    struct trial *t = in_state(r->set.trials, TELLING);
    if (reading_good(r, res, "trial_done"))
        release(t);
    else
        t->state = OVER;
}

int trials_tell(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    (void)now_ms;
    struct reading_args a = {0};
    char elapsed[24];
    struct trial *t = in_state(r->set.trials, OVER);
    snprintf(elapsed, sizeof elapsed, "%lld", (long long)t->elapsed_us);
    reading_arg_bytes(&a, t->id.b, sizeof t->id.b);
    if (t->bytes)
        reading_arg_bytes(&a, t->bytes, t->n);
    else
        reading_arg_text(&a, NULL);
    reading_arg_text(&a, t->code);
    reading_arg_text(&a, t->code ? t->text : NULL);
    reading_arg_text(&a, elapsed);
    t->state = TELLING;
    if (reading_ask(r, pipe, WORKER_SQL_TRIAL_DONE, &a, false, told) == 0)
        return 0;
    t->state = OVER;
    return -1;
}
