// SPDX-License-Identifier: MIT
/*
 * halt waits for an interrupt or an unmasked event and for nothing less; what came between the
 * guest's look and its call is not lost, with interrupts on or off; a masked event does not wake.
 */
#include "clock.h"
#include "time.h"
#include "trap.h"

CASE_NEEDS(1, FEATURE(VCPU_PAGE) | FEATURE(EVENTS) | FEATURE(CPU) | FEATURE(TIMER) | FEATURE(CLOCK));

#define MS		1000000ul
#define APIC_VECTOR	0x91u

static volatile struct ring3_vcpu_page *page;
static volatile uint64_t apic_interrupts;

static bool apic_interrupt(struct trap_frame *f)
{
	(void)f;
	apic_interrupts++;
	lapic_eoi();
	return true;
}

/* With interrupts off it comes back with the event pending, not before it. */
static void until_timer(uint64_t ns)
{
	uint64_t deadline = clock_now(page) + ns;

	CALLS(0, TIMER_SET, deadline);
	CALLS(0, HALT, 0);
	expect(clock_now(page) >= deadline, "woken too early");
	expect(case_pending(RING3_EVENT_TIMER), "by the timer");
	page->pending[0] = 0;
}

static void already_there(void)
{
	CALLS(0, IPI, 0, 17);
	CALLS(0, HALT, 0);
	expect(case_pending(17), "still to be taken");
	CALLS(0, HALT, 0);
	page->pending[0] = 0;
	until_timer(2 * MS);
}

/* The deadline falls between the look and the call, before, or behind: never lost. */
static void no_lost_wake_up(void)
{
	for (unsigned i = 0; i < 300; i++) {
		CALL(TIMER_SET, clock_now(page) + i * 50);
		for (unsigned k = 0; k < i % 7 * 20; k++)
			cpu_pause();
		while (!case_pending(RING3_EVENT_TIMER))
			CALL(HALT, 0);
		page->pending[0] = 0;
	}
}

static void flag_off(void)
{
	page->interrupts = 0;
	until_timer(MS);
	page->interrupts = 1;
	page->waiting = 0;
}

static void masked(void)
{
	uint64_t deadline;

	CALLS(0, EVENT_MASK, 40, 1);
	CALLS(0, IPI, 0, 40);
	deadline = clock_now(page) + 5 * MS;
	CALLS(0, TIMER_SET, deadline);
	CALLS(0, HALT, 0);
	expect(clock_now(page) >= deadline, "a masked event woke it");
	page->pending[0] = 0;
	CALLS(0, EVENT_MASK, 40, 0);
}

static void interrupts_on(void)
{
	uint64_t before = case_interrupts;

	CALLS(0, TIMER_SET, clock_now(page) + 2 * MS);
	cpu_sti();
	while (case_interrupts == before)
		CALL(HALT, 0);
	cpu_cli();
	expect_equal(case_interrupts, before + 1, "delivered");
}

/* An interrupt of the local APIC's wakes, too, and is delivered once IF is set. */
static void apic(void)
{
	uint64_t start = cpu_tsc();

	trap_handler[APIC_VECTOR] = apic_interrupt;
	lapic_enable();
	lapic_timer_in(APIC_VECTOR, 3 * time_tsc_khz());
	CALLS(0, HALT, 0);
	expect(cpu_tsc() - start >= 2 * time_tsc_khz(), "it did wait");
	expect(lapic_bit(LAPIC_IRR, APIC_VECTOR), "the interrupt waits");
	expect_equal(apic_interrupts, 0);
	expect(case_wait(&apic_interrupts, 1, 100), "and comes");
}

void test_main(void)
{
	case_begin();
	page = case_events();
	CALLS(HYPERCALL_EINVAL, HALT, 1);
	CALLS(HYPERCALL_EINVAL, HALT, 1ul << 63);
	until_timer(MS);
	until_timer(20 * MS);
	already_there();
	no_lost_wake_up();
	flag_off();
	masked();
	interrupts_on();
	apic();
	expect_equal(case_interrupts, 1, "no interrupt with interrupts off");
}
