// SPDX-License-Identifier: MIT
/*
 * Negotiation: what is not offered is refused and freezes nothing; what is accepted is frozen, may
 * be said again, and cannot be changed.
 */
#include "case.h"

CASE_NEEDS(0, 0);

static void refused(uint64_t offered)
{
	CALLS(HYPERCALL_EINVAL, VERSION, 0, case_features);
	CALLS(HYPERCALL_EINVAL, VERSION, 2 << 16, case_features);
	CALLS(HYPERCALL_EINVAL, VERSION, 0xffff << 16, case_features);
	CALLS(HYPERCALL_EINVAL, VERSION, case_version + 1, case_features);
	CALLS(HYPERCALL_EINVAL, VERSION, case_version | 0xffff, case_features);
	CALLS(HYPERCALL_EINVAL, VERSION, case_version | 1ul << 32, case_features);
	CALLS(HYPERCALL_EINVAL, VERSION, case_version | 1ul << 63, case_features);
	for (unsigned bit = 0; bit < 64; bit++)
		if (!(offered >> bit & 1))
			expect_equal(CALL(VERSION, case_version, case_features | 1ul << bit),
				     HYPERCALL_EINVAL, "feature %u", bit);
	CALLS(HYPERCALL_EINVAL, VERSION, case_version, ~0ul);
}

static void frozen(void)
{
	CALLS(0, VERSION, case_version, case_features);
	CALLS(0, VERSION, case_version, case_features);
	for (unsigned bit = 0; bit < 64; bit++)
		expect_equal(CALL(VERSION, case_version, case_features ^ 1ul << bit), HYPERCALL_EBUSY,
			     "feature %u", bit);
	CALLS(HYPERCALL_EBUSY, VERSION, case_version + 1, case_features);
	CALLS(HYPERCALL_EBUSY, VERSION, 2 << 16, case_features);
	CALLS(HYPERCALL_EBUSY, VERSION, 0, 0);
	if (case_version & 0xffff)
		CALLS(HYPERCALL_EBUSY, VERSION, case_version - 1, case_features & RING3_FEATURES_SINCE_0);
	CALLS(HYPERCALL_EINVAL, VERSION, case_version | 1ul << 32, case_features);
	CALLS(0, VERSION, case_version, case_features);
}

void test_main(void)
{
	case_find();
	refused(test_option("features", 0));
	frozen();
}
