/*
 * See groups.h. Owns the routes below /v1/dlq/groups and what people decide about a group. Must never count entries itself
 * where the counters know: a page of groups costs the same with a million dead letters. A decision is one statement with
 * its audit row.
 */
#include "fcgi/groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fingerprint.h"
#include "common/limits.h"
#include "common/states.h"
#include "fcgi/column.h"
#include "fcgi/entry_view.h"
#include "fcgi/fields.h"
#include "fcgi/handlers.h"
#include "fcgi/splice.h"
#include "fcgi_sql.h"

#define N(a) (sizeof(a) / sizeof *(a))
#define SAMPLES 5
#define TRIAGE_BYTES 256

static const char *const list_query[] = {LIST_QUERY, ENTRY_FILTER_QUERY, "groupBy", "triage", NULL};

const struct route groups_routes[] = {
    {METHOD_GET, "/v1/dlq/groups", groups_list, SCOPE_DLQ_READ, 0, 0, list_query},
    {METHOD_GET, "/v1/dlq/groups/{}", groups_get, SCOPE_DLQ_READ, 0, 0, NULL},
    {METHOD_PATCH, "/v1/dlq/groups/{}", groups_patch, SCOPE_DLQ_DISCARD, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON, NULL},
    {.pattern = NULL},
};

/* group_rows.sql */
enum group_column {
    COL_FINGERPRINT,
    COL_FINGERPRINT_VERSION,
    COL_WEBHOOK,
    COL_REASON,
    COL_STATUS,
    COL_OPEN,
    COL_TOTAL,
    COL_FIRST,
    COL_LAST,
    COL_HOUR,
    COL_DAY,
    COL_WEEK,
    COL_ENTRY,
    COL_ENTRY_DRAWER,
    COL_ERROR,
    COL_STATE,
    COL_ASSIGNEE,
    COL_NOTE,
    COL_LINK,
    COL_DECIDED,
    COL_DECIDED_BY,
    COL_VERSION,
    COL_OTHER,
    COL_COUNTED_AT
};

static const struct column members[] = {
    {"fingerprint", COL_FINGERPRINT, COLUMN_TEXT, 0, NULL},
    {"key", COL_FINGERPRINT, COLUMN_TEXT, 0, NULL},
    {"other", COL_OTHER, COLUMN_BOOL, 0, NULL},
    {"webhookId", COL_WEBHOOK, COLUMN_ID, ID_WEBHOOK, NULL},
    {"failureReason", COL_REASON, COLUMN_NAME, 0, states_reason_name},
    {"lastStatusCode", COL_STATUS, COLUMN_CODE, 0, NULL},
    {"lastError", COL_ERROR, COLUMN_TEXT, 0, NULL},
    {"count", COL_OPEN, COLUMN_INT, 0, NULL},
    {"total", COL_TOTAL, COLUMN_INT, 0, NULL},
    {"firstSeenAt", COL_FIRST, COLUMN_TIME, 0, NULL},
    {"lastSeenAt", COL_LAST, COLUMN_TIME, 0, NULL},
    {"sampleEntryId", COL_ENTRY, COLUMN_ID, ID_ENTRY, NULL},
    {"state", COL_STATE, COLUMN_TEXT, 0, NULL},
    {"assignee", COL_ASSIGNEE, COLUMN_TEXT, 0, NULL},
    {"note", COL_NOTE, COLUMN_TEXT, 0, NULL},
    {"link", COL_LINK, COLUMN_TEXT, 0, NULL},
    {"decidedAt", COL_DECIDED, COLUMN_TIME, 0, NULL},
    {"decidedBy", COL_DECIDED_BY, COLUMN_TEXT, 0, NULL},
    {"version", COL_VERSION, COLUMN_INT, 0, NULL},
};

static const struct column windows[] = {{"1h", COL_HOUR, COLUMN_INT, 0, NULL},
                                        {"24h", COL_DAY, COLUMN_INT, 0, NULL},
                                        {"7d", COL_WEEK, COLUMN_INT, 0, NULL}};

