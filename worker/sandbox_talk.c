/* See sandbox_talk.h. Owns one descriptor and what came in on it. Must never block. */
#include "worker/sandbox_talk.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/json_scan.h"
#include "common/redact.h"

#define PIECES 4
#define READ_BYTES 16384

void sandbox_talk_init(struct sandbox_talk *t, int fd)
{
    *t = (struct sandbox_talk){.fd = fd};
    buf_init(&t->in, SANDBOX_ANSWER_MAX);
}

void sandbox_talk_release(struct sandbox_talk *t)
{
    if (t->fd >= 0)
        close(t->fd);
    buf_release(&t->in);
    t->fd = -1;
    t->job = NULL;
}

static uint32_t length_of(const char *text)
{
    return text ? (uint32_t)strlen(text) : SANDBOX_ABSENT;
}

void sandbox_talk_ask(struct sandbox_talk *t, const struct shape_job *job)
{
    t->job = job;
    t->sent = 0;
    t->head = (struct sandbox_request){length_of(job->transform), length_of(job->schema),
                                       (uint32_t)job->payload_len};
    buf_clear(&t->in);
}

/* The request as pieces, without the first `skip` bytes; how many are left. */
static int pieces(const struct sandbox_talk *t, struct iovec *out)
{
    const struct shape_job *job = t->job;
    const struct iovec all[PIECES] = {
        {(void *)&t->head, sizeof t->head},
        {job->transform, job->transform ? t->head.transform_len : 0},
        {job->schema, job->schema ? t->head.schema_len : 0},
        {(void *)job->payload, job->payload_len},
    };
    size_t skip = t->sent;
    int n = 0;
    for (int i = 0; i < PIECES; i++) {
        size_t cut = skip < all[i].iov_len ? skip : all[i].iov_len;
        skip -= cut;
        if (all[i].iov_len > cut)
            out[n++] = (struct iovec){(char *)all[i].iov_base + cut, all[i].iov_len - cut};
    }
    return n;
}

bool sandbox_talk_wants_write(const struct sandbox_talk *t)
{
    struct iovec left[PIECES];
    return t->job && pieces(t, left) > 0;
}

static int write_some(struct sandbox_talk *t)
{
    struct iovec left[PIECES];
    int n;
    while (t->job && (n = pieces(t, left)) > 0) {
        struct msghdr msg = {.msg_iov = left, .msg_iovlen = (size_t)n};
        ssize_t put = sendmsg(t->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        t->sent += (size_t)put;
    }
    return 0;
}

/* -1: nothing more will come. */
static int read_some(struct sandbox_talk *t)
{
    for (;;) {
        char *to = buf_reserve(&t->in, READ_BYTES);
        size_t room = to ? READ_BYTES : t->in.cap - t->in.len;
        if (!to) {
            t->in.failed = false;
            to = room ? buf_reserve(&t->in, room) : NULL;
        }
        if (!to)
            return t->in.failed ? -1 : 0; /* as much as the longest answer has */
        ssize_t got = recv(t->fd, to, room, MSG_DONTWAIT);
        if (got <= 0)
            return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
        buf_grown(&t->in, (size_t)got);
    }
}

static struct sandbox_answer head_of(const struct sandbox_talk *t)
{
    struct sandbox_answer head;
    memcpy(&head, t->in.data, sizeof head);
    return head;
}

static size_t bytes_len(const struct sandbox_answer *head)
{
    return head->bytes_len == SANDBOX_ABSENT ? 0 : head->bytes_len;
}

static bool plausible(const struct sandbox_answer *head)
{
    return head->code < SHAPE_CODE_COUNT && head->text_len < SHAPE_TEXT_MAX &&
           bytes_len(head) <= LIMIT_PAYLOAD_BYTES;
}

static bool is_json(const struct sandbox_talk *t)
{
    static const struct json_limits limits = {LIMIT_JSON_DEPTH};
    size_t n;
    const void *bytes = sandbox_talk_bytes(t, &n);
    return !bytes || json_scan_value(bytes, n, &limits, NULL) == JSON_SCAN_OK;
}

static enum sandbox_talk_state judge(const struct sandbox_talk *t, bool ended)
{
    enum sandbox_talk_state unfinished = ended ? SANDBOX_TALK_BROKEN : SANDBOX_TALK_MORE;
    if (t->in.len < sizeof(struct sandbox_answer))
        return unfinished;
    struct sandbox_answer head = head_of(t);
    if (!plausible(&head))
        return SANDBOX_TALK_BROKEN;
    size_t whole = sizeof head + head.text_len + bytes_len(&head);
    if (t->in.len < whole)
        return unfinished;
    return t->in.len == whole && !sandbox_talk_wants_write(t) && is_json(t) ? SANDBOX_TALK_ANSWERED
                                                                            : SANDBOX_TALK_BROKEN;
}

enum sandbox_talk_state sandbox_talk_go(struct sandbox_talk *t)
{
    bool ended = write_some(t) != 0;
    ended = read_some(t) != 0 || ended;
    return judge(t, ended);
}

enum shape_code sandbox_talk_code(const struct sandbox_talk *t)
{
    return (enum shape_code)head_of(t).code;
}

void sandbox_talk_words(const struct sandbox_talk *t, char why[SHAPE_TEXT_MAX])
{
    struct sandbox_answer head = head_of(t);
    redact_to_utf8(t->in.data + sizeof head, head.text_len, why, SHAPE_TEXT_MAX);
    for (char *p = why; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
}

const void *sandbox_talk_bytes(const struct sandbox_talk *t, size_t *n)
{
    struct sandbox_answer head = head_of(t);
    *n = bytes_len(&head);
    return head.bytes_len == SANDBOX_ABSENT ? NULL : t->in.data + sizeof head + head.text_len;
}
