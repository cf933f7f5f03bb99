/* dlo user: make a user and, with --project, a membership. A password comes on stdin or is made, never in an argument. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli_sql.h"
#include "common/password.h"
#include "common/seal.h"

#define PASSWORD_MIN 10
#define GENERATED_CHARS 26 /* base32: 130 bits, fit to be read aloud */
#define SCOPES_SIZE 512

/* The first line of stdin, without its end. */
static int read_password(char *out, size_t size)
{
    if (!fgets(out, (int)size, stdin))
        return cli_fail(CLI_USAGE, "no password on standard input");
    out[strcspn(out, "\r\n")] = '\0';
    if (strlen(out) < PASSWORD_MIN)
        return cli_fail(CLI_USAGE, "a password has at least %d characters", PASSWORD_MIN);
    return CLI_OK;
}

static int insert(struct cli *cli, int project_id, const char *hash, const char *scopes)
{
    struct uuid id;
    struct db_args a;
    PGresult *r;
    char shown[IDS_TEXT_MAX];
    ids_new(&id);
    ids_format(ID_USER, &id, shown);
    db_args_init(&a);
    db_args_uuid(&a, &id);
    db_args_text(&a, cli->login);
    db_args_text(&a, hash);
    if (project_id)
        db_args_int(&a, project_id);
    else
        db_args_text(&a, NULL);
    db_args_text(&a, scopes);
    db_args_text(&a, shown);
    enum db_status s = db_run(cli->db, &cli_sql[CLI_SQL_USER_CREATE], &a, &r);
    if (s == DB_CONFLICT)
        return cli_fail(CLI_FAILED, "there is a user '%s' already", cli->login);
    PQclear(r);
    return cli_db(cli, s, "make the user");
}

static int create(struct cli *cli, const char *password)
{
    char hash[PASSWORD_TEXT_MAX], scopes[SCOPES_SIZE];
    int project_id;
    if (cli_scopes(cli->scopes ? cli->scopes : "admin", scopes, sizeof scopes) < 0)
        return CLI_USAGE;
    if (password_hash(password, strlen(password), hash) < 0)
        return cli_fail(CLI_FAILED, "the password could not be hashed");
    int rc = cli_connect(cli);
    if (rc == CLI_OK)
        rc = cli_project(cli, &project_id);
    return rc == CLI_OK ? insert(cli, project_id, hash, scopes) : rc;
}

int user_create_command(struct cli *cli)
{
    char password[PASSWORD_BYTES_MAX + 2];
    if (!cli->login || !*cli->login || strlen(cli->login) > 200 || strpbrk(cli->login, " \t\r\n"))
        return cli_fail(CLI_USAGE, "--login is required, without spaces");
    if (cli->password_stdin) {
        int rc = read_password(password, sizeof password);
        if (rc != CLI_OK)
            return rc;
    } else {
        password_token_base32(password, GENERATED_CHARS);
    }
    int rc = create(cli, password);
    const struct cli_pair pairs[] = {{"DLO_LOGIN", "login", cli->login},
                                     {"DLO_PASSWORD", "password", password}};
    if (rc == CLI_OK)
        cli_print(cli, pairs, cli->password_stdin ? 1 : 2);
    seal_wipe(password, sizeof password);
    return rc;
}
