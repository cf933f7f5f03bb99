/*
 * A tenant's jq program (libjq 1.6) on one JSON value, inside a sandbox and nowhere else: libjq has no limit of its own.
 *
 * Compiling costs 15 to 25 ms (libjq parses its own library for each program), so the last few compiled programs are
 * kept. A program sees its payload and nothing else: an empty environment, no modules, no further input; debug and
 * stderr pass their input on, halt and input are errors.
 */
#ifndef DLO_WORKER_JQ_PROGRAM_H
#define DLO_WORKER_JQ_PROGRAM_H

#include <stddef.h>

#include "common/buf.h"
#include "worker/shape_code.h"

#define JQ_PROGRAM_CACHED 8 /* compiled programs kept: some 100 KiB each */

struct jq_programs;

/* Touches everything of libjq that is made on first use, for before the wall is up. */
void jq_program_warm_up(void);

/*
 * `no_memory` is called when libjq finds none, and must not return; its argument means nothing (libjq 1.6 forgets it).
 * NULL: out of memory.
 */
struct jq_programs *jq_program_cache_new(void (*no_memory)(void *unused));
void jq_program_cache_free(struct jq_programs *cache);

/*
 * `program` ends with a NUL; so does `json`, behind its n bytes. SHAPE_CODE_OK: `out` has the compact JSON text. Else
 * `why` (SHAPE_TEXT_MAX bytes) says what is wrong; the words may be the tenant's.
 */
enum shape_code jq_program_run(struct jq_programs *cache, const char *program, const char *json,
                               size_t n, struct buf *out, char *why);

#endif
