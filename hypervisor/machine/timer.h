/* SPDX-License-Identifier: MIT */
/*
 * One-shot timers of devices, in clock_ns() time, run on the vCPU thread.
 *
 * The earliest deadline is programmed into one host timer whose signal sets
 * vcpu->fast.kick; the vCPU loop then calls timers_run().
 */
#ifndef RING3_MACHINE_TIMER_H
#define RING3_MACHINE_TIMER_H

#include "base/types.h"

struct timer {
	uint64_t deadline;		/* ns; meaningful while armed */
	/* ns that it may be late while the guest is busy: it expires when the loop comes by after its
	 * deadline, and the host's timer, which costs a signal, is for those that it did not. */
	uint64_t slack;
	void (*expired)(void *device);
	void *device;
	int index;			/* position in the heap; -1: not armed */
};

#define TIMER_NEVER	UINT64_MAX

void timer_init(struct timer *t, void (*expired)(void *device), void *device);	/* no slack */
void timer_arm(struct timer *t, uint64_t deadline_ns);	/* re-arms if armed */
void timer_cancel(struct timer *t);
uint64_t timers_next(void);		/* earliest deadline or TIMER_NEVER */
void timers_run(uint64_t now_ns);	/* call what is due, in order */

/* The time by which the host must have called, slack included; called when that changed, and at the
 * end of each timers_run(); trap/ installs it. */
extern void (*timers_changed)(uint64_t next_ns);

/* TSC from which a timer with slack is due; TIMER_NEVER: there is none.  For whoever comes by. */
extern uint64_t timers_soft_tsc;

#endif
