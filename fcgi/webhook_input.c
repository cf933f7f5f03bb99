/*
 * See webhook_input.h. Owns the table of a webhook's fields: names, columns, readers, ranges,
 * defaults (API.md "Webhooks"). A later field is one line here, one column in webhook_insert.sql
 * and webhook_update.sql, and one line in webhook_view.c.
 *
 * It must never reach the network or the database, and never quote what a tenant sent in a
 * problem's text: a pointer says where it is. Memory only, so a crash leaves nothing.
 */
#include "fcgi/webhook_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event_type.h"
#include "common/json_schema.h"
#include "common/limits.h"
#include "common/seal.h"
#include "common/url_policy.h"
#include "fcgi/webhook_auto.h"
#include "fcgi/webhook_headers.h"
#include "fcgi/webhook_pointer.h"
#include "fcgi/webhook_schedule.h"
#include "fcgi/webhook_secret.h"

#define NAME_BYTES 200
#define DESCRIPTION_BYTES 2000
#define RETENTION_MAX_S (380 * 86400) /* the projects table's own bound */
#define RATE_MIN 0.000001
#define OWN_CHANNEL "$dlq" /* what we tell of ourselves; other names with '$' are kept free */

struct reading;
typedef int field_reader(struct reading *r, const json_t *value);

/* What an item of a list has to be. */
struct list_rule {
    size_t min_items, max_items;
    bool (*item_ok)(const char *s, size_t n); /* NULL: integers in the field's range */
    const char *item_is;
};

struct field {
    const char *name;
    const char *column;   /* NULL: kept outside `columns` */
    field_reader *read;   /* judges and stores a value that is not null */
    const char *fallback; /* the default as JSON; NULL: none */
    int64_t min, max;     /* of an integer, or the most bytes of a text */
    const struct list_rule *list;
    const char *alias; /* its pointer in /v1/subscriptions, where that differs */
};

struct reading {
    const struct field *field;
    const json_t *stored;
    const struct webhook_rules *rules;
    struct response *rs;
    struct webhook_input *out;
};

static field_reader read_url, read_text, read_integer, read_bool, read_list, read_headers,
    read_secret, read_signing, read_transform, read_schema, read_rate, read_tls, read_auto;

static bool customer_id_ok(const char *s, size_t n), channel_ok(const char *s, size_t n);

static const struct list_rule event_types = {0, LIMIT_LIST_ITEMS, event_type_pattern_valid,
                                             "an event type such as order.paid, order.* or *"};
static const struct list_rule channels = {0, LIMIT_LIST_ITEMS, channel_ok,
                                          "1 to 128 letters, digits, '_', '.' and '-'"};
static const struct list_rule customers = {0, LIMIT_LIST_ITEMS, customer_id_ok,
                                           "1 to 256 bytes without control characters"};
static const struct list_rule schedule = {1, LIMIT_RETRY_SCHEDULE, NULL, NULL};
static const struct list_rule statuses = {0, LIMIT_LIST_ITEMS, NULL, NULL};

