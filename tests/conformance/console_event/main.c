// SPDX-License-Identifier: MIT
/*
 * Input is told by EVENT_CONSOLE, once console_read was called.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(0, FEATURE(CONSOLE) | FEATURE(VCPU_PAGE) | FEATURE(EVENTS));
CASE_INPUT("x");

void test_main(void)
{
	uint64_t pa = page_alloc();

	case_begin();
	case_events();
	CALLS(0, CONSOLE_READ, pa, 1);
	print("type now\n");
	expect(case_wait(&case_interrupts, 1, 5000), "an event");
	expect_equal(case_taken[0], 1ul << RING3_EVENT_CONSOLE);
	CALLS(1, CONSOLE_READ, pa, 1);
	expect_equal(*(char *)phys_to_virt(pa), 'x');
}
