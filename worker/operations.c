/*
 * See operations.h. Owns what becomes of an operation: when it starts, how its items are fed, how its probe is judged,
 * when it has ended. Must never keep anything between two calls: every number is read anew, so that another maintainer
 * may go on at any moment. A crash between two statements leaves the operation where the first one left it.
 */
#include "worker/operations.h"

#include <stdbool.h>
#include <stdio.h>

#include "common/ids.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/pg_array.h"
#include "common/states.h"
#include "worker_sql.h"

#define TURNS 8 /* of one operation in one call, so that all of them get on */
#define ARRAY_BYTES 16384

/* Plans are pinned while items are taken: made anew for each one (the planner prefers that, having 92 drawers) they cost
 * 2 to 6 ms an item, and 0.1 pinned. Only here: the other duties see whole tables. */
#define PINNED "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off"
#define UNPINNED "RESET plan_cache_mode; RESET enable_seqscan"
#define SECOND_STAGE 5 /* of a probe: 1, 5, 20, then doubling */
#define THIRD_STAGE 20

/* operations_active.sql */
enum active_column {
    COL_ID,
    COL_KIND,
    COL_STATE,
    COL_DUE,
    COL_OVER,
    COL_TOTAL,
    COL_FED,
    COL_UNDER_WAY,
    COL_FAILED,
    COL_PROBE,
    COL_STAGE_FED,
    COL_LANES,
    COL_PACE
};

struct operation {
    struct uuid id;
    enum operation_kind kind;
    enum operation_state state;
    bool due, over, stage_fed, lanes;
    int64_t total, fed, under_way, failed, probe, pace;
};

/* Two numbers of a statement's only row. What fails was logged. */
static enum db_status two(struct db *db, enum worker_sql which, const struct db_args *args,
                          int64_t out[2])
{
    PGresult *res;
    enum db_status status = db_run(db, &worker_sql[which], args, &res);
    if (status != DB_OK)
        return status;
    for (int i = 0; i < 2; i++)
        out[i] = PQntuples(res) && PQnfields(res) > i ? db_int(res, 0, i) : 0;
    PQclear(res);
    return DB_OK;
}

static void move(struct db *db, struct operation *o, enum operation_event event, const char *why,
                 const char *word)
{
    struct db_args args;
    int64_t moved[2];
    enum operation_state to = states_operation_next(o->state, event);
    if (to == 0)
        return;
    db_args_init(&args);
    db_args_uuid(&args, &o->id);
    db_args_int(&args, o->state);
    db_args_int(&args, to);
    db_args_text(&args, why);
    db_args_text(&args, word);
    if (two(db, WORKER_SQL_OPERATION_MOVE, &args, moved) != DB_OK || moved[0] == 0)
        return;
    char shown[IDS_TEXT_MAX];
    ids_format(ID_OPERATION, &o->id, shown);
    log_info("operation=%s state=%s%s%s", shown, states_operation_name(to), why ? " why=" : "",
             why ? why : "");
    o->state = to;
}

/* --- feeding ---------------------------------------------------------------------------------------------------- */

static enum db_status feed(struct db *db, const struct operation *o, int64_t taken[2])
{
    struct pg_array ids;
    struct db_args args;
    pg_array_init(&ids, PG_UUID, ARRAY_BYTES);
    for (int i = 0; i < LIMIT_BULK_TURN; i++) {
        struct uuid id;
        ids_new(&id);
        pg_array_uuid(&ids, &id);
    }
    db_args_init(&args);
    db_args_uuid(&args, &o->id);
    db_args_binary(&args, ids.bytes.data, ids.bytes.len);
    db_args_int(&args, LIMIT_BULK_UNDER_WAY);
    db_args_int(&args, LIMIT_BULK_LEAST_SHARE);
    enum db_status status = two(db, WORKER_SQL_OPERATION_FEED, &args, taken);
    pg_array_release(&ids);
    return status;
}

static enum db_status settle(struct db *db, const struct operation *o, int64_t taken[2])
{
    struct db_args args;
    db_args_init(&args);
    db_args_uuid(&args, &o->id);
    db_args_int(&args, LIMIT_BULK_TURN);
    return two(db, WORKER_SQL_OPERATION_SETTLE, &args, taken);
}

