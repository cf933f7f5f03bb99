/*
 * See bulk_input.h. Owns the form of a bulk call. Must never let a set through that the caller did not name: no filter, an
 * empty one or an unknown name is refused, because what is left would be everything.
 */
#include "fcgi/bulk_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "fcgi/fields.h"
#include "fcgi/webhook_pointer.h"
#include "fcgi_sql.h"

#define IDS_BYTES (LIMIT_BULK_IDS * 20 + 64)
#define NAME_MAX_BYTES 200
#define REASON_MAX_BYTES 1000
#define RATE_MIN 0.01

static const char *const filter_names[] = {ENTRY_FILTER_QUERY, NULL};

static bool refuse(struct call *c, int status, const char *code, const char *pointer,
                   const char *why)
{
    response_field_problem(c->rs, status, code, pointer, "%s", why);
    return false;
}

static const json_t *member(const json_t *body, const char *name)
{
    const json_t *value = json_object_get(body, name);
    return json_is_null(value) ? NULL : value;
}

/* --- what the plan allows --------------------------------------------------------------------------------------- */

bool bulk_input_limits(struct call *c, struct bulk_limits *out)
{
    struct db_args args;
    PGresult *res;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_BULK_LIMITS], &args, &res)))
        return false;
    bool allowed = PQntuples(res) == 1 && db_bool(res, 0, 0);
    *out = (struct bulk_limits){db_int(res, 0, 1), strtod(db_text(res, 0, 2), NULL)};
    PQclear(res);
    if (allowed)
        return true;
    response_problem(c->rs, 403, "plan-capability",
                     "The project's plan does not include bulk operations.", NULL, 0);
    json_object_set_new(c->rs->json, "requiredCapability", json_string("bulkRedrive"));
    return false;
}

/* --- how -------------------------------------------------------------------------------------------------------- */

bool bulk_input_rate(struct call *c, const json_t *body, enum operation_kind kind,
                     const struct bulk_limits *limits, double *rate)
{
    const json_t *value = json_object_get(body, "ratePerSecond");
    double usual = LIMIT_BULK_RATE < limits->max_rate ? LIMIT_BULK_RATE : limits->max_rate;
    if (!value || json_is_null(value)) {
        if (value || *rate == 0)
            *rate = kind == OPERATION_REDRIVE ? usual : 0;
        return true;
    }
    if (!json_is_number(value))
        return refuse(c, 400, "wrong-type", "/ratePerSecond", "ratePerSecond must be a number.");
    *rate = json_number_value(value);
    if (*rate < RATE_MIN)
        return refuse(c, 400, "out-of-range", "/ratePerSecond",
                      "ratePerSecond must be at least 0.01.");
    if (*rate <= limits->max_rate)
        return true;
    response_field_problem(c->rs, 422, "plan-limit", "/ratePerSecond",
                           "ratePerSecond is at most %g in this project.", limits->max_rate);
    return false;
}

static bool read_start(struct call *c, const json_t *body, struct bulk_pace *pace)
{
    int64_t us;
    const json_t *value = member(body, "startAt");
    if (!value)
        return true;
    if (!json_is_string(value) && !json_is_integer(value))
        return refuse(c, 400, "wrong-type", "/startAt", "startAt must be a time.");
    enum instant_result r =
        json_is_string(value)
            ? instant_parse(json_string_value(value), json_string_length(value), &us)
            : instant_from_ms((double)json_integer_value(value), &us);
    if (r == INSTANT_RELATIVE)
        return refuse(c, 400, "malformed-time", "/startAt", "startAt must be a point in time.");
    if (r != INSTANT_OK) {
        response_field_problem(c->rs, 400, instant_code(r), "/startAt", "startAt: %s.",
                               instant_why(r));
        return false;
    }
    instant_sql(us, pace->start);
    return true;
}

static bool only_redrives(struct call *c, const json_t *body, enum operation_kind kind)
{
    static const char *const names[] = {"mode", "target", "probe"};
    char pointer[16];
    for (size_t i = 0; kind != OPERATION_REDRIVE && i < sizeof names / sizeof *names; i++)
        if (member(body, names[i])) {
            snprintf(pointer, sizeof pointer, "/%s", names[i]);
            response_field_problem(c->rs, 400, "unknown-field", pointer,
                                   "%s is for re-drives only.", names[i]);
            return false;
        }
    return true;
}

