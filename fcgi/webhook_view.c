/* See webhook_view.h. Memory only. Owns the order and names of a webhook's members on the wire. */
#include "fcgi/webhook_view.h"

#include <stdio.h>
#include <string.h>

enum shown { AS_IT_IS, AS_TIME, AS_SET, AS_HEADERS, AS_JSON };

static const struct {
    const char *name;
    const char *column;
    enum shown shown;
} members[] = {
    {"url", "url", AS_IT_IS},
    {"name", "name", AS_IT_IS},
    {"description", "description", AS_IT_IS},
    {"eventTypes", "event_types", AS_IT_IS},
    {"channels", "channels", AS_IT_IS},
    {"customerExternalIds", "customer_ids", AS_IT_IS},
    {"headers", "header_names", AS_HEADERS},
    {"signing", "signing", AS_IT_IS},
    {"publicKey", "public_key", AS_IT_IS},
    {"transform", "transform", AS_IT_IS},
    {"payloadSchema", "payload_schema", AS_JSON},
    {"maxPayloadBytes", "max_payload_bytes", AS_IT_IS},
    {"timeoutMs", "timeout_ms", AS_IT_IS},
    {"maxAttempts", "max_attempts", AS_IT_IS},
    {"retrySchedule", "retry_schedule", AS_IT_IS},
    {"maxConcurrency", "max_concurrency", AS_IT_IS},
    {"ratePerSecond", "rate_per_second", AS_IT_IS},
    {"expectedStatuses", "expected_statuses", AS_IT_IS},
    {"holdBudgetSeconds", "hold_budget_s", AS_IT_IS},
    {"dlqPayload", "dlq_payload", AS_IT_IS},
    {"autoRedrive", "auto_redrive", AS_IT_IS},
    {"enabled", "enabled", AS_IT_IS},
    {"paused", "paused_at", AS_SET},
    {"disabledReason", "disabled_reason", AS_IT_IS},
    {"oldSecretValidUntil", "old_secret_until", AS_TIME},
    {"version", "version", AS_IT_IS},
    {"createdAt", "created_at", AS_TIME},
    {"updatedAt", "updated_at", AS_TIME},
};

/* PostgreSQL writes 2026-11-22T10:00:00.1234+00:00, and no fraction when it is zero. */
static json_t *time_of(const json_t *row, const char *column)
{
    const char *s = json_string_value(json_object_get(row, column));
    char ms[] = "000";
    if (!s || strlen(s) < 19)
        return json_null();
    for (size_t i = 0; s[19] == '.' && i < 3 && s[20 + i] >= '0' && s[20 + i] <= '9'; i++)
        ms[i] = s[20 + i];
    return json_sprintf("%.19s.%sZ", s, ms);
}

static json_t *headers_of(const json_t *names)
{
    json_t *headers = json_object();
    for (size_t i = 0; i < json_array_size(names); i++)
        json_object_set_new(headers, json_string_value(json_array_get(names, i)), json_null());
    return headers;
}

static json_t *json_of(const json_t *text)
{
    json_t *value = NULL;
    if (json_is_string(text))
        value =
            json_loadb(json_string_value(text), json_string_length(text), JSON_DECODE_ANY, NULL);
    return value ? value : json_null();
}

static json_t *member_of(const json_t *row, size_t i)
{
    json_t *value = json_object_get(row, members[i].column);
    switch (members[i].shown) {
    case AS_TIME:
        return time_of(row, members[i].column);
    case AS_SET:
        return json_boolean(!json_is_null(value));
    case AS_HEADERS:
        return headers_of(value);
    case AS_JSON:
        return json_of(value);
    case AS_IT_IS:
        break;
    }
    return json_incref(value);
}

int webhook_view_id(const json_t *row, struct uuid *id, char text[IDS_TEXT_MAX])
{
    const char *hex = json_string_value(json_object_get(row, "public_id"));
    if (!hex || ids_from_hex(hex, strlen(hex), id) != 0)
        return -1;
    ids_format(ID_WEBHOOK, id, text);
    return 0;
}

/* The key is never shown, nor whether the sealed pair can still be opened. */
static json_t *tls_of(const json_t *row)
{
    json_t *ca = json_object_get(row, "tls_ca"), *client = json_object_get(row, "tls_client");
    if (json_is_null(ca) && json_is_null(client))
        return json_null();
    return json_pack("{s:O, s:O}", "ca", ca, "clientCertificate", client);
}

json_t *webhook_view(const json_t *row)
{
    struct uuid id;
    char text[IDS_TEXT_MAX];
    if (webhook_view_id(row, &id, text) != 0)
        return NULL;
    json_t *view = json_pack("{ssss}", "id", text, "subscriptionId", text);
    for (size_t i = 0; view && i < sizeof members / sizeof *members; i++)
        if (json_object_set_new(view, members[i].name, member_of(row, i)) != 0) {
            json_decref(view);
            return NULL;
        }
    if (view)
        json_object_set_new(view, "tls", tls_of(row));
    return view;
}
