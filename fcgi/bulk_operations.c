/*
 * Bulk operations: the routes below /v1/bulk-operations. Owns reading them and what an operator does with a running one; the
 * steps themselves are the worker's. An act needs the scope of what the operation does, which is known when it is found.
 *
 * Must never change an operation's state but through bulk_move: a crash leaves it in one state or the other.
 */
#include "fcgi/handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/pg_array.h"
#include "common/states.h"
#include "fcgi/bulk_freeze.h"
#include "fcgi/bulk_input.h"
#include "fcgi/bulk_view.h"
#include "fcgi/fields.h"
#include "fcgi/idempotency.h"
#include "fcgi_sql.h"

#define ROUNDS 4 /* read in one state, found in another: only while others act on it too */
#define VALUES_BYTES 1024
#define ACT (ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT)

static const char *const list_query[] = {LIST_QUERY, "kind", "state", "from", "to", NULL};
static const char *const items_query[] = {LIST_QUERY, "outcome", NULL};

const struct route bulk_operations_routes[] = {
    {METHOD_GET, "/v1/bulk-operations", bulk_operations_list, SCOPE_DLQ_READ, 0, 0, list_query},
    {METHOD_GET, "/v1/bulk-operations/{}", bulk_operations_get, SCOPE_DLQ_READ, 0, 0, NULL},
    {METHOD_GET, "/v1/bulk-operations/{}/items", bulk_operations_items, SCOPE_DLQ_READ, 0, 0,
     items_query},
    {METHOD_POST, "/v1/bulk-operations/{}/pause", bulk_operations_pause, SCOPE_DLQ_READ,
     LIMIT_BODY_BYTES, ACT, NULL},
    {METHOD_POST, "/v1/bulk-operations/{}/resume", bulk_operations_resume, SCOPE_DLQ_READ,
     LIMIT_BODY_BYTES, ACT, NULL},
    {METHOD_POST, "/v1/bulk-operations/{}/cancel", bulk_operations_cancel, SCOPE_DLQ_READ,
     LIMIT_BODY_BYTES, ACT, NULL},
    {METHOD_POST, "/v1/bulk-operations/{}/retry-failed", bulk_operations_retry, SCOPE_DLQ_READ,
     LIMIT_BODY_BYTES, ACT | ROUTE_SLOW, NULL},
    {METHOD_PATCH, "/v1/bulk-operations/{}", bulk_operations_patch, SCOPE_DLQ_READ,
     LIMIT_BODY_BYTES, ROUTE_BODY_JSON, NULL},
    {.pattern = NULL},
};

/* --- one operation ---------------------------------------------------------------------------------------------- */

/* The row that the path names. NULL: answered. */
static PGresult *find(struct call *c, struct uuid *id)
{
    PGresult *res;
    struct bulk_which which = {.most = 1, .id = id};
    if (!route_id(c, 0, ID_OPERATION, id) || !route_db_ok(c, bulk_view_rows(c, &which, &res)))
        return NULL;
    if (PQntuples(res) == 1)
        return res;
    route_not_found(c);
    PQclear(res);
    return NULL;
}

/* The same for who would act on it. */
static PGresult *find_to_act(struct call *c, struct uuid *id)
{
    static const enum scope scopes[] = {
        [OPERATION_REDRIVE] = SCOPE_DLQ_REPLAY_BULK,
        [OPERATION_DISCARD] = SCOPE_DLQ_DISCARD,
        [OPERATION_RESTORE] = SCOPE_DLQ_DISCARD,
        [OPERATION_PURGE] = SCOPE_DLQ_PURGE,
    };
    PGresult *res = find(c, id);
    enum scope scope = res ? scopes[db_int(res, 0, BULK_COL_KIND)] : SCOPE_NONE;
    if (!res || principal_may(&c->who, scope))
        return res;
    principal_refuse(c, scope);
    PQclear(res);
    return NULL;
}

static void answer_found(struct call *c)
{
    struct uuid id;
    PGresult *res = find(c, &id);
    if (res)
        response_json(c->rs, 200, bulk_view_row(res, 0));
    PQclear(res);
}

