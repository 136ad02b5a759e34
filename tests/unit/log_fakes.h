/* SPDX-License-Identifier: MIT */
/*
 * The log and the end of tests whose module is linked without base/log.c; each includes
 * this once.  What was logged last is in `said`, how much in `said_count`; of that, debug messages
 * are nothing.
 */
#ifndef RING3_TESTS_LOG_FAKES_H
#define RING3_TESTS_LOG_FAKES_H

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

static char said[4096];
static unsigned said_count;

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level == LOG_DEBUG)
		return;
	va_start(ap, fmt);
	format_va(said, sizeof(said), fmt, ap);
	va_end(ap);
	said_count++;
}

_Noreturn void bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

#endif
