/* Who may have a slot and whose turn it is: admission, turns, lanes, rates; memory only. */
#include "worker/admission.h"
#include "worker/bucket.h"
#include "worker/recent.h"
#include "worker/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 5000000

static struct destination *destination(int32_t project, enum standing standing)
{
    struct destination *d = calloc(1, sizeof *d);
    d->known = d->proven = true;
    d->set.project_id = project;
    d->set.enabled = true;
    d->set.max_concurrency = 1000;
    d->window = 1000;
    d->standing = standing;
    return d;
}

static struct delivery *waiting(struct destination *d, enum delivery_class class_, int bytes)
{
    static int64_t pos;
    static char payload[1];
    struct delivery *row = delivery_new(NULL, 0, NULL, 0, NULL, 0);
    row->class_ = (int16_t)class_;
    row->pos = ++pos;
    row->payload_bytes = bytes;
    row->payload = payload;
    destination_enqueue(d, row);
    return row;
}

static void let_go(struct destination *d)
{
    for (int i = 0; i < LANES; i++)
        for (struct delivery *row; (row = lane_dequeue(&d->lanes[i]));)
            delivery_free(row);
    free(d);
}

/* Begins what is picked until nothing is; how many. */
static int fill(struct admission *a, struct destination *d, int *full)
{
    int n = 0;
    for (int lane; (lane = admission_pick(a, d, full)) >= 0; n++) {
        struct delivery *row = lane_dequeue(&d->lanes[lane]);
        admission_begin(a, d, row, NOW);
        delivery_free(row);
    }
    return n;
}

static void retries_leave_room_for_first_attempts(void **state)
{
    (void)state;
    struct admission a = {0};
    struct destination *d = destination(1, STANDING_GOOD), *other = destination(2, STANDING_GOOD);
    int full;
    for (int i = 0; i < LIMIT_INFLIGHT; i++) {
        waiting(d, CLASS_RETRY, 1);
        waiting(other, CLASS_LIVE, 1);
    }
    d->window = d->set.max_concurrency = LIMIT_CONCURRENCY;
    int retries = fill(&a, d, &full);
    assert_true(retries <= LIMIT_WINDOW / 2);
    assert_true(fill(&a, other, &full) > 0);
    let_go(d);
    let_go(other);
}

static void replays_have_their_own_cap(void **state)
{
    (void)state;
    struct admission a = {0};
    int begun = 0, full = -1;
    for (int i = 0; i < 100; i++) {
        struct destination *d = destination(i, STANDING_GOOD);
        for (int k = 0; k < 4; k++)
            waiting(d, CLASS_REPLAY, 1);
        begun += fill(&a, d, &full);
        let_go(d);
    }
    assert_int_equal(begun, LIMIT_INFLIGHT / 4);
    assert_int_equal(full, SHARE_REPLAY);
}

static void slow_destinations_hold_at_most_their_share(void **state)
{
    (void)state;
    struct admission a = {0};
    int begun = 0, full = -1;
    for (int i = 0; i < 400; i++) {
        struct destination *d = destination(1, STANDING_SLOW);
        waiting(d, CLASS_LIVE, 1);
        begun += fill(&a, d, &full);
        let_go(d);
    }
    assert_in_range(begun, LIMIT_INFLIGHT * 30 / 100, LIMIT_INFLIGHT * 30 / 100 + 1);
    assert_int_equal(full, SHARE_SLOW);
    struct destination *good = destination(2, STANDING_GOOD);
    waiting(good, CLASS_LIVE, 1);
    assert_int_equal(fill(&a, good, &full), 1);
    let_go(good);
}

