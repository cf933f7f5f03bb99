/* See stats.h. Memory only: a new process counts from zero, as Prometheus expects of a counter. */
#include "worker/stats.h"

#include "common/log.h"

const int stats_bounds_ms[STATS_BUCKETS] = {1,   2,   5,    10,   25,   50,    100,
                                            250, 500, 1000, 2500, 5000, 15000, 60000};

void stats_attempt(struct stats *s, const struct attempt *a)
{
    if (a->kind == ATTEMPT_VERDICT) {
        s->verdicts++;
        return;
    }
    s->attempts[a->outcome]++;
    s->reasons[a->reason]++;
    int bucket = 0;
    while (bucket < STATS_BUCKETS && a->total_us > stats_bounds_ms[bucket] * 1000)
        bucket++;
    s->latency[bucket]++;
    s->latency_sum_us += a->total_us;
}

void stats_json(const struct stats *s, const struct writer_stats *w, int inflight, int shards,
                size_t held, struct buf *out)
{
    buf_printf(out,
               "{\"inflight\":%d,\"shards\":%d,\"held_rows\":%zu,\"batches\":%lld,\"results\":%lld,"
               "\"stale\":%lld",
               inflight, shards, held, (long long)w->batches, (long long)w->results,
               (long long)w->stale);
    for (int i = OUTCOME_DELIVERED; i <= OUTCOME_DEAD; i++)
        buf_printf(out, ",\"attempts_%s\":%lld", states_outcome_name(i), (long long)s->attempts[i]);
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
        if (s->reasons[i])
            buf_printf(out, ",\"reason_%s\":%lld", states_reason_name(i), (long long)s->reasons[i]);
    for (int i = 0; i <= STATS_BUCKETS; i++)
        buf_printf(out, ",\"latency_le_%d\":%lld", i < STATS_BUCKETS ? stats_bounds_ms[i] : 0,
                   (long long)s->latency[i]);
    buf_printf(out, ",\"latency_sum_us\":%lld,\"verdicts\":%lld}", (long long)s->latency_sum_us,
               (long long)s->verdicts);
}

void stats_log(const struct stats *s, struct stats *before, const struct writer_stats *w,
               int inflight, int shards)
{
    log_info("minute delivered=%lld tempfail=%lld permfail=%lld verdicts=%lld inflight=%d "
             "shards=%d batches=%lld stale=%lld",
             (long long)(s->attempts[OUTCOME_DELIVERED] - before->attempts[OUTCOME_DELIVERED]),
             (long long)(s->attempts[OUTCOME_RETRY] - before->attempts[OUTCOME_RETRY]),
             (long long)(s->attempts[OUTCOME_DEAD] - before->attempts[OUTCOME_DEAD]),
             (long long)(s->verdicts - before->verdicts), inflight, shards, (long long)w->batches,
             (long long)w->stale);
    *before = *s;
}
