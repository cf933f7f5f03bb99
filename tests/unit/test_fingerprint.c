/* fingerprint: what is masked, which words of an answer are taken, and what parts two failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/fingerprint.h"

static const struct {
    const char *in, *out;
} masks[] = {
    {"user jane.doe+x@mail.example.com not found", "user <email> not found"},
    {"mail jane@example.com.", "mail <email>."},
    {"see https://example.com/a?b=1 for more", "see <url> for more"},
    {"host 10.1.2.3 refused", "host <ip> refused"},
    {"host 10.1.2.3:8080 refused", "host <ip>:# refused"},
    {"from 2001:db8::17", "from <ip>"},
    {"at [::1]:80.", "at [<ip>]:#."},
    {"order 0b7e9c1a-1111-4222-8333-444455556666 gone", "order <uuid> gone"},
    {"commit 1a2b3c4 and deadbeef1", "commit # and #"},
    {"digest d41d8cd98f00b204e9800998ecf8427e", "digest #"},
    {"at 0xdeadbeef", "at #"},
    {"since 2026-11-22T10:00:00.123Z now", "since <time> now"},
    {"since 2026-11-22 10:00:00+02:00", "since <time>"},
    {"since 2026-11-22", "since <time>"},
    {"until Sun, 06 Nov 1994 08:49:37 GMT!", "until <time>!"},
    {"until Sunday, 06-Nov-94 08:49:37 GMT", "until <time>"},
    {"until Sun Nov  6 08:49:37 1994", "until <time>"},
    {"at 12:34:56.789", "at <time>"},
    {"retry in 30s or 1.5 seconds or 1m30s", "retry in <duration> or <duration> or <duration>"},
    {"took 350ms", "took <duration>"},
    {"order 12345678 of 42, 1.75 and v1", "order # of #, # and v1"},
    {"id ord_12345 and item-77", "id ord_# and item-#"},
    {"utf8 http2 E1001 stay", "utf8 http2 E1001 stay"},
    {"name=\"Jane\" key:'x y' \"kept\"", "name=<str> key:<str> \"kept\""},
    {"{\"id\": \"a\", \"n\":3}", "{\"id\": <str>, \"n\":#}"},
    {"  a \t\r\n  b  ", "a b"},
    {"badly cafebabe", "badly cafebabe"},
    {"std::vector", "std::vector"},
    {"a\xff"
     "b",
     "a\xef\xbf\xbd"
     "b"},
    {"", ""},
};

static void what_changes_from_request_to_request_is_masked(void **state)
{
    char out[FINGERPRINT_TEXT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        size_t n = fingerprint_mask(masks[i].in, strlen(masks[i].in), out);

        assert_int_equal(n, strlen(out));
        if (strcmp(out, masks[i].out) != 0)
            fail_msg("'%s' became '%s'", masks[i].in, out);
    }
}

static void a_mask_is_not_masked_again(void **state)
{
    char once[FINGERPRINT_TEXT_MAX + 1], twice[FINGERPRINT_TEXT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        fingerprint_mask(masks[i].in, strlen(masks[i].in), once);
        fingerprint_mask(once, strlen(once), twice);
        assert_string_equal(once, twice);
    }
}

static void the_text_is_cut_at_200_bytes_between_characters(void **state)
{
    char in[600], out[FINGERPRINT_TEXT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < 600; i += 3)
        memcpy(in + i, "\xe2\x82\xac", 3);
    assert_int_equal(fingerprint_mask(in, sizeof(in), out), 198);
    assert_memory_equal(out + 195, "\xe2\x82\xac", 4);
}

static const struct uuid webhook = {{1, 2, 3}};

static void compute(int status, const char *type, const char *body, const char *code,
                    struct fingerprint *out)
{
    assert_int_equal(fingerprint_compute(&webhook, "http_5xx", status, type, body,
                                         body != NULL ? strlen(body) : 0, code, out),
                     0);
}

#define JSON "application/json"

static const struct {
    const char *type, *body, *text;
} templates[] = {
    {JSON, "{\"error\":{\"code\":\"card_declined\",\"message\":\"no\"},\"code\":1}",
     "card_declined"},
    {JSON, "{\"error\":{\"type\":\"api_error\"},\"code\":\"x\"}", "api_error"},
    {JSON, "{\"code\":4001,\"message\":\"m\"}", "4001"},
    {JSON, "{\"code\":\"\",\"type\":null,\"message\":\"user 17 is gone\"}", "user # is gone"},
    {JSON, "{\"code\":\"0b7e9c1a-1111-4222-8333-444455556666\"}", "<uuid>"},
    {JSON, "{\"error\":\"token 55 expired\"}", "token # expired"},
    {JSON, "{\"error\":{\"message\":\"inner\"},\"message\":\"outer\"}", "inner"},
    {JSON, "{\"detail\":\"d\",\"title\":\"t\"}", "d"},
    {"application/problem+json", "{\"type\":\"about:blank\",\"title\":\"Not Found\"}", "Not Found"},
    {JSON, "  \n{\"ok\":false,\"n\":5}", "{\"ok\":false,\"n\":#}"},
    {JSON, "{\"message\":\"cut sh", "{\"message\":\"cut sh"},
    {JSON, "[1,2]", "[#,#]"},
    {JSON, "\"just text\"", "\"just text\""},
    {"text/html; charset=utf-8",
     "<!doctype html>\n<html><head><TITLE lang=en>\n 502 Bad  Gateway </title>", "# Bad Gateway"},
    {"text/html", "<h1>no title</h1>\nx", "<h1>no title</h1>"},
    {"text/plain", "\n\n  \r\nfirst line 5\r\nsecond", "first line #"},
    {NULL, "plain", "plain"},
    {"", "{\"message\":\"sniffed\"}", "sniffed"},
    {"application/octet-stream", "bytes", ""},
    {"image/png", "bytes", ""},
    {"text/plain", "", ""},
    {"text/plain", " \n ", ""},
};

static void the_telling_words_of_an_answer_are_taken(void **state)
{
    struct fingerprint fp;

    (void)state;
    for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++) {
        compute(500, templates[i].type, templates[i].body, NULL, &fp);
        assert_int_equal(fp.text_len, strlen(fp.text));
        if (strcmp(fp.text, templates[i].text) != 0)
            fail_msg("'%s' gave '%s'", templates[i].body, fp.text);
    }
}

static void without_an_answer_the_error_code_is_the_template(void **state)
{
    struct fingerprint fp;

    (void)state;
    compute(0, NULL, NULL, "dns_nxdomain", &fp);
    assert_string_equal(fp.text, "dns_nxdomain");
    compute(0, "text/plain", "half an answer", "tls_certificate", &fp);
    assert_string_equal(fp.text, "tls_certificate");
    compute(502, "text/plain", "", "body_timeout", &fp);
    assert_string_equal(fp.text, "body_timeout");
    compute(502, "text/plain", "words", "body_timeout", &fp);
    assert_string_equal(fp.text, "words");
}

static void only_the_first_two_kibibytes_are_read(void **state)
{
    struct fingerprint one, two;
    char body[4096];

    (void)state;
    memset(body, '\n', sizeof(body));
    memcpy(body + FINGERPRINT_INPUT_MAX, "late", 4);
    assert_int_equal(
        fingerprint_compute(&webhook, "r", 500, "text/plain", body, sizeof(body), NULL, &one), 0);
    assert_string_equal(one.text, "");
    memcpy(body + FINGERPRINT_INPUT_MAX - 4, "seen", 4);
    assert_int_equal(
        fingerprint_compute(&webhook, "r", 500, "text/plain", body, sizeof(body), NULL, &two), 0);
    assert_string_equal(two.text, "seen");
}

static void equal_failures_share_a_fingerprint_and_each_part_separates(void **state)
{
    static const struct uuid other = {{9}};
    struct fingerprint a, b;

    (void)state;
    compute(500, "text/plain", "user 1 failed", NULL, &a);
    compute(500, "text/plain", "user 2 failed", NULL, &b);
    assert_memory_equal(a.id, b.id, sizeof(a.id));
    compute(500, "text/plain", "account 2 failed", NULL, &b);
    assert_memory_not_equal(a.id, b.id, sizeof(a.id));
    compute(503, "text/plain", "user 1 failed", NULL, &b);
    assert_memory_not_equal(a.id, b.id, sizeof(a.id));
    assert_int_equal(
        fingerprint_compute(&webhook, "timeout", 500, "text/plain", "user 1 failed", 13, NULL, &b),
        0);
    assert_memory_not_equal(a.id, b.id, sizeof(a.id));
    assert_int_equal(
        fingerprint_compute(&other, "http_5xx", 500, "text/plain", "user 1 failed", 13, NULL, &b),
        0);
    assert_memory_not_equal(a.id, b.id, sizeof(a.id));
}

/*
 * If this fails, groups in every database in use split: raise FINGERPRINT_VERSION and renew the
 * value.
 */
