/* See attempt_view.h. Memory only. What it shows was redacted when it was written. */
#include "fcgi/attempt_view.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/limits.h"
#include "common/states.h"
#include "fcgi/column.h"

enum attempt_column {
    COL_N,
    COL_KIND,
    COL_AT,
    COL_OUTCOME,
    COL_REASON,
    COL_STATUS,
    COL_ERROR_CODE,
    COL_ERROR,
    COL_URL,
    COL_HEADERS,
    COL_SHA256,
    COL_RESPONSE_HEADERS,
    COL_RESPONSE_BODY,
    COL_TRUNCATED,
    COL_DNS,
    COL_CONNECT,
    COL_TLS,
    COL_TTFB,
    COL_TOTAL,
    COL_REMOTE
};

#define N(a) (sizeof(a) / sizeof *(a))

static const struct column members[] = {
    {"n", COL_N, COLUMN_INT, 0, NULL},
    {"at", COL_AT, COLUMN_TIME, 0, NULL},
    {"outcome", COL_OUTCOME, COLUMN_NAME, 0, states_outcome_name},
    {"failureReason", COL_REASON, COLUMN_NAME, 0, states_reason_name},
    {"statusCode", COL_STATUS, COLUMN_CODE, 0, NULL},
    {"errorCode", COL_ERROR_CODE, COLUMN_TEXT, 0, NULL},
    {"error", COL_ERROR, COLUMN_TEXT, 0, NULL},
    {"remoteAddress", COL_REMOTE, COLUMN_TEXT, 0, NULL},
};

static const struct {
    const char *member;
    int at;
} timings[] = {
    {"dnsMs", COL_DNS},   {"connectMs", COL_CONNECT}, {"tlsMs", COL_TLS},
    {"ttfbMs", COL_TTFB}, {"totalMs", COL_TOTAL},
};

bool attempt_view_verdict(const PGresult *res, int row)
{
    return db_int(res, row, COL_KIND) == ATTEMPT_VERDICT;
}

static bool ended(const PGresult *res, int row)
{
    return db_int(res, row, COL_OUTCOME) != OUTCOME_RETRY;
}

int attempt_view_number(const PGresult *res, int row)
{
    return (int)db_int(res, row, COL_N);
}

static json_t *base64_of(const void *p, size_t n)
{
    char *text = malloc(BASE64_TEXT(n));
    if (!text)
        return json_null();
    base64_encode(p, n, text);
    json_t *value = json_string(text);
    free(text);
    return value;
}

void attempt_view_bytes(json_t *to, const char *member, const void *p, size_t n)
{
    json_t *text = json_stringn(p, n); /* NULL: not UTF-8 */
    json_object_set_new(to, "encoding", json_string(text ? "utf-8" : "base64"));
    json_object_set_new(to, member, text ? text : base64_of(p, n));
}

/* "Name: value" with the name in lower case; what comes twice is joined by a comma (RFC 9110 section 5.3). */
static void add_header(json_t *headers, const char *line, size_t len)
{
    char name[256];
    size_t n = 0;
    while (n < len && n < sizeof name - 1 && line[n] != ':') {
        name[n] = (char)tolower((unsigned char)line[n]);
        n++;
    }
    if (n == 0 || n == len || line[n] != ':')
        return;
    name[n] = '\0';
    const char *value = line + n + 1, *end = line + len;
    while (value < end && *value == ' ')
        value++;
    const json_t *before = json_object_get(headers, name);
    json_object_set_new(
        headers, name,
        before ? json_sprintf("%s, %.*s", json_string_value(before), (int)(end - value), value)
               : json_stringn(value, (size_t)(end - value)));
}

static json_t *headers_of(const PGresult *res, int row, int at)
{
    if (db_null(res, row, at))
        return json_null();
    json_t *headers = json_object();
    for (const char *line = db_text(res, row, at); *line;) {
        size_t len = strcspn(line, "\n");
        add_header(headers, line, len && line[len - 1] == '\r' ? len - 1 : len);
        line += len + (line[len] == '\n');
    }
    return headers;
}

static json_t *request_of(const PGresult *res, int row)
{
    static const struct column own[] = {{"url", COL_URL, COLUMN_TEXT, 0, NULL},
                                        {"bodySha256", COL_SHA256, COLUMN_TEXT, 0, NULL}};
    json_t *request = column_object(res, row, own, N(own));
    json_object_set_new(request, "headers", headers_of(res, row, COL_HEADERS));
    return request;
}

static json_t *response_of(const PGresult *res, int row)
{
    size_t n;
    unsigned char *body = db_bytes(res, row, COL_RESPONSE_BODY, &n);
    json_t *response =
        json_pack("{s:o, s:n, s:n, s:b}", "headers", headers_of(res, row, COL_RESPONSE_HEADERS),
                  "body", "encoding", "bodyTruncated", db_bool(res, row, COL_TRUNCATED));
    if (response && body)
        attempt_view_bytes(response, "body", body, n);
    PQfreemem(body);
    return response;
}

static json_t *timing_of(const PGresult *res, int row)
{
    json_t *timing = json_object();
    for (size_t i = 0; i < N(timings); i++)
        json_object_set_new(timing, timings[i].member,
                            json_real((double)db_int(res, row, timings[i].at) / 1000.0));
    return timing;
}

json_t *attempt_view_row(const PGresult *res, int row)
{
    json_t *attempt = column_object(res, row, members, N(members));
    if (!attempt)
        return NULL;
    json_object_set_new(attempt, "request", request_of(res, row));
    json_object_set_new(attempt, "response", response_of(res, row));
    json_object_set_new(attempt, "timing", timing_of(res, row));
    return attempt;
}

void attempt_view_add(json_t *to, const PGresult *res)
{
    json_t *attempts = json_array();
    json_object_set_new(to, "attempts", attempts);
    json_object_set_new(to, "terminalAttempt", json_null());
    for (int row = 0; row < PQntuples(res); row++) {
        json_t *attempt = attempt_view_row(res, row);
        if (ended(res, row))
            json_object_set(to, "terminalAttempt", attempt);
        if (!attempt_view_verdict(res, row))
            json_array_append(attempts, attempt);
        json_decref(attempt);
    }
}
