/* See pinned.h. Must never leave the setting behind it: what follows may name a drawer. */
#include "fcgi/pinned.h"

static enum db_status pin(struct db *db)
{
    return db_command(db, "SET plan_cache_mode = force_generic_plan");
}

/* After a statement that ended as `status`. A connection that was lost took the setting along. */
static enum db_status unpin(struct db *db, enum db_status status, PGresult **res)
{
    enum db_status reset = status == DB_LOST ? DB_LOST : db_command(db, "RESET plan_cache_mode");
    if (status == DB_OK && reset != DB_OK) {
        PQclear(*res);
        *res = NULL;
    }
    return status == DB_OK ? reset : status;
}

enum db_status pinned_run(struct db *db, const struct sql_statement *s, const struct db_args *args,
                          PGresult **res)
{
    enum db_status status = pin(db);
    *res = NULL;
    if (status != DB_OK)
        return status;
    return unpin(db, db_run(db, s, args, res), res);
}

enum db_status pinned_run_text(struct db *db, const char *text, const struct db_args *args,
                               PGresult **res)
{
    enum db_status status = pin(db);
    *res = NULL;
    if (status != DB_OK)
        return status;
    return unpin(db, db_run_text(db, text, args, res), res);
}