static json_t *group_of(const PGresult *res, int row)
{
    json_t *group = column_object(res, row, members, N(members));
    json_object_set_new(group, "groupBy", json_string("fingerprint"));
    json_object_set_new(group, "counts", column_object(res, row, windows, N(windows)));
    return group;
}

/* --- the list ------------------------------------------------------------------------------------------------------- */

/* Where a list of groups goes on. */
struct group_cursor {
    int64_t last_seen_us;
    unsigned char fingerprint[FINGERPRINT_BYTES];
};

static bool is_triage(const char *state)
{
    static const char *const states[] = {"open", "acknowledged", "parked", "resolved"};
    for (size_t i = 0; i < N(states); i++)
        if (strcmp(states[i], state) == 0)
            return true;
    return false;
}

/* Triage states into the array; false: answered. */
static bool read_triage(struct list *l, struct pg_array *to)
{
    const char *values[LIST_VALUES_MAX];
    int n = list_values(l, "triage", values, LIST_VALUES_MAX);
    for (int i = 0; i < n; i++) {
        if (!is_triage(values[i])) {
            response_field_problem(l->call->rs, 400, "bad-filter", "?triage",
                                   "triage takes open, acknowledged, parked, resolved.");
            return false;
        }
        pg_array_text(to, values[i]);
    }
    return n >= 0;
}

static enum db_status read_groups(struct list *l, const struct entry_filter *f,
                                  const struct pg_array *triage, PGresult **res)
{
    struct db_args args;
    struct group_cursor after;
    char at[LIST_TIME_MAX];
    bool more = l->cursor_len == sizeof after;
    db_args_init(&args);
    db_args_int(&args, l->call->who.project_id);
    db_args_int(&args, l->limit + 1);
    if (more) {
        memcpy(&after, l->cursor, sizeof after);
        instant_sql(after.last_seen_us, at);
    }
    db_args_text(&args, more ? at : NULL);
    db_args_bytes(&args, more ? after.fingerprint : NULL, sizeof after.fingerprint);
    entry_filter_bind_groups(f, &args);
    if (triage->count)
        db_args_binary(&args, triage->bytes.data, triage->bytes.len);
    else
        db_args_text(&args, NULL);
    db_args_bool(&args, triage->count > 0); /* who asks for what is resolved wants to see it */
    return entry_drawers_run(l->call, &fcgi_sql[FCGI_SQL_GROUP_ROWS], &args, res);
}

static void answer_groups(struct list *l, const PGresult *res)
{
    int n = PQntuples(res) > l->limit ? l->limit : PQntuples(res);
    struct group_cursor next;
    json_t *data = json_array();
    for (int row = 0; row < n; row++)
        json_array_append_new(data, group_of(res, row));
    if (n) {
        next.last_seen_us = column_us(res, n - 1, COL_LAST);
        const char *last = db_text(res, n - 1, COL_FINGERPRINT);
        (void)fingerprint_parse(last, strlen(last), next.fingerprint);
        list_extra(l, "countedAt", column_instant(column_us(res, 0, COL_COUNTED_AT)));
    }
    list_extra(l, "complete", json_true());
    list_answer(l, data, PQntuples(res) > n ? &next : NULL, sizeof next);
}

static void list_counted(struct list *l, const struct entry_filter *f)
{
    PGresult *res;
    struct pg_array triage;
    pg_array_init(&triage, PG_TEXT, TRIAGE_BYTES);
    if (read_triage(l, &triage) && route_db_ok(l->call, read_groups(l, f, &triage, &res))) {
        answer_groups(l, res);
        PQclear(res);
    }
    pg_array_release(&triage);
}

/* What is counted row by row knows nothing of triage, of searches, nor of a next page. */
static bool scannable(struct list *l, const struct entry_filter *f)
{
    const char *wrong = f->q                                   ? "q"
                        : request_query(l->call->rq, "triage") ? "triage"
                        : l->cursor_len                        ? "cursor"
                                                               : NULL;
    char pointer[16];
    if (!wrong)
        return true;
    snprintf(pointer, sizeof pointer, "?%s", wrong);
    response_field_problem(l->call->rs, 400, "bad-filter", pointer,
                           "%s does not go with this grouping or these filters.", wrong);
    return false;
}

