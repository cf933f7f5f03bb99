/* The circuit breaker: a pure state machine, driven through hours in a moment. */
#include "worker/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct breaker_rules rules = {
    .requests = 20, .failure_percent = 50, .window_ms = 60000, .cooldown_ms = 10000};
static const struct uuid delivery = {{7}};
#define START 1000000

static bool result(struct breaker *b, bool failed, int64_t at)
{
    return breaker_result(b, &rules, failed, &delivery, at);
}

static void trip(struct breaker *b, int64_t at)
{
    for (int i = 0; i < 20 && b->state == BREAKER_CLOSED; i++)
        result(b, true, at);
    assert_int_equal(b->state, BREAKER_OPEN);
}

static void few_requests_never_open_it(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (int i = 0; i < 19; i++)
        assert_false(result(&b, true, START));
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void opens_at_the_share_and_cites_what_failed(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (int i = 0; i < 10; i++)
        assert_false(result(&b, false, START));
    for (int i = 0; i < 9; i++)
        assert_false(result(&b, true, START));
    assert_true(result(&b, true, START));
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_int_equal(b.requests, 20);
    assert_int_equal(b.failures, 10);
    assert_int_equal(b.ncited, BREAKER_CITED);
    assert_memory_equal(&b.cited[0], &delivery, sizeof delivery);
}

static void a_share_below_it_does_not_open_it(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (int i = 0; i < 3000; i++)
        assert_false(result(&b, i % 10 >= 6, START + i * 100));
}

static void old_results_leave_the_window(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (int i = 0; i < 19; i++)
        result(&b, true, START);
    assert_false(result(&b, true, START + 70000));
}

static void open_sends_nothing_and_half_open_one_at_a_time(void **state)
{
    (void)state;
    struct breaker b = {0};
    trip(&b, START);
    assert_false(breaker_may_send(&b, 0, START + 9999));
    assert_false(breaker_cool(&b, START + 9999));
    assert_true(breaker_cool(&b, START + 10000));
    assert_true(breaker_may_send(&b, 0, START + 10000));
    assert_false(breaker_may_send(&b, 1, START + 10000));
}

static void a_failed_probe_doubles_the_cooldown_up_to_its_cap(void **state)
{
    (void)state;
    struct breaker b = {0};
    int64_t now = START, expected = 10000;
    trip(&b, now);
    for (int i = 0; i < 12; i++) {
        now += b.cooldown_ms;
        assert_int_equal(b.cooldown_ms, expected);
        assert_true(breaker_cool(&b, now));
        assert_true(result(&b, true, now));
        expected = expected * 2 > BREAKER_COOLDOWN_MAX_MS ? BREAKER_COOLDOWN_MAX_MS : expected * 2;
    }
    assert_int_equal(b.cooldown_ms, BREAKER_COOLDOWN_MAX_MS);
}

static void successes_close_it(void **state)
{
    (void)state;
    struct breaker b = {0};
    trip(&b, START);
    breaker_cool(&b, START + 10000);
    assert_false(result(&b, false, START + 10000));
    assert_false(result(&b, false, START + 10001));
    assert_true(result(&b, false, START + 10002));
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void after_closing_the_rate_at_most_doubles_each_second(void **state)
{
    (void)state;
    struct breaker b = {0};
    trip(&b, START);
    int64_t closed = START + 10000;
    breaker_cool(&b, closed);
    for (int i = 0; i < BREAKER_PROBES; i++)
        result(&b, false, closed);
    for (int second = 0; second < 8; second++) {
        int begun = 0;
        for (int ms = 0; ms < 1000; ms++)
            while (begun < 10000 && breaker_may_send(&b, 5, closed + second * 1000 + ms)) {
                breaker_began(&b, closed + second * 1000 + ms);
                begun++;
            }
        assert_int_equal(begun, 1 << second);
    }
    assert_true(breaker_may_send(&b, 100, closed + BREAKER_RAMP_S * 1000));
}

/* As the design asks: at a steady 80 % of failures at most one pair of opening and closing a cool-down. */
static void a_steady_share_of_failures_does_not_make_it_flap(void **state)
{
    (void)state;
    struct breaker b = {0};
    int opened = 0, closed = 0;
    srandom(1);
    for (int64_t now = START; now < START + 3600000; now += 100) {
        breaker_cool(&b, now);
        if (!breaker_may_send(&b, 0, now))
            continue;
        breaker_began(&b, now);
        if (result(&b, random() % 100 < 80, now)) {
            opened += b.state == BREAKER_OPEN && b.until_ms == now + b.cooldown_ms;
            closed += b.state == BREAKER_CLOSED;
        }
    }
    assert_true(opened >= 1);
    assert_true(opened <= 3600000 / 10000 + 1);
    assert_true(
        closed <=
        3); /* three successes in a row are one in 125, and cool-downs grow to five minutes */
}

static void late_answers_to_an_open_circuit_change_nothing(void **state)
{
    (void)state;
    struct breaker b = {0};
    trip(&b, START);
    for (int i = 0; i < 50; i++)
        assert_false(result(&b, i % 2, START + i));
    assert_int_equal(b.state, BREAKER_OPEN);
}

static void opened_again_soon_it_waits_longer(void **state)
{
    (void)state;
    struct breaker b = {0};
    trip(&b, START);
    breaker_cool(&b, START + 10000);
    for (int i = 0; i < BREAKER_PROBES; i++)
        result(&b, false, START + 10000);
    trip(&b, START + 20000);
    assert_int_equal(b.cooldown_ms, 20000);
}

static void can_be_switched_off(void **state)
{
    (void)state;
    struct breaker_rules off = rules;
    struct breaker b = {0};
    off.requests = 0;
    for (int i = 0; i < 1000; i++)
        assert_false(breaker_result(&b, &off, true, &delivery, START));
}

static void restored_it_goes_on_where_it_was(void **state)
{
    (void)state;
    struct breaker b = {0};
    breaker_restore(&b, BREAKER_OPEN, 4000, 40000, START);
    assert_false(breaker_cool(&b, START + 3999));
    assert_true(breaker_cool(&b, START + 4000));
    assert_true(result(&b, true, START + 4000));
    assert_int_equal(b.cooldown_ms, 80000);
    breaker_restore(&b, BREAKER_OPEN, -5, 40000, START);
    assert_true(breaker_cool(&b, START));
}

static void every_state_has_a_way_out(void **state)
{
    (void)state;
    for (int from = BREAKER_CLOSED; from <= BREAKER_HALF_OPEN; from++) {
        bool out = false;
        for (size_t i = 0; i < breaker_transitions_count; i++)
            out = out || (int)breaker_transitions[i].from == from;
        assert_true(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_requests_never_open_it),
        cmocka_unit_test(opens_at_the_share_and_cites_what_failed),
        cmocka_unit_test(a_share_below_it_does_not_open_it),
        cmocka_unit_test(old_results_leave_the_window),
        cmocka_unit_test(open_sends_nothing_and_half_open_one_at_a_time),
        cmocka_unit_test(a_failed_probe_doubles_the_cooldown_up_to_its_cap),
        cmocka_unit_test(successes_close_it),
        cmocka_unit_test(after_closing_the_rate_at_most_doubles_each_second),
        cmocka_unit_test(a_steady_share_of_failures_does_not_make_it_flap),
        cmocka_unit_test(late_answers_to_an_open_circuit_change_nothing),
        cmocka_unit_test(opened_again_soon_it_waits_longer),
        cmocka_unit_test(can_be_switched_off),
        cmocka_unit_test(restored_it_goes_on_where_it_was),
        cmocka_unit_test(every_state_has_a_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
