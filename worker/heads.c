/*
 * Rows read ahead (see reading.h): the oldest of each destination that runs low, and large payloads one by one.
 *
 * Owns the ghosts: rows whose completion was answered while a query was under way that may still show them. Must never
 * take up a row that is held, nor pass one over: what could not be taken (no memory, a drawer that was not asked for)
 * leaves the destination's cursor before it.
 */
#include "worker/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/row.h"

void heads_bury_ghosts(struct reader *r)
{
    while (r->ghosts) {
        struct delivery *d = r->ghosts;
        r->ghosts = d->next;
        delivery_table_remove(r->set.held, d);
        delivery_free(d);
    }
}

void heads_unanswered(struct destination *d, void *unused)
{
    (void)unused;
    for (int i = 0; i < LANES; i++) {
        d->lanes[i].backlog = d->lanes[i].backlog || d->lanes[i].reading;
        d->lanes[i].reading = false;
    }
}

/* Was the drawer among those that the query looked into? If not it is from now on, in place of the oldest. */
static bool drawer_asked(struct reader *r, int32_t drawer)
{
    bool listed = false;
    for (int i = 0; i < LIMIT_DRAWERS; i++) {
        if (r->heads_drawers[i] == drawer)
            return true;
        listed = listed || r->drawers[i] == drawer;
    }
    if (!listed) {
        r->drawers[r->next_drawer] = drawer;
        r->next_drawer = (r->next_drawer + 1) % LIMIT_DRAWERS;
    }
    return false;
}

/* False: not now (no memory, or its source was not found for the first time). */
static bool take_row(struct reader *r, struct destination *dest, const PGresult *res, int i)
{
    bool no_source = PQgetisnull(res, i, 13);
    struct lane *lane = &dest->lanes[row_int2(res, i, 7)];
    if (no_source && lane->missing_pos != row_int8(res, i, 1)) {
        lane->missing_pos = row_int8(res, i, 1); /* carried between two looks, perhaps: once more */
        return false;
    }
    const char *channel = PQgetisnull(res, i, 14) ? NULL : PQgetvalue(res, i, 14);
    const char *payload = PQgetisnull(res, i, 15) ? NULL : PQgetvalue(res, i, 15);
    struct delivery *row = delivery_new(
        no_source ? NULL : PQgetvalue(res, i, 13), (size_t)PQgetlength(res, i, 13), channel,
        (size_t)PQgetlength(res, i, 14), payload, (size_t)PQgetlength(res, i, 15));
    if (!row)
        return false;
    if (!PQgetisnull(res, i, 16) && delivery_aim(row, PQgetvalue(res, i, 16), r->set.allow)) {
        delivery_free(row);
        return false;
    }
    row_read(res, i, row);
    if (payload)
        row->payload_bytes = PQgetlength(res, i, 15); /* never more than there is */
    row->dest = dest;
    delivery_table_add(r->set.held, row);
    if (no_source)
        r->owner.ends(r->owner.arg, row, REASON_INTERNAL, "source_missing",
                      "its event is no longer there");
    else
        destination_enqueue(dest, row);
    return true;
}

static void heads_read(void *arg, PGresult *res)
{
    struct reader *r = arg;
    if (!res)
        return; /* reader_lost has put everything back */
    r->heads_under_way = false;
    if (!reading_good(r, res, "heads")) {
        destinations_each(r->set.destinations, heads_unanswered, NULL);
        return;
    }
    for (int i = 0; i < PQntuples(res); i++) {
        struct destination *d = destinations_find(r->set.destinations, row_int4(res, i, 2));
        int64_t pos = row_int8(res, i, 1);
        struct lane *lane = d ? &d->lanes[row_int2(res, i, 7)] : NULL;
        if (!lane || !lane->reading)
            continue;
        lane->backlog = true; /* there was something: ask again beyond it */
        if (!drawer_asked(r, row_int4(res, i, 5))) {
            lane->reading = false; /* from this row on, with its drawer, next time */
            r->owner.changed(r->owner.arg, d);
            continue;
        }
        if (!delivery_table_find(r->set.held, pos) && !take_row(r, d, res, i)) {
            lane->reading = false; /* again from here */
            continue;
        }
        if (pos > lane->after)
            lane->after = pos;
    }
    heads_bury_ghosts(r);
}

struct heads_request {
    struct reader *r;
    int64_t now_ms;
    int least; /* rows for a destination with a narrow window: few while thousands are served */
    int rows;
    unsigned seen, from;
};

static void want_heads(struct destination *d, void *arg)
{
    struct heads_request *q = arg;
    struct reader *r = q->r;
    if (q->seen++ < q->from || q->rows >= LIMIT_HEADS_ROWS ||
        r->set.leases->state[d->shard] != LEASE_HELD)
        return;
    for (int i = 0; i < LANES; i++) {
        int k = destination_wants_heads(d, i, q->now_ms, q->least);
        if (!k)
            continue;
        d->lanes[i].reading = true;
        d->lanes[i].backlog = false; /* until the answer, or an arrival meanwhile, says otherwise */
        pg_array_int2(&r->shards, d->shard);
        pg_array_int4(&r->ints, d->webhook_id);
        pg_array_int2(&r->classes, (int16_t)i);
        pg_array_int8(&r->longs, d->lanes[i].after);
        pg_array_int4(&r->ints2, k);
        q->rows += k;
    }
    if (q->rows >= LIMIT_HEADS_ROWS)
        r->turn = q->seen; /* the next query goes on behind this one */
}