static void list_filtered(struct list *l, struct entry_filter *f)
{
    bool ok = true;
    const char *by = list_one(l, "groupBy", &ok);
    const struct group_key *key = group_scan_key(by ? by : "fingerprint");
    if (!ok)
        return;
    if (!key)
        response_field_problem(l->call->rs, 400, "bad-filter", "?groupBy",
                               "groupBy takes fingerprint, webhookId, failureReason, statusCode, "
                               "eventType, channel, customerExternalId, classification.");
    else if (strcmp(key->name, "fingerprint") == 0 && entry_filter_of_groups(f))
        list_counted(l, f);
    else if (scannable(l, f))
        group_scan_answer(l, f, key);
}

void groups_list(struct call *c)
{
    struct list l;
    struct entry_filter f;
    if (!list_begin(c, &l, "seen-desc"))
        return;
    if (entry_filter_read(&f, &l))
        list_filtered(&l, &f);
    entry_filter_release(&f);
    list_end(&l);
}

/* --- one group ------------------------------------------------------------------------------------------------------ */

/* The row of the fingerprint in the path. NULL: answered. */
static PGresult *find_group(struct call *c, unsigned char fingerprint[FINGERPRINT_BYTES])
{
    PGresult *res;
    struct db_args args;
    struct pg_array one;
    if (fingerprint_parse(c->args[0], strlen(c->args[0]), fingerprint) != 0) {
        route_not_found(c);
        return NULL;
    }
    pg_array_init(&one, PG_BYTEA, TRIAGE_BYTES);
    pg_array_bytes(&one, fingerprint, FINGERPRINT_BYTES);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_int(&args, 1);
    for (int i = 0; i < 4; i++)
        db_args_text(&args, NULL);
    db_args_binary(&args, one.bytes.data, one.bytes.len);
    db_args_text(&args, NULL);
    db_args_text(&args, NULL);
    db_args_bool(&args, true);
    enum db_status status = entry_drawers_run(c, &fcgi_sql[FCGI_SQL_GROUP_ROWS], &args, &res);
    pg_array_release(&one);
    if (!route_db_ok(c, status))
        return NULL;
    if (PQntuples(res) == 1)
        return res;
    PQclear(res);
    route_not_found(c);
    return NULL;
}

/* Why these entries are one group: the parts that the fingerprint is made of. false: answered. */
static bool add_why(struct call *c, const PGresult *group, json_t *to)
{
    static const struct column parts[] = {
        {"version", COL_FINGERPRINT_VERSION, COLUMN_INT, 0, NULL},
        {"webhookId", COL_WEBHOOK, COLUMN_ID, ID_WEBHOOK, NULL},
        {"failureReason", COL_REASON, COLUMN_NAME, 0, states_reason_name},
        {"statusCode", COL_STATUS, COLUMN_INT, 0, NULL},
    };
    static const struct column template = {"template", 0, COLUMN_TEXT, 0, NULL};
    struct uuid id;
    struct db_args args;
    PGresult *res;
    json_t *why = column_object(group, 0, parts, N(parts));
    json_object_set_new(to, "why", why);
    json_object_set_new(why, "template", json_null());
    if (db_uuid(group, 0, COL_ENTRY, &id) != 0)
        return true;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, &id);
    db_args_int(&args, db_int(group, 0, COL_ENTRY_DRAWER));
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_GROUP_TEMPLATE], &args, &res)))
        return false;
    if (PQntuples(res) == 1)
        json_object_set_new(why, "template", column_value(res, 0, &template));
    PQclear(res);
    return true;
}

/* The newest entries of the group, in whatever state. false: answered. */
static bool add_samples(struct call *c, const unsigned char fingerprint[FINGERPRINT_BYTES],
                        json_t *to)
{
    struct buf select;
    struct db_args args;
    struct entry_filter f;
    PGresult *res = NULL;
    json_t *samples = json_array();
    json_object_set_new(to, "samples", samples);
    entry_filter_group(&f, fingerprint, FINGERPRINT_BYTES);
    buf_init(&select, SPLICE_TEXT_MAX);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    bool ok = entry_filter_bound(&f, c);
    entry_filter_select(&f, NULL, SAMPLES, &select, &args);
    ok = ok &&
         route_db_ok(c, select.failed ? DB_FAILED : entry_view_rows(c, select.data, &args, &res));
    for (int row = 0; ok && row < PQntuples(res); row++)
        json_array_append_new(samples, entry_view_row(res, row));
    PQclear(res);
    buf_release(&select);
    entry_filter_release(&f);
    return ok;
}

