/*
 * body_diff: what changed between two texts: by path where both are JSON, else by line.
 *
 * Bounded whatever receivers send: bodies are at most 64 KiB (LIMIT_RESPONSE_FAILURE_BYTES), at most LIMIT_DIFF_CHANGES are
 * told, and lines are compared only while that takes at most LIMIT_DIFF_CELLS steps; beyond it the differing middle is
 * one block that went and one that came.
 */
#ifndef DLO_FCGI_BODY_DIFF_H
#define DLO_FCGI_BODY_DIFF_H

#include <jansson.h>

/*
 * {kind: "json"|"text", equal, changes: [...], changesTruncated}. A change is {op: "added"|"removed"|"changed", path (JSON
 * Pointer, RFC 6901), a, b} or {op: "added"|"removed", line (from 1, of its own side), text}. NULL: out of memory.
 */
json_t *body_diff(const char *a, const char *b);

#endif
