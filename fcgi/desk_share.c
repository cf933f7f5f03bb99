/* See desk_share.h. Owns nothing but the rule: the places are in the shared page, where a crash frees them (page_use). */
#include "fcgi/desk_share.h"

#include "fcgi/page.h"

#define RETRY_AFTER_S 2

bool desk_share_enter(struct call *c)
{
    int most = (int)c->desk->config->desk / 2;
    if (page_read_begin(c->who.project_id, most > 1 ? most : 1))
        return true;
    response_too_many(c->rs, "busy",
                      "An export or a search of this project is under way, or too many of others.",
                      RETRY_AFTER_S);
    return false;
}

void desk_share_leave(void)
{
    page_read_end();
}
