/*
 * Events come in: POST /v1/events and /v1/events/batch. (Reading them back: event_views.c.)
 *
 * Owns the promise "accepted means committed": 202 is answered after one statement stored the event, its dedup key and
 * every delivery, and that statement has committed. Must never wake a sender from inside it (a NOTIFY in the transaction
 * takes a lock of the whole cluster). A crash before the commit stores nothing; after it, the producer's repetition is
 * answered as a duplicate if it carries a key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "common/event_type.h"
#include "common/pg_array.h"
#include "fcgi/event_input.h"
#include "fcgi/event_refusal.h"
#include "fcgi/event_schemas.h"
#include "fcgi/handlers.h"
#include "fcgi/idempotency.h"
#include "fcgi/page.h"
#include "fcgi_sql.h"

#define KEY_BYTES 16 /* of SHA-256: enough that two keys never meet by chance */
#define BASE_BYTES 14
#define KEY_RACE_TRIES 3

/* --- keys --------------------------------------------------------------------------------------------------------- */

static void digest(const void *a, size_t alen, const void *b, size_t blen,
                   unsigned char out[KEY_BYTES])
{
    unsigned char full[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) || !EVP_DigestUpdate(ctx, a, alen) ||
        !EVP_DigestUpdate(ctx, b, blen) || !EVP_DigestFinal_ex(ctx, full, &n))
        abort(); /* SHA-256 is always there */
    EVP_MD_CTX_free(ctx);
    memcpy(out, full, KEY_BYTES);
}

/* On events it is a dedup key: no answer is stored. -1: answered, 0: there is none, 1: *key is set. */
static int read_idempotency_key(struct call *c, char key[LIMIT_IDEMPOTENCY_KEY_BYTES + 1])
{
    const char *given = "";
    size_t n = 0;
    int present = idempotency_key(c, &given, &n);
    memcpy(key, given, n);
    key[n] = '\0';
    return present;
}

