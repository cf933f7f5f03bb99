/*
 * Every handler and every table of routes. A resource file owns its table; fcgi/route.c walks them all.
 *
 * A table ends with an entry whose pattern is NULL. Their order does not matter: a literal segment wins over "{}", the
 * leftmost difference first.
 */
#ifndef DLO_FCGI_HANDLERS_H
#define DLO_FCGI_HANDLERS_H

#include "fcgi/route.h"

extern const struct route events_routes[];
extern const struct route webhooks_routes[];
extern const struct route entries_routes[];
extern const struct route deliveries_routes[];
extern const struct route legacy_routes[];
extern const struct route overview_routes[];
extern const struct route session_routes[];
extern const struct route keys_routes[];
extern const struct route projects_routes[];
extern const struct route users_routes[];
extern const struct route whoami_routes[];
extern const struct route audit_routes[];
extern const struct route health_routes[];
extern const struct route trials_routes[];
extern const struct route ping_routes[];
extern const struct route event_types_routes[];
extern const struct route openapi_routes[];
extern const struct route bulk_routes[];
extern const struct route bulk_operations_routes[];
extern const struct route groups_routes[];
extern const struct route export_routes[];
extern const struct route system_entries_routes[];
extern const struct route stats_buckets_routes[];
extern const struct route redaction_routes[];

/* events.c */
route_handler events_post, events_batch;
/* event_views.c */
route_handler event_views_get, event_views_list;

/* webhooks.c */
route_handler webhooks_create, webhooks_list, webhooks_get, webhooks_patch, webhooks_subscriptions;
/* event_types.c */
route_handler event_types_put, event_types_get, event_types_delete, event_types_list;
/* webhook_acts.c, webhook_rotate.c, webhook_health.c */
route_handler webhook_acts_pause, webhook_acts_resume, webhook_acts_retry_now, webhook_acts_delete;
route_handler webhook_rotate_post;
route_handler webhook_health_get;
/* entries.c, deliveries.c, legacy.c, overview.c */
route_handler entries_list, entries_get, entries_payload, entries_attempt, entries_diff,
    entries_redrive, entries_discard, entries_restore, entries_purge;
/* edit.c */
route_handler edit_redrive;
route_handler deliveries_list, deliveries_get, deliveries_replay, deliveries_cancel;
route_handler legacy_list, legacy_webhook, legacy_retry;
route_handler overview_get;
/* groups.c */
route_handler groups_list, groups_get, groups_patch;
/* export.c, system_entries.c, stats_buckets.c */
route_handler export_get;
route_handler system_entries_warnings;
route_handler stats_buckets_get;

/* bulk.c, bulk_operations.c */
route_handler bulk_redrive, bulk_discard, bulk_restore, bulk_purge;
route_handler bulk_operations_list, bulk_operations_get, bulk_operations_items,
    bulk_operations_pause, bulk_operations_resume, bulk_operations_cancel, bulk_operations_retry,
    bulk_operations_patch;

/* trials.c, ping.c */
route_handler trials_create, trials_get;
route_handler ping_create;

/* session.c, keys.c, projects.c, users.c, whoami.c, audit.c, health.c */
route_handler session_create, session_get, session_delete, session_password;
route_handler keys_create, keys_list, keys_revoke, keys_project_create, keys_project_list,
    keys_project_revoke;
route_handler projects_create, projects_list, projects_get, projects_patch, projects_plan_get,
    projects_plan_put, projects_members_list, projects_members_add, projects_members_remove;
/* redaction.c */
route_handler redaction_get, redaction_put;
route_handler users_create, users_list, users_get, users_disable, users_password;
route_handler whoami_get, whoami_plan;
route_handler audit_list;
route_handler health_alive, health_ready, health_metrics;

/* openapi.c */
route_handler openapi_get;

#endif
