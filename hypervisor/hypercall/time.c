// SPDX-License-Identifier: MIT
/*
 * The timer, by the clock that the shared page shows.
 */
#include "abi/ring3_abi.h"
#include "device/event.h"
#include "device/page_clock.h"
#include "hypercall/hypercall.h"
#include "machine/timer.h"

static uint64_t deadline;		/* in the guest's clock */

static void expired(void *device);

static struct timer timer = { .expired = expired, .index = -1 };

/* The guest's clock and ours differ by roundings: never before the guest's has come there. */
static void arm(void)
{
	uint64_t now = page_clock_ns();

	if (now >= deadline) {
		timer_cancel(&timer);
		event_signal(RING3_EVENT_TIMER);
	} else {
		timer_arm(&timer, page_clock_deadline(deadline));
	}
}

static void expired(void *device)
{
	(void)device;
	arm();
}

int64_t call_timer_set(const uint64_t *args)
{
	deadline = args[0];
	if (deadline == RING3_TIMER_NEVER)
		timer_cancel(&timer);
	else
		arm();
	return 0;
}
