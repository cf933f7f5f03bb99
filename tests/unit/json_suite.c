/*
 * json_suite: runs the scanner over a directory of JSONTestSuite files.
 *
 * y_*.json must be accepted, n_*.json refused; i_*.json may be either and only must not crash.
 * Prints the names that went wrong and, last, "N passed, N failed". Fails on any, and when the
 * directory holds none.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json_scan.h"

static int passed, failed;

/* The file in a buffer of exactly its size, so that a sanitizer sees a read behind it. */
static char *slurp(int dir, const char *name, size_t *len)
{
    struct stat st;
    int fd = openat(dir, name, O_RDONLY);
    char *buf = NULL;

    if (fd >= 0 && fstat(fd, &st) == 0) {
        *len = (size_t)st.st_size;
        buf = malloc(*len > 0 ? *len : 1);
        if (buf != NULL && read(fd, buf, *len) != (ssize_t)*len) {
            free(buf);
            buf = NULL;
        }
    }
    if (fd >= 0)
        close(fd);
    return buf;
}

static void judge(const char *name, const char *text, size_t len)
{
    struct json_limits limits = {.max_depth = 1024};
    enum json_scan_result result = json_scan_value(text, len, &limits, NULL);

    if (name[0] == 'i' || (name[0] == 'y') == (result == JSON_SCAN_OK)) {
        passed++;
        return;
    }
    failed++;
    printf("%s: %s\n", name, json_scan_result_name(result));
}

static int is_case(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return strchr("yni", entry->d_name[0]) != NULL && entry->d_name[1] == '_' && dot != NULL &&
           strcmp(dot, ".json") == 0;
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    int n = argc == 2 ? scandir(argv[1], &entries, is_case, alphasort) : -1;
    int dir = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;

    if (n < 0 || dir < 0) {
        fprintf(stderr, "usage: json_suite DIRECTORY\n");
        return 2;
    }
    for (int i = 0; i < n; i++) {
        size_t len = 0;
        char *text = slurp(dir, entries[i]->d_name, &len);

        if (text == NULL)
            failed++;
        else
            judge(entries[i]->d_name, text, len);
        free(text);
        free(entries[i]);
    }
    free(entries);
    close(dir);
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
