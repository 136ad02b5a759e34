// SPDX-License-Identifier: MIT
/*
 * Formatting of report lines; see report.h.
 */
#include "debug/report.h"

#include <stdarg.h>

#include "base/log.h"

static void log_line(struct report *report, const char *text)
{
	(void)report;
	log_error("%s", text);
}

struct report report_to_log = { .line = log_line };

void report_line(struct report *report, const char *fmt, ...)
{
	char text[REPORT_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	format_va(text, sizeof(text), fmt, ap);
	va_end(ap);
	report->line(report, text);
}
