/*
 * See transfers.h. Owns the multi handle, a fixed set of easy handles and the slots of the shared page. Must never
 * resolve a name, follow a redirect, or connect to an address the guard did not pass: checked when the socket is made
 * and again before the request is written, also on a reused connection. A crash leaves requests that may have arrived.
 */
#include "worker/transfers.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "common/http_date.h"
#include "common/log.h"
#include "common/redact.h"
#include "common/signing.h"
#include "worker/clock.h"

#define CONNECT_TIMEOUT_MS 10000L
#define CONNECTIONS_CACHED                                                                         \
    8192L /* below the number of busy receivers nearly no connection is used twice (measured) */

struct transfer {
    struct transfers *set;
    unsigned slot;
    CURL *easy;
    struct attempt *attempt;
    struct curl_slist *headers;
    struct curl_slist *pin;
    bool refused;
    char error[CURL_ERROR_SIZE];
    struct transfer *next_free;
};

struct transfers {
    CURLM *multi;
    struct transfers_owner owner;
    const char *ca_file;
    const struct address_allow *allow;
    struct page_sender *page;
    struct transfer slots[LIMIT_INFLIGHT];
    struct transfer *free_list;
    int count;
    int64_t deadline_ms;
};

/* --- callbacks of libcurl ----------------------------------------------------------------------------------------- */

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct transfer *tr = arg;
    if (purpose != CURLSOCKTYPE_IPCXN ||
        address_guard_check(&addr->addr, tr->set->allow) != ADDRESS_OK) {
        tr->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

/* Also runs on a reused connection: what was allowed when it was opened must still be. */
static int before_request(void *arg, char *remote_ip, char *local_ip, int remote_port,
                          int local_port)
{
    struct transfer *tr = arg;
    struct sockaddr_storage addr;
    (void)local_ip;
    (void)remote_port;
    (void)local_port;
    if (address_guard_literal(remote_ip, &addr) == 0 &&
        address_guard_check((struct sockaddr *)&addr, tr->set->allow) == ADDRESS_OK)
        return CURL_PREREQFUNC_OK;
    tr->refused = true;
    return CURL_PREREQFUNC_ABORT;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *tr = arg;
    struct buf *body = &tr->attempt->response_body;
    size_t room = body->cap - body->len, got = size * n;
    buf_add(body, data, got < room ? got : room);
    if (got <= room)
        return got;
    tr->attempt->truncated = true;
    return 0; /* ends the transfer: CURLE_WRITE_ERROR with the status known */
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *tr = arg;
    struct buf *headers = &tr->attempt->response_headers;
    size_t got = size * n, len = got;
    while (len && (data[len - 1] == '\n' || data[len - 1] == '\r'))
        len--;
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        buf_clear(headers); /* a new header block: what came before was a 1xx */
    } else if (len && headers->len + len + 1 <= headers->cap) {
        buf_add(headers, data, len);
        buf_add_char(headers, '\n');
    }
    return got;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct transfers *t = arg;
    (void)easy;
    unsigned events = what == CURL_POLL_REMOVE
                          ? 0
                          : (what & CURL_POLL_IN ? (unsigned)EPOLLIN : 0) |
                                (what & CURL_POLL_OUT ? (unsigned)EPOLLOUT : 0);
    t->owner.watch(t->owner.arg, fd, events, known != NULL);
    curl_multi_assign(t->multi, fd, what == CURL_POLL_REMOVE ? NULL : t);
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
    struct transfers *t = arg;
    (void)multi;
    t->deadline_ms = ms < 0 ? INT64_MAX : clock_ms() + ms;
    return 0;
}

/* --- set-up ------------------------------------------------------------------------------------------------------- */

