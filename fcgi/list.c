/*
 * See list.h. Owns the seal around cursors. Must never take a cursor apart that it did not make for the same project,
 * path, sort and filters. A crash leaves nothing behind: cursors hold their own state.
 */
#include "fcgi/list.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "common/base64.h"
#include "fcgi_sql.h"

#define CURSOR_AAD "list|cursor"
#define CURSOR_VERSION 1
#define HEAD_BYTES (1 + 16 + 8) /* version, filters, now */
#define PLAIN_MAX (HEAD_BYTES + LIST_CURSOR_BYTES)
#define SEALED_MAX (PLAIN_MAX + SEAL_OVERHEAD_MAX)
#define TEXT_MAX BASE64_TEXT(SEALED_MAX)
#define VALUES_BYTES_MAX 65536

void list_refuse(struct list *l, int status, const char *code, const char *name, const char *fmt,
                 ...)
{
    va_list args;
    char pointer[80], detail[600];
    snprintf(pointer, sizeof pointer, "%s%s%s", l->object ? l->place : "", l->object ? "/" : "?",
             name);
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    response_field_problem(l->call->rs, status, code, pointer, "%s", detail);
}

static void bad_parameter(struct list *l, const char *code, const char *name, const char *why)
{
    list_refuse(l, 400, code, name, "%s: %s.", name, why);
}

/* --- what a cursor is bound to -------------------------------------------------------------------------------------- */

static bool is_filter(const char *name)
{
    return strcmp(name, "limit") != 0 && strcmp(name, "cursor") != 0 && strcmp(name, "count") != 0;
}

struct line {
    const char *name, *value;
    size_t len;
};

static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int by_name = strcmp(x->name, y->name);
    size_t n = x->len < y->len ? x->len : y->len;
    int by_value = by_name ? by_name : memcmp(x->value, y->value, n);
    return by_value ? by_value : (x->len > y->len) - (x->len < y->len);
}

/* One line for each value of each filter, in an order that does not depend on how they were sent. */
static size_t filter_lines(const struct request *rq, struct line *lines, size_t max)
{
    size_t n = 0;
    for (int i = 0; i < rq->nquery; i++) {
        const char *p = is_filter(rq->query[i].name) ? rq->query[i].value : NULL;
        while (p && n < max) {
            size_t len = strcspn(p, ",");
            if (len)
                lines[n++] = (struct line){rq->query[i].name, p, len};
            p = p[len] ? p + len + 1 : NULL;
        }
    }
    qsort(lines, n, sizeof *lines, compare_lines);
    return n;
}

/* False: more values than lines, which would leave some of them unbound. */
static bool digest_filters(struct list *l, const char *sort)
{
    struct line lines[512];
    unsigned char digest[EVP_MAX_MD_SIZE];
    const struct call *c = l->call;
    size_t n = filter_lines(c->rq, lines, 512);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = n < 512 && ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
    if (ok) {
        EVP_DigestUpdate(ctx, c->who.project.b, sizeof c->who.project.b);
        EVP_DigestUpdate(ctx, c->rq->path, strlen(c->rq->path) + 1);
        EVP_DigestUpdate(ctx, sort, strlen(sort) + 1);
        for (size_t i = 0; i < n; i++) {
            EVP_DigestUpdate(ctx, lines[i].name, strlen(lines[i].name) + 1);
            EVP_DigestUpdate(ctx, lines[i].value, lines[i].len);
            EVP_DigestUpdate(ctx, "", 1);
        }
        ok = EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
        memcpy(l->filters, digest, sizeof l->filters);
    }
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* --- cursors -------------------------------------------------------------------------------------------------------- */

static void put_be64(unsigned char *to, int64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        to[i] = (unsigned char)(v & 0xff);
}

static int64_t get_be64(const unsigned char *from)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | from[i];
    return (int64_t)v;
}

/* base64url (RFC 4648 section 5) differs from base64 in two characters. */
static void translate(char *s, const char *from, const char *to)
{
    for (; *s; s++)
        for (int i = 0; i < 2; i++)
            if (*s == from[i])
                *s = to[i];
}

static bool decode_text(const char *text, unsigned char *out, size_t cap, size_t *n)
{
    char copy[TEXT_MAX];
    size_t len = strlen(text);
    if (len >= sizeof copy)
        return false;
    memcpy(copy, text, len + 1);
    translate(copy, "-_", "+/");
    return base64_decode(copy, len, out, cap, n) == 0;
}

