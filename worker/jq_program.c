/*
 * See jq_program.h. Owns the compiled programs. Must never be called outside of a sandbox with a tenant's text: a
 * program may loop, eat all memory, or end the process. A crash loses the programs that were kept.
 */
#include "worker/jq_program.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jq.h>
#include <jv.h>

#include "common/json_scan.h"
#include "common/limits.h"
#include "common/redact.h"
#include "worker/jq_numbers.h"
#include "worker/jq_words.h"

#define DEPTH_MAX 256    /* libjq reads nothing deeper */
#define MESSAGE_MAX 4096 /* of what libjq says */
#define NUMBER_SHOWN 40  /* bytes of a number in a message */

/* One line in front of every program: what it may not have is defined away. The user's first line is the second. */
#define NOT_HERE(name) "def " name ": error(\"" name " is not available in a transform\");"
static const char prelude[] =
    NOT_HERE("env") NOT_HERE("input") NOT_HERE("inputs") NOT_HERE("input_filename") NOT_HERE(
        "input_line_number") NOT_HERE("halt") NOT_HERE("halt_error") NOT_HERE("modulemeta")
        NOT_HERE("get_search_list") "def halt_error(f): halt_error; def debug: .; def stderr: .;\n";

struct jq_program {
    jq_state *jq;
    char *text;
    unsigned long used;
};

struct jq_programs {
    struct jq_program kept[JQ_PROGRAM_CACHED];
    unsigned long turn;
    void (*no_memory)(void *unused);
    struct buf said; /* what libjq said, all of it */
};

/* --- words -------------------------------------------------------------------------------------------------------- */

