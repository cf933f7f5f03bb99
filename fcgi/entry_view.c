/* See entry_view.h. Owns the names and the order of an entry's members. Reads only. */
#include "fcgi/entry_view.h"

#include "common/states.h"
#include "fcgi/attempt_view.h"
#include "fcgi/column.h"
#include "fcgi/origin.h"
#include "fcgi/splice.h"
#include "fcgi_sql.h"

#define N(a) (sizeof(a) / sizeof *(a))

enum body_column {
    BODY_ROUTING_KEY,
    BODY_METADATA,
    BODY_BYTES,
    BODY_SHA256,
    BODY_PAYLOAD,
    BODY_SENT_BYTES,
    BODY_SENT_SHA256
};

static const struct column members[] = {
    {"id", ENTRY_COL_ID, COLUMN_ID, ID_ENTRY, NULL},
    {"gid", ENTRY_COL_ID, COLUMN_ID, ID_ENTRY, NULL},
    {"deliveryId", ENTRY_COL_DELIVERY, COLUMN_ID, ID_DELIVERY, NULL},
    {"eventId", ENTRY_COL_EVENT, COLUMN_ID, ID_EVENT, NULL},
    {"externalId", ENTRY_COL_EXTERNAL, COLUMN_TEXT, 0, NULL},
    {"webhookId", ENTRY_COL_WEBHOOK, COLUMN_ID, ID_WEBHOOK, NULL},
    {"subscriptionId", ENTRY_COL_WEBHOOK, COLUMN_ID, ID_WEBHOOK, NULL},
    {"channel", ENTRY_COL_CHANNEL, COLUMN_TEXT, 0, NULL},
    {"eventType", ENTRY_COL_TYPE, COLUMN_TEXT, 0, NULL},
    {"customerExternalId", ENTRY_COL_CUSTOMER, COLUMN_TEXT, 0, NULL},
    {"occurredAt", ENTRY_COL_OCCURRED, COLUMN_TIME, 0, NULL},
    {"failureReason", ENTRY_COL_REASON, COLUMN_NAME, 0, states_reason_name},
    {"intentional", ENTRY_COL_INTENTIONAL, COLUMN_BOOL, 0, NULL},
    {"lastError", ENTRY_COL_ERROR, COLUMN_TEXT, 0, NULL},
    {"lastStatusCode", ENTRY_COL_STATUS, COLUMN_CODE, 0, NULL},
    {"attemptCount", ENTRY_COL_ATTEMPTS, COLUMN_INT, 0, NULL},
    {"firstAttemptAt", ENTRY_COL_FIRST_ATTEMPT, COLUMN_TIME, 0, NULL},
    {"lastAttemptAt", ENTRY_COL_LAST_ATTEMPT, COLUMN_TIME, 0, NULL},
    {"createdAt", ENTRY_COL_CREATED, COLUMN_TIME, 0, NULL},
    {"updatedAt", ENTRY_COL_UPDATED, COLUMN_TIME, 0, NULL},
    {"expiresAt", ENTRY_COL_EXPIRES, COLUMN_TIME, 0, NULL},
    {"state", ENTRY_COL_STATE, COLUMN_NAME, 0, states_entry_name},
    {"fingerprint", ENTRY_COL_FINGERPRINT, COLUMN_TEXT, 0, NULL},
    {"generation", ENTRY_COL_GENERATION, COLUMN_INT, 0, NULL},
    {"replayedAs", ENTRY_COL_REPLAYED_AS, COLUMN_ID, ID_DELIVERY, NULL},
};

static const struct column decision[] = {
    {"at", ENTRY_COL_DECIDED, COLUMN_TIME, 0, NULL},
    {"by", ENTRY_COL_DECIDED_BY, COLUMN_TEXT, 0, NULL},
    {"reason", ENTRY_COL_DECIDED_REASON, COLUMN_TEXT, 0, NULL},
};

/* --- finding ---------------------------------------------------------------------------------------------------- */

enum db_status entry_view_find(struct call *c, const struct uuid *id, PGresult **res)
{
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, id);
    enum db_status status = db_run(c->desk->db, &fcgi_sql[FCGI_SQL_ENTRY_ROWS], &args, res);
    if (status != DB_OK || PQntuples(*res) > 0)
        return status;
    PQclear(*res);
    return entry_view_rows(
        c, "SELECT f.* FROM system_entries f WHERE f.project_id = $1 AND f.id = $2 LIMIT 1", &args,
        res);
}

