/*
 * address_guard: the shared cases, the edges of each net, the operator's list, and the host's own
 * addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "common/address_guard.h"

static enum address_verdict judge(const char *text, const struct address_allow *allow)
{
    struct sockaddr_storage addr;

    if (address_guard_literal(text, &addr) != 0)
        fail_msg("not an address: '%s'", text);
    return address_guard_check((const struct sockaddr *)&addr, allow);
}

static void allow(const char *list, struct address_allow *out)
{
    char err[200] = "";

    if (address_guard_parse_allow(list, out, err, sizeof(err)) != 0)
        fail_msg("%s", err);
}

static void every_shared_case_gets_its_verdict(void **state)
{
    FILE *f = fopen("tests/unit/ssrf_cases.txt", "r");
    char line[4096];
    int count = 0;

    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        char verdict[16], stage[16], input[128];

        if (sscanf(line, "%15[^\t]\t%15[^\t]\t%127[^\t\n]", verdict, stage, input) != 3 ||
            strcmp(stage, "addr") != 0)
            continue;
        count++;
        if ((judge(input, NULL) == ADDRESS_OK) != (strcmp(verdict, "ALLOW") == 0))
            fail_msg("%s %s", verdict, input);
    }
    fclose(f);
    assert_true(count >= 40);
}

/* The first and last address of each refused net, and its public neighbours. */
static const struct {
    const char *below, *first, *last, *above;
} edges[] = {
    {NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
    {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
    {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
    {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
    {"168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17"},
    {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
    {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
    {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
    {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
    {"192.31.195.255", "192.31.196.0", "192.31.196.255", "192.31.197.0"},
    {"192.52.192.255", "192.52.193.0", "192.52.193.255", "192.52.194.0"},
    {"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
    {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
    {"192.175.47.255", "192.175.48.0", "192.175.48.255", "192.175.49.0"},
    {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
    {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
    {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
    {"223.255.255.255", "224.0.0.0", "255.255.255.255", NULL},
    {NULL, "::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"},
    {"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::", "2001:1ff:ffff::1", "2001:200::"},
    {"2001:db7:ffff::1", "2001:db8::", "2001:db8:ffff::1", "2001:db9::"},
    {"2001:ffff::1", "2002::", "2002:ffff::1", "2003::"},
    {"2620:4f:7fff::1", "2620:4f:8000::", "2620:4f:8000:ffff::1", "2620:4f:8001::"},
    {"3ffe:ffff::1", "3fff::", "3fff:0fff:ffff::1", "3fff:1000::"},
    {"3fff:ffff::1", "4000::", "ffff:ffff::1", NULL},
    {NULL, "64:ff9b::808:808", "64:ff9b:1::808:808", NULL},
    {NULL, "::7f00:1", "::127.0.0.1", NULL},
};

static void the_edges_of_every_net_are_where_the_registry_has_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        if (judge(edges[i].first, NULL) != ADDRESS_REFUSED ||
            judge(edges[i].last, NULL) != ADDRESS_REFUSED)
            fail_msg("let in: %s - %s", edges[i].first, edges[i].last);
        if (edges[i].below != NULL && judge(edges[i].below, NULL) != ADDRESS_OK)
            fail_msg("refused: %s", edges[i].below);
        if (edges[i].above != NULL && judge(edges[i].above, NULL) != ADDRESS_OK)
            fail_msg("refused: %s", edges[i].above);
    }
}

static void mapped_addresses_are_judged_as_ipv4(void **state)
{
    struct address_allow list;

    (void)state;
    assert_int_equal(judge("::ffff:8.8.8.8", NULL), ADDRESS_OK);
    assert_int_equal(judge("::ffff:127.0.0.1", NULL), ADDRESS_REFUSED);
    allow("10.20.0.0/16", &list);
    assert_int_equal(judge("::ffff:10.20.1.5", &list), ADDRESS_OK);
    assert_int_equal(judge("::ffff:10.21.1.5", &list), ADDRESS_REFUSED);
    allow("::ffff:10.20.0.0/112", &list);
    assert_int_equal(judge("10.20.1.5", &list), ADDRESS_OK);
    assert_int_equal(judge("10.21.1.5", &list), ADDRESS_REFUSED);
    allow("::/0", &list); /* every IPv6 address is not every address */
    assert_int_equal(judge("::ffff:127.0.0.1", &list), ADDRESS_REFUSED);
    assert_int_equal(judge("::1", &list), ADDRESS_OK);
}

static void the_operators_list_lets_in_exactly_its_nets(void **state)
{
    struct address_allow list;

    (void)state;
    allow(" 127.0.0.1/32, 10.20.0.0/15 192.168.7.9,fd00:1::/32 ", &list);
    assert_int_equal(list.count, 4);
    assert_int_equal(judge("127.0.0.1", &list), ADDRESS_OK);
    assert_int_equal(judge("127.0.0.2", &list), ADDRESS_REFUSED);
    assert_int_equal(judge("10.21.255.255", &list), ADDRESS_OK);
    assert_int_equal(judge("10.22.0.0", &list), ADDRESS_REFUSED);
    assert_int_equal(judge("10.19.255.255", &list), ADDRESS_REFUSED);
    assert_int_equal(judge("192.168.7.9", &list), ADDRESS_OK);
    assert_int_equal(judge("192.168.7.8", &list), ADDRESS_REFUSED);
    assert_int_equal(judge("fd00:1:ffff::1", &list), ADDRESS_OK);
    assert_int_equal(judge("fd00:2::1", &list), ADDRESS_REFUSED);
    assert_int_equal(judge("::1", &list), ADDRESS_REFUSED);
    assert_int_equal(judge("8.8.8.8", &list), ADDRESS_OK);
}

static void an_empty_list_allows_nothing(void **state)
{
    struct address_allow list;

    (void)state;
    allow(NULL, &list);
    assert_int_equal(list.count, 0);
    allow(" , ", &list);
    assert_int_equal(list.count, 0);
    assert_int_equal(judge("127.0.0.1", &list), ADDRESS_REFUSED);
}

static void a_malformed_list_is_an_error_that_quotes_it(void **state)
{
    static const char *const bad[] = {
        "10.0.0.0/33", "10.0.0.0/",     "10.0.0.0/-1",  "10.0.0.0/8x",
        "10.0.0/8",    "10.1.0.0/8",    "fd00::/129",   "fd00::1/8",
        "localhost",   "10.0.0.0/08/8", "0.0.0.0/0999", "fe80::1%lo/128",
    };
    struct address_allow list;
    char err[200];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[80];

        snprintf(text, sizeof(text), "127.0.0.1,%s", bad[i]);
        if (address_guard_parse_allow(text, &list, err, sizeof(err)) != -1)
            fail_msg("taken: %s", bad[i]);
        assert_non_null(strstr(err, bad[i]));
        assert_int_equal(list.count, 0);
    }
}

static void too_many_nets_are_an_error(void **state)
{
    struct address_allow list;
    char text[2048] = "", err[200];
    size_t at = 0;

    (void)state;
    for (int i = 0; i < ADDRESS_GUARD_NETS_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "10.0.0.%d,", i);
    allow(text, &list);
    assert_int_equal(list.count, ADDRESS_GUARD_NETS_MAX);
    snprintf(text + at, sizeof(text) - at, "10.0.1.0");
    assert_int_equal(address_guard_parse_allow(text, &list, err, sizeof(err)), -1);
}

static void other_families_are_refused(void **state)
{
    struct sockaddr addr = {.sa_family = AF_UNIX};
    struct address_allow list;

    (void)state;
    allow("0.0.0.0/0,::/0", &list);
    assert_int_equal(address_guard_check(&addr, &list), ADDRESS_REFUSED);
}

/* Linked before libc's: the host of this test has one public address of each family. */
int getifaddrs(struct ifaddrs **out)
{
    static struct sockaddr_in v4 = {.sin_family = AF_INET};
    static struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    static struct sockaddr packet = {.sa_family = AF_PACKET};
    static struct ifaddrs list[4];

    if (mock() != 0)
        return -1;
    inet_pton(AF_INET, "93.184.216.34", &v4.sin_addr);
    inet_pton(AF_INET6, "2a00:1450::77", &v6.sin6_addr);
    list[0] = (struct ifaddrs){.ifa_next = &list[1], .ifa_addr = &packet};
    list[1] = (struct ifaddrs){.ifa_next = &list[2], .ifa_addr = NULL};
    list[2] = (struct ifaddrs){.ifa_next = &list[3], .ifa_addr = (struct sockaddr *)&v4};
    list[3] = (struct ifaddrs){.ifa_next = NULL, .ifa_addr = (struct sockaddr *)&v6};
    *out = list;
    return 0;
}

void freeifaddrs(struct ifaddrs *list)
{
    (void)list;
}

static void the_hosts_own_addresses_are_refused_unless_allowed(void **state)
{
    struct address_allow list;

    (void)state;
    will_return(getifaddrs, 0);
    assert_int_equal(address_guard_refresh(), 0);
    assert_int_equal(judge("93.184.216.34", NULL), ADDRESS_REFUSED);
    assert_int_equal(judge("93.184.216.35", NULL), ADDRESS_OK);
    assert_int_equal(judge("2a00:1450::77", NULL), ADDRESS_REFUSED);
    assert_int_equal(judge("2a00:1450::78", NULL), ADDRESS_OK);
    allow("93.184.216.34", &list);
    assert_int_equal(judge("93.184.216.34", &list), ADDRESS_OK);
}

static void a_failed_refresh_keeps_the_old_list(void **state)
{
    (void)state;
    will_return(getifaddrs, 1);
    assert_int_equal(address_guard_refresh(), -1);
    assert_int_equal(judge("93.184.216.34", NULL), ADDRESS_REFUSED);
}

static void the_first_check_reads_the_interfaces_by_itself(void **state)
{
    (void)state;
    will_return(getifaddrs, 0);
    assert_int_equal(judge("93.184.216.34", NULL), ADDRESS_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_check_reads_the_interfaces_by_itself),
        cmocka_unit_test(every_shared_case_gets_its_verdict),
        cmocka_unit_test(the_edges_of_every_net_are_where_the_registry_has_them),
        cmocka_unit_test(mapped_addresses_are_judged_as_ipv4),
        cmocka_unit_test(the_operators_list_lets_in_exactly_its_nets),
        cmocka_unit_test(an_empty_list_allows_nothing),
        cmocka_unit_test(a_malformed_list_is_an_error_that_quotes_it),
        cmocka_unit_test(too_many_nets_are_an_error),
        cmocka_unit_test(other_families_are_refused),
        cmocka_unit_test(the_hosts_own_addresses_are_refused_unless_allowed),
        cmocka_unit_test(a_failed_refresh_keeps_the_old_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
