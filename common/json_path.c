/*
 * json_path: the automaton of a set of paths, and the walk that runs it over a text.
 *
 * A place of the text has a set of bits: bit i says that the segments before i lead to it. Going down to a member, the
 * segments that select it hand their bit to the next one; descendant segments also stay. Owns the names. It must never
 * recurse, nor read behind len. A crash leaves nothing.
 */
#include "common/json_path.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_path_parse.h"
#include "common/limits.h"

#define WORDS (JSON_PATH_BITS / 64)

struct bits {
    uint64_t w[WORDS];
};

/* A name or an index that segments ask for. */
struct wanted {
    char *name; /* NULL: an index */
    size_t len; /* of the name, or the index itself */
    struct bits by;
    bool last; /* of a path */
};

/* Sorted: names in front of indexes, then by length, then by bytes. */
struct json_path_set {
    size_t used;       /* bits */
    struct bits first; /* of each path */
    struct bits ends;  /* behind the last segment of each */
    struct bits all;   /* segments that take whatever there is */
    struct bits deep;  /* descendant segments */
    bool nameless;     /* a path has no name at all */
    struct wanted *wanted;
    size_t nwanted;
};

static void set_bit(struct bits *b, size_t i)
{
    b->w[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool meet(const struct bits *a, const struct bits *b)
{
    uint64_t both = 0;

    for (size_t i = 0; i < WORDS; i++)
        both |= a->w[i] & b->w[i];
    return both != 0;
}

static bool is_empty(const struct bits *b)
{
    uint64_t any = 0;

    for (size_t i = 0; i < WORDS; i++)
        any |= b->w[i];
    return any == 0;
}

/* ---- sets ---- */

struct json_path_set *json_path_new(void)
{
    return calloc(1, sizeof(struct json_path_set));
}

void json_path_free(struct json_path_set *set)
{
    for (size_t i = 0; set != NULL && i < set->nwanted; i++)
        free(set->wanted[i].name);
    if (set != NULL)
        free(set->wanted);
    free(set);
}

static int compare(const char *name, size_t len, const struct wanted *w)
{
    if ((name == NULL) != (w->name == NULL))
        return name == NULL ? 1 : -1;
    if (len != w->len)
        return len < w->len ? -1 : 1;
    return name == NULL ? 0 : memcmp(name, w->name, len);
}

/* Where it stands, or would have to. */
static size_t find(const struct json_path_set *set, const char *name, size_t len, bool *found)
{
    size_t low = 0, high = set->nwanted;

    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = compare(name, len, &set->wanted[mid]);

        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    *found = false;
    return low;
}

/* All of its bytes: \u0000 in a path is one of them. NULL: out of memory. */
static char *copy_name(const char *name, size_t len)
{
    char *copy = malloc(len + 1);

    if (copy != NULL) {
        memcpy(copy, name, len);
        copy[len] = '\0';
    }
    return copy;
}

/* The entry of a name or (NULL) an index, made if need be. NULL: out of memory. */
static struct wanted *want(struct json_path_set *set, const char *name, size_t len)
{
    bool found;
    size_t at = find(set, name, len, &found);
    struct wanted w = {.len = len};

    if (found)
        return &set->wanted[at];
    struct wanted *more = realloc(set->wanted, (set->nwanted + 1) * sizeof *more);
    if (more == NULL)
        return NULL;
    set->wanted = more;
    if (name != NULL && (w.name = copy_name(name, len)) == NULL)
        return NULL;
    memmove(more + at + 1, more + at, (set->nwanted++ - at) * sizeof *more);
    more[at] = w;
    return &more[at];
}

/* All entries first, so that nothing has changed when one cannot be had: an entry that no segment asks for does no harm. */
static bool want_all(struct json_path_set *set, const struct json_path_parsed *path)
{
    for (size_t i = 0; i < path->n; i++) {
        const struct json_path_segment *s = &path->segments[i];

        if (s->kind != JSON_PATH_ALL &&
            want(set, s->name, s->kind == JSON_PATH_NAME ? s->name_len : s->index) == NULL)
            return false;
    }
    return true;
}

static void ask(struct json_path_set *set, const struct json_path_segment *s, size_t bit)
{
    if (s->deep)
        set_bit(&set->deep, bit);
    if (s->kind == JSON_PATH_ALL)
        set_bit(&set->all, bit);
    else
        set_bit(&want(set, s->name, s->kind == JSON_PATH_NAME ? s->name_len : s->index)->by, bit);
}

static void mark_last_name(struct json_path_set *set, const struct json_path_parsed *path)
{
    size_t i = path->n;

    while (i > 0 && path->segments[i - 1].kind != JSON_PATH_NAME)
        i--;
    if (i == 0 || path->segments[i - 1].name_len == 0)
        set->nameless = true;
    else
        want(set, path->segments[i - 1].name, path->segments[i - 1].name_len)->last = true;
}

enum json_path_result json_path_add(struct json_path_set *set, const char *path, size_t len)
{
    struct json_path_parsed parsed;
    enum json_path_result result = json_path_parse(path, len, &parsed);

    if (result != JSON_PATH_OK)
        return result;
    if (set->used + parsed.n + 1 > JSON_PATH_BITS)
        return JSON_PATH_TOO_MANY;
    if (!want_all(set, &parsed))
        return JSON_PATH_NO_MEMORY;
    set_bit(&set->first, set->used);
    for (size_t i = 0; i < parsed.n; i++)
        ask(set, &parsed.segments[i], set->used++);
    set_bit(&set->ends, set->used++);
    mark_last_name(set, &parsed);
    return JSON_PATH_OK;
}

const char *json_path_why(enum json_path_result result)
{
    static const char *const sentences[] = {
        [JSON_PATH_OK] = "It is a path.",
        [JSON_PATH_SYNTAX] = "This is not a JSONPath (RFC 9535). Names with other characters than "
                             "letters, digits and _ are written $['like-this'].",
        [JSON_PATH_UNSUPPORTED] =
            "Taken are names, indexes from the front, [*] and .. before one of them; no filters, "
            "slices, lists, or indexes from the end.",
        [JSON_PATH_TOO_LONG] = "A path has at most 200 bytes.",
        [JSON_PATH_TOO_MANY] = "All paths together have too many segments.",
        [JSON_PATH_NO_MEMORY] = "Out of memory.",
    };

    return sentences[result];
}

/* ---- the walk ---- */

/* An array or object that is open. */
struct level {
    struct bits at;
    bool object;
    size_t n; /* its members or elements so far */
};

struct walk {
    const struct json_path_set *set;
    const char *p, *end;
    json_path_found *found;
    void *arg;
    size_t depth;
    struct level levels[LIMIT_JSON_DEPTH]; /* those below depth are written */
};

static void skip_space(struct walk *w)
{
    while (w->p < w->end && (*w->p == ' ' || *w->p == '\n' || *w->p == '\r' || *w->p == '\t'))
        w->p++;
}

static enum json_path_end wrong(const struct walk *w)
{
    return w->p == w->end ? JSON_PATH_CUT_SHORT : JSON_PATH_MALFORMED;
}

/* Over one value of at most `depth` levels, or as far as it goes. */
static enum json_path_end skip(struct walk *w, size_t depth)
{
    struct json_limits limits = {depth};
    size_t end = 0, bad = 0;
    enum json_scan_result result =
        json_scan_skip(w->p, (size_t)(w->end - w->p), &limits, &end, &bad);

    w->p += result == JSON_SCAN_OK ? end : bad;
    return result == JSON_SCAN_OK ? JSON_PATH_WHOLE : wrong(w);
}

/* A value whose place has these bits: told, opened, or passed over. */
static enum json_path_end enter(struct walk *w, const struct bits *at)
{
    size_t left = LIMIT_JSON_DEPTH - w->depth;
    const char *start = w->p;
    bool hit = meet(at, &w->set->ends);

    if (w->p == w->end)
        return JSON_PATH_CUT_SHORT;
    if (hit || is_empty(at) || (*w->p != '{' && *w->p != '[') || left == 0) {
        enum json_path_end result = skip(w, left);

        if (hit)
            w->found(w->arg, (struct json_slice){start, (size_t)(w->p - start)});
        return result;
    }
    w->levels[w->depth++] = (struct level){.at = *at, .object = *w->p == '{'};
    w->p++;
    return JSON_PATH_WHOLE;
}

/* From a level to its member `name`, or (NULL) its element number `len`. */
static struct bits step(const struct json_path_set *set, const struct bits *at, const char *name,
                        size_t len)
{
    static const struct bits none;
    struct bits to = none;
    uint64_t carry = 0;
    bool known;
    size_t place = find(set, name, len, &known);
    const struct bits *by = known ? &set->wanted[place].by : &none;

    for (size_t i = 0; i < WORDS; i++) {
        uint64_t takes = at->w[i] & (set->all.w[i] | by->w[i]);

        to.w[i] = takes << 1 | carry | (at->w[i] & set->deep.w[i]);
        carry = takes >> 63;
    }
    return to;
}

/* The key of a member and its colon; `to`: the bits of its value. */
static enum json_path_end enter_member(struct walk *w, const struct bits *at, struct bits *to)
{
    char name[JSON_PATH_BYTES_MAX + 1];
    const char *start = w->p;
    size_t len = 0;

    if (w->p == w->end || *w->p != '"')
        return wrong(w);
    enum json_path_end result = skip(w, 0);
    if (result != JSON_PATH_WHOLE)
        return result;
    struct json_slice key = {start, (size_t)(w->p - start)};
    if (json_scan_text(key, name, sizeof name, &len) != 0) {
        name[0] =
            '\0'; /* longer than any that is asked for, or with a lone surrogate, which none has */
        len = SIZE_MAX;
    }
    *to = step(w->set, at, name, len);
    skip_space(w);
    if (w->p == w->end || *w->p != ':')
        return wrong(w);
    w->p++;
    skip_space(w);
    return JSON_PATH_WHOLE;
}

/* The next member or element of the innermost level, or its end. */
static enum json_path_end advance(struct walk *w)
{
    struct level *l = &w->levels[w->depth - 1];
    enum json_path_end result = JSON_PATH_WHOLE;
    struct bits to;

    skip_space(w);
    if (w->p < w->end && *w->p == (l->object ? '}' : ']')) {
        w->p++;
        w->depth--;
        return JSON_PATH_WHOLE;
    }
    if (l->n > 0) {
        if (w->p == w->end || *w->p != ',')
            return wrong(w);
        w->p++;
        skip_space(w);
    }
    if (l->object)
        result = enter_member(w, &l->at, &to);
    else
        to = step(w->set, &l->at, NULL, l->n);
    l->n++;
    return result == JSON_PATH_WHOLE ? enter(w, &to) : result;
}

enum json_path_end json_path_each(const struct json_path_set *set, const char *text, size_t len,
                                  size_t *end, json_path_found *found, void *arg)
{
    struct walk w; /* not cleared: 40 KiB */
    enum json_path_end result;

    w.set = set;
    w.p = text;
    w.end = text + len;
    w.found = found;
    w.arg = arg;
    w.depth = 0;
    skip_space(&w);
    result = enter(&w, &set->first);
    while (result == JSON_PATH_WHOLE && w.depth > 0)
        result = advance(&w);
    if (result == JSON_PATH_WHOLE) {
        skip_space(&w);
        if (w.p < w.end)
            result = JSON_PATH_MALFORMED;
    }
    *end = (size_t)(w.p - text);
    return result;
}

/* ---- texts that are no JSON ---- */

static void lower(char *to, const char *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] | 32 : from[i]);
}

static bool holds(const char *text, size_t len, const struct wanted *w)
{
    char name[JSON_PATH_BYTES_MAX];

    lower(name, w->name, w->len);
    return memmem(text, len, name, w->len) != NULL;
}

bool json_path_mentioned(const struct json_path_set *set, const char *text, size_t len)
{
    char *low;
    bool found;

    if (set->used == 0 || len == 0)
        return false;
    if (set->nameless || (low = malloc(len)) == NULL)
        return true;
    lower(low, text, len);
    found = memmem(low, len, "\\u", 2) != NULL;
    for (size_t i = 0; !found && i < set->nwanted; i++)
        found = set->wanted[i].last && holds(low, len, &set->wanted[i]);
    free(low);
    return found;
}
