/*
 * What came of a delivery (see sending.h): judged, told to its destination, and handed to the writer.
 *
 * Must never let go of a row before its completion was answered. A crash leaves in `ready` what had no committed
 * outcome.
 */
#include "worker/sending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "common/log.h"
#include "worker/clock.h"
#include "worker/redaction.h"

#define UNWRITABLE_PAUSE_MS 60000
#define LONG_BLOCK_MS 60000 /* a Retry-After beyond it: what was read ahead is given up */

static double jitter(void)
{
    uint32_t r = 0;
    RAND_bytes((unsigned char *)&r, sizeof r);
    return (double)r / UINT32_MAX * 2 - 1;
}

static void block(struct sender *s, struct destination *d, int64_t ms, const char *why)
{
    d->blocked_until_ms = s->now_ms + ms;
    d->blocked_why = why;
    if (ms > LONG_BLOCK_MS)
        destination_forget_queue(d, s->held); /* the hold budget counts for them, see waiting.c */
}

/* --- to the writer ------------------------------------------------------------------------------------------------ */

static const char *content_type_of(const struct attempt *a, char out[128])
{
    const char *p = a->response_headers.data;
    out[0] = '\0';
    while (p && *p) {
        if (strncasecmp(p, "content-type:", 13) == 0) {
            p += 13 + strspn(p + 13, " \t");
            size_t n = strcspn(p, "\n");
            snprintf(out, 128, "%.*s", (int)(n < 127 ? n : 127), p);
            break;
        }
        p = strchr(p, '\n');
        p += p != NULL;
    }
    return out;
}

static void prepare_entry(struct attempt *a)
{
    char type[128];
    ids_new(&a->entry_id);
    fingerprint_compute(&a->delivery->dest->set.public_id, states_reason_name((int)a->reason),
                        a->status, content_type_of(a, type), a->response_body.data,
                        a->response_body.len, a->error_code, &a->fp);
}

static void log_attempt(const struct attempt *a)
{
    char delivery[IDS_TEXT_MAX], webhook[IDS_TEXT_MAX];
    enum log_level level = a->outcome == OUTCOME_DELIVERED ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
    ids_format(ID_DELIVERY, &a->delivery->id, delivery);
    ids_format(ID_WEBHOOK, &a->delivery->dest->set.public_id, webhook);
    log_write(level, "delivery=%s webhook=%s n=%d outcome=%s status=%d reason=%s ms=%d next=%lld",
              delivery, webhook, a->delivery->tries + 1, states_outcome_name((int)a->outcome),
              a->status, a->reason ? states_reason_name((int)a->reason) : "-", a->total_us / 1000,
              (long long)(a->outcome == OUTCOME_RETRY ? a->retry_ms / 1000 : 0));
}

void outcomes_hand_over(struct sender *s, struct attempt *a)
{
    struct delivery *row = a->delivery;
    redaction_apply(row->dest->set.redaction, a); /* before anything is made of its bytes */
    if (a->outcome == OUTCOME_DEAD && !delivery_is_notice(row))
        prepare_entry(a);
    if (a->outcome == OUTCOME_RETRY)
        reader_retry_in(s->reader, s->now_ms, a->retry_ms);
    stats_attempt(&s->stats, a);
    log_attempt(a);
    row->state = DELIVERY_COMPLETING;
    row->dest->completing++;
    writer_add(s->writer, a, s->now_ms);
}

/* An entry of the kind that a recovery re-drives, of a delivery that is no re-drive itself. */
static bool died_of_trouble(const struct attempt *a)
{
    bool transient = !a->permanent && states_reason_transient(a->reason);
    return a->outcome == OUTCOME_DEAD && !a->intentional && a->delivery->generation == 0 &&
           (transient || a->reason == REASON_CIRCUIT_OPEN);
}

void outcomes_settled(void *arg, struct attempt *a)
{
    struct sender *s = arg;
    struct delivery *row = a->delivery;
    struct destination *d = row->dest;
    struct lane *lane = &d->lanes[row->class_];
    int64_t pos = row->pos;
    bool stale = a->stale;
    if (stale && a->unwritable)
        block(s, d, UNWRITABLE_PAUSE_MS, "its outcome could not be written");
    d->completing--;
    if (!stale && died_of_trouble(a))
        recovery_begin(&d->recovery); /* its entry can be seen by now: what comes is after it */
    s->leases.busy[row->shard]--;
    if (a->reason == REASON_INTERNAL)
        suspects_verdict_settled(s, row, !stale);
    attempt_free(a);
    reader_release_row(s->reader, row);
    if (stale)
        lane_rewind(lane, pos); /* if it is still there, it is read and sent again */
    dispatch_offer(s, d);
}