static void what_hangs_is_counted_as_slow_and_makes_room(void **state)
{
    (void)state;
    struct admission a = {0};
    int full, begun = 0;
    struct destination *stuck[3];
    for (int i = 0; i < 3; i++) {
        stuck[i] = destination(1, STANDING_GOOD);
        for (int k = 0; k < LIMIT_WINDOW; k++)
            waiting(stuck[i], CLASS_LIVE, 1);
        begun += fill(&a, stuck[i], &full);
    }
    assert_int_equal(begun, LIMIT_INFLIGHT / 2); /* all that good ones may have */
    struct destination *good = destination(2, STANDING_GOOD);
    waiting(good, CLASS_LIVE, 1);
    assert_int_equal(fill(&a, good, &full), 0);
    assert_int_equal(full, SHARE_GOOD);
    for (int i = 0; i < 3; i++)
        admission_restand(&a, stuck[i], NOW + LIMIT_STUCK_MS + 1);
    assert_int_equal(fill(&a, good, &full), 1);
    for (int i = 0; i < 3; i++)
        let_go(stuck[i]);
    let_go(good);
}

static void bytes_are_bounded_as_well(void **state)
{
    (void)state;
    struct admission a = {0};
    struct destination *d = destination(1, STANDING_GOOD);
    int full;
    d->set.max_concurrency = LIMIT_CONCURRENCY;
    for (int i = 0; i < LIMIT_WINDOW; i++)
        waiting(d, CLASS_LIVE, 8 << 20);
    assert_in_range(fill(&a, d, &full), 1, LIMIT_INFLIGHT_BYTES / (8 << 20));
    let_go(d);
}

static void lanes_take_turns_by_weight(void **state)
{
    (void)state;
    struct admission a = {0};
    struct destination *d = destination(1, STANDING_GOOD);
    int full, first[LANES] = {0};
    for (int i = 0; i < 100; i++)
        for (int c = CLASS_LIVE; c <= CLASS_REPLAY; c++)
            waiting(d, (enum delivery_class)c, 1);
    for (int i = 0; i < 50; i++) {
        int lane = admission_pick(&a, d, &full);
        struct delivery *row = lane_dequeue(&d->lanes[lane]);
        first[lane]++;
        delivery_free(row);
    }
    assert_int_equal(first[CLASS_LIVE], 30);
    assert_int_equal(first[CLASS_RETRY], 15);
    assert_int_equal(first[CLASS_REPLAY], 5);
    let_go(d);
}

static void projects_take_turns_however_many_destinations_they_have(void **state)
{
    (void)state;
    struct turns *t = turns_new();
    struct destination *many[100], *one = destination(2, STANDING_GOOD);
    int served_one = 0;
    for (int i = 0; i < 100; i++)
        turns_join(t, many[i] = destination(1, STANDING_GOOD));
    turns_join(t, one);
    for (int i = 0; i < 2000; i++) {
        struct destination *d = turns_next(t);
        served_one += d == one;
        turns_charge(t, d, 1024);
        turns_join(t, d);
    }
    assert_in_range(served_one, 900, 1100);
    turns_free(t);
    for (int i = 0; i < 100; i++)
        free(many[i]);
    free(one);
}

static void large_payloads_cost_more_of_a_turn(void **state)
{
    (void)state;
    struct turns *t = turns_new();
    struct destination *large = destination(1, STANDING_GOOD),
                       *small = destination(2, STANDING_GOOD);
    int served_large = 0;
    turns_join(t, large);
    turns_join(t, small);
    for (int i = 0; i < 1700; i++) {
        struct destination *d = turns_next(t);
        served_large += d == large;
        turns_charge(t, d, d == large ? 15 * LIMIT_TURN_BYTES : 100);
        turns_join(t, d);
    }
    assert_in_range(served_large, 90, 120);
    turns_free(t);
    free(large);
    free(small);
}

static void put_aside_it_comes_back_when_recalled(void **state)
{
    (void)state;
    struct turns *t = turns_new();
    struct destination *d = destination(1, STANDING_GOOD);
    turns_put_aside(t, d, SHARE_SLOW);
    assert_null(turns_next(t));
    assert_false(turns_recall(t, SHARE_RETRY));
    assert_true(turns_recall(t, SHARE_SLOW));
    assert_ptr_equal(turns_next(t), d);
    assert_null(turns_next(t));
    turns_free(t);
    free(d);
}

