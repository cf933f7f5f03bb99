/*
 * See notices.h. Owns the consumption of `notices`: each project's are taken and told in one statement, so a crash loses
 * none and tells none twice. Must never make a notice itself: what becomes of a $dlq event is counted by the sender and
 * told to nobody.
 */
#include "worker/notices.h"

#include "common/event_type.h"
#include "common/ids.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/pg_array.h"
#include "common/states.h"
#include "worker_sql.h"

#define TAKEN_AT_ONCE 20000
#define ROUNDS 50 /* of one project in one call: a million notices */
#define ARRAY_BYTES 65536

static const char *const types[] = {
    "dlq.entry.created",      "dlq.entries.created", "webhook.circuit.opened",
    "webhook.circuit.closed", "webhook.disabled",
};
#define TYPES ((int)(sizeof types / sizeof *types))

/* Each single notice may be two events, with and without the payload; and one for each type's rest. */
#define EVENTS (2 * LIMIT_NOTICES_PER_MINUTE + TYPES)

enum array { IDS, BASES, REASONS, STATES, TYPE, PATTERN, ARRAYS };
static const enum pg_type array_types[ARRAYS] = {
    [IDS] = PG_UUID,    [BASES] = PG_BYTEA, [REASONS] = PG_TEXT,
    [STATES] = PG_TEXT, [TYPE] = PG_TEXT,   [PATTERN] = PG_TEXT,
};

static void add_ids(struct pg_array arrays[ARRAYS])
{
    for (int i = 0; i < EVENTS; i++) {
        struct uuid id, base;
        ids_new(&id);
        ids_event_delivery_base(&base);
        pg_array_uuid(&arrays[IDS], &id);
        pg_array_bytes(&arrays[BASES], base.b, 14);
    }
}

static void add_names(struct pg_array arrays[ARRAYS])
{
    for (int i = 0; i < REASON_COUNT; i++)
        pg_array_text(&arrays[REASONS], states_reason_name(i));
    for (int i = 0; i <= ENTRY_PURGED; i++)
        pg_array_text(&arrays[STATES], states_entry_name(i));
}

static void add_patterns(struct pg_array arrays[ARRAYS])
{
    struct event_type_list list;
    for (int i = 0; i < TYPES; i++) {
        event_type_patterns(types[i], &list);
        for (size_t k = 0; k < list.count; k++) {
            pg_array_text(&arrays[TYPE], types[i]);
            pg_array_text(&arrays[PATTERN], list.item[k]);
        }
    }
}

static enum db_status run(struct db *db, int64_t project, const struct pg_array arrays[ARRAYS],
                          PGresult **res)
{
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, project);
    db_args_int(&args, TAKEN_AT_ONCE);
    db_args_int(&args, LIMIT_NOTICES_PER_MINUTE);
    for (int i = 0; i < ARRAYS; i++)
        db_args_binary(&args, arrays[i].bytes.data, arrays[i].bytes.len);
    return db_run(db, &worker_sql[WORKER_SQL_NOTICE_FLUSH], &args, res);
}

/* How many notices were taken; -1: none, the statement failed. */
static int64_t flush_once(struct db *db, int64_t project)
{
    struct pg_array arrays[ARRAYS];
    PGresult *res;
    int64_t taken = -1;
    for (int i = 0; i < ARRAYS; i++)
        pg_array_init(&arrays[i], array_types[i], ARRAY_BYTES);
    add_ids(arrays);
    add_names(arrays);
    add_patterns(arrays);
    if (run(db, project, arrays, &res) == DB_OK) {
        taken = db_int(res, 0, 0);
        log_debug("notices: project %lld: %lld told in %lld events", (long long)project,
                  (long long)taken, (long long)db_int(res, 0, 1));
        PQclear(res);
    }
    for (int i = 0; i < ARRAYS; i++)
        pg_array_release(&arrays[i]);
    return taken;
}

void notices_flush(struct db *db)
{
    PGresult *res;
    if (db_run(db, &worker_sql[WORKER_SQL_NOTICE_PROJECTS], NULL, &res) != DB_OK)
        return;
    for (int i = 0; i < PQntuples(res); i++)
        for (int round = 0; round < ROUNDS; round++)
            if (flush_once(db, db_int(res, i, 0)) < TAKEN_AT_ONCE)
                break;
    PQclear(res);
}
