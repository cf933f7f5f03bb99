/*
 * The JSON Pointer (RFC 6901) of a webhook's field, or of a member of it: "/headers/X-Token".
 */
#ifndef DLO_FCGI_WEBHOOK_POINTER_H
#define DLO_FCGI_WEBHOOK_POINTER_H

#include <stddef.h>

#define WEBHOOK_POINTER_BYTES 160

/* Escaped, cut to the buffer without tearing a UTF-8 character. member NULL: of the field itself. */
void webhook_pointer(const char *field, const char *member, char *out, size_t cap);

#endif
