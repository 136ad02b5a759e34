// SPDX-License-Identifier: MIT
/*
 * A fault while delivering #DF shuts the processor down: the machine resets (or says so).
 * Expected outcome: reset.  Coming back is a failure.
 */
#include "page.h"
#include "test.h"
#include "trap.h"

void test_main(void)
{
	struct table_pointer none = { 0, 0 };

	print("expecting a triple fault\n");
	__asm__ volatile("lidt %0; ud2" :: "m"(none));
	expect(false, "came back");
}
