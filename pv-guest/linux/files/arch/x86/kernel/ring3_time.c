// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time from ring3: its clock in the shared page, stolen time, and a timer of that clock.
 *
 * The clock is a line through the TSC: ring3 writes its parameters, we compute.  With them the
 * TSC's frequency is known as well, so that nothing is calibrated; where the clock is
 * stable, the TSC itself is the better clock source, since programs can read it.
 *
 * Everything is in ns of ring3's clock, which goes on while the guest restarts; the
 * kernel's own sched_clock() starts at 0.
 */
#define pr_fmt(fmt) "ring3: " fmt

#include <linux/clockchips.h>
#include <linux/clocksource.h>
#include <linux/init.h>
#include <linux/math64.h>
#include <linux/sched/clock.h>
#include <linux/static_call.h>
#include <linux/time64.h>
#include <asm/barrier.h>
#include <asm/msr.h>
#include <asm/paravirt.h>
#include <asm/timer.h>
#include <asm/tsc.h>
#include <asm/x86_init.h>

#include "ring3.h"

#define RATING_TIMER	500	/* above the local APIC's */
#define RATING_CLOCK	400	/* above the TSC's, 300, if that is not to be trusted */
#define RATING_SECOND	299	/* below it if it is */
#define CLOCK_SHIFT	20	/* of a clock source whose unit is ns: any that leaves room */

static const struct ring3_vcpu_page *page __ro_after_init;
static u64 sched_offset __ro_after_init;
static bool have_clock __ro_after_init;

/* ns since the machine started; *wall: what to add to be at ns since 1970, may be NULL. */
static __always_inline u64 ring3_clock_at(u64 *wall)
{
	u32 version;
	u64 delta, ns;

	do {
		version = READ_ONCE(page->clock_version) & ~1u;
		virt_rmb();	/* the version before what it is of */
		delta = rdtsc_ordered() - page->clock_tsc;
		ns = page->clock_ns + mul_u64_u32_shr(delta << page->clock_shift, page->clock_mul, 32);
		if (wall)
			*wall = page->clock_wall_ns;
		virt_rmb();	/* and that before the version again */
	} while (unlikely(version != READ_ONCE(page->clock_version)));
	return ns;
}

static notrace u64 ring3_clock(void)
{
	return ring3_clock_at(NULL);
}

static notrace u64 ring3_sched_clock(void)
{
	return ring3_clock_at(NULL) - sched_offset;
}

static u64 ring3_clock_read(struct clocksource *source)
{
	return ring3_clock();
}

static struct clocksource clock_source = {
	.name	= "ring3",
	.read	= ring3_clock_read,
	.rating	= RATING_CLOCK,
	.mask	= CLOCKSOURCE_MASK(64),
	.flags	= CLOCK_SOURCE_IS_CONTINUOUS,
	.mult	= 1 << CLOCK_SHIFT,
	.shift	= CLOCK_SHIFT,
};

/*
 * From the first moment on: by jiffies, time would stand still until interrupts are on, and the
 * guest's clock be late by that for ever.
 */
struct clocksource * __init clocksource_default_clock(void)
{
	return have_clock ? &clock_source : &clocksource_jiffies;
}

static unsigned long ring3_tsc_khz(void)
{
	setup_force_cpu_cap(X86_FEATURE_TSC_KNOWN_FREQ);
	return div_u64(1000000ull << 32, page->clock_mul) >> page->clock_shift;
}

static void ring3_get_wallclock(struct timespec64 *now)
{
	u64 wall, ns = ring3_clock_at(&wall);

	*now = ns_to_timespec64(ns + wall);
}

static int ring3_set_wallclock(const struct timespec64 *now)
{
	return -ENODEV;		/* the host's */
}

static u64 ring3_steal_clock(int cpu)
{
	return cpu ? 0 : READ_ONCE(page->steal_ns);
}

static int ring3_timer_next(unsigned long delta, struct clock_event_device *device)
{
	return ring3_call1(RING3_CALL_TIMER_SET, ring3_clock() + delta) ? -ETIME : 0;
}

static int ring3_timer_shutdown(struct clock_event_device *device)
{
	ring3_call1(RING3_CALL_TIMER_SET, RING3_TIMER_NEVER);
	return 0;
}

static struct clock_event_device timer = {
	.name			= "ring3",
	.features		= CLOCK_EVT_FEAT_ONESHOT,
	.rating			= RATING_TIMER,
	.mult			= 1,
	.shift			= 0,
	.max_delta_ns		= S64_MAX,
	.max_delta_ticks	= S64_MAX,
	.min_delta_ns		= 1000,
	.min_delta_ticks	= 1000,
	.set_next_event		= ring3_timer_next,
	.set_state_shutdown	= ring3_timer_shutdown,
	.set_state_oneshot_stopped = ring3_timer_shutdown,
};

void ring3_timer_event(void)
{
	if (timer.event_handler)
		timer.event_handler(&timer);
}

/* In place of the 8254's and the local APIC's, and of finding out how fast they are. */
static void __init ring3_timer_init(void)
{
	timer.cpumask = cpumask_of(0);
	clockevents_register_device(&timer);
}

void __init ring3_time_init(void)
{
	if (!ring3_has(RING3_FEATURE_CLOCK))
		return;
	page = ring3_vcpu_page();
	if (!page->clock_mul) {
		pr_warn("the clock does not go\n");
		return;
	}
	have_clock = true;
	x86_platform.calibrate_tsc = ring3_tsc_khz;
	x86_platform.calibrate_cpu = ring3_tsc_khz;
	x86_platform.get_wallclock = ring3_get_wallclock;
	x86_platform.set_wallclock = ring3_set_wallclock;
	sched_offset = ring3_clock();
	paravirt_set_sched_clock(ring3_sched_clock);
	if (page->clock_flags & RING3_CLOCK_STABLE) {
		setup_force_cpu_cap(X86_FEATURE_CONSTANT_TSC);
		setup_force_cpu_cap(X86_FEATURE_NONSTOP_TSC);
		setup_force_cpu_cap(X86_FEATURE_TSC_RELIABLE);
		clock_source.rating = RATING_SECOND;
	} else {
		clear_sched_clock_stable();
	}
	static_call_update(pv_steal_clock, ring3_steal_clock);
	if (!ring3_has(RING3_FEATURE_TIMER))
		return;
	x86_init.timers.timer_init = ring3_timer_init;
	x86_init.timers.setup_percpu_clockev = x86_init_noop;
	/* Nothing comes on the 8254's pin, and nothing needs to. */
	no_timer_check = 1;
}

static int __init ring3_clock_init(void)
{
	if (!have_clock)
		return 0;
	__clocksource_register(&clock_source);
	static_key_slow_inc(&paravirt_steal_enabled);
	static_key_slow_inc(&paravirt_steal_rq_enabled);
	return 0;
}
early_initcall(ring3_clock_init);
