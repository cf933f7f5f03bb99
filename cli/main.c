/*
 * dlo: the command line. It speaks to the database as the owner, and to nothing else but for `doctor`.
 *
 * Owns the command line and its table. Must never print a secret but the one it has just made. A crash leaves what the
 * command had committed; every command is one transaction, and `migrate` one for each migration.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "common/log.h"

enum cli_option {
    OPT_NAME = 1 << 0,
    OPT_PLAN = 1 << 1,
    OPT_RETENTION = 1 << 2,
    OPT_FORMAT = 1 << 3,
    OPT_PROJECT = 1 << 4,
    OPT_OPERATOR = 1 << 5,
    OPT_SCOPES = 1 << 6,
    OPT_LOGIN = 1 << 7,
    OPT_PASSWORD_STDIN = 1 << 8,
    OPT_CONFIG = 1 << 9,
    OPT_VERSION = 1 << 10,
    OPT_HELP = 1 << 11
};

static const struct option_text {
    const char *name;
    int takes_value;
    enum cli_option flag;
} option_table[] = {
    {"name", required_argument, OPT_NAME},
    {"plan", required_argument, OPT_PLAN},
    {"retention-days", required_argument, OPT_RETENTION},
    {"format", required_argument, OPT_FORMAT},
    {"project", required_argument, OPT_PROJECT},
    {"operator", no_argument, OPT_OPERATOR},
    {"scopes", required_argument, OPT_SCOPES},
    {"login", required_argument, OPT_LOGIN},
    {"password-stdin", no_argument, OPT_PASSWORD_STDIN},
    {"config", required_argument, OPT_CONFIG},
    {"version", no_argument, OPT_VERSION},
    {"help", no_argument, OPT_HELP},
};
#define NOPTIONS (sizeof option_table / sizeof *option_table)

static const struct command {
    const char *noun, *verb; /* verb NULL: none */
    cli_command *run;
    unsigned options; /* enum cli_option: those it takes */
    bool wants_id;
    const char *usage, *help;
} commands[] = {
    {"migrate", NULL, migrate_command, 0, false, "",
     "apply migrations, make drawers, grant the roles, make the key file"},
    {"project", "create", project_create_command, OPT_NAME | OPT_PLAN | OPT_RETENTION | OPT_FORMAT,
     false, "--name NAME [--plan PLAN] [--retention-days N]",
     "make a project (plan: free base growth scale enterprise)"},
    {"project", "list", project_list_command, OPT_FORMAT, false, "", "list projects"},
    {"project", "show", project_show_command, OPT_FORMAT, true, "ID", "show one project"},
    {"project", "plan", project_plan_command, OPT_PLAN | OPT_RETENTION | OPT_FORMAT, true,
     "ID --plan PLAN [--retention-days N]", "change a project's plan, effective at once"},
    {"key", "create", key_create_command,
     OPT_NAME | OPT_PROJECT | OPT_OPERATOR | OPT_SCOPES | OPT_FORMAT, false,
     "--project ID [--scopes a,b] [--name NAME] | --operator",
     "make a key, shown this once (scopes: admin)"},
    {"key", "list", key_list_command, OPT_PROJECT | OPT_FORMAT, false, "[--project ID]",
     "list keys that are in force"},
    {"key", "revoke", key_revoke_command, 0, true, "ID", "revoke a key (takes effect within 5 s)"},
    {"user", "create", user_create_command,
     OPT_LOGIN | OPT_PROJECT | OPT_SCOPES | OPT_PASSWORD_STDIN | OPT_FORMAT, false,
     "--login LOGIN [--project ID] [--scopes a,b] [--password-stdin]",
     "make a user; without a password one is made"},
    {"doctor", NULL, doctor_command, 0, false, "", "check everything and say what to do"},
};
#define NCOMMANDS (sizeof commands / sizeof *commands)

static void help(FILE *to)
{
    fputs("usage: dlo [--config FILE] COMMAND [OPTIONS]\n\n", to);
    for (size_t i = 0; i < NCOMMANDS; i++) {
        const struct command *c = &commands[i];
        fprintf(to, "  dlo %s%s%s %s\n        %s\n", c->noun, c->verb ? " " : "",
                c->verb ? c->verb : "", c->usage, c->help);
    }
    fputs("\nCommands that make or show something take --format text|env|json; env prints lines "
          "such as DLO_PROJECT=prj_...\n"
          "Without --config the file is $DLO_CONFIG, else /etc/dlo/dlo.conf.\n"
          "Exit codes: 0 done; 1 failed, or doctor found something; 2 wrong usage or "
          "configuration; 3 no database.\n",
          to);
}