/* One line of valid UTF-8. */
static void say(char *why, const char *text, size_t n)
{
    redact_to_utf8(text, n, why, SHAPE_TEXT_MAX);
    for (char *p = why; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    for (size_t len = strlen(why); len && why[len - 1] == ' ';)
        why[--len] = '\0';
}

__attribute__((format(printf, 2, 3))) static void say_as(char *why, const char *format, ...)
{
    va_list ap;
    char text[SHAPE_TEXT_MAX];
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    say(why, text, strlen(text));
}

static void hear(void *arg, jv message)
{
    struct jq_programs *cache = arg;
    if (jv_get_kind(message) != JV_KIND_STRING)
        message = jv_dump_string(message, 0);
    const char *text = jv_string_value(message);
    if (strncmp(text, "jq: error: ", 11) == 0) /* what follows is "jq: 1 compile error" */
        buf_add_str(&cache->said, text + 11);
    jv_free(message);
}

static void cut(char *text, const char *what)
{
    char *at = strstr(text, what);
    if (at)
        memmove(at, at + strlen(what), strlen(at + strlen(what)) + 1);
}

/* libjq's own words, without its guess about shells, and with the lines counted as the author does. */
static void say_compile_error(struct jq_programs *cache, char *why)
{
    char head[SHAPE_TEXT_MAX];
    char *said = cache->said.data ? cache->said.data : (char[]){"it does not compile"};
    cut(said, " (Unix shell quoting issues?)");
    cut(said, " at <top-level>");
    char *at = strstr(said, ", line "), *colon = at ? strchr(at, ':') : NULL;
    if (!colon) {
        say(why, said, strlen(said));
        return;
    }
    snprintf(head, sizeof head, "%.*s, line %ld%.200s", (int)(at - said), said,
             strtol(at + 7, NULL, 10) - 1, colon);
    say(why, head, strlen(head));
}

/* --- compiled programs -------------------------------------------------------------------------------------------- */

static void drop(struct jq_program *p)
{
    if (p->jq)
        jq_teardown(&p->jq);
    free(p->text);
    *p = (struct jq_program){0};
}

static jq_state *compile(struct jq_programs *cache, const char *text)
{
    size_t n = sizeof prelude + strlen(text);
    char *whole = malloc(n);
    jq_state *jq = whole ? jq_init() : NULL;
    if (!jq)
        cache->no_memory(NULL);
    snprintf(whole, n, "%s%s", prelude, text);
    jq_set_nomem_handler(jq, cache->no_memory, NULL);
    jq_set_error_cb(jq, hear, cache);
    jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
    buf_clear(&cache->said);
    if (!jq_compile(jq, whole))
        jq_teardown(&jq);
    free(whole);
    return jq;
}

/* The program's place: its own, else that of the one not used for longest. */
static struct jq_program *place(struct jq_programs *cache, const char *text)
{
    struct jq_program *oldest = &cache->kept[0];
    for (int i = 0; i < JQ_PROGRAM_CACHED; i++) {
        struct jq_program *p = &cache->kept[i];
        if (p->text && strcmp(p->text, text) == 0)
            return p;
        if (p->used < oldest->used)
            oldest = p;
    }
    drop(oldest);
    return oldest;
}

static jq_state *find(struct jq_programs *cache, const char *text, char *why)
{
    struct jq_program *p = place(cache, text);
    p->used = ++cache->turn;
    if (p->jq)
        return p->jq;
    const char *refused = jq_words_refused(text);
    if (refused) {
        say(why, refused, strlen(refused));
        return NULL;
    }
    p->text = strdup(text);
    p->jq = p->text ? compile(cache, text) : NULL;
    if (!p->jq) {
        say_compile_error(cache, why);
        drop(p);
    }
    return p->jq;
}

/* --- values ------------------------------------------------------------------------------------------------------- */

/* What is known of a value before it is written. */
struct writing {
    size_t least;    /* bytes that it will have, or more */
    double *numbers; /* in the order of its text */
    size_t count, size;
};

static enum shape_code judge_number(double number, struct writing *w)
{
    if (!isfinite(number))
        return SHAPE_CODE_NOT_A_NUMBER;
    if (w->count == w->size) {
        size_t size = w->size ? w->size * 2 : 256;
        double *more = realloc(w->numbers, size * sizeof *more);
        if (!more)
            return SHAPE_CODE_MEMORY;
        w->numbers = more;
        w->size = size;
    }
    w->numbers[w->count++] = number;
    return SHAPE_CODE_OK;
}

static enum shape_code judge(jv value, int depth, struct writing *w);

static enum shape_code judge_item(jv item, int depth, struct writing *w)
{
    enum shape_code code = judge(item, depth + 1, w);
    jv_free(item);
    w->least += 1; /* a comma, or what ends the list */
    return code;
}

static enum shape_code judge_array(jv value, int depth, struct writing *w)
{
    enum shape_code code = SHAPE_CODE_OK;
    int n = jv_array_length(jv_copy(value));
    for (int i = 0; i < n && code == SHAPE_CODE_OK; i++)
        code = judge_item(jv_array_get(jv_copy(value), i), depth, w);
    return code;
}

static enum shape_code judge_object(jv value, int depth, struct writing *w)
{
    enum shape_code code = SHAPE_CODE_OK;
    for (int i = jv_object_iter(value); jv_object_iter_valid(value, i) && code == SHAPE_CODE_OK;
         i = jv_object_iter_next(value, i))
        code = judge_item(jv_object_iter_value(value, i), depth, w);
    return code;
}

/*
 * Whether it can be written: its numbers, its depth, and its size as far as that can be told without writing it (`least`
 * is a lower bound): ten megabytes take longer to write than a request has. Borrows the value.
 */
static enum shape_code judge(jv value, int depth, struct writing *w)
{
    jv_kind kind = jv_get_kind(value);
    if (depth >= DEPTH_MAX && (kind == JV_KIND_ARRAY || kind == JV_KIND_OBJECT))
        return SHAPE_CODE_OUTPUT_DEEP;
    w->least += kind == JV_KIND_STRING ? (size_t)jv_string_length_bytes(jv_copy(value)) + 2 : 1;
    if (w->least > LIMIT_PAYLOAD_BYTES)
        return SHAPE_CODE_OUTPUT_LARGE;
    if (kind == JV_KIND_NUMBER)
        return judge_number(jv_number_value(value), w);
    return kind == JV_KIND_ARRAY    ? judge_array(value, depth, w)
           : kind == JV_KIND_OBJECT ? judge_object(value, depth, w)
                                    : SHAPE_CODE_OK;
}

/* Each number of the text is read again and compared: none leaves altered, whatever libjq's printer does. */
static bool reads_back(const struct writing *w, const char *text, size_t n)
{
    struct json_slice number;
    const char *at = text;
    size_t i = 0;
    for (; jq_numbers_next(&at, text + n, &number); i++)
        if (i >= w->count || strtod(number.p, NULL) != w->numbers[i])
            return false;
    return i == w->count;
}

/* The words for what judge and write_text find. */
static enum shape_code unwritable(enum shape_code code, char *why)
{
    if (code == SHAPE_CODE_OUTPUT_DEEP)
        say_as(why, "the result is nested deeper than %d", DEPTH_MAX);
    if (code == SHAPE_CODE_NOT_A_NUMBER)
        say_as(why, "the result holds an infinity or a NaN, which JSON cannot carry");
    if (code == SHAPE_CODE_OUTPUT_LARGE)
        say_as(why, "the result has more than %d bytes", LIMIT_PAYLOAD_BYTES);
    if (code == SHAPE_CODE_NUMBER_ALTERED)
        say_as(why, "a number of the result cannot be written without a change");
    if (code == SHAPE_CODE_MEMORY)
        say_as(why, "there is no memory to write the result");
    return code;
}

static enum shape_code write_text(jv value, const struct writing *w, struct buf *out)
{
    enum shape_code code = SHAPE_CODE_OK;
    jv text = jv_dump_string(jv_copy(value), 0);
    size_t n = (size_t)jv_string_length_bytes(jv_copy(text));
    if (n > LIMIT_PAYLOAD_BYTES)
        code = SHAPE_CODE_OUTPUT_LARGE;
    else if (!reads_back(w, jv_string_value(text), n))
        code = SHAPE_CODE_NUMBER_ALTERED;
    else
        buf_add(out, jv_string_value(text), n);
    jv_free(text);
    return code;
}

static enum shape_code write_value(jv value, struct buf *out, char *why)
{
    struct writing w = {0};
    enum shape_code code = judge(value, 0, &w);
    if (code == SHAPE_CODE_OK)
        code = write_text(value, &w, out);
    free(w.numbers);
    return unwritable(code, why);
}

static void say_error(jv message, char *why)
{
    if (jv_get_kind(message) != JV_KIND_STRING)
        message = jv_dump_string(message, 0);
    say(why, jv_string_value(message), (size_t)jv_string_length_bytes(jv_copy(message)));
    jv_free(message);
}

/* --- a run -------------------------------------------------------------------------------------------------------- */

/* No further value, or the error that took its place. Takes `end`, which is not valid. */
static enum shape_code ended(jv end, enum shape_code nothing, char *why)
{
    if (!jv_invalid_has_msg(jv_copy(end))) {
        jv_free(end);
        return nothing;
    }
    say_error(jv_invalid_get_msg(end), why);
    return SHAPE_CODE_ERROR;
}

static enum shape_code first_and_only(jq_state *jq, struct buf *out, char *why)
{
    jv value = jq_next(jq);
    if (!jv_is_valid(value)) {
        say_as(why, "the program made no value; exactly one is wanted");
        return ended(value, SHAPE_CODE_NO_OUTPUT, why);
    }
    jv second = jq_next(jq);
    enum shape_code code = SHAPE_CODE_MANY_OUTPUTS;
    if (jv_is_valid(second)) {
        say_as(why, "the program made more than one value; exactly one is wanted");
        jv_free(second);
    } else {
        code = ended(second, SHAPE_CODE_OK, why);
    }
    if (code == SHAPE_CODE_OK)
        code = write_value(value, out, why);
    jv_free(value);
    return code;
}

static enum shape_code read_payload(const char *json, size_t n, jv *value, char *why)
{
    static const struct json_limits limits = {DEPTH_MAX};
    struct json_slice number;
    enum json_scan_result scanned = json_scan_value(json, n, &limits, NULL);
    if (scanned != JSON_SCAN_OK) {
        say_as(why, "the payload cannot be read by a transform: %s",
               json_scan_result_name(scanned));
        return SHAPE_CODE_PAYLOAD;
    }
    if (jq_numbers_altered(json, n, &number)) {
        say_as(why, "the payload's number %.*s%s would be altered: a transform works with doubles",
               (int)(number.len < NUMBER_SHOWN ? number.len : NUMBER_SHOWN), number.p,
               number.len > NUMBER_SHOWN ? "..." : "");
        return SHAPE_CODE_NUMBER_ALTERED;
    }
    *value = jv_parse_sized(json, (int)n);
    return jv_is_valid(*value) ? SHAPE_CODE_OK : ended(*value, SHAPE_CODE_PAYLOAD, why);
}

enum shape_code jq_program_run(struct jq_programs *cache, const char *program, const char *json,
                               size_t n, struct buf *out, char *why)
{
    jv value;
    jq_state *jq = find(cache, program, why);
    enum shape_code code = jq ? read_payload(json, n, &value, why) : SHAPE_CODE_INVALID;
    if (code != SHAPE_CODE_OK)
        return code;
    jq_start(jq, value, 0);
    code = first_and_only(jq, out, why);
    jq_start(jq, jv_null(), 0); /* lets go of what the run still held */
    return out->failed ? SHAPE_CODE_MEMORY : code;
}

/* --- the cache ---------------------------------------------------------------------------------------------------- */

struct jq_programs *jq_program_cache_new(void (*no_memory)(void *unused))
{
    struct jq_programs *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    cache->no_memory = no_memory;
    buf_init(&cache->said, MESSAGE_MAX);
    return cache;
}

void jq_program_cache_free(struct jq_programs *cache)
{
    if (!cache)
        return;
    for (int i = 0; i < JQ_PROGRAM_CACHED; i++)
        drop(&cache->kept[i]);
    buf_release(&cache->said);
    free(cache);
}

static void give_up(void *unused)
{
    (void)unused;
    abort();
}

/* Regular expressions, times, the printer of numbers, sorting: each has something that is made on its first use. */
void jq_program_warm_up(void)
{
    static const char program[] =
        "[(.s | test(\"B\"; \"i\")), (now | localtime | mktime | todate), (.n * 1.5 | tostring),"
        " (now | strflocaltime(\"%c\")), ([3, 1] | sort)] | tojson | fromjson";
    static const char json[] = "{\"s\":\"abc\",\"n\":0.1}";
    char why[SHAPE_TEXT_MAX];
    struct buf out;
    struct jq_programs *cache = jq_program_cache_new(give_up);
    buf_init(&out, LIMIT_PAYLOAD_BYTES);
    if (cache)
        jq_program_run(cache, program, json, sizeof json - 1, &out, why);
    buf_release(&out);
    jq_program_cache_free(cache);
}
