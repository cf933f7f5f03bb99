/*
 * Dead letters: the routes below /v1/dlq. Owns reading them and the decisions on one of them; what a list shows is
 * entry_filter's to say, how it looks entry_view's, sending again redrive's.
 *
 * Must never show what is past the project's retention, nor payload bytes without the scope for them. A decision is one
 * statement with its counts and its audit row: a crash leaves all of it or nothing.
 */
#include "fcgi/handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/states.h"
#include "fcgi/attempt_diff.h"
#include "fcgi/attempt_view.h"
#include "fcgi/column.h"
#include "fcgi/entry_filter.h"
#include "fcgi/entry_search.h"
#include "fcgi/entry_view.h"
#include "fcgi/fields.h"
#include "fcgi/redrive.h"
#include "fcgi/splice.h"
#include "fcgi_sql.h"

#define REASON_MAX 1000
#define BODY_PAYLOAD_COLUMN 4

static const char *const list_query[] = {LIST_QUERY, "count", ENTRY_FILTER_QUERY, "include", NULL};

static const char *const diff_query[] = {"a", "b", NULL};

const struct route entries_routes[] = {
    {METHOD_GET, "/v1/dlq", entries_list, SCOPE_DLQ_READ, 0, 0, list_query},
    {METHOD_GET, "/v1/dlq/{}", entries_get, SCOPE_DLQ_READ, 0, 0, NULL},
    {METHOD_GET, "/v1/dlq/{}/payload", entries_payload, SCOPE_DLQ_PAYLOAD, 0, 0, NULL},
    {METHOD_GET, "/v1/dlq/{}/attempts/{}", entries_attempt, SCOPE_DLQ_READ, 0, 0, NULL},
    {METHOD_GET, "/v1/dlq/{}/diff", entries_diff, SCOPE_DLQ_READ, 0, 0, diff_query},
    {METHOD_POST, "/v1/dlq/{}/re-drive", entries_redrive, SCOPE_DLQ_REPLAY, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT, NULL},
    {METHOD_POST, "/v1/dlq/{}/replay", entries_redrive, SCOPE_DLQ_REPLAY, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT, NULL},
    {METHOD_POST, "/v1/dlq/{}/retry", entries_redrive, SCOPE_DLQ_REPLAY, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT, NULL},
    {METHOD_POST, "/v1/dlq/{}/edit-re-drive", edit_redrive, SCOPE_DLQ_EDIT, LIMIT_EVENT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_IDEMPOTENT, NULL},
    {METHOD_POST, "/v1/dlq/{}/discard", entries_discard, SCOPE_DLQ_DISCARD, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT, NULL},
    {METHOD_POST, "/v1/dlq/{}/restore", entries_restore, SCOPE_DLQ_DISCARD, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT, NULL},
    {METHOD_DELETE, "/v1/dlq/{}", entries_purge, SCOPE_DLQ_PURGE, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL, NULL},
    {.pattern = NULL},
};

/* --- lists ------------------------------------------------------------------------------------------------------ */

static bool add_total(struct call *c, struct list *l, const struct entry_filter *f)
{
    struct entry_filter_total total;
    if (!route_db_ok(c, entry_filter_count(f, c, &total)))
        return false;
    list_extra(l, "total", json_integer(total.n));
    list_extra(l, "totalRelation", json_string(total.relation));
    list_extra(l, "countedAt", column_instant(total.counted_at_us));
    return true;
}

/* The page's rows and one more, if there is one. NULL: answered. */
static PGresult *read_page(struct call *c, struct list *l, struct entry_filter *f)
{
    struct buf select;
    struct db_args args;
    struct list_key after;
    PGresult *res = NULL;
    bool has_after = list_key(l, &after);
    buf_init(&select, SPLICE_TEXT_MAX);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    entry_filter_select(f, has_after ? &after : NULL, l->limit + 1, &select, &args);
    bool ok =
        route_db_ok(c, select.failed ? DB_FAILED : entry_view_rows(c, select.data, &args, &res));
    buf_release(&select);
    return ok ? res : NULL;
}

