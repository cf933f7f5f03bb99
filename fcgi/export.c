/*
 * See export.h. Owns the route and one stream at a time. Must never let a byte leave before the audit row that says who
 * took what is committed. A crash leaves a stream without its manifest, which is how a reader knows.
 */
#include "fcgi/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "common/limits.h"
#include "fcgi/audit.h"
#include "fcgi/column.h"
#include "fcgi/desk_share.h"
#include "fcgi/handlers.h"
#include "fcgi_sql.h"

#define LINE_BYTES (4u << 20)
#define CHUNK_ROWS 500
#define PAGE_ROWS 20

static const char *const export_query[] = {LIST_QUERY, ENTRY_FILTER_QUERY, "manifest", NULL};

const struct route export_routes[] = {
    {METHOD_GET, "/v1/dlq/export", export_get, SCOPE_DLQ_EXPORT, 0, ROUTE_SLOW, export_query},
    {.pattern = NULL},
};

static const struct {
    const char *type, *name;
} forms[] = {
    [EXPORT_JSON] = {"application/json", "json"},
    [EXPORT_NDJSON] = {"application/x-ndjson", "ndjson"},
    [EXPORT_CSV] = {"text/csv; charset=utf-8; header=present", "csv"},
};

struct stream {
    struct call *call;
    struct list *list;
    enum export_form form;
    bool mute;   /* only the manifest is wanted */
    bool failed; /* the client has gone, or the database */
    struct buf line;
    EVP_MD_CTX *sha;
    int64_t count, bytes;
    char first[IDS_TEXT_MAX], last[IDS_TEXT_MAX];
    char sha256[2 * EVP_MAX_MD_SIZE + 1];
};

/* --- the audit ------------------------------------------------------------------------------------------------------ */

/* What was asked for, as it was asked for. */
static json_t *filters_of(const struct call *c)
{
    json_t *filters = json_object();
    for (int i = 0; i < c->rq->nquery; i++) {
        const struct request_pair *pair = &c->rq->query[i];
        json_t *values = json_object_get(filters, pair->name);
        if (!values)
            json_object_set_new(filters, pair->name, values = json_array());
        json_array_append_new(values, json_string(pair->value));
    }
    return filters;
}

static bool note_begin(struct call *c, enum export_form form, bool mute)
{
    json_t *detail = json_pack("{s:s, s:b, s:b, s:o}", "format", forms[form].name, "payloads",
                               principal_may(&c->who, SCOPE_DLQ_PAYLOAD) && form != EXPORT_CSV,
                               "manifestOnly", mute, "filters", filters_of(c));
    return route_db_ok(c, audit_write(c, c->who.project_id, "dlq.export", "dlq", detail));
}

static void note_end(struct stream *s)
{
    (void)audit_write(s->call, s->call->who.project_id, "dlq.export.done", "dlq",
                      json_pack("{s:I, s:I, s:s, s:b}", "count", (json_int_t)s->count, "bytes",
                                (json_int_t)s->bytes, "sha256", s->sha256, "complete", !s->failed));
}

/* --- a stream ------------------------------------------------------------------------------------------------------- */

/* Sends the line that was made, and counts it in. */
static void send_line(struct stream *s)
{
    if (s->line.failed)
        s->failed = true;
    EVP_DigestUpdate(s->sha, s->line.data, s->line.len);
    s->bytes += (int64_t)s->line.len;
    if (!s->mute && !s->failed)
        s->failed = !response_stream(s->call->rs, s->call->rq, s->line.data, s->line.len);
    buf_clear(&s->line);
}

static int add_chunk(const char *p, size_t n, void *to)
{
    buf_add(to, p, n);
    return 0;
}

static void add_json(struct stream *s, const json_t *value)
{
    if (json_dump_callback(value, add_chunk, &s->line, JSON_COMPACT) != 0)
        s->failed = true;
    buf_add_char(&s->line, '\n');
}

static void send_entry(struct stream *s, const json_t *entry)
{
    const char *id = json_string_value(json_object_get(entry, "id"));
    snprintf(s->count ? s->last : s->first, IDS_TEXT_MAX, "%s", id ? id : "");
    if (s->form == EXPORT_CSV)
        export_csv_line(&s->line, entry);
    else
        add_json(s, entry);
    send_line(s);
    s->count++;
}

static void send_chunk(struct stream *s, const struct export_pages *p)
{
    for (int row = 0; row < p->rows && !s->failed; row++) {
        if (!export_pages_wanted(p, row))
            continue;
        json_t *entry = export_pages_entry(p, row);
        send_entry(s, entry);
        json_decref(entry);
    }
}

static void finish_digest(struct stream *s)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_DigestFinal_ex(s->sha, digest, &n);
    for (unsigned i = 0; i < n; i++)
        snprintf(s->sha256 + 2 * i, 3, "%02x", digest[i]);
}

static json_t *manifest_of(const struct stream *s)
{
    char project[IDS_TEXT_MAX];
    const struct call *c = s->call;
    ids_format(ID_PROJECT, &c->who.project, project);
    const char *last = s->count > 1 ? s->last : s->first;
    return json_pack("{s:{s:s, s:s, s:o, s:o, s:b, s:I, s:I, s:s, s:s?, s:s?, s:b}}", "manifest",
                     "project", project, "format", forms[s->form].name, "exportedAt",
                     column_instant(s->list->now_us), "filters", filters_of(c), "payloads",
                     principal_may(&c->who, SCOPE_DLQ_PAYLOAD) && s->form != EXPORT_CSV, "count",
                     (json_int_t)s->count, "bytes", (json_int_t)s->bytes, "sha256", s->sha256,
                     "firstId", s->count ? s->first : NULL, "lastId", s->count ? last : NULL,
                     "complete", 1);
}