static bool make_cursor(const struct list *l, const void *key, size_t len, char out[TEXT_MAX])
{
    unsigned char plain[PLAIN_MAX], sealed[SEALED_MAX];
    size_t n;
    plain[0] = CURSOR_VERSION;
    memcpy(plain + 1, l->filters, sizeof l->filters);
    put_be64(plain + 17, l->now_us);
    memcpy(plain + HEAD_BYTES, key, len);
    if (seal_encrypt(l->call->desk->keyring, CURSOR_AAD, plain, HEAD_BYTES + len, sealed,
                     sizeof sealed, &n) != SEAL_OK)
        return false;
    base64_encode_bare(sealed, n, out);
    translate(out, "+/", "-_");
    return true;
}

static bool open_cursor(struct list *l, const char *text)
{
    unsigned char plain[SEALED_MAX], sealed[SEALED_MAX];
    size_t n, m;
    if (!decode_text(text, sealed, sizeof sealed, &n) ||
        seal_decrypt(l->call->desk->keyring, CURSOR_AAD, sealed, n, plain, sizeof plain, &m) !=
            SEAL_OK ||
        m <= HEAD_BYTES || m > PLAIN_MAX || plain[0] != CURSOR_VERSION) {
        bad_parameter(l, "bad-cursor", "cursor", "not a cursor of ours, or too old");
        return false;
    }
    if (memcmp(plain + 1, l->filters, sizeof l->filters) != 0) {
        bad_parameter(l, "cursor-filter-mismatch", "cursor",
                      "made for another project, path, order or other filters");
        return false;
    }
    l->now_us = get_be64(plain + 17);
    l->cursor_len = m - HEAD_BYTES;
    memcpy(l->cursor, plain + HEAD_BYTES, l->cursor_len);
    return true;
}

bool list_key(const struct list *l, struct list_key *out)
{
    if (l->cursor_len != sizeof *out)
        return false;
    memcpy(out, l->cursor, sizeof *out);
    return true;
}

void list_key_args(const struct list *l, struct db_args *a, struct list_key *key,
                   char at[LIST_TIME_MAX])
{
    bool given = list_key(l, key);
    if (given)
        instant_sql(key->created_us, at);
    db_args_text(a, given ? at : NULL);
    db_args_uuid(a, given ? &key->id : NULL);
}

/* --- parameters ----------------------------------------------------------------------------------------------------- */

static char *keep(struct list *l, const char *s, size_t len);

void list_of_object(struct call *c, struct list *l, const json_t *object, const char *place)
{
    *l = (struct list){
        .call = c, .object = object, .place = place, .limit = LIMIT_PAGE, .extra = json_object()};
}

static const json_t *member_of(const struct list *l, const char *name)
{
    const json_t *member = json_object_get(l->object, name);
    return json_is_null(member) ? NULL : member;
}

/* A scalar as it would stand in a query; NULL: it is none, or there is no room. */
static const char *text_of(struct list *l, const json_t *value)
{
    char number[24];
    if (json_is_string(value))
        return keep(l, json_string_value(value), json_string_length(value));
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    if (!json_is_integer(value))
        return NULL;
    int n = snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    return keep(l, number, (size_t)n);
}

/* Whoever sends it may have meant a value, and without one the filter would match everything. */
static void empty_value(struct list *l, const char *name)
{
    bad_parameter(l, "bad-filter", name, "has an empty value");
}

/* The values of a member, an array or one alone; -1: answered. */
static int object_values(struct list *l, const char *name, const char **out, int max)
{
    const json_t *member = member_of(l, name);
    int n = 0, count = !member ? 0 : json_is_array(member) ? (int)json_array_size(member) : 1;
    if (member && count == 0) {
        empty_value(l, name);
        return -1;
    }
    for (int i = 0; i < count; i++) {
        const json_t *value = json_is_array(member) ? json_array_get(member, (size_t)i) : member;
        const char *text = n < max ? text_of(l, value) : NULL;
        if (text && !*text) {
            empty_value(l, name);
            return -1;
        }
        if (!text) {
            bool many = n == max;
            bad_parameter(
                l, many ? "too-many-values" : "wrong-type", name,
                many ? "has too many values"
                     : "must be a string, a whole number, true or false, or an array of them");
            return -1;
        }
        out[n++] = text;
    }
    return n;
}

