/* SPDX-License-Identifier: MIT */
/*
 * The command line of `ring3 run`.
 */
#ifndef RING3_CLI_OPTIONS_H
#define RING3_CLI_OPTIONS_H

#include "base/log.h"
#include "machine/machine.h"

struct options {
	struct machine_config machine;	/* all strings on the heap: argv goes away */
	enum log_level log_level;
	bool help;			/* --help was given: nothing else counts */
};

/*
 * argv[0] is "run".  0, or -EINVAL, -ENOMEM with one sentence said.  Frees
 * nothing on failure (the process ends).
 */
int options_parse(int argc, char **argv, struct options *out);

/* The text of `ring3 run --help`, to standard output. */
void options_help(void);

/* "512M", "2G", "64K"; without a suffix MiB.  false: not a size or too large. */
bool options_size(const char *text, uint64_t *bytes);

#endif
