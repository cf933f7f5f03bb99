/*
 * A growable byte buffer with a cap.
 *
 * buf_init() never allocates; buf_release() frees and may be called twice. After any buf_add* the bytes are followed
 * by a NUL that is not counted in `len`, so `data` can be read as a string when no NUL was added. Running over the cap,
 * or out of memory, sets `failed` and leaves the content as it was: callers may add many times and look once.
 */
#ifndef DLO_COMMON_BUF_H
#define DLO_COMMON_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;
    size_t len;
    size_t size;
    size_t cap; /* most bytes it may hold */
    bool failed;
};

void buf_init(struct buf *b, size_t cap);
void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* empties, keeps the memory, forgets a failure */

/* Room for n more bytes at data + len, or NULL. The caller adds what it wrote to len (buf_grown). */
char *buf_reserve(struct buf *b, size_t n);
void buf_grown(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
