/*
 * export_pages: entries with the wide halves of their rows, chunk by chunk.
 *
 *     struct export_pages p;
 *     export_pages_begin(&p, c, &filter, has_after ? &after : NULL, rows);
 *     while ((status = export_pages_next(&p)) == DB_OK && p.rows > 0)
 *         for (int row = 0; row < p.rows; row++)
 *             if (export_pages_wanted(&p, row))
 *                 entry = export_pages_entry(&p, row);
 *     export_pages_end(&p);
 */
#ifndef DLO_FCGI_EXPORT_PAGES_H
#define DLO_FCGI_EXPORT_PAGES_H

#include <stdbool.h>

#include <jansson.h>

#include "fcgi/entry_filter.h"

struct export_pages {
    struct call *call;
    struct entry_filter *filter;
    bool payloads; /* the scope for them is there, and the form has them */
    int most;      /* rows asked for at a time */
    int rows;      /* of this chunk; 0: all were shown */
    bool more;     /* there may be another chunk */
    bool begun;
    struct list_key after; /* the last row of this chunk */
    PGresult *entries, *bodies;
};

/* `after`: NULL from the start. */
void export_pages_begin(struct export_pages *p, struct call *c, struct entry_filter *f,
                        const struct list_key *after, int most);
/* The next chunk. The one before is gone. */
enum db_status export_pages_next(struct export_pages *p);
void export_pages_end(struct export_pages *p);

/* Whether the row has what ?q= looks for; true without one. */
bool export_pages_wanted(const struct export_pages *p, int row);
/* The list's row and originalMessage. A new reference. */
json_t *export_pages_entry(const struct export_pages *p, int row);

#endif
