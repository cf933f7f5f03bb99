/*
 * From a lane to a request (see sending.h): whose turn it is, which of its lanes, its name looked up, its request begun.
 *
 * The only place where a request begins. Must never begin one without a slot, without a lease that lasts, or to a
 * destination that is held.
 */
#include "worker/sending.h"

#include <stdlib.h>
#include <string.h>

#include "worker/clock.h"

static void inject_fault(const struct sender *s, const struct delivery *row)
{
    if (s->fault_type && row->type && strcmp(s->fault_type, row->type) == 0)
        abort();
}

/* What it means that there is no address to connect to. */
static const struct lookup_failure {
    enum resolver_answer answer;
    enum reason reason;
    bool permanent;
    const char *code, *why;
} lookup_failures[] = {
    {RESOLVER_REFUSED, REASON_ADDRESS_REFUSED, true, "address_refused",
     "the name has no address that is public or on the operator's allow list"},
    {RESOLVER_NO_NAME, REASON_DNS, true, "nxdomain", "the name does not exist"},
    {RESOLVER_SERVFAIL, REASON_DNS, false, "dns_servfail",
     "the name servers could not look up the name"},
    {RESOLVER_TIMEOUT, REASON_DNS, false, "dns_timeout", "the name servers did not answer in time"},
};

static const struct lookup_failure *lookup_failure(enum resolver_answer answer)
{
    for (size_t i = 0; i < sizeof lookup_failures / sizeof *lookup_failures; i++)
        if (lookup_failures[i].answer == answer)
            return &lookup_failures[i];
    return NULL;
}

static void start_transfer(struct sender *s, struct attempt *a, const struct sockaddr_storage *pin)
{
    struct delivery *row = a->delivery;
    struct destination *d = row->dest;
    if (transfers_start(s->transfers, a, destination_target(row)->url.is_literal ? NULL : pin)) {
        outcomes_fail(s, a, REASON_INTERNAL, false, "no_memory", "the request could not be made");
        return;
    }
    admission_begin(&s->admission, d, row, s->now_ms);
    destination_request_begins(d, s->now_ms);
    remotes_begin(s->remotes, row->remote, s->now_ms);
    inject_fault(s, row);
}

/* The request of a row that was taken from its lane. `answer`: what its name resolved to. */
static void begin(struct sender *s, struct delivery *row, enum resolver_answer answer,
                  const struct sockaddr_storage *pin)
{
    const struct target *to = destination_target(row);
    const struct lookup_failure *failure = lookup_failure(answer);
    struct attempt *a = attempt_new(row, ATTEMPT_REQUEST, clock_us());
    if (!a) {
        suspects_survived(s, row);
        dispatch_requeue(s, row);
        return;
    }
    s->leases.busy[row->shard]++;
    row->state = DELIVERY_SENDING;
    row->era = row->dest->breaker.era;
    a->url = strdup(to->shown ? to->shown : "");
    if (to->refused)
        outcomes_fail(s, a, REASON_ADDRESS_REFUSED, true, "url_refused", to->refused);
    else if (failure)
        outcomes_fail(s, a, failure->reason, failure->permanent, failure->code, failure->why);
    else
        start_transfer(s, a, pin);
}

/* Where it goes: the address of a literal, or what its name resolved to. */
static enum resolver_answer look_up(struct sender *s, const struct delivery *row,
                                    struct sockaddr_storage *pin)
{
    if (row->own)
        target_judge(row->own, &s->allow); /* settings do it for the webhook's */
    const struct target *to = destination_target(row);
    *pin = to->url.addr;
    if (to->refused || to->url.is_literal)
        return RESOLVER_HIT;
    return resolver_get(s->resolver, row->project_id, to->url.host, s->now_ms, pin);
}

/* A row that has an address of its own keeps only its lane waiting: the webhook's others go elsewhere. False: it has none. */
static bool waits_alone(struct lane *lane)
{
    return lane->wants_address = lane->head->own != NULL;
}

/* Takes one delivery of a lane as far as it goes now. False: it waits, and so does its destination. */
static bool send_one(struct sender *s, struct destination *d, struct lane *lane)
{
    struct sockaddr_storage pin;
    struct delivery *row = lane->head;
    if (!row->payload) {
        lane->wants_payload = true;
        return true; /* the other lanes need not wait for it */
    }
    enum shaping_step step = shaping_pass(s, d, lane);
    if (step != SHAPING_PASSED)
        return step == SHAPING_TAKEN;
    enum resolver_answer answer = look_up(s, row, &pin);
    if (answer == RESOLVER_PENDING) {
        d->resolving = !waits_alone(lane);
        return !d->resolving;
    }
    row->remote = NULL;
    if (answer == RESOLVER_HIT && !destination_target(row)->refused &&
        !remotes_may_send(s->remotes, d->set.project_id, &pin, s->now_ms, &row->remote)) {
        if (waits_alone(lane))
            return true;
        remotes_wait(row->remote, d);
        return false;
    }
    lane_dequeue(lane);
    turns_charge(s->turns, d, row->payload_bytes);
    if (!suspects_put_aside(s, row))
        begin(s, row, answer, &pin);
    return true;
}

/* It was its turn: one delivery of the lane that is due, if there is room for it. */
static void serve(struct sender *s, struct destination *d)
{
    int full;
    if (!destination_may_send(d, s->now_ms) || !leases_may_send(&s->leases, d->shard, s->now_ms))
        return;
    admission_restand(&s->admission, d, s->now_ms);
    int lane = admission_pick(&s->admission, d, &full);
    if (lane >= 0 && send_one(s, d, &d->lanes[lane]))
        dispatch_offer(s, d);
    else if (full >= 0)
        turns_put_aside(s->turns, d, (enum share)full);
}

void dispatch_offer(struct sender *s, struct destination *d)
{
    if (d->place == PLACE_OUT && destination_may_send(d, s->now_ms))
        turns_join(s->turns, d);
}

void dispatch_requeue(struct sender *s, struct delivery *row)
{
    struct destination *d = row->dest;
    destination_enqueue(d, row);
    if (destination_held(d) || d->breaker.state == BREAKER_OPEN)
        destination_forget_queue(d,
                                 s->held); /* what is held may not be read ahead, see waiting.c */
    dispatch_offer(s, d);
}

static bool room(const struct sender *s)
{
    return admission_open(&s->admission) && !transfers_full(s->transfers) &&
           !writer_full(s->writer);
}

void dispatch_admit(struct sender *s)
{
    struct destination *d;
    suspects_return(s);
    while (room(s) && (d = turns_next(s->turns)))
        serve(s, d);
}

void dispatch_recall(struct sender *s, const struct destination *d, const struct delivery *row)
{
    turns_recall(s->turns, (enum share)row->class_);
    turns_recall(s->turns, (enum share)(LANES + d->standing));
    if (d->standing != STANDING_GOOD)
        turns_recall(s->turns, SHARE_DOUBTFUL);
    struct destination *waiting = remotes_recall(s->remotes, row->remote, s->now_ms);
    if (waiting)
        turns_join(s->turns, waiting);
}

void dispatch_recall_all(struct sender *s)
{
    struct destination *waiting;
    while ((waiting = remotes_recall_any(s->remotes, s->now_ms)))
        turns_join(s->turns, waiting);
    for (int i = 0; i < SHARES; i++)
        while (admission_has_room(&s->admission, (enum share)i) &&
               turns_recall(s->turns, (enum share)i))
            ;
}
