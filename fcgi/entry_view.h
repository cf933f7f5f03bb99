/*
 * entry_view: dead letters as API.md "An entry" shows them.
 *
 * A row is one of entry_rows.sql, whichever select stands in it. What is shown of the destination is the entry's own
 * copy: the webhook's address as it was, redacted.
 */
#ifndef DLO_FCGI_ENTRY_VIEW_H
#define DLO_FCGI_ENTRY_VIEW_H

#include <stdbool.h>

#include <jansson.h>

#include "fcgi/list.h"
#include "fcgi/route.h"

enum entry_column {
    ENTRY_COL_ID,
    ENTRY_COL_DRAWER,
    ENTRY_COL_DELIVERY,
    ENTRY_COL_EVENT,
    ENTRY_COL_EXTERNAL,
    ENTRY_COL_WEBHOOK,
    ENTRY_COL_URL,
    ENTRY_COL_CHANNEL,
    ENTRY_COL_TYPE,
    ENTRY_COL_CUSTOMER,
    ENTRY_COL_OCCURRED,
    ENTRY_COL_REASON,
    ENTRY_COL_PERMANENT,
    ENTRY_COL_INTENTIONAL,
    ENTRY_COL_ERROR,
    ENTRY_COL_STATUS,
    ENTRY_COL_ATTEMPTS,
    ENTRY_COL_FIRST_ATTEMPT,
    ENTRY_COL_LAST_ATTEMPT,
    ENTRY_COL_CREATED,
    ENTRY_COL_EXPIRES,
    ENTRY_COL_STATE,
    ENTRY_COL_UPDATED,
    ENTRY_COL_FINGERPRINT,
    ENTRY_COL_GENERATION,
    ENTRY_COL_REPLAYED_AS,
    ENTRY_COL_DECIDED,
    ENTRY_COL_DECIDED_BY,
    ENTRY_COL_DECIDED_REASON,
    ENTRY_COL_WEBHOOK_DELETED,
    ENTRY_COL_WEBHOOK_ENABLED,
    ENTRY_COL_EXPIRED
};

/* The row of the entry with this id, or whose delivery has it, or of the system scope; no row if there is none. */
enum db_status entry_view_find(struct call *c, const struct uuid *id, PGresult **res);
/* The rows that a select made by entry_filter_select names, in its order. */
enum db_status entry_view_rows(struct call *c, const char *select, const struct db_args *args,
                               PGresult **res);

/* Whether it is of the system scope: an event that no webhook took, with no destination and no attempts. */
bool entry_view_system(const PGresult *res, int row);

json_t *entry_view_row(const PGresult *res, int row);
/* Who decided on it, when and why: discarded, or purged. */
json_t *entry_view_decision(const PGresult *res, int row);
/* Where a list goes on after this row. */
void entry_view_key(const PGresult *res, int row, struct list_key *key);

/*
 * Why a row cannot be re-driven: "webhook-deleted", "endpoint-disabled", "already-replaying", "not-open",
 * "payload-expired", "purged"; NULL if it can.
 */
const char *entry_view_not_replayable(const PGresult *res, int row);

/* Adds what only the detail has; reads the wide half. The payload is left out without the scope for it. */
enum db_status entry_view_add_detail(struct call *c, const PGresult *res, int row, json_t *to);

/* The wide half of the row: see entry_body.sql and entry_attempts.sql for the columns. */
enum db_status entry_view_body(struct call *c, const PGresult *res, int row, bool payload,
                               PGresult **out);
/* Whether a body has the bytes that are to be sent: those that were sent, or else the payload. */
bool entry_view_has_bytes(const PGresult *body, bool sent);
enum db_status entry_view_attempts(struct call *c, const PGresult *res, int row, PGresult **out);

#endif
