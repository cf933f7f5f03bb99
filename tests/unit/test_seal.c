/* seal: what opens, what does not, and the key file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/seal.h"

#define HEX_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_B "f0f1f2f3f4f5f6f7f8f9fafbfcfdfefff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"

static const char aad[] = "webhooks|secret|17|3";

static struct seal_keyring *ring_of(const char *text)
{
    struct seal_keyring *ring;
    char err[200] = "";

    if (seal_keyring_parse(text, strlen(text), &ring, err, sizeof(err)) != 0)
        fail_msg("%s", err);
    return ring;
}

struct sealed {
    unsigned char bytes[256];
    size_t len;
};

static void seal(const struct seal_keyring *ring, const char *plain, struct sealed *out)
{
    assert_int_equal(
        seal_encrypt(ring, aad, plain, strlen(plain), out->bytes, sizeof(out->bytes), &out->len),
        SEAL_OK);
}

static enum seal_result unseal(const struct seal_keyring *ring, const char *where,
                               const struct sealed *in, char *out, size_t cap)
{
    size_t n = 0;
    enum seal_result result = seal_decrypt(ring, where, in->bytes, in->len, out, cap - 1, &n);

    out[result == SEAL_OK ? n : 0] = '\0';
    return result;
}

static void what_was_sealed_opens(void **state)
{
    struct seal_keyring *ring = ring_of("a:" HEX_A "\n");
    static const char *const plains[] = {"", "x", "a secret of some length"};
    struct sealed sealed;
    char out[64];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        seal(ring, plains[i], &sealed);
        assert_int_equal(sealed.len, strlen(plains[i]) + 2 + 1 + 12 + 16);
        assert_int_equal(unseal(ring, aad, &sealed, out, sizeof(out)), SEAL_OK);
        assert_string_equal(out, plains[i]);
    }
    seal_keyring_free(ring);
}

static void the_format_is_version_kid_iv_text_tag(void **state)
{
    struct seal_keyring *ring = ring_of("key-1:" HEX_A);
    struct sealed one, two;

    (void)state;
    seal(ring, "same", &one);
    seal(ring, "same", &two);
    assert_memory_equal(one.bytes, "\x01\x05key-1", 7);
    assert_memory_not_equal(one.bytes + 7, two.bytes + 7, 12);
    assert_memory_not_equal(one.bytes + 19, two.bytes + 19, 4);
    seal_keyring_free(ring);
}

static void any_changed_bit_and_any_cut_is_noticed_and_leaves_no_plaintext(void **state)
{
    struct seal_keyring *ring = ring_of("a:" HEX_A);
    struct sealed sealed, bad;
    char out[64];
    size_t n;

    (void)state;
    seal(ring, "top secret", &sealed);
    for (size_t i = 0; i < sealed.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            bad = sealed;
            bad.bytes[i] ^= (unsigned char)(1 << bit);
            memset(out, 0, sizeof(out));
            assert_int_not_equal(seal_decrypt(ring, aad, bad.bytes, bad.len, out, sizeof(out), &n),
                                 SEAL_OK);
            assert_null(memmem(out, sizeof(out), "sec", 3));
        }
    for (n = 0; n < sealed.len; n++) {
        bad = sealed;
        bad.len = n;
        assert_int_equal(unseal(ring, aad, &bad, out, sizeof(out)), SEAL_DAMAGED);
    }
    seal_keyring_free(ring);
}

static void a_value_opens_only_where_it_was_sealed(void **state)
{
    struct seal_keyring *ring = ring_of("a:" HEX_A);
    struct sealed sealed;
    char out[64];

    (void)state;
    seal(ring, "top secret", &sealed);
    assert_int_equal(unseal(ring, "webhooks|secret|18|3", &sealed, out, sizeof(out)), SEAL_DAMAGED);
    assert_int_equal(unseal(ring, "", &sealed, out, sizeof(out)), SEAL_DAMAGED);
    seal_keyring_free(ring);
}

static void rotation_seals_with_the_first_key_and_opens_with_all(void **state)
{
    struct seal_keyring *before = ring_of("a:" HEX_A);
    struct seal_keyring *during = ring_of("# new\nb:" HEX_B "\na:" HEX_A "\n");
    struct seal_keyring *after = ring_of("b:" HEX_B "\r\n\n");
    struct sealed first, second;
    char out[64];

    (void)state;
    assert_string_equal(seal_keyring_kid(during), "b");
    seal(before, "one", &first);
    seal(during, "two", &second);
    assert_int_equal(unseal(during, aad, &first, out, sizeof(out)), SEAL_OK);
    assert_string_equal(out, "one");
    assert_int_equal(unseal(after, aad, &second, out, sizeof(out)), SEAL_OK);
    assert_int_equal(unseal(after, aad, &first, out, sizeof(out)), SEAL_NO_KEY);
    assert_int_equal(seal_is_current(during, first.bytes, first.len), 0);
    assert_int_equal(seal_is_current(during, second.bytes, second.len), 1);
    assert_int_equal(seal_is_current(after, first.bytes, first.len), 0);
    assert_int_equal(seal_is_current(during, "junk", 4), -1);
    seal_keyring_free(before);
    seal_keyring_free(during);
    seal_keyring_free(after);
}

static void room_is_respected(void **state)
{
    struct seal_keyring *ring = ring_of("a:" HEX_A);
    unsigned char out[64];
    struct sealed sealed;
    size_t n;

    (void)state;
    assert_int_equal(seal_encrypt(ring, aad, "four", 4, out, 34, &n), SEAL_FAILED);
    assert_int_equal(seal_encrypt(ring, aad, "four", 4, out, 35, &n), SEAL_OK);
    seal(ring, "four", &sealed);
    assert_int_equal(seal_decrypt(ring, aad, sealed.bytes, sealed.len, out, 3, &n), SEAL_FAILED);
    assert_int_equal(seal_decrypt(ring, aad, sealed.bytes, sealed.len, out, 4, &n), SEAL_OK);
    seal_keyring_free(ring);
}

static void malformed_key_files_are_refused_without_showing_a_key(void **state)
{
    static const char *const bad[] = {
        "",
        "\n# only a comment\n",
        HEX_A,
        ":" HEX_A,
        "a:" HEX_A "0",
        "a:0" HEX_A,
        "a: " HEX_A,
        "a b:" HEX_A,
        "a:zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "a:" HEX_A "\na:" HEX_B,
        "a:" HEX_A "\nb",
        "seventeen_letters:" HEX_A,
    };
    struct seal_keyring *ring;
    char err[200];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (seal_keyring_parse(bad[i], strlen(bad[i]), &ring, err, sizeof(err)) != -1)
            fail_msg("taken: %s", bad[i]);
        assert_null(ring);
        assert_null(strstr(err, "0102"));
    }
    assert_int_equal(seal_keyring_parse("a:" HEX_A "\n\0", 68, &ring, err, sizeof(err)), -1);
}

static void make_directory(char *dir)
{
    assert_non_null(mkdtemp(dir));
}

static void a_generated_file_is_private_loads_and_is_never_replaced(void **state)
{
    char dir[] = "/tmp/test_seal.XXXXXX", path[64], err[200];
    struct seal_keyring *ring, *again;
    struct sealed sealed;
    struct stat st;
    char out[64];

    (void)state;
    make_directory(dir);
    snprintf(path, sizeof(path), "%s/key", dir);
    umask(0);
    assert_int_equal(seal_keyring_generate(path, err, sizeof(err)), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_nlink, 1); /* the temporary name is gone */
    assert_int_equal(seal_keyring_load(path, &ring, err, sizeof(err)), 0);
    seal(ring, "kept", &sealed);
    assert_int_equal(seal_keyring_generate(path, err, sizeof(err)), -1);
    assert_non_null(strstr(err, path));
    assert_int_equal(seal_keyring_load(path, &again, err, sizeof(err)), 0);
    assert_int_equal(unseal(again, aad, &sealed, out, sizeof(out)), SEAL_OK);
    seal_keyring_free(ring);
    seal_keyring_free(again);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0); /* nothing is left beside it */
}

