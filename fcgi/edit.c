/*
 * POST /v1/dlq/{id}/edit-re-drive: a dead letter delivered with another payload, as a new event that only its webhook gets.
 *
 * Owns the order of what is asked before: whether the project allows it, the form of the payload, the entry, the schema of
 * its type. Must never change the entry's own story, nor let bytes through that POST /v1/events would refuse. Event,
 * delivery, link and audit are one statement: a crash leaves all of it or nothing.
 */
#include <string.h>

#include "fcgi/entry_view.h"
#include "fcgi/event_input.h"
#include "fcgi/event_refusal.h"
#include "fcgi/event_schemas.h"
#include "fcgi/handlers.h"
#include "fcgi/redrive.h"
#include "fcgi_sql.h"

/* project_plan.sql */
#define PLAN_EDIT_REDRIVE 8

static bool allowed(struct call *c)
{
    struct db_args args;
    PGresult *res;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_PROJECT_PLAN], &args, &res)))
        return false;
    bool on = PQntuples(res) == 1 && db_bool(res, 0, PLAN_EDIT_REDRIVE);
    PQclear(res);
    if (on)
        return true;
    response_problem(c->rs, 403, "capability-off",
                     "Dead letters of this project cannot be edited. The operator can allow it.",
                     NULL, 0);
    json_object_set_new(c->rs->json, "requiredCapability", json_string("editRedrive"));
    return false;
}

/* What the schema of the entry's type says of the new payload. False: answered. */
static bool fits_type(struct call *c, const PGresult *entry, const struct event_edit *edit)
{
    struct event_input_error err;
    struct event_input as_event = {.payload = edit->payload};
    snprintf(as_event.type, sizeof as_event.type, "%s", db_text(entry, 0, ENTRY_COL_TYPE));
    if (event_schemas_check(c, &as_event, &err) == 0)
        return true;
    event_refusal_answer(c, &err);
    return false;
}

/* DB_OK with *made false: the entry is no longer as it was looked up. */
static enum db_status make(struct call *c, const PGresult *entry, const struct event_edit *edit,
                           struct redrive *r, struct uuid *event, bool *made)
{
    PGresult *res;
    struct db_args args;
    char shown[IDS_TEXT_MAX];
    ids_new(&r->delivery);
    ids_new(event);
    ids_format(ID_ENTRY, &r->entry, shown);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, &r->entry);
    db_args_int(&args, db_int(entry, 0, ENTRY_COL_DRAWER));
    db_args_uuid(&args, &r->delivery);
    db_args_uuid(&args, event);
    db_args_bytes(&args, edit->payload.p, edit->payload.len);
    db_args_text(&args, edit->reason);
    db_args_text(&args, c->who.actor);
    db_args_text(&args, shown);
    db_args_text(&args, c->rq->id);
    enum db_status status = db_run(c->desk->db, &fcgi_sql[FCGI_SQL_ENTRY_EDIT], &args, &res);
    *made = status == DB_OK && PQntuples(res) == 1;
    if (status == DB_OK)
        PQclear(res);
    return status == DB_CONFLICT ? DB_OK : status; /* redrives.entry_id: somebody was faster */
}

static void answer_made(struct call *c, const struct redrive *r, const struct uuid *event)
{
    char entry[IDS_TEXT_MAX], delivery[IDS_TEXT_MAX], shown[IDS_TEXT_MAX];
    ids_format(ID_ENTRY, &r->entry, entry);
    ids_format(ID_DELIVERY, &r->delivery, delivery);
    ids_format(ID_EVENT, event, shown);
    route_wake(c);
    response_json(
        c->rs, 202,
        json_pack("{s:s, s:s, s:s}", "deliveryId", delivery, "eventId", shown, "replayOf", entry));
}

/* Another payload may be on its way: unlike a second re-drive this one is not the same as the first. */
static void answer_pending(struct call *c, const struct redrive *r)
{
    char delivery[IDS_TEXT_MAX];
    ids_format(ID_DELIVERY, &r->delivery, delivery);
    response_problem(c->rs, 409, "already-replaying",
                     "A re-drive of this dead letter is under way.", NULL, 0);
    json_object_set_new(c->rs->json, "deliveryId", json_string(delivery));
}

static void answer_not(struct call *c, enum redrive_outcome outcome, const struct redrive *r)
{
    switch (outcome) {
    case REDRIVE_PENDING:
        answer_pending(c, r);
        break;
    case REDRIVE_SYSTEM:
        response_problem(c->rs, 409, "system-scope",
                         "Events that no webhook took are routed again or expire.", NULL, 0);
        break;
    case REDRIVE_REFUSED:
        redrive_answer_refusal(c, r->refusal);
        break;
    default:
        route_not_found(c);
    }
}

/* One look and, if nothing speaks against it, one try. False: somebody was faster, look again. */
static bool run_once(struct call *c, const struct uuid *id, const struct event_edit *edit)
{
    struct redrive r = {.status = DB_OK};
    struct uuid event;
    PGresult *entry;
    bool made = false;
    if (!route_db_ok(c, entry_view_find(c, id, &entry)))
        return true;
    enum redrive_outcome outcome = redrive_judge(entry, &r);
    bool ended = outcome != REDRIVE_MADE || !fits_type(c, entry, edit) ||
                 !route_db_ok(c, make(c, entry, edit, &r, &event, &made)) || made;
    if (outcome != REDRIVE_MADE)
        answer_not(c, outcome, &r);
    else if (made)
        answer_made(c, &r, &event);
    PQclear(entry);
    return ended;
}

void edit_redrive(struct call *c)
{
    struct event_edit edit;
    struct event_input_error err;
    struct uuid id;
    const char *text = c->args[0];
    if (!allowed(c))
        return;
    if (event_input_edit(c->rq->body, c->rq->body_len, (size_t)c->who.max_payload_bytes, &edit,
                         &err)) {
        event_refusal_answer(c, &err);
        return;
    }
    if (ids_parse_any(ID_ENTRY, ID_DELIVERY, text, strlen(text), &id) == IDS_MATCH_NONE) {
        route_not_found(c);
        return;
    }
    for (int round = 0; round < REDRIVE_ROUNDS; round++)
        if (run_once(c, &id, &edit))
            return;
    /* open each time, and nothing could be made of it */
    redrive_answer_refusal(c, "payload-expired");
}
