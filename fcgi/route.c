/*
 * See route.h. Owns the order of the checks in front of every handler. Must never run a handler whose scope was not
 * checked, nor leave a transaction open behind one. A crash here answers nothing; what had not committed is rolled back.
 */
#include "fcgi/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/json_scan.h"
#include "common/log.h"
#include "fcgi/handlers.h"
#include "fcgi/idempotency.h"
#include "fcgi/page.h"
#include "fcgi/waker.h"

#define SLOW_US 1000000

static const struct route *const tables[] = {
    events_routes,         webhooks_routes,        entries_routes,   deliveries_routes,
    legacy_routes,         overview_routes,        session_routes,   keys_routes,
    projects_routes,       users_routes,           whoami_routes,    audit_routes,
    health_routes,         event_types_routes,     trials_routes,    ping_routes,
    bulk_routes,           bulk_operations_routes, groups_routes,    export_routes,
    system_entries_routes, stats_buckets_routes,   redaction_routes, openapi_routes,
};
#define NTABLES (sizeof tables / sizeof *tables)

size_t route_tables(const struct route *const **out)
{
    *out = tables;
    return NTABLES;
}

/* --- matching ------------------------------------------------------------------------------------------------------- */

/*
 * Matches a path against a pattern. The rank has a bit for each literal segment, the leftmost highest, so that the
 * larger one is the better match. -1: no match.
 */
static int match(const char *pattern, const struct request *rq, const char *args[4])
{
    int rank = 0, i = 0, nargs = 0;
    for (const char *p = pattern; *p == '/'; i++) {
        size_t n = strcspn(++p, "/");
        if (i == rq->nsegments)
            return -1;
        if (n == 2 && p[0] == '{' && nargs < 4)
            args[nargs++] = rq->segments[i];
        else if (strlen(rq->segments[i]) == n && memcmp(rq->segments[i], p, n) == 0)
            rank |= 1 << (REQUEST_SEGMENTS_MAX - i);
        else
            return -1;
        p += n;
    }
    return i == rq->nsegments && !rq->too_long ? rank : -1;
}

static bool serves(const struct route *route, enum method method)
{
    return route->method == method || (route->method == METHOD_GET && method == METHOD_HEAD);
}

struct found {
    const struct route *route; /* NULL: no such method, or (rank < 0) no such path */
    const struct route *any;   /* with that rank, whatever its method */
    int rank;
    unsigned methods; /* of all routes with that rank, a bit each */
};

static void consider(struct found *f, const struct route *route, struct call *c)
{
    const char *args[4] = {NULL};
    int rank = match(route->pattern, c->rq, args);
    if (rank < 0 || rank < f->rank)
        return;
    if (rank > f->rank)
        *f = (struct found){.rank = rank};
    f->any = route;
    f->methods |= 1u << route->method;
    if (serves(route, c->rq->method)) {
        f->route = route;
        memcpy(c->args, args, sizeof args);
    }
}

static struct found find(struct call *c)
{
    struct found f = {.rank = -1};
    for (size_t t = 0; t < NTABLES; t++)
        for (const struct route *route = tables[t]; route->pattern; route++)
            consider(&f, route, c);
    return f;
}

static void answer_no_route(struct call *c, const struct found *f)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    char allow[64] = "";
    if (f->rank < 0) {
        response_problem(c->rs, 404, "not-found", "There is nothing at this path.", NULL, 0);
        return;
    }
    for (size_t i = 0, n = 0; i < sizeof names / sizeof *names; i++)
        if (f->methods & 1u << i || (i == METHOD_HEAD && f->methods & 1u << METHOD_GET))
            n += (size_t)snprintf(allow + n, sizeof allow - n, "%s%s", n ? ", " : "", names[i]);
    response_header(c->rs, "Allow", allow);
    response_problem(c->rs, 405, "method-not-allowed", "This path does not take the method.", NULL,
                     0);
}

