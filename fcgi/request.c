/*
 * See request.h. Owns the decoded copy of REQUEST_URI and the body. Must never trust SCRIPT_NAME, PATH_INFO or Host:
 * REQUEST_URI is the one variable that is the same under all web servers. A crash leaves nothing behind.
 */
#include "fcgi/request.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ids.h"

#define DRAIN_BYTES (32u << 20)
#define FIRST_BODY_BYTES 16384

static const struct {
    const char *name;
    enum method method;
} methods[] = {
    {"GET", METHOD_GET}, {"HEAD", METHOD_HEAD},   {"POST", METHOD_POST},
    {"PUT", METHOD_PUT}, {"PATCH", METHOD_PATCH}, {"DELETE", METHOD_DELETE},
};

const char *request_header(const struct request *rq, const char *cgi_name)
{
    return FCGX_GetParam(cgi_name, rq->fcgi->envp);
}

const char *request_query(const struct request *rq, const char *name)
{
    for (int i = 0; i < rq->nquery; i++)
        if (strcmp(rq->query[i].name, name) == 0)
            return rq->query[i].value;
    return NULL;
}

static enum method method_of(const char *name)
{
    for (size_t i = 0; name && i < sizeof methods / sizeof *methods; i++)
        if (strcmp(name, methods[i].name) == 0)
            return methods[i].method;
    return METHOD_OTHER;
}

static bool request_id_ok(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return n >= 1 && n <= LIMIT_REQUEST_ID_BYTES && s[n] == '\0';
}

static void take_request_id(struct request *rq)
{
    const char *given = request_header(rq, "HTTP_X_REQUEST_ID");
    struct uuid fresh;
    if (given && request_id_ok(given)) {
        snprintf(rq->id, sizeof rq->id, "%s", given);
        return;
    }
    ids_new(&fresh);
    ids_to_hex(&fresh, rq->id);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF. */
static bool utf8_ok(const unsigned char *s)
{
    while (*s) {
        unsigned char c = *s++, lo = 0x80, hi = 0xbf;
        int more = c < 0x80                 ? 0
                   : c >= 0xc2 && c <= 0xdf ? 1
                   : c >= 0xe0 && c <= 0xef ? 2
                   : c >= 0xf0 && c <= 0xf4 ? 3
                                            : -1;
        if (more < 0)
            return false;
        if (c == 0xe0)
            lo = 0xa0;
        if (c == 0xed)
            hi = 0x9f;
        if (c == 0xf0)
            lo = 0x90;
        if (c == 0xf4)
            hi = 0x8f;
        for (; more > 0; more--, lo = 0x80, hi = 0xbf)
            if (*s < lo || *s++ > hi)
                return false;
    }
    return true;
}

/* Percent-decodes in place. False: a bad escape, a NUL, or what comes out is not UTF-8. */
static bool decode(char *s, bool plus_is_space)
{
    char *to = s;
    for (char *from = s; *from; from++) {
        if (*from == '%') {
            int high = hex_digit(from[1]);
            int low = high < 0 ? -1 : hex_digit(from[2]);
            if (low < 0 || (high | low) == 0)
                return false;
            *to++ = (char)(high * 16 + low);
            from += 2;
        } else {
            *to++ = plus_is_space && *from == '+' ? ' ' : *from;
        }
    }
    *to = '\0';
    return utf8_ok((const unsigned char *)s);
}

static bool split_path(struct request *rq, char *path)
{
    char *next = path;
    while (next) {
        char *segment = next;
        next = strchr(segment, '/');
        if (next)
            *next++ = '\0';
        if (*segment == '\0' && (!next || segment == path))
            continue; /* before the first slash, after the last */
        if (!decode(segment, false))
            return false;
        if (rq->nsegments < REQUEST_SEGMENTS_MAX)
            rq->segments[rq->nsegments++] = segment;
        else
            rq->too_long = true; /* longer than any route: 404, not 400 */
    }
    return true;
}

static bool split_query(struct request *rq, char *query)
{
    char *next = query;
    while (next) {
        char *name = next;
        next = strchr(name, '&');
        if (next)
            *next++ = '\0';
        if (*name == '\0')
            continue;
        char *value = strchr(name, '=');
        if (value)
            *value++ = '\0';
        else
            value = name + strlen(name);
        if (rq->nquery == REQUEST_QUERY_MAX || !decode(name, true) || !decode(value, true))
            return false;
        size_t n = strlen(name);
        if (n > 2 && strcmp(name + n - 2, "[]") == 0)
            name[n - 2] = '\0';
        rq->query[rq->nquery++] = (struct request_pair){name, value};
    }
    return true;
}

/* Keeps the raw path for itself, and a second copy to cut up. */
static enum request_read take_uri(struct request *rq, const char *uri)
{
    const char *question = strchr(uri, '?');
    size_t path_len = question ? (size_t)(question - uri) : strlen(uri);
    size_t all = strlen(uri);
    rq->memory = malloc(path_len + 1 + all + 1);
    if (!rq->memory)
        return REQUEST_NO_MEMORY;
    memcpy(rq->memory, uri, path_len);
    rq->memory[path_len] = '\0';
    rq->path = rq->memory;
    char *cut = rq->memory + path_len + 1;
    memcpy(cut, uri, all + 1);
    char *query = question ? cut + path_len : NULL;
    if (query)
        *query++ = '\0';
    if (cut[0] != '/' || !split_path(rq, cut) || (query && !split_query(rq, query)))
        return REQUEST_BAD_URI;
    return REQUEST_OK;
}

/*
 * A web server that refused the request itself may hand it over with REDIRECT_STATUS. lighttpd does so with a POST
 * that has no Content-Length (411): that is the POST with an empty body, arriving as GET. Normal requests say 200.
 */
static void take_refusal(struct request *rq)
{
    const char *text = request_header(rq, "REDIRECT_STATUS");
    long status = text ? strtol(text, NULL, 10) : 0;
    if (status == 411 && rq->method == METHOD_GET) {
        rq->method = METHOD_POST;
        rq->bodiless = true;
    } else if (status >= 400 && status <= 599) {
        rq->refused_status = (int)status;
    }
}

enum request_read request_read_head(FCGX_Request *fcgi, struct request *rq)
{
    *rq = (struct request){.fcgi = fcgi, .body = "", .path = "", .content_type = ""};
    take_request_id(rq);
    rq->method = method_of(request_header(rq, "REQUEST_METHOD"));
    take_refusal(rq);
    const char *type = request_header(rq, "CONTENT_TYPE");
    if (type)
        rq->content_type = type;
    const char *uri = request_header(rq, "REQUEST_URI");
    return uri ? take_uri(rq, uri) : REQUEST_BAD_URI;
}

/* What the client announced; -1: nothing (chunked through Apache), -2: not a number. */
static int64_t announced(const struct request *rq)
{
    const char *text = request_header(rq, "CONTENT_LENGTH");
    if (!text || !*text)
        return -1;
    if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 15)
        return -2;
    return strtoll(text, NULL, 10);
}

