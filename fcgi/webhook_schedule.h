/*
 * How long a webhook's deliveries may take: retries and hold together must fit the project's retention, else an entry's
 * source could be gone before its delivery has ended.
 */
#ifndef DLO_FCGI_WEBHOOK_SCHEDULE_H
#define DLO_FCGI_WEBHOOK_SCHEDULE_H

#include <stdint.h>

#include <jansson.h>

/* The longest that a row's retries can take, in seconds; columns are those of webhook_input.h. */
int64_t webhook_schedule_seconds(const json_t *columns);

/* The hold budget of who did not choose one: a day, or what the retries leave of the retention. May be negative. */
int64_t webhook_schedule_hold(const json_t *columns, int64_t retention_s);

#endif
