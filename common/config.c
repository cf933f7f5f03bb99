/* See config.h. One table of options: adding one is one line here and one in the struct. */
#include "common/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <confuse.h>

static int positive(cfg_t *cfg, cfg_opt_t *opt)
{
    long n = cfg_opt_getnint(opt, 0);
    if (n < 1 || n > 64) {
        cfg_error(cfg, "%s must be between 1 and 64, not %ld", opt->name, n);
        return -1;
    }
    return 0;
}

static void complain(cfg_t *cfg, const char *fmt, va_list ap)
{
    fprintf(stderr, "dlo: %s:%d: ", cfg && cfg->filename ? cfg->filename : "configuration",
            cfg ? cfg->line : 0);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

int config_load(const char *path, struct config *out)
{
    *out = (struct config){.intake = 4, .desk = 2, .senders = 2};
    cfg_opt_t options[] = {
        CFG_SIMPLE_STR("dsn_owner", &out->dsn_owner),
        CFG_SIMPLE_STR("dsn_api", &out->dsn_api),
        CFG_SIMPLE_STR("dsn_worker", &out->dsn_worker),
        CFG_SIMPLE_STR("public_url", &out->public_url),
        CFG_SIMPLE_STR("intake_socket", &out->intake_socket),
        CFG_SIMPLE_STR("desk_socket", &out->desk_socket),
        CFG_SIMPLE_STR("socket_group", &out->socket_group),
        CFG_SIMPLE_STR("web_server_user", &out->web_server_user),
        CFG_SIMPLE_STR("worker_user", &out->worker_user),
        CFG_SIMPLE_STR("key_file", &out->key_file),
        CFG_SIMPLE_STR("allow_nets", &out->allow_nets),
        CFG_SIMPLE_STR("dns_servers", &out->dns_servers),
        CFG_SIMPLE_STR("ca_file", &out->ca_file),
        CFG_SIMPLE_STR("log_format", &out->log_format),
        CFG_SIMPLE_STR("log_level", &out->log_level),
        CFG_SIMPLE_INT("intake", &out->intake),
        CFG_SIMPLE_INT("desk", &out->desk),
        CFG_SIMPLE_INT("senders", &out->senders),
        CFG_END(),
    };
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    if (!cfg)
        return -1;
    cfg_set_error_function(cfg, complain);
    cfg_set_validate_func(cfg, "intake", positive);
    cfg_set_validate_func(cfg, "desk", positive);
    cfg_set_validate_func(cfg, "senders", positive);
    int rc = cfg_parse(cfg, path);
    if (rc == CFG_FILE_ERROR)
        fprintf(stderr, "dlo: cannot read configuration '%s': %s\n", path, strerror(errno));
    cfg_free(cfg);
    if (rc != CFG_SUCCESS) {
        config_release(out);
        return -1;
    }
    char **strings[] = {&out->dsn_owner,    &out->dsn_api,         &out->dsn_worker,
                        &out->public_url,   &out->intake_socket,   &out->desk_socket,
                        &out->socket_group, &out->web_server_user, &out->worker_user,
                        &out->key_file,     &out->allow_nets,      &out->ca_file,
                        &out->log_format,   &out->log_level,       &out->dns_servers};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        if (!*strings[i])
            *strings[i] = strdup("");
    return 0;
}

void config_release(struct config *c)
{
    char *strings[] = {c->dsn_owner,     c->dsn_api,     c->dsn_worker,   c->public_url,
                       c->intake_socket, c->desk_socket, c->socket_group, c->web_server_user,
                       c->worker_user,   c->key_file,    c->allow_nets,   c->ca_file,
                       c->log_format,    c->log_level,   c->dns_servers};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        free(strings[i]);
    *c = (struct config){0};
}
