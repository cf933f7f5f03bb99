/*
 * A test message: POST /v1/webhooks/{id}/ping makes an event of type webhook.ping for exactly that webhook, and its
 * delivery is watched like any other. One statement: a crash leaves both or neither.
 */
#include "fcgi/handlers.h"

#include <stdio.h>

#include "common/limits.h"
#include "fcgi/fields.h"
#include "fcgi/page.h"
#include "fcgi_sql.h"

static bool body_says_nothing(struct call *c)
{
    static const char *const known[] = {NULL};
    json_t *body = route_body_object(c);
    bool empty = body && fields_known(c, body, known, NULL);
    json_decref(body);
    return empty;
}

static void answer_sent(struct call *c, const struct uuid *event, const struct uuid *delivery)
{
    char event_text[IDS_TEXT_MAX], id[IDS_TEXT_MAX], path[64];
    ids_format(ID_EVENT, event, event_text);
    ids_format(ID_DELIVERY, delivery, id);
    snprintf(path, sizeof path, "/v1/deliveries/%s", id);
    response_location(c->rs, c->desk->config->public_url, path);
    response_json(c->rs, 202, json_pack("{ssss}", "deliveryId", id, "eventId", event_text));
    page_count_events(1, 0, 0, 0);
    route_wake(c);
}

void ping_create(struct call *c)
{
    struct uuid webhook, event, delivery;
    struct db_args a;
    PGresult *res;
    char hook[IDS_TEXT_MAX];
    if (!route_id(c, 0, ID_WEBHOOK, &webhook) || !body_says_nothing(c))
        return;
    ids_new(&event);
    ids_event_delivery_base(&delivery);
    ids_format(ID_WEBHOOK, &webhook, hook);
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    db_args_uuid(&a, &webhook);
    db_args_uuid(&a, &event);
    db_args_uuid(&a, &delivery);
    db_args_text(&a, hook);
    db_args_text(&a, c->who.actor);
    db_args_text(&a, c->rq->id);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_PING_CREATE], &a, &res)))
        return;
    if (PQntuples(res) == 0)
        route_not_found(c);
    else if (!db_bool(res, 0, 1))
        response_too_many(c->rs, "too-many-pings", "A project may ping six times a minute.",
                          (int)db_int(res, 0, 0));
    else
        answer_sent(c, &event, &delivery);
    PQclear(res);
}

const struct route ping_routes[] = {
    {METHOD_POST, "/v1/webhooks/{}/ping", ping_create, SCOPE_WEBHOOKS_WRITE, LIMIT_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT, NULL},
    {0},
};
