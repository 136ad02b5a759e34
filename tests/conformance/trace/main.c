// SPDX-License-Identifier: MIT
/*
 * trace notes two words of the guest's own where --trace hypercalls shows them, by the call and
 * within a multicall; all values are allowed.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(1, FEATURE(TRACE));
CASE_MACHINE("--trace hypercalls");
CASE_CONSOLE("a 1234567890abcde  b fedcba987654321");
CASE_CONSOLE("a abcdef123456789  b 987654321fedcba");

void test_main(void)
{
	case_begin();
	CALLS(0, TRACE, 0x1234567890abcde, 0xfedcba987654321);
	CALLS(0, TRACE, 0, 0);
	CALLS(0, TRACE, ~0ul, ~0ul);
	for (unsigned i = 0; i < 64; i++)
		CALLS(0, TRACE, 1ul << i, 1ul << (63 - i));
	if (case_call_exists(RING3_CALL_MULTICALL)) {
		struct ring3_multicall *call = phys_to_virt(page_alloc());

		*call = (struct ring3_multicall){ RING3_CALL_TRACE,
			{ 0xabcdef123456789, 0x987654321fedcba }, 1 };
		CALLS(1, MULTICALL, virt_to_phys(call), 1, 0);
		expect_equal(call->result, 0);
	} else {
		CALLS(0, TRACE, 0xabcdef123456789, 0x987654321fedcba);
	}
}
