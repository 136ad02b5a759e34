// SPDX-License-Identifier: MIT
/*
 * A guest of version 1.0 on a machine that speaks a newer one: it is not offered less, but what
 * came later does not exist for it, calls of features that it knows included, and structures
 * have the size that it knows.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(1, FEATURE(VCPU_PAGE));

void test_main(void)
{
	uint64_t newer, pa = page_alloc();
	uint8_t *page = phys_to_virt(pa);

	case_find();
	newer = case_features & ~RING3_FEATURES_SINCE_0;
	if (!(case_version & 0xffff) || (case_needs & ~case_features)) {
		case_begin();
		test_skip("nothing older, or no shared page");
	}
	if (newer)
		CALLS(HYPERCALL_EINVAL, VERSION, RING3_ABI_MAJOR << 16, case_features);
	case_version = RING3_ABI_MAJOR << 16;
	case_features &= RING3_FEATURES_SINCE_0;
	CALLS(0, VERSION, case_version, case_features);
	for (uint64_t n = 0; n < CASE_CALLS; n++)
		if (!case_call_exists(n))
			expect_equal(CALL_NUMBER(n, 0, 0, 0), HYPERCALL_ENOSYS, "call %lu", n);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		page[i] = i < RING3_VCPU_PAGE_SIZE_0 ? 0 : 0xa5;
	*(uint32_t *)page = RING3_VCPU_PAGE_SIZE_0;
	CALLS(0, VCPU_PAGE, pa);
	for (unsigned i = RING3_VCPU_PAGE_SIZE_0; i < PAGE_SIZE; i++)
		if (!expect_equal(page[i], 0xa5, "byte %u, beyond the structure", i))
			break;
}