static void answer_group(struct call *c)
{
    unsigned char fingerprint[FINGERPRINT_BYTES];
    PGresult *res = find_group(c, fingerprint);
    if (!res)
        return;
    json_t *group = group_of(res, 0);
    if (add_why(c, res, group) && add_samples(c, fingerprint, group)) {
        response_version(c->rs, db_int(res, 0, COL_VERSION));
        response_json(c->rs, 200, json_incref(group));
    }
    json_decref(group);
    PQclear(res);
}

void groups_get(struct call *c)
{
    answer_group(c);
}

/* --- deciding ------------------------------------------------------------------------------------------------------- */

/* A text that may be given, and cleared by null or "". */
struct text_change {
    bool given;
    const char *value;
};

struct triage {
    const char *state;
    struct text_change assignee, note, link;
};

static bool read_text(struct call *c, const json_t *body, const char *name, size_t max,
                      struct text_change *out)
{
    out->given = json_object_get(body, name) != NULL;
    if (!fields_string(c, body, name, 0, max, &out->value))
        return false;
    if (out->value && !*out->value)
        out->value = NULL;
    return true;
}

static bool read_change(struct call *c, const json_t *body, struct triage *t)
{
    static const char *const known[] = {"state", "assignee", "note", "link", NULL};
    *t = (struct triage){.state = NULL};
    if (!fields_known(c, body, known, NULL) || !fields_string(c, body, "state", 1, 32, &t->state) ||
        !read_text(c, body, "assignee", 200, &t->assignee) ||
        !read_text(c, body, "note", 4000, &t->note) ||
        !read_text(c, body, "link", LIMIT_URL_BYTES, &t->link))
        return false;
    if (t->state && !is_triage(t->state)) {
        response_field_problem(c->rs, 400, "bad-value", "/state",
                               "state is open, acknowledged, parked or resolved.");
        return false;
    }
    if (t->link.value && strncmp(t->link.value, "https://", 8) != 0 &&
        strncmp(t->link.value, "http://", 7) != 0) {
        response_field_problem(c->rs, 422, "bad-link", "/link", "link begins with https://.");
        return false;
    }
    return true;
}

static void add_text(struct db_args *args, const struct text_change *change)
{
    db_args_bool(args, change->given);
    db_args_text(args, change->value);
}

/* false: answered, 412 when the group has changed meanwhile. */
static bool decide(struct call *c, const unsigned char fingerprint[FINGERPRINT_BYTES],
                   int64_t version, const struct triage *t)
{
    PGresult *res;
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_bytes(&args, fingerprint, FINGERPRINT_BYTES);
    if (version < 0)
        db_args_text(&args, NULL);
    else
        db_args_int(&args, version);
    db_args_text(&args, t->state);
    add_text(&args, &t->assignee);
    add_text(&args, &t->note);
    add_text(&args, &t->link);
    db_args_text(&args, c->who.actor);
    db_args_text(&args, c->rq->id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_GROUP_TRIAGE], &args, &res)))
        return false;
    bool done = PQntuples(res) == 1;
    PQclear(res);
    if (!done)
        response_problem(c->rs, 412, "version-mismatch",
                         "The group has changed since that version. Read it again.", NULL, 0);
    return done;
}

void groups_patch(struct call *c)
{
    struct triage t;
    unsigned char fingerprint[FINGERPRINT_BYTES];
    json_t *body = route_body_object(c);
    PGresult *res = body && read_change(c, body, &t) ? find_group(c, fingerprint) : NULL;
    int64_t version = res ? route_if_match_version(c) : -2;
    PQclear(res);
    if (version > -2 && decide(c, fingerprint, version, &t))
        answer_group(c);
    json_decref(body);
}
