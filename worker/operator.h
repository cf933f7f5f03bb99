/*
 * What the operator's configuration means to a worker, at the start and when it is read again.
 *
 * On SIGHUP the supervisor reads the file; only when nothing is wrong with it, it adopts it for the senders that it
 * starts and tells those that run, and each of them reads it for itself. What takes a restart is a list here.
 */
#ifndef DLO_WORKER_OPERATOR_H
#define DLO_WORKER_OPERATOR_H

#include "common/address_guard.h"
#include "common/config.h"
#include "worker/breaker.h"
#include "worker/remotes.h"

/* -1: the file is refused, which was logged, and `c` is as it was. */
int operator_reload(const char *path, struct config *c);

int operator_allow(const struct config *c, struct address_allow *out); /* -1: logged */
struct breaker_rules operator_breaker_rules(const struct config *c);
struct remotes_rules operator_remotes_rules(const struct config *c);
/* The CA bundle: the setting, else where the distributions keep it. Never NULL; logs when it cannot be read. */
const char *operator_ca_file(const struct config *c);

#endif
