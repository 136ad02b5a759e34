// SPDX-License-Identifier: MIT
/*
 * yield lets others run and comes back: with interrupts off and on, with and without something
 * pending, which it neither takes nor waits for.
 */
#include "case.h"

CASE_NEEDS(1, FEATURE(CPU));

void test_main(void)
{
	case_begin();
	for (unsigned i = 0; i < 200; i++)
		CALLS(0, YIELD);
	cpu_sti();
	for (unsigned i = 0; i < 200; i++)
		CALLS(0, YIELD);
	cpu_cli();
	if (!case_call_exists(RING3_CALL_VCPU_PAGE))
		return;
	case_page();
	CALLS(0, IPI, 0, 2);
	CALLS(0, YIELD);
	expect(case_pending(2), "the event still waits");
}
