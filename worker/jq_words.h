/*
 * What a jq program may not name: $ENV, import, include. Found by jq's own tokens, so that the words pass in strings,
 * comments, field names and keys. Functions (input, halt, ...) are not looked for here: jq_program defines them away.
 */
#ifndef DLO_WORKER_JQ_WORDS_H
#define DLO_WORKER_JQ_WORDS_H

/* NULL: nothing; else a sentence that says what (static). A program that is not jq at all passes: jq judges it. */
const char *jq_words_refused(const char *program);

#endif
