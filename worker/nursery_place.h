/*
 * A sender's nursery as the supervisor keeps it: its socket is made before the sender starts and outlives the nursery, so
 * that another can take its place.
 */
#ifndef DLO_WORKER_NURSERY_PLACE_H
#define DLO_WORKER_NURSERY_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct nursery_place {
    pid_t pid; /* 0: none */
    int fd;    /* the nursery's end of the socket; -1: no sender */
    int64_t start_at_ms;
};

/* Makes the socket and starts the nursery. Returns the sender's end, or -1 (said in the log). */
int nursery_place_open(struct nursery_place *p, const char *log_format, int64_t now_ms);
/* Its sender has gone: the nursery ends by itself and is not replaced. */
void nursery_place_close(struct nursery_place *p);
/* Replaces one that died while its sender lives. */
void nursery_place_tend(struct nursery_place *p, const char *log_format, int64_t now_ms);
/* Was it this one that ended? */
bool nursery_place_reaped(struct nursery_place *p, pid_t pid, int status);
/* It has died and is to be replaced. */
bool nursery_place_vacant(const struct nursery_place *p);

#endif
