/*
 * list: what all list routes share (API.md "Lists", "Time"): limit, sealed cursor, filters, Link, weak ETag.
 *
 *     struct list l;
 *     char from[LIST_TIME_MAX];
 *     if (!list_begin(c, &l, "created-desc"))     // 400 was answered
 *         return;
 *     if (list_time(&l, "from", from) < 0 || ...) // 400 was answered
 *         goto out;
 *     ... run the statement for l.limit + 1 rows, after l.cursor if l.cursor_len ...
 *     list_answer(&l, data, more ? &key_of_last_row : NULL, sizeof key_of_last_row);
 * out:
 *     list_end(&l);
 *
 * A cursor is an opaque key of up to 64 bytes that the handler made from the last row shown (for instance created_at
 * in microseconds and the id), sealed together with a digest of project, path, sort and all filters. With other filters
 * it is 400 cursor-filter-mismatch, unreadable it is 400 bad-cursor. Names and values of filters are taken from the
 * query as they are; `limit`, `cursor` and `count` are no filters. A relative time (-15m) is resolved once: the first
 * page's now travels in the cursor, and the resolved time is echoed as a member of the answer.
 *
 * `state=a,b`, `state=a&state=b` and `state[]=a` mean the same (request.c takes the brackets off names).
 */
#ifndef DLO_FCGI_LIST_H
#define DLO_FCGI_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "fcgi/instant.h"
#include "fcgi/route.h"

#define LIST_CURSOR_BYTES 64
#define LIST_TIME_MAX INSTANT_TEXT_MAX
#define LIST_VALUES_MAX 64

/* For a route's `query`: {LIST_QUERY, "eventType", NULL}. `count` is listed by those that honour it. */
#define LIST_QUERY "limit", "cursor"

struct list {
    struct call *call;
    int limit;                               /* 1..LIMIT_PAGE */
    unsigned char cursor[LIST_CURSOR_BYTES]; /* what the handler sealed into the last page */
    size_t cursor_len;                       /* 0: first page */
    int64_t now_us;            /* of the first page; 0 until a relative time was met */
    unsigned char filters[16]; /* digest of everything a cursor is bound to */
    const json_t *object;      /* filters are its members, not the query's (list_of_object) */
    const char *place;         /* where the object stands in the body: "/filters" */
    json_t *extra;             /* members beside data and nextCursor; merged into the answer */
    char *values;              /* copies that list_values points into */
    size_t values_len, values_size;
};

/*
 * Filters from a JSON object instead of the query, for calls that act on what a list shows: a member is a string, a
 * number, true or false, or an array of such values (commas do not split), which may not be empty: no filter at all is
 * hardly what was meant. No limit, no cursor. `object` must outlive it; list_end as usual.
 */
void list_of_object(struct call *c, struct list *l, const json_t *object, const char *place);

/* Answers a 400 (or another status) that names the parameter, or the member, of this name. printf-like. */
void list_refuse(struct list *l, int status, const char *code, const char *name, const char *fmt,
                 ...) __attribute__((format(printf, 5, 6)));

/* Whether the filter was given at all. */
bool list_has(const struct list *l, const char *name);

/* Reads limit and cursor. `sort` names the order, one word. false: a 400 was answered, call nothing else. */
bool list_begin(struct call *c, struct list *l, const char *sort);
void list_end(struct list *l);

/* A parameter that may be given once. NULL if absent. Twice is 400: *ok is set to false (left alone otherwise). */
const char *list_one(struct list *l, const char *name, bool *ok);

/*
 * All values of a filter, split at commas, without repeats and empty ones. Returns how many (0: no filter), or -1: a
 * 400 was answered (more than max). The strings live until list_end().
 */
int list_values(struct list *l, const char *name, const char **out, int max);

/* A time filter, as text for $n::timestamptz. 1 given, 0 absent (out is ""), -1: a 400 was answered. */
int list_time(struct list *l, const char *name, char out[LIST_TIME_MAX]);

/* Makes l->now_us known: the database's clock, or what the cursor brought. false: answered. */
bool list_now(struct list *l);

/* "true" or "false": 1, 0; -1 absent; -2: a 400 was answered. */
int list_flag(struct list *l, const char *name);

/* An id filter: 1 given, 0 absent, -1: 400 malformed-id was answered. */
int list_id(struct list *l, const char *name, enum ids_kind kind, struct uuid *out);

/* count=exact|estimate: 0 absent, 1 exact, 2 estimate, -1: a 400 was answered. */
enum list_count {
    LIST_COUNT_NONE = 0,
    LIST_COUNT_EXACT = 1,
    LIST_COUNT_ESTIMATE = 2,
    LIST_COUNT_BAD = -1
};
enum list_count list_count(struct list *l);

/* A member of the answer beside data (total, countedAt, …). Takes the reference. */
void list_extra(struct list *l, const char *name, json_t *value);

/*
 * Answers 200 {data, nextCursor, extras}. Takes the reference to data. next NULL: the last page. Sets Link rel=next
 * from public_url, and a weak ETag (304 if If-None-Match has it).
 */
void list_answer(struct list *l, json_t *data, const void *next, size_t next_len);

/*
 * The pair most lists page by: newest first by (createdAt, id). The statement gives created_at as microseconds
 * (extract(epoch ...) * 1000000)::bigint, and takes them back the same way.
 */
struct list_key {
    int64_t created_us;
    struct uuid id;
};
/* The cursor as such a pair; false: first page. A cursor of another size is treated as the first page. */
bool list_key(const struct list *l, struct list_key *out);

/*
 * The cursor as two parameters, timestamptz and uuid, both NULL on the first page: for
 * `$3::timestamptz IS NULL OR (created_at, id) < ($3::timestamptz, $4::uuid)`. `at` and `key` must live until the call.
 */
void list_key_args(const struct list *l, struct db_args *a, struct list_key *key,
                   char at[LIST_TIME_MAX]);

#endif