static const char *object_one(struct list *l, const char *name, bool *ok)
{
    const char *value = NULL;
    bool many = json_is_array(json_object_get(l->object, name));
    if (many)
        bad_parameter(l, "wrong-type", name, "takes one value");
    int n = many ? -1 : object_values(l, name, &value, 1);
    *ok = *ok && n >= 0;
    return n == 1 ? value : NULL;
}

bool list_has(const struct list *l, const char *name)
{
    return l->object ? member_of(l, name) != NULL : request_query(l->call->rq, name) != NULL;
}

const char *list_one(struct list *l, const char *name, bool *ok)
{
    if (l->object)
        return object_one(l, name, ok);
    const char *value = NULL;
    for (int i = 0; i < l->call->rq->nquery; i++) {
        if (strcmp(l->call->rq->query[i].name, name) != 0)
            continue;
        if (value) {
            bad_parameter(l, "repeated-parameter", name, "may be given once");
            *ok = false;
            return NULL;
        }
        value = l->call->rq->query[i].value;
    }
    return value;
}

static bool take_limit(struct list *l)
{
    bool ok = true;
    const char *text = list_one(l, "limit", &ok);
    l->limit = LIMIT_PAGE_DEFAULT;
    if (!ok || !text)
        return ok;
    size_t n = strspn(text, "0123456789");
    long value = n && n <= 9 && !text[n] ? strtol(text, NULL, 10)
                 : n > 9 && !text[n]     ? LIMIT_PAGE
                                         : 0;
    if (value < 1) {
        bad_parameter(l, "bad-limit", "limit", "must be a whole number from 1");
        return false;
    }
    l->limit = value > LIMIT_PAGE ? LIMIT_PAGE : (int)value;
    return true;
}

bool list_begin(struct call *c, struct list *l, const char *sort)
{
    bool ok = true;
    *l = (struct list){.call = c, .extra = json_object()};
    const char *cursor = NULL;
    ok = take_limit(l);
    if (ok)
        cursor = list_one(l, "cursor", &ok);
    if (ok && !digest_filters(l, sort)) {
        response_problem(c->rs, 400, "too-many-values", "The filters have too many values.", NULL,
                         0);
        ok = false;
    }
    if (ok && cursor && *cursor)
        ok = open_cursor(l, cursor);
    if (!ok)
        list_end(l);
    return ok;
}

void list_end(struct list *l)
{
    json_decref(l->extra);
    free(l->values);
    l->extra = NULL;
    l->values = NULL;
}

/* The whole buffer at once, because strings that were given out must not move. */
static char *keep(struct list *l, const char *s, size_t len)
{
    if (!l->values)
        l->values = malloc(l->values_size = VALUES_BYTES_MAX);
    if (!l->values || l->values_len + len + 1 > l->values_size)
        return NULL;
    char *to = l->values + l->values_len;
    memcpy(to, s, len);
    to[len] = '\0';
    l->values_len += len + 1;
    return to;
}

static bool seen(const char **values, int n, const char *value, size_t len)
{
    for (int i = 0; i < n; i++)
        if (strlen(values[i]) == len && memcmp(values[i], value, len) == 0)
            return true;
    return false;
}

int list_values(struct list *l, const char *name, const char **out, int max)
{
    int n = 0;
    if (l->object)
        return object_values(l, name, out, max);
    const struct request *rq = l->call->rq;
    for (int i = 0; i < rq->nquery; i++) {
        const char *p = strcmp(rq->query[i].name, name) == 0 ? rq->query[i].value : NULL;
        if (p && p[strspn(p, ",")] == '\0') {
            empty_value(l, name);
            return -1;
        }
        while (p) {
            size_t len = strcspn(p, ",");
            if (len && !seen(out, n, p, len)) {
                if (n == max || !(out[n] = keep(l, p, len))) {
                    bad_parameter(l, "too-many-values", name, "has too many values");
                    return -1;
                }
                n++;
            }
            p = p[len] ? p + len + 1 : NULL;
        }
    }
    return n;
}

