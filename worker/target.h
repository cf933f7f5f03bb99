/*
 * A target: one URL that requests go to, and what the address guard says of it by its spelling.
 *
 * Nearly every delivery goes to its webhook's. A re-drive to the original has one of its own, where the webhook has moved
 * since: the same guard, look-up, pin and signature, but nothing that belongs to the webhook's present origin.
 */
#ifndef DLO_WORKER_TARGET_H
#define DLO_WORKER_TARGET_H

#include <stdbool.h>

#include "common/url_policy.h"

struct target {
    char *given;          /* as it is stored; owned */
    struct url_parts url; /* empty while it is refused */
    const char *refused;  /* why the address guard refuses it, or NULL */
    char *shown;          /* redacted, as attempts show it; owned */
};

/* Fills it. -1: out of memory, it is empty then. */
int target_set(struct target *t, const char *url, const struct address_allow *allow);
/* The same URL by the allow list as it is now. */
void target_judge(struct target *t, const struct address_allow *allow);
/* Scheme, host and port are equal (RFC 6454 section 5); never where one is refused. */
bool target_same_origin(const struct target *a, const struct target *b);
void target_release(struct target *t);

#endif
