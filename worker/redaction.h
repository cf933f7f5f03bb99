/*
 * redaction: what a project hides of its attempts beside what is always hidden (common/redact.h).
 *
 * Rules are compiled once for a project and shared by its destinations; they never change, another text is another
 * object. One table for the process: a sender is one process and one thread.
 */
#ifndef DLO_WORKER_REDACTION_H
#define DLO_WORKER_REDACTION_H

#include <stdint.h>

#include "worker/attempt.h"

struct redaction;

/*
 * The rules that projects.redaction (JSON: {"headers":[…],"jsonPaths":[…]}) says; NULL: none. What cannot be read, or for
 * want of memory, is logged and becomes rules that hide everything. redaction_drop gives it back.
 */
struct redaction *redaction_take(int32_t project_id, const char *json);
void redaction_drop(struct redaction *r); /* may be NULL */

/*
 * Before an attempt is told to anybody: headers of the request and of the answer, and the answer's body. The text of its
 * error is ours, libcurl's or (redaction_sentence) a transform's: none of the first two quotes a body.
 */
void redaction_apply(const struct redaction *r, struct attempt *a);

/* What a transform said of a payload, as it may be shown: it may quote what it was given. Ours if that has hidden values. */
const char *redaction_sentence(const struct redaction *r, const void *payload, size_t n,
                               const char *said);

#endif
