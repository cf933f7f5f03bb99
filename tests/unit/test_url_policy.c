/* url_policy: the shared cases, what the operator's list changes, and the normalised URL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "common/url_policy.h"

/* Replaces \xNN by the byte and {A*n} by n letters; returns the length. */
static size_t unescape(const char *in, char *out)
{
    char *at = out, *behind;

    while (*in != '\0') {
        if (strncmp(in, "\\x", 2) == 0) {
            char hex[3] = {in[2], in[3], '\0'};

            *at++ = (char)strtoul(hex, NULL, 16);
            in += 4;
        } else if (strncmp(in, "{A*", 3) == 0) {
            size_t n = strtoul(in + 3, &behind, 10);

            memset(at, 'a', n);
            at += n;
            in = behind + 1;
        } else {
            *at++ = *in++;
        }
    }
    return (size_t)(at - out);
}

/* The verdict over a copy of exactly its size. */
static int check(const char *url, size_t len, const struct address_allow *allow, const char **why)
{
    struct url_parts parts;
    char *copy = malloc(len > 0 ? len : 1);
    int rc;

    assert_non_null(copy);
    memcpy(copy, url, len);
    rc = url_policy_check(copy, len, allow, &parts, why);
    free(copy);
    assert_true((rc == 0) == (parts.url != NULL));
    assert_true((rc == 0) == (*why == NULL));
    url_policy_release(&parts);
    return rc;
}

static void every_shared_case_gets_its_verdict(void **state)
{
    FILE *f = fopen("tests/unit/ssrf_cases.txt", "r");
    struct address_allow none = {.count = 0};
    char line[4096], url[8192];
    int count = 0;

    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        char *stage = strchr(line, '\t'), *input;
        const char *why;

        if (line[0] == '#' || stage == NULL || strncmp(stage, "\turl\t", 5) != 0)
            continue;
        input = stage + 5; /* a leading space is part of it */
        input[strcspn(input, "\t\n")] = '\0';
        count++;
        if ((check(url, unescape(input, url), &none, &why) == 0) != (line[0] == 'A'))
            fail_msg("%.6s %s (%s)", line, input, why != NULL ? why : "accepted");
    }
    fclose(f);
    assert_true(count >= 100);
}

static const char *const more_refused[] = {
    "",
    "http",
    "https://",
    "https:///example.com/",
    "https:////example.com/",
    "https:\\\\example.com/",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://@example.com/",
    "https://:443/",
    "https://example.com:65536/",
    "https://example.com:99999999999/",
    "https://example.com:-1/",
    "https://example.com:1023/",
    "https://example.com:80x/",
    "https://example.com:443:443/",
    "https://example.com:5432/",
    "https://example.com:0x50/",
    "https://example.com./",
    "https://example.com.:443/",
    "https://.example.com/",
    "https://example-.com/",
    "https://exam!ple.com/",
    "https://a,b.com/",
    "https://127.0.0.1./",
    "https://0x7f.0.0.1/",
    "https://127.0.0.0x1/",
    "https://1.2.3/",
    "https://1.2.3.4.5/",
    "https://example.1/",
    "https://256.1.1.1/",
    "https://8.8.8.08/",
    "https://[::1%25lo]/",
    "https://[fe80::1%eth0]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[2001:db8::1]/",
    "https://[2606:4700::1/",
    "https://2606:4700::1/",
    "https://[]/",
    "https://[2606:4700::1]:22/",
    "https://LOCALHOST/",
    "https://a.LocalHost/",
    "https://printer.LAN/",
    "https://x.test/",
    "https://www.example/",
    "https://example.com/a b",
    "https://example.com/\xc3\xa9",
    "https://example.com/\x7f",
    "https://example.com\n/",
    "https://example.com#@10.0.0.1\\",
    "ftp://example.com/",
    "httpss://example.com/",
    "http+unix://example.com/",
};

