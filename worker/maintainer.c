/*
 * See maintainer.h. Owns one blocking connection and the advisory lock. Must never hold a transaction open between
 * statements: each duty is a statement that can be run again, so a crash between two leaves nothing half done.
 *
 * Duties are a table: what, how often, and the function that does it. A duty that fails is logged and comes again.
 */
#include "worker/maintainer.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "common/db.h"
#include "common/log.h"
#include "worker/auto_redrive.h"
#include "worker/clock.h"
#include "worker/notices.h"
#include "worker/operations.h"
#include "worker_sql.h"

#define LOCK_KEY                                                                                   \
    "7236270561"   /* pg_advisory_lock key of the one active maintainer; any constant will do */
#define LOOP_MS 50 /* what is sent again comes in small portions: live traffic waits behind each */
#define GROWING_FROM 10 /* seed 000: more than ten failed deliveries is an alert line */

#define PATIENCE_S                                                                                 \
    2 /* for the statement under way when we are to end; the server ends it without us */

static volatile sig_atomic_t stop_asked;

/* The first SIGTERM lets the statement end, the second, or the alarm, does not: libpq would wait on. */
static void on_stop(int sig)
{
    if (sig == SIGALRM || stop_asked)
        _exit(0);
    stop_asked = 1;
    alarm(PATIENCE_S);
}

/* Runs a statement and gives its first column of its first row; -1 on failure. */
static int64_t number(struct db *db, enum worker_sql which, const struct db_args *args)
{
    PGresult *res;
    if (db_run(db, &worker_sql[which], args, &res) != DB_OK)
        return -1;
    int64_t n = PQntuples(res) && PQnfields(res) ? db_int(res, 0, 0) : 0;
    PQclear(res);
    return n;
}

static int64_t number_for(struct db *db, enum worker_sql which, int64_t arg)
{
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, arg);
    return number(db, which, &args);
}

static void fold(struct db *db)
{
    while (number(db, WORKER_SQL_FOLD_COUNTS, NULL) >= 20000)
        ;
    while (number(db, WORKER_SQL_FOLD_GROUPS, NULL) >= 20000)
        ;
    while (number(db, WORKER_SQL_FOLD_WARNINGS, NULL) >= 20000)
        ;
}

static void sweep_projects(struct db *db)
{
    PGresult *res;
    if (db_run(db, &worker_sql[WORKER_SQL_SWEEP_PROJECTS], NULL, &res) != DB_OK)
        return;
    for (int i = 0; i < PQntuples(res) && !stop_asked; i++) {
        int64_t n = number_for(db, WORKER_SQL_DLQ_SWEEP, db_int(res, i, 0));
        if (n > 0)
            log_info("expired: %lld entries of project %lld left the counts", (long long)n,
                     (long long)db_int(res, i, 0));
    }
    PQclear(res);
}

/* Entries whose time came leave the counts, project by project. Planned anew for each, that was 90 ms (measured): there
 * are many drawers, and many indexes on each. */
static void sweep(struct db *db)
{
    if (db_command(db, "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off") !=
        DB_OK)
        return;
    sweep_projects(db);
    (void)db_command(db, "RESET plan_cache_mode; RESET enable_seqscan");
}

/* Moves what must outlive a drawer, a thousand rows at a time. False: a statement failed. */
static bool carry(struct db *db, int64_t drawer)
{
    static const enum worker_sql duties[] = {WORKER_SQL_CARRY_WAITING, WORKER_SQL_CARRY_ENTRIES,
                                             WORKER_SQL_CARRY_EVENTS, WORKER_SQL_CARRY_ATTEMPTS};
    for (size_t i = 0; i < sizeof duties / sizeof *duties; i++) {
        int64_t moved, total = 0;
        while ((moved = number_for(db, duties[i], drawer)) > 0)
            total += moved;
        if (moved < 0)
            return false;
        if (total)
            log_info("carried %lld rows out of drawer %lld", (long long)total, (long long)drawer);
    }
    return true;
}

static void drop_drawer(struct db *db, int64_t drawer, const char *suffix)
{
    struct db_args args;
    PGresult *res;
    int64_t began = clock_ms();
    if (!carry(db, drawer))
        return;
    db_args_init(&args);
    db_args_int(&args, drawer);
    db_args_text(&args, suffix);
    enum db_status status = db_run(db, &worker_sql[WORKER_SQL_DROP_DRAWER], &args, &res);
    if (status == DB_BUSY)
        log_info("drawer %s is in use, it is dropped later", suffix);
    if (status != DB_OK)
        return;
    if (db_bool(res, 0, 0))
        log_info("dropped drawer %s in %lld ms", suffix, (long long)(clock_ms() - began));
    else
        log_info("drawer %s is still needed", suffix);
    PQclear(res);
}

