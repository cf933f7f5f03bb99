/* See webhook_headers.h. Memory only. Must never put a value into a problem. */
#include "fcgi/webhook_headers.h"

#include <string.h>
#include <strings.h>

#include "common/limits.h"
#include "fcgi/webhook_pointer.h"

/* API.md's list. A star stands for any rest. */
static const char *const reserved[] = {
    "host",   "content-*", "transfer-encoding", "connection", "te",        "trailer", "upgrade",
    "expect", "proxy-*",   "user-agent",        "cookie",     "webhook-*", "dlo-*",   "x-replay*",
};

static bool is_reserved(const char *name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        size_t n = strcspn(reserved[i], "*");
        if (strncasecmp(name, reserved[i], n) == 0 && (reserved[i][n] == '*' || name[n] == '\0'))
            return true;
    }
    return false;
}

bool webhook_headers_is_token(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                         "!#$%&'*+-.^_`|~");
    return n > 0 && s[n] == '\0';
}

static bool value_ok(const json_t *value)
{
    const char *s = json_string_value(value);
    for (size_t i = 0; i < json_string_length(value); i++)
        if (s[i] != '\t' && (s[i] < 0x20 || s[i] > 0x7e))
            return false;
    return true;
}

static const json_t *find_name(const json_t *headers, const char *name)
{
    const char *other;
    json_t *value;
    json_object_foreach((json_t *)headers, other,
                        value) if (strcasecmp(other, name) == 0) return value;
    return NULL;
}

static int refuse(struct response *rs, int status, const char *code, const char *name,
                  const char *detail)
{
    char pointer[160];
    webhook_pointer("headers", name, pointer, sizeof pointer);
    response_field_problem(rs, status, code, pointer, "%s", detail);
    return -1;
}

static int check_one(const json_t *headers, const char *name, const json_t *value, bool may_keep,
                     struct response *rs)
{
    if (!json_is_string(value) && !(may_keep && json_is_null(value)))
        return refuse(rs, 400, "wrong-type", name, "A header's value must be a string.");
    if (!webhook_headers_is_token(name))
        return refuse(rs, 422, "invalid-header", name,
                      "A header's name must be a token (RFC 9110).");
    if (is_reserved(name))
        return refuse(rs, 422, "reserved-header", name, "This header is reserved.");
    if (find_name(headers, name) != value)
        return refuse(rs, 422, "duplicate-header", name, "This header stands here twice.");
    if (json_is_string(value) && !value_ok(value))
        return refuse(rs, 422, "invalid-header", name,
                      "A header's value may hold visible ASCII, space and tab.");
    return 0;
}

static int check_size(const json_t *headers, struct response *rs)
{
    const char *name;
    json_t *value;
    size_t bytes = 0;
    if (json_object_size(headers) > LIMIT_CUSTOM_HEADERS)
        return refuse(rs, 422, "too-many-headers", NULL, "At most 20 headers are taken.");
    json_object_foreach((json_t *)headers, name, value) bytes +=
        strlen(name) + json_string_length(value);
    if (bytes > LIMIT_CUSTOM_HEADER_BYTES)
        return refuse(rs, 422, "headers-too-large", NULL,
                      "Names and values may have 4 KiB together.");
    return 0;
}

int webhook_headers_check(const json_t *headers, bool may_keep, struct response *rs)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)headers, name,
                        value) if (check_one(headers, name, value, may_keep, rs) != 0) return -1;
    return check_size(headers, rs);
}

int webhook_headers_keep(json_t *headers, const json_t *stored, struct response *rs)
{
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(headers, next, name, value)
    {
        if (!json_is_null(value))
            continue;
        const json_t *kept = find_name(stored, name);
        if (!stored)
            json_object_del(headers, name);
        else if (!kept)
            return refuse(rs, 400, "wrong-type", name, "No value is stored for this header.");
        else
            json_object_set(headers, name, (json_t *)kept);
    }
    return check_size(headers, rs);
}

json_t *webhook_headers_names(const json_t *headers)
{
    const char *name;
    json_t *value;
    json_t *names = json_array();
    json_object_foreach((json_t *)headers, name,
                        value) if (json_array_append_new(names, json_string(name)) != 0)
    {
        json_decref(names);
        return NULL;
    }
    return names;
}