static void answer_page(struct list *l, const PGresult *res)
{
    int n = PQntuples(res);
    bool more = n > l->limit;
    json_t *data = json_array();
    for (int row = 0; row < (more ? l->limit : n); row++)
        json_array_append_new(data, entry_view_row(res, row));
    struct list_key key;
    if (more)
        entry_view_key(res, l->limit - 1, &key);
    list_answer(l, data, more ? &key : NULL, sizeof key);
}

static void list_filtered(struct call *c, struct list *l, struct entry_filter *f)
{
    enum list_count count = list_count(l);
    if (f->q && count != LIST_COUNT_BAD) {
        entry_search_answer(l, f, count != LIST_COUNT_NONE);
        return;
    }
    if (count == LIST_COUNT_BAD || (count != LIST_COUNT_NONE && !add_total(c, l, f)))
        return;
    PGresult *res = read_page(c, l, f);
    if (res)
        answer_page(l, res);
    PQclear(res);
}

void entries_list(struct call *c)
{
    struct list l;
    struct entry_filter f;
    if (request_query(c->rq, "include")) {
        response_field_problem(c->rs, 422, "not-available", "?include",
                               "include is not available yet.");
        return;
    }
    if (!list_begin(c, &l, "created-desc"))
        return;
    if (entry_filter_read(&f, &l))
        list_filtered(c, &l, &f);
    entry_filter_release(&f);
    list_end(&l);
}

/* --- one entry -------------------------------------------------------------------------------------------------- */

static void answer_tombstone(struct call *c, const PGresult *res)
{
    response_problem(c->rs, 410, "purged", "The dead letter was purged.", NULL, 0);
    json_object_set_new(c->rs->json, "purged", entry_view_decision(res, 0));
}

/* The row named by the path. NULL: answered, also with 410 for what is past its retention, or purged. */
static PGresult *find_entry(struct call *c)
{
    struct uuid id;
    PGresult *res;
    const char *text = c->args[0];
    if (ids_parse_any(ID_ENTRY, ID_DELIVERY, text, strlen(text), &id) == IDS_MATCH_NONE) {
        route_not_found(c);
        return NULL;
    }
    if (!route_db_ok(c, entry_view_find(c, &id, &res)))
        return NULL;
    bool purged = PQntuples(res) == 1 && db_int(res, 0, ENTRY_COL_STATE) == ENTRY_PURGED;
    if (PQntuples(res) == 1 && !purged && !db_bool(res, 0, ENTRY_COL_EXPIRED))
        return res;
    if (PQntuples(res) == 0)
        route_not_found(c);
    else if (purged && !db_bool(res, 0, ENTRY_COL_EXPIRED))
        answer_tombstone(c, res);
    else
        response_problem(c->rs, 410, "expired", "The dead letter is past its project's retention.",
                         NULL, 0);
    PQclear(res);
    return NULL;
}

void entries_get(struct call *c)
{
    PGresult *res = find_entry(c);
    if (!res)
        return;
    json_t *entry = entry_view_row(res, 0);
    if (entry && route_db_ok(c, entry_view_add_detail(c, res, 0, entry)))
        response_json(c->rs, 200, json_incref(entry));
    json_decref(entry);
    PQclear(res);
}

static void answer_bytes(struct call *c, const PGresult *entry, const PGresult *body)
{
    struct uuid id;
    size_t n;
    char shown[IDS_TEXT_MAX], disposition[80];
    unsigned char *payload = db_bytes(body, 0, BODY_PAYLOAD_COLUMN, &n);
    db_uuid(entry, 0, ENTRY_COL_ID, &id);
    ids_format(ID_ENTRY, &id, shown);
    snprintf(disposition, sizeof disposition, "attachment; filename=\"%s.json\"", shown);
    response_header(c->rs, "Content-Disposition", disposition);
    response_bytes(c->rs, 200, "application/octet-stream", payload ? payload : (unsigned char *)"",
                   payload ? n : 0);
    PQfreemem(payload);
}

