/* See bulk_view.h. Owns the names and the order of an operation's members, and of an item's. Reads only. */
#include "fcgi/bulk_view.h"

#include <stdlib.h>
#include <string.h>

#include "common/pg_array.h"
#include "common/states.h"
#include "fcgi/column.h"
#include "fcgi_sql.h"

#define N(a) (sizeof(a) / sizeof *(a))
#define ACTIVE_SHOWN 20
#define STATES_BYTES 128

/* bulk_items.sql */
enum item_column {
    ITEM_COL_NUMBER,
    ITEM_COL_ENTRY,
    ITEM_COL_OUTCOME,
    ITEM_COL_CAUSE,
    ITEM_COL_DELIVERY,
    ITEM_COL_MADE
};

/* --- an operation ----------------------------------------------------------------------------------------------- */

static const struct column members[] = {
    {"id", BULK_COL_ID, COLUMN_ID, ID_OPERATION, NULL},
    {"kind", BULK_COL_KIND, COLUMN_NAME, 0, states_operation_kind_name},
    {"state", BULK_COL_STATE, COLUMN_NAME, 0, states_operation_name},
    {"stateReason", BULK_COL_CAUSE, COLUMN_TEXT, 0, NULL},
    {"cancelledItems", BULK_COL_CANCELLED, COLUMN_INT, 0, NULL}, /* of the skipped */
    {"truncated", BULK_COL_TRUNCATED, COLUMN_BOOL, 0, NULL},
    {"etaSeconds", BULK_COL_ETA, COLUMN_INT, 0, NULL},
    {"name", BULK_COL_NAME, COLUMN_TEXT, 0, NULL},
    {"reason", BULK_COL_REASON, COLUMN_TEXT, 0, NULL},
    {"query", BULK_COL_QUERY, COLUMN_JSON, 0, NULL},
    {"retryOf", BULK_COL_RETRY_OF, COLUMN_ID, ID_OPERATION, NULL},
    {"createdBy", BULK_COL_ACTOR, COLUMN_TEXT, 0, NULL},
    {"createdAt", BULK_COL_CREATED, COLUMN_TIME, 0, NULL},
    {"snapshotAt", BULK_COL_CREATED, COLUMN_TIME, 0, NULL},
    {"startAt", BULK_COL_START, COLUMN_TIME, 0, NULL},
    {"startedAt", BULK_COL_STARTED, COLUMN_TIME, 0, NULL},
    {"finishedAt", BULK_COL_FINISHED, COLUMN_TIME, 0, NULL},
};

/* All but the first add up to it. */
static const struct column counts[] = {
    {"total", BULK_COL_TOTAL, COLUMN_INT, 0, NULL},
    {"notStarted", BULK_COL_NOT_STARTED, COLUMN_INT, 0, NULL},
    {"sent", BULK_COL_SENT, COLUMN_INT, 0, NULL},
    {"succeeded", BULK_COL_SUCCEEDED, COLUMN_INT, 0, NULL},
    {"failed", BULK_COL_FAILED, COLUMN_INT, 0, NULL},
    {"skipped", BULK_COL_SKIPPED, COLUMN_INT, 0, NULL},
};

/* Whole numbers without a point: a client sends 100 and reads 100. */
static json_t *rate_of(const PGresult *res, int row, int at)
{
    double rate = strtod(db_text(res, row, at), NULL);
    if (db_null(res, row, at))
        return json_null();
    return rate == (double)(int64_t)rate ? json_integer((json_int_t)rate) : json_real(rate);
}

