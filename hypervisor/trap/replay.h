/* SPDX-License-Identifier: MIT */
/*
 * Recorded hypercalls, made again: on a machine of its own in this process, with the devices that
 * the recording names, their back-ends leading nowhere, and no vCPU.  Memory that calls read is put
 * where it was; what each call must do again is its rule in abi/ring3.abi.
 *
 * Once in a process, of which the machine is left over: `ring3 abi replay` forks.
 */
#ifndef RING3_TRAP_REPLAY_H
#define RING3_TRAP_REPLAY_H

#include "debug/recording.h"
#include "machine/machine.h"

struct replay {
	struct recording *recording;
	/* Called for each call that went otherwise, in order; what: one clause. */
	void (*difference)(struct replay *replay, uint64_t n, const struct recording_record *record,
			   const char *what);
	/* Where replay_run() is, so that somebody else can tell where it ended if it does not return. */
	volatile uint64_t at;
	uint64_t made;			/* calls */
	uint64_t skipped;		/* by their rule, or injected errors */
	uint64_t different;
	uint64_t lost;			/* not made: damaged, or their memory was overwritten */
	uint64_t unfinished;		/* the last one, which did not return when it was recorded */
};

/*
 * A machine as in the recording's header, nothing called yet.  config: from the command line; the
 * rest is filled in.  0 or -errno, said.
 */
int replay_machine(const struct recording_header *header, struct machine_config *config);

/* From the record `first` on, up to the next boot or the end; the record where that is. */
uint64_t replay_run(struct replay *replay, uint64_t first);

#endif
