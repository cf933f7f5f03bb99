/* See event_input.h. Pure. Fields are a table: adding one is a line and, if its rule is new, a function. */
#include "fcgi/event_input.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event_type.h"

#define MEMBERS_MAX 32
/* The payload may be LIMIT_JSON_DEPTH deep; the envelope adds one level around it, a batch two more. */
#define ENVELOPE_DEPTH (LIMIT_JSON_DEPTH + 1)

static int fail(struct event_input_error *err, int status, const char *code, const char *pointer,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static int fail(struct event_input_error *err, int status, const char *code, const char *pointer,
                const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err->status = status;
    err->code = code;
    snprintf(err->pointer, sizeof err->pointer, "%s", pointer);
    vsnprintf(err->detail, sizeof err->detail, fmt, ap);
    va_end(ap);
    return -1;
}

void event_input_scan_error(enum json_scan_result r, size_t offset, const char *what,
                            struct event_input_error *err)
{
    switch (r) {
    case JSON_SCAN_UTF8:
        fail(err, 400, "malformed-utf8", "", "%s is not valid UTF-8 at byte %zu", what, offset);
        break;
    case JSON_SCAN_DEPTH:
        fail(err, 400, "too-deep", "", "%s is nested deeper than %d levels at byte %zu", what,
             LIMIT_JSON_DEPTH, offset);
        break;
    case JSON_SCAN_DUPLICATE:
        fail(err, 400, "duplicate-field", "", "a field of %s comes twice, at byte %zu", what,
             offset);
        break;
    case JSON_SCAN_TOO_MANY:
        fail(err, 400, "unknown-field", "", "%s has more fields than an event can have", what);
        break;
    case JSON_SCAN_TYPE:
        fail(err, 400, "wrong-type", "", "%s must be a JSON object", what);
        break;
    default:
        fail(err, 400, "malformed-json", "", "%s is not valid JSON at byte %zu", what, offset);
    }
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

static bool is_null(struct json_slice v)
{
    return v.len == 4 && memcmp(v.p, "null", 4) == 0;
}

static const char *kind(struct json_slice v)
{
    switch (v.p[0]) {
    case '"':
        return "a string";
    case '{':
        return "an object";
    case '[':
        return "an array";
    case 't':
    case 'f':
        return "a boolean";
    case 'n':
        return "null";
    default:
        return "a number";
    }
}

static int read_text(struct json_slice v, const char *pointer, char *out, size_t cap,
                     struct event_input_error *err)
{
    size_t n = 0;
    if (v.p[0] != '"')
        return fail(err, 400, "wrong-type", pointer, "%s must be a string, not %s", pointer + 1,
                    kind(v));
    if (json_scan_text(v, out, cap, &n))
        return v.len > cap ? fail(err, 400, "too-long", pointer, "%s may be at most %zu bytes",
                                  pointer + 1, cap - 1)
                           : fail(err, 400, "invalid-text", pointer,
                                  "%s holds an escape that is no character", pointer + 1);
    if (n == 0)
        return fail(err, 400, "empty", pointer, "%s may not be empty", pointer + 1);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
            return fail(err, 400, "control-character", pointer,
                        "%s may not hold control characters", pointer + 1);
    return 0;
}

static int read_name(struct json_slice v, const char *pointer, char *out, size_t cap,
                     struct event_input_error *err)
{
    if (read_text(v, pointer, out, cap, err))
        return -1;
    if (out[0] == '$' && strcmp(pointer, "/channel") == 0)
        return fail(err, 422, "reserved-channel", pointer,
                    "channels that begin with '$' are the system's own");
    if (!event_type_valid(out, strlen(out)))
        return fail(err, 400, "malformed-name", pointer, "%s takes 1 to %d of A-Z a-z 0-9 _ . -",
                    pointer + 1, LIMIT_NAME_BYTES);
    return 0;
}

static int read_time(struct json_slice v, char out[INSTANT_TEXT_MAX], struct event_input_error *err)
{
    char text[64];
    size_t n = 0;
    int64_t us = 0;
    enum instant_result r;
    if (v.p[0] == '"') {
        if (json_scan_text(v, text, sizeof text, &n))
            return fail(err, 400, "malformed-time", "/occurredAt",
                        "occurredAt is no RFC 3339 time");
        r = instant_parse(text, n, &us);
    } else if (v.p[0] == '-' || (v.p[0] >= '0' && v.p[0] <= '9')) {
        if (v.len >= sizeof text)
            return fail(err, 400, "time-out-of-range", "/occurredAt", "occurredAt is out of range");
        memcpy(text, v.p, v.len);
        text[v.len] = '\0';
        r = instant_from_ms(strtod(text, NULL), &us);
    } else {
        return fail(err, 400, "wrong-type", "/occurredAt",
                    "occurredAt must be a string or epoch milliseconds, not %s", kind(v));
    }
    if (r == INSTANT_RELATIVE)
        r = INSTANT_MALFORMED; /* "-15m" is for filters */
    if (r != INSTANT_OK)
        return fail(err, 400, instant_code(r), "/occurredAt", "occurredAt: %s", instant_why(r));
    instant_sql(us, out);
    return 0;
}

/* An object of strings, kept as it came. */
static int read_metadata(struct json_slice v, struct event_input *out,
                         struct event_input_error *err)
{
    static const struct json_limits limits = {4};
    struct json_member members[MEMBERS_MAX * 4];
    char text[LIMIT_METADATA_BYTES + 1];
    size_t n = 0, len;
    if (v.p[0] != '{' && !(v.p[0] == '[' && v.len >= 2))
        return fail(err, 400, "wrong-type", "/metadata", "metadata must be an object, not %s",
                    kind(v));
    if (v.len > LIMIT_METADATA_BYTES)
        return fail(err, 400, "too-long", "/metadata", "metadata may be at most %d bytes",
                    LIMIT_METADATA_BYTES);
    enum json_scan_result r =
        json_scan_object(v.p, v.len, &limits, members, MEMBERS_MAX * 4, &n, NULL);
    if (r == JSON_SCAN_DUPLICATE)
        return fail(err, 400, "duplicate-field", "/metadata", "a field of metadata comes twice");
    if (r == JSON_SCAN_TYPE)
        return fail(err, 400, "wrong-type", "/metadata", "metadata must be an object, not %s",
                    kind(v));
    if (r == JSON_SCAN_TOO_MANY)
        return fail(err, 400, "too-many", "/metadata", "metadata may have at most %d fields",
                    MEMBERS_MAX * 4);
    for (size_t i = 0; i < n; i++)
        if (r != JSON_SCAN_OK || members[i].value.p[0] != '"' ||
            json_scan_text(members[i].value, text, sizeof text, &len) || memchr(text, '\0', len) ||
            json_scan_text(members[i].key, text, sizeof text, &len) || memchr(text, '\0', len))
            return fail(err, 400, "wrong-type", "/metadata", "metadata takes strings only");
    if (r != JSON_SCAN_OK)
        return fail(err, 400, "wrong-type", "/metadata", "metadata takes strings only");
    out->metadata = n ? v : (struct json_slice){0};
    return 0;
}

/* --- fields ------------------------------------------------------------------------------------------------------- */

static int on_type(struct json_slice v, struct event_input *e, struct event_input_error *err)
{
    return read_name(v, "/eventType", e->type, sizeof e->type, err);
}

static int on_payload(struct json_slice v, struct event_input *e, struct event_input_error *err)
{
    (void)err;
    e->payload = v;
    return 0;
}

static int on_channel(struct json_slice v, struct event_input *e, struct event_input_error *err)
{
    e->has_channel = true;
    return read_name(v, "/channel", e->channel, sizeof e->channel, err);
}

static int on_customer(struct json_slice v, struct event_input *e, struct event_input_error *err)
{
    e->has_customer_id = true;
    return read_text(v, "/customerExternalId", e->customer_id, sizeof e->customer_id, err);
}

static int on_external(struct json_slice v, struct event_input *e, struct event_input_error *err)
{
    e->has_external_id = true;
    return read_text(v, "/externalId", e->external_id, sizeof e->external_id, err);
}

static int on_routing(struct json_slice v, struct event_input *e, struct event_input_error *err)
{
    e->has_routing_key = true;
    return read_text(v, "/routingKey", e->routing_key, sizeof e->routing_key, err);
}

static int on_occurred(struct json_slice v, struct event_input *e, struct event_input_error *err)
{
    e->has_occurred_at = true;
    return read_time(v, e->occurred_at, err);
}

static const struct {
    const char *name;
    int (*read)(struct json_slice v, struct event_input *e, struct event_input_error *err);
} fields[] = {
    {"eventType", on_type},      {"payload", on_payload},
    {"channel", on_channel},     {"metadata", read_metadata},
    {"routingKey", on_routing},  {"externalId", on_external},
    {"occurredAt", on_occurred}, {"customerExternalId", on_customer},
};

static int unknown_field(const struct json_member *m, const char *what,
                         struct event_input_error *err)
{
    char name[100] = "", pointer[120];
    size_t n = 0;
    if (json_scan_text(m->key, name, sizeof name, &n))
        snprintf(name, sizeof name, "(a long name)");
    snprintf(pointer, sizeof pointer, "/%s", name);
    return fail(err, 400, "unknown-field", pointer, "there is no field '%s' in %s", name, what);
}

static int check_payload(struct json_slice payload, size_t max, struct event_input_error *err)
{
    if (!payload.p)
        return fail(err, 400, "missing-field", "/payload", "payload is required");
    if (payload.len > max)
        return fail(err, 413, "payload-too-large", "/payload",
                    "the payload has %zu bytes, at most %zu are taken", payload.len, max);
    return 0;
}

static int read_member(const struct json_member *m, struct event_input *out,
                       struct event_input_error *err)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!json_scan_is(m->key, fields[i].name))
            continue;
        /* null is absent, except as the payload, which may be any JSON value */
        return is_null(m->value) && fields[i].read != on_payload
                   ? 0
                   : fields[i].read(m->value, out, err);
    }
    return unknown_field(m, "an event", err);
}