bool entry_view_system(const PGresult *res, int row)
{
    return db_int(res, row, ENTRY_COL_REASON) == REASON_UNROUTABLE;
}

enum db_status entry_view_rows(struct call *c, const char *select, const struct db_args *args,
                               PGresult **res)
{
    struct buf named, sql;
    buf_init(&named, SPLICE_TEXT_MAX);
    buf_init(&sql, SPLICE_TEXT_MAX);
    entry_drawers_put(&c->drawers, fcgi_sql[FCGI_SQL_ENTRY_ROWS].text, &named);
    splice_statement(&sql, named.failed ? "" : named.data, select);
    enum db_status status =
        named.failed || sql.failed ? DB_FAILED : db_run_text(c->desk->db, sql.data, args, res);
    buf_release(&named);
    buf_release(&sql);
    return status;
}

/* Project, entry and drawer: what names a row of the wide half. */
static void name_body(struct call *c, const PGresult *res, int row, struct uuid *id,
                      struct db_args *args)
{
    db_uuid(res, row, ENTRY_COL_ID, id);
    db_args_init(args);
    db_args_int(args, c->who.project_id);
    db_args_uuid(args, id);
    db_args_int(args, db_int(res, row, ENTRY_COL_DRAWER));
}

enum db_status entry_view_body(struct call *c, const PGresult *res, int row, bool payload,
                               PGresult **out)
{
    struct uuid id;
    struct db_args args;
    name_body(c, res, row, &id, &args);
    db_args_bool(&args, payload);
    return db_run(
        c->desk->db,
        &fcgi_sql[entry_view_system(res, row) ? FCGI_SQL_SYSTEM_BODY : FCGI_SQL_ENTRY_BODY], &args,
        out);
}

bool entry_view_has_bytes(const PGresult *body, bool sent)
{
    if (PQntuples(body) == 0)
        return false;
    bool other = sent && !db_null(body, 0, BODY_SENT_BYTES);
    return db_int(body, 0, other ? BODY_SENT_BYTES : BODY_BYTES) > 0;
}

enum db_status entry_view_attempts(struct call *c, const PGresult *res, int row, PGresult **out)
{
    struct uuid id;
    struct db_args args;
    name_body(c, res, row, &id, &args);
    return db_run(c->desk->db, &fcgi_sql[FCGI_SQL_ENTRY_ATTEMPTS], &args, out);
}

/* --- a row ------------------------------------------------------------------------------------------------------ */

const char *entry_view_not_replayable(const PGresult *res, int row)
{
    int64_t state = db_int(res, row, ENTRY_COL_STATE);
    if (state != ENTRY_OPEN)
        return state == ENTRY_REPLAYING ? "already-replaying"
               : state == ENTRY_PURGED  ? "purged"
                                        : "not-open";
    if (db_bool(res, row, ENTRY_COL_EXPIRED))
        return "payload-expired";
    if (entry_view_system(res, row))
        return NULL;
    if (db_bool(res, row, ENTRY_COL_WEBHOOK_DELETED))
        return "webhook-deleted";
    return db_bool(res, row, ENTRY_COL_WEBHOOK_ENABLED) ? NULL : "endpoint-disabled";
}

json_t *entry_view_decision(const PGresult *res, int row)
{
    return column_object(res, row, decision, N(decision));
}

json_t *entry_view_row(const PGresult *res, int row)
{
    static const struct column url = {"url", ENTRY_COL_URL, COLUMN_TEXT, 0, NULL};
    const char *why_not = entry_view_not_replayable(res, row);
    int64_t attempts = db_int(res, row, ENTRY_COL_ATTEMPTS);
    json_t *entry = column_object(res, row, members, N(members));
    if (!entry)
        return NULL;
    json_t *destination =
        entry_view_system(res, row)
            ? json_null()
            : json_pack("{s:s, s:o}", "type", "webhook", "url", column_value(res, row, &url));
    json_t *rest =
        json_pack("{s:o?, s:s, s:I, s:b, s:s?}", "destination", destination, "classification",
                  db_bool(res, row, ENTRY_COL_PERMANENT) ? "permanent" : "transient_exhausted",
                  "retryCount", (json_int_t)(attempts > 0 ? attempts - 1 : 0), "replayable",
                  why_not == NULL, "notReplayableReason", why_not);
    json_object_update(entry, rest);
    if (entry_view_system(res, row))
        json_object_set_new(entry, "scope", json_string("system"));
    json_decref(rest);
    json_object_set_new(entry, "discarded",
                        db_null(res, row, ENTRY_COL_DECIDED) ? json_null()
                                                             : entry_view_decision(res, row));
    return entry;
}

