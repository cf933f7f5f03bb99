/*
 * notices: news of our own as events on the channel $dlq (API.md "Webhooks").
 *
 * Whoever makes a dead letter, opens or closes a circuit, or disables a webhook writes a row of `notices` in the same
 * statement, where the project listens. A duty of the maintainer turns them into events and deliveries.
 *
 * Types: dlq.entry.created, webhook.circuit.opened, webhook.circuit.closed, webhook.disabled. Beyond
 * LIMIT_NOTICES_PER_MINUTE of a project, what is left is told by its number: dlq.entries.created, or the same type, with
 * {count, from, to}.
 */
#ifndef DLO_WORKER_NOTICES_H
#define DLO_WORKER_NOTICES_H

#include "common/db.h"

/* Tells what is there. What fails is logged and comes again with the next call. */
void notices_flush(struct db *db);

#endif
