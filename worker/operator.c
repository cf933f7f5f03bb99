/* See operator.h. Owns the list of what cannot change while a worker runs. Memory only. */
#include "worker/operator.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/name_servers.h"

int operator_allow(const struct config *c, struct address_allow *out)
{
    char err[256];
    if (address_guard_parse_allow(c->allow_nets, out, err, sizeof err) == 0)
        return 0;
    log_error("allow_nets: %s", err);
    return -1;
}

struct breaker_rules operator_breaker_rules(const struct config *c)
{
    return (struct breaker_rules){.requests = (int)c->breaker_requests,
                                  .failure_percent = (int)c->breaker_percent,
                                  .window_ms = c->breaker_window * 1000,
                                  .cooldown_ms = c->breaker_cooldown * 1000};
}

struct remotes_rules operator_remotes_rules(const struct config *c)
{
    return (struct remotes_rules){.concurrency = (int)c->address_concurrency,
                                  .per_second = (double)c->address_rate,
                                  .allowed_too = c->address_caps_allowed};
}

const char *operator_ca_file(const struct config *c)
{
    static const char *const usual[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
    const char *found = c->ca_file[0] ? c->ca_file : NULL;
    for (size_t i = 0; !found && i < sizeof usual / sizeof *usual; i++)
        if (access(usual[i], R_OK) == 0)
            found = usual[i];
    if (!found || access(found, R_OK))
        log_error("no CA bundle can be read ('%s'): every https delivery will fail; install "
                  "ca-certificates or set ca_file",
                  found ? found : usual[0]);
    return found ? found : usual[0];
}

/* More than at the start, where a missing CA bundle need not keep http from being delivered. */
static int check(const struct config *fresh)
{
    char err[256];
    struct address_allow allow;
    struct name_servers servers;
    if (operator_allow(fresh, &allow))
        return -1;
    if (name_servers_parse(fresh->dns_servers, &servers, err, sizeof err)) {
        log_error("dns_servers: %s", err);
        return -1;
    }
    if (fresh->ca_file[0] && access(fresh->ca_file, R_OK)) {
        log_error("ca_file '%s': %s", fresh->ca_file, strerror(errno));
        return -1;
    }
    return 0;
}

int operator_reload(const char *path, struct config *c)
{
    static const char *const fixed[] = {"dsn_owner", "dsn_worker", "worker_user",
                                        "host_name", "key_file",   NULL};
    return config_reload(path, c, check, fixed);
}
