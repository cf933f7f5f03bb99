/*
 * Projects, their plans and members: the operator's routes.
 *
 * A plan change is one UPDATE, effective at once in both directions, because what is visible is derived from the
 * retention. An operator's answer never holds a payload, an entry or a secret. Acts are audited in their transaction.
 */
#include "fcgi/projects.h"

#include <stdio.h>
#include <string.h>

#include "fcgi/audit.h"
#include "fcgi/fields.h"
#include "fcgi/handlers.h"
#include "fcgi/list.h"
#include "fcgi_sql.h"

#define NAME_BYTES 200
#define DAY_S 86400
#define CUSTOM_DAYS_MAX 380
#define CUSTOM_DAYS_DEFAULT 30
#define SCOPES_LITERAL 512

json_t *projects_scopes_json(const char *names)
{
    json_t *list = json_array();
    while (*names) {
        size_t n = strcspn(names, " ");
        json_array_append_new(list, json_stringn(names, n));
        names += n + (names[n] == ' ');
    }
    return list;
}

static enum db_status get(struct call *c, const struct uuid *id, PGresult **r)
{
    struct db_args a;
    db_args_init(&a);
    db_args_uuid(&a, id);
    return db_run(c->desk->db, &fcgi_sql[FCGI_SQL_PROJECT_GET], &a, r);
}

/* project_get: public_id, name, plan, retention_s, version, created_at, id, edit_redrive. False: answered. */
static bool find_row(struct call *c, PGresult **r)
{
    struct uuid id;
    if (!route_id(c, 0, ID_PROJECT, &id) || !route_db_ok(c, get(c, &id, r)))
        return false;
    if (PQntuples(*r) == 1)
        return true;
    PQclear(*r);
    route_not_found(c);
    return false;
}

bool projects_find(struct call *c, int *project_id)
{
    PGresult *r;
    if (!find_row(c, &r))
        return false;
    *project_id = (int)db_int(r, 0, 6);
    PQclear(r);
    return true;
}

static void id_of(const PGresult *r, int i, struct uuid *uuid, char text[IDS_TEXT_MAX])
{
    (void)db_uuid(r, i, 0, uuid);
    ids_format(ID_PROJECT, uuid, text);
}

static json_t *days_json(int64_t seconds)
{
    return seconds % DAY_S ? json_real((double)seconds / DAY_S) : json_integer(seconds / DAY_S);
}

static json_t *project_json(const PGresult *r, int i)
{
    struct uuid uuid;
    char id[IDS_TEXT_MAX];
    id_of(r, i, &uuid, id);
    return json_pack("{s:s, s:s, s:s, s:o, s:I, s:s, s:b}", "id", id, "name", db_text(r, i, 1),
                     "plan", db_text(r, i, 2), "retentionDays", days_json(db_int(r, i, 3)),
                     "version", (json_int_t)db_int(r, i, 4), "createdAt", db_text(r, i, 5),
                     "editRedrive", db_bool(r, i, 7));
}

static json_t *plan_json(const PGresult *r)
{
    return json_pack("{s:s, s:o, s:I}", "plan", db_text(r, 0, 2), "retentionDays",
                     days_json(db_int(r, 0, 3)), "version", (json_int_t)db_int(r, 0, 4));
}

/* --- plans ---------------------------------------------------------------------------------------------------------- */

/* The retention of a plan: its own, or where it has none the days given. False: answered. */
static bool settle_retention(struct call *c, const char *plan, int64_t days, int64_t *retention_s)
{
    struct db_args a;
    PGresult *r;
    db_args_init(&a);
    db_args_text(&a, plan);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_PLAN_GET], &a, &r)))
        return false;
    bool known = PQntuples(r) == 1, custom = known && db_null(r, 0, 0);
    *retention_s = custom  ? (days ? days : CUSTOM_DAYS_DEFAULT) * DAY_S
                   : known ? db_int(r, 0, 0)
                           : 0;
    PQclear(r);
    if (!known)
        response_field_problem(c->rs, 400, "unknown-plan", "/plan",
                               "plan must be free, base, growth, scale or enterprise.");
    else if (days && days * DAY_S != *retention_s)
        response_field_problem(c->rs, 422, "retention-fixed", "/retentionDays",
                               "This plan's retention is %lld days.",
                               (long long)(*retention_s / DAY_S));
    else
        return true;
    return false;
}

