/*
 * export: dead letters as evidence (API.md, GET /v1/dlq/export), newest first, in one of three forms:
 *
 *     application/json      pages of 20 with a cursor, payloads in base64
 *     application/x-ndjson  all of them, a line each; the last line is the manifest
 *     text/csv              all of them, metadata only (RFC 4180)
 *
 * The manifest is {manifest: {count, bytes, sha256, …}}: SHA-256 (FIPS 180-4) of every byte before its own line. A stream
 * without it broke off. ?manifest=only makes the stream, sends nothing of it, and answers its manifest.
 *
 * Streams are made of keyset pages: no transaction and no more than LIMIT_EXPORT_BYTES of payloads are held at a time, so
 * memory does not grow with what is exported. What comes in meanwhile is not in it; what changes its state meanwhile is
 * shown as it was when its page was read.
 */
#ifndef DLO_FCGI_EXPORT_H
#define DLO_FCGI_EXPORT_H

#include "fcgi/export_pages.h"

enum export_form { EXPORT_JSON, EXPORT_NDJSON, EXPORT_CSV };

/* A CSV line of an entry (entry_view_row), or of the names of the columns (NULL). Ends with CRLF. */
void export_csv_line(struct buf *to, const json_t *entry);

#endif
