/*
 * Webhooks as a sender must know them (see reading.h): URL, schedule, secrets, whether they are held.
 *
 * A webhook whose secret cannot be opened is treated as paused: nothing may leave unsigned. Secrets live in
 * destination_settings and are wiped there.
 */
#include "worker/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/log.h"
#include "worker/clock.h"
#include "worker/redaction.h"

#define SETTINGS_PER_READ 256

static unsigned char *column_bytes(const PGresult *res, int row, int col, size_t *n)
{
    *n = 0;
    return PQgetisnull(res, row, col)
               ? NULL
               : PQunescapeBytea((const unsigned char *)PQgetvalue(res, row, col), n);
}

/* Opens a sealed column; the AAD names the place, so that a secret copied elsewhere does not open. -1: it does not. */
static int open_sealed(const struct reader *r, const PGresult *res, int row, int col,
                       const char *column, void *out, size_t cap, size_t *outlen)
{
    char aad[160];
    size_t n;
    snprintf(aad, sizeof aad, "webhooks|%s|%s|%s", column, PQgetvalue(res, row, 1),
             PQgetvalue(res, row, 2));
    unsigned char *sealed = column_bytes(res, row, col, &n);
    *outlen = 0;
    if (!sealed)
        return 0;
    enum seal_result rc = seal_decrypt(r->set.keyring, aad, sealed, n, out, cap, outlen);
    PQfreemem(sealed);
    if (rc != SEAL_OK)
        log_error("webhook %s: %s cannot be opened (is key_file the one it was sealed with?)",
                  PQgetvalue(res, row, 1), column);
    return rc == SEAL_OK ? 0 : -1;
}

/* The same into memory of its own: *out is NULL when there is nothing. */
static int open_sealed_whole(const struct reader *r, const PGresult *res, int row, int col,
                             const char *column, char **out, size_t *outlen)
{
    size_t cap = (size_t)PQgetlength(res, row, col); /* hex text: longer than what is in it */
    *out = NULL;
    *outlen = 0;
    if (PQgetisnull(res, row, col))
        return 0;
    *out = malloc(cap);
    if (*out && open_sealed(r, res, row, col, column, *out, cap, outlen) == 0)
        return 0;
    free(*out); /* seal_decrypt leaves nothing in it */
    *out = NULL;
    return -1;
}

static int parse_ints(const char *text, int32_t *out, int max)
{
    int n = 0;
    for (const char *p = text; *p && n < max; p++)
        if (*p == '{' || *p == ',') {
            char *end;
            long v = strtol(p + 1, &end, 10);
            if (end > p + 1)
                out[n++] = (int32_t)v;
        }
    return n;
}

static void read_custom_headers(struct destination_settings *s, const char *json, size_t n)
{
    json_t *o = n ? json_loadb(json, n, 0, NULL) : NULL;
    const char *name;
    json_t *value;
    json_object_foreach(o, name, value)
    {
        size_t len = strlen(name) + json_string_length(value) + 4;
        if (s->header_count >= LIMIT_CUSTOM_HEADERS || !json_is_string(value))
            continue;
        char *line = malloc(len);
        if (line) {
            bool empty = json_string_length(value) ==
                         0; /* libcurl: "Name:" would remove it, "Name;" sends it empty */
            snprintf(line, len, empty ? "%s;" : "%s: %s", name, json_string_value(value));
            s->header_lines[s->header_count++] = line;
        }
    }
    json_decref(o);
}

static int read_secrets(const struct reader *r, struct destination_settings *s, const PGresult *res,
                        int i)
{
    char headers[LIMIT_CUSTOM_HEADER_BYTES * 2 + 1024];
    size_t n;
    if (open_sealed_whole(r, res, i, 32, "tls", &s->tls_client, &s->tls_client_len) ||
        open_sealed(r, res, i, 14, "secret", s->keys[0], sizeof s->keys[0], &s->key_len[0]) ||
        open_sealed(r, res, i, 15, "secret", s->keys[1], sizeof s->keys[1], &s->key_len[1]) ||
        open_sealed(r, res, i, 16, "headers", headers, sizeof headers, &n))
        return -1;
    read_custom_headers(s, headers, n);
    seal_wipe(headers, sizeof headers);
    return 0;
}