/* externalId, else the Idempotency-Key (in a batch with the index). False: no dedup. */
static bool dedup_key(const struct event_input *e, const char *idempotency, int index,
                      unsigned char out[KEY_BYTES])
{
    char text[LIMIT_IDEMPOTENCY_KEY_BYTES + 16];
    if (e->has_external_id) {
        digest("external", 8, e->external_id, strlen(e->external_id), out);
        return true;
    }
    if (!idempotency[0])
        return false;
    int n = index < 0 ? snprintf(text, sizeof text, "%s", idempotency)
                      : snprintf(text, sizeof text, "%s %d", idempotency, index);
    digest("idempotency", 11, text, (size_t)n, out);
    return true;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static json_t *result_of(const struct uuid *id, int64_t deliveries)
{
    char text[IDS_TEXT_MAX];
    ids_format(ID_EVENT, id, text);
    if (deliveries > 0)
        return json_pack("{s:s, s:s, s:I}", "eventId", text, "status", "accepted", "deliveries",
                         (json_int_t)deliveries);
    return json_pack(
        "{s:s, s:s, s:i, s:s}", "eventId", text, "status", "unroutable", "deliveries", 0, "warning",
        "No webhook of this project takes this event; it is kept in the system scope.");
}

static json_t *duplicate_of(const struct uuid *first, bool differs)
{
    char text[IDS_TEXT_MAX];
    ids_format(ID_EVENT, first, text);
    json_t *o = json_pack("{s:s, s:s}", "eventId", text, "status", "duplicate");
    if (differs)
        json_object_set_new(o, "bodyDiffers", json_true());
    return o;
}

/* The rare second look: who holds the key that ours collided with. Returns NULL and sets *s if it cannot be told. */
static json_t *look_up_first(struct call *c, const unsigned char key[KEY_BYTES],
                             const unsigned char hash[KEY_BYTES], enum db_status *s)
{
    struct db_args a;
    PGresult *res;
    struct uuid first;
    json_t *o = NULL;
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    db_args_bytes(&a, key, KEY_BYTES);
    db_args_bytes(&a, hash, KEY_BYTES);
    *s = db_run(c->desk->db, &fcgi_sql[FCGI_SQL_EVENT_KEY], &a, &res);
    if (*s != DB_OK)
        return NULL;
    if (PQntuples(res) && db_uuid(res, 0, 0, &first) == 0)
        o = duplicate_of(&first, db_bool(res, 0, 1));
    else
        *s = DB_BUSY; /* the other request was rolled back meanwhile: the producer may try again */
    PQclear(res);
    return o;
}

static bool refuse_loop(struct call *c)
{
    if (!request_header(c->rq, "HTTP_DLO_DELIVERY_ID"))
        return false;
    response_problem(c->rs, 409, "delivery-loop",
                     "This request is itself a delivery (dlo-delivery-id): taking it in would go "
                     "round for ever.",
                     NULL, 0);
    return true;
}

static bool refuse_fanout(struct call *c, enum db_status s)
{
    if (s != DB_ABORTED || strcmp(db_message(c->desk->db), "fanout-too-large") != 0)
        return false;
    response_problem(c->rs, 422, "fanout-too-large",
                     "One call may make at most 10,000 deliveries. Nothing was stored.", NULL, 0);
    return true;
}

/* --- one event ---------------------------------------------------------------------------------------------------- */

struct single {
    struct event_input in;
    struct uuid id, base;
    bool keyed;
    unsigned char key[KEY_BYTES], hash[KEY_BYTES];
    struct pg_array patterns;
    char metadata[LIMIT_METADATA_BYTES + 1];
};

static void add_patterns(struct pg_array *to, const char *type)
{
    struct event_type_list list;
    event_type_patterns(type, &list);
    for (size_t i = 0; i < list.count; i++)
        pg_array_text(to, list.item[i]);
}

static enum db_status store(struct call *c, struct single *e, PGresult **res)
{
    struct db_args a;
    const struct event_input *in = &e->in;
    if (in->metadata.p) {
        memcpy(e->metadata, in->metadata.p, in->metadata.len);
        e->metadata[in->metadata.len] = '\0';
    }
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    db_args_uuid(&a, &e->id);
    db_args_text(&a, in->type);
    db_args_text(&a, in->has_channel ? in->channel : NULL);
    db_args_text(&a, in->has_customer_id ? in->customer_id : NULL);
    db_args_text(&a, in->has_external_id ? in->external_id : NULL);
    db_args_text(&a, in->has_routing_key ? in->routing_key : NULL);
    db_args_text(&a, in->metadata.p ? e->metadata : NULL);
    db_args_text(&a, in->has_occurred_at ? in->occurred_at : NULL);
    db_args_bytes(&a, in->payload.p, in->payload.len);
    if (e->keyed) {
        db_args_bytes(&a, e->key, KEY_BYTES);
        db_args_bytes(&a, e->hash, KEY_BYTES);
    }
    db_args_binary(&a, e->patterns.bytes.data, e->patterns.bytes.len);
    db_args_bytes(&a, e->base.b, BASE_BYTES);
    /* Two requests with one key on both sides of midnight: one of them is undone whole and looks again. */
    enum db_status s = DB_ABORTED;
    for (int i = 0; i < KEY_RACE_TRIES && s == DB_ABORTED; i++) {
        s = db_run(c->desk->db,
                   &fcgi_sql[e->keyed ? FCGI_SQL_EVENT_INGEST_KEYED : FCGI_SQL_EVENT_INGEST], &a,
                   res);
        if (s == DB_ABORTED && strcmp(db_message(c->desk->db), "key-race") != 0)
            break;
    }
    return s;
}

static void answer_single(struct call *c, struct single *e, const PGresult *res)
{
    struct uuid first;
    enum db_status s = DB_OK;
    if (db_bool(res, 0, 0)) {
        int64_t deliveries = db_int(res, 0, 1);
        page_count_events(deliveries > 0, 0, deliveries == 0, 0);
        response_json(c->rs, 202, result_of(&e->id, deliveries));
        if (deliveries)
            route_wake(c);
        return;
    }
    page_count_events(0, 1, 0, 0);
    if (db_uuid(res, 0, 2, &first) == 0) {
        response_json(c->rs, 200, duplicate_of(&first, db_bool(res, 0, 3)));
        return;
    }
    json_t *o = look_up_first(c, e->key, e->hash, &s);
    if (route_db_ok(c, s))
        response_json(c->rs, 200, o);
}

void events_post(struct call *c)
{
    struct single e;
    struct event_input_error err;
    char idempotency[LIMIT_IDEMPOTENCY_KEY_BYTES + 1] = "";
    PGresult *res;
    if (refuse_loop(c) || read_idempotency_key(c, idempotency) < 0)
        return;
    if (event_input_read(c->rq->body, c->rq->body_len, (size_t)c->who.max_payload_bytes, &e.in,
                         &err) ||
        event_schemas_check(c, &e.in, &err)) {
        event_refusal_answer(c, &err);
        page_count_events(0, 0, 0, 1);
        return;
    }
    ids_new(&e.id);
    ids_event_delivery_base(&e.base);
    e.keyed = dedup_key(&e.in, idempotency, -1, e.key);
    digest(e.in.payload.p, e.in.payload.len, "", 0, e.hash);
    pg_array_init(&e.patterns, PG_TEXT, EVENT_TYPE_PATTERNS_MAX * (LIMIT_NAME_BYTES + 8));
    add_patterns(&e.patterns, e.in.type);
    enum db_status s = store(c, &e, &res);
    pg_array_release(&e.patterns);
    if (refuse_fanout(c, s) || !route_db_ok(c, s))
        return;
    answer_single(c, &e, res);
    PQclear(res);
}

/* --- a batch ------------------------------------------------------------------------------------------------------ */

/* The arrays of event_batch.sql, in its order. */
enum batch_column {
    COL_ID,
    COL_TYPE,
    COL_CHANNEL,
    COL_CUSTOMER,
    COL_EXTERNAL,
    COL_ROUTING,
    COL_METADATA,
    COL_OCCURRED,
    COL_PAYLOAD,
    COL_KEY,
    COL_HASH,
    COL_BASE,
    COL_PATTERN_TYPE,
    COL_PATTERN,
    BATCH_COLUMNS
};

static const enum pg_type batch_types[BATCH_COLUMNS] = {
    PG_UUID, PG_TEXT,  PG_TEXT,  PG_TEXT,  PG_TEXT,  PG_TEXT, PG_TEXT,
    PG_TEXT, PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_TEXT, PG_TEXT};

struct batch_line {
    struct uuid id;
    bool rejected, keyed;
    struct event_input_error err;
    unsigned char key[KEY_BYTES], hash[KEY_BYTES];
};

struct batch {
    struct call *c;
    const char *idempotency;
    struct batch_line *lines;
    int count, taken;
    char last_type[LIMIT_NAME_BYTES + 1]; /* its patterns were added */
    struct pg_array columns[BATCH_COLUMNS];
};

static void text_or_null(struct pg_array *to, bool has, const char *s)
{
    if (has)
        pg_array_text(to, s);
    else
        pg_array_null(to);
}

/* Types often repeat: equal neighbours are added once, and the statement does not mind the rest. */
static void batch_patterns(struct batch *b, const char *type)
{
    struct event_type_list list;
    if (strcmp(b->last_type, type) == 0)
        return;
    snprintf(b->last_type, sizeof b->last_type, "%s", type);
    event_type_patterns(type, &list);
    for (size_t i = 0; i < list.count; i++) {
        pg_array_text(&b->columns[COL_PATTERN_TYPE], type);
        pg_array_text(&b->columns[COL_PATTERN], list.item[i]);
    }
}

static void batch_take(struct batch *b, struct batch_line *line, const struct event_input *e)
{
    struct pg_array *col = b->columns;
    struct uuid base;
    ids_new(&line->id);
    ids_event_delivery_base(&base);
    line->keyed = dedup_key(e, b->idempotency, b->count, line->key);
    digest(e->payload.p, e->payload.len, "", 0, line->hash);
    pg_array_uuid(&col[COL_ID], &line->id);
    pg_array_text(&col[COL_TYPE], e->type);
    text_or_null(&col[COL_CHANNEL], e->has_channel, e->channel);
    text_or_null(&col[COL_CUSTOMER], e->has_customer_id, e->customer_id);
    text_or_null(&col[COL_EXTERNAL], e->has_external_id, e->external_id);
    text_or_null(&col[COL_ROUTING], e->has_routing_key, e->routing_key);
    if (e->metadata.p)
        pg_array_bytes(&col[COL_METADATA], e->metadata.p, e->metadata.len);
    else
        pg_array_null(&col[COL_METADATA]);
    text_or_null(&col[COL_OCCURRED], e->has_occurred_at, e->occurred_at);
    pg_array_bytes(&col[COL_PAYLOAD], e->payload.p, e->payload.len);
    if (line->keyed)
        pg_array_bytes(&col[COL_KEY], line->key, KEY_BYTES);
    else
        pg_array_null(&col[COL_KEY]);
    pg_array_bytes(&col[COL_HASH], line->hash, KEY_BYTES);
    pg_array_bytes(&col[COL_BASE], base.b, BASE_BYTES);
    batch_patterns(b, e->type);
    b->taken++;
}

static int batch_line(void *arg, size_t index, struct json_slice text)
{
    struct batch *b = arg;
    struct event_input e;
    (void)index;
    if (b->count >= LIMIT_BATCH_EVENTS)
        return 1;
    struct batch_line *line = &b->lines[b->count];
    line->rejected = event_input_read(text.p, text.len, (size_t)b->c->who.max_payload_bytes, &e,
                                      &line->err) != 0 ||
                     event_schemas_check(b->c, &e, &line->err) != 0;
    if (!line->rejected)
        batch_take(b, line, &e);
    b->count++;
    return 0;
}

static void answer_too_many(struct call *c)
{
    response_problem(c->rs, 413, "too-many-events",
                     "A batch takes at most 1,000 events. Nothing was stored.", NULL, 0);
}

/* One event a line; empty lines are passed over. False: answered. */
static bool read_ndjson(struct batch *b)
{
    const char *p = b->c->rq->body, *end = p + b->c->rq->body_len;
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *stop = nl ? nl : end;
        struct json_slice text = {p, (size_t)(stop - p)};
        if (strspn(p, " \t\r\n") < text.len && batch_line(b, 0, text)) {
            answer_too_many(b->c);
            return false;
        }
        p = stop + 1;
    }
    return true;
}

