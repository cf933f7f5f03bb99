/* See config.h. One table of options: adding one is one line here and one in the struct. */
#include "common/config.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <confuse.h>

#include "common/log.h"

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

static const struct text {
    const char *name;
    size_t offset;
    const char *one_of; /* words, each with a space behind it; NULL: anything */
} texts[] = {
    {"dsn_owner", offsetof(struct config, dsn_owner), NULL},
    {"dsn_api", offsetof(struct config, dsn_api), NULL},
    {"dsn_worker", offsetof(struct config, dsn_worker), NULL},
    {"public_url", offsetof(struct config, public_url), NULL},
    {"intake_socket", offsetof(struct config, intake_socket), NULL},
    {"desk_socket", offsetof(struct config, desk_socket), NULL},
    {"socket_group", offsetof(struct config, socket_group), NULL},
    {"web_server_user", offsetof(struct config, web_server_user), NULL},
    {"worker_user", offsetof(struct config, worker_user), NULL},
    {"host_name", offsetof(struct config, host_name), NULL},
    {"key_file", offsetof(struct config, key_file), NULL},
    {"allow_nets", offsetof(struct config, allow_nets), NULL},
    {"dns_servers", offsetof(struct config, dns_servers), NULL},
    {"ca_file", offsetof(struct config, ca_file), NULL},
    {"log_format", offsetof(struct config, log_format), "text json "},
    {"log_level", offsetof(struct config, log_level), "debug info warn error "},
};
#define TEXTS (sizeof texts / sizeof *texts)

static bool running; /* complaints go to the log */

static long *number_of(struct config *c, const struct number *n)
{
    return (long *)((char *)c + n->offset);
}

static char **text_of(struct config *c, const struct text *t)
{
    return (char **)((char *)c + t->offset);
}

/* Empty is as good as not set. */
static int one_of(cfg_t *cfg, cfg_opt_t *opt)
{
    const char *value = cfg_opt_getnstr(opt, 0);
    char word[32];
    for (size_t i = 0; value && value[0] && i < TEXTS; i++) {
        if (!texts[i].one_of || strcmp(texts[i].name, opt->name) != 0)
            continue;
        int n = snprintf(word, sizeof word, "%s ", value);
        if (n < (int)sizeof word && !strchr(value, ' ') && strstr(texts[i].one_of, word))
            continue;
        cfg_error(cfg, "%s must be one of %s- not '%s'", opt->name, texts[i].one_of, value);
        return -1;
    }
    return 0;
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
    const char *file = cfg && cfg->filename ? cfg->filename : "configuration";
    char what[512];
    vsnprintf(what, sizeof what, fmt, ap);
    if (running)
        log_error("%s:%d: %s", file, cfg ? cfg->line : 0, what);
    else
        fprintf(stderr, "dlo: %s:%d: %s\n", file, cfg ? cfg->line : 0, what);
}

static void cannot_read(const char *path)
{
    if (running)
        log_error("cannot read configuration '%s': %s", path, strerror(errno));
    else
        fprintf(stderr, "dlo: cannot read configuration '%s': %s\n", path, strerror(errno));
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
        CFG_SIMPLE_STR("host_name", &out->host_name),
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
    for (size_t i = 0; i < TEXTS; i++)
        if (texts[i].one_of)
            cfg_set_validate_func(cfg, texts[i].name, one_of);
    int rc = cfg_parse(cfg, path);
    if (rc == CFG_FILE_ERROR)
        cannot_read(path);
    cfg_free(cfg);
    out->address_caps_allowed = address_caps_allowed == cfg_true;
    if (rc != CFG_SUCCESS) {
        config_release(out);
        return -1;
    }
    for (size_t i = 0; i < TEXTS; i++)
        if (!*text_of(out, &texts[i]))
            *text_of(out, &texts[i]) = strdup("");
    return 0;
}

void config_release(struct config *c)
{
    for (size_t i = 0; i < TEXTS; i++)
        free(*text_of(c, &texts[i]));
    *c = (struct config){0};
}

/* What cannot change keeps its value; the other one is thrown away with the rest of the old settings. */
static void keep(struct config *old, struct config *fresh, const char *name)
{
    for (size_t i = 0; i < TEXTS; i++) {
        char **was = text_of(old, &texts[i]), **is = text_of(fresh, &texts[i]), *swap = *was;
        if (strcmp(texts[i].name, name) != 0)
            continue;
        if (strcmp(*was, *is) != 0) /* not the values: there are passwords among them */
            log_warn("%s was changed: that takes a restart", name);
        *was = *is;
        *is = swap;
    }
}

int config_reload(const char *path, struct config *c, int (*check)(const struct config *fresh),
                  const char *const fixed[])
{
    struct config fresh;
    running = true;
    if (config_load(path, &fresh)) {
        log_error("configuration '%s' is refused: the settings stay as they were", path);
        return -1;
    }
    if (check && check(&fresh)) {
        log_error("configuration '%s' is refused: the settings stay as they were", path);
        config_release(&fresh);
        return -1;
    }
    for (; *fixed; fixed++)
        keep(c, &fresh, *fixed);
    config_release(c);
    *c = fresh;
    return 0;
}