bool bulk_input_pace(struct bulk_pace *pace, struct call *c, const json_t *body,
                     enum operation_kind kind, const struct bulk_limits *limits)
{
    const char *name, *reason;
    if (!only_redrives(c, body, kind) || !bulk_input_rate(c, body, kind, limits, &pace->rate) ||
        !fields_bool(c, body, "probe", &pace->probe) || !read_start(c, body, pace) ||
        !fields_choice(c, body, "mode", "snapshot", "current", &pace->anew) ||
        !fields_choice(c, body, "target", "current", "original", &pace->original) ||
        !fields_string(c, body, "name", 1, NAME_MAX_BYTES, &name) ||
        !fields_string(c, body, "reason", 1, REASON_MAX_BYTES, &reason))
        return false;
    pace->name = name ? name : pace->name;
    pace->reason = reason ? reason : pace->reason;
    return true;
}

/* --- which ------------------------------------------------------------------------------------------------------ */

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

/* Each once, however often it was sent. */
static void keep_ids(struct bulk_input *in, struct uuid *ids, size_t n)
{
    qsort(ids, n, sizeof *ids, compare_ids);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || compare_ids(&ids[i - 1], &ids[i]) != 0)
            pg_array_uuid(&in->ids, &ids[i]);
    in->by_ids = true;
    in->given_ids = in->ids.count;
    json_object_set_new(in->query, "ids", json_integer(in->given_ids));
}

static bool parse_ids(struct call *c, const json_t *ids, struct uuid *out)
{
    size_t i;
    json_t *item;
    json_array_foreach(ids, i, item)
    {
        if (!json_is_string(item) ||
            ids_parse_any(ID_ENTRY, ID_DELIVERY, json_string_value(item), json_string_length(item),
                          &out[i]) == IDS_MATCH_NONE) {
            char pointer[32];
            snprintf(pointer, sizeof pointer, "/ids/%zu", i);
            return refuse(c, 400, "malformed-id", pointer, "That is not the id of a dead letter.");
        }
    }
    return true;
}

static bool read_ids(struct bulk_input *in, struct call *c, const json_t *ids)
{
    if (!json_is_array(ids))
        return refuse(c, 400, "wrong-type", "/ids", "ids must be an array of ids.");
    if (json_array_size(ids) == 0)
        return refuse(c, 400, "empty-filter", "/ids", "ids must name at least one dead letter.");
    if (json_array_size(ids) > LIMIT_BULK_IDS)
        return refuse(c, 400, "out-of-range", "/ids", "ids has at most 10,000 items.");
    struct uuid *read = calloc(json_array_size(ids), sizeof *read);
    if (!read)
        return route_db_ok(c, DB_FAILED);
    bool ok = parse_ids(c, ids, read);
    if (ok)
        keep_ids(in, read, json_array_size(ids));
    free(read);
    return ok;
}

static bool known_filter(const char *name)
{
    for (const char *const *known = filter_names; *known; known++)
        if (strcmp(*known, name) == 0)
            return true;
    return false;
}

/* A name that were ignored would make the set larger than was meant. */
static bool filters_known(struct call *c, const json_t *filters)
{
    const char *name;
    json_t *value;
    size_t given = 0;
    json_object_foreach((json_t *)filters, name, value)
    {
        if (!known_filter(name)) {
            char pointer[WEBHOOK_POINTER_BYTES];
            webhook_pointer("filters", name, pointer, sizeof pointer);
            return refuse(c, 400, "unknown-field", pointer, "There is no such filter.");
        }
        given += !json_is_null(value) && !(json_is_array(value) && json_array_size(value) == 0);
    }
    return given > 0 ||
           refuse(c, 400, "empty-filter", "/filters",
                  "An empty filter would match everything. Say all:true if you mean it.");
}