static bool read_plan(struct call *c, const json_t *body, const char *fallback, const char **plan,
                      int64_t *retention_s)
{
    int64_t days = 0;
    if (!fields_string(c, body, "plan", 1, 32, plan) ||
        !fields_int(c, body, "retentionDays", 1, CUSTOM_DAYS_MAX, &days))
        return false;
    if (!*plan)
        *plan = fallback;
    if (*plan)
        return settle_retention(c, *plan, days, retention_s);
    response_field_problem(c->rs, 400, "missing-field", "/plan", "plan is required.");
    return false;
}

void projects_plan_get(struct call *c)
{
    PGresult *r;
    if (!find_row(c, &r))
        return;
    response_version(c->rs, db_int(r, 0, 4));
    response_json(c->rs, 200, plan_json(r));
    PQclear(r);
}

void projects_answer_changed(struct call *c)
{
    response_problem(c->rs, 412, "version-mismatch",
                     "The project has changed since that version. Read it again.", NULL, 0);
}

static void set_plan(struct call *c, const struct uuid *id, const char *plan, int64_t retention_s,
                     int64_t version)
{
    struct db_args a;
    PGresult *r;
    char text[IDS_TEXT_MAX];
    ids_format(ID_PROJECT, id, text);
    db_args_init(&a);
    db_args_uuid(&a, id);
    db_args_text(&a, plan);
    db_args_int(&a, retention_s);
    db_args_int(&a, version);
    if (!route_begin(c) ||
        !route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_PROJECT_SET_PLAN], &a, &r)))
        return;
    json_t *detail =
        json_pack("{s:s, s:I}", "plan", plan, "retentionSeconds", (json_int_t)retention_s);
    if (PQntuples(r) == 0) {
        json_decref(detail);
        projects_answer_changed(c);
    } else if (route_db_ok(c, audit_write(c, (int)db_int(r, 0, 6), "project.plan", text, detail)) &&
               route_commit(c)) {
        principal_forget();
        response_version(c->rs, db_int(r, 0, 4));
        response_json(c->rs, 200, plan_json(r));
    }
    PQclear(r);
}

/* PUT names the plan; PATCH may leave it as it is. */
void projects_plan_put(struct call *c)
{
    static const char *const known[] = {"plan", "retentionDays", NULL};
    const char *plan;
    int64_t retention_s;
    struct uuid id;
    PGresult *r;
    if (!find_row(c, &r))
        return;
    json_t *body = route_body_object(c);
    const char *fallback = c->rq->method == METHOD_PATCH ? db_text(r, 0, 2) : NULL;
    if (body && fields_known(c, body, known, NULL) &&
        read_plan(c, body, fallback, &plan, &retention_s)) {
        int64_t version = route_if_match_version(c);
        (void)db_uuid(r, 0, 0, &id);
        if (version != -2)
            set_plan(c, &id, plan, retention_s, version);
    }
    json_decref(body);
    PQclear(r);
}

/* --- projects ------------------------------------------------------------------------------------------------------- */

static void insert(struct call *c, const char *name, const char *plan, int64_t retention_s)
{
    struct uuid id;
    struct db_args a;
    PGresult *r;
    char text[IDS_TEXT_MAX], path[64];
    ids_new(&id);
    ids_format(ID_PROJECT, &id, text);
    snprintf(path, sizeof path, "/v1/projects/%s", text);
    db_args_init(&a);
    db_args_uuid(&a, &id);
    db_args_text(&a, name);
    db_args_text(&a, plan);
    db_args_int(&a, retention_s);
    if (!route_begin(c) ||
        !route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_PROJECT_CREATE], &a, &r)))
        return;
    if (route_db_ok(c, audit_write(c, (int)db_int(r, 0, 6), "project.create", text,
                                   json_pack("{s:s, s:s}", "name", name, "plan", plan))) &&
        route_commit(c)) {
        response_location(c->rs, c->desk->config->public_url, path);
        response_version(c->rs, db_int(r, 0, 4));
        response_json(c->rs, 201, project_json(r, 0));
    }
    PQclear(r);
}

void projects_create(struct call *c)
{
    static const char *const known[] = {"name", "plan", "retentionDays", NULL};
    const char *name, *plan;
    int64_t retention_s;
    json_t *body = route_body_object(c);
    if (body && fields_known(c, body, known, NULL) &&
        fields_string_required(c, body, "name", 1, NAME_BYTES, &name) &&
        read_plan(c, body, "free", &plan, &retention_s))
        insert(c, name, plan, retention_s);
    json_decref(body);
}

