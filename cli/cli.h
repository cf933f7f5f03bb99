/*
 * cli: what the commands of `dlo` share: the parsed command line, the connection, the ways to print.
 *
 * A command returns one of the exit codes below. Errors are one line on stderr that says what to do.
 */
#ifndef DLO_CLI_CLI_H
#define DLO_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/db.h"

/* Exit codes, documented in `dlo help`. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,     /* the command ran and could not do it; doctor: something is wrong */
    CLI_USAGE = 2,      /* the command line or the configuration is wrong; nothing was done */
    CLI_NO_DATABASE = 3 /* the database cannot be reached */
};

enum cli_format { CLI_TEXT, CLI_ENV, CLI_JSON };

struct cli {
    struct config config;
    const char *config_path;
    struct db *db; /* as the owner; not connected before cli_connect */
    enum cli_format format;
    const char *id; /* the word after the command, or NULL */
    /* options, NULL or 0 when not given */
    const char *name, *plan, *project, *scopes, *login;
    long retention_days;
    bool operator_key, password_stdin;
};

typedef int cli_command(struct cli *cli);
cli_command migrate_command, project_create_command, project_list_command, project_show_command,
    project_plan_command, key_create_command, key_list_command, key_revoke_command,
    user_create_command, doctor_command;

/* One line on stderr; returns `code`, so that a command can end with it. */
int cli_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Connects as the owner: CLI_OK or CLI_NO_DATABASE, said already. */
int cli_connect(struct cli *cli);
/* A status as an exit code, said already. */
int cli_db(struct cli *cli, enum db_status s, const char *doing);

/* Prints one thing as the format asks. `env` NULL: not in env form. */
struct cli_pair {
    const char *env;  /* "DLO_PROJECT" */
    const char *name; /* "id" */
    const char *value;
};
void cli_print(const struct cli *cli, const struct cli_pair *pairs, size_t n);

/* The project --project names: its row id (0: --project was not given). CLI_OK, or said already. */
int cli_project(struct cli *cli, int *project_id);

/* "a,b" as a text[] literal, "{a,b}"; -1 if a word is no scope. */
int cli_scopes(const char *text, char *out, size_t size);

#endif
