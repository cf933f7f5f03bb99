/*
 * See auto_redrive.h. Owns what a recovery leads to. Must never decide from anything but what one statement sees: the
 * plan looks once more for itself. A crash between plan and forgetting leaves a recovery whose plan finds no outage
 * since, so nothing happens twice.
 */
#include "worker/auto_redrive.h"

#include "common/ids.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/pg_array.h"
#include "common/states.h"
#include "worker_sql.h"

#define REASONS_BYTES 512

/* recoveries.sql */
enum column { COL_WEBHOOK, COL_RECOVERED, COL_ACT, COL_OPERATION };

struct recovered {
    struct db *db;
    int64_t webhook;
    const char *at;
    struct uuid operation; /* the last one */
};

static void run(struct db *db, enum worker_sql which, const struct db_args *args)
{
    PGresult *res;
    if (db_run(db, &worker_sql[which], args, &res) == DB_OK)
        PQclear(res);
}

static void forget(const struct recovered *r)
{
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, r->webhook);
    db_args_text(&args, r->at);
    run(r->db, WORKER_SQL_RECOVERIES_FORGET, &args);
}

/* A statement about what the webhook left open: the number of rows it gives, -1 if it failed. `id`: of what it makes. */
static int ask(const struct recovered *r, enum worker_sql which, const struct uuid *id,
               int64_t *total)
{
    struct pg_array reasons;
    struct db_args args;
    PGresult *res;
    pg_array_init(&reasons, PG_INT2, REASONS_BYTES);
    for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++)
        if (states_reason_transient((enum reason)reason))
            pg_array_int2(&reasons, (int16_t)reason);
    db_args_init(&args);
    db_args_int(&args, r->webhook);
    db_args_text(&args, r->at);
    db_args_binary(&args, reasons.bytes.data, reasons.bytes.len);
    db_args_int(&args, LIMIT_AUTO_GENERATIONS);
    if (id)
        db_args_uuid(&args, id);
    enum db_status status = db_run_once(r->db, &worker_sql[which], &args, &res);
    pg_array_release(&reasons);
    if (status != DB_OK)
        return -1;
    int rows = PQntuples(res);
    *total = rows ? db_int(res, 0, 0) : 0;
    PQclear(res);
    return rows;
}

static void wait(const struct recovered *r)
{
    (void)r; /* it is looked at again */
}

static void plan(const struct recovered *r)
{
    struct uuid id;
    int64_t total;
    char shown[IDS_TEXT_MAX];
    ids_new(&id);
    int made = ask(r, WORKER_SQL_AUTO_REDRIVE_PLAN, &id, &total);
    if (made < 0)
        return;
    if (made > 0) {
        ids_format(ID_OPERATION, &id, shown);
        log_info("operation=%s planned: a webhook has recovered, %lld entries", shown,
                 (long long)total);
    }
    forget(r);
}

/* What its probe has paused is somebody's to resume, until there was another outage: then the next one takes it over. */
static void supersede(const struct recovered *r)
{
    struct db_args args;
    int64_t unused;
    int due = ask(r, WORKER_SQL_AUTO_REDRIVE_DUE, NULL, &unused);
    if (due == 0)
        forget(r);
    if (due <= 0)
        return;
    db_args_init(&args);
    db_args_uuid(&args, &r->operation);
    db_args_int(&args, OPERATION_PAUSED);
    db_args_int(&args, OPERATION_CANCELLING);
    db_args_text(&args, "the webhook has failed and recovered once more");
    db_args_text(&args, "cancel");
    run(r->db, WORKER_SQL_OPERATION_MOVE, &args);
}

static void (*const acts[])(const struct recovered *r) = {wait, forget, plan, supersede};

void auto_redrive_step(struct db *db)
{
    struct db_args args;
    PGresult *res;
    db_args_init(&args);
    db_args_int(&args, LIMIT_AUTO_REST_S);
    db_args_int(&args, LIMIT_AUTO_ACTIVE);
    db_args_int(&args, LIMIT_AUTO_WITH_PAUSED);
    if (db_run(db, &worker_sql[WORKER_SQL_RECOVERIES], &args, &res) != DB_OK)
        return;
    for (int row = 0; row < PQntuples(res); row++) {
        struct recovered r = {.db = db,
                              .webhook = db_int(res, row, COL_WEBHOOK),
                              .at = db_text(res, row, COL_RECOVERED)};
        db_uuid(res, row, COL_OPERATION, &r.operation);
        acts[db_int(res, row, COL_ACT)](&r);
    }
    PQclear(res);
}
