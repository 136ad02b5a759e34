// SPDX-License-Identifier: MIT
/*
 * shutdown ends the machine for each reason with its own exit status, before version and after it,
 * and shows the text, as nothing but printable characters; reasons that do not exist end nothing.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(0, 0);
CASE_RUN("reason=0", "off");
CASE_RUN("reason=1", "reboot");
CASE_RUN("reason=2", "off");
CASE_RUN("reason=3", "panic");
CASE_RUN("reason=4", "panic");
CASE_RUN("reason=3 early=1", "panic");
CASE_CONSOLE("said by  a guest");

static const char text[] = "said by\n\033a guest";

void test_main(void)
{
	uint64_t reason = test_option("reason", 0);

	case_find();
	if (!test_option("early", 0))
		case_begin();
	for (uint64_t r = RING3_SHUTDOWN_CRASH + 1; r < 40; r++)
		CALLS(HYPERCALL_EINVAL, SHUTDOWN, r, 0, 0);
	CALLS(HYPERCALL_EINVAL, SHUTDOWN, 1u << 31, 0, 0);
	CALLS(HYPERCALL_EFAULT, SHUTDOWN, RING3_SHUTDOWN_PANIC, NOT_RAM, 1);

	CALL(SHUTDOWN, reason, virt_to_phys(text), sizeof(text) - 1);
	expect(false, "the machine goes on after reason %lu", reason);
}
