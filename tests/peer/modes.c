/*
 * Owns the table of behaviours and the names that were told to be up. Must never hold state about a
 * request beyond its connection. Memory only.
 */
#include "tests/peer/modes.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tests/peer/conn.h"
#include "tests/peer/control.h"
#include "tests/peer/flood.h"
#include "tests/peer/raw.h"
#include "tests/peer/record.h"
#include "tests/peer/seen.h"
#include "tests/peer/visit.h"

#define NAMES 1024
#define NAME_BYTES 64
#define DELAY_MAX_MS 3600000u

/* Returns the status it gave, 0 if there is none. */
typedef int mode_answer(const struct visit *v);

static char up_names[NAMES][NAME_BYTES];
static size_t up_count;

unsigned visit_number(const struct visit *v, unsigned fallback, unsigned most)
{
    return (unsigned)span_number(v->rest, fallback, most);
}

/* ---- modes that answer as a server should ---- */

static int answer_ok(const struct visit *v)
{
    conn_raw(v->conn, span_of("HTTP/1.1 204 No Content\r\n\r\n"));
    return 204;
}

/* A header from the query, e.g. retry-after; line breaks cannot come through. */
static void header_from_query(const struct visit *v, const char *key, const char *name, char *to,
                              size_t size)
{
    char value[256];
    to[0] = '\0';
    if (!request_query(v->req, key, value, sizeof(value)) || strpbrk(value, "\r\n"))
        return;
    (void)snprintf(to, size, "%s: %s\r\n", name, value);
}

static int answer_status(const struct visit *v)
{
    int status = (int)visit_number(v, 200, 999);
    char body[2048], retry[300], type[300], headers[600];
    if (!request_query(v->req, "body", body, sizeof(body)))
        (void)snprintf(body, sizeof(body), "status %d as asked\n", status);
    header_from_query(v, "retry-after", "Retry-After", retry, sizeof(retry));
    header_from_query(v, "type", "Content-Type", type, sizeof(type));
    (void)snprintf(headers, sizeof(headers), "%s%s", retry,
                   type[0] ? type : "Content-Type: text/plain\r\n");
    conn_reply(v->conn, status, headers, span_of(body));
    return status;
}

static int answer_delay(const struct visit *v)
{
    conn_delay(v->conn, visit_number(v, 1000, DELAY_MAX_MS));
    return answer_ok(v);
}

static int answer_unavailable(const struct visit *v, const char *why)
{
    conn_reply(v->conn, 503, "Content-Type: text/plain\r\n", span_of(why));
    return 503;
}

static int answer_flaky(const struct visit *v)
{
    if (v->before < visit_number(v, 1, 1000000))
        return answer_unavailable(v, "not yet, try again\n");
    return answer_ok(v);
}

static int answer_failing(const struct visit *v)
{
    if ((unsigned)(random() % 100) < visit_number(v, 50, 100))
        return answer_unavailable(v, "not this time\n");
    return answer_ok(v);
}

/* Of ten requests whose payload begins with a number, as in {"n":123, one is tried again and one is refused for ever, in
 * an order that is the same each time: a share that no chance can lift above what opens a circuit. */
static int answer_mixed(const struct visit *v)
{
    struct span body = v->req->body;
    unsigned each = visit_number(v, 1, 1000000);
    while (body.len && (*body.p < '0' || *body.p > '9'))
        body = span_skip(body, 1);
    unsigned long tenth = span_number(body, 0, ULONG_MAX) / (each ? each : 1) % 10;
    if (tenth == 3 && v->before == 0)
        return answer_unavailable(v, "not yet, try again\n");
    if (tenth != 7)
        return answer_ok(v);
    conn_reply(v->conn, 404, "Content-Type: text/plain\r\n", span_of("status 404 as asked\n"));
    return 404;
}

static bool is_up(struct span name)
{
    for (size_t i = 0; i < up_count; i++)
        if (span_is(name, up_names[i]))
            return true;
    return false;
}

static int answer_down(const struct visit *v)
{
    struct span rest = v->rest;
    if (!is_up(span_cut(&rest, '/')))
        return answer_unavailable(v, "down for maintenance\n");
    return answer_ok(v);
}

static int answer_gone(const struct visit *v)
{
    conn_reply(v->conn, 410, "Content-Type: text/plain\r\n", span_of("this endpoint is gone\n"));
    return 410;
}

static int answer_redirect(const struct visit *v)
{
    char to[1024], headers[1100];
    int status = (int)visit_number(v, 302, 399);
    if (!request_query(v->req, "to", to, sizeof(to)) || strpbrk(to, "\r\n"))
        (void)snprintf(to, sizeof(to), "/ok");
    (void)snprintf(headers, sizeof(headers), "Location: %s\r\n", to);
    conn_reply(v->conn, status, headers, span_of(""));
    return status;
}

static int answer_json_error(const struct visit *v)
{
    conn_reply(v->conn, 500, "Content-Type: application/json\r\n",
               span_of("{\"error\":{\"code\":\"E_x\",\"message\":\"order 123 failed\"}}"));
    return 500;
}

