/*
 * seal: AES-256-GCM around each secret, and the file its keys come from.
 *
 * Owns the fetched cipher and the rings it hands out. It must never print a key, never replace a
 * key file, and never leave plaintext in a buffer whose tag did not match. A crash while a key file
 * is made leaves no file, or the whole file with perhaps its temporary name beside it; a crash
 * elsewhere leaves nothing.
 */
#include "common/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define VERSION 0x01
#define KEY_BYTES 32
#define IV_BYTES 12
#define TAG_BYTES 16
#define FILE_MAX 8192 /* sixteen keys are 1.3 KiB; the rest is comment */
#define KID_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

struct key {
    char kid[SEAL_KID_MAX + 1];
    unsigned char bytes[KEY_BYTES];
};

struct seal_keyring {
    size_t count;
    struct key keys[SEAL_KEYS_MAX];
};

/* A sealed value taken apart; the pointers go into it. */
struct parts {
    const struct key *key;
    const unsigned char *iv, *text, *tag;
    size_t len;
};

static EVP_CIPHER *aes_gcm;

void seal_wipe(void *p, size_t n)
{
    if (p != NULL)
        OPENSSL_cleanse(p, n);
}

void seal_wipe_free(void *p, size_t n)
{
    seal_wipe(p, n);
    free(p);
}

/* ---- the key file ---- */

static const struct key *find_key(const struct seal_keyring *ring, const char *kid, size_t len)
{
    for (size_t i = 0; i < ring->count; i++)
        if (strlen(ring->keys[i].kid) == len && memcmp(ring->keys[i].kid, kid, len) == 0)
            return &ring->keys[i];
    return NULL;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int read_hex(const char *text, unsigned char out[KEY_BYTES])
{
    for (size_t i = 0; i < KEY_BYTES; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -1;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

/* One "kid:hex" line without its end; NULL or what is wrong. */
static const char *add_key(struct seal_keyring *ring, const char *line, size_t len)
{
    size_t kid = strspn(line, KID_CHARS);
    struct key *key = &ring->keys[ring->count];

    if (kid == 0 || kid > SEAL_KID_MAX || kid >= len || line[kid] != ':')
        return "must be 'kid:' and 64 hex digits, kid 1-16 of A-Z a-z 0-9 _ -";
    if (len != kid + 1 + 2 * KEY_BYTES || read_hex(line + kid + 1, key->bytes) != 0)
        return "has no 64 hex digits behind the kid";
    if (find_key(ring, line, kid) != NULL)
        return "repeats a kid";
    memcpy(key->kid, line, kid);
    key->kid[kid] = '\0';
    ring->count++;
    return NULL;
}

static const char *add_line(struct seal_keyring *ring, const char *line, size_t len)
{
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' ' || line[len - 1] == '\t'))
        len--;
    if (len == 0 || line[0] == '#')
        return NULL;
    if (ring->count == SEAL_KEYS_MAX)
        return "is one key too many";
    return add_key(ring, line, len);
}

static int parse_lines(struct seal_keyring *ring, const char *text, char *err, size_t errlen)
{
    const char *p = text;

    for (int number = 1; *p != '\0'; number++) {
        size_t len = strcspn(p, "\n");
        const char *why = add_line(ring, p, len);

        if (why != NULL) {
            snprintf(err, errlen, "key file: line %d %s", number, why);
            return -1;
        }
        p += len + (p[len] == '\n');
    }
    if (ring->count == 0) {
        snprintf(err, errlen, "key file: holds no key");
        return -1;
    }
    return 0;
}

int seal_keyring_parse(const char *text, size_t len, struct seal_keyring **out, char *err,
                       size_t errlen)
{
    struct seal_keyring *ring = calloc(1, sizeof(*ring));
    char *copy = malloc(len + 1);
    int rc = -1;

    *out = NULL;
    if (ring == NULL || copy == NULL) {
        snprintf(err, errlen, "out of memory");
    } else {
        memcpy(copy, text, len);
        copy[len] = '\0';
        if (strlen(copy) == len)
            rc = parse_lines(ring, copy, err, errlen);
        else
            snprintf(err, errlen, "key file: holds a NUL byte");
    }
    seal_wipe_free(copy, len + 1);
    if (rc != 0)
        seal_keyring_free(ring);
    else
        *out = ring;
    return rc;
}

static int fail(char *err, size_t errlen, const char *what, const char *path)
{
    snprintf(err, errlen, "cannot %s key file '%s': %s", what, path, strerror(errno));
    return -1;
}

static int check_mode(int fd, const char *path, char *err, size_t errlen)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return fail(err, errlen, "read", path);
    if (!S_ISREG(st.st_mode)) {
        snprintf(err, errlen, "key file '%s' is not a regular file", path);
        return -1;
    }
    if ((st.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
        snprintf(err, errlen, "key file '%s' is open to others: chmod 0640 or stricter", path);
        return -1;
    }
    return 0;
}

static int read_all(int fd, char *buf, size_t cap, size_t *len)
{
    ssize_t n;

    *len = 0;
    while (*len < cap && (n = read(fd, buf + *len, cap - *len)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        *len += (size_t)n;
    }
    return 0;
}

static int load_from(int fd, const char *path, struct seal_keyring **out, char *err, size_t errlen)
{
    char text[FILE_MAX + 1];
    size_t len;
    int rc = -1;

    if (check_mode(fd, path, err, errlen) != 0)
        return -1;
    if (read_all(fd, text, sizeof(text), &len) != 0)
        rc = fail(err, errlen, "read", path);
    else if (len > FILE_MAX)
        snprintf(err, errlen, "key file '%s' is longer than %d bytes", path, FILE_MAX);
    else
        rc = seal_keyring_parse(text, len, out, err, errlen);
    seal_wipe(text, sizeof(text));
    return rc;
}

int seal_keyring_load(const char *path, struct seal_keyring **out, char *err, size_t errlen)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    *out = NULL;
    if (fd < 0)
        return fail(err, errlen, "open", path);
    rc = load_from(fd, path, out, err, errlen);
    close(fd);
    return rc;
}

void seal_keyring_free(struct seal_keyring *ring)
{
    seal_wipe_free(ring, sizeof(*ring));
}

const char *seal_keyring_kid(const struct seal_keyring *ring)
{
    return ring->keys[0].kid;
}

/* ---- making a key file ---- */

static int make_line(char *out, size_t cap, size_t *len)
{
    unsigned char kid[4], key[KEY_BYTES];
    size_t at = 0;
    int ok = RAND_bytes(kid, sizeof(kid)) == 1 && RAND_bytes(key, sizeof(key)) == 1;

    at += (size_t)snprintf(out, cap, "k%02x%02x%02x%02x:", kid[0], kid[1], kid[2], kid[3]);
    for (size_t i = 0; i < sizeof(key); i++)
        at += (size_t)snprintf(out + at, cap - at, "%02x", key[i]);
    at += (size_t)snprintf(out + at, cap - at, "\n");
    seal_wipe(key, sizeof(key));
    *len = at;
    return ok ? 0 : -1;
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd);
}