static const struct field fields[] = {
    {"url", "url", read_url, NULL, 0, 0, NULL, "/endpoint/url"},
    {"name", "name", read_text, "null", 0, NAME_BYTES, NULL, NULL},
    {"description", "description", read_text, "null", 0, DESCRIPTION_BYTES, NULL, NULL},
    {"eventTypes", "event_types", read_list, "[]", 0, 0, &event_types, NULL},
    {"channels", "channels", read_list, "[]", 0, 0, &channels, "/channel"},
    {"customerExternalIds", "customer_ids", read_list, "[]", 0, 0, &customers, NULL},
    {"headers", NULL, read_headers, "{}", 0, 0, NULL, NULL},
    {"signing", "signing", read_signing, "\"v1\"", 0, 0, NULL, NULL},
    {"secret", NULL, read_secret, NULL, 0, 0, NULL, NULL}, /* of the signing above */
    {"timeoutMs", "timeout_ms", read_integer, "15000", LIMIT_TIMEOUT_MS_MIN, LIMIT_TIMEOUT_MS_MAX,
     NULL, NULL},
    {"maxAttempts", "max_attempts", read_integer, "5", 1, LIMIT_ATTEMPTS, NULL, NULL},
    {"retrySchedule", "retry_schedule", read_list, "[5,60,600,3600]", 1, LIMIT_RETRY_S, &schedule,
     NULL},
    {"maxConcurrency", "max_concurrency", read_integer, "32", 1, LIMIT_CONCURRENCY, NULL, NULL},
    {"expectedStatuses", "expected_statuses", read_list, "[]", 100, 599, &statuses, NULL},
    /* its default depends on the schedule and the plan: fit_retention() */
    {"holdBudgetSeconds", "hold_budget_s", read_integer, "null", 0, RETENTION_MAX_S, NULL, NULL},
    {"enabled", "enabled", read_bool, "true", 0, 0, NULL, NULL},
    {"transform", "transform", read_transform, "null", 1, LIMIT_TRANSFORM_BYTES, NULL, NULL},
    {"payloadSchema", "payload_schema", read_schema, "null", 0, LIMIT_SCHEMA_BYTES, NULL, NULL},
    {"maxPayloadBytes", "max_payload_bytes", read_integer, "null", 1, LIMIT_PAYLOAD_BYTES, NULL,
     NULL},
    {"ratePerSecond", "rate_per_second", read_rate, "null", 0, LIMIT_RATE_PER_S, NULL, NULL},
    {"tls", NULL, read_tls, "{\"ca\":null,\"clientCertificate\":null}", 0, 0, NULL, NULL},
    {"dlqPayload", "dlq_payload", read_bool, "false", 0, 0, NULL, NULL},
    {"autoRedrive", "auto_redrive", read_auto, "null", 0, 0, NULL, NULL},
};
#define FIELDS (sizeof fields / sizeof *fields)

/* Columns that are no field's alone: as they were stored, unless a reader sets them. */
static const char *const derived[] = {"tls_ca", "tls_client", "public_key"};

static const struct field *find_field(const char *name)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

/* --- problems ------------------------------------------------------------------------------- */

/* The pointer of the field under judgement, or of an item in it. */
static const char *point(const struct reading *r, const char *member,
                         char out[WEBHOOK_POINTER_BYTES])
{
    if (r->rules->subscription && r->field->alias)
        return r->field->alias;
    webhook_pointer(r->field->name, member, out, WEBHOOK_POINTER_BYTES);
    return out;
}

static int refuse(const struct reading *r, int status, const char *code, const char *member,
                  const char *detail)
{
    char pointer[WEBHOOK_POINTER_BYTES];
    response_field_problem(r->rs, status, code, point(r, member, pointer), "%s", detail);
    return -1;
}

static int refuse_type(const struct reading *r, const char *member, const char *want)
{
    char pointer[WEBHOOK_POINTER_BYTES];
    response_field_problem(r->rs, 400, "wrong-type", point(r, member, pointer), "%s must be %s.",
                           r->field->name, want);
    return -1;
}

static int refuse_range(const struct reading *r, const char *member)
{
    char pointer[WEBHOOK_POINTER_BYTES];
    response_field_problem(r->rs, 422, "out-of-range", point(r, member, pointer),
                           "%s must lie between %lld and %lld.", r->field->name,
                           (long long)r->field->min, (long long)r->field->max);
    return -1;
}

/* `why` is the guard's own clause: it names a rule, never an address. */
static int refuse_url(const struct reading *r, const char *why)
{
    char pointer[WEBHOOK_POINTER_BYTES];
    response_field_problem(r->rs, 422, "url-refused", point(r, NULL, pointer),
                           "The URL is refused: %s.", why);
    return -1;
}

static int no_memory(const struct reading *r)
{
    response_problem(r->rs, 500, "internal", "Out of memory.", NULL, 0);
    return -1;
}

