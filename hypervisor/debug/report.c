// SPDX-License-Identifier: MIT
/*
 * Formatting of report lines; see report.h.
 */
#include "debug/report.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/hostcall.h"
#include "base/log.h"

/* One write(2) per line, as base/log.c does, but without its prefix: these are tables. */
static void stderr_line(struct report *report, const char *text)
{
	char line[REPORT_LINE_MAX + 1];
	size_t length = min_u64(strlen(text), REPORT_LINE_MAX);

	(void)report;
	memcpy(line, text, length);
	line[length++] = '\n';
	hostcall3(SYS_write, STDERR_FILENO, (long)line, (long)length);
}

struct report report_to_stderr = { .line = stderr_line };

void report_line(struct report *report, const char *fmt, ...)
{
	char text[REPORT_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	format_va(text, sizeof(text), fmt, ap);
	va_end(ap);
	report->line(report, text);
}
