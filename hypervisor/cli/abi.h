/* SPDX-License-Identifier: MIT */
/*
 * `ring3 abi`: what people who develop hypercall ABIs look at.  docs/abi-tools.md.
 */
#ifndef RING3_CLI_ABI_H
#define RING3_CLI_ABI_H

#include <stdbool.h>

#include "debug/recording.h"

/* argv[0] is "abi".  The exit status. */
int abi_main(int argc, char **argv);

/* What its parts share; the options of all of them. */
struct abi_options {
	const char *file;
	bool follow, json, full, brief, verbose;
	uint64_t last;			/* show: so many records at most; 0: all */
	const char *abi;		/* replay: --abi; NULL: as recorded */
};

int abi_list(const struct abi_options *options);
int abi_show(const struct abi_options *options, struct recording *recording);
int abi_stats(const struct abi_options *options, struct recording *recording);
int abi_replay(const struct abi_options *options, struct recording *recording);

/* Nanoseconds of so many ticks of the recording's TSC; 0 if it does not say how fast that is. */
uint64_t abi_ns(const struct recording *recording, uint64_t ticks);

/* Is somebody writing it?  As far as a lock tells. */
bool abi_running(const struct recording *recording);

#endif
