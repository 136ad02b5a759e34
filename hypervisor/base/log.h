/* SPDX-License-Identifier: MIT */
/*
 * Messages to the user and the three classes of error.
 *
 *  - the guest's fault: injected, answered with an error, or machine_stop();
 *  - the host refused: -errno upward, one sentence by log_error() where the
 *    user can do something about it;
 *  - our bug: bug_on(), which dumps the exit trace and aborts.  No value that
 *    a guest controls may reach it.
 *
 * log_* write one line to standard error with write(2) only: no stdio, no
 * malloc, no thread-local storage, so that they work inside the jail, in
 * signal handlers and on the engine's stack.  Format: %s %c %d %u %x %lx %lu
 * %ld %zu %p with width and zero padding (base/format.c).
 */
#ifndef RING3_BASE_LOG_H
#define RING3_BASE_LOG_H

#include <stdarg.h>

#include "base/types.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
void log_at(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)	log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)	log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)	log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	log_at(LOG_DEBUG, __VA_ARGS__)

/* Like snprintf/vsnprintf for the formats above; returns the untruncated length. */
int format_string(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int format_va(char *buf, size_t size, const char *fmt, va_list ap);

/* Called once by bug(); installed by debug/ to dump the exit trace. */
extern void (*bug_hook)(void);

_Noreturn void bug(const char *file, int line, const char *what);
#define bug_on(cond)	do { if (unlikely(cond)) bug(__FILE__, __LINE__, #cond); } while (0)

#endif
