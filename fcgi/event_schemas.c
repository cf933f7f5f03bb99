/*
 * See event_schemas.h. Owns the process's compiled schemas. Must never let an event pass because its schema could not be
 * had or compiled, and never let one call run schemas for longer than LIMIT_SCHEMA_CALL_MS: a batch of a thousand
 * payloads that each just stay within their budget would hold an intake process for seconds. A crash forgets the cache.
 */
#include "fcgi/event_schemas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/json_pointer.h"
#include "common/json_schema.h"
#include "common/log.h"
#include "fcgi/page.h"
#include "fcgi_sql.h"

#define PROJECT_SLOTS 64
#define KNOWN_MS 5000

/* A state of a type's schema. */
struct stamp {
    int64_t created_us, version;
};

struct type {
    char name[LIMIT_NAME_BYTES + 1];
    struct stamp stamp;
    struct json_schema *schema; /* NULL: not compiled yet, or dropped for room */
    uint64_t used;
};

struct project {
    int id; /* 0: free */
    int64_t until_ms;
    struct type *types; /* by name */
    size_t count;
};
static struct project projects[PROJECT_SLOTS];
static size_t cached_bytes;
static uint64_t uses;

static int64_t clock_us(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t now_ms(void)
{
    return clock_us(CLOCK_BOOTTIME) / 1000;
}

/* --- what is kept --------------------------------------------------------------------------------------------------- */

static void drop_schema(struct type *t)
{
    if (t->schema)
        cached_bytes -= json_schema_bytes(t->schema);
    json_schema_free(t->schema);
    t->schema = NULL;
}

static void drop_types(struct type *types, size_t count)
{
    for (size_t i = 0; i < count; i++)
        drop_schema(&types[i]);
    free(types);
}

static struct project *slot_of(int project_id)
{
    return &projects[(unsigned)project_id % PROJECT_SLOTS];
}

void event_schemas_forget(int project_id)
{
    struct project *p = slot_of(project_id);
    if (p->id == project_id)
        p->until_ms = 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct type *)a)->name, ((const struct type *)b)->name);
}

static struct type *find(const struct project *p, const char *name)
{
    struct type wanted;
    if (!p->count)
        return NULL;
    snprintf(wanted.name, sizeof wanted.name, "%s", name);
    return bsearch(&wanted, p->types, p->count, sizeof wanted, by_name);
}

static bool same(const struct stamp *a, const struct stamp *b)
{
    return a->created_us == b->created_us && a->version == b->version;
}

/* The one used longest ago; a scan, as this is rare. NULL: nothing is compiled. */
static struct type *oldest(void)
{
    struct type *found = NULL;
    for (size_t i = 0; i < PROJECT_SLOTS; i++)
        for (size_t j = 0; j < projects[i].count; j++) {
            struct type *t = &projects[i].types[j];
            if (t->schema && (!found || t->used < found->used))
                found = t;
        }
    return found;
}

static void keep(struct type *t, struct json_schema *schema)
{
    struct type *old;
    size_t bytes = json_schema_bytes(schema);
    while (cached_bytes + bytes > LIMIT_SCHEMA_CACHE_BYTES && (old = oldest()))
        drop_schema(old);
    t->schema = schema;
    cached_bytes += bytes;
}

/* --- which types have one ------------------------------------------------------------------------------------------- */

static void read_type(struct type *t, const PGresult *r, int i)
{
    snprintf(t->name, sizeof t->name, "%s", db_text(r, i, 0));
    t->stamp = (struct stamp){db_int(r, i, 1), db_int(r, i, 2)};
}

/* Takes over what is compiled of the same state. */
static void inherit(struct type *t, const struct project *p)
{
    struct type *known = find(p, t->name);
    if (!known || !same(&known->stamp, &t->stamp))
        return;
    t->schema = known->schema;
    t->used = known->used;
    known->schema = NULL;
}