static int store_as(struct reading *r, const char *column, json_t *taken)
{
    return json_object_set_new(r->out->columns, column, taken) == 0 ? 0 : no_memory(r);
}

static int store(struct reading *r, json_t *taken)
{
    return store_as(r, r->field->column, taken);
}

/* --- one reader a kind ---------------------------------------------------------------------- */

/* PostgreSQL's text holds no NUL; other control characters would only forge lines of a log. */
static bool printable(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 ? !strchr("\t\r\n", s[i]) || s[i] == '\0' : s[i] == 0x7f)
            return false;
    return true;
}

static bool customer_id_ok(const char *s, size_t n)
{
    return n >= 1 && n <= LIMIT_EXTERNAL_ID_BYTES && printable(s, n) && !strpbrk(s, "\t\r\n");
}

static bool channel_ok(const char *s, size_t n)
{
    return strcmp(s, OWN_CHANNEL) == 0 || event_type_valid(s, n);
}

static int read_text(struct reading *r, const json_t *value)
{
    if (!json_is_string(value))
        return refuse_type(r, NULL, "a string");
    size_t n = json_string_length(value);
    if (n > (size_t)r->field->max)
        return refuse(r, 422, "too-long", NULL, "The text is too long.");
    if (!printable(json_string_value(value), n))
        return refuse(r, 422, "control-character", NULL, "Control characters are not taken.");
    return store(r, json_copy((json_t *)value));
}

static int read_integer(struct reading *r, const json_t *value)
{
    if (!json_is_integer(value))
        return refuse_type(r, NULL, "an integer");
    json_int_t v = json_integer_value(value);
    if (v < r->field->min || v > r->field->max)
        return refuse_range(r, NULL);
    return store(r, json_integer(v));
}

static int read_bool(struct reading *r, const json_t *value)
{
    if (!json_is_boolean(value))
        return refuse_type(r, NULL, "true or false");
    return store(r, json_boolean(json_is_true(value)));
}

static int check_integer_item(const struct reading *r, const char *index, const json_t *item)
{
    if (!json_is_integer(item))
        return refuse_type(r, index, "a list of integers");
    json_int_t v = json_integer_value(item);
    return v < r->field->min || v > r->field->max ? refuse_range(r, index) : 0;
}

static int check_text_item(const struct reading *r, const char *index, const json_t *item)
{
    if (!json_is_string(item))
        return refuse_type(r, index, "a list of strings");
    const char *s = json_string_value(item);
    if (s[0] == '$' && r->field->list == &channels && !channel_ok(s, strlen(s)))
        return refuse(r, 422, "reserved-channel", index,
                      "Of the channels that begin with '$' there is only $dlq.");
    if (!r->field->list->item_ok(s, json_string_length(item))) {
        char pointer[WEBHOOK_POINTER_BYTES];
        response_field_problem(r->rs, 422, "invalid-item", point(r, index, pointer),
                               "An item of %s must be %s.", r->field->name,
                               r->field->list->item_is);
        return -1;
    }
    return 0;
}

static int read_list(struct reading *r, const json_t *value)
{
    const struct list_rule *rule = r->field->list;
    if (!json_is_array(value))
        return refuse_type(r, NULL, "a list");
    size_t n = json_array_size(value);
    if (n < rule->min_items)
        return refuse(r, 422, "too-few-items", NULL, "The list must not be empty.");
    if (n > rule->max_items)
        return refuse(r, 422, "too-many-items", NULL, "The list has too many items.");
    for (size_t i = 0; i < n; i++) {
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        const json_t *item = json_array_get(value, i);
        if ((rule->item_ok ? check_text_item : check_integer_item)(r, index, item) != 0)
            return -1;
    }
    return store(r, json_copy((json_t *)value));
}

/* Scheme, host and port decide who may see the headers' values (RFC 6454). */
static bool same_origin(const struct reading *r, const char *origin)
{
    const char *was = json_string_value(json_object_get(r->stored, "url"));
    struct url_parts parts;
    const char *why;
    if (!was || url_policy_check(was, strlen(was), r->rules->allow, &parts, &why) != 0)
        return false; /* refused by now: not to be trusted with anything */
    bool same = strcmp(parts.origin, origin) == 0;
    url_policy_release(&parts);
    return same;
}

