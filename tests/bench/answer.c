/*
 * Owns the state machine of one answer. Must never keep a pointer into what it was fed.
 */
#include "tests/bench/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A step sees either a whole line or a piece of the body, and sets the next part. */
typedef int line_step(struct answer *a);

static int status_line(struct answer *a)
{
    if (strncmp(a->line, "HTTP/1.", 7) != 0 || strlen(a->line) < 12)
        return -1;
    a->status = (int)strtol(a->line + 9, NULL, 10);
    a->closes = a->line[7] == '0';
    a->part = ANSWER_HEADERS;
    return a->status >= 100 && a->status <= 999 ? 0 : -1;
}

static void head_ended(struct answer *a)
{
    if (a->status < 200)
        a->part = ANSWER_STATUS; /* interim: the real one follows */
    else if (a->status == 204 || a->status == 304)
        a->part = ANSWER_DONE;
    else if (a->chunked)
        a->part = ANSWER_CHUNK_SIZE;
    else if (a->has_length)
        a->part = a->left ? ANSWER_BODY : ANSWER_DONE;
    else
        a->part = ANSWER_UNTIL_CLOSE;
}

static int header_line(struct answer *a)
{
    if (a->line[0] == '\0') {
        head_ended(a);
        return 0;
    }
    char *value = strchr(a->line, ':');
    if (!value)
        return -1;
    *value++ = '\0';
    value += strspn(value, " \t");
    if (strcasecmp(a->line, "content-length") == 0) {
        a->has_length = true;
        a->left = strtoull(value, NULL, 10);
    } else if (strcasecmp(a->line, "transfer-encoding") == 0) {
        a->chunked = strcasecmp(value, "chunked") == 0;
    } else if (strcasecmp(a->line, "connection") == 0) {
        a->closes = strcasecmp(value, "close") == 0;
    }
    return 0;
}

static int chunk_size_line(struct answer *a)
{
    char *end;
    a->left = strtoull(a->line, &end, 16);
    a->part = a->left ? ANSWER_CHUNK : ANSWER_TRAILER;
    return end == a->line ? -1 : 0;
}

static int chunk_end_line(struct answer *a)
{
    a->part = ANSWER_CHUNK_SIZE;
    return a->line[0] == '\0' ? 0 : -1;
}

static int trailer_line(struct answer *a)
{
    if (a->line[0] == '\0')
        a->part = ANSWER_DONE;
    return 0;
}

static line_step *const steps[] = {
    [ANSWER_STATUS] = status_line,         [ANSWER_HEADERS] = header_line,
    [ANSWER_CHUNK_SIZE] = chunk_size_line, [ANSWER_CHUNK_END] = chunk_end_line,
    [ANSWER_TRAILER] = trailer_line,       [ANSWER_DONE] = NULL,
};

static ssize_t take_line(struct answer *a, const char *data, size_t len)
{
    const char *end = memchr(data, '\n', len);
    size_t n = end ? (size_t)(end - data) : len;
    size_t room = sizeof(a->line) - 1 - a->line_len;
    size_t copied = n < room ? n : room;
    memcpy(a->line + a->line_len, data, copied);
    a->line_len += copied;
    if (!end)
        return (ssize_t)n;
    if (a->line_len && a->line[a->line_len - 1] == '\r')
        a->line_len--;
    a->line[a->line_len] = '\0';
    a->line_len = 0;
    return steps[a->part](a) < 0 ? -1 : (ssize_t)n + 1;
}

static ssize_t take_body(struct answer *a, const char *data, size_t len, struct bytes *body)
{
    size_t n = len;
    if (a->part != ANSWER_UNTIL_CLOSE) {
        n = a->left < len ? (size_t)a->left : len;
        a->left -= n;
        if (a->left == 0)
            a->part = a->part == ANSWER_CHUNK ? ANSWER_CHUNK_END : ANSWER_DONE;
    }
    if (body && bytes_append(body, data, n) < 0)
        return -1;
    return (ssize_t)n;
}

ssize_t answer_feed(struct answer *a, const char *data, size_t len, struct bytes *body)
{
    size_t used = 0;
    while (used < len && a->part != ANSWER_DONE) {
        bool in_body =
            a->part == ANSWER_BODY || a->part == ANSWER_CHUNK || a->part == ANSWER_UNTIL_CLOSE;
        ssize_t n = in_body ? take_body(a, data + used, len - used, body)
                            : take_line(a, data + used, len - used);
        if (n < 0)
            return -1;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

int answer_end(struct answer *a)
{
    if (a->part != ANSWER_UNTIL_CLOSE)
        return -1;
    a->part = ANSWER_DONE;
    a->closes = true;
    return 0;
}
