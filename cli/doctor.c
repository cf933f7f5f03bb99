/*
 * dlo doctor: looks at everything a running installation needs and says, line by line, what to do about what is wrong.
 *
 * A check answers with a verdict and a sentence; it changes nothing and prints no secret. One check does not stop the
 * next, but what depends on the database is skipped without one.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli_sql.h"
#include "common/address_guard.h"
#include "common/limits.h"
#include "common/seal.h"
#include "migrations.h"

#define SERVER_MIN 150000
#define HEARTBEAT_S 15
#define SKEW_MS 2000
#define HTTP_WAIT_MS 3000

enum verdict { VERDICT_OK, VERDICT_FAIL, VERDICT_SKIP };

struct finding {
    char said[512];  /* what was found */
    char to_do[256]; /* what to do about it */
};

typedef enum verdict check_function(struct cli *cli, struct finding *f);

static enum verdict fine(struct finding *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static enum verdict fine(struct finding *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->said, sizeof f->said, fmt, ap);
    va_end(ap);
    return VERDICT_OK;
}

static enum verdict wrong(struct finding *f, const char *to_do, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static enum verdict wrong(struct finding *f, const char *to_do, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->said, sizeof f->said, fmt, ap);
    va_end(ap);
    snprintf(f->to_do, sizeof f->to_do, "%s", to_do);
    return VERDICT_FAIL;
}

static enum verdict check_config(struct cli *cli, struct finding *f)
{
    const struct config *c = &cli->config;
    const struct {
        const char *name, *value;
    } needed[] = {{"dsn_owner", c->dsn_owner},
                  {"public_url", c->public_url},
                  {"intake_socket", c->intake_socket},
                  {"desk_socket", c->desk_socket},
                  {"key_file", c->key_file}};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!needed[i].value[0])
            return wrong(f, "set it in the configuration", "%s is empty in '%s'", needed[i].name,
                         cli->config_path);
    return fine(f, "'%s' is complete", cli->config_path);
}

static enum verdict check_allow(struct cli *cli, struct finding *f)
{
    char why[256];
    struct address_allow allow;
    if (address_guard_parse_allow(cli->config.allow_nets, &allow, why, sizeof why) < 0)
        return wrong(f, "correct allow_nets", "%s", why);
    return fine(f, allow.count ? "beyond public addresses: %s" : "public addresses only%s",
                cli->config.allow_nets);
}

static enum verdict check_key_file(struct cli *cli, struct finding *f)
{
    char why[256];
    struct stat st;
    struct seal_keyring *ring;
    if (seal_keyring_load(cli->config.key_file, &ring, why, sizeof why) < 0)
        return wrong(f,
                     "dlo migrate makes one; an old one must be mode 0600 and come from your copy",
                     "%s", why);
    seal_keyring_free(ring);
    if (stat(cli->config.key_file, &st) == 0 && st.st_mode & 0077)
        return wrong(f, "chmod 0600 it", "'%s' has mode %04o", cli->config.key_file,
                     (unsigned)(st.st_mode & 07777));
    return fine(f, "'%s'", cli->config.key_file);
}

/* role: name, superuser, server version, its clock in ms */
static enum verdict check_database(struct cli *cli, struct finding *f)
{
    PGresult *r;
    if (db_run(cli->db, &cli_sql[CLI_SQL_ROLE], NULL, &r) != DB_OK)
        return wrong(f, "start PostgreSQL, or correct dsn_owner", "%s", db_message(cli->db));
    int64_t version = db_int(r, 0, 2);
    enum verdict v =
        version >= SERVER_MIN
            ? fine(f, "PostgreSQL %lld as '%s'", (long long)(version / 10000), db_text(r, 0, 0))
            : wrong(f, "upgrade PostgreSQL to 15 or later", "PostgreSQL %lld is too old",
                    (long long)(version / 10000));
    PQclear(r);
    return v;
}

static enum verdict check_clock(struct cli *cli, struct finding *f)
{
    struct timespec ts;
    PGresult *r;
    if (db_run(cli->db, &cli_sql[CLI_SQL_ROLE], NULL, &r) != DB_OK)
        return VERDICT_SKIP;
    clock_gettime(CLOCK_REALTIME, &ts);
    int64_t skew = ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000 - db_int(r, 0, 3);
    PQclear(r);
    if (skew > SKEW_MS || skew < -SKEW_MS)
        return wrong(f, "run an NTP client on both machines",
                     "this machine's clock is %lld ms off the database's", (long long)skew);
    return fine(f, "%lld ms off the database's", (long long)skew);
}

