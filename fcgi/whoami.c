/*
 * What a caller may ask about itself: /v1/whoami and its project's plan, /v1/plan. Reads only.
 */
#include <stdio.h>

#include "fcgi/handlers.h"
#include "fcgi_sql.h"

#define DAY_S 86400

static bool project_row(struct call *c, PGresult **r)
{
    struct db_args a;
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    return route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_PROJECT_PLAN], &a, r));
}

/* project_plan: plan, retention_s, dedup_window_s, max_payload_bytes, bulk_redrive, max_webhooks, max_bulk_items, name,
 * edit_redrive */
static json_t *project_json(struct call *c)
{
    char id[IDS_TEXT_MAX];
    PGresult *r;
    if (!c->who.project_id)
        return json_null();
    if (!project_row(c, &r))
        return NULL;
    ids_format(ID_PROJECT, &c->who.project, id);
    json_t *project =
        json_pack("{s:s, s:s, s:s}", "id", id, "name", db_text(r, 0, 7), "plan", db_text(r, 0, 0));
    PQclear(r);
    return project;
}

void whoami_get(struct call *c)
{
    static const char *const kinds[] = {"nobody", "key", "user", "operator"};
    json_t *project = project_json(c);
    if (project)
        response_json(c->rs, 200,
                      json_pack("{s:s, s:s, s:o, s:o}", "kind", kinds[c->who.kind], "id",
                                c->who.actor, "project", project, "scopes",
                                principal_scope_names(c->who.scopes)));
}

void whoami_plan(struct call *c)
{
    PGresult *r;
    if (!project_row(c, &r))
        return;
    int64_t retention_s = db_int(r, 0, 1);
    json_t *capabilities = json_pack("{s:b, s:I, s:I, s:b}", "bulkRedrive", db_bool(r, 0, 4),
                                     "maxWebhooks", (json_int_t)db_int(r, 0, 5), "maxBulkItems",
                                     (json_int_t)db_int(r, 0, 6), "editRedrive", db_bool(r, 0, 8));
    response_json(c->rs, 200,
                  json_pack("{s:s, s:o, s:I, s:I, s:I, s:o}", "plan", db_text(r, 0, 0),
                            "retentionDays",
                            retention_s % DAY_S ? json_real((double)retention_s / DAY_S)
                                                : json_integer(retention_s / DAY_S),
                            "retentionSeconds", (json_int_t)retention_s, "dedupWindowSeconds",
                            (json_int_t)db_int(r, 0, 2), "maxPayloadBytes",
                            (json_int_t)db_int(r, 0, 3), "capabilities", capabilities));
    PQclear(r);
}

const struct route whoami_routes[] = {
    {METHOD_GET, "/v1/whoami", whoami_get, SCOPE_IDENTIFIED, 0, 0, NULL},
    {METHOD_GET, "/v1/plan", whoami_plan, SCOPE_PROJECT, 0, 0, NULL},
    {0},
};
