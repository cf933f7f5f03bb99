/*
 * entry_search: entries whose payload contains a text (?q=), newest first, inside a time window.
 *
 * Nothing indexes payloads: they are read, from the newest on, and a request reads only so much (LIMIT_SEARCH_ROWS,
 * LIMIT_SEARCH_MS). The answer says how far back it came (`searchedTo`) and whether that was everything (`complete`); its
 * cursor goes on from there, so a page may be short, or empty, and still not be the last.
 *
 * What is compared is bytes: the text as UTF-8 against the payload as it was sent. Upper and lower case differ, and what
 * the producer wrote as an escape (\u00e9) is found by that escape.
 */
#ifndef DLO_FCGI_ENTRY_SEARCH_H
#define DLO_FCGI_ENTRY_SEARCH_H

#include <stdbool.h>

#include "fcgi/entry_filter.h"

/* Answers the list of a filter that has q. `count`: a total was asked for, which there is none of (400). */
void entry_search_answer(struct list *l, struct entry_filter *f, bool count);

#endif