static int read_url(struct reading *r, const json_t *value)
{
    struct url_parts parts;
    const char *why;
    if (!json_is_string(value))
        return refuse_type(r, NULL, "a string");
    if (url_policy_check(json_string_value(value), json_string_length(value), r->rules->allow,
                         &parts, &why) != 0)
        return refuse_url(r, why);
    r->out->origin_moved = r->stored && !same_origin(r, parts.origin);
    int stored = store(r, json_string(parts.url));
    url_policy_release(&parts);
    return stored;
}

static int read_headers(struct reading *r, const json_t *value)
{
    if (json_is_array(value) && json_array_size(value) == 0)
        r->out->headers = json_object(); /* PHP's empty object */
    else if (json_is_object(value))
        r->out->headers = json_copy((json_t *)value);
    else
        return refuse_type(r, NULL, "an object of strings");
    if (!r->out->headers)
        return no_memory(r);
    return webhook_headers_check(r->out->headers, r->stored != NULL, r->rs);
}

static int read_secret(struct reading *r, const json_t *value)
{
    if (!json_is_string(value))
        return refuse_type(r, NULL, "a string");
    if (r->stored)
        return refuse(r, 422, "use-rotate-secret", NULL,
                      "A secret is changed with rotate-secret, so that both sign for a while.");
    if (webhook_secret_parse(webhook_input_v1a(r->out), value, r->out->key, &r->out->keylen) != 0)
        return refuse(r, 422, "invalid-secret", NULL, webhook_secret_is(webhook_input_v1a(r->out)));
    return 0;
}

static int read_signing(struct reading *r, const json_t *value)
{
    if (!json_is_string(value))
        return refuse_type(r, NULL, "a string");
    const char *s = json_string_value(value);
    if (strcmp(s, "v1") != 0 && strcmp(s, "v1a") != 0)
        return refuse(r, 422, "unknown-value", NULL, "signing must be v1 or v1a.");
    r->out->signing_moved =
        r->stored && strcmp(s, json_string_value(json_object_get(r->stored, "signing"))) != 0;
    return store(r, json_string(s));
}

/* Its syntax is judged where it is run: nothing of it is compiled here. */
static int read_transform(struct reading *r, const json_t *value)
{
    if (json_is_string(value) && json_string_length(value) < (size_t)r->field->min)
        return refuse(r, 422, "empty", NULL, "A transform has at least one byte; null is none.");
    return read_text(r, value);
}

static int read_rate(struct reading *r, const json_t *value)
{
    if (!json_is_number(value))
        return refuse_type(r, NULL, "a number");
    double v = json_number_value(value);
    if (v < RATE_MIN || v > (double)r->field->max)
        return refuse(r, 422, "out-of-range", NULL,
                      "ratePerSecond must be more than 0 and at most 10,000.");
    return store(r, json_copy((json_t *)value));
}

/* --- schema --------------------------------------------------------------------------------- */

/* The field's value exactly as it stands in the body. */
static struct json_slice text_of(const struct reading *r)
{
    struct json_member members[FIELDS];
    struct json_limits limits = {JSON_SCAN_DEPTH_MAX};
    size_t n = 0;
    const struct json_slice *text = &r->rules->text;
    if (json_scan_object(text->p, text->len, &limits, members, FIELDS, &n, NULL) == JSON_SCAN_OK)
        for (size_t i = 0; i < n; i++)
            if (json_scan_is(members[i].key, r->field->name))
                return members[i].value;
    return (struct json_slice){NULL, 0};
}

