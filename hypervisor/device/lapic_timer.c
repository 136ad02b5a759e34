/* SPDX-License-Identifier: MIT */
/*
 * The local APIC's timer: one-shot, periodic, TSC deadline.
 *
 * It counts LAPIC_TIMER_HZ, divided, and exists only as a deadline in ns, from
 * which the count is computed when read.  A periodic timer keeps its phase, and
 * ticks that were missed are not made up for; it is never faster than PERIOD_MIN,
 * else a guest could keep us busy with nothing but its ticks.
 *
 * The TSC deadline register (machine/irq.h) is the guest's own count: the timer
 * never fires before RDTSC shows that value.
 */
#include "device/lapic_timer.h"

#include "base/clock.h"
#include "device/lapic.h"
#include "machine/irq.h"
#include "machine/timer.h"

#define PERIOD_MIN	50000UL		/* ns */

/* Counts are taken for nanoseconds. */
_Static_assert(LAPIC_TIMER_HZ == 1000000000UL, "one tick before the divider is one ns");

static struct {
	struct timer timer;
	void (*fire)(void);
	enum lapic_timer_mode mode;
	uint32_t initial, divide;
	uint64_t period;		/* ns, periodic mode */
	uint64_t tsc_deadline;		/* 0: not armed */
} t;

static uint32_t divider(void)
{
	unsigned code = (t.divide & 3) | (t.divide & 8) >> 1;

	return 1u << ((code + 1) & 7);
}

static uint64_t next_period(uint64_t now)
{
	uint64_t late = now - t.timer.deadline;

	return t.timer.deadline + (late / t.period + 1) * t.period;
}

static void start(uint32_t count)
{
	timer_cancel(&t.timer);
	if (!count)
		return;
	t.period = max_u64((uint64_t)t.initial * divider(), PERIOD_MIN);
	timer_arm(&t.timer, clock_ns() + (uint64_t)count * divider());
}

static void expired(void *device)
{
	(void)device;
	if (t.mode == LAPIC_TIMER_TSC_DEADLINE) {
		/* Conversion to ns rounds, and the clock's rate is trimmed while it runs. */
		if (clock_tsc() < t.tsc_deadline) {
			timer_arm(&t.timer, max_u64(clock_tsc_to_ns(t.tsc_deadline), clock_ns()) + 1);
			return;
		}
		t.tsc_deadline = 0;
	} else if (t.mode == LAPIC_TIMER_PERIODIC) {
		timer_arm(&t.timer, next_period(max_u64(clock_ns(), t.timer.deadline)));
	}
	t.fire();
}

void lapic_timer_init(void (*fire)(void))
{
	timer_init(&t.timer, expired, NULL);
	t.fire = fire;
	lapic_timer_reset();
}

void lapic_timer_reset(void)
{
	timer_cancel(&t.timer);
	t.mode = LAPIC_TIMER_ONE_SHOT;
	t.initial = 0;
	t.divide = 0;
	t.tsc_deadline = 0;
}

void lapic_timer_set_mode(enum lapic_timer_mode mode)
{
	bool to_or_from_deadline = (mode == LAPIC_TIMER_TSC_DEADLINE) !=
				   (t.mode == LAPIC_TIMER_TSC_DEADLINE);

	t.mode = mode;
	if (!to_or_from_deadline)
		return;
	timer_cancel(&t.timer);
	t.tsc_deadline = 0;
	t.initial = 0;
}

uint32_t lapic_timer_initial(void)
{
	return t.initial;
}

uint32_t lapic_timer_divide(void)
{
	return t.divide;
}

uint32_t lapic_timer_count(void)
{
	uint64_t now = clock_ns(), deadline = t.timer.deadline;

	if (t.timer.index < 0 || t.mode == LAPIC_TIMER_TSC_DEADLINE)
		return 0;
	if (deadline <= now) {
		if (t.mode != LAPIC_TIMER_PERIODIC)
			return 0;
		deadline = next_period(now);
	}
	return (uint32_t)((deadline - now + divider() - 1) / divider());
}

void lapic_timer_set_initial(uint32_t count)
{
	if (t.mode == LAPIC_TIMER_TSC_DEADLINE)
		return;
	t.initial = count;
	start(count);
}

void lapic_timer_set_divide(uint32_t configuration)
{
	uint32_t left = lapic_timer_count();

	t.divide = configuration & 0xb;
	if (left)
		start(left);
}

uint64_t lapic_get_tsc_deadline(void)
{
	return t.tsc_deadline;
}

void lapic_set_tsc_deadline(uint64_t tsc)
{
	if (t.mode != LAPIC_TIMER_TSC_DEADLINE)
		return;
	/* The commonest of all timer writes: armed anew without being cancelled first. */
	if (tsc > clock_tsc()) {
		t.tsc_deadline = tsc;
		timer_arm(&t.timer, clock_tsc_to_ns(tsc) + 1);
		return;
	}
	timer_cancel(&t.timer);
	t.tsc_deadline = 0;
	if (tsc)
		t.fire();
}
