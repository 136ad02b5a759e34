/* SPDX-License-Identifier: MIT */
/*
 * Where a debugging report goes, line by line: standard error, or the console
 * of an attached gdb.  What writes reports (trace, statistics, dumps) does not
 * know which.
 *
 * Safe in the jail, in signal handlers and after a fault of the engine: no
 * stdio, no malloc, bounded lines (longer ones are cut).
 */
#ifndef RING3_DEBUG_REPORT_H
#define RING3_DEBUG_REPORT_H

#include "base/types.h"

#define REPORT_LINE_MAX	256

/* Embedded by an owner that adds what its line() needs.  text has no newline. */
struct report {
	void (*line)(struct report *report, const char *text);
};

extern struct report report_to_stderr;	/* whatever the log level */

void report_line(struct report *report, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