/* Asked first, so that the statements behind it do not fail with a line in the log each. */
static bool have_schema(struct cli *cli)
{
    PGresult *r;
    if (db_run_text(cli->db, "SELECT to_regclass('schema_migrations') IS NOT NULL", NULL, &r) !=
        DB_OK)
        return false;
    bool yes = db_bool(r, 0, 0);
    PQclear(r);
    return yes;
}

static enum verdict check_migrations(struct cli *cli, struct finding *f)
{
    PGresult *r;
    if (!have_schema(cli) || db_run(cli->db, &cli_sql[CLI_SQL_APPLIED], NULL, &r) != DB_OK)
        return wrong(f, "run dlo migrate", "the schema is missing");
    size_t n = (size_t)PQntuples(r), same = 0;
    while (same < n && same < migrations_count &&
           strcmp(db_text(r, (int)same, 1), migrations[same].sha256hex) == 0)
        same++;
    PQclear(r);
    if (n < migrations_count)
        return wrong(f, "run dlo migrate", "%zu of %zu are applied", n, migrations_count);
    if (n > migrations_count)
        return wrong(f, "upgrade the programs", "the database is newer than this program");
    if (same < n)
        return wrong(f, "use the program that made this database",
                     "migration %zu is not the one that was applied", same + 1);
    return fine(f, "all %zu are applied", n);
}

static enum verdict role_of(const char *setting, const char *dsn, struct finding *f)
{
    PGresult *r;
    if (!dsn[0])
        return fine(f, "%s is empty: the owner's role is used", setting);
    struct db *db = db_new(dsn, "dlo-doctor", NULL);
    enum verdict v = VERDICT_FAIL;
    if (!db || db_run(db, &cli_sql[CLI_SQL_ROLE], NULL, &r) != DB_OK) {
        v = wrong(f, "correct the setting, or the role's right to connect", "%s: %s", setting,
                  db ? db_message(db) : "out of memory");
    } else {
        v = db_bool(r, 0, 1)
                ? wrong(f, "use a role of its own: CREATE ROLE ... LOGIN, then dlo migrate",
                        "'%s' is a superuser", db_text(r, 0, 0))
                : fine(f, "'%s'", db_text(r, 0, 0));
        PQclear(r);
    }
    db_free(db);
    return v;
}

static enum verdict check_role_api(struct cli *cli, struct finding *f)
{
    return role_of("dsn_api", cli->config.dsn_api, f);
}

static enum verdict check_role_worker(struct cli *cli, struct finding *f)
{
    return role_of("dsn_worker", cli->config.dsn_worker, f);
}

/* health: drawers, seconds since a sender, leases, projects, keys */
static PGresult *health(struct cli *cli)
{
    PGresult *r;
    return have_schema(cli) && db_run(cli->db, &cli_sql[CLI_SQL_HEALTH], NULL, &r) == DB_OK ? r
                                                                                            : NULL;
}

static enum verdict check_drawers(struct cli *cli, struct finding *f)
{
    PGresult *r = health(cli);
    if (!r)
        return VERDICT_SKIP;
    enum verdict v = db_bool(r, 0, 0) ? fine(f, "tomorrow's are there")
                                      : wrong(f, "run dlo migrate; the worker makes them every day",
                                              "none for tomorrow");
    PQclear(r);
    return v;
}

static enum verdict check_worker(struct cli *cli, struct finding *f)
{
    enum verdict v;
    PGresult *r = health(cli);
    if (!r)
        return VERDICT_SKIP;
    long long age = db_int(r, 0, 1), leases = db_int(r, 0, 2);
    if (db_null(r, 0, 1))
        v = wrong(f, "start dlo-worker", "no sender was ever seen");
    else if (age >= HEARTBEAT_S)
        v = wrong(f, "start dlo-worker, or read its log", "no sender for %lld s", age);
    else if (leases < LIMIT_SHARDS)
        v = wrong(f, "wait ten seconds and ask again; else read the worker's log",
                  "%lld of %d shards are leased", leases, LIMIT_SHARDS);
    else
        v = fine(f, "a sender was seen %lld s ago, all %d shards are leased", age, LIMIT_SHARDS);
    PQclear(r);
    return v;
}

