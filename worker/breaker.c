/* See breaker.h. */
#include "worker/breaker.h"

#include <string.h>

const struct breaker_transition breaker_transitions[] = {
    {BREAKER_CLOSED, BREAKER_TRIPPED, BREAKER_OPEN, "too many of the last requests failed"},
    {BREAKER_OPEN, BREAKER_COOLED, BREAKER_HALF_OPEN, "the cool-down is over: one probe at a time"},
    {BREAKER_HALF_OPEN, BREAKER_PROBE_FAILED, BREAKER_OPEN, "a probe failed: twice the cool-down"},
    {BREAKER_HALF_OPEN, BREAKER_RECOVERED, BREAKER_CLOSED, "probes succeeded"},
    {BREAKER_OPEN, BREAKER_RESET, BREAKER_CLOSED, "the webhook was changed"},
    {BREAKER_HALF_OPEN, BREAKER_RESET, BREAKER_CLOSED, "the webhook was changed"},
};
const size_t breaker_transitions_count = sizeof breaker_transitions / sizeof *breaker_transitions;

/* The one setter. False: the event means nothing in this state. */
static bool change(struct breaker *b, enum breaker_event event)
{
    for (size_t i = 0; i < breaker_transitions_count; i++)
        if (breaker_transitions[i].from == b->state && breaker_transitions[i].event == event) {
            b->state = breaker_transitions[i].to;
            b->era++;
            b->probes = 0;
            memset(b->slices, 0, sizeof b->slices);
            return true;
        }
    return false;
}

static void begin_cooldown(struct breaker *b, int64_t first_ms, bool again, int64_t now_ms)
{
    int64_t ms = again ? b->cooldown_ms * 2 : first_ms;
    b->cooldown_ms = ms > BREAKER_COOLDOWN_MAX_MS ? BREAKER_COOLDOWN_MAX_MS : ms;
    b->until_ms = now_ms + b->cooldown_ms;
}

static void begin_ramp(struct breaker *b, int64_t now_ms)
{
    b->ncited = 0; /* told with the closing; what opens it next is another story */
    b->closed_at_ms = now_ms;
    b->ramp_second = b->ramp_begun = 0;
}

bool breaker_may_send(const struct breaker *b, int inflight, int64_t now_ms)
{
    if (b->state != BREAKER_CLOSED)
        return b->state == BREAKER_HALF_OPEN && inflight == 0;
    int64_t second = b->closed_at_ms ? (now_ms - b->closed_at_ms) / 1000 : BREAKER_RAMP_S;
    if (second >= BREAKER_RAMP_S)
        return true;
    return second != b->ramp_second || b->ramp_begun < 1 << second;
}

void breaker_began(struct breaker *b, int64_t now_ms)
{
    if (!b->closed_at_ms)
        return;
    int64_t second = (now_ms - b->closed_at_ms) / 1000;
    if (second != b->ramp_second) {
        b->ramp_second = second;
        b->ramp_begun = 0;
    }
    b->ramp_begun += b->ramp_begun < 1 << BREAKER_RAMP_S;
}

static void count(struct breaker *b, const struct breaker_rules *rules, bool failed, int64_t now_ms)
{
    int64_t number = now_ms * BREAKER_SLICES / rules->window_ms;
    int i = (int)(number % BREAKER_SLICES);
    if (b->slices[i].number != number) {
        b->slices[i].number = number;
        b->slices[i].requests = b->slices[i].failures = 0;
    }
    b->slices[i].requests++;
    b->slices[i].failures += failed;
}

static bool too_many(struct breaker *b, const struct breaker_rules *rules, int64_t now_ms)
{
    int64_t number = now_ms * BREAKER_SLICES / rules->window_ms;
    b->requests = b->failures = 0;
    for (int i = 0; i < BREAKER_SLICES; i++)
        if (number - b->slices[i].number < BREAKER_SLICES) {
            b->requests += b->slices[i].requests;
            b->failures += b->slices[i].failures;
        }
    return b->requests >= rules->requests &&
           b->failures * 100 >= b->requests * rules->failure_percent;
}

static void cite(struct breaker *b, const struct uuid *delivery)
{
    memmove(b->cited + 1, b->cited, (BREAKER_CITED - 1) * sizeof *b->cited);
    b->cited[0] = *delivery;
    b->ncited += b->ncited < BREAKER_CITED;
}

static bool probed(struct breaker *b, bool failed, int64_t now_ms)
{
    if (failed) {
        begin_cooldown(b, 0, true, now_ms);
        return change(b, BREAKER_PROBE_FAILED);
    }
    if (++b->probes < BREAKER_PROBES)
        return false;
    begin_ramp(b, now_ms);
    return change(b, BREAKER_RECOVERED);
}

bool breaker_result(struct breaker *b, const struct breaker_rules *rules, bool failed,
                    const struct uuid *delivery, int64_t now_ms)
{
    if (b->state == BREAKER_OPEN || !rules->requests)
        return false; /* it was begun before: nothing new is learnt */
    if (b->state == BREAKER_HALF_OPEN)
        return probed(b, failed, now_ms);
    if (failed)
        cite(b, delivery);
    count(b, rules, failed, now_ms);
    if (!failed || !too_many(b, rules, now_ms))
        return false;
    bool again = b->closed_at_ms && now_ms - b->closed_at_ms < BREAKER_MEMORY_MS;
    begin_cooldown(b, rules->cooldown_ms, again, now_ms);
    return change(b, BREAKER_TRIPPED);
}

bool breaker_cool(struct breaker *b, int64_t now_ms)
{
    return b->state == BREAKER_OPEN && now_ms >= b->until_ms && change(b, BREAKER_COOLED);
}

bool breaker_probe_now(struct breaker *b, int64_t now_ms)
{
    if (b->state == BREAKER_OPEN)
        b->until_ms = now_ms;
    return breaker_cool(b, now_ms);
}

bool breaker_reset(struct breaker *b)
{
    bool changed = change(b, BREAKER_RESET);
    /* another address, another story: no ramp */
    *b = (struct breaker){.state = b->state, .era = b->era + 1};
    return changed;
}

void breaker_restore(struct breaker *b, enum breaker_state state, int64_t left_ms,
                     int64_t cooldown_ms, int64_t now_ms)
{
    *b = (struct breaker){.state = state,
                          .era = b->era + 1,
                          .until_ms = now_ms + (left_ms > 0 ? left_ms : 0),
                          .cooldown_ms = cooldown_ms};
}
