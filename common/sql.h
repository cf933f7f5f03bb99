/*
 * A statement of one of the sql/ directories, as embedded at build time (conf/build/embed_sql.awk).
 *
 * Owns nothing: texts and names are literals of the program. Each directory D has an enum and an array, declared in the
 * generated "D_sql.h": `fcgi_sql[FCGI_SQL_EVENT_INSERT].text`. The header comment of the .sql file says what its
 * parameters are and what it locks; the comment itself is not part of the text.
 */
#ifndef DLO_COMMON_SQL_H
#define DLO_COMMON_SQL_H

struct sql_statement {
    const char *name; /* the file's name without .sql; also the name it is prepared under */
    const char *text; /* one statement, no comments, no semicolon, lines kept */
    int nparams;      /* highest $n */
};

#endif
