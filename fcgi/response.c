/*
 * See response.h. Owns the answer until it is written. Streams nothing but what a handler sends by response_stream: any
 * other that fails half way has sent nothing yet. A crash leaves the client with the web server's 502, and it may ask again.
 */
#include "fcgi/response.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "common/log.h"

#define HEADERS_MAX 16384
#define BODY_MAX (256u << 20)

static const struct {
    int status;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
};

static const char *phrase_of(int status)
{
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return status < 400 ? "OK" : "Error";
}

void response_init(struct response *rs)
{
    *rs = (struct response){.status = 0};
    buf_init(&rs->headers, HEADERS_MAX);
    buf_init(&rs->body, BODY_MAX);
}

void response_release(struct response *rs)
{
    buf_release(&rs->headers);
    buf_release(&rs->body);
    json_decref(rs->json);
    rs->json = NULL;
}

/* Forgets an earlier answer, but not the headers: a 429 may have set Retry-After before. */
static void start(struct response *rs, int status, const char *content_type)
{
    json_decref(rs->json);
    rs->json = NULL;
    rs->problem = false;
    rs->status = status;
    rs->content_type = content_type;
    buf_clear(&rs->body);
}

void response_header(struct response *rs, const char *name, const char *value)
{
    if (strpbrk(value, "\r\n")) {
        log_error("header %s not set: its value holds a line end", name);
        return;
    }
    buf_printf(&rs->headers, "%s: %s\r\n", name, value);
    if (strcmp(name, "Location") == 0)
        snprintf(rs->location, sizeof rs->location, "%s", value);
}

void response_json(struct response *rs, int status, json_t *body)
{
    if (!body) {
        log_error("an answer could not be built");
        response_problem(rs, 500, "internal", "The answer could not be built.", NULL, 0);
        return;
    }
    start(rs, status, "application/json");
    rs->json = body;
}

void response_empty(struct response *rs, int status)
{
    start(rs, status, NULL);
}

void response_bytes(struct response *rs, int status, const char *content_type, const void *p,
                    size_t n)
{
    start(rs, status, content_type);
    buf_add(&rs->body, p, n);
}

/* "if-match-required" -> "If match required" */
static void title_of(const char *code, char *out, size_t size)
{
    snprintf(out, size, "%s", code);
    for (char *p = out; *p; p++)
        if (*p == '-')
            *p = ' ';
    if (out[0] >= 'a' && out[0] <= 'z')
        out[0] = (char)(out[0] - 'a' + 'A');
}

static json_t *errors_of(const struct response_error *errors, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "pointer", errors[i].pointer, "detail",
                                              errors[i].detail));
    return list;
}

void response_problem(struct response *rs, int status, const char *code, const char *detail,
                      const struct response_error *errors, size_t nerrors)
{
    char title[96], type[120];
    if (strncmp(code, "http-", 5) == 0)
        snprintf(title, sizeof title, "%s", phrase_of(status));
    else
        title_of(code, title, sizeof title);
    snprintf(type, sizeof type, "/problems/%s", code);
    start(rs, status, "application/problem+json");
    rs->problem = true;
    rs->json = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s}", "type", type, "title", title, "status",
                         status, "detail", detail, "code", code, "error", title);
    if (!rs->json)
        log_error("problem '%s' could not be built", code); /* its detail was not UTF-8 */
    else if (nerrors)
        json_object_set_new(rs->json, "errors", errors_of(errors, nerrors));
}

