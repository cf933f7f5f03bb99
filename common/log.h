/*
 * Log lines on stderr: `level program[pid]: message`, or one JSON object a line when log_format is "json".
 *
 * Values that came from outside are quoted by the caller with '%s'; control characters are replaced here, so that a
 * peer cannot forge a line. One write(2) per line, at most 4 KiB: lines of several processes do not mix. Never a secret.
 */
#ifndef DLO_COMMON_LOG_H
#define DLO_COMMON_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* `program` must outlive the process. `format` is "text" or "json"; `level` one of debug info warn error. */
void log_init(const char *program, const char *format, const char *level);
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
