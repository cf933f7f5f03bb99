/*
 * /v1/event-types: what a project's producers may send, a JSON Schema for each name (API.md "Events").
 *
 * Owns the table event_types. A schema is compiled before it is stored, so that a bad one is told to whoever made it and
 * not to producers. It is kept as it was written, and shown as the same JSON. Must never store one that does not
 * compile. A crash before the COMMIT changes nothing; other processes go by the new schema within 5 s.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event_type.h"
#include "common/json_scan.h"
#include "common/json_schema.h"
#include "fcgi/audit.h"
#include "fcgi/column.h"
#include "fcgi/event_input.h"
#include "fcgi/event_schemas.h"
#include "fcgi/handlers.h"
#include "fcgi/list.h"
#include "fcgi_sql.h"

#define DESCRIPTION_BYTES 1024
#define BODY_BYTES (LIMIT_SCHEMA_BYTES + 16 * 1024)
#define MEMBERS_MAX 16

/* --- what is shown -------------------------------------------------------------------------------------------------- */

/* event_type_get: name, description, schema, version, created_at, updated_at */
static json_t *shown(const PGresult *r)
{
    const char *text = db_text(r, 0, 2);
    json_t *schema =
        db_null(r, 0, 2) ? json_null() : json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    return json_pack("{s:s, s:s?, s:o, s:I, s:s, s:s}", "name", db_text(r, 0, 0), "description",
                     db_null(r, 0, 1) ? NULL : db_text(r, 0, 1), "schema", schema, "version",
                     (json_int_t)db_int(r, 0, 3), "createdAt", db_text(r, 0, 4), "updatedAt",
                     db_text(r, 0, 5));
}

static void answer(struct call *c, int status, const PGresult *r)
{
    response_json(c->rs, status, shown(r));
    response_version(c->rs, db_int(r, 0, 3));
}

static void add_name(struct call *c, struct db_args *a)
{
    db_args_init(a);
    db_args_int(a, c->who.project_id);
    db_args_text(a, c->args[0]);
}

/* A name that is none names nothing. */
static bool name_found(struct call *c)
{
    if (event_type_valid(c->args[0], strlen(c->args[0])))
        return true;
    route_not_found(c);
    return false;
}

void event_types_get(struct call *c)
{
    struct db_args a;
    PGresult *r;
    add_name(c, &a);
    if (!name_found(c) ||
        !route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_EVENT_TYPE_GET], &a, &r)))
        return;
    if (PQntuples(r))
        answer(c, 200, r);
    else
        route_not_found(c);
    PQclear(r);
}

void event_types_list(struct call *c)
{
    static const struct column members[] = {
        {"name", 0, COLUMN_TEXT, 0, NULL},      {"description", 1, COLUMN_TEXT, 0, NULL},
        {"hasSchema", 2, COLUMN_BOOL, 0, NULL}, {"version", 3, COLUMN_INT, 0, NULL},
        {"createdAt", 4, COLUMN_TEXT, 0, NULL}, {"updatedAt", 5, COLUMN_TEXT, 0, NULL},
    };
    struct list l;
    struct list_key key;
    struct db_args a;
    char at[LIST_TIME_MAX];
    PGresult *r;
    if (!list_begin(c, &l, "created-desc"))
        return;
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    db_args_int(&a, l.limit + 1);
    list_key_args(&l, &a, &key, at);
    if (route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_EVENT_TYPE_LIST], &a, &r))) {
        int n = PQntuples(r) > l.limit ? l.limit : PQntuples(r);
        json_t *data = json_array();
        for (int i = 0; i < n; i++)
            json_array_append_new(data,
                                  column_object(r, i, members, sizeof members / sizeof *members));
        key.created_us = n ? db_int(r, n - 1, 6) : 0;
        (void)(n && db_uuid(r, n - 1, 7, &key.id));
        list_answer(&l, data, PQntuples(r) > n ? &key : NULL, sizeof key);
        PQclear(r);
    }
    list_end(&l);
}