/* --- the request's form --------------------------------------------------------------------------------------------- */

static bool read_ok(struct call *c, enum request_read r)
{
    static const struct {
        int status;
        const char *code, *detail;
    } problems[] = {
        [REQUEST_BAD_URI] =
            {400, "bad-uri",
             "The path or the query is not well-formed, or the query has too many parts."},
        [REQUEST_TOO_LARGE] = {413, "body-too-large", "The body is larger than this route takes."},
        [REQUEST_CUT_SHORT] = {400, "body-cut-short",
                               "The body ended before all of it arrived. Nothing was stored."},
        [REQUEST_NO_MEMORY] = {500, "internal", "Out of memory."},
    };
    if (r == REQUEST_OK)
        return true;
    response_problem(c->rs, problems[r].status, problems[r].code, problems[r].detail, NULL, 0);
    return false;
}

static bool media_type_is(const char *header, const char *wanted)
{
    size_t n = strcspn(header, "; \t");
    return strlen(wanted) == n && strncasecmp(header, wanted, n) == 0;
}

static bool type_ok(struct call *c, const struct route *route)
{
    if (!(route->flags & (ROUTE_BODY_JSON | ROUTE_NDJSON)) ||
        (c->rq->body_len == 0 && route->flags & ROUTE_BODY_OPTIONAL))
        return true;
    if (media_type_is(c->rq->content_type, "application/json") ||
        (route->flags & ROUTE_NDJSON && media_type_is(c->rq->content_type, "application/x-ndjson")))
        return true;
    response_problem(
        c->rs, 415, "unsupported-media-type",
        route->flags & ROUTE_NDJSON
            ? "Add the header Content-Type: application/json (or application/x-ndjson)."
            : "Add the header Content-Type: application/json.",
        NULL, 0);
    return false;
}

static bool query_ok(struct call *c, const struct route *route)
{
    for (int i = 0; i < c->rq->nquery; i++) {
        const char *name = c->rq->query[i].name;
        const char *const *known = route->query;
        while (known && *known && strcmp(*known, name) != 0)
            known++;
        if (known && *known)
            continue;
        char pointer[80];
        snprintf(pointer, sizeof pointer, "?%.64s", name);
        struct response_error error = {pointer, "this route has no such query parameter"};
        response_problem(c->rs, 400, "unknown-parameter", "A query parameter is not known here.",
                         &error, 1);
        if (!c->rs->json) { /* cut in the middle of a character */
            error.pointer = "?";
            response_problem(c->rs, 400, "unknown-parameter",
                             "A query parameter is not known here.", &error, 1);
        }
        return false;
    }
    return true;
}

static bool body_ok(struct call *c, const struct route *route)
{
    if (route->body_limit == 0) {
        request_drain(c->rq);
        return true;
    }
    return read_ok(c, request_read_body(c->rq, route->body_limit)) && type_ok(c, route);
}

/* --- what handlers call --------------------------------------------------------------------------------------------- */

bool route_db_ok(struct call *c, enum db_status s)
{
    static const struct {
        int status;
        const char *code, *detail, *retry_after;
    } problems[] = {
        [DB_LOST] = {503, "database-unavailable", "The database is away. Try again.", "2"},
        [DB_BUSY] = {503, "database-busy", "The database is busy. Try again.", "1"},
        [DB_ABORTED] = {500, "internal", "The statement was given up.", NULL},
        [DB_CONFLICT] = {500, "internal", "The statement met a conflict.", NULL},
        [DB_FAILED] = {500, "internal", "The statement failed.", NULL},
    };
    if (s == DB_OK)
        return true;
    if (s == DB_ABORTED || s == DB_CONFLICT)
        log_error("unexpected end of a statement: %s request=%s", db_message(c->desk->db),
                  c->rq->id);
    if (problems[s].retry_after)
        response_header(c->rs, "Retry-After", problems[s].retry_after);
    response_problem(c->rs, problems[s].status, problems[s].code, problems[s].detail, NULL, 0);
    return false;
}

