/* See event_refusal.h. */
#include "fcgi/event_refusal.h"

void event_refusal_answer(struct call *c, const struct event_input_error *err)
{
    struct response_error field = {err->pointer, err->detail};
    if (err->status == 503)
        response_header(c->rs, "Retry-After", "1");
    response_problem(c->rs, err->status, err->code, err->detail, &field, err->status != 503);
}