/* Authorities of its own. -1: no memory, and without them it must not be trusted. */
static int read_authorities(struct destination_settings *s, const PGresult *res, int i)
{
    if (PQgetisnull(res, i, 31))
        return 0;
    s->tls_ca = strdup(PQgetvalue(res, i, 31));
    s->tls_ca_len = s->tls_ca ? strlen(s->tls_ca) : 0;
    return s->tls_ca ? 0 : -1;
}

static char *text_or_null(const PGresult *res, int i, int col)
{
    return PQgetisnull(res, i, col) ? NULL : strdup(PQgetvalue(res, i, col));
}

static void read_limits(struct destination_settings *s, const PGresult *res, int i)
{
    int32_t expected[100];
    s->timeout_ms = (int32_t)strtol(PQgetvalue(res, i, 5), NULL, 10);
    s->max_attempts = (int16_t)strtol(PQgetvalue(res, i, 6), NULL, 10);
    s->schedule_len = parse_ints(PQgetvalue(res, i, 7), s->schedule_s, LIMIT_RETRY_SCHEDULE);
    s->max_concurrency = (int16_t)strtol(PQgetvalue(res, i, 8), NULL, 10);
    s->expected_len = parse_ints(PQgetvalue(res, i, 9), expected, 100);
    for (int k = 0; k < s->expected_len; k++)
        s->expected[k] = (int16_t)expected[k];
    s->hold_budget_s = (int32_t)strtol(PQgetvalue(res, i, 10), NULL, 10);
    s->max_payload_bytes = (int32_t)strtol(PQgetvalue(res, i, 20), NULL, 10);
    s->rate_per_second = strtod(PQgetvalue(res, i, 21), NULL);
    s->auto_after = (int32_t)strtol(PQgetvalue(res, i, 34), NULL, 10);
}

/* As another sender, or we before a restart, left it. */
static void read_breaker(struct breaker *b, const PGresult *res, int i)
{
    if (PQgetisnull(res, i, 24)) {
        breaker_restore(b, BREAKER_CLOSED, 0, 0, clock_ms());
        return;
    }
    breaker_restore(b, (enum breaker_state)strtol(PQgetvalue(res, i, 24), NULL, 10),
                    strtoll(PQgetvalue(res, i, 25), NULL, 10),
                    strtoll(PQgetvalue(res, i, 26), NULL, 10) * 1000, clock_ms());
    b->failures = (int)strtol(PQgetvalue(res, i, 27), NULL, 10);
    b->requests = (int)strtol(PQgetvalue(res, i, 28), NULL, 10);
    const char *p = PQgetvalue(res, i, 29);
    for (size_t n = 0; *p && b->ncited < BREAKER_CITED; p += n) {
        p += strspn(p, "{},");
        n = strcspn(p, "{},");
        if (n && ids_from_hex(p, n, &b->cited[b->ncited]) == 0)
            b->ncited++;
    }
}

static bool moved(const struct destination_settings *was, const struct destination_settings *is)
{
    const char *from = was->target.url.url, *to = is->target.url.url;
    return from && to && strcmp(from, to) != 0;
}

static void apply(struct reader *r, struct destination *d, struct destination_settings *s,
                  const PGresult *res, int i)
{
    bool first = !d->set.version;
    bool changed = false;
    if (first)
        read_breaker(&d->breaker, res, i);
    else if (moved(&d->set, s))
        changed = destination_begin_anew(d);
    else if (!d->set.enabled && s->enabled) /* somebody says that its trouble is over */
        changed = destination_forgive(d);
    if (!first && s->retry_now_at > d->set.retry_now_at) {
        d->blocked_until_ms = 0;
        changed = breaker_probe_now(&d->breaker, clock_ms()) || changed;
    }
    if (s->deleted)
        breaker_reset(&d->breaker); /* its row went with it */
    else if (changed)
        reader_breaker_changed(r, d);
    if (first || s->auto_after != d->set.auto_after)
        recovery_begin(&d->recovery);
    if (d->window > s->max_concurrency)
        d->window = s->max_concurrency;
    /* Transfers under way keep pointers into nothing of the old settings but through d->set, which is replaced whole. */
    destination_settings_release(&d->set);
    d->set = *s;
    d->shard = s->shard;
    d->known = true;
}

