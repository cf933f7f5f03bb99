/*
 * See entry_filter.h. Owns how a filter is read, and the statements made of it. Must never put what a
 * client sent into the text of a statement. Reads only; a crash leaves nothing.
 */
#include "fcgi/entry_filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/states.h"
#include "fcgi/column.h"
#include "fcgi/entry_fields.h"
#include "fcgi_sql.h"

#define VALUES_BYTES 65536
#define Q_MIN_BYTES 2
#define Q_MAX_BYTES 200
#define VISIBLE                                                                                    \
    "d.project_id = $1 AND d.created_at > (SELECT dlo_now() - make_interval(secs => "              \
    "p.retention_s)"                                                                               \
    " FROM projects p WHERE p.id = $1)"

/* --- reading ---------------------------------------------------------------------------------------------------- */

static void reason_names(char *out, size_t size)
{
    size_t n = 0;
    const char *name;
    for (int i = REASON_NONE + 1; (name = states_reason_name(i)) != NULL && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", i > REASON_NONE + 1 ? ", " : "", name);
}

static bool refuse_value(struct list *l, const struct entry_field *field, const char *name,
                         const char *value)
{
    char reasons[400];
    reason_names(reasons, sizeof reasons);
    list_refuse(l, 400, field->code, name, "%s does not take '%s', but %s.", name,
                strlen(value) <= 60 ? value : "(a long value)",
                field->allowed ? field->allowed : reasons);
    return false;
}

static struct entry_filter_value *open_array(struct entry_filter *f, enum field_index i)
{
    struct entry_filter_value *to = &f->fields[i];
    if (!to->given)
        pg_array_init(&to->values, entry_fields[i].type, VALUES_BYTES);
    to->given = to->array = true;
    return to;
}

static bool read_values(struct entry_filter *f, struct list *l, enum field_index i,
                        const char *name)
{
    const char *values[LIST_VALUES_MAX];
    int n = list_values(l, name, values, LIST_VALUES_MAX);
    for (int k = 0; k < n; k++) {
        if (i == FIELD_STATE && strcmp(values[k], "all") == 0)
            f->every_state = true;
        else if (!entry_fields[i].value(&open_array(f, i)->values, values[k], strlen(values[k])))
            return refuse_value(l, &entry_fields[i], name, values[k]);
        else if (i == FIELD_STATE)
            f->open = strcmp(values[k], "open") == 0;
    }
    return n >= 0;
}

static bool read_list(struct entry_filter *f, struct list *l, enum field_index i)
{
    return read_values(f, l, i, entry_fields[i].name) &&
           (!entry_fields[i].alias || read_values(f, l, i, entry_fields[i].alias));
}

static bool read_flag(struct entry_filter *f, struct list *l, enum field_index i)
{
    int flag = list_flag(l, entry_fields[i].name);
    f->fields[i].given = flag >= 0;
    snprintf(f->fields[i].text, sizeof f->fields[i].text, "%s", flag > 0 ? "t" : "f");
    return flag >= -1;
}

static bool read_time(struct entry_filter *f, struct list *l, enum field_index i)
{
    int given = list_time(l, entry_fields[i].name, f->fields[i].text);
    f->fields[i].given = given > 0;
    return given >= 0;
}

static bool read_field(struct entry_filter *f, struct list *l, enum field_index i)
{
    if (entry_fields[i].value)
        return read_list(f, l, i);
    return i == FIELD_REPLAYABLE || i == FIELD_INTENTIONAL ? read_flag(f, l, i)
                                                           : read_time(f, l, i);
}

static bool read_scope(struct entry_filter *f, struct list *l)
{
    bool ok = true;
    const char *scope = list_one(l, "scope", &ok);
    f->system = ok && scope && strcmp(scope, "system") == 0;
    if (ok && scope && !f->system && strcmp(scope, "destination") != 0) {
        list_refuse(l, 400, "bad-filter", "scope", "scope is destination or system.");
        return false;
    }
    return ok;
}

/* A search reads payloads: it needs the scope for them, and a time to begin at. */
static bool read_search(struct entry_filter *f, struct list *l)
{
    bool ok = true;
    if (list_has(l, "q") && !principal_may(&l->call->who, SCOPE_DLQ_PAYLOAD)) {
        principal_refuse(l->call, SCOPE_DLQ_PAYLOAD);
        return false;
    }
    f->q = list_one(l, "q", &ok);
    if (!f->q)
        return ok;
    if (strlen(f->q) < Q_MIN_BYTES || strlen(f->q) > Q_MAX_BYTES) {
        list_refuse(l, 400, "bad-filter", "q", "q takes %d to %d bytes.", Q_MIN_BYTES, Q_MAX_BYTES);
        return false;
    }
    if (!f->fields[FIELD_FROM].given) {
        list_refuse(l, 400, "window-required", "q",
                    "q searches inside a time window: name its beginning with from.");
        return false;
    }
    return true;
}

/* Open, or what the caller acts on, unless asked otherwise. All states are named beside a leading field:
 * indexes are ordered within one state. */
static void settle_states(struct entry_filter *f, unsigned usual)
{
    bool given = f->every_state || f->fields[FIELD_STATE].given;
    f->open = f->open || (!given && usual == 1u << ENTRY_OPEN);
    for (int16_t state = ENTRY_OPEN; !given && state < ENTRY_PURGED; state++)
        if (usual & 1u << state)
            pg_array_int2(&open_array(f, FIELD_STATE)->values, state);
    if (!f->every_state)
        return;
    pg_array_release(&f->fields[FIELD_STATE].values);
    f->fields[FIELD_STATE].given = false;
    for (int16_t state = ENTRY_OPEN; state < ENTRY_PURGED; state++)
        pg_array_int2(&open_array(f, FIELD_STATE)->values, state);
}

bool entry_filter_read_of(struct entry_filter *f, struct list *l, unsigned usual)
{
    *f = (struct entry_filter){.every_state = false};
    for (int i = 0; i < FIELDS; i++)
        if (!read_field(f, l, (enum field_index)i))
            return false;
    settle_states(f, usual);
    return read_scope(f, l) && read_search(f, l) && (f->system || entry_filter_bound(f, l->call));
}

bool entry_filter_bound(struct entry_filter *f, struct call *c)
{
    bool ok = entry_drawers_read(c);
    f->drawers = c->drawers;
    return ok;
}

bool entry_filter_read(struct entry_filter *f, struct list *l)
{
    return entry_filter_read_of(f, l, 1u << ENTRY_OPEN);
}

void entry_filter_open(struct entry_filter *f)
{
    *f = (struct entry_filter){.every_state = false};
    settle_states(f, 1u << ENTRY_OPEN);
}

void entry_filter_webhook(struct entry_filter *f, const struct uuid *webhook)
{
    pg_array_uuid(&open_array(f, FIELD_WEBHOOK)->values, webhook);
}

void entry_filter_group(struct entry_filter *f, const void *fingerprint, size_t n)
{
    *f = (struct entry_filter){.every_state = true};
    settle_states(f, 0);
    pg_array_bytes(&open_array(f, FIELD_FINGERPRINT)->values, fingerprint, n);
}

void entry_filter_release(struct entry_filter *f)
{
    for (int i = 0; i < FIELDS; i++)
        if (f->fields[i].array)
            pg_array_release(&f->fields[i].values);
}

/* --- as SQL ----------------------------------------------------------------------------------------------------- */

static void bind_value(struct db_args *args, const struct entry_filter_value *value)
{
    if (!value->given)
        db_args_text(args, NULL);
    else if (value->array)
        db_args_binary(args, value->values.bytes.data, value->values.bytes.len);
    else
        db_args_text(args, value->text);
}

/* Appends text, the parameter that was bound last for each "?". */
static void add_marked(struct buf *sql, const char *text, const struct db_args *args)
{
    for (const char *mark; (mark = strchr(text, '?')) != NULL; text = mark + 1) {
        buf_add(sql, text, (size_t)(mark - text));
        buf_printf(sql, "$%d", args->n);
    }
    buf_add_str(sql, text);
}

static void add_bound(struct buf *sql, const char *text, struct db_args *args,
                      const struct entry_filter_value *value)
{
    bind_value(args, value);
    add_marked(sql, text, args);
}

static const char *table_of(const struct entry_filter *f)
{
    return f->system ? "system_entries" : "dead_letters";
}

static bool int2_has_zero(const struct pg_array *a)
{
    for (int32_t i = 0; i < a->count; i++) {
        const char *value = a->bytes.data + PG_ARRAY_HEADER_BYTES + (size_t)i * 6 + 4;
        if (value[0] == 0 && value[1] == 0)
            return true;
    }
    return false;
}

static bool only_open(const struct entry_filter *f)
{
    return !f->every_state && f->fields[FIELD_STATE].values.count == 1 && f->open;
}

/* A given field in words that its partial indexes understand, beside its parameter; NULL: there are none. What is open
 * can be re-driven unless its webhook is off: usually none is, and nothing has to be looked at. */
static const char *words_of(const struct entry_filter *f, int i)
{
    const struct entry_filter_value *value = &f->fields[i];
    if (i == FIELD_INTENTIONAL && value->text[0] == 't')
        return " AND d.intentional";
    if (i == FIELD_REPLAYABLE && value->text[0] == 'f' && only_open(f) && !f->system)
        return " AND EXISTS (SELECT FROM webhooks w WHERE w.project_id = $1"
               " AND (NOT w.enabled OR w.deleted_at IS NOT NULL))";
    if (i == FIELD_GENERATION && !int2_has_zero(&value->values))
        return " AND d.generation > 0";
    if (i == FIELD_CLASSIFICATION && value->values.count == 1)
        return value->values.bytes.data[value->values.bytes.len - 1] ? " AND d.permanent"
                                                                     : " AND NOT d.permanent";
    return NULL;
}

/* The field whose values have a scan each: of those given the one that names the fewest rows. -1: none. */
static int lead_of(const struct entry_filter *f)
{
    static const enum field_index leads[] = {
        FIELD_EXTERNAL,   FIELD_EVENT, FIELD_CUSTOMER, FIELD_FINGERPRINT, FIELD_WEBHOOK,
        FIELD_GENERATION, FIELD_TYPE,  FIELD_STATUS,   FIELD_CHANNEL,     FIELD_REASON};
    for (size_t i = 0; !f->system && i < sizeof leads / sizeof *leads; i++)
        if (f->fields[leads[i]].given && (leads[i] != FIELD_GENERATION || words_of(f, leads[i])))
            return (int)leads[i];
    return -1;
}

/* Whether each state has scans of its own too: indexes are ordered within one. */
static bool states_lead(const struct entry_filter *f)
{
    int lead = lead_of(f);
    return !f->system && (lead >= 0 ? !entry_fields[lead].any_state : !f->every_state);
}

/* `scanned`: states and the leading field are said by add_scan. */
static void add_conditions(const struct entry_filter *f, bool scanned, struct buf *sql,
                           struct db_args *args)
{
    int lead = scanned ? lead_of(f) : -1;
    buf_add_str(sql, VISIBLE);
    entry_drawers_add(&f->drawers, "d.drawer", sql);
    if (f->every_state)
        buf_add_str(sql, " AND d.state < 7");
    for (int i = 0; i < FIELDS; i++) {
        bool states = i == FIELD_STATE && (f->every_state || (scanned && states_lead(f)));
        const char *words = f->fields[i].given ? words_of(f, i) : NULL;
        if (f->fields[i].given && i != lead && !states) {
            buf_add_str(sql, " AND ");
            add_bound(sql, entry_fields[i].sql, args, &f->fields[i]);
            if (entry_fields[i].bounds && !f->system) {
                buf_add_str(sql, " AND ");
                add_marked(sql, entry_fields[i].bounds, args);
            }
        }
        buf_add_str(sql, words ? words : "");
    }
}

/* A field that has scans of its own: one value is a condition, of several each comes from a join. */
static bool is_joined(const struct entry_filter *f, int i)
{
    return f->fields[i].values.count != 1;
}

static void add_join(const struct entry_filter *f, int i, const char *name, struct buf *sql,
                     struct db_args *args)
{
    buf_add_str(sql, " CROSS JOIN ");
    add_bound(sql, entry_fields[i].lead, args, &f->fields[i]);
    buf_printf(sql, " AS %s(v)", name);
}

static void add_place(const struct entry_filter *f, int i, const char *name, struct buf *sql,
                      struct db_args *args)
{
    buf_printf(sql, " AND %s = ", entry_fields[i].column);
    if (is_joined(f, i))
        buf_printf(sql, "%s.v", name);
    else
        add_bound(sql, entry_fields[i].one, args, &f->fields[i]);
}

static void add_after(struct entry_filter *f, const struct list_key *after, struct buf *sql,
                      struct db_args *args)
{
    instant_sql(after->created_us, f->after);
    f->after_id = after->id;
    db_args_text(args, f->after);
    db_args_uuid(args, &f->after_id);
    buf_printf(sql, " AND (d.created_at, d.id) < ($%d::timestamptz, $%d::uuid)", args->n - 1,
               args->n);
}

/* The conditions of an ordered scan. */
static void add_scan(const struct entry_filter *f, struct buf *sql, struct db_args *args)
{
    int lead = lead_of(f);
    add_conditions(f, true, sql, args);
    if (states_lead(f))
        add_place(f, FIELD_STATE, "s", sql, args);
    if (lead >= 0)
        add_place(f, lead, "h", sql, args);
}

/* Begins a select from x, which is one ordered scan, or one for each state and value. */
static void add_head(const struct entry_filter *f, const char *columns, struct buf *sql,
                     struct db_args *args)
{
    int lead = lead_of(f);
    bool states = states_lead(f) && is_joined(f, FIELD_STATE);
    buf_add_str(sql, "SELECT x.* FROM ");
    if (states || (lead >= 0 && is_joined(f, lead))) {
        buf_add_str(sql, "(VALUES (1)) one");
        if (states)
            add_join(f, FIELD_STATE, "s", sql, args);
        if (lead >= 0 && is_joined(f, lead))
            add_join(f, lead, "h", sql, args);
        buf_add_str(sql, " CROSS JOIN LATERAL ");
    }
    buf_printf(sql, "(SELECT %s FROM %s d WHERE ", columns, table_of(f));
}

/* `reach`: how far each ordered scan is read, in rows. */
static void add_select(struct entry_filter *f, const struct list_key *after, long reach,
                       struct buf *sql, struct db_args *args)
{
    add_head(f, "d.*", sql, args);
    add_scan(f, sql, args);
    if (after)
        add_after(f, after, sql, args);
    buf_printf(
        sql,
        " ORDER BY d.created_at DESC, d.id DESC LIMIT %ld) x ORDER BY x.created_at DESC, x.id DESC",
        reach);
}

void entry_filter_select(struct entry_filter *f, const struct list_key *after, int rows,
                         struct buf *sql, struct db_args *args)
{
    add_select(f, after, rows, sql, args);
    buf_printf(sql, " LIMIT %d", rows);
}

void entry_filter_page(struct entry_filter *f, long offset, int rows, struct buf *sql,
                       struct db_args *args)
{
    add_select(f, NULL, offset + rows, sql, args);
    buf_printf(sql, " OFFSET %ld LIMIT %d", offset, rows);
}

static void add_set(const struct entry_filter *f, int64_t most, struct buf *sql,
                    struct db_args *args)
{
    add_head(f, "d.id, d.drawer, d.created_at, d.webhook_id, d.state", sql, args);
    add_scan(f, sql, args);
    buf_printf(sql, " ORDER BY d.created_at, d.id LIMIT %lld) x ORDER BY x.created_at, x.id",
               (long long)most);
    buf_printf(sql, " LIMIT %lld", (long long)most);
}

/* A set is all or nothing: where too much would have to be read it is refused, not cut. */
static void add_found(const struct entry_filter *f, int64_t most, struct buf *sql,
                      struct db_args *args)
{
    buf_add_str(sql, "SELECT y.* FROM (SELECT z.*, count(*) OVER () AS searched FROM (");
    add_set(f, LIMIT_SEARCH_SET + 1, sql, args);
    db_args_binary(args, f->q, strlen(f->q));
    buf_printf(sql,
               ") z) y CROSS JOIN LATERAL (SELECT position($%d::bytea IN o.payload) > 0 AS found"
               " FROM dead_letter_bodies o"
               " WHERE o.project_id = $1 AND o.id = y.id AND o.drawer = y.drawer",
               args->n);
    entry_drawers_add(&f->drawers, "o.drawer", sql);
    buf_printf(sql,
               " LIMIT 1) b WHERE b.found AND CASE WHEN y.searched > %d"
               " THEN dlo_abort('search-too-wide') ELSE 1 END = 1"
               " ORDER BY y.created_at, y.id LIMIT %lld",
               LIMIT_SEARCH_SET, (long long)most);
}

void entry_filter_set(const struct entry_filter *f, int64_t most, struct buf *sql,
                      struct db_args *args)
{
    if (f->q)
        add_found(f, most, sql, args);
    else
        add_set(f, most, sql, args);
}

/* --- groups ----------------------------------------------------------------------------------------------------- */

bool entry_filter_of_groups(const struct entry_filter *f)
{
    for (int i = 0; i < FIELDS; i++)
        if (f->fields[i].given && i != FIELD_STATE && i != FIELD_WEBHOOK && i != FIELD_STATUS &&
            i != FIELD_REASON && i != FIELD_FINGERPRINT)
            return false;
    return only_open(f) && !f->system && !f->q;
}

void entry_filter_bind_groups(const struct entry_filter *f, struct db_args *args)
{
    bind_value(args, &f->fields[FIELD_WEBHOOK]);
    bind_value(args, &f->fields[FIELD_STATUS]);
    bind_value(args, &f->fields[FIELD_FINGERPRINT]);
    bind_value(args, &f->fields[FIELD_REASON]);
}

/* --- totals ----------------------------------------------------------------------------------------------------- */

static bool covered(const struct entry_filter *f)
{
    if (f->system)
        return false;
    for (int i = FIELD_COVERED; i < FIELDS; i++)
        if (f->fields[i].given)
            return false;
    return true;
}

static enum db_status count_by_counters(const struct entry_filter *f, struct call *c,
                                        PGresult **res)
{
    struct db_args args;
    db_args_init(&args);
    db_args_int(&args, c->who.project_id);
    bind_value(&args, &f->fields[FIELD_STATE]);
    bind_value(&args, &f->fields[FIELD_WEBHOOK]);
    bind_value(&args, &f->fields[FIELD_CHANNEL]);
    bind_value(&args, &f->fields[FIELD_REASON]);
    return entry_drawers_run(c, &fcgi_sql[FCGI_SQL_ENTRY_COUNT], &args, res);
}

static enum db_status count_by_rows(const struct entry_filter *f, struct call *c, PGresult **res)
{
    struct db_args args;
    struct buf sql;
    db_args_init(&args);
    buf_init(&sql, VALUES_BYTES);
    db_args_int(&args, c->who.project_id);
    buf_printf(&sql, "SELECT count(*), dlo_now() FROM (SELECT FROM %s d WHERE ", table_of(f));
    add_conditions(f, false, &sql, &args);
    buf_printf(&sql, " LIMIT %d) x", LIMIT_COUNT_ROWS + 1);
    enum db_status status = sql.failed ? DB_FAILED : db_run_text(c->desk->db, sql.data, &args, res);
    buf_release(&sql);
    return status;
}

enum db_status entry_filter_count(const struct entry_filter *f, struct call *c,
                                  struct entry_filter_total *out)
{
    PGresult *res;
    bool exact = covered(f);
    enum db_status status = exact ? count_by_counters(f, c, &res) : count_by_rows(f, c, &res);
    if (status != DB_OK)
        return status;
    out->n = db_int(res, 0, 0);
    out->relation = !exact && out->n > LIMIT_COUNT_ROWS ? "gte" : "eq";
    if (!exact && out->n > LIMIT_COUNT_ROWS)
        out->n = LIMIT_COUNT_ROWS;
    out->counted_at_us = column_us(res, 0, 1);
    PQclear(res);
    return DB_OK;
}