static int check_schema(struct reading *r, struct json_slice text)
{
    struct json_schema *schema = NULL;
    struct json_schema_problem why;
    char pointer[sizeof why.pointer + 32];
    if (json_schema_new(text.p, text.len, &schema, &why)) {
        snprintf(pointer, sizeof pointer, "/payloadSchema%s", why.pointer);
        response_field_problem(r->rs, 422, "bad-schema", pointer, "%s", why.detail);
        return -1;
    }
    json_schema_free(schema);
    return 0;
}

static int read_schema(struct reading *r, const json_t *value)
{
    struct json_slice text = text_of(r);
    bool php = json_is_array(value) && json_array_size(value) == 0;
    if (!json_is_object(value) && !json_is_boolean(value) && !php)
        return refuse_type(r, NULL, "a JSON Schema: an object, true or false");
    if (text.len > (size_t)r->field->max)
        return refuse(r, 422, "too-long", NULL, "The schema is too long.");
    if (php)
        text = (struct json_slice){"{}", 2};
    if (!text.p)
        return no_memory(r);
    return check_schema(r, text) == 0 ? store(r, json_stringn(text.p, text.len)) : -1;
}

static int read_tls(struct reading *r, const json_t *value)
{
    return webhook_tls_read(value, r->out->columns, r->rs, &r->out->tls);
}

static int read_auto(struct reading *r, const json_t *value)
{
    return webhook_auto_read(value, json_object_get(r->stored, r->field->column), r->out->columns,
                             r->rs);
}

/* --- the whole ------------------------------------------------------------------------------ */

static int check_known(struct reading *r, const json_t *body)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)body, name, value)
    {
        char pointer[WEBHOOK_POINTER_BYTES];
        if (!find_field(name)) {
            webhook_pointer(name, NULL, pointer, sizeof pointer);
            response_field_problem(r->rs, 400, "unknown-field", pointer,
                                   "A webhook has no such field to set.");
            return -1;
        }
        if (json_array_append_new(r->out->sent, json_string(name)) != 0)
            return no_memory(r);
    }
    return 0;
}

/* A default never fails its own reader, so that a table with a wrong one shows at once. */
static int read_default(struct reading *r)
{
    json_t *value =
        r->field->fallback ? json_loads(r->field->fallback, JSON_DECODE_ANY, NULL) : NULL;
    int done = 0;
    if (!r->field->fallback && r->field->read == read_url)
        done = refuse(r, 400, "missing-field", NULL, "url is required.");
    else if (json_is_null(value))
        done = store(r, json_null());
    else if (value)
        done = r->field->read(r, value);
    json_decref(value);
    return done;
}

static int read_field(struct reading *r, const json_t *sent)
{
    const struct field *f = r->field;
    if (sent && !json_is_null(sent))
        return f->read(r, sent);
    if (sent || !r->stored)
        return read_default(r);
    /* not judged again: a rule that became stricter must not keep a webhook from being disabled */
    return f->column ? store(r, json_incref(json_object_get(r->stored, f->column))) : 0;
}

static int copy_derived(struct reading *r)
{
    for (size_t i = 0; i < sizeof derived / sizeof *derived; i++) {
        json_t *was = json_object_get(r->stored, derived[i]);
        if (store_as(r, derived[i], was ? json_incref(was) : json_null()) != 0)
            return -1;
    }
    return 0;
}

static int read_fields(struct reading *r, const json_t *body)
{
    for (size_t i = 0; i < FIELDS; i++) {
        r->field = &fields[i];
        if (read_field(r, json_object_get(body, r->field->name)) != 0)
            return -1;
    }
    return 0;
}

/* Those patterns of eventTypes that the ingest statement cannot find by list. */
static int set_event_regex(struct reading *r)
{
    const json_t *list = json_object_get(r->out->columns, "event_types");
    const char *patterns[LIMIT_LIST_ITEMS];
    size_t n = json_array_size(list);
    char *regex = NULL;
    for (size_t i = 0; i < n && i < LIMIT_LIST_ITEMS; i++)
        patterns[i] = json_string_value(json_array_get(list, i));
    if (event_type_regex(patterns, n < LIMIT_LIST_ITEMS ? n : LIMIT_LIST_ITEMS, &regex) != 0)
        return no_memory(r);
    int set = json_object_set_new(r->out->columns, "event_regex",
                                  regex ? json_string(regex) : json_null());
    free(regex);
    return set == 0 ? 0 : no_memory(r);
}

