/*
 * See entry_fields.h. Must never put what a client sent into the text of a statement: every value is a parameter.
 */
#include "fcgi/entry_fields.h"

#include <stdlib.h>
#include <string.h>

#include "common/fingerprint.h"
#include "common/states.h"

static bool text_value(struct pg_array *to, const char *text, size_t len)
{
    pg_array_bytes(to, text, len);
    return true;
}

static bool id_value(struct pg_array *to, enum ids_kind kind, const char *text, size_t len)
{
    struct uuid id;
    if (ids_parse(kind, text, len, &id) != 0)
        return false;
    pg_array_uuid(to, &id);
    return true;
}

static bool webhook_value(struct pg_array *to, const char *text, size_t len)
{
    return id_value(to, ID_WEBHOOK, text, len);
}

static bool event_value(struct pg_array *to, const char *text, size_t len)
{
    return id_value(to, ID_EVENT, text, len);
}

static bool reason_value(struct pg_array *to, const char *text, size_t len)
{
    int reason = states_reason_parse(text, len);
    if (reason >= 0)
        pg_array_int2(to, (int16_t)reason);
    return reason >= 0;
}

static bool state_value(struct pg_array *to, const char *text, size_t len)
{
    int state = states_entry_parse(text, len);
    if (state < 0 || state == ENTRY_PURGED)
        return false;
    pg_array_int2(to, (int16_t)state);
    return true;
}

static bool classification_value(struct pg_array *to, const char *text, size_t len)
{
    bool permanent = len == strlen("permanent") && memcmp(text, "permanent", len) == 0;
    if (!permanent &&
        (len != strlen("transient_exhausted") || memcmp(text, "transient_exhausted", len) != 0))
        return false;
    pg_array_bool(to, permanent);
    return true;
}

static bool small_value(struct pg_array *to, const char *text, size_t len)
{
    if (len < 1 || len > 4 || strspn(text, "0123456789") != len)
        return false;
    pg_array_int2(to, (int16_t)strtol(text, NULL, 10));
    return true;
}

static bool fingerprint_value(struct pg_array *to, const char *text, size_t len)
{
    unsigned char bytes[FINGERPRINT_BYTES];
    if (fingerprint_parse(text, len, bytes) != 0)
        return false;
    pg_array_bytes(to, bytes, sizeof bytes);
    return true;
}

#define FILTER "bad-filter"
#define WEBHOOKS                                                                                   \
    "(SELECT w.id FROM webhooks w WHERE w.project_id = $1 AND w.public_id = ANY (?::uuid[]))"
/* Each value once, however it was spelled (500 and 0500): a scan made twice would freeze its entries twice. */
#define LEAD(column, type)                                                                         \
    column " = ANY (?::" type "[])", column, "(SELECT DISTINCT u FROM unnest(?::" type "[]) u)",   \
        "(?::" type "[])[1]"
/* Where, in the order of creation, such a time of occurrence can be: a list of what is far back begins there. */
#define HOURS(which) "(SELECT " which " FROM dlq_hours h WHERE h.project_id = $1 AND "
#define CREATED_WITHIN_HOURS(condition)                                                            \
    "d.created_at >= " HOURS("min(h.at)") condition                                                \
        ") AND d.created_at < " HOURS("max(h.at) + interval '1 hour'") condition ")"
#define RETENTION "make_interval(secs => (SELECT p.retention_s FROM projects p WHERE p.id = $1))"

const struct entry_field entry_fields[FIELDS] = {
    [FIELD_WEBHOOK] = {"webhookId", "subscriptionId", webhook_value, PG_UUID, "malformed-id",
                       "ids of webhooks (whk_…)", "d.webhook_id IN " WEBHOOKS, "d.webhook_id",
                       WEBHOOKS, WEBHOOKS},
    [FIELD_CHANNEL] = {"channel", NULL, text_value, PG_TEXT, FILTER, NULL,
                       LEAD("d.channel", "text")},
    [FIELD_REASON] = {"failureReason", NULL, reason_value, PG_INT2, FILTER, NULL,
                      LEAD("d.reason", "smallint")},
    [FIELD_STATE] = {"state", NULL, state_value, PG_INT2, FILTER,
                     "open, replaying, resolved, refailed, discarded, expired, all",
                     LEAD("d.state", "smallint")},
    [FIELD_TYPE] = {"eventType", NULL, text_value, PG_TEXT, FILTER, NULL,
                    LEAD("d.event_type", "text")},
    [FIELD_CUSTOMER] = {"customerExternalId", NULL, text_value, PG_TEXT, FILTER, NULL,
                        LEAD("d.customer_id", "text"), true},
    [FIELD_EXTERNAL] = {"externalId", NULL, text_value, PG_TEXT, FILTER, NULL,
                        LEAD("d.external_id", "text"), true},
    [FIELD_EVENT] = {"eventId", NULL, event_value, PG_UUID, "malformed-id", "ids of events (evt_…)",
                     LEAD("d.event_id", "uuid"), true},
    [FIELD_CLASSIFICATION] = {"classification", NULL, classification_value, PG_BOOL, FILTER,
                              "transient_exhausted, permanent", "d.permanent = ANY (?::boolean[])"},
    [FIELD_STATUS] = {"statusCode", NULL, small_value, PG_INT2, FILTER,
                      "HTTP status codes; 0 for no answer", LEAD("d.last_status", "smallint")},
    [FIELD_GENERATION] = {"generation", NULL, small_value, PG_INT2, FILTER, "small numbers, from 0",
                          LEAD("d.generation", "smallint")},
    [FIELD_FINGERPRINT] = {"fingerprint", NULL, fingerprint_value, PG_BYTEA, FILTER,
                           "fingerprints of 32 hex digits", LEAD("d.fingerprint", "bytea")},
    [FIELD_REPLAYABLE] =
        {"replayable", NULL, NULL, 0, NULL, NULL,
         /* what is in the system scope has no webhook, and can be routed again */
         "(d.state = 1 AND (d.webhook_id = 0 OR EXISTS (SELECT FROM webhooks w WHERE w.project_id "
         "= $1"
         " AND w.id = d.webhook_id AND w.enabled AND w.deleted_at IS NULL))) = ?::boolean"},
    [FIELD_INTENTIONAL] = {"intentional", NULL, NULL, 0, NULL, NULL, "d.intentional = ?::boolean"},
    [FIELD_FROM] = {"from", NULL, NULL, 0, NULL, NULL, "d.created_at >= ?::timestamptz"},
    [FIELD_TO] = {"to", NULL, NULL, 0, NULL, NULL, "d.created_at < ?::timestamptz"},
    [FIELD_OCCURRED_FROM] = {"occurredFrom", NULL, NULL, 0, NULL, NULL,
                             "d.occurred_at >= ?::timestamptz",
                             .bounds = CREATED_WITHIN_HOURS("h.high > ?::timestamptz")},
    [FIELD_OCCURRED_TO] = {"occurredTo", NULL, NULL, 0, NULL, NULL,
                           "d.occurred_at < ?::timestamptz",
                           .bounds = CREATED_WITHIN_HOURS("h.low < ?::timestamptz")},
    [FIELD_EXPIRES_BEFORE] = {"expiresBefore", NULL, NULL, 0, NULL, NULL,
                              "d.created_at < ?::timestamptz - " RETENTION},
};