static const struct command *find_command(char **words, int n, int *used)
{
    for (size_t i = 0; i < NCOMMANDS; i++) {
        const struct command *c = &commands[i];
        *used = c->verb ? 2 : 1;
        if (n >= *used && strcmp(words[0], c->noun) == 0 &&
            (!c->verb || strcmp(words[1], c->verb) == 0))
            return c;
    }
    return NULL;
}

static int parse_format(const char *text, enum cli_format *out)
{
    static const char *const names[] = {"text", "env", "json"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum cli_format)i;
            return CLI_OK;
        }
    return cli_fail(CLI_USAGE, "--format is text, env or json, not '%s'", text);
}

static int parse_days(const char *text, long *out)
{
    char *end;
    errno = 0;
    *out = strtol(text, &end, 10);
    if (errno || *end || end == text || *out < 1 || *out > 380)
        return cli_fail(CLI_USAGE, "--retention-days is a number from 1 to 380, not '%s'", text);
    return CLI_OK;
}

static int take_option(struct cli *cli, enum cli_option flag, const char *value)
{
    const struct {
        enum cli_option flag;
        const char **to;
    } texts[] = {{OPT_NAME, &cli->name},       {OPT_PLAN, &cli->plan},
                 {OPT_PROJECT, &cli->project}, {OPT_SCOPES, &cli->scopes},
                 {OPT_LOGIN, &cli->login},     {OPT_CONFIG, &cli->config_path}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].flag == flag)
            *texts[i].to = value;
    if (flag == OPT_FORMAT)
        return parse_format(value, &cli->format);
    if (flag == OPT_RETENTION)
        return parse_days(value, &cli->retention_days);
    cli->operator_key = cli->operator_key || flag == OPT_OPERATOR;
    cli->password_stdin = cli->password_stdin || flag == OPT_PASSWORD_STDIN;
    return CLI_OK;
}

/* All options, wherever they stand; which were given in *given. */
static int parse(struct cli *cli, int argc, char **argv, unsigned *given)
{
    struct option options[NOPTIONS + 1] = {0};
    int index, c;
    for (size_t i = 0; i < NOPTIONS; i++)
        options[i] = (struct option){option_table[i].name, option_table[i].takes_value, NULL, 0};
    while ((c = getopt_long(argc, argv, "", options, &index)) != -1) {
        if (c == '?')
            return CLI_USAGE;
        *given |= option_table[index].flag;
        int rc = take_option(cli, option_table[index].flag, optarg);
        if (rc != CLI_OK)
            return rc;
    }
    return CLI_OK;
}

static int check(struct cli *cli, const struct command *c, unsigned given, char **rest, int nrest)
{
    for (size_t i = 0; i < NOPTIONS; i++)
        if (given & option_table[i].flag & ~(c->options | OPT_CONFIG))
            return cli_fail(CLI_USAGE, "this command does not take --%s", option_table[i].name);
    if (nrest != (c->wants_id ? 1 : 0))
        return cli_fail(CLI_USAGE, "usage: dlo %s%s%s %s", c->noun, c->verb ? " " : "",
                        c->verb ? c->verb : "", c->usage);
    cli->id = c->wants_id ? rest[0] : NULL;
    return CLI_OK;
}

static int run(struct cli *cli, const struct command *c)
{
    if (config_load(cli->config_path, &cli->config) < 0)
        return CLI_USAGE;
    log_init("dlo", cli->config.log_format, "error");
    cli->db = db_new(cli->config.dsn_owner, "dlo", "SET statement_timeout = 0");
    int rc = cli->db ? c->run(cli) : CLI_FAILED;
    db_free(cli->db);
    config_release(&cli->config);
    return rc;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    unsigned given = 0;
    int used = 0;
    cli.config_path = getenv("DLO_CONFIG");
    if (!cli.config_path)
        cli.config_path = "/etc/dlo/dlo.conf";
    int rc = parse(&cli, argc, argv, &given);
    if (rc != CLI_OK)
        return rc;
    if (given & OPT_VERSION) {
        puts("dlo " DLO_VERSION);
        return CLI_OK;
    }
    char **words = argv + optind;
    int nwords = argc - optind;
    if (given & OPT_HELP || (nwords && strcmp(words[0], "help") == 0)) {
        help(stdout);
        return CLI_OK;
    }
    const struct command *c = find_command(words, nwords, &used);
    if (!c) {
        help(stderr);
        return CLI_USAGE;
    }
    rc = check(&cli, c, given, words + used, nwords - used);
    return rc == CLI_OK ? run(&cli, c) : rc;
}