static const char *const more_accepted[] = {
    "https://example.com",
    "https://example.com?x=1",
    "https://example.com#frag",
    "https://example.com:443/",
    "http://example.com:80/",
    "https://example.com:8443/",
    "https://example.com:65535/",
    "https://example.com:1024/",
    "http://example.com:443/",
    "https://example.com:/",
    "https://xn--bcher-kva.example.com/",
    "https://a.b-c.example.org/",
    "https://1example.com/",
    "https://example.com/@user:x",
    "https://example.com/?u=http://127.0.0.1/",
    "https://example.com//double",
    "https://[2606:4700::1]:8443/",
    "https://example.com/%00",
    "https://0xexample.com/",
    "https://exa--mple.com/",
};

static void other_urls_are_judged_by_the_same_rules(void **state)
{
    const char *why;

    (void)state;
    for (size_t i = 0; i < sizeof(more_refused) / sizeof(more_refused[0]); i++)
        if (check(more_refused[i], strlen(more_refused[i]), NULL, &why) == 0)
            fail_msg("accepted: %s", more_refused[i]);
    for (size_t i = 0; i < sizeof(more_accepted) / sizeof(more_accepted[0]); i++)
        if (check(more_accepted[i], strlen(more_accepted[i]), NULL, &why) != 0)
            fail_msg("refused: %s (%s)", more_accepted[i], why);
}

static void a_nul_byte_does_not_end_the_url(void **state)
{
    static const char url[] = "http://example.com\0.evil.com/";
    const char *why;

    (void)state;
    assert_int_equal(check(url, sizeof(url) - 1, NULL, &why), -1);
}

static void length_is_bounded(void **state)
{
    char url[URL_POLICY_BYTES_MAX + 1];
    const char *why;

    (void)state;
    memset(url, 'a', sizeof(url));
    memcpy(url, "https://example.com/", 20);
    assert_int_equal(check(url, URL_POLICY_BYTES_MAX, NULL, &why), 0);
    assert_int_equal(check(url, URL_POLICY_BYTES_MAX + 1, NULL, &why), -1);
}

static void take(const char *url, const char *list, struct url_parts *out)
{
    struct address_allow allow;
    const char *why;
    char err[200];

    assert_int_equal(address_guard_parse_allow(list, &allow, err, sizeof(err)), 0);
    if (url_policy_check(url, strlen(url), &allow, out, &why) != 0)
        fail_msg("refused: %s (%s)", url, why);
}