/* Appends rows to `data`; the number of the last one, 0 if there is none behind it. */
static int64_t add_items(json_t *data, const PGresult *res, int most)
{
    int n = PQntuples(res) > most ? most : PQntuples(res);
    for (int row = 0; row < n; row++)
        json_array_append_new(data, bulk_view_item(res, row));
    return PQntuples(res) > most ? bulk_view_item_number(res, most - 1) : 0;
}

void bulk_operations_get(struct call *c)
{
    struct uuid id;
    PGresult *items = NULL, *res = find(c, &id);
    if (!res)
        return;
    json_t *operation = bulk_view_row(res, 0), *data = json_array();
    PQclear(res);
    if (route_db_ok(c,
                    bulk_view_items(c, &id, 0, LIMIT_BULK_SHOWN_ITEMS, BULK_ANY_OUTCOME, &items))) {
        add_items(data, items, LIMIT_BULK_SHOWN_ITEMS);
        json_object_set(operation, "items", data);
        response_json(c->rs, 200, json_incref(operation));
        c->rs->weak_tag = true;
    }
    PQclear(items);
    json_decref(data);
    json_decref(operation);
}

/* --- lists ------------------------------------------------------------------------------------------------------ */

typedef int parser(const char *text, size_t len);

/* A filter's values by number. false: answered. */
static bool read_numbers(struct list *l, const char *name, parser *parse, struct pg_array *to)
{
    const char *values[LIST_VALUES_MAX];
    int n = list_values(l, name, values, LIST_VALUES_MAX);
    for (int i = 0; i < n; i++) {
        int number = parse(values[i], strlen(values[i]));
        if (number < 0) {
            list_refuse(l, 400, "bad-filter", name, "%s has no such value.", name);
            return false;
        }
        pg_array_int2(to, (int16_t)number);
    }
    return n >= 0;
}

static void answer_page(struct call *c, struct list *l, const struct bulk_which *which)
{
    PGresult *res;
    struct uuid last;
    if (!route_db_ok(c, bulk_view_rows(c, which, &res)))
        return;
    bool more = PQntuples(res) > l->limit;
    json_t *data = json_array();
    for (int row = 0; row < PQntuples(res) && row < l->limit; row++)
        json_array_append_new(data, bulk_view_row(res, row));
    if (more)
        db_uuid(res, l->limit - 1, BULK_COL_ID, &last);
    list_answer(l, data, more ? &last : NULL, sizeof last);
    PQclear(res);
}

void bulk_operations_list(struct call *c)
{
    struct list l;
    struct uuid below;
    struct pg_array kinds, states;
    char from[LIST_TIME_MAX], to[LIST_TIME_MAX];
    if (!list_begin(c, &l, "id-desc"))
        return;
    pg_array_init(&kinds, PG_INT2, VALUES_BYTES);
    pg_array_init(&states, PG_INT2, VALUES_BYTES);
    if (read_numbers(&l, "kind", states_operation_kind_parse, &kinds) &&
        read_numbers(&l, "state", states_operation_parse, &states) &&
        list_time(&l, "from", from) >= 0 && list_time(&l, "to", to) >= 0) {
        memcpy(&below, l.cursor, sizeof below);
        struct bulk_which which = {
            .most = l.limit + 1,
            .below = l.cursor_len == sizeof below ? &below : NULL,
            .kinds = &kinds,
            .states = &states,
            .from = *from ? from : NULL,
            .to = *to ? to : NULL,
        };
        answer_page(c, &l, &which);
    }
    pg_array_release(&kinds);
    pg_array_release(&states);
    list_end(&l);
}

/* The outcome asked for. false: answered. */
static bool read_outcome(struct list *l, int *outcome)
{
    bool ok = true;
    const char *name = list_one(l, "outcome", &ok);
    *outcome = name ? bulk_view_outcome(name) : BULK_ANY_OUTCOME;
    if (ok && name && *outcome == BULK_ANY_OUTCOME) {
        list_refuse(l, 400, "bad-filter", "outcome",
                    "outcome is notStarted, sent, succeeded, failed, cancelled or skipped.");
        return false;
    }
    return ok;
}

