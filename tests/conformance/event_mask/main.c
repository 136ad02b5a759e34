// SPDX-License-Identifier: MIT
/*
 * event_mask: a masked event is marked and does not interrupt, others do; unmasked while pending it
 * interrupts once, unmasked without it does not.
 */
#include "case.h"

CASE_NEEDS(1, FEATURE(VCPU_PAGE) | FEATURE(EVENTS) | FEATURE(CPU));

static volatile struct ring3_vcpu_page *page;

static void one(unsigned event)
{
	CALLS(0, EVENT_MASK, event, 1);
	CALLS(0, IPI, 0, event);
	case_expect_more(0, "masked");
	expect(case_pending(event), "event %u is marked", event);
	CALLS(0, EVENT_RETRY);
	case_expect_more(0, "masked, retried");
	CALLS(0, EVENT_MASK, event, 1);
	case_expect_more(0, "masked again");
	CALLS(0, IPI, 0, event ^ 1);
	case_expect_more(1, "another event");
	expect(!case_pending(event), "the handler took all bits");
	CALLS(0, IPI, 0, event);
	CALLS(0, EVENT_MASK, event, 0);
	case_expect_more(1, "unmasked while pending");
	CALLS(0, EVENT_MASK, event, 0);
	case_expect_more(0, "unmasked again");
	CALLS(0, EVENT_MASK, event, 1);
	CALLS(0, EVENT_MASK, event, 0);
	case_expect_more(0, "nothing was pending");
	CALLS(0, IPI, 0, event);
	case_expect_more(1, "as before");
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
	case_expect_more(1, "what was refused masked nothing");
	expect_equal(page->pending[0] | page->pending[1], 0);
}