static void send_all(struct stream *s, struct entry_filter *f)
{
    struct export_pages p;
    struct list_key after;
    enum db_status status = DB_OK;
    export_pages_begin(&p, s->call, f, list_key(s->list, &after) ? &after : NULL, CHUNK_ROWS);
    p.payloads = p.payloads && s->form != EXPORT_CSV;
    if (s->form == EXPORT_CSV) {
        export_csv_line(&s->line, NULL);
        send_line(s);
    }
    while (!s->failed && p.more && (status = export_pages_next(&p)) == DB_OK)
        send_chunk(s, &p);
    s->failed = s->failed || status != DB_OK;
    export_pages_end(&p);
    finish_digest(s);
}

/* Only a stream that is whole has a manifest. */
static void end_stream(struct stream *s)
{
    if (!s->failed && s->mute) {
        response_json(s->call->rs, 200, manifest_of(s));
    } else if (s->mute) {
        route_db_ok(s->call, DB_BUSY);
    } else if (!s->failed && s->form == EXPORT_NDJSON) {
        json_t *manifest = manifest_of(s);
        add_json(s, manifest);
        json_decref(manifest);
        (void)response_stream(s->call->rs, s->call->rq, s->line.data, s->line.len);
    }
}

static void begin_stream(struct stream *s)
{
    char disposition[64];
    if (s->mute)
        return;
    snprintf(disposition, sizeof disposition, "attachment; filename=\"dead-letters.%s\"",
             forms[s->form].name);
    response_header(s->call->rs, "Content-Disposition", disposition);
    response_stream_begin(s->call->rs, s->call->rq, forms[s->form].type);
}

static void answer_stream(struct list *l, struct entry_filter *f, enum export_form form, bool mute)
{
    struct stream s = {.call = l->call, .list = l, .form = form, .mute = mute};
    s.sha = EVP_MD_CTX_new();
    buf_init(&s.line, LINE_BYTES);
    if (!s.sha || EVP_DigestInit_ex(s.sha, EVP_sha256(), NULL) != 1) {
        response_problem(l->call->rs, 500, "internal", "No digest could be made.", NULL, 0);
    } else {
        begin_stream(&s);
        if (l->call->rq->method != METHOD_HEAD || mute) {
            send_all(&s, f);
            end_stream(&s);
            note_end(&s);
        }
    }
    EVP_MD_CTX_free(s.sha);
    buf_release(&s.line);
}

/* --- a page --------------------------------------------------------------------------------------------------------- */

static void answer_page(struct list *l, struct entry_filter *f)
{
    struct export_pages p;
    struct list_key after;
    int most = l->limit > PAGE_ROWS ? PAGE_ROWS : l->limit;
    export_pages_begin(&p, l->call, f, list_key(l, &after) ? &after : NULL, most);
    if (route_db_ok(l->call, export_pages_next(&p))) {
        json_t *data = json_array();
        for (int row = 0; row < p.rows; row++)
            if (export_pages_wanted(&p, row))
                json_array_append_new(data, export_pages_entry(&p, row));
        list_answer(l, data, p.more && p.rows ? &p.after : NULL, sizeof p.after);
    }
    export_pages_end(&p);
}

/* --- the route ------------------------------------------------------------------------------------------------------ */

static enum export_form form_of(const struct call *c, bool mute)
{
    const char *accept = request_header(c->rq, "HTTP_ACCEPT");
    if (accept && strstr(accept, "text/csv"))
        return EXPORT_CSV;
    return mute || (accept && strstr(accept, "application/x-ndjson")) ? EXPORT_NDJSON : EXPORT_JSON;
}

/* ?manifest=only; false: answered. */
static bool read_manifest(struct list *l, bool *mute)
{
    bool ok = true;
    const char *text = list_one(l, "manifest", &ok);
    *mute = text && strcmp(text, "only") == 0;
    if (ok && text && !*mute)
        response_field_problem(l->call->rs, 400, "bad-filter", "?manifest",
                               "manifest takes only \"only\".");
    return ok && (!text || *mute);
}

static bool limit_ok(struct list *l, enum export_form form)
{
    if (form == EXPORT_JSON || !request_query(l->call->rq, "limit"))
        return true;
    response_field_problem(l->call->rs, 400, "bad-limit", "?limit",
                           "A stream has no limit: leave it out, or ask for JSON pages.");
    return false;
}

static void answer(struct list *l, struct entry_filter *f, enum export_form form, bool mute)
{
    struct call *c = l->call;
    if (!desk_share_enter(c))
        return;
    if (list_now(l) && note_begin(c, form, mute)) {
        if (form == EXPORT_JSON)
            answer_page(l, f);
        else
            answer_stream(l, f, form, mute);
    }
    desk_share_leave();
}

void export_get(struct call *c)
{
    bool mute;
    struct list l;
    struct entry_filter f;
    if (!list_begin(c, &l, "created-desc"))
        return;
    if (entry_filter_read(&f, &l) && read_manifest(&l, &mute)) {
        enum export_form form = form_of(c, mute);
        if (limit_ok(&l, form))
            answer(&l, &f, form, mute);
    }
    entry_filter_release(&f);
    list_end(&l);
}