static void answer_items(struct call *c, struct list *l, const struct uuid *id)
{
    int outcome;
    int64_t after = 0;
    PGresult *res = NULL;
    if (!read_outcome(l, &outcome))
        return;
    if (l->cursor_len == sizeof after)
        memcpy(&after, l->cursor, sizeof after);
    if (route_db_ok(c, bulk_view_items(c, id, after, l->limit + 1, outcome, &res))) {
        json_t *data = json_array();
        int64_t last = add_items(data, res, l->limit);
        list_answer(l, data, last ? &last : NULL, sizeof last);
    }
    PQclear(res);
}

void bulk_operations_items(struct call *c)
{
    struct list l;
    struct uuid id;
    PGresult *res = find(c, &id);
    if (!res)
        return;
    PQclear(res);
    if (list_begin(c, &l, "item-asc")) {
        answer_items(c, &l, &id);
        list_end(&l);
    }
}

/* --- acts ------------------------------------------------------------------------------------------------------- */

/* Asks the one setter. -1: answered; else whether it was in the state it must come from. */
static int try_move(struct call *c, const struct uuid *id, int from, int to, const char *word)
{
    struct db_args args;
    PGresult *res;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, id);
    db_args_int(&args, from);
    db_args_int(&args, to);
    db_args_text(&args, c->who.actor);
    db_args_text(&args, word);
    db_args_text(&args, c->rq->id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_BULK_MOVE], &args, &res)))
        return -1;
    bool moved = PQntuples(res) == 1 && db_bool(res, 0, 0);
    PQclear(res);
    return moved;
}

static void answer_not_allowed(struct call *c, int state, const char *word)
{
    char detail[96];
    snprintf(detail, sizeof detail, "The operation is %s: %s is not possible.",
             states_operation_name(state), word);
    response_problem(c->rs, 409, "not-possible", detail, NULL, 0);
}

/* Who resumes what has not begun lets it wait for its time again. */
static enum operation_event event_for(const PGresult *res, enum operation_event asked)
{
    bool begun = !db_null(res, 0, BULK_COL_STARTED);
    return asked == OPERATION_RESUME && !begun ? OPERATION_REPLAN : asked;
}

/* `already`: the state in which it has what is asked for, and the call is answered like the first one. */
static bool move(struct call *c, enum operation_event event, int already, const char *word)
{
    struct uuid id;
    for (int round = 0; round < ROUNDS; round++) {
        PGresult *res = find_to_act(c, &id);
        if (!res)
            return false;
        int state = (int)db_int(res, 0, BULK_COL_STATE);
        int to = states_operation_next((enum operation_state)state, event_for(res, event));
        PQclear(res);
        if (state == already)
            return true;
        if (to == 0) {
            answer_not_allowed(c, state, word);
            return false;
        }
        int moved = try_move(c, &id, state, to, word);
        if (moved)
            return moved > 0;
    }
    route_db_ok(c, DB_BUSY);
    return false;
}

static bool no_body(struct call *c)
{
    static const char *const known[] = {NULL};
    json_t *body = route_body_object(c);
    bool ok = body && fields_known(c, body, known, NULL);
    json_decref(body);
    return ok;
}

void bulk_operations_pause(struct call *c)
{
    if (no_body(c) && move(c, OPERATION_PAUSE, OPERATION_PAUSED, "pause"))
        answer_found(c);
}

void bulk_operations_resume(struct call *c)
{
    if (no_body(c) && move(c, OPERATION_RESUME, OPERATION_RUNNING, "resume"))
        answer_found(c);
}

void bulk_operations_cancel(struct call *c)
{
    if (no_body(c) && move(c, OPERATION_CANCEL, OPERATION_CANCELLING, "cancel"))
        answer_found(c);
}

