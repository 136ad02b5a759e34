/* SPDX-License-Identifier: MIT */
/*
 * The command line of tests of options, as one string; each includes this once.
 */
#ifndef RING3_TESTS_OPTION_WORDS_H
#define RING3_TESTS_OPTION_WORDS_H

#include <check.h>
#include <string.h>

#include "cli/options.h"

static struct options o;

/* Words of one string, as the shell would split it, behind `run` and what is always there. */
static inline int words_parse(const char *always, const char *line)
{
	static char copy[2048];
	char *argv[64] = { "run" };
	int argc = 1;

	ck_assert_uint_lt(strlen(always) + strlen(line) + 1, sizeof(copy));
	strcpy(copy, always);
	strcat(strcat(copy, " "), line);
	for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	return options_parse(argc, argv, &o);
}

#endif