void projects_get(struct call *c)
{
    PGresult *r;
    if (!find_row(c, &r))
        return;
    response_version(c->rs, db_int(r, 0, 4));
    response_json(c->rs, 200, project_json(r, 0));
    PQclear(r);
}

/* Whether its dead letters may be edited: the only setting of a project beside its plan. */
static void set(struct call *c, const struct uuid *id, bool edit, int64_t version)
{
    struct db_args a;
    PGresult *r;
    char text[IDS_TEXT_MAX];
    ids_format(ID_PROJECT, id, text);
    db_args_init(&a);
    db_args_uuid(&a, id);
    db_args_bool(&a, edit);
    db_args_int(&a, version);
    if (!route_begin(c) ||
        !route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_PROJECT_SET], &a, &r)))
        return;
    if (PQntuples(r) == 0) {
        projects_answer_changed(c);
    } else if (route_db_ok(c, audit_write(c, (int)db_int(r, 0, 6), "project.update", text,
                                          json_pack("{s:b}", "editRedrive", edit))) &&
               route_commit(c)) {
        response_version(c->rs, db_int(r, 0, 4));
        response_json(c->rs, 200, project_json(r, 0));
    }
    PQclear(r);
}

void projects_patch(struct call *c)
{
    static const char *const known[] = {"editRedrive", NULL};
    struct uuid id;
    PGresult *r;
    if (!find_row(c, &r))
        return;
    bool edit = db_bool(r, 0, 7);
    json_t *body = route_body_object(c);
    if (body && fields_known(c, body, known, NULL) && fields_bool(c, body, "editRedrive", &edit)) {
        int64_t version = route_if_match_version(c);
        (void)db_uuid(r, 0, 0, &id);
        if (version != -2)
            set(c, &id, edit, version);
    }
    json_decref(body);
    PQclear(r);
}

static void answer_list(struct list *l, const PGresult *r)
{
    struct list_key key = {0};
    json_t *data = json_array();
    int n = PQntuples(r) > l->limit ? l->limit : PQntuples(r);
    for (int i = 0; i < n; i++)
        json_array_append_new(data, project_json(r, i));
    if (n) {
        key.created_us = db_int(r, n - 1, 6);
        (void)db_uuid(r, n - 1, 0, &key.id);
    }
    list_answer(l, data, PQntuples(r) > n ? &key : NULL, sizeof key);
}

void projects_list(struct call *c)
{
    struct list l;
    struct list_key key;
    struct db_args a;
    char at[LIST_TIME_MAX];
    PGresult *r;
    if (!list_begin(c, &l, "created-desc"))
        return;
    db_args_init(&a);
    db_args_int(&a, l.limit + 1);
    list_key_args(&l, &a, &key, at);
    if (route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_PROJECT_LIST], &a, &r))) {
        answer_list(&l, r);
        PQclear(r);
    }
    list_end(&l);
}

/* --- members -------------------------------------------------------------------------------------------------------- */

/* id, login, scopes */
static json_t *member_json(const PGresult *r, int i, json_t *scopes)
{
    struct uuid uuid;
    char id[IDS_TEXT_MAX];
    (void)db_uuid(r, i, 0, &uuid);
    ids_format(ID_USER, &uuid, id);
    return json_pack("{s:{s:s, s:s}, s:o}", "user", "id", id, "login", db_text(r, i, 1), "scopes",
                     scopes);
}

void projects_members_list(struct call *c)
{
    struct db_args a;
    PGresult *r;
    int project_id;
    if (!projects_find(c, &project_id))
        return;
    db_args_init(&a);
    db_args_int(&a, project_id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_MEMBER_LIST], &a, &r)))
        return;
    json_t *data = json_array();
    for (int i = 0; i < PQntuples(r); i++)
        json_array_append_new(data, member_json(r, i, projects_scopes_json(db_text(r, i, 2))));
    response_json(c->rs, 200, json_pack("{s:o, s:n}", "data", data, "nextCursor"));
    c->rs->weak_tag = true;
    PQclear(r);
}

struct member {
    const char *login; /* or NULL: by id */
    struct uuid id;
    uint32_t bits;
    char scopes[SCOPES_LITERAL];
};

