/* See nursery_place.h. */
#include "worker/nursery_place.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/nursery.h"

#define PAUSE_MS 1000 /* between two of the same sender */

static void start(struct nursery_place *p, const char *log_format, int64_t now_ms)
{
    pid_t pid = nursery_start(p->fd, log_format);
    if (pid < 0)
        log_error("cannot fork: %s", strerror(errno));
    p->pid = pid > 0 ? pid : 0;
    p->start_at_ms = now_ms + PAUSE_MS;
}

int nursery_place_open(struct nursery_place *p, const char *log_format, int64_t now_ms)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        log_error("cannot make a socket: %s", strerror(errno));
        return -1;
    }
    p->fd = pair[1];
    start(p, log_format, now_ms);
    return pair[0];
}

void nursery_place_close(struct nursery_place *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

bool nursery_place_vacant(const struct nursery_place *p)
{
    return p->fd >= 0 && !p->pid;
}

void nursery_place_tend(struct nursery_place *p, const char *log_format, int64_t now_ms)
{
    if (nursery_place_vacant(p) && now_ms >= p->start_at_ms)
        start(p, log_format, now_ms);
}

bool nursery_place_reaped(struct nursery_place *p, pid_t pid, int status)
{
    if (p->pid != pid)
        return false;
    p->pid = 0;
    if (p->fd >= 0)
        log_error("a nursery ended with status %d", status);
    return true;
}
