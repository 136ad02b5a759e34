// SPDX-License-Identifier: MIT
/*
 * event_mask: a masked event is marked and does not interrupt, others do; unmasked while pending it
 * interrupts once, unmasked without it does not.
 */
#include "case.h"
#include "time.h"

CASE_NEEDS(1, FEATURE(VCPU_PAGE) | FEATURE(EVENTS) | FEATURE(CPU));

static volatile struct ring3_vcpu_page *page;

static void expect_more(unsigned more, const char *why)
{
	uint64_t before = case_interrupts;

	cpu_sti();
	if (more)
		case_wait(&case_interrupts, before + more, 2000);
	cpu_sti();
	time_delay_us(300);
	cpu_cli();
	expect_equal(case_interrupts, before + more, "%s", why);
}

static void one(unsigned event)
{
	CALLS(0, EVENT_MASK, event, 1);
	CALLS(0, IPI, 0, event);
	expect_more(0, "masked");
	expect(case_pending(event), "event %u is marked", event);
	CALLS(0, EVENT_RETRY);
	expect_more(0, "masked, retried");
	CALLS(0, EVENT_MASK, event, 1);
	expect_more(0, "masked again");
	CALLS(0, IPI, 0, event ^ 1);
	expect_more(1, "another event");
	expect(!case_pending(event), "the handler took all bits");
	CALLS(0, IPI, 0, event);
	CALLS(0, EVENT_MASK, event, 0);
	expect_more(1, "unmasked while pending");
	CALLS(0, EVENT_MASK, event, 0);
	expect_more(0, "unmasked again");
	CALLS(0, EVENT_MASK, event, 1);
	CALLS(0, EVENT_MASK, event, 0);
	expect_more(0, "nothing was pending");
	CALLS(0, IPI, 0, event);
	expect_more(1, "as before");
}

void test_main(void)
{
	case_begin();
	page = case_events();
	one(0);
	one(5);
	one(63);
	one(64);
	one(127);
	CALLS(HYPERCALL_EINVAL, EVENT_MASK, RING3_EVENTS, 1);
	CALLS(HYPERCALL_EINVAL, EVENT_MASK, RING3_EVENT_NONE, 1);
	CALLS(HYPERCALL_EINVAL, EVENT_MASK, 3, 2);
	CALLS(HYPERCALL_EINVAL, EVENT_MASK, 3, ~0u);
	CALLS(0, IPI, 0, 3);
	expect_more(1, "what was refused masked nothing");
	expect_equal(page->pending[0] | page->pending[1], 0);
}