void entries_payload(struct call *c)
{
    PGresult *body, *res = find_entry(c);
    if (!res)
        return;
    if (route_db_ok(c, entry_view_body(c, res, 0, true, &body))) {
        if (PQntuples(body) == 1)
            answer_bytes(c, res, body);
        else
            route_not_found(c);
        PQclear(body);
    }
    PQclear(res);
}

/* The number in the path, or -1. */
static int number_of(const char *text)
{
    size_t n = strlen(text);
    return n >= 1 && n <= 4 && strspn(text, "0123456789") == n ? (int)strtol(text, NULL, 10) : -1;
}

/* The attempt with the number, or NULL. A new reference. */
static json_t *attempt_with(const PGresult *attempts, int wanted)
{
    for (int row = 0; row < PQntuples(attempts); row++)
        if (attempt_view_number(attempts, row) == wanted)
            return attempt_view_row(attempts, row);
    return NULL;
}

static void answer_attempt(struct call *c, const PGresult *attempts, int wanted)
{
    json_t *attempt = attempt_with(attempts, wanted);
    if (attempt)
        response_json(c->rs, 200, attempt);
    else
        route_not_found(c);
}

void entries_attempt(struct call *c)
{
    PGresult *attempts, *res = find_entry(c);
    if (!res)
        return;
    if (route_db_ok(c, entry_view_attempts(c, res, 0, &attempts))) {
        answer_attempt(c, attempts, number_of(c->args[1]));
        PQclear(attempts);
    }
    PQclear(res);
}

/* Whether a query parameter, if given, is the number of an attempt. false: answered. */
static bool number_ok(struct call *c, const char *name)
{
    char pointer[8];
    const char *text = request_query(c->rq, name);
    if (!text || number_of(text) >= 0)
        return true;
    snprintf(pointer, sizeof pointer, "?%s", name);
    response_field_problem(c->rs, 400, "bad-filter", pointer, "%s is the number of an attempt.",
                           name);
    return false;
}

/* That number; `otherwise` if it is absent. */
static int number_in_query(struct call *c, const char *name, int otherwise)
{
    const char *text = request_query(c->rq, name);
    return text ? number_of(text) : otherwise;
}

/* The first against the last, unless asked otherwise. */
static void answer_diff(struct call *c, const PGresult *attempts)
{
    int n = PQntuples(attempts);
    json_t *a =
        attempt_with(attempts, number_in_query(c, "a", n ? attempt_view_number(attempts, 0) : 0));
    json_t *b = attempt_with(attempts,
                             number_in_query(c, "b", n ? attempt_view_number(attempts, n - 1) : 0));
    if (a && b)
        response_json(c->rs, 200, attempt_diff(a, b));
    else
        response_field_problem(c->rs, 404, "not-found", a ? "?b" : "?a",
                               "There is no such attempt.");
    json_decref(a);
    json_decref(b);
}

void entries_diff(struct call *c)
{
    PGresult *attempts, *res = NULL;
    if (number_ok(c, "a") && number_ok(c, "b"))
        res = find_entry(c);
    if (!res)
        return;
    if (route_db_ok(c, entry_view_attempts(c, res, 0, &attempts))) {
        answer_diff(c, attempts);
        PQclear(attempts);
    }
    PQclear(res);
}

/* --- deciding --------------------------------------------------------------------------------------------------- */

void entries_redrive(struct call *c)
{
    redrive_answer(c);
}

struct decision {
    enum entry_event event;
    enum entry_state from;
    const char *action; /* in the audit */
    const char *refusal, *detail;
};

