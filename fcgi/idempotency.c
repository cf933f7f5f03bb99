/*
 * See idempotency.h. Owns table idempotency_keys, less its old rows, which the maintainer cuts. Must never keep a
 * secret: members that a handler named with response_secret_member are null in the kept answer. A crash between the
 * handler's commit and ours leaves "running"; after 60 s the same request runs again.
 */
#include "fcgi/idempotency.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "common/log.h"
#include "fcgi_sql.h"

int idempotency_key(struct call *c, const char **key, size_t *len)
{
    const char *header = request_header(c->rq, "HTTP_IDEMPOTENCY_KEY");
    if (!header)
        return 0;
    size_t n = strlen(header);
    if (n >= 2 && header[0] == '"' && header[n - 1] == '"') {
        header++;
        n -= 2;
    }
    bool visible = n >= 1 && n <= LIMIT_IDEMPOTENCY_KEY_BYTES;
    for (size_t i = 0; visible && i < n; i++)
        visible = header[i] > 0x20 && header[i] < 0x7f;
    if (!visible) {
        response_field_problem(c->rs, 400, "bad-idempotency-key", "Idempotency-Key",
                               "Idempotency-Key must be 1 to %d visible ASCII characters.",
                               LIMIT_IDEMPOTENCY_KEY_BYTES);
        return -1;
    }
    *key = header;
    *len = n;
    return 1;
}

static void add(EVP_MD_CTX *ctx, const void *p, size_t n)
{
    EVP_DigestUpdate(ctx, p, n);
    EVP_DigestUpdate(
        ctx, "",
        1); /* a NUL between the parts: none of them holds one, but for the body, which is last */
}

static bool hash_key(const struct call *c, const char *key, size_t len, unsigned char out[32])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return false;
    }
    unsigned char method = (unsigned char)('0' + c->rq->method);
    add(ctx, c->who.actor, strlen(c->who.actor));
    add(ctx, c->who.project.b, sizeof c->who.project.b);
    add(ctx, &method, 1);
    add(ctx, c->rq->path, strlen(c->rq->path));
    add(ctx, key, len);
    bool ok = EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

static bool hash_body(const struct call *c, unsigned char out[32])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return false;
    }
    for (int i = 0; i < c->rq->nquery; i++) {
        add(ctx, c->rq->query[i].name, strlen(c->rq->query[i].name));
        add(ctx, c->rq->query[i].value, strlen(c->rq->query[i].value));
    }
    add(ctx, c->rq->body, c->rq->body_len);
    bool ok = EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* idempotency_claim: claimed, same_body, status, content_type, location, answer */
static void replay(struct call *c, const PGresult *r)
{
    const char *answer = db_text(r, 0, 5);
    int status = (int)db_int(r, 0, 2);
    response_header(c->rs, "Idempotency-Replayed", "true");
    if (!db_null(r, 0, 4))
        response_header(c->rs, "Location", db_text(r, 0, 4));
    if (db_null(r, 0, 5))
        response_empty(c->rs, status);
    else
        response_bytes(c->rs, status,
                       strcmp(db_text(r, 0, 3), "application/problem+json") == 0
                           ? "application/problem+json"
                           : "application/json",
                       answer, strlen(answer));
}

static bool settle(struct call *c, const PGresult *r, struct idempotency *i)
{
    if (db_bool(r, 0, 0)) {
        i->held = true;
        return true;
    }
    if (!db_bool(r, 0, 1)) {
        response_problem(c->rs, 422, "idempotency-key-reused",
                         "This Idempotency-Key was used with another body.", NULL, 0);
    } else if (db_int(r, 0, 2) == 0) {
        response_header(c->rs, "Retry-After", "1");
        response_problem(c->rs, 409, "still-running",
                         "The first request with this Idempotency-Key is still running.", NULL, 0);
    } else {
        replay(c, r);
    }
    return false;
}

bool idempotency_begin(struct call *c, struct idempotency *i)
{
    const char *key;
    size_t len;
    unsigned char body_hash[32];
    struct db_args a;
    PGresult *r;
    int present = idempotency_key(c, &key, &len);
    if (present <= 0)
        return present == 0;
    if (!hash_key(c, key, len, i->key_hash) || !hash_body(c, body_hash)) {
        response_problem(c->rs, 500, "internal", "The key could not be hashed.", NULL, 0);
        return false;
    }
    db_args_init(&a);
    db_args_bytes(&a, i->key_hash, sizeof i->key_hash);
    db_args_bytes(&a, body_hash, sizeof body_hash);
    if (!route_db_ok(c, db_run(c->desk->db, &fcgi_sql[FCGI_SQL_IDEMPOTENCY_CLAIM], &a, &r)))
        return false;
    bool go_on = PQntuples(r) == 1 && settle(c, r, i);
    if (PQntuples(r) != 1) /* the row went away between the two looks: as good as running */
        response_problem(c->rs, 409, "still-running", "Try again.", NULL, 0);
    PQclear(r);
    return go_on;
}

static char *stored_text(const struct response *rs)
{
    json_t *copy = rs->json ? json_copy(rs->json) : NULL;
    for (int i = 0; copy && i < rs->nsecrets; i++)
        if (json_object_get(copy, rs->secrets[i]))
            json_object_set_new(copy, rs->secrets[i], json_null());
    char *text = copy ? json_dumps(copy, JSON_COMPACT) : NULL;
    json_decref(copy);
    return text;
}

void idempotency_end(struct call *c, struct idempotency *i)
{
    struct db_args a;
    PGresult *r;
    if (!i->held)
        return;
    bool keep = c->rs->status < 500 && c->rs->status != 429;
    char *text = keep ? stored_text(c->rs) : NULL;
    db_args_init(&a);
    db_args_bytes(&a, i->key_hash, sizeof i->key_hash);
    if (keep) {
        db_args_int(&a, c->rs->status);
        db_args_text(&a, c->rs->content_type);
        db_args_text(&a, c->rs->location[0] ? c->rs->location : NULL);
        db_args_text(&a, text);
    }
    enum fcgi_sql which = keep ? FCGI_SQL_IDEMPOTENCY_FINISH : FCGI_SQL_IDEMPOTENCY_RELEASE;
    if (db_run(c->desk->db, &fcgi_sql[which], &a, &r) != DB_OK)
        log_warn("the answer for an Idempotency-Key could not be kept: request=%s", c->rq->id);
    PQclear(r);
    free(text);
}