static int answer_html_error(const struct visit *v)
{
    static const char page[] =
        "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>\n"
        "<h1>502 Bad Gateway</h1><script>alert(document.domain)</script>\n"
        "<img src=x onerror=\"alert(1)\"><hr>proxy/1.0</body></html>\n";
    int status = (int)visit_number(v, 502, 999);
    conn_reply(v->conn, status, "Content-Type: text/html; charset=utf-8\r\n", span_of(page));
    return status;
}

static int answer_echo(const struct visit *v)
{
    conn_reply(v->conn, 200, "Content-Type: application/octet-stream\r\n", v->req->body);
    return 200;
}

static int answer_badbytes(const struct visit *v)
{
    static const char body[] = "before\0after \xff\xfe\xc3\x28 \xed\xa0\x80 \x1b[31mred\x07 end\n";
    conn_reply(v->conn, 500,
               "Content-Type: text/plain\r\nX-Bad: \xff\xfe\xc3\x28 caf\xe9\r\n\xe9t\xe9: name\r\n",
               (struct span){body, sizeof(body) - 1});
    return 500;
}

/* ---- modes of slow answers ---- */

static void drip_body(struct conn *c)
{
    conn_raw(c, span_of("x"));
}

static int answer_slow_body(const struct visit *v)
{
    conn_reply_head(v->conn, 200, "Content-Type: text/plain\r\nContent-Length: 1000000\r\n\r\n");
    conn_drip(v->conn, drip_body);
    return 200;
}

static int answer_slow_headers(const struct visit *v)
{
    conn_reply_head(v->conn, 200, "X-Slow: ");
    conn_drip(v->conn, drip_body);
    return 0;
}

/* Not even the status: "HTTP/1.1 2", then nothing that would end the line. */
static int answer_slow_status(const struct visit *v)
{
    conn_raw(v->conn, span_of("HTTP/1.1 2"));
    conn_drip(v->conn, drip_body);
    return 0;
}

static int answer_hang(const struct visit *v)
{
    conn_hang(v->conn);
    return 0;
}

/* ---- modes of a broken connection ---- */

static int answer_close(const struct visit *v)
{
    conn_kill(v->conn, false);
    return 0;
}

static int answer_rst(const struct visit *v)
{
    conn_kill(v->conn, true);
    return 0;
}

static int reset_behind(const struct visit *v, const char *bytes, int status)
{
    conn_raw(v->conn, span_of(bytes));
    conn_reset_in(v->conn, 20); /* else the client may see nothing but the reset */
    return status;
}

static int answer_rst_status(const struct visit *v)
{
    return reset_behind(v, "HTTP/1.1 20", 0);
}