void entry_view_key(const PGresult *res, int row, struct list_key *key)
{
    *key = (struct list_key){.created_us = column_us(res, row, ENTRY_COL_CREATED)};
    db_uuid(res, row, ENTRY_COL_ID, &key->id);
}

/* --- the detail ------------------------------------------------------------------------------------------------- */

static void add_payload(json_t *message, const PGresult *body, bool shown)
{
    size_t n;
    unsigned char *payload = shown ? db_bytes(body, 0, BODY_PAYLOAD, &n) : NULL;
    json_object_set_new(message, "payload", json_null());
    json_object_set_new(message, "encoding", json_null());
    if (payload)
        attempt_view_bytes(message, "payload", payload, n);
    if (!shown)
        json_object_set_new(message, "payloadHidden", json_true());
    PQfreemem(payload);
}

static json_t *message_of(const PGresult *res, int row, const PGresult *body, bool shown)
{
    static const struct column own[] = {{"metadata", BODY_METADATA, COLUMN_JSON, 0, NULL},
                                        {"routingKey", BODY_ROUTING_KEY, COLUMN_TEXT, 0, NULL}};
    static const struct column channel = {"channel", ENTRY_COL_CHANNEL, COLUMN_TEXT, 0, NULL};
    json_t *message = column_object(body, 0, own, N(own));
    json_object_set_new(message, "channel", column_value(res, row, &channel));
    add_payload(message, body, shown);
    return message;
}

static json_t *artifact(const PGresult *res, int row, json_t *o)
{
    static const struct column expires = {"expiresAt", ENTRY_COL_EXPIRES, COLUMN_TIME, 0, NULL};
    json_object_set_new(o, "available", json_true());
    json_object_set_new(o, "expiresAt", column_value(res, row, &expires));
    return o;
}

static json_t *artifacts_of(const PGresult *res, int row, const PGresult *body)
{
    static const struct column own[] = {{"bytes", BODY_BYTES, COLUMN_INT, 0, NULL},
                                        {"sha256", BODY_SHA256, COLUMN_TEXT, 0, NULL}};
    static const struct column sent[] = {{"bytes", BODY_SENT_BYTES, COLUMN_INT, 0, NULL},
                                         {"sha256", BODY_SENT_SHA256, COLUMN_TEXT, 0, NULL}};
    json_t *source = artifact(res, row, column_object(body, 0, own, N(own)));
    json_t *dispatch = PQgetisnull(body, 0, BODY_SENT_BYTES)
                           ? json_pack("{s:b}", "available", 0)
                           : artifact(res, row, column_object(body, 0, sent, N(sent)));
    return json_pack("{s:o, s:o}", "source", source, "dispatch", dispatch);
}

/* What its event was edited from, and where its latest re-drive goes, or went. */
static enum db_status add_origin(struct call *c, const PGresult *res, int row, json_t *to)
{
    struct uuid event, replay;
    bool replayed = db_uuid(res, row, ENTRY_COL_REPLAYED_AS, &replay) == 0;
    db_uuid(res, row, ENTRY_COL_EVENT, &event);
    return origin_add(c, &event, replayed ? &replay : NULL, to);
}

enum db_status entry_view_add_detail(struct call *c, const PGresult *res, int row, json_t *to)
{
    PGresult *body, *attempts;
    bool shown = principal_may(&c->who, SCOPE_DLQ_PAYLOAD);
    enum db_status status = entry_view_body(c, res, row, shown, &body);
    if (status != DB_OK)
        return status;
    if (PQntuples(body) == 1) {
        json_object_set_new(to, "originalMessage", message_of(res, row, body, shown));
        json_object_set_new(to, "artifacts", artifacts_of(res, row, body));
    }
    PQclear(body);
    status = entry_view_attempts(c, res, row, &attempts);
    if (status != DB_OK)
        return status;
    attempt_view_add(to, attempts);
    PQclear(attempts);
    return add_origin(c, res, row, to);
}
