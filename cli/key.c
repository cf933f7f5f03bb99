/* dlo key: make, list, revoke. A key is shown when it is made and never again: kept is its SHA-256. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli_sql.h"
#include "common/password.h"

#define KEY_CHARS 43 /* base62: 256 bits */
#define HINT_RANDOM 4
#define SCOPES_SIZE 512

struct new_key {
    struct uuid id;
    char shown_id[IDS_TEXT_MAX];
    char text[64], hint[16];
    unsigned char digest[PASSWORD_DIGEST_BYTES];
    char scopes[SCOPES_SIZE];
};

static int make(const struct cli *cli, struct new_key *k)
{
    char random[KEY_CHARS + 1];
    const char *prefix = cli->operator_key ? "dlo_op_" : "dlo_";
    const char *scopes = cli->scopes ? cli->scopes : "admin";
    if (cli_scopes(cli->operator_key ? "admin" : scopes, k->scopes, sizeof k->scopes) < 0)
        return CLI_USAGE;
    ids_new(&k->id);
    ids_format(ID_KEY, &k->id, k->shown_id);
    password_token_base62(random, KEY_CHARS);
    snprintf(k->text, sizeof k->text, "%s%s", prefix, random);
    snprintf(k->hint, sizeof k->hint, "%s%.*s", prefix, HINT_RANDOM, random);
    if (password_token_digest(k->text, strlen(k->text), k->digest) < 0)
        return cli_fail(CLI_FAILED, "the key could not be hashed");
    return CLI_OK;
}

static int insert(struct cli *cli, int project_id, const struct new_key *k)
{
    struct db_args a;
    PGresult *r;
    db_args_init(&a);
    if (project_id)
        db_args_int(&a, project_id);
    else
        db_args_text(&a, NULL);
    db_args_uuid(&a, &k->id);
    db_args_bytes(&a, k->digest, sizeof k->digest);
    db_args_text(&a, k->hint);
    db_args_text(&a, cli->name ? cli->name : cli->operator_key ? "operator" : "command line");
    db_args_text(&a, cli->operator_key ? "{}" : k->scopes);
    db_args_text(&a, k->shown_id);
    int rc = cli_db(cli, db_run(cli->db, &cli_sql[CLI_SQL_KEY_CREATE], &a, &r), "make the key");
    if (rc == CLI_OK)
        PQclear(r);
    return rc;
}

int key_create_command(struct cli *cli)
{
    struct new_key k;
    int project_id;
    if (cli->operator_key == (cli->project != NULL))
        return cli_fail(CLI_USAGE, "needed is one of --project ID and --operator");
    if (cli->operator_key && cli->scopes)
        return cli_fail(CLI_USAGE, "an operator key has no scopes");
    int rc = make(cli, &k);
    if (rc == CLI_OK)
        rc = cli_connect(cli);
    if (rc == CLI_OK)
        rc = cli_project(cli, &project_id);
    if (rc == CLI_OK)
        rc = insert(cli, project_id, &k);
    if (rc != CLI_OK)
        return rc;
    const struct cli_pair pairs[] = {
        {NULL, "id", k.shown_id},
        {cli->operator_key ? "DLO_OPERATOR_KEY" : "DLO_API_KEY", "key", k.text}};
    cli_print(cli, pairs, 2);
    return CLI_OK;
}

/* key_list: id, project or "", name, hint, scopes, created_at */
static void print_row(const struct cli *cli, const PGresult *r, int i)
{
    struct uuid uuid;
    char id[IDS_TEXT_MAX], project[IDS_TEXT_MAX] = "operator";
    (void)db_uuid(r, i, 0, &uuid);
    ids_format(ID_KEY, &uuid, id);
    if (*db_text(r, i, 1) && db_uuid(r, i, 1, &uuid) == 0)
        ids_format(ID_PROJECT, &uuid, project);
    const struct cli_pair pairs[] = {
        {NULL, "id", id},
        {NULL, "project", project},
        {NULL, "name", db_text(r, i, 2)},
        {NULL, "hint", db_text(r, i, 3)},
        {NULL, "scopes", db_text(r, i, 4)},
        {NULL, "createdAt", db_text(r, i, 5)},
    };
    cli_print(cli, pairs, sizeof pairs / sizeof *pairs);
}

int key_list_command(struct cli *cli)
{
    struct uuid project;
    struct db_args a;
    PGresult *r;
    if (cli->project && ids_parse(ID_PROJECT, cli->project, strlen(cli->project), &project) < 0)
        return cli_fail(CLI_USAGE, "'%s' is not the id of a project", cli->project);
    int rc = cli_connect(cli);
    if (rc != CLI_OK)
        return rc;
    db_args_init(&a);
    db_args_uuid(&a, cli->project ? &project : NULL);
    rc = cli_db(cli, db_run(cli->db, &cli_sql[CLI_SQL_KEY_LIST], &a, &r), "read keys");
    if (rc != CLI_OK)
        return rc;
    for (int i = 0; i < PQntuples(r); i++)
        print_row(cli, r, i);
    PQclear(r);
    return CLI_OK;
}

int key_revoke_command(struct cli *cli)
{
    struct uuid id;
    struct db_args a;
    PGresult *r;
    char shown[IDS_TEXT_MAX];
    if (ids_parse(ID_KEY, cli->id, strlen(cli->id), &id) < 0)
        return cli_fail(CLI_USAGE, "'%s' is not the id of a key", cli->id);
    int rc = cli_connect(cli);
    if (rc != CLI_OK)
        return rc;
    ids_format(ID_KEY, &id, shown);
    db_args_init(&a);
    db_args_uuid(&a, &id);
    db_args_text(&a, shown);
    rc = cli_db(cli, db_run(cli->db, &cli_sql[CLI_SQL_KEY_REVOKE], &a, &r), "revoke the key");
    if (rc != CLI_OK)
        return rc;
    if (PQntuples(r) == 0)
        rc = cli_fail(CLI_FAILED, "there is no such key, or it was revoked before");
    PQclear(r);
    return rc;
}
