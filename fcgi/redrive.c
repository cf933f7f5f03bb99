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

#define ROUNDS                                                                                     \
    4 /* looked up open, found changed, looked up again: only while others act on it too */

/* One attempt at the statement. DB_OK with *made false: the entry is no longer as it was looked up. */
static enum db_status make(struct call *c, const PGresult *entry, enum redrive_mode mode,
                           struct redrive *r, bool *made)
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
    enum db_status status = db_run(c->desk->db, &fcgi_sql[FCGI_SQL_ENTRY_REDRIVE], &args, &res);
    *made = status == DB_OK && PQntuples(res) == 1;
    if (status == DB_OK)
        PQclear(res);
    return status == DB_CONFLICT ? DB_OK : status; /* redrives.entry_id: somebody was faster */
}

static bool is(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

/* What the looked-up row says, before or instead of the statement. */
static enum redrive_outcome judge(const PGresult *entry, struct redrive *r)
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

enum redrive_outcome redrive_run(struct call *c, const struct uuid *id, enum redrive_mode mode,
                                 struct redrive *out)
{
    *out = (struct redrive){.status = DB_OK};
    for (int round = 0; round < ROUNDS; round++) {
        PGresult *entry;
        bool made = false;
        out->status = entry_view_find(c, id, &entry);
        if (out->status != DB_OK)
            return REDRIVE_FAILED;
        enum redrive_outcome outcome = judge(entry, out);
        if (outcome == REDRIVE_MADE)
            out->status = make(c, entry, mode, out, &made);
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

/* A choice with two values, of which one is for later work. false: answered. */
static bool read_choice(struct call *c, const json_t *body, const char *name, const char *taken,
                        const char *later)
{
    char pointer[32];
    const char *value;
    if (!fields_string(c, body, name, 1, 32, &value))
        return false;
    if (!value || is(value, taken))
        return true;
    snprintf(pointer, sizeof pointer, "/%s", name);
    if (is(value, later))
        response_field_problem(c->rs, 422, "not-available", pointer,
                               "%s \"%s\" is not available yet.", name, later);
    else
        response_field_problem(c->rs, 400, "bad-value", pointer, "%s is \"%s\" or \"%s\".", name,
                               taken, later);
    return false;
}

static bool read_mode(struct call *c, const json_t *body, enum redrive_mode *mode)
{
    const char *value;
    if (!fields_string(c, body, "mode", 1, 32, &value))
        return false;
    *mode = is(value, "current") ? REDRIVE_CURRENT : REDRIVE_SNAPSHOT;
    if (!value || *mode == REDRIVE_CURRENT || is(value, "snapshot"))
        return true;
    response_field_problem(c->rs, 400, "bad-value", "/mode",
                           "mode is \"snapshot\" or \"current\".");
    return false;
}

static bool read_body(struct call *c, enum redrive_mode *mode)
{
    static const char *const known[] = {"mode", "target", NULL};
    json_t *body = route_body_object(c);
    bool ok = body && fields_known(c, body, known, NULL) && read_mode(c, body, mode) &&
              read_choice(c, body, "target", "current", "original");
    json_decref(body);
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

static void answer_system(struct call *c, const struct redrive *r)
{
    PGresult *entry;
    if (!route_db_ok(c, entry_view_find(c, &r->entry, &entry)))
        return;
    if (PQntuples(entry) == 1 && entry_view_system(entry, 0))
        system_entries_route(c, entry);
    else
        route_not_found(c);
    PQclear(entry);
}

static void answer_refusal(struct call *c, const char *code)
{
    static const struct {
        const char *code, *detail;
    } details[] = {
        {"webhook-deleted", "The webhook of this dead letter was deleted."},
        {"endpoint-disabled", "The webhook is disabled. Enable it first."},
        {"payload-expired", "The dead letter is past its retention."},
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
    const char *text = c->args[0];
    if (!read_body(c, &mode))
        return;
    if (ids_parse_any(ID_ENTRY, ID_DELIVERY, text, strlen(text), &id) == IDS_MATCH_NONE) {
        route_not_found(c);
        return;
    }
    switch (redrive_run(c, &id, mode, &r)) {
    case REDRIVE_MADE:
        answer_delivery(c, &r, false);
        break;
    case REDRIVE_PENDING:
        answer_delivery(c, &r, true);
        break;
    case REDRIVE_REFUSED:
        answer_refusal(c, r.refusal);
        break;
    case REDRIVE_SYSTEM:
        answer_system(c, &r);
        break;
    case REDRIVE_UNKNOWN:
        route_not_found(c);
        break;
    case REDRIVE_FAILED:
        route_db_ok(c, r.status);
        break;
    }
}