/* The states that an operation of this kind means when none are named. */
static unsigned usual_states(enum operation_kind kind)
{
    static const unsigned states[] = {
        [OPERATION_REDRIVE] = 1u << ENTRY_OPEN,
        [OPERATION_DISCARD] = 1u << ENTRY_OPEN,
        [OPERATION_RESTORE] = 1u << ENTRY_DISCARDED,
        [OPERATION_PURGE] = 1u << ENTRY_OPEN | 1u << ENTRY_DISCARDED,
    };
    return states[kind];
}

/* Events that no webhook took are no entries. */
static bool can_freeze(const struct bulk_input *in, struct call *c)
{
    if (in->filter.system)
        return refuse(c, 422, "not-available", "/filters/scope",
                      "What no webhook took is re-driven one by one.");
    return true;
}

static bool read_filters(struct bulk_input *in, struct call *c, const json_t *filters)
{
    if (!json_is_object(filters) && !(json_is_array(filters) && json_array_size(filters) == 0))
        return refuse(c, 400, "wrong-type", "/filters", "filters must be an object.");
    if (!filters_known(c, filters))
        return false;
    list_end(&in->list);
    list_of_object(c, &in->list, filters, "/filters");
    if (!entry_filter_read_of(&in->filter, &in->list, usual_states(in->kind)) || !can_freeze(in, c))
        return false;
    json_t *shown = json_copy((json_t *)filters);
    json_object_update(shown, in->list.extra);
    json_object_set_new(in->query, "filters", shown);
    return true;
}

static bool read_all(struct bulk_input *in)
{
    return entry_filter_read_of(&in->filter, &in->list, usual_states(in->kind)) &&
           json_object_set_new(in->query, "all", json_true()) == 0;
}

static bool read_set(struct bulk_input *in, struct call *c, const json_t *body)
{
    bool all = false;
    const json_t *filters = member(body, "filters"), *ids = member(body, "ids");
    if (!fields_bool(c, body, "all", &all))
        return false;
    int given = (filters != NULL) + (ids != NULL) + all;
    if (given == 0)
        return refuse(c, 400, "empty-filter", "",
                      "Say which dead letters: filters, ids, or all:true.");
    if (given > 1)
        return refuse(c, 400, "one-of", "", "filters, ids and all exclude each other.");
    return ids ? read_ids(in, c, ids) : filters ? read_filters(in, c, filters) : read_all(in);
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

static bool reason_given(struct bulk_input *in, struct call *c)
{
    return in->kind != OPERATION_DISCARD || in->dry_run || in->pace.reason ||
           refuse(c, 400, "missing-field", "/reason", "reason is required.");
}

static bool max_items_ok(struct bulk_input *in, struct call *c, const struct bulk_limits *limits)
{
    if (in->max_items > limits->max_items) {
        response_field_problem(c->rs, 422, "plan-limit", "/maxItems",
                               "maxItems is at most %lld in the project's plan.",
                               (long long)limits->max_items);
        return false;
    }
    if (in->max_items == 0)
        in->max_items = limits->max_items;
    return true;
}

bool bulk_input_read(struct bulk_input *in, struct call *c, const json_t *body,
                     enum operation_kind kind)
{
    static const char *const known[] = {"filters", "ids",    "all",    "maxItems", "expectTotal",
                                        "name",    "mode",   "target", "startAt",  "ratePerSecond",
                                        "probe",   "reason", "dryRun", NULL};
    struct bulk_limits limits;
    *in = (struct bulk_input){.kind = kind, .expect_total = -1, .query = json_object()};
    list_of_object(c, &in->list, in->query, "/filters"); /* no filter, until there is one */
    pg_array_init(&in->ids, PG_UUID, IDS_BYTES);
    return fields_known(c, body, known, NULL) && fields_bool(c, body, "dryRun", &in->dry_run) &&
           fields_int(c, body, "maxItems", 1, INT32_MAX - 1, &in->max_items) &&
           fields_int(c, body, "expectTotal", 0, INT32_MAX - 1, &in->expect_total) &&
           read_set(in, c, body) && bulk_input_limits(c, &limits) &&
           bulk_input_pace(&in->pace, c, body, kind, &limits) && max_items_ok(in, c, &limits) &&
           reason_given(in, c);
}

void bulk_input_release(struct bulk_input *in)
{
    entry_filter_release(&in->filter);
    pg_array_release(&in->ids);
    list_end(&in->list);
    json_decref(in->query);
}
