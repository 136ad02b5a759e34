// SPDX-License-Identifier: MIT
/*
 * trace notes two words of the guest's own where --trace hypercalls shows them, by the call and
 * within a multicall; all values are allowed.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(1, FEATURE(TRACE));
CASE_MACHINE("--trace hypercalls");
CASE_CONSOLE("1234567890abcde");

void test_main(void)
{
	case_begin();
	CALLS(0, TRACE, 0x1234567890abcde, 0xfedcba987654321);
	CALLS(0, TRACE, 0, 0);
	CALLS(0, TRACE, ~0ul, ~0ul);
	for (unsigned i = 0; i < 64; i++)
		CALLS(0, TRACE, 1ul << i, 1ul << (63 - i));
}
