/*
 * A growable run of bytes. All buffers of the process together may hold
 * BYTES_BUDGET: beyond it an append fails, and the caller drops the connection that asked for it.
 * A zeroed struct is an empty buffer; bytes_release() makes it one again.
 */
#ifndef PEER_BYTES_H
#define PEER_BYTES_H

#include "tests/peer/span.h"

#define BYTES_BUDGET ((size_t)512 << 20)

struct bytes {
    char *data;
    size_t len;
    size_t cap;
};

/* Each returns 0, or -1 when memory or the budget is used up (the buffer is then unchanged). */
int bytes_reserve(struct bytes *b, size_t extra);
int bytes_append(struct bytes *b, const void *data, size_t len);
int bytes_text(struct bytes *b, const char *text);
int bytes_printf(struct bytes *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes; bytes above 0x7e are written as \u00XX (Latin-1), so that the
 * text is valid whatever the bytes were. */
int bytes_json(struct bytes *b, struct span text);
int bytes_base64(struct bytes *b, struct span data);

void bytes_consume(struct bytes *b, size_t n);
void bytes_clear(struct bytes *b); /* empties, gives back what is larger than a page */
void bytes_release(struct bytes *b);

#endif