/* {"events":[…]}: the whole text must be well-formed, then each event is judged by itself. False: answered. */
static bool read_envelope(struct batch *b)
{
    /* two levels more than an event alone: this object and its array */
    static const struct json_limits limits = {LIMIT_JSON_DEPTH + 3};
    struct json_member members[4];
    struct event_input_error err;
    size_t n = 0, offset = 0;
    struct request *rq = b->c->rq;
    enum json_scan_result r =
        json_scan_object(rq->body, rq->body_len, &limits, members, 4, &n, &offset);
    if (r != JSON_SCAN_OK) {
        event_input_scan_error(r, offset, "the body", &err);
        event_refusal_answer(b->c, &err);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (!json_scan_is(members[i].key, "events")) {
            response_field_problem(b->c->rs, 400, "unknown-field", "",
                                   "a batch has the field 'events' and no other");
            return false;
        }
    if (n == 0) {
        response_field_problem(b->c->rs, 400, "missing-field", "/events", "events is required");
        return false;
    }
    r = json_scan_array(members[0].value.p, members[0].value.len, &limits, LIMIT_BATCH_EVENTS,
                        batch_line, b, &offset);
    if (r == JSON_SCAN_TOO_MANY || r == JSON_SCAN_STOPPED) {
        answer_too_many(b->c);
        return false;
    }
    if (r != JSON_SCAN_OK) {
        response_field_problem(b->c->rs, 400, "wrong-type", "/events", "events must be an array");
        return false;
    }
    return true;
}

static enum db_status store_batch(struct batch *b, PGresult **res)
{
    struct db_args a;
    db_args_init(&a);
    db_args_int(&a, b->c->who.project_id);
    for (int i = 0; i < BATCH_COLUMNS; i++)
        db_args_binary(&a, b->columns[i].bytes.data, b->columns[i].bytes.len);
    enum db_status s = DB_ABORTED;
    for (int i = 0; i < KEY_RACE_TRIES && s == DB_ABORTED; i++) {
        s = db_run_once(b->c->desk->db, &fcgi_sql[FCGI_SQL_EVENT_BATCH], &a, res);
        if (s == DB_ABORTED && strcmp(db_message(b->c->desk->db), "key-race") != 0)
            break;
    }
    return s;
}

static json_t *rejected(const struct event_input_error *err)
{
    json_t *o = json_pack("{s:s, s:{s:i, s:s, s:s}}", "status", "rejected", "error", "status",
                          err->status, "code", err->code, "detail", err->detail);
    if (err->pointer[0])
        json_object_set_new(
            json_object_get(o, "error"), "errors",
            json_pack("[{s:s, s:s}]", "pointer", err->pointer, "detail", err->detail));
    return o;
}

/* The outcome of one taken line; NULL and *s when the database could not tell. */
static json_t *outcome(struct batch *b, const struct batch_line *line, const PGresult *res, int row,
                       enum db_status *s)
{
    struct uuid first;
    *s = DB_OK;
    if (db_bool(res, row, 0))
        return result_of(&line->id, db_int(res, row, 1));
    if (db_uuid(res, row, 2, &first) == 0)
        return duplicate_of(&first, db_bool(res, row, 3));
    return look_up_first(b->c, line->key, line->hash, s);
}

static void answer_batch(struct batch *b, const PGresult *res)
{
    json_t *results = json_array();
    int64_t deliveries = 0;
    int row = 0, routed = 0, unroutable = 0;
    for (int i = 0; i < b->count; i++) {
        enum db_status s = DB_OK;
        const struct batch_line *line = &b->lines[i];
        json_t *o = line->rejected ? rejected(&line->err) : outcome(b, line, res, row, &s);
        if (!route_db_ok(b->c, s)) {
            json_decref(results);
            return; /* what was stored is a duplicate when the producer repeats the call with its keys */
        }
        if (!line->rejected) {
            int64_t made = db_bool(res, row, 0) ? db_int(res, row, 1) : -1;
            routed += made > 0;
            unroutable += made == 0;
            deliveries += made > 0 ? made : 0;
            row++;
        }
        json_object_set_new(o, "index", json_integer(i));
        json_array_append_new(results, o);
    }
    page_count_events(routed, b->taken - routed - unroutable, unroutable, b->count - b->taken);
    response_json(b->c->rs, 200, json_pack("{s:o}", "results", results));
    if (deliveries)
        route_wake(b->c);
}

static void run_batch(struct batch *b)
{
    const char *type = b->c->rq->content_type;
    PGresult *res = NULL;
    bool ndjson = strncasecmp(type, "application/x-ndjson", 20) == 0;
    if (!(ndjson ? read_ndjson(b) : read_envelope(b)))
        return;
    if (b->taken) {
        enum db_status s = store_batch(b, &res);
        if (refuse_fanout(b->c, s) || !route_db_ok(b->c, s))
            return;
    }
    answer_batch(b, res);
    PQclear(res);
}

void events_batch(struct call *c)
{
    char idempotency[LIMIT_IDEMPOTENCY_KEY_BYTES + 1] = "";
    if (refuse_loop(c) || read_idempotency_key(c, idempotency) < 0)
        return;
    struct batch b = {.c = c, .idempotency = idempotency};
    b.lines = calloc(LIMIT_BATCH_EVENTS, sizeof *b.lines);
    for (int i = 0; i < BATCH_COLUMNS; i++)
        pg_array_init(&b.columns[i], batch_types[i], 2 * LIMIT_BATCH_BODY_BYTES);
    if (b.lines)
        run_batch(&b);
    else
        response_problem(c->rs, 500, "internal", "Out of memory.", NULL, 0);
    for (int i = 0; i < BATCH_COLUMNS; i++)
        pg_array_release(&b.columns[i]);
    free(b.lines);
}

/* What GET /v1/events filters by; event_views.c reads them. */
static const char *const list_query[] = {"eventType", "channel", "externalId", "customerExternalId",
                                         "from",      "to",      "status",     "limit",
                                         "cursor",    NULL};

const struct route events_routes[] = {
    {METHOD_POST, "/v1/events", events_post, SCOPE_EVENTS_WRITE, LIMIT_EVENT_BODY_BYTES,
     ROUTE_BODY_JSON, NULL},
    {METHOD_POST, "/v1/events/batch", events_batch, SCOPE_EVENTS_WRITE, LIMIT_BATCH_BODY_BYTES,
     ROUTE_BODY_JSON | ROUTE_NDJSON, NULL},
    {METHOD_GET, "/v1/events", event_views_list, SCOPE_EVENTS_READ, 0, 0, list_query},
    {METHOD_GET, "/v1/events/{}", event_views_get, SCOPE_EVENTS_READ, 0, 0, NULL},
    {0},
};
