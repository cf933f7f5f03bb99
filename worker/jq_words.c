/*
 * See jq_words.h. Reads tokens as the lexer of jq 1.6 does: '$' and the name behind
 * it are two tokens, space and comments may stand between them; ".name" is one; a string holds programs in \( ).
 * Must never be the only wall: what slips through here finds an empty environment and no file system. Memory only.
 */
#include "worker/jq_words.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define NESTING 1024 /* strings inside programs inside strings */

struct words {
    const char *p;
    int parens[NESTING]; /* for each open \( : parentheses open inside it */
    int depth;
    bool after_dollar;
};

static bool name_begins(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t name_length(const char *p)
{
    size_t n = 0;
    while (name_begins(p[n]) || (n && p[n] >= '0' && p[n] <= '9'))
        n++;
    return n;
}

static const char *skip_blank(const char *p)
{
    for (;;) {
        p += strspn(p, " \t\r\n");
        if (*p != '#')
            return p;
        p += strcspn(p, "\n");
    }
}

/* From behind a string's quote, or behind the ')' of a program in it, to its end or to the next such program. */
static void string(struct words *w)
{
    while (*w->p && *w->p != '"') {
        if (*w->p == '\\' && w->p[1] == '(' && w->depth < NESTING) {
            w->parens[w->depth++] = 0;
            w->p += 2;
            return;
        }
        w->p += *w->p == '\\' && w->p[1] ? 2 : 1;
    }
    w->p += *w->p == '"';
}

static bool is(const char *p, size_t n, const char *word)
{
    return n == strlen(word) && memcmp(p, word, n) == 0;
}

static const char *name(struct words *w)
{
    size_t n = name_length(w->p);
    const char *at = w->p;
    w->p += n;
    if (w->after_dollar)
        return is(at, n, "ENV") ? "$ENV is not available in a transform" : NULL;
    if (!is(at, n, "import") && !is(at, n, "include"))
        return NULL;
    return *skip_blank(w->p) == ':' ? NULL /* a key */
           : at[1] == 'm'           ? "import is not available in a transform"
                                    : "include is not available in a transform";
}

static void sign(struct words *w)
{
    char c = *w->p++;
    if (c == '"')
        string(w);
    else if (c == '.' && name_begins(*w->p))
        w->p += name_length(w->p);
    else if (c == '(' && w->depth)
        w->parens[w->depth - 1]++;
    else if (c == ')' && w->depth && w->parens[w->depth - 1]-- == 0) {
        w->depth--;
        string(w);
    }
    w->after_dollar = c == '$';
}

const char *jq_words_refused(const char *program)
{
    struct words w = {.p = program};
    for (w.p = skip_blank(w.p); *w.p; w.p = skip_blank(w.p)) {
        if (!name_begins(*w.p)) {
            sign(&w);
            continue;
        }
        const char *refused = name(&w);
        if (refused)
            return refused;
        w.after_dollar = false;
    }
    return NULL;
}
