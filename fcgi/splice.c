/* See splice.h. Memory only. */
#include "fcgi/splice.h"

#include <string.h>

#define OPEN "/*<*/"
#define CLOSE "/*>*/"

void splice_statement(struct buf *out, const char *statement, const char *part)
{
    const char *open;
    while ((open = strstr(statement, OPEN)) != NULL) {
        const char *close = strstr(open, CLOSE);
        if (!close)
            break;
        buf_add(out, statement, (size_t)(open - statement));
        buf_add_str(out, part);
        statement = close + strlen(CLOSE);
    }
    buf_add_str(out, statement);
}
