// SPDX-License-Identifier: MIT
/*
 * --abi fail=CALL:ERRNO:RATE: the call is not made and has that error, always with rate 1, else
 * about one time in so many; other calls are not touched, and one that was hidden is still -ENOSYS.
 */
#include "case.h"

CASE_NEEDS(1, FEATURE(CPU) | FEATURE(VCPU_PAGE));
CASE_ABI("fail=event_setup:ENOMEM:1,fail=ipi:EIO:4,fail=mmu_load:EBUSY:100%,seed=5");

#define TIMES	4000u
#define ENOMEM	(-12)

void test_main(void)
{
	volatile struct ring3_vcpu_page *page;
	unsigned failed = 0;
	uint64_t which = 0;

	case_begin();
	page = case_page();
	for (unsigned i = 0; i < TIMES; i++) {
		int64_t r = CALL(IPI, 0, 8);

		expect(r == 0 || r == HYPERCALL_EIO, "%ld", r);
		expect_equal(page->pending[0], r ? 0 : 1ul << 8, "done, or not at all");
		page->pending[0] = 0;
		failed += r != 0;
		if (i < 64)
			which |= (uint64_t)(r != 0) << i;
	}
	expect(failed > TIMES / 4 - TIMES / 16 && failed < TIMES / 4 + TIMES / 16, "%u of %u", failed, TIMES);
	print("the first: %lx\n", which);
	for (unsigned i = 0; i < 50; i++) {
		CALLS(case_features & FEATURE(EVENTS) ? ENOMEM : HYPERCALL_ENOSYS, EVENT_SETUP, 0, 0);
		CALLS(case_features & FEATURE(MMU) ? HYPERCALL_EBUSY : HYPERCALL_ENOSYS,
		      MMU_LOAD, cr3_read(), 0);
		CALLS(0, YIELD);
	}
}