/* What never differs between requests. The rest is set for every request, so nothing is left over from another. */
static int prepare_easy(struct transfers *t, struct transfer *tr)
{
    CURL *e = tr->easy = curl_easy_init();
    if (!e)
        return -1;
    curl_easy_setopt(e, CURLOPT_PRIVATE, tr);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(e, CURLOPT_CAPATH,
                     NULL); /* with it the CA bundle is read for every connection: 22 ms of CPU */
    curl_easy_setopt(e, CURLOPT_CAINFO, t->ca_file);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT,
                     -1L); /* pins do not age; else all are walked after each request */
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, 300L);
    curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, NULL);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, tr);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, before_request);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, tr);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, tr);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, tr);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, tr->error);
    curl_easy_setopt(e, CURLOPT_POST, 1L);
    return 0;
}

struct transfers *transfers_new(const char *ca_file, const struct address_allow *allow,
                                struct page_sender *page, const struct transfers_owner *owner)
{
    struct transfers *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->multi = curl_multi_init();
    if (!t->multi) {
        free(t);
        return NULL;
    }
    t->owner = *owner;
    t->ca_file = ca_file;
    t->allow = allow;
    t->page = page;
    t->deadline_ms = INT64_MAX;
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_CACHED);
    curl_multi_setopt(t->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    for (unsigned i = LIMIT_INFLIGHT; i-- > 0;) {
        t->slots[i] = (struct transfer){.set = t, .slot = i, .next_free = t->free_list};
        t->free_list = &t->slots[i];
    }
    return t;
}

void transfers_free(struct transfers *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < LIMIT_INFLIGHT; i++) {
        struct transfer *tr = &t->slots[i];
        if (!tr->easy)
            continue;
        if (tr->attempt)
            curl_multi_remove_handle(t->multi, tr->easy);
        curl_easy_cleanup(tr->easy);
        curl_slist_free_all(tr->headers);
        curl_slist_free_all(tr->pin);
        attempt_free(tr->attempt);
    }
    curl_multi_cleanup(t->multi);
    free(t);
}

int transfers_count(const struct transfers *t)
{
    return t->count;
}

bool transfers_full(const struct transfers *t)
{
    return !t->free_list;
}

/* --- one request -------------------------------------------------------------------------------------------------- */

/* A header line goes to libcurl and, as it may be shown, into the attempt. -1: out of memory. */
static int add_header(struct transfer *tr, const char *line, const char *shown)
{
    struct curl_slist *more = curl_slist_append(tr->headers, line);
    if (!more)
        return -1;
    tr->headers = more;
    buf_add_str(&tr->attempt->request_headers, shown);
    buf_add_char(&tr->attempt->request_headers, '\n');
    return 0;
}