/* false: answered. */
static bool set_rate(struct call *c, const struct uuid *id, double rate)
{
    struct db_args args;
    PGresult *res;
    char text[32], shown[IDS_TEXT_MAX];
    snprintf(text, sizeof text, "%g", rate);
    ids_format(ID_OPERATION, id, shown);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, id);
    db_args_text(&args, rate > 0 ? text : NULL);
    db_args_text(&args, c->who.actor);
    db_args_text(&args, shown);
    db_args_text(&args, c->rq->id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_BULK_RATE], &args, &res)))
        return false;
    bool changed = PQntuples(res) == 1;
    PQclear(res);
    if (!changed)
        response_problem(c->rs, 409, "not-possible", "The operation has ended.", NULL, 0);
    return changed;
}

static bool patch(struct call *c, const json_t *body)
{
    static const char *const known[] = {"ratePerSecond", NULL};
    struct uuid id;
    struct bulk_limits limits;
    double rate = -1;
    if (!fields_known(c, body, known, NULL))
        return false;
    PGresult *res = find_to_act(c, &id);
    if (!res)
        return false;
    enum operation_kind kind = (enum operation_kind)db_int(res, 0, BULK_COL_KIND);
    PQclear(res);
    return bulk_input_limits(c, &limits) && bulk_input_rate(c, body, kind, &limits, &rate) &&
           (rate < 0 || set_rate(c, &id, rate));
}

void bulk_operations_patch(struct call *c)
{
    json_t *body = route_body_object(c);
    if (body && patch(c, body))
        answer_found(c);
    json_decref(body);
}

/* --- the failed ones again -------------------------------------------------------------------------------------- */

/* What the new operation has of the old one, unless the body says otherwise. */
static void inherit(struct bulk_input *in, const PGresult *res, const char *shown)
{
    *in = (struct bulk_input){.kind = OPERATION_REDRIVE,
                              .expect_total = -1,
                              .query = json_pack("{s:s}", "failedOf", shown)};
    in->pace = (struct bulk_pace){
        .rate = strtod(db_text(res, 0, BULK_COL_RATE), NULL),
        .anew = db_bool(res, 0, BULK_COL_ANEW),
        .original = db_bool(res, 0, BULK_COL_ORIGINAL),
        .probe = db_int(res, 0, BULK_COL_PROBE) > 0,
        .name = db_null(res, 0, BULK_COL_NAME) ? NULL : db_text(res, 0, BULK_COL_NAME),
        .reason = db_null(res, 0, BULK_COL_REASON) ? NULL : db_text(res, 0, BULK_COL_REASON),
    };
}

static void retry(struct call *c, const json_t *body, const PGresult *res, const struct uuid *id)
{
    static const char *const known[] = {"ratePerSecond", "probe", "startAt", "mode",
                                        "target",        "name",  "reason",  NULL};
    struct bulk_input in;
    struct bulk_limits limits;
    const char *key = NULL;
    size_t len = 0;
    char shown[IDS_TEXT_MAX], text[LIMIT_IDEMPOTENCY_KEY_BYTES + 1];
    ids_format(ID_OPERATION, id, shown);
    inherit(&in, res, shown);
    if (fields_known(c, body, known, NULL) && bulk_input_limits(c, &limits) &&
        bulk_input_pace(&in.pace, c, body, OPERATION_REDRIVE, &limits) &&
        idempotency_key(c, &key, &len) >= 0) {
        snprintf(text, sizeof text, "%.*s", (int)len, key ? key : "");
        in.max_items = limits.max_items;
        bulk_freeze_make(c, &in, id, key ? text : NULL);
    }
    json_decref(in.query);
}

void bulk_operations_retry(struct call *c)
{
    struct uuid id;
    json_t *body = route_body_object(c);
    PGresult *res = body ? find_to_act(c, &id) : NULL;
    if (res && db_int(res, 0, BULK_COL_KIND) == OPERATION_REDRIVE)
        retry(c, body, res, &id);
    else if (res)
        response_problem(c->rs, 409, "not-possible", "Only re-drives can fail.", NULL, 0);
    PQclear(res);
    json_decref(body);
}
