/* signing: the published vectors, and which secrets are taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/signing.h"

static const char message_id[] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
static const int64_t sent_at = 1614265330;
static const char body[] = "{\"test\": 2432232314}";
static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
static const char signature[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

static int release(void **state)
{
    (void)state;
    signing_release();
    return 0;
}

static void v1_matches_the_published_vector(void **state)
{
    unsigned char key[SIGNING_KEY_MAX];
    char out[SIGNING_V1_TEXT];
    size_t n;

    (void)state;
    assert_int_equal(signing_secret_parse(secret, strlen(secret), key, &n), 0);
    assert_int_equal(n, 24);
    assert_int_equal(signing_v1(key, n, message_id, sent_at, body, strlen(body), out), 0);
    assert_string_equal(out, signature);
}

static void the_shared_context_remembers_nothing_of_the_last_message(void **state)
{
    unsigned char key[SIGNING_KEY_MAX], other[SIGNING_KEY_MAX] = {1, 2, 3};
    char out[SIGNING_V1_TEXT];
    size_t n;

    (void)state;
    assert_int_equal(signing_secret_parse(secret, strlen(secret), key, &n), 0);
    assert_int_equal(signing_v1(other, 64, message_id, 1, "x", 1, out), 0);
    assert_string_not_equal(out, signature);
    assert_int_equal(signing_v1(key, n, message_id, sent_at, body, strlen(body), out), 0);
    assert_string_equal(out, signature);
    signing_release();
    assert_int_equal(signing_v1(key, n, message_id, sent_at, body, strlen(body), out), 0);
    assert_string_equal(out, signature);
}

static void every_part_of_the_message_changes_the_signature(void **state)
{
    unsigned char key[SIGNING_KEY_MAX];
    char out[SIGNING_V1_TEXT];
    size_t n;

    (void)state;
    assert_int_equal(signing_secret_parse(secret, strlen(secret), key, &n), 0);
    assert_int_equal(signing_v1(key, n, "msg_other", sent_at, body, strlen(body), out), 0);
    assert_string_not_equal(out, signature);
    assert_int_equal(signing_v1(key, n, message_id, sent_at + 1, body, strlen(body), out), 0);
    assert_string_not_equal(out, signature);
    assert_int_equal(signing_v1(key, n, message_id, sent_at, body, strlen(body) - 1, out), 0);
    assert_string_not_equal(out, signature);
    assert_int_equal(signing_v1(key, n - 1, message_id, sent_at, body, strlen(body), out), 0);
    assert_string_not_equal(out, signature);
}

static void an_empty_body_can_be_signed_and_an_empty_key_cannot(void **state)
{
    unsigned char key[SIGNING_KEY_MAX] = {7};
    char out[SIGNING_V1_TEXT], again[SIGNING_V1_TEXT];

    (void)state;
    assert_int_equal(signing_v1(key, 32, "evt_1", 1, NULL, 0, out), 0);
    assert_int_equal(signing_v1(key, 32, "evt_1", 1, "", 0, again), 0);
    assert_string_equal(out, again);
    assert_int_equal(signing_v1(key, 0, "evt_1", 1, "", 0, out), -1);
}

static void new_secrets_parse_back_and_differ(void **state)
{
    unsigned char key[SIGNING_KEY_MAX], back[SIGNING_KEY_MAX], other[SIGNING_KEY_MAX];
    char text[SIGNING_SECRET_TEXT], again[SIGNING_SECRET_TEXT];
    size_t n, m;

    (void)state;
    assert_int_equal(signing_secret_new(key, &n, text), 0);
    assert_int_equal(n, SIGNING_KEY_NEW);
    assert_memory_equal(text, "whsec_", 6);
    assert_int_equal(signing_secret_parse(text, strlen(text), back, &m), 0);
    assert_int_equal(m, n);
    assert_memory_equal(key, back, n);
    signing_secret_text(back, m, again);
    assert_string_equal(text, again);
    assert_int_equal(signing_secret_new(other, &n, again), 0);
    assert_memory_not_equal(key, other, n);
}

static void secrets_are_taken_with_and_without_prefix_and_padding(void **state)
{
    static const char *const forms[] = {
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk=",
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk",
    };
    unsigned char key[SIGNING_KEY_MAX];
    size_t n;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(signing_secret_parse(forms[i], strlen(forms[i]), key, &n), 0);
        assert_int_equal(n, 26);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(key[k], k);
    }
}

/* `bytes` zero bytes as an unpadded secret. */
static int parse_zeros(size_t bytes)
{
    unsigned char key[SIGNING_KEY_MAX];
    char text[128];
    size_t n, len = bytes / 3 * 4 + (bytes % 3 > 0 ? bytes % 3 + 1 : 0);

    memset(text, 'A', sizeof(text));
    return signing_secret_parse(text, len, key, &n);
}

static void secrets_must_have_24_to_64_bytes(void **state)
{
    (void)state;
    assert_int_equal(parse_zeros(23), -1);
    assert_int_equal(parse_zeros(24), 0);
    assert_int_equal(parse_zeros(64), 0);
    assert_int_equal(parse_zeros(65), -1);
}

static void malformed_secrets_are_refused_and_wiped(void **state)
{
    static const char *const bad[] = {"",
                                      "whsec_",
                                      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_",
                                      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
                                      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ",
                                      "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
    static const unsigned char zeros[SIGNING_KEY_MAX];
    unsigned char key[SIGNING_KEY_MAX];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memset(key, 0x5a, sizeof(key));
        if (signing_secret_parse(bad[i], strlen(bad[i]), key, &n) != -1)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(n, 0);
        assert_memory_equal(key, zeros, sizeof(key));
    }
}

static const char private_key[] =
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";

static void v1a_matches_the_published_vector(void **state)
{
    unsigned char key[SIGNING_KEY_MAX];
    char out[SIGNING_V1A_TEXT], public[SIGNING_PUBLIC_TEXT];

    (void)state;
    assert_int_equal(signing_v1a_parse(private_key, strlen(private_key), key), 0);
    signing_v1a_public(key, public);
    assert_string_equal(public, "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=");
    assert_int_equal(signing_v1a(key, message_id, sent_at, body, strlen(body), out), 0);
    assert_string_equal(out, "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/"
                             "enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==");
}

static void v1a_keys_must_be_whole_and_belong_together(void **state)
{
    unsigned char key[SIGNING_KEY_MAX];
    char odd[sizeof(private_key)];

    (void)state;
    assert_int_equal(signing_v1a_new(key), 0);
    memcpy(odd, private_key, sizeof(odd));
    odd[60] = odd[60] == 'A' ? 'B' : 'A';
    assert_int_equal(signing_v1a_parse(odd, strlen(odd), key), -1);
    assert_int_equal(signing_v1a_parse(secret, strlen(secret), key), -1);
    assert_int_equal(signing_v1a_parse("", 0, key), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v1_matches_the_published_vector),
        cmocka_unit_test(the_shared_context_remembers_nothing_of_the_last_message),
        cmocka_unit_test(every_part_of_the_message_changes_the_signature),
        cmocka_unit_test(an_empty_body_can_be_signed_and_an_empty_key_cannot),
        cmocka_unit_test(new_secrets_parse_back_and_differ),
        cmocka_unit_test(secrets_are_taken_with_and_without_prefix_and_padding),
        cmocka_unit_test(secrets_must_have_24_to_64_bytes),
        cmocka_unit_test(malformed_secrets_are_refused_and_wiped),
        cmocka_unit_test(v1a_matches_the_published_vector),
        cmocka_unit_test(v1a_keys_must_be_whole_and_belong_together),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