/* --- what is sent --------------------------------------------------------------------------------------------------- */

struct input {
    char description[DESCRIPTION_BYTES + 1];
    char *schema; /* NUL-terminated, freed by input_release; NULL: none */
    bool has_description;
};

static void input_release(struct input *in)
{
    free(in->schema);
}

static bool is_null(struct json_slice v)
{
    return v.len == 4 && memcmp(v.p, "null", 4) == 0;
}

static bool read_description(struct call *c, struct json_slice v, struct input *in)
{
    size_t n = 0;
    if (is_null(v))
        return true;
    if (*v.p != '"') {
        response_field_problem(c->rs, 400, "wrong-type", "/description",
                               "description must be a string.");
        return false;
    }
    in->has_description = json_scan_text(v, in->description, sizeof in->description, &n) == 0 &&
                          strlen(in->description) == n;
    if (!in->has_description)
        response_field_problem(c->rs, 422, "invalid-description", "/description",
                               "description takes at most %d bytes of text.", DESCRIPTION_BYTES);
    return in->has_description;
}

static bool read_schema(struct call *c, struct json_slice v, struct input *in)
{
    struct json_schema *schema;
    struct json_schema_problem why;
    char pointer[sizeof "/schema" + sizeof why.pointer];
    if (is_null(v))
        return true;
    if (json_schema_new(v.p, v.len, &schema, &why) < 0) {
        snprintf(pointer, sizeof pointer, "/schema%s", why.pointer);
        response_field_problem(c->rs, 422, "bad-schema", pointer, "%s", why.detail);
        return false;
    }
    json_schema_free(schema);
    in->schema = strndup(v.p, v.len);
    if (!in->schema)
        response_problem(c->rs, 500, "internal", "Out of memory.", NULL, 0);
    return in->schema != NULL;
}

static bool read_member(struct call *c, const struct json_member *m, struct input *in)
{
    if (json_scan_is(m->key, "description"))
        return read_description(c, m->value, in);
    if (json_scan_is(m->key, "schema"))
        return read_schema(c, m->value, in);
    response_field_problem(c->rs, 400, "unknown-field", "",
                           "an event type has the fields 'description' and 'schema' and no other");
    return false;
}

/* The schema is kept as it was written, so the body is taken apart by the scanner. */
static bool read_body(struct call *c, struct input *in)
{
    static const struct json_limits limits = {LIMIT_JSON_DEPTH};
    struct json_member members[MEMBERS_MAX];
    struct event_input_error err;
    size_t n = 0, offset = 0;
    enum json_scan_result r =
        json_scan_object(c->rq->body, c->rq->body_len, &limits, members, MEMBERS_MAX, &n, &offset);
    if (r != JSON_SCAN_OK) {
        event_input_scan_error(r, offset, "the body", &err);
        response_field_problem(c->rs, err.status, err.code, "", "%s", err.detail);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (!read_member(c, &members[i], in))
            return false;
    return true;
}

/* --- PUT ------------------------------------------------------------------------------------------------------------ */

static void add_input(struct call *c, struct db_args *a, const struct input *in)
{
    add_name(c, a);
    db_args_text(a, in->has_description ? in->description : NULL);
    db_args_text(a, in->schema);
}

static bool audit(struct call *c, const char *action, int64_t version, bool has_schema)
{
    return route_db_ok(c, audit_write(c, c->who.project_id, action, c->args[0],
                                      json_pack("{s:I, s:b}", "version", (json_int_t)version,
                                                "hasSchema", has_schema)));
}

static void finish(struct call *c, const struct input *in, int status, const PGresult *r)
{
    char path[sizeof "/v1/event-types/" + LIMIT_NAME_BYTES];
    bool created = status == 201;
    if (!audit(c, created ? "event-type.create" : "event-type.replace", db_int(r, 0, 3),
               in->schema != NULL) ||
        !route_commit(c))
        return;
    event_schemas_forget(c->who.project_id);
    snprintf(path, sizeof path, "/v1/event-types/%s", c->args[0]);
    if (created)
        response_location(c->rs, c->desk->config->public_url, path);
    answer(c, status, r);
}

static void create(struct call *c, const struct input *in)
{
    struct db_args a;
    PGresult *r;
    const char *condition = request_header(c->rq, "HTTP_IF_MATCH");
    if (condition &&
        *condition) { /* RFC 9110 section 13.1.1: nothing there matches nothing, not even "*" */
        response_problem(c->rs, 412, "version-mismatch", "There is no such event type to replace.",
                         NULL, 0);
        return;
    }
    add_input(c, &a, in);
    db_args_int(&a, LIMIT_EVENT_TYPES);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_EVENT_TYPE_INSERT], &a, &r)))
        return;
    if (PQntuples(r))
        finish(c, in, 201, r);
    else
        response_problem(c->rs, 422, "too-many-event-types",
                         "A project has at most 1,000 event types. Delete some.", NULL, 0);
    PQclear(r);
}

