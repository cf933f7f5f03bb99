/*
 * Seed 000's three routes below /dlq, kept to the letter for its users: snake_case, bare UUIDs, page numbers, and
 * {"error": …} for what goes wrong (ROUTE_LEGACY). What they show and do is what /v1/dlq shows and does: a retry is a
 * re-drive, a new delivery, and the entry leaves the list because it is no longer open.
 *
 * Must never grow: new things belong on /v1.
 */
#include "fcgi/handlers.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "fcgi/column.h"
#include "fcgi/entry_filter.h"
#include "fcgi/entry_view.h"
#include "fcgi/redrive.h"
#include "fcgi/splice.h"

#define PAGE_ROWS 50
#define N(a) (sizeof(a) / sizeof *(a))

static const char *const page_query[] = {"page", NULL};

const struct route legacy_routes[] = {
    {METHOD_GET, "/dlq", legacy_list, SCOPE_DLQ_READ, 0, ROUTE_LEGACY, page_query},
    {METHOD_GET, "/dlq/webhook/{}", legacy_webhook, SCOPE_DLQ_READ, 0, ROUTE_LEGACY, page_query},
    {METHOD_POST, "/dlq/{}/retry", legacy_retry, SCOPE_DLQ_REPLAY, 0, ROUTE_LEGACY, NULL},
    {.pattern = NULL},
};

static const struct column members[] = {
    {"id", ENTRY_COL_ID, COLUMN_UUID, 0, NULL},
    {"delivery_id", ENTRY_COL_DELIVERY, COLUMN_UUID, 0, NULL},
    {"webhook_id", ENTRY_COL_WEBHOOK, COLUMN_UUID, 0, NULL},
    {"event_id", ENTRY_COL_EVENT, COLUMN_UUID, 0, NULL},
    {"last_error", ENTRY_COL_ERROR, COLUMN_TEXT, 0, NULL},
    {"error_count", ENTRY_COL_ATTEMPTS, COLUMN_INT, 0, NULL},
    {"created_at", ENTRY_COL_CREATED, COLUMN_TIME, 0, NULL},
    {"updated_at", ENTRY_COL_UPDATED, COLUMN_TIME, 0, NULL},
    {"event_type", ENTRY_COL_TYPE, COLUMN_TEXT, 0, NULL},
    {"webhook_url", ENTRY_COL_URL, COLUMN_TEXT, 0, NULL},
};

/* "A page that is no positive integer is 1." */
static long page_number(const struct call *c)
{
    const char *text = request_query(c->rq, "page");
    size_t n = text ? strspn(text, "0123456789") : 0;
    if (n == 0 || text[n] || n > 9)
        return n > 9 && !text[n] ? LONG_MAX / PAGE_ROWS : 1;
    long page = strtol(text, NULL, 10);
    return page > 0 ? page : 1;
}

/* Rows and the one after them. NULL: answered. */
static PGresult *read_rows(struct call *c, struct entry_filter *f, long offset, int rows)
{
    struct buf select;
    struct db_args args;
    PGresult *res = NULL;
    buf_init(&select, SPLICE_TEXT_MAX);
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    entry_filter_page(f, offset, rows + 1, &select, &args);
    bool ok =
        route_db_ok(c, select.failed ? DB_FAILED : entry_view_rows(c, select.data, &args, &res));
    buf_release(&select);
    return ok ? res : NULL;
}

static json_t *rows_of(const PGresult *res, int most, size_t members_shown)
{
    json_t *rows = json_array();
    for (int row = 0; row < PQntuples(res) && row < most; row++)
        json_array_append_new(rows, column_object(res, row, members, members_shown));
    return rows;
}

static bool offset_ok(struct call *c, long page, long rows)
{
    if (page <= LIMIT_LEGACY_OFFSET_ROWS / rows)
        return true;
    response_problem(c->rs, 400, "out-of-range", "Pages end at 100,000 rows; /v1/dlq has cursors.",
                     NULL, 0);
    return false;
}

void legacy_list(struct call *c)
{
    struct entry_filter f;
    struct entry_filter_total total;
    long page = page_number(c);
    if (!offset_ok(c, page, PAGE_ROWS))
        return;
    entry_filter_open(&f);
    PGresult *res = NULL;
    if (route_db_ok(c, entry_filter_count(&f, c, &total)) &&
        (res = read_rows(c, &f, (page - 1) * PAGE_ROWS, PAGE_ROWS)) != NULL)
        response_json(c->rs, 200,
                      json_pack("{s:o, s:{s:I, s:i, s:I, s:I}}", "data",
                                rows_of(res, PAGE_ROWS, N(members)), "pagination", "page",
                                (json_int_t)page, "limit", PAGE_ROWS, "total", (json_int_t)total.n,
                                "pages", (json_int_t)((total.n + PAGE_ROWS - 1) / PAGE_ROWS)));
    PQclear(res);
    entry_filter_release(&f);
}

static void link_next(struct call *c, long page)
{
    char link[512];
    snprintf(link, sizeof link, "<%s%s?page=%ld>; rel=\"next\"", c->desk->config->public_url,
             c->rq->path, page);
    response_header(c->rs, "Link", link);
}

/* A bare array; unknown and foreign webhooks have none. It never had webhook_url. */
void legacy_webhook(struct call *c)
{
    struct entry_filter f;
    struct uuid webhook;
    long page = page_number(c);
    if (!route_id(c, 0, ID_WEBHOOK, &webhook) || !offset_ok(c, page, LIMIT_LEGACY_ARRAY_ROWS))
        return;
    entry_filter_open(&f);
    entry_filter_webhook(&f, &webhook);
    PGresult *res = read_rows(c, &f, (page - 1) * LIMIT_LEGACY_ARRAY_ROWS, LIMIT_LEGACY_ARRAY_ROWS);
    if (res && PQntuples(res) > LIMIT_LEGACY_ARRAY_ROWS)
        link_next(c, page + 1);
    if (res)
        response_json(c->rs, 200, rows_of(res, LIMIT_LEGACY_ARRAY_ROWS, N(members) - 1));
    PQclear(res);
    entry_filter_release(&f);
}

static void answer_gone(struct call *c, const char *refusal)
{
    if (refusal && strcmp(refusal, "endpoint-disabled") == 0)
        response_problem(c->rs, 409, refusal, "Webhook is disabled", NULL, 0);
    else if (refusal && strcmp(refusal, "webhook-deleted") == 0)
        response_problem(c->rs, 404, refusal, "Delivery or webhook not found", NULL, 0);
    else
        response_problem(c->rs, 404, "not-found", "Delivery not found in DLQ", NULL, 0);
}

/* 200 also while its re-drive is pending: a client that lost the answer asks again. */
void legacy_retry(struct call *c)
{
    struct uuid id;
    struct redrive r = {.refusal = NULL};
    const char *text = c->args[0];
    enum redrive_outcome outcome = REDRIVE_UNKNOWN;
    if (ids_parse_any(ID_DELIVERY, ID_ENTRY, text, strlen(text), &id) != IDS_MATCH_NONE)
        outcome = redrive_run(c, &id, REDRIVE_SNAPSHOT, REDRIVE_TO_CURRENT, &r);
    if (outcome == REDRIVE_FAILED)
        route_db_ok(c, r.status);
    else if (outcome == REDRIVE_MADE || outcome == REDRIVE_PENDING)
        response_json(c->rs, 200,
                      json_pack("{s:s, s:s}", "message", "Delivery requeued", "delivery_id", text));
    else
        answer_gone(c, r.refusal);
}