/* --- schedule, hold and retention ----------------------------------------------------------- */

/* Whether the hold follows the schedule: nobody has ever chosen it. */
static bool hold_is_default(const struct reading *r, const json_t *body)
{
    const json_t *sent = json_object_get(body, "holdBudgetSeconds");
    if (sent || !r->stored)
        return !sent || json_is_null(sent);
    return json_integer_value(json_object_get(r->stored, "hold_budget_s")) ==
           webhook_schedule_hold(r->stored, r->rules->retention_s);
}

static int refuse_retention(struct reading *r, const json_t *body)
{
    static const char *const order[] = {"holdBudgetSeconds", "retrySchedule", "maxAttempts"};
    r->field = find_field("retrySchedule");
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const json_t *sent = json_object_get(body, order[i]);
        if (sent && !json_is_null(sent)) {
            r->field = find_field(order[i]);
            break;
        }
    }
    char pointer[WEBHOOK_POINTER_BYTES];
    response_field_problem(
        r->rs, 422, "schedule-exceeds-retention", point(r, NULL, pointer),
        "Retries may take %lld s (jitter included) and holdBudgetSeconds adds to "
        "that: together they must fit the project's retention of %lld s.",
        (long long)webhook_schedule_seconds(r->out->columns), (long long)r->rules->retention_s);
    return -1;
}

static int fit_retention(struct reading *r, const json_t *body)
{
    if (r->stored && !json_object_get(body, "holdBudgetSeconds") &&
        !json_object_get(body, "retrySchedule") && !json_object_get(body, "maxAttempts"))
        return 0; /* after a smaller plan the rest must stay changeable */
    int64_t left = r->rules->retention_s - webhook_schedule_seconds(r->out->columns);
    int64_t hold = json_integer_value(json_object_get(r->out->columns, "hold_budget_s"));
    if (hold_is_default(r, body))
        hold = webhook_schedule_hold(r->out->columns, r->rules->retention_s);
    if (hold < 0 || hold > left)
        return refuse_retention(r, body);
    r->field = find_field("holdBudgetSeconds");
    return store(r, json_integer(hold));
}

int webhook_input_read(const json_t *body, const json_t *stored, const struct webhook_rules *rules,
                       struct response *rs, struct webhook_input *out)
{
    struct reading r = {&fields[0], stored, rules, rs, out};
    memset(out, 0, sizeof *out);
    out->columns = json_object();
    out->sent = json_array();
    if (!out->columns || !out->sent)
        no_memory(&r);
    else if (check_known(&r, body) == 0 && copy_derived(&r) == 0 && read_fields(&r, body) == 0 &&
             fit_retention(&r, body) == 0 && set_event_regex(&r) == 0)
        return 0;
    webhook_input_release(out);
    return -1;
}

void webhook_input_release(struct webhook_input *in)
{
    json_decref(in->columns);
    json_decref(in->sent);
    json_decref(in->headers);
    webhook_pem_release(&in->tls.client);
    seal_wipe(in->key, sizeof in->key);
    memset(in, 0, sizeof *in);
}

bool webhook_input_sent(const json_t *body, const char *field)
{
    const json_t *value = json_object_get(body, field);
    return value && !json_is_null(value);
}

bool webhook_input_v1a(const struct webhook_input *in)
{
    const char *signing = json_string_value(json_object_get(in->columns, "signing"));
    return signing && strcmp(signing, "v1a") == 0;
}

bool webhook_input_listens(const struct webhook_input *in)
{
    size_t i;
    json_t *channel;
    json_array_foreach(json_object_get(in->columns, "channels"), i, channel)
    {
        if (strcmp(json_string_value(channel), OWN_CHANNEL) == 0)
            return true;
    }
    return false;
}