static void version_1_is_what_it_was(void **state)
{
    static const unsigned char known[FINGERPRINT_BYTES] = {0xb6, 0x67, 0x1e, 0xee, 0xb0, 0xe6,
                                                           0xf7, 0xe8, 0xb4, 0x2d, 0xea, 0x93,
                                                           0x04, 0xf4, 0x21, 0x00};
    struct fingerprint fp;

    (void)state;
    assert_int_equal(FINGERPRINT_VERSION, 1);
    compute(500, "text/plain", "user 1 failed", NULL, &fp);
    assert_memory_equal(fp.id, known, sizeof(known));
}

/* Time in milliseconds to mask the largest input made of one stretch repeated. */
static double mask_ms(const char *unit)
{
    static char in[FINGERPRINT_INPUT_MAX];
    char out[FINGERPRINT_TEXT_MAX + 1];
    struct timespec from, to;

    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = unit[i % strlen(unit)];
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (int i = 0; i < 20; i++)
        fingerprint_mask(in, sizeof(in), out);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    return ((double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6) /
           20;
}

static void hostile_answers_are_masked_in_bounded_time(void **state)
{
    static const char *const units[] = {"1.", "a.", "a@", ":\"", "=':\"", "1s",
                                        "::", "0-", "1a", " ",   "a.b@",  "x://"};

    (void)state;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        double ms = mask_ms(units[i]);

        if (ms > 20) /* 0.1 to 1 with sanitizers */
            fail_msg("%s: %.1f ms", units[i], ms);
    }
}

