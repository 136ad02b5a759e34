// SPDX-License-Identifier: MIT
/*
 * The interrupt of events goes before the local APIC's whatever its vector and the task priority,
 * is not seen by the local APIC, needs no EOI and blocks nothing: not another event, and not an
 * interrupt of the APIC's.
 */
#include "case.h"
#include "time.h"
#include "trap.h"

CASE_NEEDS(1, FEATURE(VCPU_PAGE) | FEATURE(EVENTS) | FEATURE(CPU));

#define LOW	0x41u		/* below the APIC's, so it would lose against it there */
#define HIGH	0xe1u

static unsigned order[8], seen;

static bool apic_interrupt(struct trap_frame *f)
{
	if (seen < 8)
		order[seen++] = (unsigned)f->vector;
	lapic_eoi();
	return true;
}

static bool (*event_handler)(struct trap_frame *f);

static bool event_interrupt(struct trap_frame *f)
{
	if (seen < 8)
		order[seen++] = (unsigned)f->vector;
	expect(!lapic_bit(LAPIC_ISR, LOW), "in service for the APIC");
	expect(!lapic_bit(LAPIC_IRR, LOW), "requested of the APIC");
	return event_handler(f);
}

static void self_interrupt(void)
{
	lapic_write(LAPIC_ICR, 0x44000 | HIGH);
}

static void both(void)
{
	seen = 0;
	self_interrupt();
	CALLS(0, IPI, 0, 30);
	cpu_sti();
	time_delay_us(300);
	cpu_cli();
	expect_equal(seen, 2, "both came");
	expect_equal(order[0], LOW, "the event first");
	expect_equal(order[1], HIGH);
}

static void task_priority(void)
{
	seen = 0;
	cr8_write(15);
	self_interrupt();
	CALLS(0, IPI, 0, 31);
	cpu_sti();
	time_delay_us(300);
	cpu_cli();
	expect_equal(seen, 1, "only the event, with the highest task priority");
	expect_equal(order[0], LOW);
	cr8_write(0);
	cpu_sti();
	time_delay_us(300);
	cpu_cli();
	expect_equal(seen, 2);
	expect_equal(order[1], HIGH, "the APIC's, once allowed");
}

static void within(void)
{
	uint64_t start = case_interrupts;

	/* No EOI was ever sent for these, and each still comes. */
	for (unsigned i = 0; i < 20; i++) {
		CALLS(0, IPI, 0, i);
		expect(case_wait(&case_interrupts, start + i + 1, 1000), "event %u", i);
	}
	expect_equal(lapic_read(LAPIC_PPR), 0, "processor priority");
}

void test_main(void)
{
	case_begin();
	case_events();
	event_handler = trap_handler[CASE_VECTOR];
	trap_handler[LOW] = event_interrupt;
	trap_handler[HIGH] = apic_interrupt;
	CALLS(0, EVENT_SETUP, LOW, 0);
	lapic_enable();
	both();
	task_priority();
	within();
	both();
}