void response_field_problem(struct response *rs, int status, const char *code, const char *pointer,
                            const char *fmt, ...)
{
    char detail[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    struct response_error error = {pointer, detail};
    response_problem(rs, status, code, detail, &error, 1);
}

void response_secret_member(struct response *rs, const char *member)
{
    if (rs->nsecrets == RESPONSE_SECRETS_MAX)
        abort(); /* a handler of ours names more than there is room for */
    rs->secrets[rs->nsecrets++] = member;
}

void response_version(struct response *rs, int64_t version)
{
    char tag[32];
    snprintf(tag, sizeof tag, "\"%lld\"", (long long)version);
    response_header(rs, "ETag", tag);
}

void response_location(struct response *rs, const char *public_url, const char *path)
{
    char url[256];
    snprintf(url, sizeof url, "%s%s", public_url, path);
    response_header(rs, "Location", path[0] == '/' ? url : path);
}

void response_too_many(struct response *rs, const char *code, const char *detail, int retry_after_s)
{
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%d", retry_after_s);
    response_header(rs, "Retry-After", seconds);
    response_problem(rs, 429, code, detail, NULL, 0);
}

/* Seed 000's clients read one member. */
static void make_legacy(struct response *rs)
{
    const char *detail = json_string_value(json_object_get(rs->json, "detail"));
    json_t *old = rs->json;
    rs->json = json_pack("{s:s}", "error", detail ? detail : "Error");
    rs->content_type = "application/json";
    json_decref(old);
}

static void render(struct response *rs, const struct request *rq, bool legacy)
{
    if (rs->problem && legacy)
        make_legacy(rs);
    else if (rs->problem && rs->json)
        json_object_set_new(rs->json, "requestId", json_string(rq->id));
    char *text = rs->json ? json_dumps(rs->json, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    if (text)
        buf_add_str(&rs->body, text);
    free(text);
    if (rs->status == 0 || ((rs->json || rs->problem) && !text) || rs->body.failed ||
        rs->headers.failed) {
        log_error("the answer to '%s' could not be built", rq->path);
        start(rs, 500, "application/problem+json");
        buf_add_str(&rs->body,
                    "{\"type\":\"/problems/internal\",\"title\":\"Internal\",\"status\":500,"
                    "\"code\":\"internal\",\"error\":\"Internal\"}");
    }
}

static bool client_has(const struct request *rq, const char *tag)
{
    const char *given = request_header(rq, "HTTP_IF_NONE_MATCH");
    return given && (strstr(given, tag) || strcmp(given, "*") == 0);
}

/* What differs between two answers although nothing has changed: a cursor is sealed anew each time. */
static const char *const untagged[] = {"nextCursor", "countedAt"};

/* The tag is of the members as rendered, which is as weak as it gets and needs no version. */
static void tag_body(struct response *rs, const struct request *rq)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char tag[40] = "W/\"";
    size_t n = 3;
    json_t *lasting = json_copy(rs->json);
    for (size_t i = 0; i < sizeof untagged / sizeof *untagged; i++)
        json_object_del(lasting, untagged[i]);
    char *text = json_dumps(lasting, JSON_COMPACT);
    json_decref(lasting);
    bool hashed = text && EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) == 1;
    free(text);
    if (rs->status != 200 || !hashed)
        return;
    for (size_t i = 0; i < 12; i++, n += 2)
        snprintf(tag + n, sizeof tag - n, "%02x", digest[i]);
    snprintf(tag + n, sizeof tag - n, "\"");
    response_header(rs, "ETag", tag);
    if (client_has(rq, tag + 2)) /* weak comparison: W/ is not looked at */
        start(rs, 304, NULL);
}

static void add_head(struct buf *out, const struct response *rs, const struct request *rq)
{
    buf_printf(out, "Status: %d %s\r\n", rs->status, phrase_of(rs->status));
    if (rs->content_type)
        buf_printf(out, "Content-Type: %s\r\n", rs->content_type);
    if (rs->status != 204 && rs->status != 304 && !rs->streamed)
        buf_printf(out, "Content-Length: %zu\r\n", rs->body.len);
    buf_printf(out, "X-Request-Id: %s\r\n", rq->id);
    buf_add_str(out,
                "Cache-Control: no-store\r\n"
                "X-Content-Type-Options: nosniff\r\n"
                "Content-Security-Policy: default-src 'none'; sandbox; frame-ancestors 'none'\r\n");
    if (rs->headers.len)
        buf_add(out, rs->headers.data, rs->headers.len);
    buf_add_str(out, "\r\n");
}

void response_stream_begin(struct response *rs, struct request *rq, const char *content_type)
{
    struct buf out;
    start(rs, 200, content_type);
    rs->streamed = true;
    buf_init(&out, HEADERS_MAX + 2048);
    add_head(&out, rs, rq);
    if (!out.failed)
        FCGX_PutStr(out.data, (int)out.len, rq->fcgi->out);
    buf_release(&out);
}

bool response_stream(struct response *rs, struct request *rq, const void *p, size_t n)
{
    if (!rs->streamed)
        abort(); /* a handler of ours sends a body without its head */
    return FCGX_PutStr(p, (int)n, rq->fcgi->out) >= 0 && FCGX_GetError(rq->fcgi->out) == 0;
}

void response_write(struct response *rs, struct request *rq, bool legacy)
{
    struct buf out;
    if (rs->streamed)
        return;
    render(rs, rq, legacy);
    if (rs->weak_tag)
        tag_body(rs, rq);
    buf_init(&out, HEADERS_MAX + 2048 + rs->body.len);
    add_head(&out, rs, rq);
    if (rq->method != METHOD_HEAD && rs->body.len)
        buf_add(&out, rs->body.data, rs->body.len);
    if (!out.failed)
        FCGX_PutStr(out.data, (int)out.len, rq->fcgi->out);
    buf_release(&out);
}
