/*
 * arena: memory that is given back all at once.
 *
 * For structures of many small parts with one life, such as a compiled schema. Nothing in it is freed alone. Memory
 * is zeroed and aligned for any type of ours.
 */
#ifndef DLO_COMMON_ARENA_H
#define DLO_COMMON_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena {
    struct arena_chunk *chunks;
    size_t used_bytes; /* taken from malloc */
    size_t max_bytes;
    bool failed; /* malloc failed, or the cap was met: stays set */
};

/* max_bytes: the cap on what is taken from malloc. */
void arena_init(struct arena *a, size_t max_bytes);
void arena_release(struct arena *a);

/* NULL, and a->failed, when there is no more. */
void *arena_take(struct arena *a, size_t bytes);
/* n elements of `size` bytes each. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* A copy of n bytes with a NUL behind them. */
char *arena_text(struct arena *a, const char *text, size_t n);

#endif