static void heads_done(struct destination *d, void *arg)
{
    struct reader *r = arg;
    bool any = false;
    for (int i = 0; i < LANES; i++) {
        any = any || d->lanes[i].reading;
        d->lanes[i].reading = false;
    }
    if (any)
        r->owner.changed(r->owner.arg, d);
}

static void heads_answered(void *arg, PGresult *res)
{
    struct reader *r = arg;
    heads_read(arg, res);
    if (res)
        destinations_each(r->set.destinations, heads_done, r);
}

int heads_ask(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    struct reading_args a = {0};
    int least = delivery_table_count(r->set.held) < LIMIT_PREFETCH / 8 ? 8 : 2;
    struct heads_request q = {.r = r, .now_ms = now_ms, .least = least, .from = r->turn};
    if (delivery_table_count(r->set.held) >= LIMIT_PREFETCH)
        return -1;
    pg_array_clear(&r->shards);
    pg_array_clear(&r->ints);
    pg_array_clear(&r->classes);
    pg_array_clear(&r->longs);
    pg_array_clear(&r->ints2);
    r->payload_was_last = false;
    r->turn = 0;
    destinations_each(r->set.destinations, want_heads, &q);
    if (!q.rows && q.from) {
        q = (struct heads_request){.r = r, .now_ms = now_ms, .least = least};
        destinations_each(r->set.destinations, want_heads, &q);
    }
    if (!q.rows)
        return -1;
    reading_arg_array(&a, &r->shards);
    reading_arg_array(&a, &r->ints);
    reading_arg_array(&a, &r->classes);
    reading_arg_array(&a, &r->longs);
    reading_arg_array(&a, &r->ints2);
    char drawers[LIMIT_DRAWERS][16];
    const struct sql_statement *s = named_for(&r->heads, pipe, r->drawers, LIMIT_DRAWERS);
    bool named = s == &r->heads.now;
    memcpy(r->heads_drawers, named ? r->heads.drawers : r->drawers, sizeof r->heads_drawers);
    for (int i = 0; i < LIMIT_DRAWERS && !named; i++) {
        snprintf(drawers[i], sizeof drawers[i], "%d", r->drawers[i]);
        reading_arg_text(&a, drawers[i]);
    }
    r->heads_under_way = true;
    return reading_ask_this(r, pipe, s, &a, true, heads_answered);
}

int heads_name_drawers(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    return named_prepare(&r->heads, pipe, r->drawers, LIMIT_DRAWERS, now_ms);
}

/* --- large payloads ----------------------------------------------------------------------------------------------- */

static void payload_read(void *arg, PGresult *res)
{
    struct reader *r = arg;
    struct destination *d = destinations_find(r->set.destinations, r->payload_webhook);
    r->payload_webhook = 0;
    if (!reading_good(r, res, "payload") || !d)
        return;
    struct lane *lane = &d->lanes[r->payload_lane];
    struct delivery *row = lane->head;
    lane->wants_payload = false;
    if (!row || row->pos != r->payload_pos || row->payload)
        return;
    if (!PQntuples(res)) { /* cancelled, or somebody else's by now */
        lane_dequeue(lane);
        reader_release_row(r, row);
    } else {
        delivery_set_payload(row, PQgetvalue(res, 0, 0), (size_t)PQgetlength(res, 0, 0));
    }
    r->owner.changed(r->owner.arg, d);
}

struct payload_request {
    struct destination *found;
    int lane;
    unsigned seen, from;
};

static void want_payload(struct destination *d, void *arg)
{
    struct payload_request *q = arg;
    if (q->found || q->seen++ < q->from)
        return;
    for (int i = 0; i < LANES && !q->found; i++)
        if (d->lanes[i].wants_payload && d->lanes[i].head && !d->lanes[i].head->payload) {
            q->found = d;
            q->lane = i;
        }
}

int heads_ask_payload(struct reader *r, struct pipe *pipe, int64_t now_ms)
{
    (void)now_ms;
    struct reading_args a = {0};
    char shard[8], webhook[16], lane[8], pos[24];
    struct payload_request q = {.from = r->payload_turn};
    destinations_each(r->set.destinations, want_payload, &q);
    if (!q.found && q.from) {
        q = (struct payload_request){0};
        destinations_each(r->set.destinations, want_payload, &q);
    }
    struct destination *d = q.found;
    if (!d)
        return -1;
    r->payload_turn =
        q.seen; /* the next one is another's: nobody's large bodies stand before all others */
    r->payload_was_last = true;
    r->payload_webhook = d->webhook_id;
    r->payload_lane = q.lane;
    r->payload_pos = d->lanes[q.lane].head->pos;
    snprintf(shard, sizeof shard, "%d", d->shard);
    snprintf(webhook, sizeof webhook, "%d", d->webhook_id);
    snprintf(lane, sizeof lane, "%d", q.lane);
    snprintf(pos, sizeof pos, "%lld", (long long)r->payload_pos);
    reading_arg_text(&a, shard);
    reading_arg_text(&a, webhook);
    reading_arg_text(&a, lane);
    reading_arg_text(&a, pos);
    return reading_ask(r, pipe, WORKER_SQL_PAYLOAD, &a, true, payload_read);
}
