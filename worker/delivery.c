/* See delivery.h. Memory only: a crash loses nothing, the rows are in the database. */
#include "worker/delivery.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 16384 /* a power of two near LIMIT_PREFETCH */

struct delivery_table {
    struct delivery *slots[SLOTS];
    size_t count;
};

struct delivery *delivery_new(const char *type, size_t type_len, const char *channel,
                              size_t channel_len, const void *payload, size_t payload_len)
{
    struct delivery *d = malloc(sizeof *d + type_len + 1 + channel_len + 1 + payload_len);
    if (!d)
        return NULL;
    memset(d, 0, sizeof *d);
    char *to = d->memory;
    if (type) {
        d->type = memcpy(to, type, type_len);
        d->type[type_len] = '\0';
        to += type_len + 1;
    }
    if (channel) {
        d->channel = memcpy(to, channel, channel_len);
        d->channel[channel_len] = '\0';
        to += channel_len + 1;
    }
    if (payload)
        d->payload = memcpy(to, payload, payload_len);
    return d;
}

void delivery_free(struct delivery *d)
{
    if (!d)
        return;
    if (d->payload_owned)
        free(d->payload);
    if (d->own)
        target_release(d->own);
    free(d->own);
    free(d);
}

int delivery_set_payload(struct delivery *d, const void *bytes, size_t n)
{
    char *copy = malloc(n + 1);
    if (!copy)
        return -1;
    memcpy(copy, bytes, n);
    if (d->payload_owned)
        free(d->payload);
    d->payload = copy;
    d->payload_bytes = (int32_t)n;
    d->payload_owned = 1;
    return 0;
}

int delivery_aim(struct delivery *d, const char *url, const struct address_allow *allow)
{
    struct target *own = malloc(sizeof *own);
    if (!own || target_set(own, url, allow)) {
        free(own);
        return -1;
    }
    d->own = own;
    return 0;
}

int delivery_is_notice(const struct delivery *d)
{
    return d->channel && strcmp(d->channel, "$dlq") == 0;
}

static size_t slot(int64_t pos)
{
    return (size_t)((uint64_t)pos * 0x9e3779b97f4a7c15ULL >> 48) & (SLOTS - 1);
}

struct delivery_table *delivery_table_new(void)
{
    return calloc(1, sizeof(struct delivery_table));
}

void delivery_table_free(struct delivery_table *t)
{
    for (size_t i = 0; t && i < SLOTS; i++)
        while (t->slots[i]) {
            struct delivery *d = t->slots[i];
            t->slots[i] = d->next_in_slot;
            delivery_free(d);
        }
    free(t);
}

size_t delivery_table_count(const struct delivery_table *t)
{
    return t->count;
}

struct delivery *delivery_table_find(const struct delivery_table *t, int64_t pos)
{
    struct delivery *d = t->slots[slot(pos)];
    while (d && d->pos != pos)
        d = d->next_in_slot;
    return d;
}

void delivery_table_add(struct delivery_table *t, struct delivery *d)
{
    struct delivery **head = &t->slots[slot(d->pos)];
    d->next_in_slot = *head;
    *head = d;
    t->count++;
}

void delivery_table_remove(struct delivery_table *t, struct delivery *d)
{
    struct delivery **at = &t->slots[slot(d->pos)];
    while (*at != d)
        at = &(*at)->next_in_slot;
    *at = d->next_in_slot;
    t->count--;
}
