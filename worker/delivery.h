/*
 * A delivery as a sender holds it: one row of `ready`, read ahead, and the table of all that are held, by position.
 *
 * A row is held from the moment it was read until its completion was answered; a row that is held is never taken up a
 * second time, however often a rewound cursor reads it again. When a completion is answered while a heads query is
 * under way, that query may still show the row: it stays held as a ghost until the query has returned.
 */
#ifndef DLO_WORKER_DELIVERY_H
#define DLO_WORKER_DELIVERY_H

#include <stddef.h>
#include <stdint.h>

#include "common/ids.h"
#include "common/states.h"
#include "worker/target.h"

struct destination;
struct remote;

enum delivery_state { DELIVERY_QUEUED, DELIVERY_SENDING, DELIVERY_COMPLETING, DELIVERY_GHOST };

struct delivery {
    struct delivery *next;         /* in its destination's queue, or among the ghosts */
    struct delivery *next_in_slot; /* in the table */
    struct destination *dest;
    enum delivery_state state;
    int64_t pos;
    int32_t project_id;
    int32_t payload_bytes;
    int32_t source_drawer;
    int16_t shard;
    int16_t tries;
    int16_t class_;
    int16_t generation;
    struct uuid id;
    struct uuid event_id;
    struct uuid entry_id;
    int has_entry;
    int shaped;      /* its bytes are as they are to be sent: no transform, no gates */
    int transformed; /* a transform made them in this process: they are kept with the attempt */
    char *type;      /* within `memory` */
    char *channel;   /* NULL: none */
    char *payload;   /* NULL: not read yet; else payload_bytes bytes */
    int32_t counted_bytes; /* as admission counts it while it is under way */
    unsigned era;          /* of its destination's breaker when its request was begun */
    struct remote *remote; /* where it is under way to, if that is capped (remotes.h) */
    int payload_owned;     /* it was fetched by itself, and is freed by itself */
    struct target *own;    /* where it goes instead of its webhook's URL; NULL: there */
    char memory[];
};

/* Copies type, channel and payload (each may be NULL) behind the struct. NULL: out of memory. */
struct delivery *delivery_new(const char *type, size_t type_len, const char *channel,
                              size_t channel_len, const void *payload, size_t payload_len);
void delivery_free(struct delivery *d);
/* Copies `n` bytes in place of what is there. -1: out of memory, nothing has changed. */
int delivery_set_payload(struct delivery *d, const void *bytes, size_t n);
/* It goes there instead of its webhook's URL. -1: out of memory. */
int delivery_aim(struct delivery *d, const char *url, const struct address_allow *allow);
/* News of our own (channel $dlq): its failures are retried and counted, never dead-lettered. */
int delivery_is_notice(const struct delivery *d);

struct delivery_table;
struct delivery_table *delivery_table_new(void);
void delivery_table_free(struct delivery_table *t);
size_t delivery_table_count(const struct delivery_table *t);
struct delivery *delivery_table_find(const struct delivery_table *t, int64_t pos);
void delivery_table_add(struct delivery_table *t, struct delivery *d);
void delivery_table_remove(struct delivery_table *t, struct delivery *d);

#endif
