/*
 * See cli.h. Owns how the commands speak: to the operator, to the database, to a script. Must never print a secret by
 * itself. Keeps nothing.
 */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "cli_sql.h"
#include "common/ids.h"

int cli_fail(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("dlo: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return code;
}

int cli_connect(struct cli *cli)
{
    if (!cli->config.dsn_owner[0])
        return cli_fail(CLI_USAGE, "dsn_owner is not set in '%s'", cli->config_path);
    return cli_db(cli, db_connect(cli->db), "connect to the database");
}

int cli_db(struct cli *cli, enum db_status s, const char *doing)
{
    if (s == DB_OK)
        return CLI_OK;
    return cli_fail(s == DB_LOST ? CLI_NO_DATABASE : CLI_FAILED, "cannot %s: %s", doing,
                    db_message(cli->db));
}

void cli_print(const struct cli *cli, const struct cli_pair *pairs, size_t n)
{
    json_t *o = cli->format == CLI_JSON ? json_object() : NULL;
    for (size_t i = 0; i < n; i++)
        if (cli->format == CLI_JSON)
            json_object_set_new(o, pairs[i].name, json_string(pairs[i].value));
        else if (cli->format == CLI_TEXT)
            printf("%-14s %s\n", pairs[i].name, pairs[i].value);
        else if (pairs[i].env)
            printf("%s=%s\n", pairs[i].env, pairs[i].value);
    if (o) {
        json_dumpf(o, stdout, JSON_COMPACT);
        putchar('\n');
    } else if (cli->format == CLI_TEXT) {
        putchar('\n');
    }
    json_decref(o);
}

int cli_project(struct cli *cli, int *project_id)
{
    struct uuid id;
    struct db_args a;
    PGresult *r;
    *project_id = 0;
    if (!cli->project)
        return CLI_OK;
    if (ids_parse(ID_PROJECT, cli->project, strlen(cli->project), &id) < 0)
        return cli_fail(CLI_USAGE, "'%s' is not the id of a project", cli->project);
    db_args_init(&a);
    db_args_uuid(&a, &id);
    int rc =
        cli_db(cli, db_run(cli->db, &cli_sql[CLI_SQL_PROJECT_LIST], &a, &r), "look up the project");
    if (rc != CLI_OK)
        return rc;
    *project_id = PQntuples(r) ? (int)db_int(r, 0, 5) : 0;
    PQclear(r);
    return *project_id ? CLI_OK : cli_fail(CLI_FAILED, "there is no project '%s'", cli->project);
}

static bool scope_known(const char *name, size_t n)
{
    static const char *const names[] = {
        "events:write", "events:read",  "webhooks:read", "webhooks:write",
        "dlq:read",     "dlq:payload",  "dlq:replay",    "dlq:replay.bulk",
        "dlq:edit",     "dlq:discard",  "dlq:purge",     "dlq:export",
        "alerts:read",  "alerts:write", "audit:read",    "admin",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
            return true;
    return false;
}

int cli_scopes(const char *text, char *out, size_t size)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ",");
        if (!scope_known(p, n))
            return cli_fail(-1, "'%.*s' is no scope", (int)n, p);
        p += n + (p[n] == ',');
    }
    int n = snprintf(out, size, "{%s}", text);
    return *text && n > 0 && (size_t)n < size ? 0 : -1;
}
