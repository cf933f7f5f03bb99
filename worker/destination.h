/*
 * A destination: one webhook that has something waiting in the shards we hold. (All of them: destinations.h.)
 *
 * What it may do at a moment is derived, never stored: its settings, window, rate, breaker and lanes say it. Whether the
 * sender has room for it is admission's question (admission.h), whose turn it is, turns' (turns.h).
 */
#ifndef DLO_WORKER_DESTINATION_H
#define DLO_WORKER_DESTINATION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ids.h"
#include "common/limits.h"
#include "common/signing.h"
#include "worker/breaker.h"
#include "worker/bucket.h"
#include "worker/delivery.h"
#include "worker/lane.h"
#include "worker/recent.h"
#include "worker/recovery.h"
#include "worker/target.h"

struct redaction;

struct destination_settings {
    struct uuid public_id;
    int32_t project_id;
    int16_t shard;
    struct target target;
    struct redaction *redaction; /* what else its project hides of its attempts, or NULL */
    int32_t timeout_ms;
    int16_t max_attempts;
    int32_t schedule_s[LIMIT_RETRY_SCHEDULE];
    int schedule_len;
    int16_t max_concurrency;
    int16_t expected[100];
    int expected_len;
    int32_t hold_budget_s;
    int32_t max_payload_bytes; /* 0: no gate */
    double rate_per_second;    /* 0: no limit */
    int32_t auto_after;        /* live successes after which it has recovered; 0: nobody asks */
    char *transform;           /* a jq program, or NULL */
    char *payload_schema;      /* or NULL */
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

/* How far its answers can be relied on; admission gives each a share of the slots. */
enum standing { STANDING_GOOD, STANDING_UNPROVEN, STANDING_SLOW, STANDING_TROUBLED, STANDINGS };

/* Where it is among those that want to send (turns.h). */
enum place { PLACE_OUT, PLACE_IN_TURN, PLACE_ASIDE };

#define LANES (CLASS_REPLAY + 1)

struct destination {
    int32_t webhook_id;
    int16_t shard;
    struct destination *next_in_slot; /* table */
    struct destination *next;         /* where `place` says */
    enum place place;
    bool known; /* settings were read */
    struct destination_settings set;
    struct lane lanes[LANES];
    int credit[LANES]; /* of the lanes' turns, see admission.c */
    int inflight;      /* of all lanes */
    size_t inflight_bytes;
    int completing;
    double window;
    double threshold;         /* grow by one per answer below it, by one per window above */
    int64_t blocked_until_ms; /* Retry-After, or something of ours that is away */
    const char *blocked_why;  /* what an entry says that waited for it too long; a literal */
    int64_t progress_ms; /* when an answer last came, or a request began while none was under way */
    enum standing standing; /* as admission counts what is under way */
    bool proven;            /* it has answered */
    bool in_trouble;        /* its last answer was trouble */
    bool hung;              /* or did not come in time */
    bool resolving;
    struct recent recent;
    struct bucket rate;
    struct breaker breaker;
    struct recovery recovery;
    bool breaker_unsaved; /* its state is still to be written */
    bool breaker_saving;  /* and this: it is being written */
};

/* Nothing is known of its receiver. True: that closed its circuit. */
bool destination_begin_anew(struct destination *d);
/* Its past trouble does not count, but that it once answered does: it need not stand in line with those who never did. */
bool destination_forgive(struct destination *d);
bool destination_held(const struct destination *d); /* paused, disabled or deleted */
/* May anything be sent to it now, as far as it is concerned? */
bool destination_may_send(const struct destination *d, int64_t now_ms);
/* Of this lane? `percent`: how much of the window the lane may use while others wait. */
bool destination_may_send_lane(const struct destination *d, int lane, int percent);
/* How many more rows of a lane to read now; 0: none. `least`: the shortest list worth a question. */
int destination_wants_heads(const struct destination *d, int lane, int64_t now_ms, int least);
bool destination_has_backlog(const struct destination *d);
/* Nothing of it is held, under way, or to be written. */
bool destination_idle(const struct destination *d);

/* Where a row goes: its own target, or the webhook's. */
const struct target *destination_target(const struct delivery *row);
/* It goes to another origin than its webhook's: what belongs to that one stays away from it. */
bool destination_foreign(const struct delivery *row);

void destination_enqueue(struct destination *d, struct delivery *row);
/* Gives up what was read ahead and not begun: the rows will be read again. */
void destination_forget_queue(struct destination *d, struct delivery_table *held);

/* A delivery is being worked on from here (shaped, then sent), and no more. */
void destination_begin(struct destination *d, struct delivery *row, int64_t now_ms);
void destination_end(struct destination *d, struct delivery *row, int64_t now_ms);
/* It is a request from here on, which its rate and its breaker count: shaping is none. */
void destination_request_begins(struct destination *d, int64_t now_ms);

/* The window grows only while no other destination waits for its turn (`spare`): with thousands of busy destinations a wider one would
 * open connections and send nothing sooner (measured: 11 connections a receiver for 20 deliveries). */
void destination_succeeded(struct destination *d, bool spare);
void destination_troubled(struct destination *d);
/* Slow: the 95th percentile says so, its last answer did not come in time, or nothing has come back for LIMIT_STUCK_MS. */
enum standing destination_standing(const struct destination *d, int64_t now_ms);

void destination_settings_release(struct destination_settings *s);
void destination_free(struct destination *d);

#endif