/* mkstemp makes it 0600, whatever the umask. */
static int write_temporary(char *name)
{
    char line[128];
    size_t len;
    int rc = -1, fd;

    if (make_line(line, sizeof(line), &len) != 0)
        return -1;
    fd = mkstemp(name);
    if (fd >= 0) {
        rc = write_all(fd, line, len);
        if (close(fd) != 0)
            rc = -1;
    }
    seal_wipe(line, sizeof(line));
    return rc;
}

static int sync_directory(const char *path)
{
    char copy[4096];
    int fd, rc;

    snprintf(copy, sizeof(copy), "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    rc = fsync(fd);
    close(fd);
    return rc;
}

int seal_keyring_generate(const char *path, char *err, size_t errlen)
{
    char name[4096];
    int n = snprintf(name, sizeof(name), "%s.XXXXXX", path);
    int rc = -1;

    if (n < 0 || (size_t)n >= sizeof(name)) {
        errno = ENAMETOOLONG;
        return fail(err, errlen, "create", path);
    }
    errno = 0;
    if (write_temporary(name) == 0 && link(name, path) == 0) /* link never replaces, rename does */
        rc = sync_directory(path);
    if (rc != 0)
        (void)fail(err, errlen, "create", path);
    unlink(name);
    return rc;
}

/* ---- sealing ---- */

static EVP_CIPHER *cipher(void)
{
    if (aes_gcm == NULL)
        aes_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    return aes_gcm;
}

static int crypt_init(EVP_CIPHER_CTX *ctx, const struct key *key, const unsigned char *iv,
                      const char *aad, int encrypt)
{
    size_t aadlen = strlen(aad);
    int n;

    if (ctx == NULL || cipher() == NULL || aadlen > INT32_MAX)
        return -1;
    if (EVP_CipherInit_ex2(ctx, cipher(), key->bytes, iv, encrypt, NULL) != 1 ||
        EVP_CipherUpdate(ctx, NULL, &n, (const unsigned char *)aad, (int)aadlen) != 1)
        return -1;
    return 0;
}

static size_t write_head(const struct key *key, unsigned char *out)
{
    size_t kid = strlen(key->kid);

    out[0] = VERSION;
    out[1] = (unsigned char)kid;
    memcpy(out + 2, key->kid, kid);
    return 2 + kid;
}

/* out: iv, ciphertext, tag. */
static int seal_with(const struct key *key, const char *aad, const void *plain, size_t n,
                     unsigned char *out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char *text = out + IV_BYTES;
    int len = 0, last;
    int ok = RAND_bytes(out, IV_BYTES) == 1 && crypt_init(ctx, key, out, aad, 1) == 0 &&
             (n == 0 || EVP_EncryptUpdate(ctx, text, &len, plain, (int)n) == 1) &&
             EVP_EncryptFinal_ex(ctx, text + len, &last) == 1 &&
             EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, text + n) == 1;

    EVP_CIPHER_CTX_free(ctx);
    return ok ? 0 : -1;
}

