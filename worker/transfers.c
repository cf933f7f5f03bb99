/*
 * See transfers.h. Owns the multi handle, a fixed set of easy handles and the slots of the shared page. Must never
 * resolve a name, follow a redirect, or connect to an address the guard did not pass: checked when the socket is made
 * and again before the request is written, also on a reused connection. A crash leaves requests that may have arrived.
 */
#include "worker/transfers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "common/http_date.h"
#include "common/log.h"
#include "common/redact.h"
#include "worker/clock.h"
#include "worker/request.h"

#define CA_CACHE_S 86400      /* then a new CA file is noticed; reading it takes 22 ms of CPU */
#define HEAD_LINE_COST 96     /* what libcurl's store takes for a line beside its bytes */
#define HEAD_KEPT_BYTES 16384 /* a handle that met more than this is not used again */
#define CONNECTIONS_CACHED                                                                         \
    8192L /* below the number of busy receivers nearly no connection is used twice (measured) */

struct transfer {
    struct transfers *set;
    unsigned slot;
    CURL *easy;
    struct attempt *attempt;
    struct request request;
    bool refused;
    int sends; /* how often the request was written: on a kept connection, and on a fresh one */
    int64_t answered_us; /* clock_us() of its first line; 0: none yet */
    size_t head_bytes;   /* of all header blocks of the answer, with what each line costs */
    char error[CURL_ERROR_SIZE];
    struct transfer *next_free;
};

struct transfers {
    CURLM *multi;
    struct transfers_owner owner;
    const char *ca_file;
    int64_t ca_since_ms; /* what was read before it does not count */
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

/*
 * Also runs on a reused connection: what was allowed when it was opened must still be.
 *
 * libcurl sends a request once more when a kept connection ends without a byte of an answer, up to five times, each on
 * whatever it has kept. Here it is once, and on a fresh connection, after which it never does it again.
 */
static int before_request(void *arg, char *remote_ip, char *local_ip, int remote_port,
                          int local_port)
{
    struct transfer *tr = arg;
    struct sockaddr_storage addr;
    (void)local_ip;
    (void)remote_port;
    (void)local_port;
    tr->sends++;
    curl_easy_setopt(tr->easy, CURLOPT_FRESH_CONNECT, 1L); /* is read when it connects anew */
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
    if (!tr->answered_us)
        tr->answered_us = clock_us();
    tr->head_bytes += got + HEAD_LINE_COST;
    if (tr->head_bytes > LIMIT_RESPONSE_HEAD_BYTES)
        return 0; /* ends the transfer, as on_body does */
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
static int prepare_easy(struct transfer *tr)
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
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT,
                     -1L); /* pins do not age; else all are walked after each request */
    curl_easy_setopt(e, CURLOPT_KEYPASSWD, ""); /* else OpenSSL asks the terminal for one */
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

void transfers_set_ca(struct transfers *t, const char *ca_file)
{
    t->ca_file = ca_file;
    t->ca_since_ms = clock_ms();
}

/* libcurl keeps the authorities it has read for so many seconds: as many as since the file was set, and no more. */
static void set_authorities(const struct transfers *t, CURL *easy)
{
    int64_t age_s = (clock_ms() - t->ca_since_ms) / 1000;
    long keep_s = age_s < 1 ? 1 : age_s > CA_CACHE_S ? CA_CACHE_S : (long)age_s;
    curl_easy_setopt(easy, CURLOPT_CAINFO, t->ca_file);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, keep_s);
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
    transfers_set_ca(t, ca_file);
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
        request_release(&tr->request, tr->easy);
        curl_easy_cleanup(tr->easy);
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

/* The slot is free again. A handle keeps the head of its last answer until its next request: a large one is given back. */
static void recycle(struct transfers *t, struct transfer *tr)
{
    request_release(&tr->request, tr->easy);
    if (tr->head_bytes > HEAD_KEPT_BYTES) {
        curl_easy_cleanup(tr->easy);
        tr->easy = NULL;
    }
    tr->attempt = NULL;
    tr->next_free = t->free_list;
    t->free_list = tr;
}

int transfers_start(struct transfers *t, struct attempt *a, const struct sockaddr_storage *pin)
{
    struct transfer *tr = t->free_list;
    if (!tr || (!tr->easy && prepare_easy(tr)))
        return -1;
    t->free_list = tr->next_free;
    tr->attempt = a;
    tr->refused = false;
    tr->sends = 0;
    tr->answered_us = 0;
    tr->head_bytes = 0;
    tr->error[0] = '\0';
    curl_easy_setopt(tr->easy, CURLOPT_FRESH_CONNECT, 0L);
    set_authorities(t, tr->easy);
    page_begin(t->page, tr->slot, &a->delivery->id);
    if (request_set(&tr->request, tr->easy, a, pin) ||
        curl_multi_add_handle(t->multi, tr->easy) != CURLM_OK) {
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

/* libcurl's times are all since the start; ours are the lengths of the parts. Its time of the first byte received is, with
 * a large body, that of the first byte sent: ours is taken in on_header. */
static void read_timing(const struct transfer *tr, struct attempt *a, struct classify_facts *f)
{
    CURL *e = tr->easy;
    int32_t name = micros(e, CURLINFO_NAMELOOKUP_TIME_T),
            connect = micros(e, CURLINFO_CONNECT_TIME_T);
    int32_t tls = micros(e, CURLINFO_APPCONNECT_TIME_T);
    long opened = 0;
    curl_easy_getinfo(e, CURLINFO_NUM_CONNECTS, &opened);
    a->dns_us = opened ? name : 0;
    a->connect_us = opened && connect > name ? connect - name : 0;
    a->tls_us = opened && tls > connect ? tls - connect : 0;
    a->ttfb_us = tr->answered_us ? (int32_t)(tr->answered_us - a->started_us) : 0;
    a->total_us = micros(e, CURLINFO_TOTAL_TIME_T);
    f->connected = connect > 0 || !opened;
    f->secured = tls > 0 || !destination_target(a->delivery)->url.https || !opened;
    f->answered = tr->answered_us != 0;
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

/* Never silent: a receiver that took the first one before it closed sees two of the same webhook-id. */
static void note_resend(struct attempt *a, int sends)
{
    char delivery[IDS_TEXT_MAX];
    a->resent = sends > 1;
    if (!a->resent)
        return;
    ids_format(ID_DELIVERY, &a->delivery->id, delivery);
    log_info(
        "delivery=%s n=%d was sent a second time: a kept connection was closed without an answer",
        delivery, a->delivery->tries + 1);
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
    read_timing(tr, a, &f);
    f.connected = f.connected || a->remote[0]; /* 7.88 notes the time only after the handshake */
    f.alert = destination_target(a->delivery)->url.https && strstr(tr->error, " alert ");
    note_resend(a, tr->sends);
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
