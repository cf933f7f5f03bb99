/*
 * bulk_view: operations and their items as API.md "An operation" shows them.
 */
#ifndef DLO_FCGI_BULK_VIEW_H
#define DLO_FCGI_BULK_VIEW_H

#include <jansson.h>

#include "common/db.h"
#include "fcgi/list.h"
#include "fcgi/route.h"

/* bulk_rows.sql */
enum bulk_column {
    BULK_COL_ID,
    BULK_COL_KIND,
    BULK_COL_STATE,
    BULK_COL_CAUSE,
    BULK_COL_NAME,
    BULK_COL_REASON,
    BULK_COL_QUERY,
    BULK_COL_RETRY_OF,
    BULK_COL_ACTOR,
    BULK_COL_ANEW,
    BULK_COL_RATE,
    BULK_COL_TRUNCATED,
    BULK_COL_TOTAL,
    BULK_COL_NOT_STARTED,
    BULK_COL_SENT,
    BULK_COL_SUCCEEDED,
    BULK_COL_FAILED,
    BULK_COL_SKIPPED,
    BULK_COL_CANCELLED,
    BULK_COL_ACTUAL,
    BULK_COL_ETA,
    BULK_COL_PROBE,
    BULK_COL_CREATED,
    BULK_COL_START,
    BULK_COL_STARTED,
    BULK_COL_FINISHED,
    BULK_COL_ORIGINAL
};

/* What bulk_rows.sql takes beside the project; NULL: any. Texts of times as instant_sql makes them. */
struct bulk_which {
    int most;
    const struct uuid *id, *below;
    const struct pg_array *kinds, *states;
    const char *from, *to;
};
enum db_status bulk_view_rows(struct call *c, const struct bulk_which *which, PGresult **res);

json_t *bulk_view_row(const PGresult *res, int row);

/* An item's outcome as bulk_items.sql has it: -1 not started, 0 sent. */
#define BULK_ANY_OUTCOME (-2)
int bulk_view_outcome(const char *name); /* BULK_ANY_OUTCOME: there is no such */
enum db_status bulk_view_items(struct call *c, const struct uuid *operation, int64_t after,
                               int most, int outcome, PGresult **res);
json_t *bulk_view_item(const PGresult *res, int row);
int64_t bulk_view_item_number(const PGresult *res, int row);

/* Those that have not ended, for the overview: at most 20. Appends to `to`. */
enum db_status bulk_view_active(struct call *c, json_t *to);

#endif