static int answer_rst_headers(const struct visit *v)
{
    return reset_behind(v, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX-Ha", 200);
}

static int answer_rst_mid(const struct visit *v)
{
    return reset_behind(v, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it", 200);
}

/* The first request of a connection is answered; the next one is read, and the connection ends. */
static int answer_second(const struct visit *v, bool with_reset)
{
    if (v->conn->served == 0)
        return answer_ok(v);
    conn_kill(v->conn, with_reset);
    return 0;
}

static int answer_second_close(const struct visit *v)
{
    return answer_second(v, false);
}

static int answer_second_rst(const struct visit *v)
{
    return answer_second(v, true);
}

static int answer_keepalive_close(const struct visit *v)
{
    (void)answer_ok(v);
    if (visit_number(v, 0, DELAY_MAX_MS) > 0)
        conn_close_in(v->conn, visit_number(v, 0, DELAY_MAX_MS));
    else
        conn_close_after(v->conn);
    return 204;
}

static int answer_early_close(const struct visit *v)
{
    conn_reply(v->conn, 413, "Connection: close\r\n", span_of("too large, not read\n"));
    conn_close_after(v->conn);
    return 413;
}

/* The rest of the body is never read, and the connection stays. */
static int answer_early_unread(const struct visit *v)
{
    (void)answer_ok(v);
    conn_hang(v->conn);
    return 204;
}

/* ---- modes that tell what they saw ---- */

static int answer_client_name(const struct visit *v)
{
    char name[256] = "none";
    conn_client_name(v->conn, name, sizeof(name));
    conn_reply(v->conn, 200, "Content-Type: text/plain\r\n", span_of(name));
    return 200;
}

/* ---- the table ---- */

static const struct mode {
    const char *name;
    mode_answer *answer;
    bool head_only;
    const char *about;
} modes[] = {
    {"ok", answer_ok, false, "204"},
    {"status", answer_status, false, "/NNN: that status; ?body= ?retry-after= ?type="},
    {"delay", answer_delay, false, "/MS: 204 after so many milliseconds"},
    {"hang", answer_hang, false, "never answers"},
    {"slow-body", answer_slow_body, false, "200, then a byte of the body a second"},
    {"slow-headers", answer_slow_headers, false, "a byte of a header a second"},
    {"slow-status", answer_slow_status, false, "a byte of the status line a second"},
    {"endless-body", flood_body, false, "200 and a body without end"},
    {"endless-1xx", flood_interim, false, "interim answers without end"},
    {"endless-headers", flood_headers, false, "200 and headers without end"},
    {"endless-chunks", flood_chunks, false, "200 and chunks of one byte without end"},
    {"endless-trailers", flood_trailers, false, "200, a body, and trailers without end"},
    {"close", answer_close, false, "closes without a byte"},
    {"rst", answer_rst, false, "resets the connection after reading"},
    {"rst-head", answer_rst, true, "resets it when it has seen the head"},
    {"rst-status", answer_rst_status, false, "resets it within the status line"},
    {"rst-headers", answer_rst_headers, false, "resets it within the headers"},
    {"rst-mid", answer_rst_mid, false, "resets it in the middle of the body"},
    {"gzip-bomb", flood_bomb, false, "6.5 MiB that inflate to 1 GiB"},
    {"transfer-bomb", flood_transfer_bomb, false, "the same as a transfer encoding"},
    {"headers", flood_many_headers, false, "/N: 200 with N headers"},
    {"long-header", flood_long_header, false, "/KB: 200 with one header of that size"},
    {"long-status", flood_long_status, false, "/KB: a status line of that size"},
    {"redirect", answer_redirect, false, "[/NNN]: 302 to /ok, or to ?to=URL"},
    {"early", answer_ok, true, "204 before the body is read, which is then read"},
    {"early-close", answer_early_close, true, "413 before the body is read, then closes"},
    {"early-unread", answer_early_unread, true, "204 before the body, which is never read"},
    {"second-close", answer_second_close, false, "204; from the second request on it closes"},
    {"second-rst", answer_second_rst, false, "204; from the second request on it resets"},
    {"client-name", answer_client_name, false, "200 and who the client's certificate says it is"},
    {"keepalive-close", answer_keepalive_close, false, "[/MS]: 204, then closes unannounced"},
    {"flaky", answer_flaky, false, "/N: 503 the first N times it sees a webhook-id, then 204"},
    {"failing", answer_failing, false, "/PERCENT: 503 to so many, at random, else 204"},
    {"mixed", answer_mixed, false,
     "/N: 204; by the payload's first number / N, of ten one 503 first and one 404"},
    {"down-until-told", answer_down, false, "/NAME: 503 until POST /_control/up?name=NAME"},
    {"gone", answer_gone, false, "410"},
    {"big", flood_big, false, "/KB: 500 with a body of that size"},
    {"json-error", answer_json_error, false, "500 with a JSON error that names an order"},
    {"html-error", answer_html_error, false, "[/NNN]: 502 with a hostile HTML page"},
    {"badbytes", answer_badbytes, false, "500, invalid UTF-8 in headers, also NUL in the body"},
    {"echo", answer_echo, false, "200 with the body that was sent"},
};

static const struct mode *mode_find(struct span name)
{
    static const struct mode fixed = {"", raw_answer, false, ""};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (span_is(name, modes[i].name))
            return &modes[i];
    return raw_knows(name) ? &fixed : NULL;
}

/* The mode a path names; `rest` is what follows. */
static const struct mode *mode_of(struct visit *v, bool *recorded)
{
    v->rest = span_skip(v->req->path, 1);
    v->name = span_cut(&v->rest, '/');
    *recorded = span_is(v->name, "rec");
    if (*recorded)
        v->name = span_cut(&v->rest, '/');
    return mode_find(v->name);
}

bool modes_wants_head_only(const struct request *r)
{
    bool recorded;
    struct visit v = {.req = r};
    const struct mode *mode = mode_of(&v, &recorded);
    return mode && mode->head_only;
}

void modes_serve(struct conn *c, const struct request *r)
{
    bool recorded;
    struct visit v = {.conn = c, .req = r};
    if (span_starts(r->path, span_of("/_control/"))) {
        control_serve(c, r);
        return;
    }
    const struct mode *mode = mode_of(&v, &recorded);
    if (!mode) {
        conn_reply(c, 404, "", span_of("no such mode, see peer --help\n"));
        return;
    }
    if (recorded)
        record_keep(r, c->serial);
    struct seen_mark mark = seen_note(r->path, r->webhook_id, r->body);
    v.before = mark.before;
    seen_answered(mark, mode->answer(&v));
}

void modes_print(FILE *to)
{
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        fprintf(to, "  /%-18s %s\n", modes[i].name, modes[i].about);
    raw_print(to);
}

static int name_index(const char *name)
{
    for (size_t i = 0; i < up_count; i++)
        if (strcmp(up_names[i], name) == 0)
            return (int)i;
    return -1;
}

int modes_set_up(const char *name, bool up)
{
    int at = name_index(name);
    if (up == (at >= 0))
        return 0;
    if (!up) {
        memmove(up_names[at], up_names[--up_count], NAME_BYTES);
        return 0;
    }
    if (up_count == NAMES || strlen(name) >= NAME_BYTES)
        return -1;
    (void)snprintf(up_names[up_count++], NAME_BYTES, "%s", name);
    return 0;
}

void modes_reset(void)
{
    up_count = 0;
}
