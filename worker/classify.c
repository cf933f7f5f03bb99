/* See classify.h. Pure: reads its arguments, writes the attempt. */
#include "worker/classify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A failure of the transfer, when there is no status to go by. First match wins. */
static const struct {
    CURLcode code;
    enum reason reason;
    bool permanent;
    const char *name;
} transfer_failures[] = {
    {CURLE_OK, REASON_INVALID_RESPONSE, false, "bad_response"}, /* 101, 000: no final status */
    {CURLE_UNSUPPORTED_PROTOCOL, REASON_INVALID_RESPONSE, false, "bad_response"},
    {CURLE_URL_MALFORMAT, REASON_ADDRESS_REFUSED, true, "bad_url"},
    {CURLE_COULDNT_RESOLVE_HOST, REASON_DNS, false, "dns"},
    {CURLE_SSL_CONNECT_ERROR, REASON_TLS, false, "tls_handshake"},
    {CURLE_PEER_FAILED_VERIFICATION, REASON_TLS, false, "tls_certificate"},
    {CURLE_SSL_CERTPROBLEM, REASON_TLS, false, "tls_client_certificate"},
    {CURLE_SSL_CACERT_BADFILE, REASON_TLS, false, "tls_ca_file"},
    {CURLE_GOT_NOTHING, REASON_CONNECTION_RESET, false, "empty_reply"},
    {CURLE_SEND_ERROR, REASON_CONNECTION_RESET, false, "reset"},
    {CURLE_WEIRD_SERVER_REPLY, REASON_INVALID_RESPONSE, false, "bad_response"},
    {CURLE_BAD_CONTENT_ENCODING, REASON_INVALID_RESPONSE, false, "bad_response"},
    {CURLE_WRITE_ERROR, REASON_RESPONSE_TOO_LARGE, false, "header_too_large"},
    {CURLE_OUT_OF_MEMORY, REASON_RESPONSE_TOO_LARGE, false,
     "header_too_large"}, /* a line over 100 KiB says this */
#if LIBCURL_VERSION_NUM >= 0x080600
    {CURLE_TOO_LARGE, REASON_RESPONSE_TOO_LARGE, false, "header_too_large"}, /* later this */
#endif
    {CURLE_PARTIAL_FILE, REASON_INVALID_RESPONSE, false, "partial"},
    {CURLE_HTTP2, REASON_INVALID_RESPONSE, false, "bad_response"},
};

/* How far a transfer that ran out of time had come. */
static const char *timeout_code(const struct classify_facts *f)
{
    if (!f->connected)
        return "connect_timeout";
    if (!f->secured)
        return "tls_timeout";
    return f->answered ? "body_timeout" : "response_timeout";
}

/* What libcurl's own sentence does not say, or says about a file of ours. */
static const struct {
    CURLcode code;
    const char *sentence;
} sentences[] = {
    {CURLE_OK, "the answer has no final status"},
    {CURLE_WRITE_ERROR, "the head of the answer is too large"},
    {CURLE_OUT_OF_MEMORY, "a line of the answer's head is too large"},
    {CURLE_SSL_CERTPROBLEM, "the client certificate and its key cannot be used"},
};

static const char *sentence_of(const struct classify_facts *f, const char *curl_error)
{
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        if (sentences[i].code == f->code)
            return sentences[i].sentence;
    return curl_error[0] ? curl_error : curl_easy_strerror(f->code);
}

static void set(struct attempt *a, enum reason reason, bool permanent, const char *code)
{
    a->reason = reason;
    a->permanent = permanent;
    a->error_code = code;
}

static void by_connect(struct attempt *a, long os_errno)
{
    if (os_errno == ECONNREFUSED)
        set(a, REASON_CONNECTION_REFUSED, false, "connection_refused");
    else if (os_errno == ECONNRESET) /* it was accepted, and at once reset */
        set(a, REASON_CONNECTION_RESET, false, "reset");
    else
        set(a, REASON_NETWORK, false, "unreachable");
}