enum seal_result seal_encrypt(const struct seal_keyring *ring, const char *aad, const void *plain,
                              size_t n, unsigned char *out, size_t cap, size_t *outlen)
{
    const struct key *key = &ring->keys[0];
    size_t overhead = 2 + strlen(key->kid) + IV_BYTES + TAG_BYTES;
    size_t head;

    if (n > INT32_MAX / 2 || cap < n + overhead)
        return SEAL_FAILED;
    head = write_head(key, out);
    if (seal_with(key, aad, plain, n, out + head) != 0)
        return SEAL_FAILED;
    *outlen = n + overhead;
    return SEAL_OK;
}

static enum seal_result take_apart(const struct seal_keyring *ring, const unsigned char *in,
                                   size_t n, struct parts *out)
{
    size_t kid, head;

    if (n < 2 || in[0] != VERSION || in[1] == 0 || in[1] > SEAL_KID_MAX)
        return SEAL_DAMAGED;
    kid = in[1];
    head = 2 + kid + IV_BYTES;
    if (n < head + TAG_BYTES || n > INT32_MAX / 2)
        return SEAL_DAMAGED;
    out->iv = in + 2 + kid;
    out->text = in + head;
    out->len = n - head - TAG_BYTES;
    out->tag = out->text + out->len;
    out->key = find_key(ring, (const char *)in + 2, kid);
    return out->key == NULL ? SEAL_NO_KEY : SEAL_OK;
}

static int open_parts(const struct parts *p, const char *aad, unsigned char *out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char tag[TAG_BYTES], none[1];
    int len = 0, last;
    int ok;

    memcpy(tag, p->tag, sizeof(tag));
    ok = crypt_init(ctx, p->key, p->iv, aad, 0) == 0 &&
         (p->len == 0 || EVP_DecryptUpdate(ctx, out, &len, p->text, (int)p->len) == 1) &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
         EVP_DecryptFinal_ex(ctx, none, &last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok ? 0 : -1;
}

enum seal_result seal_decrypt(const struct seal_keyring *ring, const char *aad, const void *sealed,
                              size_t n, void *out, size_t cap, size_t *outlen)
{
    struct parts parts;
    enum seal_result result = take_apart(ring, sealed, n, &parts);

    if (result != SEAL_OK)
        return result;
    if (cap < parts.len)
        return SEAL_FAILED;
    if (open_parts(&parts, aad, out) != 0) {
        seal_wipe(out, parts.len);
        return SEAL_DAMAGED;
    }
    *outlen = parts.len;
    return SEAL_OK;
}

int seal_is_current(const struct seal_keyring *ring, const void *sealed, size_t n)
{
    struct parts parts;

    if (take_apart(ring, sealed, n, &parts) == SEAL_DAMAGED)
        return -1;
    return parts.key == &ring->keys[0];
}
