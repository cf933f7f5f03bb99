/*
 * audit: who did what, written in the act's own transaction, never changed afterwards.
 *
 * A handler opens a transaction (route_begin), acts, calls audit_write, commits. `detail` never holds a payload, a
 * secret or a header value.
 */
#ifndef DLO_FCGI_AUDIT_H
#define DLO_FCGI_AUDIT_H

#include "fcgi/route.h"

/*
 * One row: actor and request id come from the call, the project from `project_id` (0: none). action is
 * "webhook.create"; object an id as shown on the wire. Takes the reference to detail (NULL: {}).
 */
enum db_status audit_write(struct call *c, int project_id, const char *action, const char *object,
                           json_t *detail);

#endif
