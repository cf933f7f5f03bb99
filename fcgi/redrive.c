/*
 * See redrive.h. Owns the decision what becomes of a request to send a dead letter again. Must never make a delivery
 * outside the one statement that also links it to its entry: a crash leaves both or neither.
 */
#include "fcgi/redrive.h"

#include <stdio.h>
#include <string.h>

#include "common/states.h"
#include "fcgi/entry_view.h"
#include "fcgi/fields.h"
#include "fcgi/system_entries.h"
#include "fcgi_sql.h"

static bool is(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

/* Where it goes: 0 the webhook's URL. DB_OK with *known false: nobody knows any more. */
static enum db_status find_url(struct call *c, const PGresult *entry, const struct redrive *r,
                               int64_t *url, bool *known)
{
    PGresult *res;
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, &r->entry);
    db_args_int(&args, db_int(entry, 0, ENTRY_COL_DRAWER));
    enum db_status status = db_run(c->desk->db, &fcgi_sql[FCGI_SQL_ENTRY_ORIGINAL], &args, &res);
    if (status != DB_OK)
        return status;
    *known = !db_null(res, 0, 0);
    *url = *known ? db_int(res, 0, 0) : 0;
    PQclear(res);
    return DB_OK;
}

/* One attempt at the statement. DB_OK with *made false: the entry is no longer as it was looked up, or has no bytes. */
static enum db_status make(struct call *c, const PGresult *entry, enum redrive_mode mode,
                           int64_t url, struct redrive *r, bool *made)
{
    PGresult *res;
    struct db_args args;
    char shown[IDS_TEXT_MAX];
    ids_new(&r->delivery);
    ids_format(ID_ENTRY, &r->entry, shown);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, &r->entry);
    db_args_int(&args, db_int(entry, 0, ENTRY_COL_DRAWER));
    db_args_uuid(&args, &r->delivery);
    db_args_text(&args, c->who.actor);
    db_args_text(&args, shown);
    db_args_text(&args, c->rq->id);
    db_args_bool(&args, mode == REDRIVE_CURRENT);
    if (url)
        db_args_int(&args, url);
    else
        db_args_text(&args, NULL);
    enum db_status status = db_run(c->desk->db, &fcgi_sql[FCGI_SQL_ENTRY_REDRIVE], &args, &res);
    *made = status == DB_OK && PQntuples(res) == 1;
    if (status == DB_OK)
        PQclear(res);
    return status == DB_CONFLICT ? DB_OK : status; /* redrives.entry_id: somebody was faster */
}

/* What the looked-up row says, before or instead of the statement. */
enum redrive_outcome redrive_judge(const PGresult *entry, struct redrive *r)
{
    if (PQntuples(entry) == 0)
        return REDRIVE_UNKNOWN;
    db_uuid(entry, 0, ENTRY_COL_ID, &r->entry);
    if (entry_view_system(entry, 0))
        return REDRIVE_SYSTEM;
    r->refusal = entry_view_not_replayable(entry, 0);
    if (!r->refusal)
        return REDRIVE_MADE;
    if (is(r->refusal, "already-replaying") &&
        db_uuid(entry, 0, ENTRY_COL_REPLAYED_AS, &r->delivery) == 0)
        return REDRIVE_PENDING;
    return REDRIVE_REFUSED;
}

/* It is open, and yet nothing could be made of it, twice: are the bytes gone? */
static void look_for_bytes(struct call *c, const PGresult *entry, enum redrive_mode mode,
                           struct redrive *r)
{
    PGresult *body;
    r->status = entry_view_body(c, entry, 0, false, &body);
    if (r->status != DB_OK)
        return;
    if (!entry_view_has_bytes(body, mode == REDRIVE_SNAPSHOT))
        r->refusal = mode == REDRIVE_SNAPSHOT ? "snapshot-expired" : "payload-expired";
    PQclear(body);
}

/* What comes of an entry that was found open. REDRIVE_MADE with *made false: it is to be looked up again. */
static enum redrive_outcome run_once(struct call *c, const PGresult *entry, enum redrive_mode mode,
                                     enum redrive_target target, struct redrive *r, bool *made)
{
    int64_t url = 0;
    bool known = true;
    if (target == REDRIVE_TO_ORIGINAL)
        r->status = find_url(c, entry, r, &url, &known);
    if (r->status == DB_OK && !known)
        r->refusal = "original-unknown";
    else if (r->status == DB_OK)
        r->status = make(c, entry, mode, url, r, made);
    return r->refusal ? REDRIVE_REFUSED : REDRIVE_MADE;
}

