/* See config.h. One table of options: adding one is one line here and one in the struct. */
#include "common/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <confuse.h>

/* What numbers may be, and what they are when the file does not say. */
static const struct number {
    const char *name;
    size_t offset;
    long least, most, usual;
} numbers[] = {
    {"intake", offsetof(struct config, intake), 1, 64, 4},
    {"desk", offsetof(struct config, desk), 1, 64, 2},
    {"senders", offsetof(struct config, senders), 1, 64, 2},
    {"sandboxes", offsetof(struct config, sandboxes), 0, 64, 2},
    {"breaker_requests", offsetof(struct config, breaker_requests), 0, 1000000, 20},
    {"breaker_percent", offsetof(struct config, breaker_percent), 1, 100, 50},
    {"breaker_window", offsetof(struct config, breaker_window), 1, 3600, 60},
    {"breaker_cooldown", offsetof(struct config, breaker_cooldown), 1, 300, 10},
    {"address_concurrency", offsetof(struct config, address_concurrency), 0, 100000, 128},
    {"address_rate", offsetof(struct config, address_rate), 0, 1000000, 1000},
};
#define NUMBERS (sizeof numbers / sizeof *numbers)

static long *number_of(struct config *c, const struct number *n)
{
    return (long *)((char *)c + n->offset);
}

static int within(cfg_t *cfg, cfg_opt_t *opt)
{
    long value = cfg_opt_getnint(opt, 0);
    for (size_t i = 0; i < NUMBERS; i++)
        if (strcmp(numbers[i].name, opt->name) == 0 &&
            (value < numbers[i].least || value > numbers[i].most)) {
            cfg_error(cfg, "%s must be between %ld and %ld, not %ld", opt->name, numbers[i].least,
                      numbers[i].most, value);
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
    *out = (struct config){0};
    for (size_t i = 0; i < NUMBERS; i++)
        *number_of(out, &numbers[i]) = numbers[i].usual;
    cfg_bool_t address_caps_allowed = cfg_false;
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
        CFG_SIMPLE_INT("sandboxes", &out->sandboxes),
        CFG_SIMPLE_INT("breaker_requests", &out->breaker_requests),
        CFG_SIMPLE_INT("breaker_percent", &out->breaker_percent),
        CFG_SIMPLE_INT("breaker_window", &out->breaker_window),
        CFG_SIMPLE_INT("breaker_cooldown", &out->breaker_cooldown),
        CFG_SIMPLE_INT("address_concurrency", &out->address_concurrency),
        CFG_SIMPLE_INT("address_rate", &out->address_rate),
        CFG_SIMPLE_BOOL("address_caps_allowed", &address_caps_allowed),
        CFG_END(),
    };
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    if (!cfg)
        return -1;
    cfg_set_error_function(cfg, complain);
    for (size_t i = 0; i < NUMBERS; i++)
        cfg_set_validate_func(cfg, numbers[i].name, within);
    int rc = cfg_parse(cfg, path);
    if (rc == CFG_FILE_ERROR)
        fprintf(stderr, "dlo: cannot read configuration '%s': %s\n", path, strerror(errno));
    cfg_free(cfg);
    out->address_caps_allowed = address_caps_allowed == cfg_true;
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
