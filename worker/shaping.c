/*
 * A delivery is shaped once, before its first attempt (see sending.h): its webhook's transform makes the bytes that are
 * sent, and its gates judge them. Transform and schema run in a sandbox; the size is looked at here.
 *
 * Must never send what was not shaped. A crash leaves nothing: until the first attempt is committed it is shaped anew.
 */
#include "worker/sending.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "worker/redaction.h"

#define UNAVAILABLE_PAUSE_MS 5000

struct call {
    struct sender *sender;
    struct delivery *row;
};

/* What ends a delivery that did not pass. */
static const enum reason refusals[] = {
    [SHAPE_TRANSFORM_FAILED] = REASON_TRANSFORM_FAILED,
    [SHAPE_SCHEMA_REJECTED] = REASON_PAYLOAD_REJECTED,
};

/* False: it was too large, and has ended. */
static bool fits(struct sender *s, struct destination *d, struct delivery *row)
{
    char why[96];
    if (!d->set.max_payload_bytes || row->payload_bytes <= d->set.max_payload_bytes)
        return true;
    snprintf(why, sizeof why, "%d bytes were to be sent, the webhook takes at most %d",
             row->payload_bytes, d->set.max_payload_bytes);
    outcomes_verdict(s, row, REASON_PAYLOAD_TOO_LARGE, "payload_too_large", why);
    return false;
}

/* No sandbox can be had, which is our fault and not the delivery's: it waits. */
static void unavailable(struct sender *s, struct delivery *row, const char *text)
{
    struct destination *d = row->dest;
    log_warn("no sandbox for transforms and schemas: %s", text);
    d->blocked_until_ms = s->now_ms + UNAVAILABLE_PAUSE_MS;
    d->blocked_why = "transforms could not be run for longer than the hold budget";
    dispatch_requeue(s, row);
}

static void shaped(void *arg, enum shape_result result, const char *code, const char *text,
                   const void *bytes, size_t n, int64_t elapsed_us)
{
    struct call call = *(struct call *)arg;
    struct sender *s = call.sender;
    struct delivery *row = call.row;
    struct destination *d = row->dest;
    free(arg);
    admission_end(&s->admission, d, row, s->now_ms);
    dispatch_recall(s, d, row);
    s->leases.busy[row->shard]--;
    stats_shaping(&s->stats, result, elapsed_us);
    bool kept = !bytes || delivery_set_payload(row, bytes, n) == 0;
    if (!kept || result == SHAPE_UNAVAILABLE) {
        unavailable(s, row, kept ? text : "out of memory");
        return;
    }
    row->transformed = bytes != NULL;
    if (result != SHAPE_OK) {
        if (result == SHAPE_TRANSFORM_FAILED) /* a schema's words never quote a value */
            text = redaction_sentence(d->set.redaction, row->payload, (size_t)row->payload_bytes,
                                      text);
        outcomes_verdict(s, row, refusals[result], code, text);
    } else if (fits(s, d, row)) {
        row->shaped = 1;
        dispatch_requeue(s, row);
    }
    dispatch_offer(s, d);
}

static bool submit(struct sender *s, struct destination *d, struct delivery *row)
{
    struct call *call = malloc(sizeof *call);
    if (!call)
        return false;
    *call = (struct call){s, row};
    struct shaping shaping = {.project_id = row->project_id,
                              .transform = d->set.transform,
                              .schema = d->set.payload_schema,
                              .payload = row->payload,
                              .payload_len = (size_t)row->payload_bytes,
                              .done = shaped,
                              .arg = call};
    if (sandboxes_submit(s->sandboxes, &shaping, s->now_ms) == 0)
        return true;
    free(call);
    return false;
}

enum shaping_step shaping_pass(struct sender *s, struct destination *d, struct lane *lane)
{
    struct delivery *row = lane->head;
    if (row->shaped)
        return SHAPING_PASSED;
    if (!d->set.transform && !d->set.payload_schema) {
        if (!d->set.max_payload_bytes || row->payload_bytes <= d->set.max_payload_bytes) {
            row->shaped = 1;
            return SHAPING_PASSED;
        }
        lane_dequeue(lane);
        fits(s, d, row);
        return SHAPING_TAKEN;
    }
    if (!submit(s, d, row))
        return SHAPING_BUSY;
    lane_dequeue(lane);
    turns_charge(s->turns, d, row->payload_bytes);
    row->state = DELIVERY_SENDING;
    s->leases.busy[row->shard]++;
    admission_begin(&s->admission, d, row, s->now_ms);
    return SHAPING_TAKEN;
}
