/* password: hashes and tokens. Each hash takes 0.2 s, so there are few. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/password.h"

static void a_password_verifies_and_another_does_not(void **state)
{
    char phc[PASSWORD_TEXT_MAX];

    (void)state;
    assert_int_equal(password_hash("correct horse", 13, phc), 0);
    assert_memory_equal(phc, "$scrypt$ln=15,r=8,p=3$", 22);
    assert_int_equal(strlen(phc), 22 + 22 + 1 + 43);
    assert_int_equal(password_verify(phc, "correct horse", 13), PASSWORD_OK);
    assert_int_equal(password_verify(phc, "correct hors", 12), PASSWORD_WRONG);
    assert_int_equal(password_verify(phc, "correct horse\0", 14), PASSWORD_WRONG);
}

static void the_same_password_hashes_differently_each_time(void **state)
{
    char one[PASSWORD_TEXT_MAX], two[PASSWORD_TEXT_MAX];

    (void)state;
    assert_int_equal(password_hash("x", 1, one), 0);
    assert_int_equal(password_hash("x", 1, two), 0);
    assert_string_not_equal(one, two);
}

/* Made by Python: hashlib.scrypt(b"password", salt=b"NaCl", n=16, r=8, p=1, dklen=32). */
static const char weak[] =
    "$scrypt$ln=4,r=8,p=1$TmFDbA$9d+zly55CLIkEMXF83iJB829GnmXGxIndQK9Snfm1dM";

static void other_parameters_verify_and_ask_for_a_new_hash(void **state)
{
    (void)state;
    assert_int_equal(password_verify(weak, "password", 8), PASSWORD_REHASH);
    assert_int_equal(password_verify(weak, "Password", 8), PASSWORD_WRONG);
}

static void malformed_hashes_are_told_apart_from_wrong_passwords(void **state)
{
    static const char *const bad[] = {
        "",
        "plain",
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
        "$scrypt$ln=15,r=8,p=3$",
        "$scrypt$ln=15,r=8,p=3$c2FsdHNhbHRzYWx0$",
        "$scrypt$ln=15,r=8,p=3$$"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=8,p=3$c2FsdHNhbHRzYWx0$AAAA",
        "$scrypt$ln=0,r=8,p=3$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=20,r=8,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=64,r=8,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=8,p=99$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=-1,r=8,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (password_verify(bad[i], "password", 8) != PASSWORD_MALFORMED)
            fail_msg("%s", bad[i]);
}

static void too_long_passwords_and_nul_are_refused_before_any_work(void **state)
{
    static char password[PASSWORD_BYTES_MAX + 1];
    char phc[PASSWORD_TEXT_MAX];

    (void)state;
    assert_int_equal(password_hash("a\0b", 3, phc), -1);
    memset(password, 'x', sizeof(password));
    assert_int_equal(password_hash(password, sizeof(password), phc), -1);
    assert_int_equal(password_verify(weak, password, sizeof(password)), PASSWORD_WRONG);
}

static void assert_alphabet(void (*make)(char *, size_t), const char *alphabet)
{
    enum { CHARS = 20000 };
    static char text[CHARS + 2];
    size_t counts[256] = {0}, mean = CHARS / strlen(alphabet);

    text[CHARS + 1] = 0x5a;
    make(text, CHARS);
    assert_int_equal(strlen(text), CHARS);
    assert_int_equal(text[CHARS + 1], 0x5a);
    assert_int_equal(strspn(text, alphabet), CHARS);
    for (size_t i = 0; i < CHARS; i++)
        counts[(unsigned char)text[i]]++;
    for (const char *c = alphabet; *c != '\0'; c++) /* 322 +- 18: six standard deviations */
        assert_in_range(counts[(unsigned char)*c], mean * 2 / 3, mean * 4 / 3);
}

static void tokens_use_their_whole_alphabet_evenly(void **state)
{
    (void)state;
    assert_alphabet(password_token_base62,
                    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    assert_alphabet(password_token_base32, "0123456789abcdefghjkmnpqrstvwxyz");
}

static void a_tokens_digest_is_sha256(void **state)
{
    /* FIPS 180-2, appendix B.1 */
    static const unsigned char abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                        0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                        0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                        0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    unsigned char digest[PASSWORD_DIGEST_BYTES];

    (void)state;
    assert_int_equal(password_token_digest("abc", 3, digest), 0);
    assert_memory_equal(digest, abc, sizeof(abc));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_verifies_and_another_does_not),
        cmocka_unit_test(the_same_password_hashes_differently_each_time),
        cmocka_unit_test(other_parameters_verify_and_ask_for_a_new_hash),
        cmocka_unit_test(malformed_hashes_are_told_apart_from_wrong_passwords),
        cmocka_unit_test(too_long_passwords_and_nul_are_refused_before_any_work),
        cmocka_unit_test(tokens_use_their_whole_alphabet_evenly),
        cmocka_unit_test(a_tokens_digest_is_sha256),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
