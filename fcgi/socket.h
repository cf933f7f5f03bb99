/*
 * socket: a listening unix socket that only the web server can reach.
 *
 * Mode 0660 in a directory of mode 0750 (made if it is missing), both of the configured group. Non-blocking, because
 * several processes wait for the same connection and all but one come late; closed on exec. Backlog 1024: lighttpd
 * takes a full one for a dead server.
 */
#ifndef DLO_FCGI_SOCKET_H
#define DLO_FCGI_SOCKET_H

#include <stddef.h>

/* The descriptor, or -1 with a line for the operator in why. A file left by a dead process is replaced. */
int socket_listen(const char *path, const char *group, char *why, size_t whylen);

#endif