bool route_begin(struct call *c)
{
    return route_db_ok(c, db_command(c->desk->db, "BEGIN"));
}

bool route_commit(struct call *c)
{
    return route_db_ok(c, db_command(c->desk->db, "COMMIT"));
}

void route_rollback(struct call *c)
{
    PGconn *conn = db_conn(c->desk->db);
    if (conn && PQtransactionStatus(conn) != PQTRANS_IDLE)
        (void)db_command(c->desk->db, "ROLLBACK");
}

void route_wake(struct call *c)
{
    waker_mark(c->desk->wake_fd);
}

bool route_id(struct call *c, int i, enum ids_kind kind, struct uuid *out)
{
    const char *text = c->args[i];
    if (ids_parse(kind, text, strlen(text), out) == 0)
        return true;
    route_not_found(c);
    return false;
}

void route_not_found(struct call *c)
{
    response_problem(c->rs, 404, "not-found", "There is no such object.", NULL, 0);
}

/* Whether one entity tag of a list is this version: quoted, or bare as people type it. Weak tags never match. */
static bool tag_is(const char *tag, size_t n, const char *version)
{
    if (n >= 2 && tag[0] == '"' && tag[n - 1] == '"') {
        tag++;
        n -= 2;
    }
    return strlen(version) == n && memcmp(tag, version, n) == 0;
}

static bool list_has(const char *header, const char *version)
{
    while (*header) {
        header += strspn(header, " \t,");
        size_t n = strcspn(header, ","), used = n;
        while (n && (header[n - 1] == ' ' || header[n - 1] == '\t'))
            n--;
        if (n && tag_is(header, n, version))
            return true;
        header += used;
    }
    return false;
}

static const char *if_match_header(struct call *c)
{
    const char *header = request_header(c->rq, "HTTP_IF_MATCH");
    if (header && *header)
        return header;
    response_problem(c->rs, 428, "if-match-required",
                     "Send If-Match with the ETag of the version you read, or * for any.", NULL, 0);
    return NULL;
}

static void answer_mismatch(struct call *c)
{
    response_problem(c->rs, 412, "version-mismatch",
                     "The resource has changed since that version. Read it again.", NULL, 0);
}

bool route_if_match(struct call *c, int64_t version)
{
    char text[24];
    const char *header = if_match_header(c);
    if (!header)
        return false;
    snprintf(text, sizeof text, "%lld", (long long)version);
    if (strcmp(header, "*") == 0 || list_has(header, text))
        return true;
    answer_mismatch(c);
    return false;
}

int64_t route_if_match_version(struct call *c)
{
    char *end;
    const char *header = if_match_header(c);
    if (!header)
        return -2;
    if (strcmp(header, "*") == 0)
        return -1;
    const char *digits = header + (*header == '"');
    long long version = strtoll(digits, &end, 10);
    if (end > digits && version > 0 && strcmp(end, *header == '"' ? "\"" : "") == 0)
        return version;
    answer_mismatch(c);
    return -2;
}

/* --- the body ------------------------------------------------------------------------------------------------------- */

static void answer_bad_json(struct call *c, const char *code, const char *why, size_t offset)
{
    response_field_problem(c->rs, 400, code, "", "The body is not acceptable JSON: %s at byte %zu.",
                           why, offset);
}

