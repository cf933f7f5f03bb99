/*
 * The closed lists that the database stores as small numbers: why a delivery failed, how an attempt came out, what
 * state an entry is in. Numbers are for ever; new ones are appended. A test holds these tables against the
 * database's CHECK constraints, and docs/INTERNALS.md prints the transitions.
 */
#ifndef DLO_COMMON_STATES_H
#define DLO_COMMON_STATES_H

#include <stdbool.h>
#include <stddef.h>

/* Why. Names are API.md's failureReason. */
enum reason {
    REASON_NONE = 0,
    REASON_TIMEOUT = 1,
    REASON_HTTP_5XX,
    REASON_HTTP_4XX,
    REASON_HTTP_429,
    REASON_HTTP_408,
    REASON_REDIRECT,
    REASON_CONNECTION_REFUSED,
    REASON_CONNECTION_RESET,
    REASON_DNS,
    REASON_TLS,
    REASON_NETWORK,
    REASON_ADDRESS_REFUSED,
    REASON_RESPONSE_TOO_LARGE,
    REASON_INVALID_RESPONSE,
    REASON_RETRIES_EXHAUSTED,
    REASON_CIRCUIT_OPEN,
    REASON_PAYLOAD_REJECTED,
    REASON_PAYLOAD_TOO_LARGE,
    REASON_ENDPOINT_DISABLED,
    REASON_TRANSFORM_FAILED,
    REASON_INTERNAL,
    REASON_UNROUTABLE,
    REASON_COUNT
};

/* How one attempt came out. */
enum outcome { OUTCOME_DELIVERED = 0, OUTCOME_RETRY = 1, OUTCOME_DEAD = 2, OUTCOME_CANCELLED = 3 };

/* What an attempts row is. */
enum attempt_kind { ATTEMPT_REQUEST = 0, ATTEMPT_VERDICT = 1 /* ended without a request */ };

/* In which queue class a delivery waits. */
enum delivery_class { CLASS_LIVE = 0, CLASS_RETRY = 1, CLASS_REPLAY = 2 };

/* An entry. */
enum entry_state {
    ENTRY_OPEN = 1,
    ENTRY_REPLAYING = 2,
    ENTRY_RESOLVED = 3,
    ENTRY_REFAILED = 4,
    ENTRY_DISCARDED = 5,
    ENTRY_EXPIRED = 6, /* only where payloads are kept shorter than the ledger */
    ENTRY_PURGED = 7   /* a tombstone */
};

enum entry_event {
    ENTRY_REDRIVE,   /* an operator asked for a new delivery */
    ENTRY_DELIVERED, /* that delivery arrived */
    ENTRY_FAILED,    /* it died: a new entry stands for it */
    ENTRY_CANCELLED, /* it was cancelled */
    ENTRY_DISCARD,
    ENTRY_RESTORE,
    ENTRY_PURGE
};

struct entry_transition {
    enum entry_state from;
    enum entry_event event;
    enum entry_state to;
    const char *why;
};
extern const struct entry_transition states_entry[];
extern const size_t states_entry_count;

/* The state an entry goes to, or 0 when the event is not allowed there. */
enum entry_state states_entry_next(enum entry_state from, enum entry_event event);

/* A bulk operation: what it does, and where it is. */
enum operation_kind {
    OPERATION_REDRIVE = 1,
    OPERATION_DISCARD = 2,
    OPERATION_RESTORE = 3,
    OPERATION_PURGE = 4
};

enum operation_state {
    OPERATION_PLANNED = 1,
    OPERATION_RUNNING = 2,
    OPERATION_PAUSED = 3,
    OPERATION_CANCELLING = 4,
    OPERATION_CANCELLED = 5, /* this one and those below are ends */
    OPERATION_COMPLETED = 6,
    OPERATION_COMPLETED_WITH_FAILURES = 7,
    OPERATION_FAILED = 8
};

enum operation_event {
    OPERATION_START,  /* its time has come */
    OPERATION_PAUSE,  /* an operator, or its probe */
    OPERATION_RESUME, /* an operator */
    OPERATION_REPLAN, /* an operator, before its time has come */
    OPERATION_CANCEL, /* an operator */
    OPERATION_EXPIRE, /* seven days are over */
    OPERATION_FINISH, /* every item has ended, none failed */
    OPERATION_FINISH_WITH_FAILURES,
    OPERATION_DRAINED, /* cancelled, and nothing is under way any more */
    OPERATION_BREAK    /* it cannot go on */
};

struct operation_transition {
    enum operation_state from;
    enum operation_event event;
    enum operation_state to;
    const char *why;
};
extern const struct operation_transition states_operation[];
extern const size_t states_operation_count;

/* The state an operation goes to, or 0 when the event is not allowed there. */
enum operation_state states_operation_next(enum operation_state from, enum operation_event event);
const char *states_operation_name(int state);        /* NULL if there is no such state */
int states_operation_parse(const char *s, size_t n); /* -1 if unknown */
const char *states_operation_kind_name(int kind);
int states_operation_kind_parse(const char *s, size_t n);

/* How an item of an operation ended; none: it is under way, or not started. */
enum item_outcome {
    ITEM_NONE = 0,
    ITEM_SUCCEEDED = 1,
    ITEM_FAILED = 2,
    ITEM_CANCELLED = 3,
    ITEM_SKIPPED = 4
};

/* Why an item was skipped. */
enum item_cause {
    CAUSE_NONE = 0,
    CAUSE_EXPIRED = 1,
    CAUSE_PURGED = 2,
    CAUSE_DISCARDED = 3,
    CAUSE_NOT_OPEN = 4,
    CAUSE_ALREADY_REPLAYING = 5,
    CAUSE_WEBHOOK_DELETED = 6,
    CAUSE_PAYLOAD_EXPIRED = 7,
    CAUSE_ENDPOINT_DISABLED = 8,
    CAUSE_NOT_DISCARDED = 9,
    CAUSE_ORIGINAL_UNKNOWN = 10
};
const char *states_item_cause_name(int cause); /* NULL for none */

const char *states_reason_name(int reason);       /* NULL if there is no such reason */
int states_reason_parse(const char *s, size_t n); /* also seed 003's synonyms; -1 if unknown */
bool states_reason_transient(enum reason reason); /* worth another try (API.md "Transient") */
const char *states_entry_name(int state);         /* NULL if there is no such state */
int states_entry_parse(const char *s, size_t n);  /* -1 if unknown */
const char *states_outcome_name(int outcome);     /* delivered, tempfail, permfail, cancelled */

#endif