static void parts_are_normalised(void **state)
{
    static const struct {
        const char *in, *url, *host, *origin;
        unsigned port;
        bool https, literal;
    } cases[] = {
        {"HTTPS://EXAMPLE.COM/Hook?A=B#frag", "https://example.com/Hook?A=B", "example.com",
         "https://example.com", 443, true, false},
        {"https://example.com:443/x", "https://example.com/x", "example.com", "https://example.com",
         443, true, false},
        {"http://example.com:443/x", "http://example.com:443/x", "example.com",
         "http://example.com:443", 443, false, false},
        {"http://Example.com:08080", "http://example.com:8080/", "example.com",
         "http://example.com:8080", 8080, false, false},
        {"http://example.com:80?q", "http://example.com/?q", "example.com", "http://example.com",
         80, false, false},
        {"https://8.8.8.8/", "https://8.8.8.8/", "8.8.8.8", "https://8.8.8.8", 443, true, true},
        {"https://[2606:4700:4700:0:0::1111]:8443/h", "https://[2606:4700:4700::1111]:8443/h",
         "2606:4700:4700:0:0::1111", "https://[2606:4700:4700::1111]:8443", 8443, true, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct url_parts parts;

        take(cases[i].in, "", &parts);
        assert_string_equal(parts.url, cases[i].url);
        assert_string_equal(parts.host, cases[i].host);
        assert_string_equal(parts.origin, cases[i].origin);
        assert_int_equal(parts.port, cases[i].port);
        assert_int_equal(parts.https, cases[i].https);
        assert_int_equal(parts.is_literal, cases[i].literal);
        url_policy_release(&parts);
    }
}

static void the_normalised_url_is_its_own_normal_form(void **state)
{
    struct url_parts once, twice;

    (void)state;
    for (size_t i = 0; i < sizeof(more_accepted) / sizeof(more_accepted[0]); i++) {
        take(more_accepted[i], "", &once);
        take(once.url, "", &twice);
        assert_string_equal(once.url, twice.url);
        url_policy_release(&once);
        url_policy_release(&twice);
    }
}

static void a_literal_carries_its_socket_address(void **state)
{
    const struct sockaddr_in *in;
    struct url_parts parts;

    (void)state;
    take("https://8.8.8.8:8443/", "", &parts);
    in = (const struct sockaddr_in *)(const void *)&parts.addr;
    assert_int_equal(in->sin_family, AF_INET);
    assert_int_equal(ntohs(in->sin_port), 8443);
    assert_int_equal(ntohl(in->sin_addr.s_addr), 0x08080808);
    url_policy_release(&parts);
}

static const struct {
    const char *list, *url;
    bool accepted;
} allow_cases[] = {
    {"127.0.0.1/32", "http://127.0.0.1/", true},
    {"127.0.0.1/32", "http://127.0.0.1:1/", true},
    {"127.0.0.1/32", "http://127.0.0.1:5432/", true},
    {"127.0.0.1/32", "http://127.0.0.1:0/", false},
    {"127.0.0.1/32", "http://127.0.0.2/", false},
    {"127.0.0.1/32", "http://127.1/", false},
    {"127.0.0.1/32", "http://2130706433/", false},
    {"127.0.0.1/32", "http://[::1]/", false},
    {"127.0.0.1/32", "http://[::ffff:127.0.0.1]/", true},
    {"127.0.0.1/32", "http://localhost/", true},
    {"127.0.0.1/32", "http://localhost:3000/x", true},
    {"127.0.0.1/32", "http://LOCALHOST:25/", true},
    {"127.0.0.1/32", "http://r1.localhost:9001/", true},
    {"127.0.0.1/32", "http://localhost./", false},
    {"127.0.0.1/32", "http://notlocalhost/", false},
    {"127.0.0.1/32", "http://metadata/", false},
    {"127.0.0.1/32", "http://db.internal/", false},
    {"127.0.0.1/32", "https://example.com:22/", false},
    {"127.0.0.1/32", "https://8.8.8.8:22/", false},
    {"127.0.0.0/8", "http://localhost/", true},
    {"127.0.0.2/32", "http://localhost/", false},
    {"::1/128", "http://localhost/", false},
    {"::1/128", "http://[::1]:9000/", true},
    {"10.20.0.0/16", "http://10.20.1.5:25/", true},
    {"10.20.0.0/16", "http://[::ffff:10.20.1.5]/", true},
    {"10.20.0.0/16", "http://[::ffff:10.21.1.5]/", false},
    {"", "http://localhost/", false},
};

static void the_operators_list_lets_in_what_it_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(allow_cases) / sizeof(allow_cases[0]); i++) {
        const char *url = allow_cases[i].url, *why;
        struct address_allow allow;
        char err[200];

        assert_int_equal(address_guard_parse_allow(allow_cases[i].list, &allow, err, sizeof(err)),
                         0);
        if ((check(url, strlen(url), &allow, &why) == 0) != allow_cases[i].accepted)
            fail_msg("%s with '%s': %s", url, allow_cases[i].list, why != NULL ? why : "accepted");
    }
}

static void a_refusal_names_no_address(void **state)
{
    const char *why;

    (void)state;
    assert_int_equal(check("http://10.1.2.3/", 16, NULL, &why), -1);
    assert_null(strstr(why, "10"));
    assert_int_equal(strcspn(why, "0123456789"), strlen(why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shared_case_gets_its_verdict),
        cmocka_unit_test(other_urls_are_judged_by_the_same_rules),
        cmocka_unit_test(a_nul_byte_does_not_end_the_url),
        cmocka_unit_test(length_is_bounded),
        cmocka_unit_test(parts_are_normalised),
        cmocka_unit_test(the_normalised_url_is_its_own_normal_form),
        cmocka_unit_test(a_literal_carries_its_socket_address),
        cmocka_unit_test(the_operators_list_lets_in_what_it_names),
        cmocka_unit_test(a_refusal_names_no_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