static void a_file_open_to_others_is_refused(void **state)
{
    static const struct {
        mode_t mode;
        int rc;
    } modes[] = {{0400, 0},  {0600, 0},  {0440, 0},  {0640, 0},
                 {0604, -1}, {0644, -1}, {0660, -1}, {0602, -1}};
    char dir[] = "/tmp/test_seal.XXXXXX", path[64], err[200];
    struct seal_keyring *ring;

    (void)state;
    make_directory(dir);
    snprintf(path, sizeof(path), "%s/key", dir);
    assert_int_equal(seal_keyring_generate(path, err, sizeof(err)), 0);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        assert_int_equal(chmod(path, modes[i].mode), 0);
        if (seal_keyring_load(path, &ring, err, sizeof(err)) != modes[i].rc)
            fail_msg("mode %o", (unsigned)modes[i].mode);
        seal_keyring_free(ring);
    }
    assert_int_equal(seal_keyring_load(dir, &ring, err, sizeof(err)), -1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(seal_keyring_load(path, &ring, err, sizeof(err)), -1);
    assert_non_null(strstr(err, "No such file"));
    assert_int_equal(rmdir(dir), 0);
}

static void wiping_wipes(void **state)
{
    char text[] = "secret";
    static const char zeros[sizeof(text)];

    (void)state;
    seal_wipe(text, sizeof(text));
    assert_memory_equal(text, zeros, sizeof(text));
    seal_wipe_free(NULL, 10);
    seal_keyring_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sealed_opens),
        cmocka_unit_test(the_format_is_version_kid_iv_text_tag),
        cmocka_unit_test(any_changed_bit_and_any_cut_is_noticed_and_leaves_no_plaintext),
        cmocka_unit_test(a_value_opens_only_where_it_was_sealed),
        cmocka_unit_test(rotation_seals_with_the_first_key_and_opens_with_all),
        cmocka_unit_test(room_is_respected),
        cmocka_unit_test(malformed_key_files_are_refused_without_showing_a_key),
        cmocka_unit_test(a_generated_file_is_private_loads_and_is_never_replaced),
        cmocka_unit_test(a_file_open_to_others_is_refused),
        cmocka_unit_test(wiping_wipes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
