/*
 * The nursery of one sender: the process that forks its sandboxes, buries them, and kills those that take too long.
 *
 * It is made of a fresh image of the program before the sender exists, so that no sandbox ever inherits a sender's (or the
 * supervisor's) memory, secrets or descriptors. It has no configuration, no database, no network where the kernel lets it
 * go without, an empty root directory likewise, and the user `nobody` where it was root. It never reads a tenant's bytes.
 *
 * The sender asks on a SOCK_SEQPACKET socket, one nursery_message each way; a BORN carries the sender's end of the new
 * sandbox's socket (SCM_RIGHTS, a stream). The nursery ends, with all its sandboxes, when nobody holds the sender's end any more, or when
 * its parent dies. When it dies itself its sandboxes are killed by the kernel, and the parent starts another on the same
 * socket, which begins with HELLO: what was asked before and not answered is forgotten.
 */
#ifndef DLO_WORKER_NURSERY_H
#define DLO_WORKER_NURSERY_H

#include <stdint.h>
#include <sys/types.h>

#define NURSERY_SANDBOXES 64 /* alive at once */

enum nursery_kind {
    NURSERY_FORK, /* to it: one more */
    NURSERY_KILL, /* to it: this pid, if it is one of its own */
    NURSERY_HELLO,
    NURSERY_BORN,   /* pid */
    NURSERY_FAILED, /* no sandbox: status is an errno */
    NURSERY_DIED    /* pid, and its wait status */
};

struct nursery_message {
    uint32_t kind;
    int32_t pid;
    int32_t status;
};

#define NURSERY_OPTION "nursery" /* --nursery=FORMAT: what the fresh image is started with */

/* By the supervisor: a nursery that serves `fd`. Returns its pid, or -1 with errno. */
pid_t nursery_start(int fd, const char *log_format);

/* The whole life of one: the main() of the fresh image calls it. */
_Noreturn void nursery_main(const char *log_format);

/* By the sender. recv: 1 a message came, *fd is the sandbox's (or -1); 0 none is there; -1 the socket is broken. */
int nursery_send(int fd, enum nursery_kind kind, pid_t pid);
int nursery_recv(int fd, struct nursery_message *m, int *passed);

#endif
