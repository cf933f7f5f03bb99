/*
 * See webhook_auto.h. Owns the table of its members: their ranges and defaults. Memory only, but for one look at what the
 * plan allows. Must never let through by a webhook what the caller could not ask for by a bulk re-drive.
 */
#include "fcgi/webhook_auto.h"

#include <string.h>

#include "common/limits.h"
#include "fcgi/bulk_input.h"
#include "fcgi/webhook_pointer.h"

#define FIELD "autoRedrive"
#define COLUMN "auto_redrive"
#define WINDOW_MAX_S (380 * 86400) /* the longest retention */

static const struct member {
    const char *name;
    bool whole; /* an integer */
    json_int_t fallback;
    double min, max;
    const char *range;
} members[] = {
    {"afterSuccesses", true, 10, 1, 1000, "afterSuccesses must lie between 1 and 1,000."},
    {"maxEntries", true, 1000, 1, 100000, "maxEntries must lie between 1 and 100,000."},
    {"ratePerSecond", false, 10, 0.01, LIMIT_RATE_PER_S,
     "ratePerSecond must lie between 0.01 and 10,000."},
    {"windowSeconds", true, 7 * 86400, 60, WINDOW_MAX_S,
     "windowSeconds must lie between 60 and 32,832,000."},
};
#define MEMBERS (sizeof members / sizeof *members)

static int refuse(struct response *rs, int status, const char *code, const char *member,
                  const char *why)
{
    char pointer[WEBHOOK_POINTER_BYTES];
    webhook_pointer(FIELD, member, pointer, sizeof pointer);
    response_field_problem(rs, status, code, pointer, "%s", why);
    return -1;
}

static bool known(const char *name)
{
    for (size_t i = 0; i < MEMBERS; i++)
        if (strcmp(members[i].name, name) == 0)
            return true;
    return false;
}

static int check(const struct member *m, const json_t *value, struct response *rs)
{
    if (m->whole ? !json_is_integer(value) : !json_is_number(value))
        return refuse(rs, 400, "wrong-type", m->name,
                      m->whole ? "This must be an integer." : "This must be a number.");
    double v = json_number_value(value);
    return v < m->min || v > m->max ? refuse(rs, 422, "out-of-range", m->name, m->range) : 0;
}

/* Its value of those sent, stored and usual, the first there is. */
static int read_member(const struct member *m, const json_t *sent, const json_t *stored,
                       json_t *into, struct response *rs)
{
    json_t *value = json_object_get(sent, m->name), *was = json_object_get(stored, m->name);
    if (value && !json_is_null(value))
        return check(m, value, rs) == 0 ? json_object_set(into, m->name, value) : -1;
    if (!value && was)
        return json_object_set(into, m->name, was);
    return json_object_set_new(into, m->name, json_integer(m->fallback));
}

static int read_members(const json_t *sent, const json_t *stored, json_t *into, struct response *rs)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)sent, name, value)
    {
        if (!known(name))
            return refuse(rs, 400, "unknown-field", name, "There is no such field.");
    }
    for (size_t i = 0; i < MEMBERS; i++)
        if (read_member(&members[i], sent, stored, into, rs) != 0)
            return -1;
    return 0;
}

int webhook_auto_read(const json_t *value, const json_t *stored, json_t *columns,
                      struct response *rs)
{
    bool php = json_is_array(value) && json_array_size(value) == 0;
    if (!json_is_object(value) && !php)
        return refuse(rs, 400, "wrong-type", NULL,
                      FIELD " must be an object of afterSuccesses, maxEntries, ratePerSecond and "
                            "windowSeconds, or null.");
    json_t *into = json_object();
    int rc = read_members(value, stored, into, rs);
    if (rc == 0)
        return json_object_set_new(columns, COLUMN, into);
    json_decref(into);
    return -1;
}

static bool within_plan(struct call *c, const json_t *settings)
{
    struct bulk_limits limits;
    if (!bulk_input_limits(c, &limits))
        return false;
    if (json_integer_value(json_object_get(settings, "maxEntries")) > limits.max_items)
        return refuse(c->rs, 422, "plan-limit", "maxEntries",
                      "The project's plan does not take so many in one operation.") == 0;
    if (json_number_value(json_object_get(settings, "ratePerSecond")) > limits.max_rate)
        return refuse(c->rs, 422, "plan-limit", "ratePerSecond",
                      "The project does not re-drive so many a second.") == 0;
    return true;
}

bool webhook_auto_allowed(struct call *c, const json_t *body, const json_t *columns)
{
    const json_t *sent = json_object_get(body, FIELD), *settings = json_object_get(columns, COLUMN);
    if (!sent || !json_is_object(settings))
        return true;
    if (!principal_may(&c->who, SCOPE_DLQ_REPLAY_BULK))
        return principal_refuse(c, SCOPE_DLQ_REPLAY_BULK);
    return within_plan(c, settings);
}