static int add_headerf(struct transfer *tr, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static int add_headerf(struct transfer *tr, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    return add_header(tr, line, line);
}

/* Standard Webhooks: id, timestamp and one signature for each key that is in force. */
static int add_signature(struct transfer *tr, const struct delivery *d,
                         const struct destination_settings *set)
{
    char id[IDS_TEXT_MAX], signatures[2 * SIGNING_V1_TEXT + 2] = "";
    int64_t now = time(NULL);
    ids_format(ID_EVENT, &d->event_id, id);
    int nkeys = set->key_len[1] && clock_ms() < set->old_key_until_ms ? 2 : 1;
    for (int i = 0; i < nkeys && set->key_len[i]; i++) {
        char one[SIGNING_V1_TEXT];
        if (signing_v1(set->keys[i], set->key_len[i], id, now, d->payload, (size_t)d->payload_bytes,
                       one))
            return -1;
        snprintf(signatures + strlen(signatures), sizeof signatures - strlen(signatures), "%s%s",
                 i ? " " : "", one);
    }
    return add_headerf(tr, "webhook-id: %s", id) ||
           add_headerf(tr, "webhook-timestamp: %lld", (long long)now) ||
           add_headerf(tr, "webhook-signature: %s", signatures);
}

static int add_replay(struct transfer *tr, const struct delivery *d)
{
    char entry[IDS_TEXT_MAX], at[32];
    struct tm tm;
    time_t now = time(NULL);
    if (!d->has_entry)
        return 0;
    ids_format(ID_ENTRY, &d->entry_id, entry);
    gmtime_r(&now, &tm);
    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return add_headerf(tr, "x-replayed-from: %s", entry) ||
           add_headerf(tr, "x-replayed-at: %s", at) ||
           add_headerf(tr, "x-replay-generation: %d", d->generation);
}

static int add_custom(struct transfer *tr, const struct destination_settings *set)
{
    for (int i = 0; i < set->header_count; i++) {
        char shown[256];
        int name = (int)strcspn(set->header_lines[i], ":");
        snprintf(shown, sizeof shown, "%.*s: " REDACT_MARK, name, set->header_lines[i]);
        if (add_header(tr, set->header_lines[i], shown))
            return -1;
    }
    return 0;
}

static int add_headers(struct transfer *tr)
{
    const struct delivery *d = tr->attempt->delivery;
    const struct destination_settings *set = &d->dest->set;
    char id[IDS_TEXT_MAX];
    ids_format(ID_DELIVERY, &d->id, id);
    if (add_headerf(tr, "content-type: application/json") || add_signature(tr, d, set) ||
        add_headerf(tr, "dlo-delivery-id: %s", id) ||
        add_headerf(tr, "dlo-attempt: %d", d->tries + 1) ||
        add_headerf(tr, "dlo-event-type: %s", d->type) ||
        (d->channel && add_headerf(tr, "dlo-channel: %s", d->channel)) ||
        add_headerf(tr, "user-agent: dlo/" DLO_VERSION) || add_replay(tr, d) || add_custom(tr, set))
        return -1;
    struct curl_slist *more = curl_slist_append(tr->headers, "Expect:");
    tr->headers = more ? more : tr->headers;
    return more ? 0 : -1;
}

/* "host:port:address" for libcurl's own cache, which then never looks anything up. */
static int add_pin(struct transfer *tr, const struct url_parts *url,
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
    tr->pin = curl_slist_append(NULL, entry);
    return tr->pin ? 0 : -1;
}

static int set_request(struct transfer *tr, const struct sockaddr_storage *pin)
{
    const struct delivery *d = tr->attempt->delivery;
    const struct destination_settings *set = &d->dest->set;
    CURL *e = tr->easy;
    if (add_headers(tr) || add_pin(tr, &set->url, pin))
        return -1;
    curl_easy_setopt(e, CURLOPT_URL, set->url.url);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, d->payload);
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)d->payload_bytes);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, tr->headers);
    curl_easy_setopt(e, CURLOPT_RESOLVE, tr->pin);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)set->timeout_ms);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                     set->timeout_ms < CONNECT_TIMEOUT_MS ? (long)set->timeout_ms
                                                          : CONNECT_TIMEOUT_MS);
    return 0;
}