static enum verdict check_projects(struct cli *cli, struct finding *f)
{
    PGresult *r = health(cli);
    if (!r)
        return VERDICT_SKIP;
    enum verdict v =
        db_int(r, 0, 3) && db_int(r, 0, 4)
            ? fine(f, "%s projects, %s keys", db_text(r, 0, 3), db_text(r, 0, 4))
            : wrong(f, "dlo project create, then dlo key create", "there is no project or no key");
    PQclear(r);
    return v;
}

static enum verdict check_socket(const char *path, struct finding *f)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) >= sizeof addr.sun_path)
        return wrong(f, "choose a shorter path", "'%s' is too long for a socket", path);
    memcpy(addr.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&addr, sizeof addr);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (rc < 0)
        return wrong(f, "start dlo.fcgi, and run this as its user", "'%s': %s", path,
                     strerror(error));
    if (stat(path, &st) == 0 && st.st_mode & 0007)
        return wrong(f, "restart dlo.fcgi, which sets 0660", "'%s' is open to everybody", path);
    return fine(f, "'%s'", path);
}

static enum verdict check_intake(struct cli *cli, struct finding *f)
{
    return check_socket(cli->config.intake_socket, f);
}

static enum verdict check_desk(struct cli *cli, struct finding *f)
{
    return check_socket(cli->config.desk_socket, f);
}

/* --- the web server, asked as a client would --------------------------------------------------------------------------- */

static int dial(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    int fd = -1;
    if (getaddrinfo(host, port, &hints, &list) != 0)
        return -1;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

/* The status of GET /healthz, -1 if there was none. */
static int ask_health(const char *host, const char *port)
{
    char text[512];
    int fd = dial(host, port);
    if (fd < 0)
        return -1;
    int n =
        snprintf(text, sizeof text,
                 "GET /healthz HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n", host, port);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t got = -1;
    if (write(fd, text, (size_t)n) == n && poll(&p, 1, HTTP_WAIT_MS) > 0)
        got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got < 12)
        return -1;
    text[got] = '\0';
    return strncmp(text, "HTTP/1.", 7) == 0 ? (int)strtol(text + 9, NULL, 10) : -1;
}

static enum verdict check_web_server(struct cli *cli, struct finding *f)
{
    char host[256], port[8] = "80";
    const char *url = cli->config.public_url;
    if (strncmp(url, "http://", 7) != 0)
        return VERDICT_SKIP; /* TLS belongs to curl: curl -i URL/healthz */
    size_t n = strcspn(url + 7, ":/");
    snprintf(host, sizeof host, "%.*s", (int)n, url + 7);
    if (url[7 + n] == ':')
        snprintf(port, sizeof port, "%.*s", (int)strspn(url + 8 + n, "0123456789"), url + 8 + n);
    int status = ask_health(host, port);
    if (status == 200)
        return fine(f, "%s/healthz answers", url);
    if (status < 0)
        return wrong(f, "start the web server, or correct public_url", "%s does not answer", url);
    return wrong(f, "read the web server's log; it must pass /healthz to desk_socket",
                 "%s/healthz answers %d", url, status);
}

static const struct {
    const char *name;
    check_function *check;
} checks[] = {
    {"configuration", check_config},    {"allow list", check_allow},
    {"key file", check_key_file},       {"database", check_database},
    {"migrations", check_migrations},   {"role api", check_role_api},
    {"role worker", check_role_worker}, {"clock", check_clock},
    {"drawers", check_drawers},         {"projects", check_projects},
    {"intake socket", check_intake},    {"desk socket", check_desk},
    {"web server", check_web_server},   {"worker", check_worker},
};

int doctor_command(struct cli *cli)
{
    static const char *const words[] = {"ok  ", "FAIL", "skip"};
    int failed = 0;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        struct finding f = {"", ""};
        enum verdict v = checks[i].check(cli, &f);
        printf("%s %-14s %s\n", words[v], checks[i].name, f.said);
        if (v == VERDICT_FAIL)
            printf("     %-14s -> %s\n", "", f.to_do);
        failed += v == VERDICT_FAIL;
    }
    return failed ? CLI_FAILED : CLI_OK;
}
