// SPDX-License-Identifier: MIT
/*
 * shutdown ends the machine for the reason given, before `version` was called, too; reasons that
 * do not exist and texts outside RAM are refused.  The outcome is the machine's exit status.
 */
#include "page.h"
#include "ring3.h"
#include "test.h"

static const char text[] = "said by\na guest";

void test_main(void)
{
	ring3_need();
	expect_equal(ring3_call(RING3_CALL_SHUTDOWN, 5, 0, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_SHUTDOWN, ~0u, 0, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_SHUTDOWN, 1ul << 32, 0, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_SHUTDOWN, 0, 1ul << 50, 10, 0), HYPERCALL_EFAULT);
	ring3_call(RING3_CALL_SHUTDOWN, test_option("reason", 0), virt_to_phys(text), sizeof(text) - 1, 0);
	for (;;)
		cpu_pause();
}
