/*
 * See request.h. Owns the header list and the pin of one request; libcurl holds copies of the TLS blobs until the next
 * release. Must never let a request leave unsigned, or with another webhook's certificate. Memory only.
 */
#include "worker/request.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "common/redact.h"
#include "common/signing.h"
#include "worker/clock.h"
#include "worker/destination.h"

#define CONNECT_TIMEOUT_MS 10000L

/* --- headers ------------------------------------------------------------------------------------------------------ */

/* One line for libcurl. -1: out of memory. */
static int add_line(struct request *r, const char *line)
{
    struct curl_slist *more = curl_slist_append(r->headers, line);
    if (!more)
        return -1;
    r->headers = more;
    return 0;
}

/* A header goes to libcurl and, as it may be shown, into the attempt. */
static int add_header(struct request *r, struct attempt *a, const char *line, const char *shown)
{
    buf_add_str(&a->request_headers, shown);
    buf_add_char(&a->request_headers, '\n');
    return add_line(r, line);
}

static int add_headerf(struct request *r, struct attempt *a, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int add_headerf(struct request *r, struct attempt *a, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    return add_header(r, a, line, line);
}

/* --- signatures --------------------------------------------------------------------------------------------------- */

#define SIGNATURE_TEXT SIGNING_V1A_TEXT /* the longer of the two */

/* One signature with key `i`. A v1a key is 64 bytes, or the 32 of its seed: only those sign. */
static int sign(const struct destination_settings *set, int i, const char *id, int64_t now,
                const struct delivery *d, char out[SIGNATURE_TEXT])
{
    size_t body_bytes = (size_t)d->payload_bytes;
    if (!set->v1a)
        return signing_v1(set->keys[i], set->key_len[i], id, now, d->payload, body_bytes, out);
    if (set->key_len[i] != SIGNING_KEY_MAX && set->key_len[i] != SIGNING_KEY_MAX / 2)
        return -1;
    return signing_v1a(set->keys[i], id, now, d->payload, body_bytes, out);
}

/* Id, timestamp and one signature for each key that is in force. An old key that is not of the kind (the webhook changed
 * it) signs nothing; without the current one nothing leaves. */
static int add_signature(struct request *r, struct attempt *a,
                         const struct destination_settings *set)
{
    char id[IDS_TEXT_MAX], one[SIGNATURE_TEXT], all[2 * SIGNATURE_TEXT] = "";
    int64_t now = time(NULL);
    size_t len = 0;
    ids_format(ID_EVENT, &a->delivery->event_id, id);
    int nkeys = set->key_len[1] && clock_ms() < set->old_key_until_ms ? 2 : 1;
    for (int i = 0; i < nkeys; i++) {
        if (sign(set, i, id, now, a->delivery, one)) {
            if (i == 0)
                return -1;
            continue;
        }
        len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", i ? " " : "", one);
    }
    return add_headerf(r, a, "webhook-id: %s", id) ||
           add_headerf(r, a, "webhook-timestamp: %lld", (long long)now) ||
           add_headerf(r, a, "webhook-signature: %s", all);
}

/* --- the rest of the set ------------------------------------------------------------------------------------------ */

static int add_replay(struct request *r, struct attempt *a)
{
    const struct delivery *d = a->delivery;
    char entry[IDS_TEXT_MAX], at[32];
    struct tm tm;
    time_t now = time(NULL);
    if (!d->has_entry)
        return 0;
    ids_format(ID_ENTRY, &d->entry_id, entry);
    gmtime_r(&now, &tm);
    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return add_headerf(r, a, "x-replayed-from: %s", entry) ||
           add_headerf(r, a, "x-replayed-at: %s", at) ||
           add_headerf(r, a, "x-replay-generation: %d", d->generation);
}

static int add_custom(struct request *r, struct attempt *a, const struct destination_settings *set)
{
    for (int i = 0; i < set->header_count; i++) {
        char shown[256];
        int name = (int)strcspn(set->header_lines[i], ":;"); /* "Name;" is how an empty one goes */
        snprintf(shown, sizeof shown, "%.*s: " REDACT_MARK, name, set->header_lines[i]);
        if (add_header(r, a, set->header_lines[i], shown))
            return -1;
    }
    return 0;
}

static int add_ours(struct request *r, struct attempt *a)
{
    const struct delivery *d = a->delivery;
    char id[IDS_TEXT_MAX];
    ids_format(ID_DELIVERY, &d->id, id);
    return add_headerf(r, a, "dlo-delivery-id: %s", id) ||
           add_headerf(r, a, "dlo-attempt: %d", d->tries + 1) ||
           add_headerf(r, a, "dlo-event-type: %s", d->type) ||
           (d->channel && add_headerf(r, a, "dlo-channel: %s", d->channel)) ||
           add_headerf(r, a, "user-agent: dlo/" DLO_VERSION);
}

static int add_headers(struct request *r, struct attempt *a, const struct destination_settings *set)
{
    return add_headerf(r, a, "content-type: application/json") || add_signature(r, a, set) ||
           add_ours(r, a) || add_replay(r, a) ||
           (!destination_foreign(a->delivery) && add_custom(r, a, set)) || add_line(r, "Expect:");
}

/* --- where to, and as whom ---------------------------------------------------------------------------------------- */

/* "host:port:address" for libcurl's own cache, which then never looks anything up. */
static int add_pin(struct request *r, const struct url_parts *url,
                   const struct sockaddr_storage *pin)
{
    char address[INET6_ADDRSTRLEN], entry[512];
    if (!pin)
        return 0;
    const void *raw = pin->ss_family == AF_INET
                          ? (const void *)&((const struct sockaddr_in *)pin)->sin_addr
                          : (const void *)&((const struct sockaddr_in6 *)pin)->sin6_addr;
    inet_ntop(pin->ss_family, raw, address, sizeof address);
    snprintf(entry, sizeof entry, "%s:%u:%s", url->host, url->port, address);
    r->pin = curl_slist_append(NULL, entry);
    return r->pin ? 0 : -1;
}

/* Copied: the settings may be replaced while the request is under way. NULL takes an earlier one off. */
static int set_blob(CURL *easy, CURLoption option, char *pem, size_t len)
{
    struct curl_blob blob = {.data = pem, .len = len, .flags = CURL_BLOB_COPY};
    return curl_easy_setopt(easy, option, pem ? &blob : NULL) == CURLE_OK ? 0 : -1;
}

/* Certificate and key lie in one PEM; OpenSSL takes from it what it looks for. */
static int set_identity(CURL *easy, const struct delivery *d)
{
    const struct destination_settings *set = &d->dest->set;
    char *client = destination_foreign(d) ? NULL : set->tls_client;
    return set_blob(easy, CURLOPT_CAINFO_BLOB, set->tls_ca, set->tls_ca_len) ||
           set_blob(easy, CURLOPT_SSLCERT_BLOB, client, set->tls_client_len) ||
           set_blob(easy, CURLOPT_SSLKEY_BLOB, client, set->tls_client_len);
}

static void set_body(CURL *easy, struct attempt *a)
{
    const struct delivery *d = a->delivery;
    unsigned hash_len = 0;
    EVP_Digest(d->payload, (size_t)d->payload_bytes, a->body_sha256, &hash_len, EVP_sha256(), NULL);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, d->payload);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)d->payload_bytes);
}

int request_set(struct request *r, CURL *easy, struct attempt *a,
                const struct sockaddr_storage *pin)
{
    const struct destination_settings *set = &a->delivery->dest->set;
    const struct url_parts *url = &destination_target(a->delivery)->url;
    long timeout_ms = set->timeout_ms;
    if (add_headers(r, a, set) || add_pin(r, url, pin) || set_identity(easy, a->delivery))
        return -1;
    set_body(easy, a);
    curl_easy_setopt(easy, CURLOPT_URL, url->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, r->pin);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     timeout_ms < CONNECT_TIMEOUT_MS ? timeout_ms : CONNECT_TIMEOUT_MS);
    return 0;
}

void request_release(struct request *r, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, NULL);
    set_blob(easy, CURLOPT_CAINFO_BLOB, NULL, 0);
    set_blob(easy, CURLOPT_SSLCERT_BLOB, NULL, 0);
    set_blob(easy, CURLOPT_SSLKEY_BLOB, NULL, 0);
    curl_slist_free_all(r->headers);
    curl_slist_free_all(r->pin);
    *r = (struct request){0};
}
