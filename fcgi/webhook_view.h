/*
 * A webhook as API.md shows it, made from its row (to_jsonb of the webhooks table).
 *
 * It shows header names with null for their values and no sealed column, whatever the row holds:
 * what is answered is a list here, never the row minus something.
 */
#ifndef DLO_FCGI_WEBHOOK_VIEW_H
#define DLO_FCGI_WEBHOOK_VIEW_H

#include <stdint.h>

#include <jansson.h>

#include "common/ids.h"

/* A new object, or NULL: out of memory or not such a row. */
json_t *webhook_view(const json_t *row);

/* The row's public id, and as it is shown; 0 or -1. */
int webhook_view_id(const json_t *row, struct uuid *id, char text[IDS_TEXT_MAX]);

#endif
