/*
 * One event as a producer submits it (API.md "Events"), read from its bytes and checked.
 *
 * The payload is a slice of the request body, exactly as it came; nothing here copies or re-serialises it. The other
 * members are decoded into the struct. Jansson has no part in it: it refuses or alters 20-digit integers, \u0000 and
 * 1.10, and the scanner that guards the payload already yields every member.
 */
#ifndef DLO_FCGI_EVENT_INPUT_H
#define DLO_FCGI_EVENT_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/json_scan.h"
#include "common/limits.h"
#include "fcgi/instant.h"

struct event_input {
    char type[LIMIT_NAME_BYTES + 1];
    char channel[LIMIT_NAME_BYTES + 1];
    char customer_id[LIMIT_EXTERNAL_ID_BYTES + 1];
    char external_id[LIMIT_EXTERNAL_ID_BYTES + 1];
    char routing_key[LIMIT_ROUTING_KEY_BYTES + 1];
    char occurred_at[INSTANT_TEXT_MAX];
    bool has_channel, has_customer_id, has_external_id, has_routing_key, has_occurred_at;
    struct json_slice metadata; /* p NULL: none */
    struct json_slice payload;
};

/* What is wrong with it, ready for a problem. */
struct event_input_error {
    int status;
    const char *code;
    char pointer[160];
    char detail[320];
};

/* 0, or -1 and *err. `max_payload`: the project's limit in bytes. */
int event_input_read(const char *buf, size_t len, size_t max_payload, struct event_input *out,
                     struct event_input_error *err);

/* The body of an edit (API.md, edit-re-drive): {payload, reason}, both required. The payload's rules are an event's. */
struct event_edit {
    struct json_slice payload;
    char reason[LIMIT_REASON_BYTES + 1];
};
int event_input_edit(const char *buf, size_t len, size_t max_payload, struct event_edit *out,
                     struct event_input_error *err);

/* The error for a scan of a whole body that failed; `what` names the text ("the body", "the line"). */
void event_input_scan_error(enum json_scan_result r, size_t offset, const char *what,
                            struct event_input_error *err);

#endif
