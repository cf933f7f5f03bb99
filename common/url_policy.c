/*
 * url_policy: a list of refusals, each with the sentence that tells a tenant which.
 *
 * Owns nothing between calls. Bytes are judged before libcurl's parser sees them, because it
 * forgives (one slash, 127.1, %31) what others read otherwise; then its reading must agree with
 * ours. It must never resolve a name and never accept a spelling that two parsers could take for
 * two hosts. A crash leaves nothing.
 */
#include "common/url_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#define HOST_MAX 253
#define LABEL_MAX 63
#define PORT_OPEN_FROM 1024

/* Services that no webhook lives on and that believe whoever reaches them. */
static const uint16_t internal_ports[] = {
    2049, 2375, 2376, 2379, 2380, 3306, 4194, 5432,  5672,  5984,  6000,  6379,  6443,  6666,
    6667, 7001, 8500, 9042, 9092, 9200, 9300, 10250, 10255, 11211, 15672, 25565, 27017, 50070,
};

/* Last labels that are no place on the public internet (RFC 6761, RFC 6762, RFC 8375, custom). */
static const char *const reserved_domains[] = {
    "localhost",   "local", "internal", "intranet", "lan",     "home",    "corp",
    "localdomain", "arpa",  "onion",    "test",     "invalid", "example",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What is being judged. Filled step by step; authority and host point into copy. */
struct judged {
    char copy[URL_POLICY_BYTES_MAX + 1];
    char host[HOST_MAX + 1]; /* lower case, without brackets */
    bool https;
    bool bracketed;
    bool literal;
    bool allowed; /* by the operator's list */
    uint16_t port;
    struct sockaddr_storage addr;
};

static const char *judge_bytes(const char *url, size_t len, struct judged *j)
{
    if (len == 0)
        return "the URL is empty";
    if (len > URL_POLICY_BYTES_MAX)
        return "the URL is longer than 2048 bytes";
    for (size_t i = 0; i < len; i++)
        if (url[i] < 0x21 || url[i] > 0x7e || url[i] == '\\')
            return "the URL may hold only printable ASCII without spaces and backslashes";
    memcpy(j->copy, url, len);
    j->copy[len] = '\0';
    return NULL;
}

/* Finds the authority: from behind "//" to the first of / ? # or the end. */
static const char *judge_scheme(struct judged *j, const char **authority, size_t *len)
{
    const char *p = j->copy;

    if (strncasecmp(p, "https://", 8) != 0 && strncasecmp(p, "http://", 7) != 0)
        return "the URL must begin with https:// or http://";
    j->https = p[4] == 's' || p[4] == 'S';
    *authority = p + (j->https ? 8 : 7);
    *len = strcspn(*authority, "/?#");
    if (*len == 0)
        return "the URL has no host";
    if (memchr(*authority, '%', *len) != NULL || memchr(*authority, '@', *len) != NULL)
        return "user names and percent escapes are not allowed before the path";
    return NULL;
}

/*
 * Splits off the host, lower case and without brackets; *rest is "" or ":port", of *restlen bytes.
 */
static const char *split_host(struct judged *j, const char *authority, size_t len,
                              const char **rest, size_t *restlen)
{
    const char *end = authority + len;
    const char *close = memchr(authority, authority[0] == '[' ? ']' : ':', len);
    size_t n;

    j->bracketed = authority[0] == '[';
    if (j->bracketed && close == NULL)
        return "the host is not valid";
    *rest = j->bracketed ? close + 1 : close != NULL ? close : end;
    *restlen = (size_t)(end - *rest);
    authority += j->bracketed;
    n = (size_t)((j->bracketed ? close : *rest) - authority);
    if (n == 0 || n > HOST_MAX)
        return "the host is not valid";
    for (size_t i = 0; i < n; i++)
        j->host[i] =
            (char)(authority[i] >= 'A' && authority[i] <= 'Z' ? authority[i] + 32 : authority[i]);
    j->host[n] = '\0';
    return NULL;
}

/* ":8443", ":" or "". Empty is the scheme's own port (RFC 3986 section 3.2.3). */
static const char *read_port(struct judged *j, const char *rest, size_t len)
{
    unsigned long port = 0;

    j->port = j->https ? 443 : 80;
    if (len == 0 || (len == 1 && rest[0] == ':'))
        return NULL;
    if (rest[0] != ':' || len > 6)
        return "the port is not valid";
    for (size_t i = 1; i < len; i++) {
        if (rest[i] < '0' || rest[i] > '9')
            return "the port is not valid";
        port = port * 10 + (unsigned long)(rest[i] - '0');
    }
    if (port == 0 || port > 65535)
        return "the port is not valid";
    j->port = (uint16_t)port;
    return NULL;
}

static void set_port(struct sockaddr_storage *addr, uint16_t port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)addr;

    if (addr->ss_family == AF_INET)
        in->sin_port = htons(port);
    else
        in6->sin6_port = htons(port);
}

