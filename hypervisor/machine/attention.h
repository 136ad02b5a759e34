/* SPDX-License-Identifier: MIT */
/*
 * Does something wait for the vCPU loop that could set no kick?  For whoever waits
 * for guest code; a few loads.
 */
#ifndef RING3_MACHINE_ATTENTION_H
#define RING3_MACHINE_ATTENTION_H

#include "base/clock.h"
#include "hostio/io.h"
#include "machine/timer.h"

static inline bool attention_pending(void)
{
	return io_pending() || io_overdue() ||
	       (timers_soft_tsc != TIMER_NEVER && clock_tsc() >= timers_soft_tsc);
}

#endif
