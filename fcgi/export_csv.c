/* See export.h. Owns the columns of the CSV form. Memory only. */
#include "fcgi/export.h"

#include <string.h>

#define N(a) (sizeof(a) / sizeof *(a))

static const char *const columns[] = {
    "id",           "deliveryId",     "eventId",        "externalId",         "webhookId",
    "url",          "channel",        "eventType",      "customerExternalId", "occurredAt",
    "state",        "failureReason",  "classification", "intentional",        "lastStatusCode",
    "attemptCount", "firstAttemptAt", "lastAttemptAt",  "createdAt",          "expiresAt",
    "generation",   "fingerprint",    "lastError",
};

/*
 * RFC 4180 section 2. What a spreadsheet would take for a formula gets an apostrophe in front, which it shows as text;
 * what is quoted alone it would still compute.
 */
static void add_text(struct buf *to, const char *text)
{
    bool formula = *text && strchr("=+-@\t\r", *text);
    if (!formula && !strpbrk(text, "\",\r\n")) {
        buf_add_str(to, text);
        return;
    }
    buf_add_str(to, formula ? "\"'" : "\"");
    for (; *text; text++) {
        if (*text == '"')
            buf_add_char(to, '"');
        buf_add_char(to, *text);
    }
    buf_add_char(to, '"');
}

static void add_cell(struct buf *to, const json_t *value)
{
    if (json_is_string(value))
        add_text(to, json_string_value(value));
    else if (json_is_integer(value))
        buf_printf(to, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        buf_add_str(to, json_is_true(value) ? "true" : "false");
}

static const json_t *member(const json_t *entry, const char *name)
{
    return json_object_get(strcmp(name, "url") == 0 ? json_object_get(entry, "destination") : entry,
                           name);
}

void export_csv_line(struct buf *to, const json_t *entry)
{
    for (size_t i = 0; i < N(columns); i++) {
        if (i)
            buf_add_char(to, ',');
        if (entry)
            add_cell(to, member(entry, columns[i]));
        else
            buf_add_str(to, columns[i]);
    }
    buf_add_str(to, "\r\n");
}