static void what_is_shown_is_read_again(void **state)
{
    static const unsigned char id[FINGERPRINT_BYTES] = {0x00, 0x0f, 0xf0, 0xff, 0xab, [15] = 0x9c};
    unsigned char read[FINGERPRINT_BYTES];

    (void)state;
    assert_int_equal(fingerprint_parse("000ff0ffAB000000000000000000009c", 32, read), 0);
    assert_memory_equal(read, id, sizeof id);
    assert_int_equal(fingerprint_parse("000ff0ffAB000000000000000000009c", 31, read), -1);
    assert_int_equal(fingerprint_parse("000ff0ffAB000000000000000000009c0", 33, read), -1);
    assert_int_equal(fingerprint_parse("000ff0ffAB0000000000000000000 9c", 32, read), -1);
    assert_int_equal(fingerprint_parse("0x0ff0ffAB000000000000000000009c", 32, read), -1);
    assert_int_equal(fingerprint_parse("", 0, read), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changes_from_request_to_request_is_masked),
        cmocka_unit_test(a_mask_is_not_masked_again),
        cmocka_unit_test(the_text_is_cut_at_200_bytes_between_characters),
        cmocka_unit_test(the_telling_words_of_an_answer_are_taken),
        cmocka_unit_test(without_an_answer_the_error_code_is_the_template),
        cmocka_unit_test(only_the_first_two_kibibytes_are_read),
        cmocka_unit_test(equal_failures_share_a_fingerprint_and_each_part_separates),
        cmocka_unit_test(version_1_is_what_it_was),
        cmocka_unit_test(what_is_shown_is_read_again),
        cmocka_unit_test(hostile_answers_are_masked_in_bounded_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
