/* SPDX-License-Identifier: MIT */
/*
 * What the test programs print.  A program's standard output must be the same
 * wherever it runs, for it is compared word by word with the host's: no
 * addresses, process numbers or times in it.  Lines that start with '#' are
 * remarks (a feature this CPU lacks) and are not compared.
 *
 * A program ends with `return check_result();`: 0 if every expectation held.
 */
#ifndef RING3_TESTS_CHECK_H
#define RING3_TESTS_CHECK_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned check_failures;

static inline void expect(bool ok, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs(ok ? "ok   " : "FAIL ", stdout);
	vprintf(format, arguments);
	putchar('\n');
	va_end(arguments);
	if (!ok)
		check_failures++;
}

static inline void expect_equal(long long got, long long want, const char *name)
{
	if (got == want) {
		expect(true, "%s", name);
	} else {
		expect(false, "%s", name);
		printf("# %s: got %lld (%#llx), want %lld (%#llx)\n", name, got, got, want, want);
	}
}

/* The test itself cannot go on: not a verdict about the machine. */
static inline _Noreturn void check_abort(const char *what)
{
	printf("ERROR %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(99);
}

static inline int check_result(void)
{
	printf("%s\n", check_failures ? "failed" : "all held");
	fflush(stdout);
	return check_failures != 0;
}

/* How a child ended: its exit status, 1000 + its signal, or -1 if there is no such child. */
static inline int check_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Run something in a child of its own; how that ended. */
static inline int check_in_child(void (*run)(void))
{
	fflush(stdout);
	pid_t pid = fork();

	if (!pid) {
		run();
		_exit(0);
	}
	return check_wait(pid);
}

/* FNV-1a, for comparing memory. */
static inline uint64_t check_sum(const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h;
}

#endif
