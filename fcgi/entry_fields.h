/*
 * entry_fields: what dead letters can be filtered by: of each field its name, how a value of it is read, and what it means in
 * SQL about the alias d. For entry_filter alone.
 */
#ifndef DLO_FCGI_ENTRY_FIELDS_H
#define DLO_FCGI_ENTRY_FIELDS_H

#include "fcgi/entry_filter.h"

enum field_index {
    FIELD_WEBHOOK, /* the first four are what the counters know */
    FIELD_CHANNEL,
    FIELD_REASON,
    FIELD_STATE,
    FIELD_COVERED,
    FIELD_TYPE = FIELD_COVERED,
    FIELD_CUSTOMER,
    FIELD_EXTERNAL,
    FIELD_EVENT,
    FIELD_CLASSIFICATION,
    FIELD_STATUS,
    FIELD_GENERATION,
    FIELD_FINGERPRINT,
    FIELD_REPLAYABLE,
    FIELD_INTENTIONAL,
    FIELD_FROM,
    FIELD_TO,
    FIELD_OCCURRED_FROM,
    FIELD_OCCURRED_TO,
    FIELD_EXPIRES_BEFORE,
    FIELDS
};
_Static_assert(FIELDS <= ENTRY_FILTER_FIELDS_MAX, "a filter has no room for a field");

/* One value of a list of them. false: it is none, and `allowed` says what is. */
typedef bool entry_field_reader(struct pg_array *to, const char *text, size_t len);

struct entry_field {
    const char *name, *alias;
    entry_field_reader *value; /* NULL: not a list of values */
    enum pg_type type;
    const char *code;    /* of the problem when a value is none */
    const char *allowed; /* what would be one */
    const char *sql;     /* "?" is the parameter */
    const char *column;  /* of a field that may lead: an index begins with it; else NULL */
    const char *lead;    /* yields its values, each of which has an ordered scan */
    const char *one;     /* its only value */
    bool any_state;      /* that index is not ordered within one state, but over all of them */
    /* What the ledger knows of created_at where `sql` is true, or NULL; not in the system scope. */
    const char *bounds;
};

extern const struct entry_field entry_fields[FIELDS];

#endif