/* The database's clock, once a page; a cursor brings the first page's. */
bool list_now(struct list *l)
{
    PGresult *r;
    if (l->now_us)
        return true;
    if (!route_db_ok(l->call, db_run(l->call->desk->db, &fcgi_sql[FCGI_SQL_CLOCK], NULL, &r)))
        return false;
    l->now_us = db_int(r, 0, 0);
    PQclear(r);
    return true;
}

int list_time(struct list *l, const char *name, char out[LIST_TIME_MAX])
{
    bool ok = true;
    int64_t us = 0;
    char shown[INSTANT_TEXT_MAX];
    const char *text = list_one(l, name, &ok);
    out[0] = '\0';
    if (!ok || !text)
        return ok ? 0 : -1;
    enum instant_result r = instant_parse(text, strlen(text), &us);
    if (r == INSTANT_RELATIVE) {
        if (!list_now(l))
            return -1;
        us += l->now_us;
        r = us >= 0 ? INSTANT_OK : INSTANT_RANGE;
    }
    if (r != INSTANT_OK) {
        bad_parameter(l, instant_code(r), name, instant_why(r));
        return -1;
    }
    instant_sql(us, out);
    instant_text(us, shown);
    list_extra(l, name, json_string(shown));
    return 1;
}

int list_flag(struct list *l, const char *name)
{
    bool ok = true;
    const char *text = list_one(l, name, &ok);
    if (!ok)
        return -2;
    if (!text)
        return -1;
    if (strcmp(text, "true") == 0)
        return 1;
    if (strcmp(text, "false") == 0)
        return 0;
    bad_parameter(l, "bad-filter", name, "must be true or false");
    return -2;
}

int list_id(struct list *l, const char *name, enum ids_kind kind, struct uuid *out)
{
    bool ok = true;
    const char *text = list_one(l, name, &ok);
    if (!ok || !text)
        return ok ? 0 : -1;
    if (ids_parse(kind, text, strlen(text), out) == 0)
        return 1;
    bad_parameter(l, "malformed-id", name, "is not an id");
    return -1;
}

enum list_count list_count(struct list *l)
{
    bool ok = true;
    const char *text = list_one(l, "count", &ok);
    if (!ok)
        return LIST_COUNT_BAD;
    if (!text)
        return LIST_COUNT_NONE;
    if (strcmp(text, "exact") == 0)
        return LIST_COUNT_EXACT;
    if (strcmp(text, "estimate") == 0)
        return LIST_COUNT_ESTIMATE;
    bad_parameter(l, "bad-filter", "count", "must be exact or estimate");
    return LIST_COUNT_BAD;
}

/* --- the answer ----------------------------------------------------------------------------------------------------- */

void list_extra(struct list *l, const char *name, json_t *value)
{
    json_object_set_new(l->extra, name, value);
}

static void add_encoded(struct buf *out, const char *s)
{
    for (; *s; s++)
        if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
            strchr("-_.~,:*", *s))
            buf_add_char(out, *s);
        else
            buf_printf(out, "%%%02X", (unsigned char)*s);
}

/* The same address with the next cursor (RFC 8288). */
static void set_link(struct list *l, const char *cursor)
{
    struct buf url;
    const struct call *c = l->call;
    buf_init(&url, 8192);
    buf_printf(&url, "<%s%s?", c->desk->config->public_url, c->rq->path);
    for (int i = 0; i < c->rq->nquery; i++) {
        if (strcmp(c->rq->query[i].name, "cursor") == 0)
            continue;
        add_encoded(&url, c->rq->query[i].name);
        buf_add_char(&url, '=');
        add_encoded(&url, c->rq->query[i].value);
        buf_add_char(&url, '&');
    }
    buf_printf(&url, "cursor=%s>; rel=\"next\"", cursor);
    if (!url.failed)
        response_header(c->rs, "Link", url.data);
    buf_release(&url);
}

void list_answer(struct list *l, json_t *data, const void *next, size_t next_len)
{
    char cursor[TEXT_MAX];
    json_t *body = json_pack("{s:o?, s:n}", "data", data, "nextCursor");
    if (next && next_len > LIST_CURSOR_BYTES)
        abort(); /* a handler of ours pages by more than there is room for */
    if (body && next && make_cursor(l, next, next_len, cursor)) {
        json_object_set_new(body, "nextCursor", json_string(cursor));
        set_link(l, cursor);
    }
    if (body)
        json_object_update(body, l->extra);
    response_json(l->call->rs, 200, body);
    l->call->rs->weak_tag = true;
}