int event_input_read(const char *buf, size_t len, size_t max_payload, struct event_input *out,
                     struct event_input_error *err)
{
    static const struct json_limits limits = {ENVELOPE_DEPTH};
    struct json_member members[MEMBERS_MAX];
    size_t n = 0, offset = 0;
    memset(out, 0, sizeof *out);
    enum json_scan_result r =
        json_scan_object(buf, len, &limits, members, MEMBERS_MAX, &n, &offset);
    if (r != JSON_SCAN_OK) {
        event_input_scan_error(r, offset, "the event", err);
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        if (read_member(&members[i], out, err))
            return -1;
    if (!out->type[0])
        return fail(err, 400, "missing-field", "/eventType", "eventType is required");
    return check_payload(out->payload, max_payload, err);
}

/* --- an edit ------------------------------------------------------------------------------------------------------ */

static int read_reason(struct json_slice v, char out[LIMIT_REASON_BYTES + 1],
                       struct event_input_error *err)
{
    size_t n = 0;
    if (v.p[0] != '"')
        return fail(err, 400, "wrong-type", "/reason", "reason must be a string, not %s", kind(v));
    if (json_scan_text(v, out, LIMIT_REASON_BYTES + 1, &n) || n == 0 || memchr(out, '\0', n))
        return fail(err, 400, "out-of-range", "/reason", "reason must have 1 to %d bytes of text",
                    LIMIT_REASON_BYTES);
    return 0;
}

static int read_edit_member(const struct json_member *m, struct event_edit *out,
                            struct event_input_error *err)
{
    if (json_scan_is(m->key, "payload")) {
        out->payload = m->value;
        return 0;
    }
    if (json_scan_is(m->key, "reason"))
        return is_null(m->value) ? 0 : read_reason(m->value, out->reason, err);
    return unknown_field(m, "an edit", err);
}

int event_input_edit(const char *buf, size_t len, size_t max_payload, struct event_edit *out,
                     struct event_input_error *err)
{
    static const struct json_limits limits = {ENVELOPE_DEPTH};
    struct json_member members[MEMBERS_MAX];
    size_t n = 0, offset = 0;
    *out = (struct event_edit){.reason = ""};
    enum json_scan_result r =
        json_scan_object(buf, len, &limits, members, MEMBERS_MAX, &n, &offset);
    if (r != JSON_SCAN_OK) {
        event_input_scan_error(r, offset, "the body", err);
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        if (read_edit_member(&members[i], out, err))
            return -1;
    if (!out->reason[0])
        return fail(err, 400, "missing-field", "/reason", "reason is required");
    return check_payload(out->payload, max_payload, err);
}
