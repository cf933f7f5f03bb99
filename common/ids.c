/*
 * ids: makes and spells UUIDv7.
 *
 * Owns the last id this process made, so that the next is greater; nothing else remembers it, so a
 * crash leaves nothing. After the millisecond an id holds 12 + 62 bits: fresh random bits in a new
 * millisecond, and within one a random step over the last. Each step changes more than the last 16
 * bits, because those of a delivery base belong to its deliveries. It must never hand out ids from
 * random bits that a fork copied: the pid is part of the state.
 */
#include "common/ids.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/rand.h>

#define TEXT_CHARS 26
#define RAND_B_BITS 62
#define RAND_B_MASK ((UINT64_C(1) << RAND_B_BITS) - 1)
#define RAND_A_MAX 0xfffu
#define STEP_MASK ((UINT64_C(1) << 40) - 1) /* 2^22 steps of average size fit in one millisecond */
#define INDEX_BITS 16                       /* the last two bytes: a delivery's index */
#define BATCH 64

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

static const char *const prefixes[] = {
    [ID_EVENT] = "evt",   [ID_DELIVERY] = "dlv", [ID_ENTRY] = "dlq",
    [ID_WEBHOOK] = "whk", [ID_OPERATION] = "op", [ID_PROJECT] = "prj",
    [ID_KEY] = "key",     [ID_USER] = "usr",     [ID_TRIAL] = "trl",
};

static struct {
    pid_t pid;
    uint64_t ms;
    uint64_t rand_a;
    uint64_t rand_b;
} last;

static void random_bytes(void *out, size_t n)
{
    if (RAND_bytes(out, (int)n) != 1)
        abort();
}

static uint64_t clock_ms(void)
{
    struct timespec ts;

    if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
        abort();
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The top bit of rand_a stays 0, so that steps have room before the counter is full. */
static void start_millisecond(uint64_t ms)
{
    uint64_t r[2];

    random_bytes(r, sizeof(r));
    last.ms = ms;
    last.rand_a = r[0] & (RAND_A_MAX >> 1);
    last.rand_b = r[1] & RAND_B_MASK;
}

/* Goes on within a millisecond. The step exceeds the last 16 bits by one whole unit at least. */
static void step(uint64_t random)
{
    last.rand_b += (random & STEP_MASK) + (UINT64_C(2) << INDEX_BITS);
    if (last.rand_b <= RAND_B_MASK)
        return;
    last.rand_b &= RAND_B_MASK;
    if (++last.rand_a > RAND_A_MAX)
        start_millisecond(last.ms + 1);
}

static void advance(uint64_t ms, pid_t pid, uint64_t random)
{
    if (ms > last.ms || pid != last.pid) {
        start_millisecond(ms);
        last.pid = pid;
    } else {
        step(random);
    }
}

static void write_last(struct uuid *out)
{
    for (unsigned i = 0; i < 6; i++)
        out->b[i] = (unsigned char)(last.ms >> (40 - 8 * i));
    out->b[6] = (unsigned char)(0x70 | (last.rand_a >> 8));
    out->b[7] = (unsigned char)last.rand_a;
    for (unsigned i = 0; i < 8; i++)
        out->b[8 + i] = (unsigned char)(last.rand_b >> (56 - 8 * i));
    out->b[8] = (unsigned char)(0x80 | (out->b[8] & 0x3f));
}

void ids_new_many(struct uuid *out, size_t n)
{
    uint64_t random[BATCH];
    uint64_t ms = clock_ms();
    pid_t pid = getpid();

    for (size_t i = 0; i < n; i++) {
        if (i % BATCH == 0)
            random_bytes(random, sizeof(random[0]) * (n - i < BATCH ? n - i : BATCH));
        advance(ms, pid, random[i % BATCH]);
        write_last(&out[i]);
    }
}

void ids_new(struct uuid *out)
{
    ids_new_many(out, 1);
}

void ids_event_delivery_base(struct uuid *out)
{
    ids_new(out);
    last.rand_b &= ~((UINT64_C(1) << INDEX_BITS) - 1);
    write_last(out);
}

const char *ids_prefix(enum ids_kind kind)
{
    return prefixes[kind];
}

/* 130 bits, two of them zero, five to a character. */
static void write_base32(const struct uuid *id, char out[TEXT_CHARS])
{
    unsigned acc = 0, bits = 2;
    size_t at = 0;

    for (size_t i = 0; i < sizeof(id->b); i++) {
        acc = (acc << 8) | id->b[i];
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            out[at++] = alphabet[(acc >> bits) & 31];
        }
        acc &= (1u << bits) - 1;
    }
}

