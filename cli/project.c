/* dlo project: make, list, show, change the plan of. A plan change is one UPDATE, effective at once, audited as "cli". */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli_sql.h"

#define DAY_S 86400
#define DAYS_DEFAULT 30

/* project_list: public_id, name, plan, retention_s, created_at, id */
static void print_row(const struct cli *cli, const PGresult *r, int i)
{
    struct uuid uuid;
    char id[IDS_TEXT_MAX], days[32];
    (void)db_uuid(r, i, 0, &uuid);
    ids_format(ID_PROJECT, &uuid, id);
    snprintf(days, sizeof days, "%g", (double)db_int(r, i, 3) / DAY_S);
    const struct cli_pair pairs[] = {
        {"DLO_PROJECT", "id", id},
        {NULL, "name", db_text(r, i, 1)},
        {NULL, "plan", db_text(r, i, 2)},
        {NULL, "retentionDays", days},
        {NULL, "createdAt", db_text(r, i, 4)},
    };
    cli_print(cli, pairs, sizeof pairs / sizeof *pairs);
}

static int print_projects(struct cli *cli, const struct uuid *id)
{
    struct db_args a;
    PGresult *r;
    db_args_init(&a);
    db_args_uuid(&a, id);
    int rc = cli_db(cli, db_run(cli->db, &cli_sql[CLI_SQL_PROJECT_LIST], &a, &r), "read projects");
    if (rc != CLI_OK)
        return rc;
    for (int i = 0; i < PQntuples(r); i++)
        print_row(cli, r, i);
    if (id && PQntuples(r) == 0)
        rc = cli_fail(CLI_FAILED, "there is no such project");
    PQclear(r);
    return rc;
}

/* The retention of a plan; where it has none, the days given or 30. */
static int retention(struct cli *cli, const char *plan, int64_t *seconds)
{
    struct db_args a;
    PGresult *r;
    db_args_init(&a);
    db_args_text(&a, plan);
    int rc = cli_db(cli, db_run(cli->db, &cli_sql[CLI_SQL_PLAN_GET], &a, &r), "read the plan");
    if (rc != CLI_OK)
        return rc;
    long days = cli->retention_days;
    bool known = PQntuples(r) == 1, custom = known && db_null(r, 0, 0);
    *seconds = custom ? (days ? days : DAYS_DEFAULT) * DAY_S : known ? db_int(r, 0, 0) : 0;
    PQclear(r);
    if (!known)
        return cli_fail(CLI_USAGE, "there is no plan '%s': free, base, growth, scale or enterprise",
                        plan);
    if (days && days * DAY_S != *seconds)
        return cli_fail(CLI_USAGE, "the retention of plan '%s' is %lld days", plan,
                        (long long)(*seconds / DAY_S));
    return CLI_OK;
}

static int insert(struct cli *cli, const char *plan, int64_t seconds)
{
    struct uuid id;
    struct db_args a;
    PGresult *r;
    char text[IDS_TEXT_MAX];
    ids_new(&id);
    ids_format(ID_PROJECT, &id, text);
    db_args_init(&a);
    db_args_uuid(&a, &id);
    db_args_text(&a, cli->name);
    db_args_text(&a, plan);
    db_args_int(&a, seconds);
    db_args_text(&a, text);
    int rc =
        cli_db(cli, db_run(cli->db, &cli_sql[CLI_SQL_PROJECT_CREATE], &a, &r), "make the project");
    if (rc != CLI_OK)
        return rc;
    PQclear(r);
    return print_projects(cli, &id);
}

int project_create_command(struct cli *cli)
{
    int64_t seconds;
    const char *plan = cli->plan ? cli->plan : "free";
    if (!cli->name || !*cli->name)
        return cli_fail(CLI_USAGE, "--name is required");
    int rc = cli_connect(cli);
    if (rc == CLI_OK)
        rc = retention(cli, plan, &seconds);
    return rc == CLI_OK ? insert(cli, plan, seconds) : rc;
}

int project_list_command(struct cli *cli)
{
    int rc = cli_connect(cli);
    return rc == CLI_OK ? print_projects(cli, NULL) : rc;
}

static int parse_id(const struct cli *cli, struct uuid *id)
{
    if (ids_parse(ID_PROJECT, cli->id, strlen(cli->id), id) == 0)
        return CLI_OK;
    return cli_fail(CLI_USAGE, "'%s' is not the id of a project", cli->id);
}

int project_show_command(struct cli *cli)
{
    struct uuid id;
    int rc = parse_id(cli, &id);
    if (rc == CLI_OK)
        rc = cli_connect(cli);
    return rc == CLI_OK ? print_projects(cli, &id) : rc;
}

static int update(struct cli *cli, const struct uuid *id, int64_t seconds)
{
    struct db_args a;
    PGresult *r;
    char text[IDS_TEXT_MAX];
    ids_format(ID_PROJECT, id, text);
    db_args_init(&a);
    db_args_uuid(&a, id);
    db_args_text(&a, cli->plan);
    db_args_int(&a, seconds);
    db_args_text(&a, text);
    int rc =
        cli_db(cli, db_run(cli->db, &cli_sql[CLI_SQL_PROJECT_PLAN], &a, &r), "change the plan");
    if (rc != CLI_OK)
        return rc;
    PQclear(r);
    return print_projects(cli, id);
}

int project_plan_command(struct cli *cli)
{
    struct uuid id;
    int64_t seconds;
    if (!cli->plan)
        return cli_fail(CLI_USAGE, "--plan is required");
    int rc = parse_id(cli, &id);
    if (rc == CLI_OK)
        rc = cli_connect(cli);
    if (rc == CLI_OK)
        rc = retention(cli, cli->plan, &seconds);
    return rc == CLI_OK ? update(cli, &id, seconds) : rc;
}
