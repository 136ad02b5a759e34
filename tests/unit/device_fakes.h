/* SPDX-License-Identifier: MIT */
/*
 * What the devices need around them, for tests that include this once: a clock
 * that the test moves, a kick that is counted, an end of the machine that is noted; log_fakes.h.
 * The linker takes these instead of the library's, whose files define nothing else
 * that the devices use.
 */
#ifndef RING3_TESTS_DEVICE_FAKES_H
#define RING3_TESTS_DEVICE_FAKES_H

#include "log_fakes.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "machine/bus.h"
#include "machine/irq.h"
#include "machine/machine.h"
#include "machine/timer.h"

#define FAKE_TSC_PER_NS	3

static uint64_t fake_now = 1000000000000;
static int64_t fake_realtime_offset;
static unsigned fake_kicks;
static enum machine_stop fake_stop;
static int fake_stop_code;

uint64_t clock_ns(void) { return fake_now; }
uint64_t clock_tsc(void) { return fake_now * FAKE_TSC_PER_NS; }
uint64_t clock_tsc_khz(void) { return FAKE_TSC_PER_NS * 1000000; }
uint64_t clock_tsc_to_ns(uint64_t tsc) { return tsc / FAKE_TSC_PER_NS; }
uint64_t clock_ns_to_tsc(uint64_t ns) { return ns * FAKE_TSC_PER_NS; }
void clock_recalibrate(void) { }
uint64_t clock_realtime_ns(void) { return fake_now + (uint64_t)fake_realtime_offset; }

void vcpu_kick(void) { fake_kicks++; }

void machine_stop(enum machine_stop why, int code, const char *reason)
{
	(void)reason;
	if (fake_stop != MACHINE_RUNNING)
		return;
	fake_stop = why;
	fake_stop_code = code;
}

/* Time passes, and what falls due happens at its own moment, as in the vCPU loop. */
static inline void fake_sleep(uint64_t ns)
{
	uint64_t end = fake_now + ns;

	while (timers_next() <= end) {
		if (timers_next() > fake_now)
			fake_now = timers_next();
		timers_run(fake_now);
	}
	fake_now = end;
}

static inline uint8_t in8(uint16_t port) { return (uint8_t)bus_pio_read(port, 1); }
static inline void out8(uint16_t port, unsigned v) { bus_pio_write(port, 1, v); }

#endif