/* Runs the statement; false: answered. *done: whether the entry was in the state it must come from. */
static bool decide(struct call *c, const PGresult *entry, const struct decision *d,
                   const char *reason, bool *done)
{
    struct uuid id;
    struct db_args args;
    PGresult *res;
    char shown[IDS_TEXT_MAX];
    db_uuid(entry, 0, ENTRY_COL_ID, &id);
    ids_format(ID_ENTRY, &id, shown);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, &id);
    db_args_int(&args, db_int(entry, 0, ENTRY_COL_DRAWER));
    db_args_int(&args, d->from);
    db_args_int(&args, states_entry_next(d->from, d->event));
    db_args_text(&args, reason);
    db_args_text(&args, c->who.actor);
    db_args_text(&args, d->action);
    db_args_text(&args, shown);
    db_args_text(&args, c->rq->id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_ENTRY_DECIDE], &args, &res)))
        return false;
    *done = PQntuples(res) == 1;
    PQclear(res);
    return true;
}

/* The entry that somebody has decided about. NULL: answered. */
static PGresult *find_to_decide(struct call *c)
{
    PGresult *res = find_entry(c);
    if (!res || !entry_view_system(res, 0))
        return res;
    PQclear(res);
    response_problem(c->rs, 409, "system-scope",
                     "Events that no webhook took are routed again or expire.", NULL, 0);
    return NULL;
}

static void answer_decision(struct call *c, const struct decision *d, const char *reason)
{
    bool done;
    PGresult *res = find_to_decide(c);
    if (!res)
        return;
    bool ok = decide(c, res, d, reason, &done);
    PQclear(res);
    if (!ok)
        return;
    if (!done) {
        response_problem(c->rs, 409, d->refusal, d->detail, NULL, 0);
        return;
    }
    res = find_entry(c);
    if (res)
        response_json(c->rs, 200, entry_view_row(res, 0));
    PQclear(res);
}

void entries_discard(struct call *c)
{
    static const char *const known[] = {"reason", NULL};
    static const struct decision discard = {ENTRY_DISCARD, ENTRY_OPEN, "dlq.discard", "not-open",
                                            "Only an open dead letter can be discarded."};
    const char *reason;
    json_t *body = route_body_object(c);
    if (body && fields_known(c, body, known, NULL) &&
        fields_string_required(c, body, "reason", 1, REASON_MAX, &reason))
        answer_decision(c, &discard, reason);
    json_decref(body);
}

void entries_restore(struct call *c)
{
    static const char *const known[] = {NULL};
    static const struct decision restore = {ENTRY_RESTORE, ENTRY_DISCARDED, "dlq.restore",
                                            "not-discarded",
                                            "Only a discarded dead letter can be restored."};
    json_t *body = route_body_object(c);
    if (body && fields_known(c, body, known, NULL))
        answer_decision(c, &restore, NULL);
    json_decref(body);
}

static void purge(struct call *c, const PGresult *entry, const char *reason)
{
    struct uuid id;
    struct db_args args;
    PGresult *res;
    char shown[IDS_TEXT_MAX];
    db_uuid(entry, 0, ENTRY_COL_ID, &id);
    ids_format(ID_ENTRY, &id, shown);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, &id);
    db_args_int(&args, db_int(entry, 0, ENTRY_COL_DRAWER));
    db_args_text(&args, reason);
    db_args_text(&args, c->who.actor);
    db_args_text(&args, shown);
    db_args_text(&args, c->rq->id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_ENTRY_PURGE], &args, &res)))
        return;
    if (PQntuples(res) == 1)
        response_empty(c->rs, 204);
    else
        response_problem(c->rs, 409, "not-open",
                         "Only an open or a discarded dead letter can be purged.", NULL, 0);
    PQclear(res);
}

void entries_purge(struct call *c)
{
    static const char *const known[] = {"reason", NULL};
    const char *reason;
    json_t *body = route_body_object(c);
    if (body && fields_known(c, body, known, NULL) &&
        fields_string(c, body, "reason", 1, REASON_MAX, &reason)) {
        PGresult *entry = find_to_decide(c);
        if (entry)
            purge(c, entry, reason);
        PQclear(entry);
    }
    json_decref(body);
}
