/* See origin.h. Owns these two members' names. Reads only. */
#include "fcgi/origin.h"

#include "fcgi/column.h"
#include "fcgi_sql.h"

/* origin.sql */
enum origin_column { ORIGIN_ENTRY, ORIGIN_EVENT, ORIGIN_TARGET };

static enum db_status look_up(struct call *c, const struct uuid *event, const struct uuid *redrive,
                              PGresult **res)
{
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    db_args_uuid(&args, event);
    db_args_uuid(&args, redrive);
    return db_run(c->desk->db, &fcgi_sql[FCGI_SQL_ORIGIN], &args, res);
}

static json_t *edited_from(const PGresult *res)
{
    static const struct column members[] = {{"entryId", ORIGIN_ENTRY, COLUMN_ID, ID_ENTRY, NULL},
                                            {"eventId", ORIGIN_EVENT, COLUMN_ID, ID_EVENT, NULL}};
    return db_null(res, 0, ORIGIN_ENTRY) ? json_null() : column_object(res, 0, members, 2);
}

enum db_status origin_add(struct call *c, const struct uuid *event, const struct uuid *redrive,
                          json_t *to)
{
    PGresult *res;
    enum db_status status = look_up(c, event, redrive, &res);
    if (status != DB_OK)
        return status;
    const char *target = db_bool(res, 0, ORIGIN_TARGET) ? "original" : "current";
    json_object_set_new(to, "editedFrom", edited_from(res));
    json_object_set_new(to, "target", redrive ? json_string(target) : json_null());
    PQclear(res);
    return DB_OK;
}

enum db_status origin_add_edit(struct call *c, const struct uuid *event, json_t *to)
{
    PGresult *res;
    enum db_status status = look_up(c, event, NULL, &res);
    if (status != DB_OK)
        return status;
    json_object_set_new(to, "editedFrom", edited_from(res));
    PQclear(res);
    return DB_OK;
}
