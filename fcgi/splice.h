/*
 * splice: a statement of sql/ with a part of it replaced, for what cannot be a parameter.
 *
 * Such a statement stands in its file whole, so that it can be read, prepared and explained as it is. The part that a
 * caller may replace is marked: "/" "*<*" "/" before and "/" "*>*" "/" after it. What is put there is SQL text of ours;
 * what a client sent is always a parameter.
 */
#ifndef DLO_FCGI_SPLICE_H
#define DLO_FCGI_SPLICE_H

#include "common/buf.h"

#define SPLICE_TEXT_MAX 16384

/* Every marked part of the statement replaced by `part`. Running over the cap sets out->failed. */
void splice_statement(struct buf *out, const char *statement, const char *part);

#endif
