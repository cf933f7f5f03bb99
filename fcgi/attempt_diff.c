/* See attempt_diff.h. Memory only; reads what was redacted when it was written. */
#include "fcgi/attempt_diff.h"

#include <string.h>

#include "fcgi/body_diff.h"

static json_t *pair(const json_t *a, const json_t *b)
{
    return json_pack("{s:O?, s:O?}", "a", a, "b", b);
}

/* Members of the attempt itself that differ. */
static json_t *members(const json_t *a, const json_t *b)
{
    static const char *const names[] = {"statusCode", "outcome", "failureReason",
                                        "errorCode",  "error",   "remoteAddress"};
    json_t *changed = json_object();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *x = json_object_get(a, names[i]), *y = json_object_get(b, names[i]);
        if (!json_equal(x, y))
            json_object_set_new(changed, names[i], pair(x, y));
    }
    return changed;
}

static json_t *headers(const json_t *a, const json_t *b)
{
    const char *name;
    json_t *value;
    const json_t *x = json_object_get(a, "headers"), *y = json_object_get(b, "headers");
    json_t *added = json_object(), *removed = json_object(), *changed = json_object();
    json_object_foreach((json_t *)x, name, value)
    {
        const json_t *now = json_object_get(y, name);
        if (!now)
            json_object_set(removed, name, value);
        else if (!json_equal(value, now))
            json_object_set_new(changed, name, pair(value, now));
    }
    json_object_foreach((json_t *)y, name, value) if (!json_object_get(x, name))
        json_object_set(added, name, value);
    return json_pack("{s:o, s:o, s:o}", "added", added, "removed", removed, "changed", changed);
}

static const char *text_of(const json_t *response)
{
    const char *encoding = json_string_value(json_object_get(response, "encoding"));
    const char *body = json_string_value(json_object_get(response, "body"));
    if (!body)
        return "";
    return encoding && strcmp(encoding, "base64") == 0 ? NULL : body;
}

static json_t *body(const json_t *a, const json_t *b)
{
    const char *x = text_of(a), *y = text_of(b);
    if (x && y)
        return body_diff(x, y);
    return json_pack("{s:s, s:b, s:[], s:b}", "kind", "binary", "equal",
                     json_equal(json_object_get(a, "body"), json_object_get(b, "body")), "changes",
                     "changesTruncated", 0);
}

static json_t *response(const json_t *a, const json_t *b)
{
    const json_t *x = json_object_get(a, "response"), *y = json_object_get(b, "response");
    return json_pack("{s:o?, s:o?}", "headers", headers(x, y), "body", body(x, y));
}

static json_t *timing(const json_t *a, const json_t *b)
{
    const char *name;
    json_t *value, *all = json_object();
    json_object_foreach(json_object_get(a, "timing"), name, value)
    {
        const json_t *now = json_object_get(json_object_get(b, "timing"), name);
        json_t *one = pair(value, now);
        json_object_set_new(one, "delta",
                            json_real(json_number_value(now) - json_number_value(value)));
        json_object_set_new(all, name, one);
    }
    return all;
}

json_t *attempt_diff(const json_t *a, const json_t *b)
{
    return json_pack("{s:O?, s:O?, s:o, s:{s:o?}, s:o?, s:o}", "a", json_object_get(a, "n"), "b",
                     json_object_get(b, "n"), "changed", members(a, b), "request", "headers",
                     headers(json_object_get(a, "request"), json_object_get(b, "request")),
                     "response", response(a, b), "timing", timing(a, b));
}
