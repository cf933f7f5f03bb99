/* See target.h. Owns its copies. Must never keep the parts of a URL that is refused. Memory only. */
#include "worker/target.h"

#include <stdlib.h>
#include <string.h>

#include "common/redact.h"

#define SHOWN_BYTES(n) ((n)*6 + 64) /* the worst: each "=&" becomes "=[redacted]&" */

void target_judge(struct target *t, const struct address_allow *allow)
{
    url_policy_release(&t->url);
    url_policy_check(t->given, strlen(t->given), allow, &t->url, &t->refused);
}

int target_set(struct target *t, const char *url, const struct address_allow *allow)
{
    size_t n = strlen(url);
    *t = (struct target){.given = strdup(url), .shown = malloc(SHOWN_BYTES(n))};
    if (!t->given || !t->shown) {
        target_release(t);
        return -1;
    }
    redact_url(url, n, t->shown, SHOWN_BYTES(n));
    target_judge(t, allow);
    return 0;
}

bool target_same_origin(const struct target *a, const struct target *b)
{
    return a->url.origin && b->url.origin && strcmp(a->url.origin, b->url.origin) == 0;
}

void target_release(struct target *t)
{
    url_policy_release(&t->url);
    free(t->given);
    free(t->shown);
    *t = (struct target){0};
}