void ids_format(enum ids_kind kind, const struct uuid *id, char out[IDS_TEXT_MAX])
{
    size_t n = strlen(prefixes[kind]);

    memcpy(out, prefixes[kind], n);
    out[n] = '_';
    write_base32(id, out + n + 1);
    out[n + 1 + TEXT_CHARS] = '\0';
}

static int base32_digit(char c)
{
    char low = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    const char *at = low == '\0' ? NULL : strchr(alphabet, low);

    return at == NULL ? -1 : (int)(at - alphabet);
}

static int read_base32(const char *text, struct uuid *out)
{
    struct uuid id = {{0}};
    unsigned acc = 0, bits = 0;
    size_t at = 0;

    for (size_t i = 0; i < TEXT_CHARS; i++) {
        int digit = base32_digit(text[i]);

        if (digit < 0 || (i == 0 && digit > 7))
            return -1;
        acc = (acc << 5) | (unsigned)digit;
        bits += i == 0 ? 3 : 5;
        if (bits >= 8) {
            bits -= 8;
            id.b[at++] = (unsigned char)(acc >> bits);
            acc &= (1u << bits) - 1;
        }
    }
    *out = id;
    return 0;
}

static int read_bare(const char *text, size_t len, struct uuid *out)
{
    if (len == TEXT_CHARS)
        return read_base32(text, out);
    return ids_from_hex(text, len, out);
}

static int read_prefixed(enum ids_kind kind, const char *text, size_t len, struct uuid *out)
{
    size_t n = strlen(prefixes[kind]);

    if (len != n + 1 + TEXT_CHARS || memcmp(text, prefixes[kind], n) != 0 || text[n] != '_')
        return -1;
    return read_base32(text + n + 1, out);
}

int ids_parse(enum ids_kind kind, const char *text, size_t len, struct uuid *out)
{
    if (read_prefixed(kind, text, len, out) == 0)
        return 0;
    return read_bare(text, len, out);
}

enum ids_match ids_parse_any(enum ids_kind a, enum ids_kind b, const char *text, size_t len,
                             struct uuid *out)
{
    if (read_prefixed(a, text, len, out) == 0)
        return IDS_MATCH_A;
    if (read_prefixed(b, text, len, out) == 0)
        return IDS_MATCH_B;
    return read_bare(text, len, out) == 0 ? IDS_MATCH_EITHER : IDS_MATCH_NONE;
}

void ids_to_hex(const struct uuid *id, char out[IDS_HEX_MAX])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;

    for (size_t i = 0; i < sizeof(id->b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = digits[id->b[i] >> 4];
        out[at++] = digits[id->b[i] & 15];
    }
    out[at] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int ids_from_hex(const char *text, size_t len, struct uuid *out)
{
    struct uuid id;
    size_t at = 0;

    if (len != IDS_HEX_MAX - 1)
        return -1;
    for (size_t i = 0; i < sizeof(id.b); i++) {
        int high, low;

        if ((at == 8 || at == 13 || at == 18 || at == 23) && text[at++] != '-')
            return -1;
        high = hex_digit(text[at++]);
        low = hex_digit(text[at++]);
        if (high < 0 || low < 0)
            return -1;
        id.b[i] = (unsigned char)(high << 4 | low);
    }
    *out = id;
    return 0;
}

int64_t ids_time_ms(const struct uuid *id)
{
    int64_t ms = 0;

    if (id->b[6] >> 4 != 7)
        return -1;
    for (size_t i = 0; i < 6; i++)
        ms = ms << 8 | id->b[i];
    return ms;
}
