/* Shards: which of them go when there are too many, and when they may. Memory only. */
#include "worker/leases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct leases all_held(void)
{
    struct leases l = {.until_ms = 1000};
    for (int i = 0; i < LIMIT_SHARDS; i++)
        l.state[i] = LEASE_HELD;
    return l;
}

static void surplus_drains_and_is_not_sent_from(void **state)
{
    (void)state;
    struct leases l = all_held();
    leases_share(&l, 22);
    assert_int_equal(leases_count(&l, LEASE_HELD), 22);
    assert_int_equal(leases_count(&l, LEASE_DRAINING), 42);
    assert_true(leases_may_send(&l, 0, 0));
    assert_false(leases_may_send(&l, LIMIT_SHARDS - 1, 0));
    assert_false(leases_may_send(&l, 0, 1000));
}

static void those_with_the_least_under_way_go(void **state)
{
    (void)state;
    struct leases l = all_held();
    for (int i = 0; i < LIMIT_SHARDS; i++)
        l.busy[i] = i % 2 ? 3 : 0;
    leases_share(&l, 32);
    for (int i = 0; i < LIMIT_SHARDS; i++) {
        assert_int_equal(l.state[i], i % 2 ? LEASE_HELD : LEASE_DRAINING);
        assert_int_equal(leases_drained(&l, i), i % 2 == 0);
    }
}

static void one_that_does_not_drain_is_kept_for_another(void **state)
{
    (void)state;
    struct leases l = all_held();
    leases_share(&l, 63);
    assert_int_equal(l.state[63], LEASE_DRAINING);
    l.busy[63] = 1;
    leases_share(&l, 63);
    assert_int_equal(l.state[63], LEASE_HELD);
    assert_int_equal(l.state[62], LEASE_DRAINING);
}

static void surplus_that_is_wanted_again_is_kept(void **state)
{
    (void)state;
    struct leases l = all_held();
    leases_share(&l, 10);
    leases_share(&l, 64);
    assert_int_equal(leases_count(&l, LEASE_HELD), LIMIT_SHARDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(surplus_drains_and_is_not_sent_from),
        cmocka_unit_test(those_with_the_least_under_way_go),
        cmocka_unit_test(one_that_does_not_drain_is_kept_for_another),
        cmocka_unit_test(surplus_that_is_wanted_again_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
