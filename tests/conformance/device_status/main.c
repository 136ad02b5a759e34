// SPDX-License-Identifier: MIT
/*
 * The device's status by virtio 1.2, 2.1 and 3.1: bits are set and stay, FEATURES_OK is refused
 * without VERSION_1, features freeze with it, 0 resets, and STATUS_READ changes nothing.
 */
#include "block.h"

CASE_NEEDS(0, FEATURE(DEVICES));
CASE_MACHINE("--disk null=64M,device=pv --net null,device=pv");

static void one(uint64_t n)
{
	uint64_t pa = page_alloc(), offered;
	struct ring3_device_info *info = phys_to_virt(pa);

	info->size = sizeof(*info);
	CALLS(0, DEVICE_INFO, n, pa);
	offered = info->features;
	CALLS(0, DEVICE_STATUS, n, RING3_STATUS_READ);
	CALLS(1, DEVICE_STATUS, n, 1);
	CALLS(1, DEVICE_STATUS, n, RING3_STATUS_READ);
	CALLS(3, DEVICE_STATUS, n, 3);
	CALLS(3, DEVICE_STATUS, n, RING3_STATUS_READ);
	CALLS(3, DEVICE_STATUS, n, 11);
	CALLS(3, DEVICE_STATUS, n, RING3_STATUS_READ);
	for (unsigned bit = 0; bit < 64; bit++)
		if (!(offered >> bit & 1))
			expect_equal(CALL(DEVICE_FEATURES, n, VERSION_1 | 1ul << bit),
				     HYPERCALL_EINVAL, "bit %u", bit);
	CALLS(0, DEVICE_FEATURES, n, VERSION_1);
	CALLS(0, DEVICE_FEATURES, n, 0);
	CALLS(3, DEVICE_STATUS, n, 11);
	CALLS(0, DEVICE_FEATURES, n, VERSION_1);
	CALLS(11, DEVICE_STATUS, n, 11);
	CALLS(HYPERCALL_EBUSY, DEVICE_FEATURES, n, VERSION_1);
	CALLS(HYPERCALL_EBUSY, DEVICE_FEATURES, n, 0);
	CALLS(15, DEVICE_STATUS, n, 15);
	CALLS(15, DEVICE_STATUS, n, RING3_STATUS_READ);
	for (unsigned bit = 9; bit < 32; bit++)
		expect_equal(CALL(DEVICE_STATUS, n, 1u << bit), HYPERCALL_EINVAL, "bit %u", bit);
	CALLS(HYPERCALL_EINVAL, DEVICE_STATUS, n, RING3_STATUS_READ | 1);
	CALLS(15, DEVICE_STATUS, n, RING3_STATUS_READ);
	CALLS(0, DEVICE_STATUS, n, 0);
	CALLS(0, DEVICE_FEATURES, n, VERSION_1);
	CALLS(0, DEVICE_STATUS, n, 0);
	CALLS(0, DEVICE_STATUS, n, 0);
	CALLS(3, DEVICE_STATUS, n, 3);
	CALLS(3, DEVICE_STATUS, n, 11);
	CALLS(0, DEVICE_STATUS, n, 0);
}

void test_main(void)
{
	case_begin();
	one(0);
	one(1);
	one(0);
}