void request_drain(struct request *rq)
{
    char trash[8192];
    size_t seen = 0;
    int n;
    while (seen < DRAIN_BYTES && (n = FCGX_GetStr(trash, sizeof trash, rq->fcgi->in)) > 0)
        seen += (size_t)n;
}

/* Makes room for one more byte than is taken, so that one more than the limit is seen. */
static bool grow(struct request *rq, size_t *size, size_t limit)
{
    if (rq->body_len + 1 < *size)
        return true;
    size_t wanted = *size ? *size * 2 : FIRST_BODY_BYTES;
    if (wanted > limit + 2)
        wanted = limit + 2;
    char *bigger = realloc(rq->body_memory, wanted);
    if (!bigger)
        return false;
    rq->body_memory = bigger;
    *size = wanted;
    return true;
}

/* Reads to the end record of STDIN, which says that the client sent everything: without it libfcgi reports an error. */
static enum request_read read_stream(struct request *rq, size_t limit, int64_t length)
{
    size_t size = 0;
    for (;;) {
        if (!grow(rq, &size, limit))
            return REQUEST_NO_MEMORY;
        size_t room = size - 1 - rq->body_len;
        int n = FCGX_GetStr(rq->body_memory + rq->body_len, (int)room, rq->fcgi->in);
        if (n <= 0)
            break;
        rq->body_len += (size_t)n;
        if (rq->body_len > limit)
            return REQUEST_TOO_LARGE;
    }
    if (FCGX_GetError(rq->fcgi->in) != 0 || (length >= 0 && (int64_t)rq->body_len != length))
        return REQUEST_CUT_SHORT;
    rq->body_memory[rq->body_len] = '\0';
    rq->body = rq->body_memory;
    return REQUEST_OK;
}

enum request_read request_read_body(struct request *rq, size_t limit_bytes)
{
    if (rq->bodiless)
        return REQUEST_OK;
    int64_t length = announced(rq);
    if (length == -2)
        return REQUEST_CUT_SHORT;
    if (length > (int64_t)limit_bytes) {
        request_drain(rq);
        return REQUEST_TOO_LARGE;
    }
    enum request_read result = read_stream(rq, limit_bytes, length);
    if (result != REQUEST_OK) {
        request_drain(rq);
        rq->body_len = 0;
    }
    return result;
}

void request_release(struct request *rq)
{
    free(rq->memory);
    free(rq->body_memory);
    rq->memory = rq->body_memory = NULL;
}