static void those_put_aside_come_back_in_turn_of_their_projects(void **state)
{
    (void)state;
    struct turns *t = turns_new();
    struct destination *many[50], *one = destination(2, STANDING_GOOD);
    for (int i = 0; i < 50; i++)
        turns_put_aside(t, many[i] = destination(1, STANDING_GOOD), SHARE_GOOD);
    turns_put_aside(t, one, SHARE_GOOD);
    for (int i = 0; i < 2; i++)
        assert_true(turns_recall(t, SHARE_GOOD));
    assert_ptr_equal(turns_next(t), many[0]);
    assert_ptr_equal(turns_next(t), one);
    turns_free(t);
    for (int i = 0; i < 50; i++)
        free(many[i]);
    free(one);
}

static void a_window_grows_to_its_projects_part_while_others_wait(void **state)
{
    (void)state;
    struct turns *t = turns_new();
    struct destination *d = destination(1, STANDING_GOOD), *same = destination(1, STANDING_GOOD),
                       *other = destination(2, STANDING_GOOD);
    d->window = LIMIT_INFLIGHT;
    assert_true(turns_spare(t, d));
    turns_join(t, other);
    assert_false(turns_spare(t, d));
    d->window = LIMIT_INFLIGHT / 2 - 1;
    assert_true(turns_spare(t, d));
    turns_put_aside(t, same, SHARE_SLOW);
    assert_false(turns_spare(t, d));
    turns_free(t);
    free(d);
    free(same);
    free(other);
}

static void a_rate_is_kept_over_time(void **state)
{
    (void)state;
    struct bucket b = {0};
    int taken = 0;
    for (int ms = 1; ms <= 10000; ms++)
        while (bucket_has(&b, 20, ms)) {
            bucket_take(&b, 20, ms);
            taken++;
        }
    assert_in_range(taken, 215, 221); /* a burst of a second's worth, then 20 a second */
    assert_true(bucket_has(&b, 0, 10000));
}

static void a_rate_below_one_is_kept_too(void **state)
{
    (void)state;
    struct bucket b = {0};
    int taken = 0;
    for (int s = 1; s <= 100; s++)
        if (bucket_has(&b, 0.1, s * 1000)) {
            bucket_take(&b, 0.1, s * 1000);
            taken++;
        }
    assert_in_range(taken, 10, 11);
}

static void slow_is_more_than_one_in_twenty_of_the_last_hundred(void **state)
{
    (void)state;
    struct recent r = {0};
    for (int i = 0; i < 5; i++)
        recent_add(&r, true);
    assert_false(recent_is_slow(&r));
    recent_add(&r, true);
    assert_true(recent_is_slow(&r));
    for (int i = 0; i < 95; i++)
        recent_add(&r, false);
    assert_false(recent_is_slow(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retries_leave_room_for_first_attempts),
        cmocka_unit_test(replays_have_their_own_cap),
        cmocka_unit_test(slow_destinations_hold_at_most_their_share),
        cmocka_unit_test(what_hangs_is_counted_as_slow_and_makes_room),
        cmocka_unit_test(bytes_are_bounded_as_well),
        cmocka_unit_test(lanes_take_turns_by_weight),
        cmocka_unit_test(projects_take_turns_however_many_destinations_they_have),
        cmocka_unit_test(large_payloads_cost_more_of_a_turn),
        cmocka_unit_test(put_aside_it_comes_back_when_recalled),
        cmocka_unit_test(those_put_aside_come_back_in_turn_of_their_projects),
        cmocka_unit_test(a_window_grows_to_its_projects_part_while_others_wait),
        cmocka_unit_test(a_rate_is_kept_over_time),
        cmocka_unit_test(a_rate_below_one_is_kept_too),
        cmocka_unit_test(slow_is_more_than_one_in_twenty_of_the_last_hundred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
