/*
 * system_entries: the system scope, events that no webhook took. One of them is found, listed and shown like a dead letter
 * (entry_filter, entry_view); what differs is sending it again: it is routed as if it had just come. GET
 * /v1/config-warnings shows them as what they are, a mistake in the configuration: one warning per type and channel.
 */
#ifndef DLO_FCGI_SYSTEM_ENTRIES_H
#define DLO_FCGI_SYSTEM_ENTRIES_H

#include "fcgi/route.h"

/*
 * Routes the event of a row that entry_view_system() knows, and answers: 202 {eventId, deliveries, replayOf} once, then
 * it is no entry any more (404); 409 unroutable while still no webhook takes it.
 */
void system_entries_route(struct call *c, const PGresult *entry);

#endif
