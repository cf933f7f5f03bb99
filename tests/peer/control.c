/*
 * Owns the routes of the control plane. Must never change what a mode answers but through
 * modes_set_up() and the resets. Keeps nothing.
 */
#include "tests/peer/control.h"

#include <string.h>
#include <sys/resource.h>

#include "tests/peer/conn.h"
#include "tests/peer/modes.h"
#include "tests/peer/record.h"
#include "tests/peer/seen.h"

static unsigned long query_number(const struct request *r, const char *name, unsigned long fallback)
{
    char text[32];
    (void)request_query(r, name, text, sizeof(text));
    return span_number(span_of(text), fallback, UINT32_MAX);
}

static struct span query_prefix(const struct request *r, char *to, size_t size)
{
    (void)request_query(r, "prefix", to, size);
    return span_of(to);
}

static int get_count(const struct request *r, struct bytes *out)
{
    char prefix[512], ids[8];
    struct seen_totals t;
    bool with_ids = !request_query(r, "ids", ids, sizeof(ids)) || strcmp(ids, "no") != 0;
    seen_count(query_prefix(r, prefix, sizeof(prefix)), with_ids, &t);
    (void)bytes_printf(out,
                       "{\"requests\":%llu,\"duplicates\":%llu,\"withoutId\":%llu,\"lost\":%llu,"
                       "\"deliveries\":%llu,\"delivered\":%llu,\"afterSuccess\":%llu",
                       (unsigned long long)t.requests, (unsigned long long)t.duplicates,
                       (unsigned long long)t.without_id, (unsigned long long)t.lost,
                       (unsigned long long)t.deliveries, (unsigned long long)t.delivered,
                       (unsigned long long)t.after_success);
    if (with_ids)
        (void)bytes_printf(out, ",\"distinctIds\":%llu", (unsigned long long)t.distinct_ids);
    return bytes_text(out, "}\n");
}

static int get_ids(const struct request *r, struct bytes *out)
{
    char prefix[512];
    struct span wanted = query_prefix(r, prefix, sizeof(prefix));
    uint32_t after = (uint32_t)query_number(r, "after", 0);
    uint32_t limit = (uint32_t)query_number(r, "limit", 100000);
    (void)bytes_text(out, "{\"ids\":");
    uint32_t next = seen_list(wanted, after, limit, out);
    return bytes_printf(out, ",\"next\":%u}\n", next);
}

static int get_requests(const struct request *r, struct bytes *out)
{
    char prefix[512];
    struct span wanted = query_prefix(r, prefix, sizeof(prefix));
    return record_list(wanted, (unsigned)query_number(r, "limit", 100), out);
}

static int get_latency(const struct request *r, struct bytes *out)
{
    static struct hist sum;
    char prefix[512];
    seen_latency(query_prefix(r, prefix, sizeof(prefix)), &sum);
    return bytes_printf(out,
                        "{\"count\":%llu,\"p50Ms\":%.2f,\"p90Ms\":%.2f,\"p99Ms\":%.2f,"
                        "\"maxMs\":%.2f}\n",
                        (unsigned long long)sum.count, hist_quantile_ms(&sum, 0.5),
                        hist_quantile_ms(&sum, 0.9), hist_quantile_ms(&sum, 0.99),
                        hist_max_ms(&sum));
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static int get_stats(const struct request *r, struct bytes *out)
{
    struct conn_totals t = conn_totals();
    struct rusage used;
    (void)r;
    (void)getrusage(RUSAGE_SELF, &used);
    return bytes_printf(out,
                        "{\"accepted\":%llu,\"open\":%llu,\"requests\":%llu,\"badRequests\":%llu,"
                        "\"cpuSeconds\":%.3f}\n",
                        (unsigned long long)t.accepted, (unsigned long long)t.open,
                        (unsigned long long)t.requests, (unsigned long long)t.bad_requests,
                        seconds_of(used.ru_utime) + seconds_of(used.ru_stime));
}

static int set_up(const struct request *r, struct bytes *out, bool up)
{
    char name[128];
    if (!request_query(r, "name", name, sizeof(name)) || modes_set_up(name, up) < 0)
        return -1;
    return bytes_text(out, "{\"ok\":true}\n");
}

static int post_up(const struct request *r, struct bytes *out)
{
    return set_up(r, out, true);
}

static int post_down(const struct request *r, struct bytes *out)
{
    return set_up(r, out, false);
}

static int post_reset(const struct request *r, struct bytes *out)
{
    (void)r;
    seen_reset();
    record_reset();
    modes_reset();
    return bytes_text(out, "{\"ok\":true}\n");
}

static const struct {
    const char *method;
    const char *name;
    int (*serve)(const struct request *r, struct bytes *out); /* -1: the request is wrong */
} routes[] = {
    {"GET", "count", get_count},       {"GET", "ids", get_ids},
    {"GET", "requests", get_requests}, {"GET", "latency", get_latency},
    {"GET", "stats", get_stats},       {"POST", "up", post_up},
    {"POST", "down", post_down},       {"POST", "reset", post_reset},
};

static int dispatch(const struct request *r, struct bytes *out)
{
    struct span name = span_skip(r->path, strlen("/_control/"));
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (span_is(name, routes[i].name) && span_is(r->method, routes[i].method))
            return routes[i].serve(r, out) < 0 ? 400 : 200;
    return 404;
}

void control_serve(struct conn *c, const struct request *r)
{
    struct bytes out = {0};
    int status = dispatch(r, &out);
    if (status != 200) {
        bytes_clear(&out);
        (void)bytes_text(&out, "{\"error\":\"no such control, or not with these parameters\"}\n");
    }
    conn_reply(c, status, "Content-Type: application/json\r\n", (struct span){out.data, out.len});
    bytes_release(&out);
}
