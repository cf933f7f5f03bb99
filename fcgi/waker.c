/*
 * See waker.h. Owns the process's own "marked" flag and its own connection. Must never delay an answer. A crash loses
 * one wake-up at most.
 */
#include "fcgi/waker.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "fcgi/serve.h"

#define EVERY_MS 10
#define AFTER_FAILURE_MS 1000

static bool marked;
static int64_t last_ms = -EVERY_MS;

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void waker_mark(int wake_fd)
{
    uint64_t one = 1;
    if (wake_fd < 0)
        marked = true;
    else if (write(wake_fd, &one, sizeof one) < 0 &&
             errno != EAGAIN) /* EAGAIN: it is full of marks already */
        log_warn("cannot wake the waker: errno=%d", errno);
}

int waker_due_ms(void)
{
    if (!marked)
        return -1;
    int64_t wait = last_ms + EVERY_MS - now_ms();
    return wait > 0 ? (int)wait : 0;
}

void waker_flush(struct db *db)
{
    if (waker_due_ms() != 0)
        return;
    marked = false;
    last_ms = now_ms();
    (void)db_command(db, "SELECT pg_notify('dlo_wake', '')");
}

static void sleep_ms(long ms)
{
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&ts, NULL);
}

int waker_run(const struct config *config, int wake_fd)
{
    const char *dsn = config->dsn_api[0] ? config->dsn_api : config->dsn_owner;
    struct db *db = db_new(dsn, "dlo-waker", NULL);
    uint64_t count;
    while (db && serve_wait(wake_fd, -1)) {
        if (read(wake_fd, &count, sizeof count) < 0)
            continue;
        /* read before the NOTIFY: a mark that comes while it runs stays set, which is the trailing edge */
        bool ok = db_command(db, "SELECT pg_notify('dlo_wake', '')") == DB_OK;
        sleep_ms(ok ? EVERY_MS : AFTER_FAILURE_MS);
    }
    db_free(db);
    return 0;
}