static void by_transfer(struct attempt *a, const struct classify_facts *f)
{
    if (f->refused || f->code == CURLE_ABORTED_BY_CALLBACK) {
        set(a, REASON_ADDRESS_REFUSED, true, "address_refused");
        return;
    }
    if (f->code == CURLE_OPERATION_TIMEDOUT) {
        set(a, REASON_TIMEOUT, false, timeout_code(f));
        return;
    }
    if (f->code == CURLE_COULDNT_CONNECT) {
        by_connect(a, f->os_errno);
        return;
    }
    if (f->alert && f->status == 0) {
        /* TLS 1.3 judges a client's certificate after the handshake: the alert comes with the first read */
        set(a, REASON_TLS, false, "tls_alert");
        return;
    }
    if (f->code == CURLE_RECV_ERROR) {
        /* With an interim status (1xx) it was us who gave up on the headers; the errno is then an old one. */
        bool reset =
            f->status == 0 && (f->os_errno == ECONNRESET || f->os_errno == EPIPE || !f->answered);
        set(a, reset ? REASON_CONNECTION_RESET : REASON_INVALID_RESPONSE, false,
            reset ? "reset" : "bad_response");
        return;
    }
    for (size_t i = 0; i < sizeof transfer_failures / sizeof *transfer_failures; i++)
        if (transfer_failures[i].code == f->code) {
            set(a, transfer_failures[i].reason, transfer_failures[i].permanent,
                transfer_failures[i].name);
            return;
        }
    set(a, REASON_NETWORK, false, "network");
}

static void by_status(struct attempt *a, long status)
{
    if (status >= 200 && status < 300)
        set(a, REASON_NONE, false, NULL);
    else if (status >= 500)
        set(a, REASON_HTTP_5XX, false, "http_5xx");
    else if (status == 408)
        set(a, REASON_HTTP_408, false, "http_408");
    else if (status == 429)
        set(a, REASON_HTTP_429, false, "http_429");
    else if (status == 425)
        set(a, REASON_HTTP_4XX, false, "http_425"); /* Too Early: RFC 8470 says to try again */
    else if (status >= 400)
        set(a, REASON_HTTP_4XX, true, status == 410 ? "gone" : "http_4xx");
    else if (status >= 300)
        set(a, REASON_REDIRECT, true, "redirect");
    else
        set(a, REASON_INVALID_RESPONSE, false, "bad_response");
}

static bool expected(const struct destination_settings *s, long status)
{
    for (int i = 0; i < s->expected_len; i++)
        if (s->expected[i] == status)
            return true;
    return false;
}

/* The pause before the next try: the schedule's step, give or take a fifth; never shorter than Retry-After. */
static int64_t pause_ms(const struct attempt *a, const struct destination_settings *s,
                        double jitter)
{
    int step = a->delivery->tries < s->schedule_len ? a->delivery->tries : s->schedule_len - 1;
    int64_t ms = (int64_t)(s->schedule_s[step] * 1000.0 * (1 + 0.2 * jitter));
    return a->retry_after_s * 1000 > ms ? a->retry_after_s * 1000 : ms;
}

static void decide(struct attempt *a, const struct destination_settings *s, double jitter)
{
    if (a->reason == REASON_NONE) {
        a->outcome = OUTCOME_DELIVERED;
    } else if (a->permanent || a->delivery->tries + 1 >= s->max_attempts) {
        a->outcome = OUTCOME_DEAD;
    } else {
        a->outcome = OUTCOME_RETRY;
        a->retry_ms = pause_ms(a, s, jitter);
    }
}

void classify(struct attempt *a, const struct destination_settings *s,
              const struct classify_facts *f, const char *curl_error, double jitter)
{
    a->status = f->status >= 200 ? (int)f->status : 0; /* an interim one is no answer */
    if (f->status >= 200 && !f->refused) {
        by_status(a, f->status);
        if (a->reason != REASON_NONE)
            snprintf(a->error, sizeof a->error, "HTTP %ld", f->status);
        a->intentional = a->reason != REASON_NONE && expected(s, f->status);
    } else {
        by_transfer(a, f);
        snprintf(a->error, sizeof a->error, "%s",
                 a->reason == REASON_ADDRESS_REFUSED
                     ? "the address is not public and not on the operator's allow list"
                     : sentence_of(f, curl_error));
    }
    if (a->resent && !a->error[0])
        snprintf(a->error, sizeof a->error, "%s",
                 "sent twice: the kept connection was closed before it answered");
    decide(a, s, jitter);
}

void classify_failure(struct attempt *a, const struct destination_settings *s, enum reason reason,
                      bool permanent, const char *code, const char *sentence, double jitter)
{
    set(a, reason, permanent, code);
    snprintf(a->error, sizeof a->error, "%s", sentence);
    decide(a, s, jitter);
}
