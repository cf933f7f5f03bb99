/*
 * origin: what details say of re-drives that are not the usual ones: `editedFrom` of an event that somebody made from a dead
 * letter with another payload, `target` of a re-drive.
 */
#ifndef DLO_FCGI_ORIGIN_H
#define DLO_FCGI_ORIGIN_H

#include <jansson.h>

#include "fcgi/route.h"

/*
 * Sets editedFrom: {entryId, eventId} or null. With a re-drive's delivery also target: "original" if it goes to a former
 * URL of its webhook, else "current"; with NULL it is null.
 */
enum db_status origin_add(struct call *c, const struct uuid *event, const struct uuid *redrive,
                          json_t *to);
/* editedFrom alone. */
enum db_status origin_add_edit(struct call *c, const struct uuid *event, json_t *to);

#endif
