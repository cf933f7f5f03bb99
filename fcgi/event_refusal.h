/* event_refusal: the problem that an event, or the edit of one, that cannot be taken is answered with. */
#ifndef DLO_FCGI_EVENT_REFUSAL_H
#define DLO_FCGI_EVENT_REFUSAL_H

#include "fcgi/event_input.h"
#include "fcgi/route.h"

/* With the place of the mistake, "" for the whole body; a 503 is the server's own, and says when to come again. */
void event_refusal_answer(struct call *c, const struct event_input_error *err);

#endif
