/*
 * dlo migrate: brings the database to what this program knows, and makes what it needs to run.
 *
 * Forward only, one transaction for each migration, under an advisory lock, so that two at once do it once. A migration
 * waits 2 s for a lock and tries again, so that it never stands in front of live traffic. A file that changed after it
 * was applied is an error: nobody can tell what the database holds then. Safe to run again; a crash leaves whole
 * migrations only.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli_sql.h"
#include "common/seal.h"
#include "migrations.h"

#define LOCK_TRIES 120
#define MIGRATION_TRIES 60
#define TRY_EVERY_S 1

static void pause_before_trying_again(void)
{
    struct timespec ts = {TRY_EVERY_S, 0};
    nanosleep(&ts, NULL);
}

/* One value of one row, as text; "" on failure, which is said. */
static int ask(struct cli *cli, const char *sql, char *out, size_t size)
{
    PGresult *r;
    int rc = cli_db(cli, db_run_text(cli->db, sql, NULL, &r), "migrate");
    snprintf(out, size, "%s", rc == CLI_OK ? db_text(r, 0, 0) : "");
    if (rc == CLI_OK)
        PQclear(r);
    return rc;
}

static int lock(struct cli *cli)
{
    char got[8];
    for (int i = 0; i < LOCK_TRIES; i++) {
        int rc = ask(cli, "SELECT pg_try_advisory_lock(hashtext('dlo migrate'))", got, sizeof got);
        if (rc != CLI_OK || got[0] == 't')
            return rc;
        if (i == 0)
            fputs("dlo: another migration is running, waiting\n", stderr);
        pause_before_trying_again();
    }
    return cli_fail(CLI_FAILED, "another migration is still running");
}

/* How many are applied; their checksums must be ours. */
static int check_applied(struct cli *cli, size_t *done)
{
    char exists[8];
    PGresult *r;
    *done = 0;
    int rc = ask(cli, "SELECT to_regclass('schema_migrations') IS NOT NULL", exists, sizeof exists);
    if (rc != CLI_OK || exists[0] != 't')
        return rc;
    rc = cli_db(cli, db_run(cli->db, &cli_sql[CLI_SQL_APPLIED], NULL, &r), "read what was applied");
    if (rc != CLI_OK)
        return rc;
    *done = (size_t)PQntuples(r);
    if (*done > migrations_count)
        rc = cli_fail(CLI_FAILED,
                      "the database is newer than this program (%zu migrations, known are %zu)",
                      *done, migrations_count);
    for (size_t i = 0; rc == CLI_OK && i < *done; i++)
        if (strcmp(db_text(r, (int)i, 1), migrations[i].sha256hex) != 0)
            rc = cli_fail(CLI_FAILED,
                          "migration %d (%s) is not the one that was applied to this database",
                          migrations[i].version, migrations[i].name);
    PQclear(r);
    return rc;
}

/* Runs the text; 1: a lock was not to be had. Not by db_command, which would log the whole text. */
static int run_text(struct cli *cli, const struct migration *m)
{
    PGresult *r = PQexec(db_conn(cli->db), m->sql);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    bool locked = state && strcmp(state, "55P03") == 0;
    if (!ok && !locked)
        cli_fail(0, "migration %d (%s): %s", m->version, m->name, PQresultErrorMessage(r));
    PQclear(r);
    return ok ? 0 : locked ? 1 : -1;
}

/* 0 applied, 1 try again, -1 failed (said). */
static int apply_once(struct cli *cli, const struct migration *m)
{
    struct db_args a;
    PGresult *r;
    if (cli_db(cli, db_command(cli->db, "BEGIN; SET LOCAL lock_timeout = '2s'"), "begin") != CLI_OK)
        return -1;
    int rc = run_text(cli, m);
    db_args_init(&a);
    db_args_int(&a, m->version);
    db_args_text(&a, m->name);
    db_args_text(&a, m->sha256hex);
    if (rc == 0 && cli_db(cli, db_run(cli->db, &cli_sql[CLI_SQL_APPLIED_INSERT], &a, &r),
                          "note the migration") == CLI_OK)
        PQclear(r);
    else if (rc == 0)
        rc = -1;
    if (cli_db(cli, db_command(cli->db, rc == 0 ? "COMMIT" : "ROLLBACK"), "end the transaction") !=
        CLI_OK)
        return -1;
    return rc;
}

