/*
 * event_schemas: what a project's event types ask of a payload, compiled and kept by this process.
 *
 * Which types have a schema is asked once in 5 s for a project that sends events (one statement, as with principals), so
 * a change works that much later in other processes. A schema is fetched and compiled when the first event of its type
 * comes. All together at most LIMIT_SCHEMA_CACHE_BYTES; the one used longest ago goes first.
 */
#ifndef DLO_FCGI_EVENT_SCHEMAS_H
#define DLO_FCGI_EVENT_SCHEMAS_H

#include "fcgi/event_input.h"
#include "fcgi/route.h"

/*
 * Judges the event's payload, exactly its bytes. 0: it may be stored, also if its type has no schema. -1 and *err: 422
 * schema (where and why), 422 schema-too-costly (this payload, or this call altogether), 503 when the schema cannot be
 * had. Counts the refusals.
 */
int event_schemas_check(struct call *c, const struct event_input *e, struct event_input_error *err);

/* Forgets what is known of a project: one of its types was changed here. */
void event_schemas_forget(int project_id);

#endif
