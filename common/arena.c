/*
 * See arena.h. Owns its chunks and nothing that lies in them: a pointer in an arena to something that must be closed
 * or freed is its user's to close. Must never move what it gave out. A crash leaves nothing.
 */
#include "common/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 4096
#define ALIGNMENT (_Alignof(max_align_t))

struct arena_chunk {
    _Alignas(max_align_t) struct arena_chunk *next;
    size_t size, used; /* of data[] */
    _Alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max_bytes = max_bytes};
}

void arena_release(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
    a->used_bytes = 0;
}

static struct arena_chunk *grow(struct arena *a, size_t bytes)
{
    size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    if (size > a->max_bytes - a->used_bytes)
        return NULL;
    struct arena_chunk *chunk = calloc(1, sizeof *chunk + size);
    if (!chunk)
        return NULL;
    chunk->size = size;
    chunk->next = a->chunks;
    a->chunks = chunk;
    a->used_bytes += size;
    return chunk;
}

void *arena_take(struct arena *a, size_t bytes)
{
    struct arena_chunk *chunk = a->chunks;
    if (bytes > a->max_bytes) {
        a->failed = true;
        return NULL;
    }
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!chunk || bytes > chunk->size - chunk->used)
        chunk = grow(a, bytes);
    if (!chunk) {
        a->failed = true;
        return NULL;
    }
    void *p = chunk->data + chunk->used;
    chunk->used += bytes;
    return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size) {
        a->failed = true;
        return NULL;
    }
    return arena_take(a, n * size);
}

char *arena_text(struct arena *a, const char *text, size_t n)
{
    char *copy = arena_take(a, n + 1);
    if (copy)
        memcpy(copy, text, n); /* the NUL is there: memory comes zeroed */
    return copy;
}
