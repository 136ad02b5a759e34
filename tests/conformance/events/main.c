// SPDX-License-Identifier: MIT
/*
 * Delivery of events: one interrupt of the chosen vector for any number of events, no sooner than
 * RFLAGS.IF, the page's flag and a vector allow; never lost, never twice, no EOI; every event
 * has its own bit.
 */
#include "case.h"
#include "page.h"
#include "time.h"
#include "trap.h"

CASE_NEEDS(1, FEATURE(VCPU_PAGE) | FEATURE(EVENTS) | FEATURE(CPU));

static volatile struct ring3_vcpu_page *page;

static void quiet(const char *why)
{
	uint64_t before = case_interrupts;

	cpu_sti();
	time_delay_us(500);
	cpu_cli();
	expect_equal(case_interrupts, before, "no interrupt: %s", why);
}

static void comes(const char *why)
{
	uint64_t before = case_interrupts;

	expect(case_wait(&case_interrupts, before + 1, 2000), "an interrupt: %s", why);
	cpu_sti();
	time_delay_us(200);
	cpu_cli();
	expect_equal(case_interrupts, before + 1, "one: %s", why);
}

static void each_event(void)
{
	for (unsigned e = 0; e < RING3_EVENTS; e++) {
		case_taken[0] = case_taken[1] = 0;
		CALLS(0, IPI, 0, e);
		expect(case_pending(e), "bit of event %u", e);
		expect_equal(page->pending[1 - e / 64], 0, "other bits with event %u", e);
		comes("each event");
		expect_equal(case_taken[e / 64], 1ul << e % 64, "event %u", e);
		expect_equal(case_taken[1 - e / 64], 0, "event %u", e);
	}
}

static void one_for_all(void)
{
	case_taken[0] = case_taken[1] = 0;
	for (unsigned e = 0; e < RING3_EVENTS; e += 3) {
		CALLS(0, IPI, 0, e);
		CALLS(0, IPI, 0, e);
	}
	comes("one for all");
	for (unsigned e = 0; e < RING3_EVENTS; e++)
		expect_equal(case_taken[e / 64] >> e % 64 & 1, e % 3 == 0, "event %u", e);
}

/* With IF set the interrupt comes with the call, before the next instruction but one. */
static void at_once(void)
{
	uint64_t before = case_interrupts;

	cpu_sti();
	for (unsigned i = 0; i < 100; i++)
		CALL(IPI, 0, 5);
	cpu_cli();
	expect_equal(case_interrupts, before + 100, "one by one");
}

static void flag(void)
{
	uint64_t before = case_interrupts;

	page->interrupts = 0;
	page->waiting = 0;
	CALLS(0, IPI, 0, 7);
	quiet("the page's flag");
	expect(case_pending(7), "pending meanwhile");
	expect_equal(page->waiting, 1, "told that one waits");
	page->waiting = 0;
	page->interrupts = 1;
	cpu_sti();
	CALLS(0, EVENT_RETRY);
	cpu_cli();
	expect_equal(case_interrupts, before + 1, "after event_retry");
	expect(!case_pending(7), "taken");
	/* Held back and taken by looking at the bits: nothing is owed any more. */
	page->interrupts = 0;
	CALLS(0, IPI, 0, 7);
	page->pending[0] = 0;
	page->interrupts = 1;
	CALLS(0, EVENT_RETRY);
	cpu_sti();
	time_delay_us(300);
	cpu_cli();
	expect_equal(case_interrupts, before + 1, "nothing waits any more");
}

static bool takes_nothing(struct trap_frame *f)
{
	(void)f;
	/* A storm of them would end, to be told of. */
	if (++case_interrupts % 64 == 0)
		page->pending[0] = 0;
	return true;
}

/* The bits stay: the event was told of all the same. */
static void left_pending(void)
{
	typeof(trap_handler[0]) handler = trap_handler[CASE_VECTOR];

	trap_handler[CASE_VECTOR] = takes_nothing;
	CALLS(0, IPI, 0, 9);
	comes("not taken");
	expect(case_pending(9), "it stays");
	CALLS(0, EVENT_RETRY);
	comes("not taken, retried");
	CALLS(0, IPI, 0, 9);
	comes("again, although its bit is set");
	page->pending[0] = 0;
	trap_handler[CASE_VECTOR] = handler;
}

static void vectors(void)
{
	for (unsigned v = RING3_VECTOR_MIN; v < 256; v += 7) {
		trap_handler[v] = trap_handler[CASE_VECTOR];
		CALLS(0, EVENT_SETUP, v, 0);
		trap_count[v] = 0;
		CALLS(0, IPI, 0, 11);
		comes("by another vector");
		expect_equal(trap_count[v], 1, "vector %u", v);
	}
	CALLS(0, EVENT_SETUP, 0, 0);
	CALLS(0, IPI, 0, 12);
	quiet("no vector");
	expect(case_pending(12), "pending");
	CALLS(0, EVENT_SETUP, CASE_VECTOR, 0);
	comes("a vector, with an event pending");
	for (unsigned v = 0; v < RING3_VECTOR_MIN; v++)
		expect_equal(CALL(EVENT_SETUP, v, 0), v ? HYPERCALL_EINVAL : 0, "vector %u", v);
	CALLS(HYPERCALL_EINVAL, EVENT_SETUP, 256, 0);
	CALLS(HYPERCALL_EINVAL, EVENT_SETUP, ~0u, 0);
	CALLS(HYPERCALL_EINVAL, EVENT_SETUP, CASE_VECTOR, 1);
	CALLS(HYPERCALL_EINVAL, EVENT_SETUP, CASE_VECTOR, 1ul << 63);
	CALLS(0, EVENT_SETUP, CASE_VECTOR, 0);
}

static void no_page(void)
{
	CALLS(0, VCPU_PAGE, 0);
	CALLS(0, IPI, 0, 13);
	case_page();
	comes("what came without a page");
}

void test_main(void)
{
	case_begin();
	page = case_events();
	quiet("nothing came");
	each_event();
	one_for_all();
	at_once();
	flag();
	left_pending();
	vectors();
	no_page();
}