static bool refresh(struct call *c, struct project *p)
{
    struct db_args a;
    PGresult *r;
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    if (db_run(c->desk->db, &fcgi_sql[FCGI_SQL_EVENT_TYPE_SCHEMAS], &a, &r) != DB_OK)
        return false;
    size_t n = (size_t)PQntuples(r);
    struct type *types = n ? calloc(n, sizeof *types) : NULL;
    bool ok = types || !n;
    for (size_t i = 0; ok && i < n; i++) {
        read_type(&types[i], r, (int)i);
        if (p->id == c->who.project_id)
            inherit(&types[i], p);
    }
    PQclear(r);
    if (!ok)
        return false;
    drop_types(p->types, p->count);
    *p = (struct project){c->who.project_id, now_ms() + KNOWN_MS, types, n};
    return true;
}

/* --- one type ------------------------------------------------------------------------------------------------------- */

static int refuse(struct event_input_error *err, int status, const char *code, const char *detail)
{
    err->status = status;
    err->code = code;
    snprintf(err->pointer, sizeof err->pointer, "%s", status == 422 ? "/payload" : "");
    snprintf(err->detail, sizeof err->detail, "%s", detail);
    return -1;
}

static int unavailable(struct event_input_error *err)
{
    return refuse(err, 503, "database-unavailable",
                  "The schema of this event's type cannot be read now. Try again.");
}

/* It was compiled when it was stored, so this is a version of ours with other limits. */
static int unusable(struct call *c, const struct type *t, const struct json_schema_problem *why,
                    struct event_input_error *err)
{
    log_error("schema of event type '%s' cannot be used: %s '%s' project=%d", t->name, why->detail,
              why->pointer, c->who.project_id);
    return refuse(err, 422, "schema",
                  "The schema of this event's type cannot be used: replace it.");
}

/* 0 and t->schema, which stays NULL if the type has lost its schema meanwhile; -1 and *err. */
static int compile(struct call *c, struct type *t, struct event_input_error *err)
{
    struct db_args a;
    PGresult *r;
    struct json_schema *schema;
    struct json_schema_problem why;
    int rc = 0;
    db_args_init(&a);
    db_args_int(&a, c->who.project_id);
    db_args_text(&a, t->name);
    if (db_run(c->desk->db, &fcgi_sql[FCGI_SQL_EVENT_TYPE_SCHEMA], &a, &r) != DB_OK)
        return unavailable(err);
    if (PQntuples(r) &&
        json_schema_new(db_text(r, 0, 0), strlen(db_text(r, 0, 0)), &schema, &why) < 0)
        rc = unusable(c, t, &why, err);
    else if (PQntuples(r)) {
        t->stamp = (struct stamp){db_int(r, 0, 1), db_int(r, 0, 2)};
        keep(t, schema);
    }
    PQclear(r);
    return rc;
}

/* The problem's place below the payload; what does not fit is cut behind a token. */
static void place(struct event_input_error *err, const struct json_schema_problem *why)
{
    int n = snprintf(err->pointer, sizeof err->pointer, "/payload%s", why->pointer);
    if (n >= (int)sizeof err->pointer)
        *strrchr(err->pointer, '/') = '\0';
}

static int judge(struct call *c, const struct type *t, struct json_slice payload,
                 struct event_input_error *err)
{
    struct json_schema_problem why;
    int64_t began = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    enum json_schema_result r = json_schema_check(t->schema, payload.p, payload.len, &why);
    c->schema_us += clock_us(CLOCK_PROCESS_CPUTIME_ID) - began;
    if (r == JSON_SCHEMA_OK)
        return 0;
    if (r == JSON_SCHEMA_NO_MEMORY)
        return unavailable(err);
    page_count_schema_rejected();
    refuse(err, 422, r == JSON_SCHEMA_INVALID ? "schema" : "schema-too-costly", why.detail);
    place(err, &why);
    return -1;
}

int event_schemas_check(struct call *c, const struct event_input *e, struct event_input_error *err)
{
    struct project *p = slot_of(c->who.project_id);
    if ((p->id != c->who.project_id || p->until_ms <= now_ms()) && !refresh(c, p))
        return unavailable(err);
    struct type *t = find(p, e->type);
    if (!t)
        return 0;
    if (c->schema_us > LIMIT_SCHEMA_CALL_MS * INT64_C(1000)) {
        page_count_schema_rejected();
        return refuse(err, 422, "schema-too-costly",
                      "Checking this batch takes too long. Send the rest in smaller ones.");
    }
    if (!t->schema && compile(c, t, err) < 0)
        return -1;
    t->used = ++uses;
    return t->schema ? judge(c, t, e->payload, err) : 0;
}
