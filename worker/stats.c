/* See stats.h. Memory only: a new process counts from zero, as Prometheus expects of a counter. */
#include "worker/stats.h"

#include <stdio.h>

#include "common/log.h"

static const char *const classes[LANES] = {"live", "retry", "replay"};
static const char *const standings[STANDINGS] = {"good", "unproven", "slow", "troubled"};
static const char *const circuit_states[] = {"closed", "open", "half_open"};
static const char *const holds[STATS_HOLDS] = {"deleted", "disabled",    "paused",
                                               "circuit", "retry_after", "rate"};

void stats_attempt(struct stats *s, const struct attempt *a)
{
    if (a->kind == ATTEMPT_VERDICT) {
        s->verdicts++;
        return;
    }
    s->attempts[a->outcome][a->delivery->class_]++;
    s->reasons[a->reason]++;
    s->resent += a->resent;
    histogram_observe(&s->total, &histogram_seconds, a->total_us / 1e6);
    if (a->ttfb_us > 0)
        histogram_observe(&s->first_byte, &histogram_seconds, a->ttfb_us / 1e6);
}

void stats_shaping(struct stats *s, enum shape_result result, int64_t elapsed_us)
{
    s->shapings[result]++;
    s->shaping_us += elapsed_us;
}

void stats_circuit(struct stats *s, enum breaker_state to)
{
    s->circuits[to]++;
}

/* One series and its value, as a member of a JSON object. `labels` is empty or {name="value",…} with escaped quotes. */
static void series(struct buf *out, const char *name, const char *labels, double value)
{
    buf_printf(out, "%s\"%s%s\":%.15g", out->data[out->len - 1] == '{' ? "" : ",", name, labels,
               value);
}

static void labelled(struct buf *out, const char *name, const char *label, const char *value,
                     double n)
{
    char labels[96];
    snprintf(labels, sizeof labels, "{%s=\\\"%s\\\"}", label, value);
    series(out, name, labels, n);
}

static void attempts(const struct stats *s, struct buf *out)
{
    char labels[96];
    for (int o = OUTCOME_DELIVERED; o <= OUTCOME_DEAD; o++)
        for (int c = CLASS_LIVE; c <= CLASS_REPLAY; c++) {
            snprintf(labels, sizeof labels, "{outcome=\\\"%s\\\",class=\\\"%s\\\"}",
                     states_outcome_name(o), classes[c]);
            series(out, "dlo_attempts_total", labels, (double)s->attempts[o][c]);
        }
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
        if (s->reasons[i])
            labelled(out, "dlo_attempt_failures_total", "reason", states_reason_name(i),
                     (double)s->reasons[i]);
    series(out, "dlo_verdicts_total", "", (double)s->verdicts);
    series(out, "dlo_requests_resent_total", "", (double)s->resent);
    for (int i = 0; i < 3; i++)
        labelled(out, "dlo_circuit_changes_total", "to", circuit_states[i], (double)s->circuits[i]);
    static const char *const results[] = {"ok", "transform_failed", "schema_rejected",
                                          "unavailable"};
    for (int i = 0; i <= SHAPE_UNAVAILABLE; i++)
        labelled(out, "dlo_shapings_total", "result", results[i], (double)s->shapings[i]);
    series(out, "dlo_shaping_seconds_total", "", (double)s->shaping_us / 1e6);
}

/* Cumulative buckets, sum and count, as Prometheus has histograms. */
static void histogram(const struct histogram *h, const struct histogram_bounds *b, const char *name,
                      struct buf *out)
{
    char bound[24], part[96];
    int64_t n = 0;
    snprintf(part, sizeof part, "%s_bucket", name);
    for (int i = 0; i < b->n; i++) {
        n += h->counts[i];
        snprintf(bound, sizeof bound, "%g", b->upper[i]);
        labelled(out, part, "le", bound, (double)n);
    }
    n += h->counts[b->n];
    labelled(out, part, "le", "+Inf", (double)n);
    snprintf(part, sizeof part, "%s_sum", name);
    series(out, part, "", h->sum);
    snprintf(part, sizeof part, "%s_count", name);
    series(out, part, "", (double)n);
}

static void under_way(const struct admission *a, struct buf *out)
{
    double bytes = 0;
    for (int c = CLASS_LIVE; c <= CLASS_REPLAY; c++) {
        labelled(out, "dlo_inflight", "class", classes[c], a->held[c].requests);
        bytes += (double)a->held[c].bytes;
    }
    for (int i = 0; i < STANDINGS; i++)
        labelled(out, "dlo_inflight_standing", "standing", standings[i],
                 a->held[LANES + i].requests);
    series(out, "dlo_inflight_bytes", "", bytes);
}

static void shards(const struct leases *l, struct buf *out)
{
    labelled(out, "dlo_shards", "state", "held", leases_count(l, LEASE_HELD));
    labelled(out, "dlo_shards", "state", "draining", leases_count(l, LEASE_DRAINING));
    labelled(out, "dlo_shard_changes_total", "how", "taken", (double)l->taken);
    labelled(out, "dlo_shard_changes_total", "how", "released", (double)l->released);
    labelled(out, "dlo_shard_changes_total", "how", "lost", (double)l->lost);
}

