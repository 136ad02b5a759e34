/* SPDX-License-Identifier: MIT */
/*
 * The flight recorder: every hypercall, with what it was given and what it gave back.
 *
 * The dispatcher asks recorder_active, a flag that is constant while the machine runs, and if it
 * is set has the call made by recorder_call().  That counts it (--stats), prints it (--trace
 * hypercalls) and keeps it (--record FILE; format: debug/recording.h), each if asked for.
 *
 * The file is mapped shared at LAYOUT_RECORD before the jail, all its blocks allocated: recording
 * is stores, no system calls, and nothing is lost if ring3 is killed.  One writer, the vCPU's
 * thread.  Knows the guest's memory and the ABI as data, not what the calls do.
 */
#ifndef RING3_DEBUG_RECORDER_H
#define RING3_DEBUG_RECORDER_H

#include "debug/recording.h"
#include "debug/report.h"

struct vcpu;

extern bool recorder_active;

/*
 * What the user wants to see of calls; start-up, in the process that runs the guest.  vcpu says
 * where the guest is, NULL: nobody does.
 */
void recorder_start(const struct vcpu *vcpu, bool count, bool print);

/*
 * Make the file, or empty it, and map it; start-up, before the processes of the machine are
 * forked.  `bytes` is about its size.  Locked, so that two machines do not write one file.  0 or
 * -errno, said.
 */
#define RECORDER_BYTES_DEFAULT	(16 * MIB)
#define RECORDER_BYTES_MIN	(1 * MIB)
#define RECORDER_BYTES_MAX	(64 * GIB)
int recorder_open(const char *path, uint64_t bytes);
/* The header of the open file, to be filled with what is recorded; NULL: no file is open. */
struct recording_header *recorder_header(void);
/* The machine starts, or starts again, from nothing. */
void recorder_boot(void);
/* It will not start again. */
void recorder_ended(void);

/* Make a call by run(), and keep it.  Calls within calls (multicall) are told by nesting. */
int64_t recorder_call(uint64_t number, const uint64_t args[6],
		      int64_t (*run)(uint64_t number, const uint64_t args[6]));
/* From within run(): the call is not made, its result is an injected error. */
void recorder_injected(void);

/*
 * For replay, before recorder_start(); depth: how many calls this one is within.  before(): true:
 * the call is not made, *result is its result.  after(): it has returned.
 */
struct recorder_hooks {
	bool (*before)(unsigned depth, int64_t *result);
	void (*after)(unsigned depth, uint64_t number, const uint64_t args[6], int64_t result);
};
void recorder_hook(const struct recorder_hooks *hooks);

/* Counts, mean and longest latency of each call that was made; nothing if nothing is counted. */
void recorder_report(struct report *report);

#endif