static int apply(struct cli *cli, const struct migration *m)
{
    for (int i = 0; i < MIGRATION_TRIES; i++) {
        int rc = apply_once(cli, m);
        if (rc == 0)
            printf("applied %04d %s\n", m->version, m->name);
        if (rc <= 0)
            return rc == 0 ? CLI_OK : CLI_FAILED;
        pause_before_trying_again();
    }
    return cli_fail(CLI_FAILED, "migration %d (%s) did not get its locks", m->version, m->name);
}

static int make_drawers(struct cli *cli)
{
    char made[16];
    int rc = ask(cli, "SELECT dlo_make_drawers()", made, sizeof made);
    if (rc == CLI_OK && strcmp(made, "0") != 0)
        printf("made %s drawers\n", made);
    return rc;
}

/* The user a connection string names, copied; "" for none. */
static void user_of(const char *dsn, char *out, size_t size)
{
    PQconninfoOption *options = dsn[0] ? PQconninfoParse(dsn, NULL) : NULL;
    out[0] = '\0';
    for (PQconninfoOption *o = options; o && o->keyword; o++)
        if (strcmp(o->keyword, "user") == 0 && o->val)
            snprintf(out, size, "%s", o->val);
    PQconninfoFree(options);
}

static int grant(struct cli *cli)
{
    char api[64], worker[64];
    struct db_args a;
    PGresult *r;
    user_of(cli->config.dsn_api, api, sizeof api);
    user_of(cli->config.dsn_worker, worker, sizeof worker);
    db_args_init(&a);
    db_args_text(&a, api[0] ? api : NULL);
    db_args_text(&a, worker[0] ? worker : NULL);
    int rc = cli_db(cli, db_run(cli->db, &cli_sql[CLI_SQL_GRANT], &a, &r),
                    "grant the roles of dsn_api and dsn_worker");
    if (rc == CLI_OK)
        PQclear(r);
    return rc;
}

/* Readable by whoever the programs become when root starts them. */
static int give_key_file(const struct config *config)
{
    if (geteuid() != 0 || !config->worker_user[0])
        return CLI_OK;
    const struct passwd *pw = getpwnam(config->worker_user);
    if (!pw || chown(config->key_file, pw->pw_uid, pw->pw_gid) < 0)
        return cli_fail(CLI_FAILED, "cannot give '%s' to the user '%s'", config->key_file,
                        config->worker_user);
    return CLI_OK;
}

static int make_key_file(const struct config *config)
{
    struct stat st;
    char why[256];
    if (!config->key_file[0])
        return cli_fail(CLI_USAGE, "key_file is not set");
    if (stat(config->key_file, &st) == 0)
        return CLI_OK;
    if (errno != ENOENT)
        return cli_fail(CLI_FAILED, "cannot look at '%s': %s", config->key_file, strerror(errno));
    if (seal_keyring_generate(config->key_file, why, sizeof why) < 0)
        return cli_fail(CLI_FAILED, "%s", why);
    printf("made the key file '%s': keep a copy apart from the database's\n", config->key_file);
    return give_key_file(config);
}

int migrate_command(struct cli *cli)
{
    size_t done = 0;
    int rc = cli_connect(cli);
    if (rc == CLI_OK)
        rc = lock(cli);
    if (rc == CLI_OK)
        rc = check_applied(cli, &done);
    for (size_t i = done; rc == CLI_OK && i < migrations_count; i++)
        rc = apply(cli, &migrations[i]);
    if (rc == CLI_OK)
        rc = make_drawers(cli);
    if (rc == CLI_OK)
        rc = grant(cli);
    if (rc == CLI_OK)
        rc = make_key_file(&cli->config);
    if (rc == CLI_OK)
        printf("the database is at version %zu\n", migrations_count);
    return rc;
}
