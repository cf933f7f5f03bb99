/* See stats.h. Memory only: a new process counts from zero, as Prometheus expects of a counter. */
#include "worker/stats.h"

#include <stdio.h>

#include "common/log.h"

const int stats_bounds_ms[STATS_BUCKETS] = {5,    10,   25,   50,    100,   250,  500,
                                            1000, 2500, 5000, 10000, 30000, 60000};

static void observe(struct stats_histogram *h, int64_t us)
{
    int bucket = 0;
    while (bucket < STATS_BUCKETS && us > stats_bounds_ms[bucket] * INT64_C(1000))
        bucket++;
    h->counts[bucket]++;
    h->sum_us += us;
}

void stats_attempt(struct stats *s, const struct attempt *a)
{
    if (a->kind == ATTEMPT_VERDICT) {
        s->verdicts++;
        return;
    }
    s->attempts[a->outcome][a->delivery->class_]++;
    s->reasons[a->reason]++;
    s->resent += a->resent;
    observe(&s->total, a->total_us);
    if (a->ttfb_us > 0)
        observe(&s->first_byte, a->ttfb_us);
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

static void attempts(const struct stats *s, struct buf *out)
{
    static const char *const classes[] = {"live", "retry", "replay"};
    char labels[96];
    for (int o = OUTCOME_DELIVERED; o <= OUTCOME_DEAD; o++)
        for (int c = CLASS_LIVE; c <= CLASS_REPLAY; c++) {
            snprintf(labels, sizeof labels, "{outcome=\\\"%s\\\",class=\\\"%s\\\"}",
                     states_outcome_name(o), classes[c]);
            series(out, "dlo_attempts_total", labels, (double)s->attempts[o][c]);
        }
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++) {
        snprintf(labels, sizeof labels, "{reason=\\\"%s\\\"}", states_reason_name(i));
        if (s->reasons[i])
            series(out, "dlo_attempt_failures_total", labels, (double)s->reasons[i]);
    }
}

static void shapings(const struct stats *s, struct buf *out)
{
    static const char *const results[] = {"ok", "transform_failed", "schema_rejected",
                                          "unavailable"};
    char labels[64];
    for (int i = 0; i <= SHAPE_UNAVAILABLE; i++) {
        snprintf(labels, sizeof labels, "{result=\\\"%s\\\"}", results[i]);
        series(out, "dlo_shapings_total", labels, (double)s->shapings[i]);
    }
    series(out, "dlo_shaping_seconds_total", "", (double)s->shaping_us / 1e6);
}

static void circuits(const struct stats *s, struct buf *out)
{
    static const char *const states[] = {"closed", "open", "half_open"};
    char labels[48];
    for (int i = 0; i < 3; i++) {
        snprintf(labels, sizeof labels, "{to=\\\"%s\\\"}", states[i]);
        series(out, "dlo_circuit_changes_total", labels, (double)s->circuits[i]);
    }
}

/* Cumulative buckets, sum and count, as Prometheus has histograms. */
static void histogram(const struct stats_histogram *h, const char *name, struct buf *out)
{
    char labels[48], part[96];
    int64_t n = 0;
    snprintf(part, sizeof part, "%s_bucket", name);
    for (int i = 0; i < STATS_BUCKETS; i++) {
        n += h->counts[i];
        snprintf(labels, sizeof labels, "{le=\\\"%g\\\"}", stats_bounds_ms[i] / 1000.0);
        series(out, part, labels, (double)n);
    }
    n += h->counts[STATS_BUCKETS];
    series(out, part, "{le=\\\"+Inf\\\"}", (double)n);
    snprintf(part, sizeof part, "%s_sum", name);
    series(out, part, "", (double)h->sum_us / 1e6);
    snprintf(part, sizeof part, "%s_count", name);
    series(out, part, "", (double)n);
}

void stats_json(const struct stats *s, const struct writer_stats *w, int inflight, int shards,
                size_t held, bool transforms, struct buf *out)
{
    buf_add_char(out, '{');
    series(out, "dlo_inflight", "", inflight);
    series(out, "dlo_shards", "", shards);
    series(out, "dlo_rows_read_ahead", "", (double)held);
    series(out, "dlo_completion_batches_total", "", (double)w->batches);
    series(out, "dlo_completion_results_total", "", (double)w->results);
    series(out, "dlo_completion_stale_total", "", (double)w->stale);
    series(out, "dlo_verdicts_total", "", (double)s->verdicts);
    series(out, "dlo_requests_resent_total", "", (double)s->resent);
    attempts(s, out);
    circuits(s, out);
    shapings(s, out);
    histogram(&s->total, "dlo_attempt_duration_seconds", out);
    histogram(&s->first_byte, "dlo_attempt_first_byte_seconds", out);
    buf_printf(out, ",\"transforms\":%s}",
               transforms ? "true" : "false"); /* asked by trial_create.sql */
}

static int64_t since(const struct stats *s, const struct stats *before, enum outcome o)
{
    int64_t n = 0;
    for (int c = CLASS_LIVE; c <= CLASS_REPLAY; c++)
        n += s->attempts[o][c] - before->attempts[o][c];
    return n;
}

void stats_log(const struct stats *s, struct stats *before, const struct writer_stats *w,
               int inflight, int shards)
{
    log_info("minute delivered=%lld tempfail=%lld permfail=%lld verdicts=%lld inflight=%d "
             "shards=%d batches=%lld stale=%lld",
             (long long)since(s, before, OUTCOME_DELIVERED),
             (long long)since(s, before, OUTCOME_RETRY), (long long)since(s, before, OUTCOME_DEAD),
             (long long)(s->verdicts - before->verdicts), inflight, shards, (long long)w->batches,
             (long long)w->stale);
    *before = *s;
}
