/*
 * A destination: one webhook that has something waiting in the shards we hold. (All of them: destinations.h.)
 *
 * What it may do at a moment is derived, never stored: destination_may_send() and destination_wants_heads() read its
 * settings, window, queue and cursor.
 *
 * `after` is the position up to which rows were read; everything at or below it is either held or done, except what an
 * arrival below it says otherwise (destination_arrived rewinds). `backlog`: there may be rows beyond `after`.
 */
#ifndef DLO_WORKER_DESTINATION_H
#define DLO_WORKER_DESTINATION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ids.h"
#include "common/limits.h"
#include "common/signing.h"
#include "common/url_policy.h"
#include "worker/delivery.h"

struct destination_settings {
    struct uuid public_id;
    int32_t project_id;
    int16_t shard;
    struct url_parts url;
    const char *refused; /* why the address guard refuses the URL now, or NULL */
    char *redacted_url;  /* as attempts show it */
    int32_t timeout_ms;
    int16_t max_attempts;
    int32_t schedule_s[LIMIT_RETRY_SCHEDULE];
    int schedule_len;
    int16_t max_concurrency;
    int16_t expected[100];
    int expected_len;
    int32_t hold_budget_s;
    bool enabled, paused, deleted;
    unsigned char keys[2][SIGNING_KEY_MAX]; /* current, and the one before during a rotation */
    size_t key_len[2];
    bool v1a;                                 /* both keys are Ed25519's; else HMAC */
    int64_t old_key_until_ms;                 /* clock_ms(): the second key is not used after it */
    char *header_lines[LIMIT_CUSTOM_HEADERS]; /* "Name: value"; secrets */
    int header_count;
    char *tls_ca; /* PEM: the only authorities its receiver is checked against; NULL: ca_file */
    size_t tls_ca_len;
    char *tls_client; /* PEM: certificate chain and key; a secret; NULL: none */
    size_t tls_client_len;
    double retry_now_at;
    int32_t version;
};

struct destination {
    int32_t webhook_id;
    int16_t shard;
    struct destination *next_in_slot; /* table */
    struct destination *next_ready;   /* ring; self-linked end is NULL */
    bool in_ring;
    bool known; /* settings were read */
    struct destination_settings set;
    struct delivery *head, *tail; /* read ahead, by position */
    int queued;
    int inflight;
    int completing;
    double window;
    double threshold;         /* grow by one per answer below it, by one per window above */
    int64_t blocked_until_ms; /* Retry-After, or a name being looked up */
    bool in_trouble; /* its last answer was trouble: such destinations share half of the slots */
    bool resolving;
    int64_t after;
    int64_t missing_pos; /* the row whose source was not found at the last look */
    bool backlog;
    bool reading;       /* a heads query for it is under way */
    bool wants_payload; /* its head is waiting for its payload */
};

bool destination_held(const struct destination *d); /* paused, disabled or deleted */
bool destination_may_send(const struct destination *d, int64_t now_ms);
/* How many more rows to read for it now; 0: none. `least`: the shortest list worth a question. */
int destination_wants_heads(const struct destination *d, int64_t now_ms, int least);

/* `count` new rows were committed, the lowest at `pos`. Rewinds unless the only one is held already. */
void destination_arrived(struct destination *d, const struct delivery_table *held, int64_t pos,
                         int64_t count);
/* Reads again from `pos` on. The answer of a query that is under way counts for nothing: it would undo this. */
void destination_rewind(struct destination *d, int64_t pos);
void destination_enqueue(struct destination *d, struct delivery *row);
struct delivery *destination_dequeue(struct destination *d);
/* Gives up what was read ahead and not begun: the rows will be read again. */
void destination_forget_queue(struct destination *d, struct delivery_table *held);

/* The window grows only while no other destination waits for its turn (`spare`): with thousands of busy destinations a wider one would
 * open connections and send nothing sooner (measured: 11 connections a receiver for 20 deliveries). */
void destination_succeeded(struct destination *d, bool spare);
void destination_troubled(struct destination *d);

void destination_settings_release(struct destination_settings *s);
void destination_free(struct destination *d);

#endif
