/* See states.h. Tables only: nothing here changes a state; the statements do, in the same words. */
#include "common/states.h"

#include <string.h>

static const struct {
    const char *name;
    bool transient;
} reasons[REASON_COUNT] = {
    [REASON_NONE] = {"none", false},
    [REASON_TIMEOUT] = {"timeout", true},
    [REASON_HTTP_5XX] = {"http_5xx", true},
    [REASON_HTTP_4XX] = {"http_4xx", false},
    [REASON_HTTP_429] = {"http_429", true},
    [REASON_HTTP_408] = {"http_408", true},
    [REASON_REDIRECT] = {"redirect", false},
    [REASON_CONNECTION_REFUSED] = {"connection_refused", true},
    [REASON_CONNECTION_RESET] = {"connection_reset", true},
    [REASON_DNS] = {"dns", true}, /* SERVFAIL; NXDOMAIN is permanent and says so per attempt */
    [REASON_TLS] = {"tls", true},
    [REASON_NETWORK] = {"network", true},
    [REASON_ADDRESS_REFUSED] = {"address_refused", false},
    [REASON_RESPONSE_TOO_LARGE] = {"response_too_large", true},
    [REASON_INVALID_RESPONSE] = {"invalid_response", true},
    [REASON_RETRIES_EXHAUSTED] = {"retries_exhausted", true},
    [REASON_CIRCUIT_OPEN] = {"circuit_open", true},
    [REASON_PAYLOAD_REJECTED] = {"payload_rejected", false},
    [REASON_PAYLOAD_TOO_LARGE] = {"payload_too_large", false},
    [REASON_ENDPOINT_DISABLED] = {"endpoint_disabled", false},
    [REASON_TRANSFORM_FAILED] = {"transform_failed", false},
    [REASON_INTERNAL] = {"internal", false},
    [REASON_UNROUTABLE] = {"unroutable", false},
};

/* Seed 003's spellings. */
static const struct {
    const char *name;
    enum reason reason;
} synonyms[] = {{"5xx", REASON_HTTP_5XX}, {"circuit_breaker", REASON_CIRCUIT_OPEN}};

static const char *const entry_names[] = {
    [ENTRY_OPEN] = "open",         [ENTRY_REPLAYING] = "replaying", [ENTRY_RESOLVED] = "resolved",
    [ENTRY_REFAILED] = "refailed", [ENTRY_DISCARDED] = "discarded", [ENTRY_EXPIRED] = "expired",
    [ENTRY_PURGED] = "purged",
};
#define ENTRY_STATES ((int)(sizeof entry_names / sizeof *entry_names))

const struct entry_transition states_entry[] = {
    {ENTRY_OPEN, ENTRY_REDRIVE, ENTRY_REPLAYING, "a new delivery was made from it"},
    {ENTRY_REPLAYING, ENTRY_DELIVERED, ENTRY_RESOLVED, "the re-drive arrived"},
    {ENTRY_REPLAYING, ENTRY_FAILED, ENTRY_REFAILED, "the re-drive died; its own entry is open"},
    {ENTRY_REPLAYING, ENTRY_CANCELLED, ENTRY_OPEN, "the re-drive was cancelled"},
    {ENTRY_OPEN, ENTRY_DISCARD, ENTRY_DISCARDED, "an operator let it go, with a reason"},
    {ENTRY_DISCARDED, ENTRY_RESTORE, ENTRY_OPEN, "an operator took it back"},
    {ENTRY_OPEN, ENTRY_PURGE, ENTRY_PURGED, "an operator erased it; a tombstone stays"},
    {ENTRY_DISCARDED, ENTRY_PURGE, ENTRY_PURGED, "an operator erased it; a tombstone stays"},
};
const size_t states_entry_count = sizeof states_entry / sizeof *states_entry;

enum entry_state states_entry_next(enum entry_state from, enum entry_event event)
{
    for (size_t i = 0; i < states_entry_count; i++)
        if (states_entry[i].from == from && states_entry[i].event == event)
            return states_entry[i].to;
    return 0;
}

const struct operation_transition states_operation[] = {
    {OPERATION_PLANNED, OPERATION_START, OPERATION_RUNNING, "its time has come"},
    {OPERATION_PLANNED, OPERATION_PAUSE, OPERATION_PAUSED, "an operator wants it to wait"},
    {OPERATION_PLANNED, OPERATION_CANCEL, OPERATION_CANCELLING, "an operator called it off"},
    {OPERATION_PLANNED, OPERATION_EXPIRE, OPERATION_FAILED, "its time never came"},
    {OPERATION_RUNNING, OPERATION_PAUSE, OPERATION_PAUSED, "an operator, or too much of it failed"},
    {OPERATION_RUNNING, OPERATION_CANCEL, OPERATION_CANCELLING, "nothing more is started"},
    {OPERATION_RUNNING, OPERATION_EXPIRE, OPERATION_FAILED, "seven days are over"},
    {OPERATION_RUNNING, OPERATION_BREAK, OPERATION_FAILED, "its statement fails"},
    {OPERATION_RUNNING, OPERATION_FINISH, OPERATION_COMPLETED, "every item has ended"},
    {OPERATION_RUNNING, OPERATION_FINISH_WITH_FAILURES, OPERATION_COMPLETED_WITH_FAILURES,
     "every item has ended, some failed"},
    {OPERATION_PAUSED, OPERATION_RESUME, OPERATION_RUNNING, "an operator lets it go on"},
    {OPERATION_PAUSED, OPERATION_REPLAN, OPERATION_PLANNED,
     "an operator lets it wait for its time"},
    {OPERATION_PAUSED, OPERATION_CANCEL, OPERATION_CANCELLING, "an operator called it off"},
    {OPERATION_PAUSED, OPERATION_EXPIRE, OPERATION_FAILED, "seven days are over"},
    {OPERATION_PAUSED, OPERATION_FINISH, OPERATION_COMPLETED, "the last ones ended meanwhile"},
    {OPERATION_PAUSED, OPERATION_FINISH_WITH_FAILURES, OPERATION_COMPLETED_WITH_FAILURES,
     "the last ones ended meanwhile, some failed"},
    {OPERATION_CANCELLING, OPERATION_EXPIRE, OPERATION_FAILED, "seven days are over"},
    {OPERATION_CANCELLING, OPERATION_DRAINED, OPERATION_CANCELLED, "nothing is under way any more"},
};
const size_t states_operation_count = sizeof states_operation / sizeof *states_operation;

