// SPDX-License-Identifier: MIT
/*
 * `ring3 bench`: becomes `python3 ring3-bench ARGUMENTS`, with RING3 in the environment
 * saying which ring3 is to be measured: this one.
 *
 * The program lies beside this one (build/), or, as `make install` leaves it, in
 * ../libexec/ring3/.  It knows its options and their help; this file knows none.
 */
#include "cli/bench.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/status.h"

#define PATH_SIZE	4096

/* The distribution's own comes first: it has the distribution's packages (matplotlib). */
static const char *const pythons[] = { "/usr/bin/python3", "python3" };
static const char *const places[] = { "ring3-bench", "../libexec/ring3/ring3-bench" };

/* The path of this program in `self`; false: unknown. */
static bool bench_self(char *self)
{
	ssize_t n = readlink("/proc/self/exe", self, PATH_SIZE - 1);

	if (n <= 0)
		return false;
	self[n] = '\0';
	return true;
}

static bool bench_find(const char *self, char *program)
{
	char copy[PATH_SIZE];
	const char *directory;

	strcpy(copy, self);
	directory = dirname(copy);
	for (unsigned i = 0; i < array_size(places); i++) {
		int n = snprintf(program, PATH_SIZE, "%s/%s", directory, places[i]);

		if (n < PATH_SIZE && !access(program, R_OK))
			return true;
	}
	return false;
}

int bench_main(int argc, char **argv)
{
	static char self[PATH_SIZE], program[PATH_SIZE], python[] = "python3";
	char **words = calloc((size_t)argc + 2, sizeof(*words));

	if (!words || !bench_self(self)) {
		log_error("cannot find out where this program lies: %s", strerror(errno));
		return STATUS_ERROR;
	}
	if (!bench_find(self, program)) {
		log_error("there is no ring3-bench beside %s nor in ../libexec/ring3; make, or make install, "
			  "puts it there", self);
		return STATUS_ERROR;
	}
	words[0] = python;
	words[1] = program;
	for (int i = 1; i < argc; i++)
		words[i + 1] = argv[i];
	if (!setenv("RING3", self, 1)) {
		for (unsigned i = 0; i < array_size(pythons); i++)
			execvp(pythons[i], words);
	}
	if (errno != ENOENT)
		log_error("cannot start %s: %s", program, strerror(errno));
	else
		log_error("ring3 bench needs python3, which is not installed");
	return STATUS_ERROR;
}
