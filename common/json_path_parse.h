/*
 * json_path_parse: the text of one path (json_path.h says which are taken) as its segments. RFC 9535 section 2.
 */
#ifndef DLO_COMMON_JSON_PATH_PARSE_H
#define DLO_COMMON_JSON_PATH_PARSE_H

#include "common/json_path.h"

#define JSON_PATH_SEGMENTS_MAX (JSON_PATH_BYTES_MAX / 2) /* the shortest is ".a" */

struct json_path_segment {
    enum { JSON_PATH_NAME, JSON_PATH_INDEX, JSON_PATH_ALL } kind;
    bool deep;        /* a descendant segment: at any depth below */
    const char *name; /* decoded, within `names` */
    size_t name_len;
    size_t index;
};

struct json_path_parsed {
    size_t n;
    struct json_path_segment segments[JSON_PATH_SEGMENTS_MAX];
    size_t names_len;
    char names[JSON_PATH_BYTES_MAX + 1]; /* a name with its NUL is shorter than its segment */
};

/* OK, SYNTAX, UNSUPPORTED or TOO_LONG. */
enum json_path_result json_path_parse(const char *path, size_t len, struct json_path_parsed *out);

#endif
