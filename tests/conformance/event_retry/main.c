// SPDX-License-Identifier: MIT
/*
 * event_retry delivers what is pending in the page as if it came now: bits that the guest left or
 * set itself, too, but not those that are masked, and nothing if there is none.
 */
#include "case.h"

CASE_NEEDS(0, FEATURE(VCPU_PAGE) | FEATURE(EVENTS));

void test_main(void)
{
	volatile struct ring3_vcpu_page *page;

	case_begin();
	page = case_events();
	CALLS(0, EVENT_RETRY);
	case_expect_more(0, "nothing is pending");
	page->pending[1] = 1ul << 40;
	case_expect_more(0, "bits of the guest's own");
	CALLS(0, EVENT_RETRY);
	case_expect_more(1, "and asked for");
	expect_equal(case_taken[1], 1ul << 40);
	page->pending[0] = 1ul << 20;
	CALLS(0, EVENT_MASK, 20, 1);
	CALLS(0, EVENT_RETRY);
	case_expect_more(0, "masked");
	page->pending[0] |= 1ul << 21;
	CALLS(0, EVENT_RETRY);
	case_expect_more(1, "one of two masked");
	page->interrupts = 0;
	page->waiting = 0;
	page->pending[0] = 1;
	cpu_sti();
	CALLS(0, EVENT_RETRY);
	case_expect_more(0, "the flag");
	expect_equal(page->waiting, 1, "waiting");
	page->interrupts = 1;
	CALLS(0, EVENT_RETRY);
	CALLS(0, EVENT_RETRY);
	case_expect_more(1, "twice is once");
	CALLS(0, EVENT_SETUP, 0, 0);
	page->pending[0] = 1;
	CALLS(0, EVENT_RETRY);
	case_expect_more(0, "no vector");
	CALLS(0, EVENT_SETUP, CASE_VECTOR, 0);
	case_expect_more(1, "a vector, and a bit pending");
}
