/*
 * See log.h. Owns three static settings, set once at start. Keeps errno, so that it can be called between a failure
 * and the code that looks at it.
 */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

static const char *program = "dlo";
static bool json_lines;
static enum log_level threshold = LOG_LEVEL_INFO;
static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(const char *name, const char *format, const char *level)
{
    program = name;
    json_lines = format && strcmp(format, "json") == 0;
    for (size_t i = 0; level && i < sizeof level_names / sizeof *level_names; i++)
        if (strcmp(level, level_names[i]) == 0)
            threshold = (enum log_level)i;
}

static void timestamp(char out[32])
{
    struct timespec ts;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 32 - n, ".%03ldZ", ts.tv_nsec / 1000000);
}

static void write_line(const char *line, size_t n)
{
    /* A full pipe or a closed stderr must not stop a sender: what cannot be written is lost. */
    ssize_t written = write(STDERR_FILENO, line, n);
    (void)written;
}

static void write_json(enum log_level level, const char *at, const char *message)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:i, s:s}", "at", at, "level", level_names[level],
                          "program", program, "pid", (int)getpid(), "message", message);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    if (text) {
        size_t n = strlen(text);
        text[n] = '\n';
        write_line(text, n + 1);
        free(text);
    }
    json_decref(o);
}

void log_write(enum log_level level, const char *fmt, ...)
{
    if (level < threshold)
        return;
    int saved = errno;
    char at[32], message[3900], line[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    for (char *p = message; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    timestamp(at);
    if (json_lines) {
        write_json(level, at, message);
    } else {
        int n = snprintf(line, sizeof line, "%s %-5s %s[%d]: %s\n", at, level_names[level], program,
                         (int)getpid(), message);
        write_line(line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
    }
    errno = saved;
}