enum redrive_outcome redrive_run(struct call *c, const struct uuid *id, enum redrive_mode mode,
                                 enum redrive_target target, struct redrive *out)
{
    *out = (struct redrive){.status = DB_OK};
    for (int round = 0; round < REDRIVE_ROUNDS; round++) {
        PGresult *entry;
        bool made = false;
        out->status = entry_view_find(c, id, &entry);
        if (out->status != DB_OK)
            return REDRIVE_FAILED;
        enum redrive_outcome outcome = redrive_judge(entry, out);
        if (outcome == REDRIVE_MADE)
            outcome = run_once(c, entry, mode, target, out, &made);
        if (out->status == DB_OK && outcome == REDRIVE_MADE && !made && round > 0) {
            look_for_bytes(c, entry, mode, out);
            outcome = out->refusal ? REDRIVE_REFUSED : REDRIVE_MADE;
        }
        PQclear(entry);
        if (out->status != DB_OK)
            return REDRIVE_FAILED;
        if (made)
            route_wake(c);
        if (made || outcome != REDRIVE_MADE)
            return outcome;
    }
    out->refusal = "not-open";
    return REDRIVE_REFUSED;
}

/* --- over HTTP -------------------------------------------------------------------------------------------------- */

static bool read_body(struct call *c, enum redrive_mode *mode, enum redrive_target *target)
{
    static const char *const known[] = {"mode", "target", NULL};
    bool current = false, original = false;
    json_t *body = route_body_object(c);
    bool ok = body && fields_known(c, body, known, NULL) &&
              fields_choice(c, body, "mode", "snapshot", "current", &current) &&
              fields_choice(c, body, "target", "current", "original", &original);
    json_decref(body);
    *mode = current ? REDRIVE_CURRENT : REDRIVE_SNAPSHOT;
    *target = original ? REDRIVE_TO_ORIGINAL : REDRIVE_TO_CURRENT;
    return ok;
}

static void answer_delivery(struct call *c, const struct redrive *r, bool reused)
{
    char entry[IDS_TEXT_MAX], delivery[IDS_TEXT_MAX];
    ids_format(ID_ENTRY, &r->entry, entry);
    ids_format(ID_DELIVERY, &r->delivery, delivery);
    json_t *body = json_pack("{s:s, s:s}", "deliveryId", delivery, "replayOf", entry);
    if (body && reused)
        json_object_set_new(body, "reused", json_true());
    response_json(c->rs, reused ? 200 : 202, body);
}

/* Routed anew it is shaped anew, and goes wherever it is routed to: it never had another target. */
static void answer_system(struct call *c, const struct redrive *r, enum redrive_target target)
{
    PGresult *entry;
    if (target == REDRIVE_TO_ORIGINAL) {
        response_field_problem(c->rs, 422, "not-available", "/target",
                               "No webhook took this event: it has no original target.");
        return;
    }
    if (!route_db_ok(c, entry_view_find(c, &r->entry, &entry)))
        return;
    if (PQntuples(entry) == 1 && entry_view_system(entry, 0))
        system_entries_route(c, entry);
    else
        route_not_found(c);
    PQclear(entry);
}

void redrive_answer_refusal(struct call *c, const char *code)
{
    static const struct {
        const char *code, *detail;
    } details[] = {
        {"webhook-deleted", "The webhook of this dead letter was deleted."},
        {"endpoint-disabled", "The webhook is disabled. Enable it first."},
        {"payload-expired", "The dead letter is past its retention, or its payload is."},
        {"snapshot-expired", "The bytes that were sent are not kept any more."},
        {"original-unknown", "The URL that its requests went to is not known any more. Re-drive it "
                             "to the current one."},
        {"purged", "The dead letter was purged."},
        {"not-open", "Only an open dead letter can be re-driven."},
    };
    const char *detail = "It cannot be re-driven.";
    for (size_t i = 0; i < sizeof details / sizeof *details; i++)
        if (is(code, details[i].code))
            detail = details[i].detail;
    response_problem(c->rs, is(code, "purged") ? 410 : 409, code, detail, NULL, 0);
}

void redrive_answer(struct call *c)
{
    struct uuid id;
    struct redrive r;
    enum redrive_mode mode;
    enum redrive_target target;
    const char *text = c->args[0];
    if (!read_body(c, &mode, &target))
        return;
    if (ids_parse_any(ID_ENTRY, ID_DELIVERY, text, strlen(text), &id) == IDS_MATCH_NONE) {
        route_not_found(c);
        return;
    }
    switch (redrive_run(c, &id, mode, target, &r)) {
    case REDRIVE_MADE:
        answer_delivery(c, &r, false);
        break;
    case REDRIVE_PENDING:
        answer_delivery(c, &r, true);
        break;
    case REDRIVE_REFUSED:
        redrive_answer_refusal(c, r.refusal);
        break;
    case REDRIVE_SYSTEM:
        answer_system(c, &r, target);
        break;
    case REDRIVE_UNKNOWN:
        route_not_found(c);
        break;
    case REDRIVE_FAILED:
        route_db_ok(c, r.status);
        break;
    }
}