static bool read_member(struct call *c, const json_t *body, struct member *m)
{
    static const char *const known[] = {"userId", "login", "scopes", NULL};
    const char *id;
    const json_t *scopes;
    char pointer[32];
    size_t bad;
    if (!fields_known(c, body, known, NULL) ||
        !fields_string(c, body, "login", 1, 200, &m->login) ||
        !fields_string(c, body, "userId", 1, 64, &id) ||
        !fields_strings(c, body, "scopes", 16, 32, &scopes))
        return false;
    if (!id == !m->login || !scopes) {
        response_field_problem(c->rs, 400, "missing-field", scopes ? "/userId" : "/scopes",
                               "Needed are scopes and one of userId and login.");
        return false;
    }
    if (id && ids_parse(ID_USER, id, strlen(id), &m->id) < 0) {
        response_field_problem(c->rs, 400, "malformed-id", "/userId", "userId is not an id.");
        return false;
    }
    if (principal_scopes_read(scopes, &m->bits, m->scopes, sizeof m->scopes, &bad) == 0)
        return true;
    snprintf(pointer, sizeof pointer, "/scopes/%zu", bad);
    response_field_problem(c->rs, 400, "unknown-scope", pointer, "There is no such scope.");
    return false;
}

static void add_member(struct call *c, int project_id, const struct member *m)
{
    struct db_args a;
    PGresult *r;
    db_args_init(&a);
    db_args_int(&a, project_id);
    db_args_uuid(&a, m->login ? NULL : &m->id);
    db_args_text(&a, m->login);
    db_args_text(&a, m->scopes);
    if (!route_begin(c) ||
        !route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_MEMBER_ADD], &a, &r)))
        return;
    if (PQntuples(r) == 0)
        response_field_problem(c->rs, 422, "unknown-user", m->login ? "/login" : "/userId",
                               "There is no such user.");
    else if (route_db_ok(
                 c, audit_write(c, project_id, "member.add", db_text(r, 0, 1),
                                json_pack("{s:o}", "scopes", principal_scope_names(m->bits)))) &&
             route_commit(c))
        response_json(c->rs, 201, member_json(r, 0, principal_scope_names(m->bits)));
    principal_forget();
    PQclear(r);
}

void projects_members_add(struct call *c)
{
    struct member m = {0};
    int project_id;
    json_t *body = projects_find(c, &project_id) ? route_body_object(c) : NULL;
    if (body && read_member(c, body, &m))
        add_member(c, project_id, &m);
    json_decref(body);
}

void projects_members_remove(struct call *c)
{
    struct db_args a;
    struct uuid user;
    PGresult *r;
    int project_id;
    char id[IDS_TEXT_MAX];
    if (!projects_find(c, &project_id) || !route_id(c, 1, ID_USER, &user))
        return;
    ids_format(ID_USER, &user, id);
    db_args_init(&a);
    db_args_int(&a, project_id);
    db_args_uuid(&a, &user);
    if (!route_begin(c) ||
        !route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_MEMBER_REMOVE], &a, &r)))
        return;
    if (PQntuples(r) == 0)
        route_not_found(c);
    else if (route_db_ok(c, audit_write(c, project_id, "member.remove", id, NULL)) &&
             route_commit(c))
        response_empty(c->rs, 204);
    principal_forget();
    PQclear(r);
}

static const char *const list_query[] = {LIST_QUERY, NULL};

const struct route projects_routes[] = {
    {METHOD_POST, "/v1/projects", projects_create, SCOPE_OPERATOR, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_IDEMPOTENT, NULL},
    {METHOD_GET, "/v1/projects", projects_list, SCOPE_OPERATOR, 0, 0, list_query},
    {METHOD_GET, "/v1/projects/{}", projects_get, SCOPE_OPERATOR, 0, 0, NULL},
    {METHOD_PATCH, "/v1/projects/{}", projects_patch, SCOPE_OPERATOR, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON, NULL},
    {METHOD_GET, "/v1/projects/{}/plan", projects_plan_get, SCOPE_OPERATOR, 0, 0, NULL},
    {METHOD_PUT, "/v1/projects/{}/plan", projects_plan_put, SCOPE_OPERATOR, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON, NULL},
    {METHOD_PATCH, "/v1/projects/{}/plan", projects_plan_put, SCOPE_OPERATOR, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON, NULL},
    {METHOD_GET, "/v1/projects/{}/members", projects_members_list, SCOPE_OPERATOR, 0, 0, NULL},
    {METHOD_POST, "/v1/projects/{}/members", projects_members_add, SCOPE_OPERATOR, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_IDEMPOTENT, NULL},
    {METHOD_DELETE, "/v1/projects/{}/members/{}", projects_members_remove, SCOPE_OPERATOR, 0, 0,
     NULL},
    {0},
};
