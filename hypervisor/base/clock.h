/* SPDX-License-Identifier: MIT */
/*
 * Host time without the vDSO (which the kernel world unmaps).
 *
 * The guest's TSC is the host's TSC, offset zero, so that user code may execute
 * RDTSC directly.  clock_init() calibrates it against CLOCK_MONOTONIC.
 */
#ifndef RING3_BASE_CLOCK_H
#define RING3_BASE_CLOCK_H

#include "base/types.h"

/* Calibrate; before anything else here.  0, or -errno (TSC not usable). */
int clock_init(void);

uint64_t clock_tsc(void);		/* ordered RDTSC */
uint64_t clock_tsc_khz(void);
uint64_t clock_ns(void);		/* monotonic, ns, from the TSC, CLOCK_MONOTONIC's origin */
uint64_t clock_tsc_to_ns(uint64_t tsc);	/* same origin as clock_ns() */
uint64_t clock_ns_to_tsc(uint64_t ns);
/* The line that these two are on, from its last bend on: ns + ((TSC - tsc) * mult >> CLOCK_SHIFT). */
#define CLOCK_SHIFT	48
struct clock_line {
	uint64_t tsc, ns, mult;
};
struct clock_line clock_line(void);
/* Follow CLOCK_MONOTONIC's slewing: call every few seconds.  One system call; never a step. */
void clock_recalibrate(void);
/* Wall clock, ns since the epoch (CLOCK_REALTIME by system call). */
uint64_t clock_realtime_ns(void);

#endif