/* The strict scanner first: it is not recursive, so a bomb of brackets meets no parser that is. */
static bool scan_ok(struct call *c)
{
    static const struct json_limits limits = {.max_depth = LIMIT_JSON_DEPTH};
    static const struct {
        const char *code, *why;
    } problems[] = {
        [JSON_SCAN_SYNTAX] = {"malformed-json", "syntax error"},
        [JSON_SCAN_UTF8] = {"malformed-utf8", "not UTF-8"},
        [JSON_SCAN_DEPTH] = {"too-deep", "nested too deeply"},
    };
    size_t offset = 0;
    enum json_scan_result r = json_scan_value(c->rq->body, c->rq->body_len, &limits, &offset);
    if (r == JSON_SCAN_OK)
        return true;
    bool known = r == JSON_SCAN_UTF8 || r == JSON_SCAN_DEPTH;
    answer_bad_json(c, problems[known ? r : JSON_SCAN_SYNTAX].code,
                    problems[known ? r : JSON_SCAN_SYNTAX].why, offset);
    return false;
}

json_t *route_body_object(struct call *c)
{
    json_error_t error;
    if (c->rq->body_len == 0)
        return json_object();
    if (!scan_ok(c))
        return NULL;
    json_t *body = json_loadb(c->rq->body, c->rq->body_len, JSON_REJECT_DUPLICATES, &error);
    if (!body) {
        bool duplicate = json_error_code(&error) == json_error_duplicate_key;
        answer_bad_json(c, duplicate ? "duplicate-field" : "malformed-json",
                        duplicate ? "a field comes twice" : "a value that cannot be represented",
                        (size_t)error.position);
        return NULL;
    }
    if (json_is_array(body) && json_array_size(body) == 0) {
        json_decref(body);
        return json_object(); /* how PHP spells an empty object */
    }
    if (!json_is_object(body)) {
        json_decref(body);
        response_field_problem(c->rs, 400, "wrong-type", "", "The body must be an object.");
        return NULL;
    }
    return body;
}

/* --- one request ---------------------------------------------------------------------------------------------------- */

static void run_handler(struct call *c, const struct route *route)
{
    struct idempotency i = {.held = false};
    if (route->flags & ROUTE_IDEMPOTENT && !idempotency_begin(c, &i))
        return;
    route->handler(c);
    route_rollback(c); /* only if the handler left a transaction open: it failed half way */
    idempotency_end(c, &i);
}

static void answer_refusal(struct call *c)
{
    char code[32];
    snprintf(code, sizeof code, "http-%d", c->rq->refused_status);
    response_problem(c->rs, c->rq->refused_status, code, "The web server refused the request.",
                     NULL, 0);
}

/* Fills the response; the route that was found, or NULL. */
static const struct route *answer(struct call *c, enum request_read head)
{
    struct found f = find(c);
    if (c->rq->refused_status) {
        answer_refusal(c);
        /* old routes have a form of their own, and a web server may have changed the method */
        return f.any;
    }
    if (!read_ok(c, head))
        return f.any;
    if (!f.route) {
        answer_no_route(c, &f);
        request_drain(c->rq);
        return NULL;
    }
    if (!principal_establish(c, f.route)) {
        request_drain(c->rq);
        return f.route;
    }
    if (body_ok(c, f.route) && query_ok(c, f.route))
        run_handler(c, f.route);
    return f.route;
}

static int64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void note(const struct call *c, const struct route *route, int64_t us)
{
    bool slow = us > SLOW_US && !(route && route->flags & ROUTE_SLOW);
    page_count_request(c->rs->status, us);
    if (c->rs->status >= 500 || slow)
        log_warn("request=%s path='%s' status=%d ms=%lld actor=%s", c->rq->id, c->rq->path,
                 c->rs->status, (long long)(us / 1000), c->who.actor[0] ? c->who.actor : "-");
}

void route_dispatch(struct desk *desk, FCGX_Request *fcgi)
{
    struct request rq;
    struct response rs;
    struct call c = {.desk = desk, .rq = &rq, .rs = &rs};
    int64_t started = now_us();
    response_init(&rs);
    enum request_read head = request_read_head(fcgi, &rq);
    const struct route *route = answer(&c, head);
    response_write(&rs, &rq, route && route->flags & ROUTE_LEGACY);
    note(&c, route, now_us() - started);
    response_release(&rs);
    request_release(&rq);
}
