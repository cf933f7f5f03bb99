/*
 * A project's own redaction rules: the operator's route. What they are and where they are used: worker/redaction.h.
 *
 * In force for what is written from then on, once its senders have read them: a second, at most. What was written before
 * stays as it is. The rules hold no secret and stand in the audit.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/json_path.h"
#include "common/limits.h"
#include "fcgi/audit.h"
#include "fcgi/fields.h"
#include "fcgi/handlers.h"
#include "fcgi/projects.h"
#include "fcgi/webhook_headers.h"
#include "fcgi_sql.h"

struct rules {
    const json_t *headers, *paths; /* arrays of strings, borrowed from the body */
};

/* --- what is sent ------------------------------------------------------------------------------------------------- */

static bool refuse(struct call *c, const char *code, const char *member, size_t i, const char *why)
{
    char pointer[32];
    snprintf(pointer, sizeof pointer, "/%s/%zu", member, i);
    response_field_problem(c->rs, 422, code, pointer, "%s", why);
    return false;
}

static bool headers_ok(struct call *c, const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names); i++)
        if (!webhook_headers_is_token(json_string_value(json_array_get(names, i))))
            return refuse(c, "invalid-header", "headers", i,
                          "A header's name must be a token (RFC 9110).");
    return true;
}

static bool paths_ok(struct call *c, const json_t *paths)
{
    struct json_path_set *set = json_path_new();
    enum json_path_result result = set ? JSON_PATH_OK : JSON_PATH_NO_MEMORY;
    size_t i = 0;
    for (; result == JSON_PATH_OK && i < json_array_size(paths); i++) {
        const json_t *path = json_array_get(paths, i);
        result = json_path_add(set, json_string_value(path), json_string_length(path));
    }
    json_path_free(set);
    if (result == JSON_PATH_NO_MEMORY)
        response_problem(c->rs, 500, "internal", "Out of memory.", NULL, 0);
    else if (result != JSON_PATH_OK)
        refuse(c, "invalid-path", "jsonPaths", i - 1, json_path_why(result));
    return result == JSON_PATH_OK;
}

static bool missing(struct call *c, const char *pointer)
{
    response_field_problem(c->rs, 400, "missing-field", pointer,
                           "%s is required; [] takes all of its rules away.", pointer + 1);
    return false;
}

static bool read_rules(struct call *c, const json_t *body, struct rules *r)
{
    static const char *const known[] = {"headers", "jsonPaths", NULL};
    if (!fields_known(c, body, known, NULL) ||
        !fields_strings(c, body, "headers", LIMIT_REDACTION_RULES, LIMIT_NAME_BYTES, &r->headers) ||
        !fields_strings(c, body, "jsonPaths", LIMIT_REDACTION_RULES, JSON_PATH_BYTES_MAX,
                        &r->paths))
        return false;
    if (!r->headers || !r->paths)
        return missing(c, r->headers ? "/jsonPaths" : "/headers");
    return headers_ok(c, r->headers) && paths_ok(c, r->paths);
}

static json_t *rules_json(const struct rules *r)
{
    return json_pack("{s:O, s:O}", "headers", r->headers, "jsonPaths", r->paths);
}

/* --- what is answered --------------------------------------------------------------------------------------------- */

/* project_redaction: rules, version, id */
static void answer(struct call *c, const PGresult *r)
{
    json_t *rules = db_null(r, 0, 0) ? json_pack("{s:[], s:[]}", "headers", "jsonPaths")
                                     : json_loads(db_text(r, 0, 0), 0, NULL);
    json_object_set_new(rules, "version", json_integer((json_int_t)db_int(r, 0, 1)));
    response_version(c->rs, db_int(r, 0, 1));
    response_json(c->rs, 200, rules);
}

/* False: answered. */
static bool find(struct call *c, struct uuid *id, PGresult **r)
{
    struct db_args a;
    if (!route_id(c, 0, ID_PROJECT, id))
        return false;
    db_args_init(&a);
    db_args_uuid(&a, id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_PROJECT_REDACTION], &a, r)))
        return false;
    if (PQntuples(*r) == 1)
        return true;
    PQclear(*r);
    route_not_found(c);
    return false;
}

void redaction_get(struct call *c)
{
    struct uuid id;
    PGresult *r;
    if (!find(c, &id, &r))
        return;
    answer(c, r);
    PQclear(r);
}

static void write_audited(struct call *c, const struct uuid *id, const struct rules *rules,
                          const char *stored, int64_t version)
{
    struct db_args a;
    PGresult *r;
    char text[IDS_TEXT_MAX];
    ids_format(ID_PROJECT, id, text);
    db_args_init(&a);
    db_args_uuid(&a, id);
    db_args_text(&a, stored);
    db_args_int(&a, version);
    if (!route_begin(c) ||
        !route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_PROJECT_SET_REDACTION], &a, &r)))
        return;
    if (PQntuples(r) == 0)
        projects_answer_changed(c);
    else if (route_db_ok(c, audit_write(c, (int)db_int(r, 0, 2), "project.redaction", text,
                                        rules_json(rules))) &&
             route_commit(c)) {
        route_wake(c); /* its senders need not wait for their second to be over */
        answer(c, r);
    }
    PQclear(r);
}

static void store(struct call *c, const struct uuid *id, const struct rules *rules, int64_t version)
{
    bool none = !json_array_size(rules->headers) && !json_array_size(rules->paths);
    json_t *json = rules_json(rules);
    char *text = json_dumps(json, JSON_COMPACT);
    if (text)
        write_audited(c, id, rules, none ? NULL : text, version);
    else
        response_problem(c->rs, 500, "internal", "Out of memory.", NULL, 0);
    free(text);
    json_decref(json);
}

void redaction_put(struct call *c)
{
    struct rules rules = {0};
    struct uuid id;
    PGresult *r;
    if (!find(c, &id, &r))
        return;
    PQclear(r);
    json_t *body = route_body_object(c);
    if (body && read_rules(c, body, &rules)) {
        int64_t version = route_if_match_version(c);
        if (version != -2)
            store(c, &id, &rules, version);
    }
    json_decref(body);
}

const struct route redaction_routes[] = {
    {METHOD_GET, "/v1/projects/{}/redaction", redaction_get, SCOPE_OPERATOR, 0, 0, NULL},
    {METHOD_PUT, "/v1/projects/{}/redaction", redaction_put, SCOPE_OPERATOR, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON, NULL},
    {0},
};
