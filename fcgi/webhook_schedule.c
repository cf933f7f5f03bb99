/* See webhook_schedule.h. Pure. */
#include "fcgi/webhook_schedule.h"

#include <stddef.h>

#define HOLD_DEFAULT_S 86400

/* The last delay repeats, jitter adds 20 %. */
int64_t webhook_schedule_seconds(const json_t *columns)
{
    const json_t *list = json_object_get(columns, "retry_schedule");
    json_int_t attempts = json_integer_value(json_object_get(columns, "max_attempts"));
    size_t n = json_array_size(list);
    int64_t sum = 0;
    for (json_int_t i = 0; n > 0 && i + 1 < attempts; i++)
        sum += json_integer_value(json_array_get(list, (size_t)i < n ? (size_t)i : n - 1));
    return (sum * 6 + 4) / 5;
}

int64_t webhook_schedule_hold(const json_t *columns, int64_t retention_s)
{
    int64_t left = retention_s - webhook_schedule_seconds(columns);
    return left < HOLD_DEFAULT_S ? left : HOLD_DEFAULT_S;
}