static void replace(struct call *c, const struct input *in, int64_t version)
{
    struct db_args a;
    PGresult *r;
    if (!route_if_match(c, version))
        return;
    add_input(c, &a, in);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_EVENT_TYPE_REPLACE], &a, &r)))
        return;
    if (PQntuples(r))
        finish(c, in, 200, r);
    else /* a DELETE does not wait for the project's row */
        response_problem(c->rs, 412, "version-mismatch", "The event type was deleted meanwhile.",
                         NULL, 0);
    PQclear(r);
}

/* The project's row is held from here on, so what is read now stays until the end but for a DELETE. */
static void put(struct call *c, const struct input *in)
{
    struct db_args a;
    PGresult *r;
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    if (!route_begin(c) ||
        !route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_WEBHOOK_LOCK_PLAN], &a, &r)))
        return;
    PQclear(r);
    add_name(c, &a);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_EVENT_TYPE_GET], &a, &r)))
        return;
    bool exists = PQntuples(r) > 0;
    int64_t version = exists ? db_int(r, 0, 3) : 0;
    PQclear(r);
    if (exists)
        replace(c, in, version);
    else
        create(c, in);
}

void event_types_put(struct call *c)
{
    struct input in = {.schema = NULL};
    if (!event_type_valid(c->args[0], strlen(c->args[0])))
        response_problem(c->rs, 422, "malformed-name",
                         "The name of an event type takes 1 to 128 of A-Z a-z 0-9 _ . -", NULL, 0);
    else if (read_body(c, &in))
        put(c, &in);
    input_release(&in);
}

/* --- DELETE --------------------------------------------------------------------------------------------------------- */

void event_types_delete(struct call *c)
{
    struct db_args a;
    PGresult *r;
    add_name(c, &a);
    if (!name_found(c) || !route_begin(c) ||
        !route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_EVENT_TYPE_DELETE], &a, &r)))
        return;
    if (PQntuples(r) == 0)
        route_not_found(c);
    else if (audit(c, "event-type.delete", db_int(r, 0, 0), false) && route_commit(c)) {
        event_schemas_forget(c->who.project_id);
        response_empty(c->rs, 204);
    }
    PQclear(r);
}

static const char *const list_query[] = {LIST_QUERY, NULL};

const struct route event_types_routes[] = {
    {METHOD_PUT, "/v1/event-types/{}", event_types_put, SCOPE_WEBHOOKS_WRITE, BODY_BYTES,
     ROUTE_BODY_JSON, NULL},
    {METHOD_GET, "/v1/event-types/{}", event_types_get, SCOPE_WEBHOOKS_READ, 0, 0, NULL},
    {METHOD_DELETE, "/v1/event-types/{}", event_types_delete, SCOPE_WEBHOOKS_WRITE, 0, 0, NULL},
    {METHOD_GET, "/v1/event-types", event_types_list, SCOPE_WEBHOOKS_READ, 0, 0, list_query},
    {0},
};
