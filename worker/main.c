/*
 * dlo-worker: delivers what is due, keeps the books. See supervisor.h for what runs.
 *
 * For hosts that offer cron and no daemons: --once sends everything that is due and ends; --run-for=SECONDS works so
 * long; both take a lock (--lock=FILE), and end silently when another run still holds it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "common/config.h"
#include "common/log.h"
#include "worker/nursery.h"
#include "worker/supervisor.h"

static void usage(FILE *to)
{
    fputs("usage: dlo-worker --config FILE [--once | --run-for=SECONDS] [--lock=FILE]\n", to);
}

/* 1: taken, 0: somebody else has it, -1: it cannot be. The kernel frees it when the process ends, however it ends. */
static int take_lock(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        log_error("cannot open lock '%s': %s", path, strerror(errno));
        return -1;
    }
    return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"once", no_argument, NULL, 'o'},
                                            {"run-for", required_argument, NULL, 'r'},
                                            {"lock", required_argument, NULL, 'l'},
                                            {"version", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NURSERY_OPTION, required_argument, NULL, 'n'},
                                            {0}};
    const char *path = getenv("DLO_CONFIG"), *lock = NULL;
    long seconds = 0;
    int once = 0, opt;
    while ((opt = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        switch (opt) {
        case 'c':
            path = optarg;
            break;
        case 'o':
            once = 1;
            break;
        case 'r':
            seconds = strtol(optarg, NULL, 10);
            break;
        case 'l':
            lock = optarg;
            break;
        case 'v':
            puts("dlo-worker " DLO_VERSION);
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        case 'n': /* by the supervisor, see nursery.h */
            nursery_main(optarg);
        default:
            usage(stderr);
            return 2;
        }
    }
    struct config config;
    if (!path || optind < argc) {
        usage(stderr);
        return 2;
    }
    if (config_load(path, &config))
        return 2;
    log_init("dlo-worker", config.log_format, config.log_level);
    int locked = lock ? take_lock(lock) : 1;
    int rc = locked < 0    ? 1
             : locked == 0 ? 0
                           : supervisor_run(&config, path, (int64_t)seconds * 1000, once);
    config_release(&config);
    return rc;
}