json_t *bulk_view_row(const PGresult *res, int row)
{
    json_t *operation = column_object(res, row, members, N(members));
    if (!operation)
        return NULL;
    bool redrive = db_int(res, row, BULK_COL_KIND) == OPERATION_REDRIVE;
    json_object_set_new(operation, "counts", column_object(res, row, counts, N(counts)));
    json_object_set_new(operation, "ratePerSecond", rate_of(res, row, BULK_COL_RATE));
    json_object_set_new(operation, "actualRate", rate_of(res, row, BULK_COL_ACTUAL));
    json_object_set_new(operation, "probe", json_boolean(db_int(res, row, BULK_COL_PROBE) > 0));
    json_object_set_new(
        operation, "mode",
        !redrive ? json_null()
                 : json_string(db_bool(res, row, BULK_COL_ANEW) ? "current" : "snapshot"));
    json_object_set_new(
        operation, "target",
        !redrive ? json_null()
                 : json_string(db_bool(res, row, BULK_COL_ORIGINAL) ? "original" : "current"));
    return operation;
}

enum db_status bulk_view_rows(struct call *c, const struct bulk_which *which, PGresult **res)
{
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_int(&args, which->most);
    db_args_uuid(&args, which->id);
    db_args_uuid(&args, which->below);
    db_args_array(&args, which->kinds);
    db_args_array(&args, which->states);
    db_args_text(&args, which->from);
    db_args_text(&args, which->to);
    return db_run(c->desk->db, &fcgi_sql[FCGI_SQL_BULK_ROWS], &args, res);
}

enum db_status bulk_view_active(struct call *c, json_t *to)
{
    struct pg_array states;
    PGresult *res;
    pg_array_init(&states, PG_INT2, STATES_BYTES);
    for (int16_t state = OPERATION_PLANNED; state <= OPERATION_CANCELLING; state++)
        pg_array_int2(&states, state);
    struct bulk_which which = {.most = ACTIVE_SHOWN, .states = &states};
    enum db_status status = bulk_view_rows(c, &which, &res);
    for (int row = 0; status == DB_OK && row < PQntuples(res); row++)
        json_array_append_new(to, bulk_view_row(res, row));
    PQclear(res);
    pg_array_release(&states);
    return status;
}

/* --- items ------------------------------------------------------------------------------------------------------ */

static const char *const outcomes[] = {"notStarted", "sent",      "succeeded",
                                       "failed",     "cancelled", "skipped"};

static const char *outcome_name(int outcome)
{
    return outcome >= -1 && outcome < (int)N(outcomes) - 1 ? outcomes[outcome + 1] : NULL;
}

int bulk_view_outcome(const char *name)
{
    for (size_t i = 0; i < N(outcomes); i++)
        if (strcmp(outcomes[i], name) == 0)
            return (int)i - 1;
    return BULK_ANY_OUTCOME;
}

static const struct column item_members[] = {
    {"item", ITEM_COL_NUMBER, COLUMN_INT, 0, NULL},
    {"entryId", ITEM_COL_ENTRY, COLUMN_ID, ID_ENTRY, NULL},
    {"outcome", ITEM_COL_OUTCOME, COLUMN_NAME, 0, outcome_name},
    {"cause", ITEM_COL_CAUSE, COLUMN_NAME, 0, states_item_cause_name},
    {"deliveryId", ITEM_COL_DELIVERY, COLUMN_ID, ID_DELIVERY, NULL},
    {"newEntryId", ITEM_COL_MADE, COLUMN_ID, ID_ENTRY, NULL},
};

enum db_status bulk_view_items(struct call *c, const struct uuid *operation, int64_t after,
                               int most, int outcome, PGresult **res)
{
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, operation);
    db_args_int(&args, after);
    db_args_int(&args, most);
    if (outcome == BULK_ANY_OUTCOME)
        db_args_text(&args, NULL);
    else
        db_args_int(&args, outcome);
    return db_run(c->desk->db, &fcgi_sql[FCGI_SQL_BULK_ITEMS], &args, res);
}

json_t *bulk_view_item(const PGresult *res, int row)
{
    return column_object(res, row, item_members, N(item_members));
}

int64_t bulk_view_item_number(const PGresult *res, int row)
{
    return db_int(res, row, ITEM_COL_NUMBER);
}
