/*
 * projects: what other resources need of a project on an operator's routes, and scopes as answers show them.
 */
#ifndef DLO_FCGI_PROJECTS_H
#define DLO_FCGI_PROJECTS_H

#include "fcgi/route.h"

/* The project that args[0] names; false: 404 or a database's problem was answered. */
bool projects_find(struct call *c, int *project_id);

/* 412: the project is another version by now than If-Match names. */
void projects_answer_changed(struct call *c);

/* Space-separated scopes, as the statements give them, as a JSON array. */
json_t *projects_scopes_json(const char *names);

#endif