static void read_settings(struct reader *r, struct destination *d, const PGresult *res, int i)
{
    struct destination_settings s = {0};
    ids_from_hex(PQgetvalue(res, i, 1), strlen(PQgetvalue(res, i, 1)), &s.public_id);
    s.project_id = (int32_t)strtol(PQgetvalue(res, i, 2), NULL, 10);
    s.shard = (int16_t)strtol(PQgetvalue(res, i, 3), NULL, 10);
    read_limits(&s, res, i);
    s.enabled = PQgetvalue(res, i, 11)[0] == 't';
    s.paused = PQgetvalue(res, i, 12)[0] == 't';
    s.deleted = PQgetvalue(res, i, 13)[0] == 't';
    s.retry_now_at = strtod(PQgetvalue(res, i, 17), NULL);
    s.version = (int32_t)strtol(PQgetvalue(res, i, 18), NULL, 10);
    s.old_key_until_ms = clock_ms() + strtoll(PQgetvalue(res, i, 19), NULL, 10);
    s.v1a = PQgetvalue(res, i, 30)[0] == 't';
    s.transform = text_or_null(res, i, 22);
    s.payload_schema = text_or_null(res, i, 23);
    s.redaction =
        redaction_take(s.project_id, PQgetisnull(res, i, 33) ? NULL : PQgetvalue(res, i, 33));
    if (target_set(&s.target, PQgetvalue(res, i, 4), r->set.allow) || read_secrets(r, &s, res, i) ||
        read_authorities(&s, res, i))
        s.paused = true; /* nothing may leave unsigned: it is held until the key is back */
    apply(r, d, &s, res, i);
}

static void settings_read(void *arg, PGresult *res)
{
    struct reader *r = arg;
    if (!reading_good(r, res, "webhook_settings")) {
        r->settings_wanted = 1; /* counted anew when it is asked again */
        return;
    }
    for (int i = 0; i < PQntuples(res); i++) {
        struct destination *d = destinations_find(r->set.destinations,
                                                  (int32_t)strtol(PQgetvalue(res, i, 0), NULL, 10));
        if (!d)
            continue;
        read_settings(r, d, res, i);
        if (destination_held(d))
            destination_forget_queue(d, r->set.held);
        r->owner.changed(r->owner.arg, d);
    }
}

void settings_doubt(struct destination *d, void *reader)
{
    struct reader *r = reader;
    d->known = false;
    r->settings_wanted = 1; /* counted anew when they are asked for */
}

static void want_settings(struct destination *d, void *arg)
{
    struct reader *r = arg;
    if (d->known)
        return;
    r->settings_wanted++;
    if (r->ints.count < SETTINGS_PER_READ)
        pg_array_int4(&r->ints, d->webhook_id);
}

int settings_ask(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    (void)now_ms;
    struct reading_args a = {0};
    pg_array_clear(&r->ints);
    r->settings_wanted = 0;
    destinations_each(r->set.destinations, want_settings, r);
    if (!r->ints.count)
        return -1;
    r->settings_wanted -= (size_t)r->ints.count;
    reading_arg_array(&a, &r->ints);
    return reading_ask(r, pipe, WORKER_SQL_WEBHOOK_SETTINGS, &a, false, settings_read);
}

static void gone_told(void *arg, PGresult *res)
{
    struct reader *r = arg;
    if (reading_good(r, res, "webhook_gone") && r->ngone > 0)
        memmove(r->gone, r->gone + 1, (size_t)--r->ngone * sizeof *r->gone);
    r->poll_now = true; /* our own change is news to us as well */
}

int settings_tell_gone(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    (void)now_ms;
    struct reading_args a = {0};
    char webhook[16], owner[IDS_HEX_MAX];
    snprintf(webhook, sizeof webhook, "%d", r->gone[0]);
    ids_to_hex(r->set.owner, owner);
    reading_arg_text(&a, webhook);
    reading_arg_text(&a, owner);
    return reading_ask(r, pipe, WORKER_SQL_WEBHOOK_GONE, &a, false, gone_told);
}
