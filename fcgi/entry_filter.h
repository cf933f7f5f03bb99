/*
 * entry_filter: the one grammar of filters over dead letters (API.md, GET /v1/dlq), from query parameters, or from the
 * members of a JSON object (list_of_object), to SQL.
 *
 *     struct entry_filter f;
 *     if (entry_filter_read(&f, &list)) {                       // else a 4xx was answered
 *         db_args_init(&args);
 *         db_args_int(&args, project_id);                       // always $1
 *         entry_filter_select(&f, after, limit + 1, &sql, &args);
 *         ...
 *     }
 *     entry_filter_release(&f);
 *
 * What a client sent is only ever a parameter; the text is of ours. The arguments point into the filter, which must
 * live until the statement has run. Everything made here is about the alias d of dead_letters, binds the project as $1
 * and leaves out what is past its retention and what was purged.
 *
 * A list is read from an index whatever the filter: states and the values of the most telling field (a fingerprint, a
 * webhook, …) are joined one by one, so that each pair has its own ordered scan and a rare one does not walk past a
 * million others.
 */
#ifndef DLO_FCGI_ENTRY_FILTER_H
#define DLO_FCGI_ENTRY_FILTER_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/db.h"
#include "common/pg_array.h"
#include "fcgi/entry_drawers.h"
#include "fcgi/list.h"

#define ENTRY_FILTER_FIELDS_MAX 24

/* The names, for a route's `query`. */
#define ENTRY_FILTER_QUERY                                                                         \
    "webhookId", "subscriptionId", "channel", "eventType", "customerExternalId", "externalId",     \
        "eventId", "failureReason", "classification", "statusCode", "state", "replayable",         \
        "intentional", "fingerprint", "generation", "from", "to", "occurredFrom", "occurredTo",    \
        "expiresBefore", "scope", "q"

struct entry_filter_value {
    bool given;
    bool array; /* `values` is bound, else `text` */
    struct pg_array values;
    char text[LIST_TIME_MAX];
};

struct entry_filter {
    struct entry_filter_value fields[ENTRY_FILTER_FIELDS_MAX];
    bool every_state; /* state=all */
    bool open;        /* the last state named is open */
    bool system;      /* scope=system: events that no webhook took */
    const char
        *q; /* text to look for in payloads, or NULL: entry_search's to do, not the select's */
    struct entry_drawers drawers; /* that are named in the statement; not read: all */
    char after[LIST_TIME_MAX];
    struct uuid after_id;
};

/* Reads all filters of the request. false: answered. To be released either way. */
bool entry_filter_read(struct entry_filter *f, struct list *l);
/* The same where it is not the open ones that are meant by no word on states: a bit for each, by number. */
bool entry_filter_read_of(struct entry_filter *f, struct list *l, unsigned usual);
/* What is open, without any request. */
void entry_filter_open(struct entry_filter *f);
/* Adds a webhook by its public id. */
void entry_filter_webhook(struct entry_filter *f, const struct uuid *webhook);
/* The entries of one group, in whatever state. */
void entry_filter_group(struct entry_filter *f, const void *fingerprint, size_t n);
/* From now on only the drawers that hold the project's dead letters are looked into; done already for what was read from a
 * request. false: answered. */
bool entry_filter_bound(struct entry_filter *f, struct call *c);
void entry_filter_release(struct entry_filter *f);

/* Whether it is about what is open and asks for nothing but what a fingerprint is made of: counters of groups know it. */
bool entry_filter_of_groups(const struct entry_filter *f);
/* Its webhooks, statuses, fingerprints and reasons as four parameters, NULL where any. */
void entry_filter_bind_groups(const struct entry_filter *f, struct db_args *args);

/* Appends a select of whole rows, newest first, at most `rows`, after the key (NULL: from the start). */
void entry_filter_select(struct entry_filter *f, const struct list_key *after, int rows,
                         struct buf *sql, struct db_args *args);

/* The same by page: after `offset` rows, which are read and passed over. For seed 000's routes only. */
void entry_filter_page(struct entry_filter *f, long offset, int rows, struct buf *sql,
                       struct db_args *args);

/* Appends a select of (id, drawer, created_at, webhook_id, state), oldest first, at most `most`: a set to act on. */
void entry_filter_set(const struct entry_filter *f, int64_t most, struct buf *sql,
                      struct db_args *args);

/* A total as API.md "Lists" has it: exact from the counters where they cover the filter, else counted up to a cap. */
struct entry_filter_total {
    int64_t n;
    const char *relation; /* "eq" or "gte" */
    int64_t counted_at_us;
};
enum db_status entry_filter_count(const struct entry_filter *f, struct call *c,
                                  struct entry_filter_total *out);

#endif
