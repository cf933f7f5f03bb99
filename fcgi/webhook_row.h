/*
 * A webhook's row between the database and the handlers below /v1/webhooks: finding it, running a statement that gives
 * it, answering with it.
 *
 * A row is to_jsonb of the webhooks table; what is shown of it is webhook_view's affair.
 */
#ifndef DLO_FCGI_WEBHOOK_ROW_H
#define DLO_FCGI_WEBHOOK_ROW_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "fcgi/route.h"
#include "fcgi/webhook_seal.h"

struct webhook_row {
    json_t *row;
    struct uuid id;
    char text[IDS_TEXT_MAX];
    unsigned char *headers; /* sealed */
    size_t headers_len;
};

/* Finds the webhook of the path. false: answered. The caller releases in either case. */
bool webhook_row_find(struct call *c, struct webhook_row *out);
void webhook_row_release(struct webhook_row *w);
int64_t webhook_row_version(const json_t *row);

/* $1 project, $2 webhook; the rest is the caller's to add. */
void webhook_row_args(struct call *c, struct db_args *a, const struct uuid *id);
/* Runs a statement that gives the row. false: answered. *row NULL: no row came. */
bool webhook_row_run(struct call *c, const struct sql_statement *s, const struct db_args *a,
                     json_t **row);
/* Answers with a webhook. Takes the reference to the row. `secret` NULL or "": not shown. */
void webhook_row_answer(struct call *c, int status, json_t *row, const char *secret);

/* Where its sealed columns belong. */
struct webhook_place webhook_row_place(const struct call *c, const struct uuid *id);
/* 500, for what is our own trouble; false, so that a caller can return it. */
bool webhook_row_internal(struct call *c, const char *detail);

#endif
