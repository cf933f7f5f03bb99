/*
 * A webhook's field `autoRedrive`: what the worker re-drives by itself once the webhook has recovered. Null is off.
 *
 *     {"afterSuccesses": 10, "maxEntries": 1000, "ratePerSecond": 10, "windowSeconds": 604800}
 *
 * Each member has a default. Those that a PATCH does not send stay as they are; null asks for the default.
 */
#ifndef DLO_FCGI_WEBHOOK_AUTO_H
#define DLO_FCGI_WEBHOOK_AUTO_H

#include <stdbool.h>

#include <jansson.h>

#include "fcgi/response.h"
#include "fcgi/route.h"

/*
 * Reads an object over the stored one (or NULL, null) into the column auto_redrive. 0, or -1 with the problem in rs: 400
 * for what is no such object, 422 for a number out of its range.
 */
int webhook_auto_read(const json_t *value, const json_t *stored, json_t *columns,
                      struct response *rs);

/*
 * Whoever turns it on or changes it must be allowed to re-drive in bulk, and the plan must have that. `body` is what was
 * sent, `columns` what was read of it. false: answered.
 */
bool webhook_auto_allowed(struct call *c, const json_t *body, const json_t *columns);

#endif