/* What failed for neither the connection nor a lock would fail for ever; of a constraint db.c says nothing by itself. */
static void give_up(struct db *db, struct operation *o)
{
    char why[400];
    snprintf(why, sizeof why, "%s", db_message(db));
    log_error("an operation cannot go on: %s", why);
    move(db, o, OPERATION_BREAK, why, "break");
}

/* Takes what its pace allows. How many deliveries were made; what is skipped costs nothing of the rate. */
static int64_t take(struct db *db, struct operation *o)
{
    int64_t made = 0, taken[2] = {0, 0};
    for (int turn = 0; turn < TURNS && o->fed < o->total && o->pace > made; turn++) {
        bool redrive = o->kind == OPERATION_REDRIVE;
        enum db_status status = redrive ? feed(db, o, taken) : settle(db, o, taken);
        if (status == DB_FAILED || status == DB_CONFLICT)
            give_up(db, o);
        if (status != DB_OK)
            return made;
        o->fed += taken[0];
        o->under_way += redrive ? taken[1] : 0;
        made += redrive ? taken[1] : 0;
        /* lanes share a turn: what one could not use is left for the next turn */
        if (taken[0] < LIMIT_BULK_TURN && taken[0] == taken[1] && !o->lanes)
            break;
        if (taken[0] == 0)
            break;
    }
    return made;
}

/* --- the probe -------------------------------------------------------------------------------------------------- */

static int64_t next_stage(int64_t size)
{
    if (size < THIRD_STAGE)
        return size < SECOND_STAGE ? SECOND_STAGE : THIRD_STAGE;
    return 2 * size < LIMIT_BULK_UNDER_WAY ? 2 * size : LIMIT_BULK_UNDER_WAY;
}

static void enter_stage(struct db *db, const struct operation *o, int64_t size)
{
    struct db_args args;
    int64_t none[2];
    db_args_init(&args);
    db_args_uuid(&args, &o->id);
    db_args_int(&args, o->probe);
    db_args_int(&args, size);
    two(db, WORKER_SQL_OPERATION_STAGE, &args, none);
}

static void stop_probe(struct db *db, struct operation *o, int64_t failed, int64_t sent,
                       const char *error)
{
    char why[400];
    snprintf(why, sizeof why, "probe: %lld of %lld failed, which is %lld %%%s%.200s",
             (long long)failed, (long long)sent, (long long)(100 * failed / sent),
             *error ? "; the last one: " : "", error);
    move(db, o, OPERATION_PAUSE, why, "pause");
}

/* A stage that was fed whole: too much of it failed, or all of it has an answer and the next one begins. */
static void judge_stage(struct db *db, struct operation *o)
{
    struct db_args args;
    PGresult *res;
    db_args_init(&args);
    db_args_uuid(&args, &o->id);
    if (db_run(db, &worker_sql[WORKER_SQL_OPERATION_PROBE], &args, &res) != DB_OK)
        return;
    if (PQntuples(res) == 1) {
        int64_t sent = db_int(res, 0, 0), succeeded = db_int(res, 0, 1), failed = db_int(res, 0, 2);
        bool answered = succeeded + failed == sent;
        if (sent > 0 && failed * 100 >= LIMIT_BULK_PROBE_PERCENT * sent)
            stop_probe(db, o, failed, sent, db_text(res, 0, 3));
        else if (answered && o->fed < o->total)
            enter_stage(db, o, sent ? next_stage(o->probe) : o->probe);
    }
    PQclear(res);
}

/* --- one operation ---------------------------------------------------------------------------------------------- */

static void withdraw(struct db *db, const struct operation *o, bool all)
{
    struct db_args args;
    int64_t gone[2];
    db_args_init(&args);
    db_args_uuid(&args, &o->id);
    db_args_bool(&args, all);
    if (two(db, WORKER_SQL_OPERATION_WITHDRAW, &args, gone) == DB_OK && gone[0])
        log_info("withdrew %lld deliveries of an operation", (long long)gone[0]);
}

static void end_by_age(struct db *db, struct operation *o)
{
    withdraw(db, o, true);
    move(db, o, OPERATION_EXPIRE, "it has lasted seven days", "expire");
}

static void finish_if_over(struct db *db, struct operation *o)
{
    if (o->fed < o->total || o->under_way > 0)
        return;
    bool failures = o->failed > 0;
    move(db, o, failures ? OPERATION_FINISH_WITH_FAILURES : OPERATION_FINISH, NULL, "finish");
}

