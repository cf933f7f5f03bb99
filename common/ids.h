/*
 * ids: the identifiers every row and every answer carries.
 *
 * An id is a UUIDv7 (RFC 9562 section 5.7) made here, never by the database. On the wire it is
 * shown as a TypeID: a prefix that names the kind, '_', and the 128 bits as 26 characters of
 * Crockford base32, lower case. The wire takes that form, a bare UUID and the bare 26 characters;
 * the database sees the 16 bytes or the hyphenated form.
 *
 * Ids of one process grow strictly, also within one millisecond, when the clock steps back, and
 * after a fork (the child starts from fresh random bits). Not thread-safe: one thread of a process
 * makes ids.
 */
#ifndef DLO_COMMON_IDS_H
#define DLO_COMMON_IDS_H

#include <stddef.h>
#include <stdint.h>

#define IDS_TEXT_MAX 32 /* longest prefixed form with its NUL is 31 */
#define IDS_HEX_MAX 37  /* 8-4-4-4-12 with its NUL */

struct uuid {
    unsigned char b[16];
};

enum ids_kind {
    ID_EVENT,     /* evt_ */
    ID_DELIVERY,  /* dlv_ */
    ID_ENTRY,     /* dlq_ */
    ID_WEBHOOK,   /* whk_ */
    ID_OPERATION, /* op_  */
    ID_PROJECT,   /* prj_ */
    ID_KEY,       /* key_ */
    ID_USER,      /* usr_ */
    ID_TRIAL      /* trl_ */
};

/*
 * What ids_parse_any found. A bare id has no prefix, so it may be either kind: the caller looks up
 * both.
 */
enum ids_match { IDS_MATCH_NONE, IDS_MATCH_A, IDS_MATCH_B, IDS_MATCH_EITHER };

/*
 * A fresh id from CLOCK_REALTIME and RAND_bytes. Aborts if the random generator fails: no id may be
 * guessable.
 */
void ids_new(struct uuid *out);

/* n fresh ids, each greater than the one before. */
void ids_new_many(struct uuid *out, size_t n);

/*
 * A fresh id whose last two bytes are zero: the base of an event's deliveries. One statement adds
 * the index of each delivery (0..65535) there; ids made before or after never share the first 14
 * bytes with it.
 */
void ids_event_delivery_base(struct uuid *out);

/* The prefixed form, NUL-terminated. */
void ids_format(enum ids_kind kind, const struct uuid *id, char out[IDS_TEXT_MAX]);

/* The prefix of a kind without '_', for messages: "evt". */
const char *ids_prefix(enum ids_kind kind);

/*
 * Reads a prefixed id of this kind, a hyphenated UUID (any case, any version) or 26 characters of
 * base32 (any case). Returns 0, or -1 for anything else, also for another kind's prefix; *out is
 * then untouched.
 */
int ids_parse(enum ids_kind kind, const char *text, size_t len, struct uuid *out);

/* The same for a place that takes two kinds, such as an entry's id or its delivery's. */
enum ids_match ids_parse_any(enum ids_kind a, enum ids_kind b, const char *text, size_t len,
                             struct uuid *out);

/* The hyphenated lower-case form, and back (exactly 36 characters, any case; 0 or -1). */
void ids_to_hex(const struct uuid *id, char out[IDS_HEX_MAX]);
int ids_from_hex(const char *text, size_t len, struct uuid *out);

/* The milliseconds since 1970 in a version 7 id; -1 for other versions. */
int64_t ids_time_ms(const struct uuid *id);

#endif