static void drawers(struct db *db)
{
    PGresult *res;
    int64_t made = number(db, WORKER_SQL_MAKE_DRAWERS, NULL);
    if (made > 0)
        log_info("made %lld drawers", (long long)made);
    sweep(db); /* what is dropped must have left the counts before */
    if (db_run(db, &worker_sql[WORKER_SQL_DUE_DRAWERS], NULL, &res) != DB_OK)
        return;
    for (int i = 0; i < PQntuples(res) && !stop_asked; i++)
        drop_drawer(db, db_int(res, i, 0), db_text(res, i, 1));
    PQclear(res);
}

static void keys(struct db *db)
{
    PGresult *res;
    if (db_run(db, &worker_sql[WORKER_SQL_DUE_KEYS], NULL, &res) != DB_OK)
        return;
    for (int i = 0; i < PQntuples(res); i++) {
        struct db_args args;
        PGresult *dropped;
        db_args_init(&args);
        db_args_text(&args, db_text(res, i, 0));
        if (db_run(db, &worker_sql[WORKER_SQL_DROP_KEYS], &args, &dropped) == DB_OK)
            PQclear(dropped);
    }
    PQclear(res);
}

static void cut(struct db *db)
{
    number(db, WORKER_SQL_CUT_KEPT, NULL);
    number(db, WORKER_SQL_CUT_GROUPS, NULL);
}

/* The log lines that seed 000's users look for. */
static void tell_size(struct db *db)
{
    int64_t n = number(db, WORKER_SQL_DLQ_SIZE, NULL);
    if (n < 0)
        return;
    log_info("[METRIC] dlq.size=%lld", (long long)n);
    if (n > GROWING_FROM)
        log_warn("[ALERT] DLQ is growing: %lld failed deliveries", (long long)n);
}

static const struct {
    void (*run)(struct db *db);
    int64_t every_ms;
} duties[] = {
    {operations_step, LOOP_MS},
    {operations_fold, 500},
    {operations_judge, 1000},
    {notices_flush, 1000},
    {fold, 1000},
    {sweep, 1000},
    {operations_mark, 5000},
    {drawers, 10000},
    {keys, 60000},
    {cut, 60000},
    {operations_cut, 60000},
    {tell_size, 300000},
    {auto_redrive_step, 1000},
};
#define DUTIES (sizeof duties / sizeof *duties)

static bool lock(struct db *db)
{
    if (db_connect(db) != DB_OK)
        return false;
    PGresult *res = PQexec(db_conn(db), "SELECT pg_try_advisory_lock(" LOCK_KEY ")");
    bool ours = PQresultStatus(res) == PGRES_TUPLES_OK && db_bool(res, 0, 0);
    PQclear(res);
    return ours;
}

/* Signals are let in all the time, but between the question and the wait. */
static void wait_ms(int64_t ms)
{
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};
    sigset_t stops, open;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, &open);
    if (!stop_asked)
        pselect(0, NULL, NULL, NULL, &ts, &open);
    sigprocmask(SIG_SETMASK, &open, NULL);
}

static void loop(struct db *db)
{
    int64_t next[DUTIES] = {0};
    unsigned locked_on = 0; /* which connection holds the lock */
    while (!stop_asked) {
        if (!locked_on && lock(db))
            locked_on = db_generation(db);
        if (!locked_on) {
            wait_ms(2000);
            continue;
        }
        for (size_t i = 0; i < DUTIES && !stop_asked; i++) {
            int64_t now_ms = clock_ms();
            if (now_ms < next[i])
                continue;
            if (db_generation(db) != locked_on) { /* the lock lives and dies with its connection */
                locked_on = 0;
                break;
            }
            duties[i].run(db);
            next[i] = now_ms + duties[i].every_ms;
        }
        wait_ms(LOOP_MS);
    }
}

int maintainer_run(const struct config *config, int64_t run_ms, int once)
{
    (void)run_ms; /* the supervisor ends us when the senders have ended */
    (void)once;
    struct sigaction act = {.sa_handler = on_stop};
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGALRM, &act, NULL);
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    struct db *db = db_new(config->dsn_worker[0] ? config->dsn_worker : config->dsn_owner,
                           "dlo-maintainer", "SET lock_timeout = '2s'");
    if (!db)
        return 1;
    log_info("maintainer starts");
    loop(db);
    db_free(db);
    return 0;
}
