/*
 * groups: dead letters that failed alike, as API.md "GET /v1/dlq/groups" shows them.
 *
 * By fingerprint, and filtered by nothing but what the fingerprint is made of (webhook, status), a list is read from the
 * counters that the maintainer keeps: exact, whatever there is. With any other filter, or by another key, the newest
 * LIMIT_GROUP_ROWS entries that fit are counted, and the answer says so (complete, searchedTo).
 */
#ifndef DLO_FCGI_GROUPS_H
#define DLO_FCGI_GROUPS_H

#include "fcgi/entry_filter.h"
#include "fcgi/list.h"

/* What a list may be grouped by, in place of the fingerprint. */
struct group_key {
    const char *name; /* of groupBy */
    const char *sql;  /* about the row x of an entry */
};

/* Answers by counting rows (group_scan.c). `key` is one of group_scan_key's. */
void group_scan_answer(struct list *l, struct entry_filter *f, const struct group_key *key);
/* NULL: there is no such key. "fingerprint" is one. */
const struct group_key *group_scan_key(const char *name);

#endif