void outcomes_verdict(struct sender *s, struct delivery *row, enum reason reason, const char *code,
                      const char *why)
{
    struct attempt *a = attempt_new(row, ATTEMPT_VERDICT, clock_us());
    if (!a) {
        reader_release_row(s->reader, row);
        return;
    }
    const char *shown = destination_target(row)->shown;
    if (shown)
        a->url = strdup(shown);
    attempt_verdict(a, reason, code, why);
    s->leases.busy[row->shard]++;
    outcomes_hand_over(s, a);
}

/* --- what it means for the destination ---------------------------------------------------------------------------- */

static bool troubled(const struct attempt *a)
{
    return a->reason != REASON_NONE && !a->permanent;
}

/* A status that the webhook expects is an answer like any other, and we do not blame it for our own mistakes. */
static bool counts_as_failure(const struct attempt *a)
{
    return a->reason != REASON_NONE && a->reason != REASON_INTERNAL && !a->intentional;
}

static void tell_circuit(struct sender *s, struct destination *d)
{
    static const char *const names[] = {"closed", "open", "half_open"};
    char webhook[IDS_TEXT_MAX];
    const struct breaker *b = &d->breaker;
    ids_format(ID_WEBHOOK, &d->set.public_id, webhook);
    log_info("webhook=%s circuit=%s failures=%d requests=%d cooldown_ms=%lld", webhook,
             names[b->state], b->failures, b->requests, (long long)b->cooldown_ms);
    stats_circuit(&s->stats, b->state);
    if (b->state == BREAKER_OPEN)
        destination_forget_queue(d, s->held);
    reader_breaker_changed(s->reader, d);
}

void outcomes_cool(struct sender *s, struct destination *d)
{
    if (breaker_cool(&d->breaker, s->now_ms))
        tell_circuit(s, d);
}

/* Live deliveries that arrive while the circuit is closed; retries and re-drives say less about what will come. */
static void learn_recovery(struct sender *s, struct destination *d, const struct attempt *a)
{
    if (d->set.auto_after && a->outcome == OUTCOME_DELIVERED && a->delivery->class_ == CLASS_LIVE &&
        d->breaker.state == BREAKER_CLOSED &&
        recovery_succeeded(&d->recovery, d->breaker.era, d->set.auto_after))
        reader_recovered(s->reader);
}

/*
 * What an answer means for the destination, beyond this delivery. To a request that was begun before the circuit opened,
 * or to another address, it means nothing: the time-outs of then must not count as the probe of now. Nor does what a former
 * URL of the webhook answers to a re-drive say anything of its present one: not even 410 disables it.
 */
static void learn(struct sender *s, struct destination *d, const struct attempt *a)
{
    if (a->delivery->own || a->delivery->era != d->breaker.era)
        return;
    recent_add(&d->recent, a->total_us > LIMIT_SLOW_MS * 1000);
    d->proven = d->proven || a->status;
    d->hung = a->reason == REASON_TIMEOUT;
    if (troubled(a))
        destination_troubled(d);
    else if (a->status) /* it answered, be it a refusal: it can take more */
        destination_succeeded(d, turns_spare(s->turns, d));
    if (a->retry_after_s > 0 && a->reason != REASON_NONE)
        block(s, d, a->retry_after_s * 1000,
              "the receiver asked to wait (Retry-After) beyond the hold budget");
    learn_recovery(s, d, a);
    if (breaker_result(&d->breaker, &s->breaker_rules, counts_as_failure(a), &a->delivery->id,
                       s->now_ms))
        tell_circuit(s, d);
    if (a->status == 410 && d->set.enabled) {
        d->set.enabled = false; /* at once here; the database follows */
        destination_forget_queue(d, s->held);
        reader_webhook_gone(s->reader, d->webhook_id);
    }
    admission_restand(&s->admission, d, s->now_ms);
}

void outcomes_transfer_done(void *arg, struct attempt *a, const struct classify_facts *f,
                            const char *curl_error)
{
    struct sender *s = arg;
    struct delivery *row = a->delivery;
    struct destination *d = row->dest;
    remotes_end(s->remotes, row->remote);
    admission_end(&s->admission, d, row, s->now_ms);
    dispatch_recall(s, d, row);
    suspects_survived(s, row);
    classify(a, &d->set, f, curl_error, jitter());
    learn(s, d, a);
    outcomes_hand_over(s, a);
    dispatch_offer(s, d);
}

void outcomes_fail(struct sender *s, struct attempt *a, enum reason reason, bool permanent,
                   const char *code, const char *why)
{
    suspects_survived(s, a->delivery);
    classify_failure(a, &a->delivery->dest->set, reason, permanent, code, why, jitter());
    learn(s, a->delivery->dest, a);
    outcomes_hand_over(s, a);
}
