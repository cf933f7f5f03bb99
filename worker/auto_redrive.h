/*
 * auto_redrive: operations that nobody asks for but a webhook's setting autoRedrive.
 *
 * A duty of the maintainer. Senders tell of webhooks that have recovered (recovery.h); of each, one re-drive over what it
 * left open for reasons that pass is planned, and goes on like any other operation (operations.h). Never two of a webhook
 * at once, and none after one without another outage between them.
 */
#ifndef DLO_WORKER_AUTO_REDRIVE_H
#define DLO_WORKER_AUTO_REDRIVE_H

#include "common/db.h"

/* Every recovery that was told, acted on or kept for later: once a second. */
void auto_redrive_step(struct db *db);

#endif
