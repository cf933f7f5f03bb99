/* ids: order, form, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/ids.h"

static int compare(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a, b, sizeof(*a));
}

static void new_ids_are_version_7_of_now(void **state)
{
    struct uuid id;
    int64_t now = (int64_t)time(NULL) * 1000;

    (void)state;
    ids_new(&id);
    assert_int_equal(id.b[6] >> 4, 7);
    assert_int_equal(id.b[8] >> 6, 2);
    assert_in_range(ids_time_ms(&id), now - 2000, now + 3000);
}

static void ids_grow_strictly_across_all_makers(void **state)
{
    struct uuid last = {{0}}, many[100];

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct uuid one, base;

        ids_new(&one);
        assert_true(compare(&last, &one) < 0);
        ids_event_delivery_base(&base);
        assert_true(compare(&one, &base) < 0);
        ids_new_many(many, 100);
        assert_true(compare(&base, &many[0]) < 0);
        for (size_t i = 1; i < 100; i++)
            assert_true(compare(&many[i - 1], &many[i]) < 0);
        last = many[99];
    }
}

static void a_delivery_base_leaves_its_last_two_bytes_to_deliveries(void **state)
{
    struct uuid before, base, after;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        ids_new(&before);
        ids_event_delivery_base(&base);
        ids_new(&after);
        assert_int_equal(base.b[14], 0);
        assert_int_equal(base.b[15], 0);
        assert_memory_not_equal(&before, &base, 14);
        assert_memory_not_equal(&base, &after, 14);
    }
}

static void id_of_a_child(struct uuid *out)
{
    int fds[2], status;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        ids_new(out);
        _exit(write(fds[1], out, sizeof(*out)) != (ssize_t)sizeof(*out));
    }
    assert_int_equal(read(fds[0], out, sizeof(*out)), sizeof(*out));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(fds[0]);
    close(fds[1]);
}

/*
 * Within one millisecond a process steps by at most 41 bits: what lies above tells whose counter it
 * is.
 */
static void a_forked_child_starts_from_its_own_random_bits(void **state)
{
    struct uuid ours, theirs;

    (void)state;
    for (int i = 0; i < 50; i++) {
        ids_new(&ours);
        id_of_a_child(&theirs);
        assert_memory_not_equal(&ours.b[6], &theirs.b[6], 4);
    }
}

/* Vectors of the TypeID specification (valid.yml: nil, one, ten, max-valid, valid-alphabet). */
static const struct {
    const char *base32, *hex;
} vectors[] = {
    {"00000000000000000000000000", "00000000-0000-0000-0000-000000000000"},
    {"00000000000000000000000001", "00000000-0000-0000-0000-000000000001"},
    {"0000000000000000000000000a", "00000000-0000-0000-0000-00000000000a"},
    {"0000000000000000000000000g", "00000000-0000-0000-0000-000000000010"},
    {"7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
    {"0123456789abcdefghjkmnpqrs", "0110c853-1d09-52d8-d73e-1194e95b5f19"},
};

static void the_text_form_is_typeid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        char text[IDS_TEXT_MAX], hex[IDS_HEX_MAX];
        struct uuid id, back;

        assert_int_equal(ids_from_hex(vectors[i].hex, 36, &id), 0);
        ids_format(ID_EVENT, &id, text);
        assert_memory_equal(text, "evt_", 4);
        assert_string_equal(text + 4, vectors[i].base32);
        assert_int_equal(ids_parse(ID_EVENT, text, strlen(text), &back), 0);
        assert_memory_equal(&id, &back, sizeof(id));
        ids_to_hex(&back, hex);
        assert_string_equal(hex, vectors[i].hex);
    }
}

static void every_kind_round_trips_under_its_own_prefix_only(void **state)
{
    static const char *const prefixes[] = {"evt", "dlv", "dlq", "whk", "op", "prj", "key", "usr"};
    char text[IDS_TEXT_MAX];
    struct uuid id, back;

    (void)state;
    for (unsigned made = ID_EVENT; made <= ID_USER; made++)
        for (unsigned read = ID_EVENT; read <= ID_USER; read++) {
            ids_new(&id);
            ids_format((enum ids_kind)made, &id, text);
            assert_string_equal(ids_prefix((enum ids_kind)made), prefixes[made]);
            assert_memory_equal(text, prefixes[made], strlen(prefixes[made]));
            assert_int_equal(ids_parse((enum ids_kind)read, text, strlen(text), &back),
                             made == read ? 0 : -1);
            if (made == read)
                assert_memory_equal(&id, &back, sizeof(id));
        }
}

