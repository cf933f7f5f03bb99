/*
 * redrive: a new delivery from one dead letter, at most one pending at a time.
 *
 * redrive_run is one statement that does everything or nothing, and where it did nothing a look-up that says why. Two
 * callers at once, or fifty, get the same delivery: one makes it, the others are told of it.
 */
#ifndef DLO_FCGI_REDRIVE_H
#define DLO_FCGI_REDRIVE_H

#include "common/ids.h"
#include "fcgi/route.h"

/* Looked up open, found changed, looked up again: only while others act on it too. */
#define REDRIVE_ROUNDS 4

enum redrive_outcome {
    REDRIVE_MADE,    /* a new delivery; the senders were woken */
    REDRIVE_PENDING, /* one is under way already */
    REDRIVE_REFUSED, /* see `refusal`, and redrive_answer_refusal */
    REDRIVE_SYSTEM,  /* an event that no webhook took: system_entries' to route; `entry` is set */
    REDRIVE_UNKNOWN, /* no such entry in this project */
    REDRIVE_FAILED   /* see `status` */
};

/* Which bytes are sent: those that were sent before, or what the webhook's transform makes of the message today. */
enum redrive_mode { REDRIVE_SNAPSHOT, REDRIVE_CURRENT };

/*
 * Where they go: to the webhook's URL, or to the one that the entry's last request went to. While that is the webhook's
 * still, it is an ordinary re-drive, which follows a later change.
 */
enum redrive_target { REDRIVE_TO_CURRENT, REDRIVE_TO_ORIGINAL };

struct redrive {
    struct uuid entry;
    struct uuid delivery;
    const char *refusal; /* webhook-deleted endpoint-disabled payload-expired snapshot-expired
                            original-unknown purged not-open */
    enum db_status status;
};

/* `id` is the entry's or its delivery's. */
enum redrive_outcome redrive_run(struct call *c, const struct uuid *id, enum redrive_mode mode,
                                 enum redrive_target target, struct redrive *out);

/*
 * What a row of entry_view_find says before anything is tried: REDRIVE_MADE means that nothing speaks against it. Fills
 * out's ids and refusal.
 */
enum redrive_outcome redrive_judge(const PGresult *entry, struct redrive *out);
/* 409, or 410 for what was purged. */
void redrive_answer_refusal(struct call *c, const char *refusal);

/*
 * POST …/re-drive and its aliases: reads the body {mode, target}, runs, answers as API.md says. `c->args[0]` is the
 * entry's id or its delivery's.
 */
void redrive_answer(struct call *c);

#endif