static void completions(const struct writer_stats *w, int waiting, struct buf *out)
{
    series(out, "dlo_outcomes_waiting", "", waiting);
    series(out, "dlo_completion_batches_total", "", (double)w->batches);
    series(out, "dlo_completion_results_total", "", (double)w->results);
    series(out, "dlo_completion_stale_total", "", (double)w->stale);
    histogram(&w->sizes, &histogram_rows, "dlo_completion_batch_size", out);
    histogram(&w->seconds, &histogram_seconds, "dlo_completion_duration_seconds", out);
}

static void names(const struct resolver_counts *n, struct buf *out)
{
    static const char *const answers[] = {[RESOLVER_HIT] = "addresses",
                                          [RESOLVER_REFUSED] = "refused",
                                          [RESOLVER_NO_NAME] = "no_name",
                                          [RESOLVER_SERVFAIL] = "servfail",
                                          [RESOLVER_TIMEOUT] = "timeout"};
    series(out, "dlo_names", "", n->names);
    series(out, "dlo_name_hits_total", "", (double)n->hits);
    series(out, "dlo_name_lookups_total", "", (double)n->asked);
    series(out, "dlo_name_lookups_under_way", "", n->under_way);
    for (int i = 0; i <= RESOLVER_TIMEOUT; i++)
        if (answers[i])
            labelled(out, "dlo_name_answers_total", "answer", answers[i], (double)n->answers[i]);
}

static void destinations(const struct stats_now *now, struct buf *out)
{
    series(out, "dlo_destinations", "", (double)now->destinations);
    series(out, "dlo_rows_read_ahead", "", (double)now->rows);
    for (int i = 0; i < STATS_HOLDS; i++)
        labelled(out, "dlo_held_destinations", "cause", holds[i], now->held[i]);
    buf_add_str(out, ",\"blocked\":[");
    for (int i = 0; i < now->nblocked; i++)
        buf_printf(out, "%s%d", i ? "," : "", (int)now->blocked[i]);
    buf_add_char(out, ']');
}

void stats_json(const struct stats *s, const struct stats_now *now, struct buf *out)
{
    buf_add_char(out, '{');
    under_way(now->admission, out);
    attempts(s, out);
    histogram(&s->total, &histogram_seconds, "dlo_attempt_duration_seconds", out);
    histogram(&s->first_byte, &histogram_seconds, "dlo_attempt_first_byte_seconds", out);
    completions(now->writer, now->outcomes_waiting, out);
    destinations(now, out);
    shards(now->leases, out);
    names(&now->names, out);
    series(out, "dlo_sandboxes_busy", "", now->sandboxes_busy);
    series(out, "dlo_shapings_waiting", "", now->shapings_waiting);
    buf_printf(out, ",\"transforms\":%s}",
               now->transforms ? "true" : "false"); /* asked by trial_create.sql */
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

static long long since(const struct stats *s, const struct stats *before, enum outcome o)
{
    long long n = 0;
    for (int c = CLASS_LIVE; c <= CLASS_REPLAY; c++)
        n += s->attempts[o][c] - before->attempts[o][c];
    return n;
}

static long long failures(const struct resolver_counts *n)
{
    return n->answers[RESOLVER_REFUSED] + n->answers[RESOLVER_NO_NAME] +
           n->answers[RESOLVER_SERVFAIL] + n->answers[RESOLVER_TIMEOUT];
}

static int held(const struct stats_now *now)
{
    int n = 0;
    for (int i = 0; i < STATS_HOLDS; i++)
        n += now->held[i];
    return n;
}

static int milliseconds(const struct stats *s, const struct stats *before, double share)
{
    return (int)(1000 * histogram_quantile(&s->total, &before->total, &histogram_seconds, share));
}

void stats_log(const struct stats *s, const struct stats_now *now, struct stats_minute *before,
               int64_t now_ms)
{
    const struct stats *was = &before->stats;
    const struct writer_stats *w = now->writer, *ww = &before->writer;
    log_info(
        "minute seconds=%lld delivered=%lld tempfail=%lld permfail=%lld verdicts=%lld p50_ms=%d "
        "p99_ms=%d live=%d retry=%d replay=%d rows=%zu destinations=%zu held=%d opened=%lld "
        "shards=%d batches=%lld results=%lld stale=%lld waiting=%d lookups=%lld "
        "lookup_failures=%lld",
        (long long)(now_ms - before->at_ms) / 1000, since(s, was, OUTCOME_DELIVERED),
        since(s, was, OUTCOME_RETRY), since(s, was, OUTCOME_DEAD),
        (long long)(s->verdicts - was->verdicts), milliseconds(s, was, 0.5),
        milliseconds(s, was, 0.99), now->admission->held[SHARE_LIVE].requests,
        now->admission->held[SHARE_RETRY].requests, now->admission->held[SHARE_REPLAY].requests,
        now->rows, now->destinations, held(now),
        (long long)(s->circuits[BREAKER_OPEN] - was->circuits[BREAKER_OPEN]),
        leases_count(now->leases, LEASE_HELD), (long long)(w->batches - ww->batches),
        (long long)(w->results - ww->results), (long long)(w->stale - ww->stale),
        now->outcomes_waiting, (long long)(now->names.asked - before->names.asked),
        failures(&now->names) - failures(&before->names));
    *before = (struct stats_minute){now_ms, *s, *w, now->names};
}