/* A canonical literal is judged here; anything else is left to judge_name. */
static const char *judge_literal(struct judged *j, const struct address_allow *allow)
{
    const struct sockaddr *addr = (const struct sockaddr *)&j->addr;

    if (address_guard_literal(j->host, &j->addr) != 0)
        return j->bracketed ? "the IPv6 address is not valid" : NULL;
    if (j->bracketed != (j->addr.ss_family == AF_INET6))
        return "the address is not valid";
    j->literal = true;
    j->allowed = address_guard_listed(addr, allow);
    set_port(&j->addr, j->port);
    if (address_guard_check(addr, allow) != ADDRESS_OK)
        return "the address is not public";
    return NULL;
}

static bool label_ok(const char *label, size_t n)
{
    static const char taken[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";

    return n >= 1 && n <= LABEL_MAX && strspn(label, taken) >= n && label[0] != '-' &&
           label[n - 1] != '-';
}

static const char *judge_labels(const char *host)
{
    const char *p = host;

    for (;;) {
        size_t n = strcspn(p, ".");

        if (!label_ok(p, n))
            return "the host name is not valid";
        if (p[n] == '\0')
            return NULL;
        p += n + 1;
    }
}

/* The last label, or the name's own start if it has one label. */
static const char *last_label(const char *host)
{
    const char *dot = strrchr(host, '.');

    return dot == NULL ? host : dot + 1;
}

static bool allow_holds_loopback(const struct address_allow *allow)
{
    struct sockaddr_storage loopback;

    return address_guard_literal("127.0.0.1", &loopback) == 0 &&
           address_guard_listed((const struct sockaddr *)&loopback, allow);
}

static const char *judge_name(struct judged *j, const struct address_allow *allow)
{
    const char *last = last_label(j->host);
    const char *why = judge_labels(j->host);

    if (why != NULL)
        return why;
    if (last[strspn(last, "0123456789")] == '\0' || strncmp(last, "0x", 2) == 0)
        return "an address must be written as four decimal numbers";
    if (strcmp(last, "localhost") == 0 && allow_holds_loopback(allow)) {
        j->allowed = true;
        return NULL;
    }
    if (last == j->host)
        return "the host must be a full domain name";
    for (size_t i = 0; i < COUNT(reserved_domains); i++)
        if (strcmp(last, reserved_domains[i]) == 0)
            return "the host is in a reserved domain";
    return NULL;
}

static const char *judge_port(const struct judged *j)
{
    static const char why[] = "the port is not allowed";

    if (j->allowed || j->port == 80 || j->port == 443)
        return NULL;
    if (j->port < PORT_OPEN_FROM)
        return why;
    for (size_t i = 0; i < COUNT(internal_ports); i++)
        if (j->port == internal_ports[i])
            return why;
    return NULL;
}

static const char *judge(const char *url, size_t len, const struct address_allow *allow,
                         struct judged *j)
{
    const char *authority, *rest, *why;
    size_t authority_len, rest_len;

    if ((why = judge_bytes(url, len, j)) != NULL ||
        (why = judge_scheme(j, &authority, &authority_len)) != NULL ||
        (why = split_host(j, authority, authority_len, &rest, &rest_len)) != NULL ||
        (why = read_port(j, rest, rest_len)) != NULL || (why = judge_literal(j, allow)) != NULL)
        return why;
    if (!j->literal && (why = judge_name(j, allow)) != NULL)
        return why;
    return judge_port(j);
}

/* ---- libcurl's reading, which must be ours ---- */

static char *take_part(CURLU *u, CURLUPart part, unsigned flags)
{
    char *text = NULL, *copy;

    if (curl_url_get(u, part, &text, flags) != CURLUE_OK)
        return NULL;
    copy = strdup(text);
    curl_free(text);
    return copy;
}

static bool same_host(const struct judged *j, const char *theirs)
{
    char inner[HOST_MAX + 1];
    struct sockaddr_storage addr;
    size_t n = strlen(theirs);

    if (!j->bracketed)
        return strcasecmp(theirs, j->host) == 0;
    if (n < 3 || n > HOST_MAX || theirs[0] != '[')
        return false;
    memcpy(inner, theirs + 1, n - 2);
    inner[n - 2] = '\0';
    if (address_guard_literal(inner, &addr) != 0)
        return false;
    set_port(&addr, j->port);
    return memcmp(&addr, &j->addr, sizeof(addr)) == 0;
}

static bool agrees(CURLU *u, const struct judged *j)
{
    char *host = take_part(u, CURLUPART_HOST, 0);
    char *port = take_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    bool same =
        host != NULL && port != NULL && same_host(j, host) && strtoul(port, NULL, 10) == j->port;

    free(host);
    free(port);
    return same;
}

static int set_host(CURLU *u, const struct judged *j)
{
    if (j->bracketed)
        return 0; /* the parser has normalised it already */
    return curl_url_set(u, CURLUPART_HOST, j->host, 0) == CURLUE_OK ? 0 : -1;
}

/* "https://host[:port]": the URL without path and query. */
static char *make_origin(CURLU *u)
{
    CURLU *bare = curl_url_dup(u);
    char *origin = NULL;

    if (bare != NULL && curl_url_set(bare, CURLUPART_PATH, NULL, 0) == CURLUE_OK &&
        curl_url_set(bare, CURLUPART_QUERY, NULL, 0) == CURLUE_OK)
        origin = take_part(bare, CURLUPART_URL, CURLU_NO_DEFAULT_PORT);
    curl_url_cleanup(bare);
    if (origin != NULL && origin[0] != '\0' && origin[strlen(origin) - 1] == '/')
        origin[strlen(origin) - 1] = '\0';
    return origin;
}

static const char *normalise(CURLU *u, const struct judged *j, struct url_parts *out)
{
    if (u == NULL)
        return "out of memory";
    if (curl_url_set(u, CURLUPART_URL, j->copy, CURLU_DISALLOW_USER) != CURLUE_OK)
        return "the URL is not valid";
    if (!agrees(u, j))
        return "the host is not valid";
    if (curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK || set_host(u, j) != 0)
        return "the URL is not valid";
    out->url = take_part(u, CURLUPART_URL, CURLU_NO_DEFAULT_PORT);
    out->origin = make_origin(u);
    out->host = strdup(j->host);
    if (out->url == NULL || out->origin == NULL || out->host == NULL)
        return "out of memory";
    return NULL;
}

int url_policy_check(const char *url, size_t len, const struct address_allow *allow,
                     struct url_parts *out, const char **why)
{
    struct judged j = {.port = 0};
    CURLU *u;

    memset(out, 0, sizeof(*out));
    *why = judge(url, len, allow, &j);
    if (*why != NULL)
        return -1;
    u = curl_url();
    *why = normalise(u, &j, out);
    curl_url_cleanup(u);
    if (*why != NULL) {
        url_policy_release(out);
        return -1;
    }
    out->https = j.https;
    out->port = j.port;
    out->is_literal = j.literal;
    if (j.literal)
        out->addr = j.addr;
    return 0;
}

void url_policy_release(struct url_parts *parts)
{
    free(parts->url);
    free(parts->host);
    free(parts->origin);
    memset(parts, 0, sizeof(*parts));
}