static void recycle(struct transfers *t, struct transfer *tr)
{
    curl_easy_setopt(tr->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(tr->easy, CURLOPT_RESOLVE, NULL);
    curl_slist_free_all(tr->headers);
    curl_slist_free_all(tr->pin);
    tr->headers = tr->pin = NULL;
    tr->attempt = NULL;
    tr->next_free = t->free_list;
    t->free_list = tr;
}

int transfers_start(struct transfers *t, struct attempt *a, const struct sockaddr_storage *pin)
{
    struct transfer *tr = t->free_list;
    if (!tr || (!tr->easy && prepare_easy(t, tr)))
        return -1;
    const struct delivery *d = a->delivery;
    t->free_list = tr->next_free;
    tr->attempt = a;
    tr->refused = false;
    tr->error[0] = '\0';
    unsigned hash_len = 0;
    EVP_Digest(d->payload, (size_t)d->payload_bytes, a->body_sha256, &hash_len, EVP_sha256(), NULL);
    page_begin(t->page, tr->slot, &d->id);
    if (set_request(tr, pin) || curl_multi_add_handle(t->multi, tr->easy) != CURLM_OK) {
        page_end(t->page, tr->slot);
        recycle(t, tr);
        return -1;
    }
    t->count++;
    return 0;
}

/* --- its end ------------------------------------------------------------------------------------------------------ */

static int32_t micros(CURL *e, CURLINFO what)
{
    curl_off_t us = 0;
    curl_easy_getinfo(e, what, &us);
    return us < 0 ? 0 : us > INT32_MAX ? INT32_MAX : (int32_t)us;
}

/* libcurl's times are all since the start; ours are the lengths of the parts. */
static void read_timing(CURL *e, struct attempt *a, struct classify_facts *f)
{
    int32_t name = micros(e, CURLINFO_NAMELOOKUP_TIME_T),
            connect = micros(e, CURLINFO_CONNECT_TIME_T);
    int32_t tls = micros(e, CURLINFO_APPCONNECT_TIME_T),
            first = micros(e, CURLINFO_STARTTRANSFER_TIME_T);
    long opened = 0;
    curl_easy_getinfo(e, CURLINFO_NUM_CONNECTS, &opened);
    a->dns_us = opened ? name : 0;
    a->connect_us = opened && connect > name ? connect - name : 0;
    a->tls_us = opened && tls > connect ? tls - connect : 0;
    a->ttfb_us = first;
    a->total_us = micros(e, CURLINFO_TOTAL_TIME_T);
    f->connected = connect > 0 || !opened;
    f->secured = tls > 0 || !a->delivery->dest->set.url.https || !opened;
    f->answered = first > 0;
}

/* Retry-After is read from the raw block before it is redacted and cleaned. */
static void read_headers(CURL *e, struct attempt *a)
{
    struct curl_header *h;
    if (curl_easy_header(e, "Retry-After", 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
        a->retry_after_s = http_date_retry_after(h->value, strlen(h->value), time(NULL));
    char redacted[2 * LIMIT_RESPONSE_HEADERS_BYTES];
    size_t n = redact_headers(a->response_headers.data ? a->response_headers.data : "",
                              a->response_headers.len, NULL, redacted, sizeof redacted);
    struct buf clean;
    buf_init(&clean, 2 * LIMIT_RESPONSE_HEADERS_BYTES);
    char *to = buf_reserve(&clean, n * 3 + 1 < clean.cap ? n * 3 + 1 : clean.cap);
    if (to)
        buf_grown(&clean,
                  redact_to_utf8(redacted, n, to, n * 3 + 1 < clean.cap ? n * 3 + 1 : clean.cap));
    buf_release(&a->response_headers);
    a->response_headers = clean;
}

static void finish(struct transfers *t, struct transfer *tr, CURLcode code)
{
    struct attempt *a = tr->attempt;
    struct classify_facts f = {.code = code, .refused = tr->refused};
    char *ip = NULL, error[CURL_ERROR_SIZE];
    curl_easy_getinfo(tr->easy, CURLINFO_RESPONSE_CODE, &f.status);
    curl_easy_getinfo(tr->easy, CURLINFO_OS_ERRNO, &f.os_errno);
    curl_easy_getinfo(tr->easy, CURLINFO_PRIMARY_IP, &ip);
    snprintf(a->remote, sizeof a->remote, "%s", ip && !tr->refused ? ip : "");
    read_timing(tr->easy, a, &f);
    f.connected = f.connected || a->remote[0]; /* 7.88 notes the time only after the handshake */
    read_headers(tr->easy, a);
    redact_to_utf8(tr->error, strlen(tr->error), error, sizeof error);
    curl_multi_remove_handle(t->multi, tr->easy);
    page_end(t->page, tr->slot);
    recycle(t, tr);
    t->count--;
    t->owner.done(t->owner.arg, a, &f, error);
}

static void read_messages(struct transfers *t)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(t->multi, &left))) {
        if (m->msg != CURLMSG_DONE)
            continue;
        struct transfer *tr = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &tr);
        finish(t, tr, code);
    }
}

void transfers_ready(struct transfers *t, int fd, bool readable, bool writable, bool error)
{
    int running;
    int mask = (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0) |
               (error ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(t->multi, fd, mask, &running);
    read_messages(t);
}

int64_t transfers_tick(struct transfers *t, int64_t now_ms)
{
    int running;
    while (now_ms >= t->deadline_ms) {
        t->deadline_ms = INT64_MAX;
        curl_multi_socket_action(t->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        read_messages(t);
    }
    return t->deadline_ms;
}