enum operation_state states_operation_next(enum operation_state from, enum operation_event event)
{
    for (size_t i = 0; i < states_operation_count; i++)
        if (states_operation[i].from == from && states_operation[i].event == event)
            return states_operation[i].to;
    return 0;
}

static const char *const operation_names[] = {
    [OPERATION_PLANNED] = "planned",
    [OPERATION_RUNNING] = "running",
    [OPERATION_PAUSED] = "paused",
    [OPERATION_CANCELLING] = "cancelling",
    [OPERATION_CANCELLED] = "cancelled",
    [OPERATION_COMPLETED] = "completed",
    [OPERATION_FAILED] = "failed",
    [OPERATION_COMPLETED_WITH_FAILURES] = "completed_with_failures",
};

static const char *const kind_names[] = {
    [OPERATION_REDRIVE] = "re-drive",
    [OPERATION_DISCARD] = "discard",
    [OPERATION_RESTORE] = "restore",
    [OPERATION_PURGE] = "purge",
};

static const char *const cause_names[] = {
    [CAUSE_EXPIRED] = "expired",
    [CAUSE_PURGED] = "purged",
    [CAUSE_DISCARDED] = "discarded",
    [CAUSE_NOT_OPEN] = "not-open",
    [CAUSE_ALREADY_REPLAYING] = "already-replaying",
    [CAUSE_WEBHOOK_DELETED] = "webhook-deleted",
    [CAUSE_PAYLOAD_EXPIRED] = "payload-expired",
    [CAUSE_ENDPOINT_DISABLED] = "endpoint-disabled",
    [CAUSE_NOT_DISCARDED] = "not-discarded",
    [CAUSE_ORIGINAL_UNKNOWN] = "original-unknown",
};

#define COUNT(names) ((int)(sizeof names / sizeof *names))

static bool same(const char *name, const char *s, size_t n)
{
    return strlen(name) == n && memcmp(name, s, n) == 0;
}

const char *states_reason_name(int reason)
{
    return reason > REASON_NONE && reason < REASON_COUNT ? reasons[reason].name : NULL;
}

int states_reason_parse(const char *s, size_t n)
{
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
        if (same(reasons[i].name, s, n))
            return i;
    for (size_t i = 0; i < sizeof synonyms / sizeof *synonyms; i++)
        if (same(synonyms[i].name, s, n))
            return (int)synonyms[i].reason;
    return -1;
}

bool states_reason_transient(enum reason reason)
{
    return reasons[reason].transient;
}

const char *states_entry_name(int state)
{
    return state >= ENTRY_OPEN && state < ENTRY_STATES ? entry_names[state] : NULL;
}

int states_entry_parse(const char *s, size_t n)
{
    for (int i = ENTRY_OPEN; i < ENTRY_STATES; i++)
        if (same(entry_names[i], s, n))
            return i;
    return -1;
}

const char *states_outcome_name(int outcome)
{
    static const char *const names[] = {"delivered", "tempfail", "permfail", "cancelled"};
    return outcome >= 0 && outcome <= OUTCOME_CANCELLED ? names[outcome] : NULL;
}

static int parse(const char *const *names, int count, const char *s, size_t n)
{
    for (int i = 1; i < count; i++)
        if (same(names[i], s, n))
            return i;
    return -1;
}

const char *states_operation_name(int state)
{
    return state >= OPERATION_PLANNED && state < COUNT(operation_names) ? operation_names[state]
                                                                        : NULL;
}

int states_operation_parse(const char *s, size_t n)
{
    return parse(operation_names, COUNT(operation_names), s, n);
}

const char *states_operation_kind_name(int kind)
{
    return kind >= OPERATION_REDRIVE && kind < COUNT(kind_names) ? kind_names[kind] : NULL;
}

int states_operation_kind_parse(const char *s, size_t n)
{
    return parse(kind_names, COUNT(kind_names), s, n);
}

const char *states_item_cause_name(int cause)
{
    return cause > CAUSE_NONE && cause < COUNT(cause_names) ? cause_names[cause] : NULL;
}