static int64_t run(struct db *db, struct operation *o)
{
    if (o->stage_fed && o->under_way == 0)
        judge_stage(db, o);
    int64_t made = o->state == OPERATION_RUNNING ? take(db, o) : 0;
    if (made == 0)
        finish_if_over(db, o);
    return made;
}

static void cancel(struct db *db, struct operation *o)
{
    if (o->under_way > 0)
        withdraw(db, o, false);
    else
        move(db, o, OPERATION_DRAINED, NULL, "cancelled");
}

/* How many deliveries were made; so say all that do something to an operation. */
static int64_t step(struct db *db, struct operation *o)
{
    if (o->over) {
        end_by_age(db, o);
        return 0;
    }
    if (o->state == OPERATION_PLANNED && o->due)
        move(db, o, OPERATION_START, NULL, "start");
    if (o->state == OPERATION_RUNNING)
        return run(db, o);
    if (o->state == OPERATION_PAUSED)
        finish_if_over(db, o);
    if (o->state == OPERATION_CANCELLING)
        cancel(db, o);
    return 0;
}

/* Of a stage that waits for answers: each look costs as much as the stage is long. */
static int64_t judge(struct db *db, struct operation *o)
{
    if (o->state == OPERATION_RUNNING && !o->over && o->stage_fed && o->under_way > 0)
        judge_stage(db, o);
    return 0;
}

static void read_row(const PGresult *res, int row, struct operation *o)
{
    *o = (struct operation){
        .kind = (enum operation_kind)db_int(res, row, COL_KIND),
        .state = (enum operation_state)db_int(res, row, COL_STATE),
        .due = db_bool(res, row, COL_DUE),
        .over = db_bool(res, row, COL_OVER),
        .stage_fed = db_bool(res, row, COL_STAGE_FED),
        .lanes = db_bool(res, row, COL_LANES),
        .total = db_int(res, row, COL_TOTAL),
        .fed = db_int(res, row, COL_FED),
        .under_way = db_int(res, row, COL_UNDER_WAY),
        .failed = db_int(res, row, COL_FAILED),
        .probe = db_int(res, row, COL_PROBE),
        .pace = db_int(res, row, COL_PACE),
    };
    db_uuid(res, row, COL_ID, &o->id);
}

/* --- duties ----------------------------------------------------------------------------------------------------- */

static int64_t number_for(struct db *db, enum worker_sql which, int64_t arg)
{
    struct db_args args;
    int64_t n[2];
    db_args_init(&args);
    db_args_int(&args, arg);
    return two(db, which, &args, n) == DB_OK ? n[0] : 0;
}

static int64_t each_row(struct db *db, const PGresult *res,
                        int64_t (*act)(struct db *db, struct operation *o))
{
    int64_t made = 0;
    if (PQntuples(res) == 0 || db_command(db, PINNED) != DB_OK)
        return 0;
    for (int row = 0; row < PQntuples(res); row++) {
        struct operation o;
        read_row(res, row, &o);
        made += act(db, &o);
    }
    (void)db_command(db, UNPINNED); /* else the connection is gone, and the setting with it */
    return made;
}

static int64_t each_active(struct db *db, int64_t (*act)(struct db *db, struct operation *o))
{
    PGresult *res;
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, LIMIT_BULK_DAYS);
    if (db_run(db, &worker_sql[WORKER_SQL_OPERATIONS_ACTIVE], &args, &res) != DB_OK)
        return 0;
    int64_t made = each_row(db, res, act);
    PQclear(res);
    return made;
}

void operations_step(struct db *db)
{
    if (each_active(db, step) > 0)
        (void)db_command(
            db, "SELECT pg_notify('dlo_wake', '')"); /* after the commits, once: see waker.c */
}

void operations_judge(struct db *db)
{
    each_active(db, judge);
}

void operations_fold(struct db *db)
{
    int64_t none[2];
    two(db, WORKER_SQL_OPERATION_FOLD, NULL, none);
}

void operations_mark(struct db *db)
{
    int64_t none[2];
    two(db, WORKER_SQL_OPERATION_MARKS, NULL, none);
}

void operations_cut(struct db *db)
{
    while (number_for(db, WORKER_SQL_OPERATION_CUT, LIMIT_BULK_ITEMS_DAYS) >= 20000)
        ;
}
