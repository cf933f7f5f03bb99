/*
 * Functions nobody here may call, each with what to use instead. `make DEV=1` puts this file in front of every source,
 * `make lint` looks for the same names without a compiler. The system headers come first, so that their own
 * declarations are not touched.
 */
#ifndef DLO_BANNED_H
#define DLO_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

#define strcpy(...) strcpy_is_banned__use_snprintf_or_memcpy
#define strcat(...) strcat_is_banned__use_snprintf
#define strncpy(...) strncpy_is_banned__use_snprintf_or_memcpy
#define strncat(...) strncat_is_banned__use_snprintf
#define sprintf(...) sprintf_is_banned__use_snprintf
#define vsprintf(...) vsprintf_is_banned__use_vsnprintf
#define strtok(...) strtok_is_banned__use_strcspn_or_memchr
#define gets(...) gets_is_banned__use_getline
#define atoi(...) atoi_is_banned__use_strtol_with_checks
#define atol(...) atol_is_banned__use_strtol_with_checks
#define system(...) system_is_banned__use_fork_and_execv
#define popen(...) popen_is_banned__use_fork_and_execv

#endif
