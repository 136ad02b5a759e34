// SPDX-License-Identifier: MIT
/*
 * The runtime itself works: long mode, text on COM1, one exception caught and resumed, the
 * command line.  Everything else rests on this.
 */
#include "test.h"
#include "trap.h"

void test_main(void)
{
	print("hello from %p\n", (void *)test_main);
	expect_equal(TRY("ud2", ::: "memory"), UD);
	expect_equal(test_option("answer", 42), 42);
	expect(msr_read(MSR_EFER) & EFER_LMA);
}
