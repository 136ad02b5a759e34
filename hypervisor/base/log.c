/* SPDX-License-Identifier: MIT */
/*
 * Lines to standard error, and the end of the process on a bug of ours.
 *
 * One write(2) per line, so that lines of several processes do not mix.  "\n"
 * is enough on the terminal too: the console keeps its output processing on.
 */
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/hostcall.h"

#define LINE_MAX_LEN	1024

static enum log_level threshold = LOG_INFO;

void (*bug_hook)(void);

void log_set_level(enum log_level level)
{
	threshold = level;
}

static void line_write(const char *line, size_t len)
{
	while (len) {
		long n = hostcall3(SYS_write, STDERR_FILENO, (long)line, (long)len);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return;
		line += n;
		len -= (size_t)n;
	}
}

void log_at(enum log_level level, const char *fmt, ...)
{
	static const char *const prefix[] = {
		[LOG_ERROR] = "ring3: error: ", [LOG_WARN] = "ring3: warning: ",
		[LOG_INFO] = "ring3: ", [LOG_DEBUG] = "ring3: debug: ",
	};
	char line[LINE_MAX_LEN];
	size_t room = sizeof(line) - 1, used;
	va_list ap;
	int len;

	if (level > threshold)
		return;
	used = (size_t)format_string(line, room, "%s", prefix[level]);
	va_start(ap, fmt);
	len = format_va(line + used, room - used, fmt, ap);
	va_end(ap);
	used += min_u64((uint64_t)len, room - used - 1);
	while (used && line[used - 1] == '\n')
		used--;
	line[used++] = '\n';
	line_write(line, used);
}

_Noreturn void bug(const char *file, int line, const char *what)
{
	static volatile bool nested;

	log_at(LOG_ERROR, "bug at %s:%d: %s", file, line, what);
	if (!nested) {
		nested = true;
		if (bug_hook)
			bug_hook();
	}
	/* abort() takes locks and TLS; SIGABRT's default action does the same for our parent. */
	hostcall3(SYS_tgkill, hostcall1(SYS_getpid, 0), hostcall1(SYS_gettid, 0), SIGABRT);
	hostcall1(SYS_exit_group, 134);
	__builtin_trap();
}