static void bare_forms_are_taken_in_any_case(void **state)
{
    static const char *const forms[] = {
        "01909A5C-7D3F-7ABC-8def-0123456789ab",
        "01909a5c-7d3f-7abc-8def-0123456789ab",
        "01j2d5rz9zfay8vvr14d2pf2db",
        "01J2D5RZ9ZFAY8VVR14D2PF2DB",
    };
    struct uuid first, id;

    (void)state;
    assert_int_equal(ids_parse(ID_KEY, forms[0], 36, &first), 0);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(ids_parse(ID_KEY, forms[i], strlen(forms[i]), &id), 0);
        assert_memory_equal(&first, &id, sizeof(id));
    }
}

static void malformed_ids_are_refused_and_leave_the_output(void **state)
{
    static const char *const bad[] = {
        "",
        "evt_",
        "evt",
        "evt_8zzzzzzzzzzzzzzzzzzzzzzzzz",  /* 129 bits */
        "evt_0000000000000000000000000",   /* 25 */
        "evt_000000000000000000000000000", /* 27 */
        "evt_0000000000000000000000000u",  /* not in the alphabet */
        "evt_0000000000000000000000000i",
        "EVT_00000000000000000000000000",
        "dlv_00000000000000000000000000",
        "evt-00000000000000000000000000",
        "_00000000000000000000000000",
        "01909a5c7d3f7abc8def0123456789ab",
        "01909a5c-7d3f-7abc-8def-0123456789a",
        "01909a5c-7d3f-7abc-8def-0123456789abc",
        "01909a5c-7d3f-7abc-8def_0123456789ab",
        "01909a5c-7d3f-7abc-8def-0123456789ag",
        "{1909a5c-7d3f-7abc-8def-0123456789ab",
    };
    struct uuid id, untouched;

    (void)state;
    memset(&untouched, 0x5a, sizeof(untouched));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        id = untouched;
        if (ids_parse(ID_EVENT, bad[i], strlen(bad[i]), &id) != -1)
            fail_msg("'%s' was taken", bad[i]);
        assert_memory_equal(&id, &untouched, sizeof(id));
    }
}

static void a_nul_inside_an_id_is_refused(void **state)
{
    char text[26];
    struct uuid id;

    (void)state;
    memset(text, '0', sizeof(text));
    text[20] = '\0';
    assert_int_equal(ids_parse(ID_EVENT, text, sizeof(text), &id), -1);
}

static void either_of_two_kinds_is_told_apart(void **state)
{
    char text[IDS_TEXT_MAX], hex[IDS_HEX_MAX];
    struct uuid id, back;

    (void)state;
    ids_new(&id);
    ids_format(ID_ENTRY, &id, text);
    assert_int_equal(ids_parse_any(ID_ENTRY, ID_DELIVERY, text, strlen(text), &back), IDS_MATCH_A);
    ids_format(ID_DELIVERY, &id, text);
    assert_int_equal(ids_parse_any(ID_ENTRY, ID_DELIVERY, text, strlen(text), &back), IDS_MATCH_B);
    ids_to_hex(&id, hex);
    assert_int_equal(ids_parse_any(ID_ENTRY, ID_DELIVERY, hex, 36, &back), IDS_MATCH_EITHER);
    assert_memory_equal(&id, &back, sizeof(id));
    ids_format(ID_EVENT, &id, text);
    assert_int_equal(ids_parse_any(ID_ENTRY, ID_DELIVERY, text, strlen(text), &back),
                     IDS_MATCH_NONE);
}

static void only_version_7_has_a_time(void **state)
{
    struct uuid id;

    (void)state;
    assert_int_equal(ids_from_hex("01909a5c-7d3f-7abc-8def-0123456789ab", 36, &id), 0);
    assert_int_equal(ids_time_ms(&id), INT64_C(0x01909a5c7d3f));
    assert_int_equal(ids_from_hex("01909a5c-7d3f-4abc-8def-0123456789ab", 36, &id), 0);
    assert_int_equal(ids_time_ms(&id), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_ids_are_version_7_of_now),
        cmocka_unit_test(ids_grow_strictly_across_all_makers),
        cmocka_unit_test(a_delivery_base_leaves_its_last_two_bytes_to_deliveries),
        cmocka_unit_test(a_forked_child_starts_from_its_own_random_bits),
        cmocka_unit_test(the_text_form_is_typeid),
        cmocka_unit_test(every_kind_round_trips_under_its_own_prefix_only),
        cmocka_unit_test(bare_forms_are_taken_in_any_case),
        cmocka_unit_test(malformed_ids_are_refused_and_leave_the_output),
        cmocka_unit_test(a_nul_inside_an_id_is_refused),
        cmocka_unit_test(either_of_two_kinds_is_told_apart),
        cmocka_unit_test(only_version_7_has_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
