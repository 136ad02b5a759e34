// SPDX-License-Identifier: MIT
/*
 * Configuration space: any range of it can be read, none beyond its end; only the bytes asked for
 * are written to memory; writes change what the device lets them, and nothing else.
 */
#include "block.h"

CASE_NEEDS(0, FEATURE(DEVICES));
CASE_MACHINE("--disk null=64M,device=pv");

static uint64_t pa;
static uint8_t *bytes;

void test_main(void)
{
	struct ring3_device_info *info;
	uint8_t whole[256];
	uint32_t size;

	case_begin();
	pa = page_alloc_aligned(2 * PAGE_SIZE, PAGE_SIZE);
	bytes = phys_to_virt(pa);
	info = phys_to_virt(pa);
	info->size = sizeof(*info);
	CALLS(0, DEVICE_INFO, 0, pa);
	size = info->config_size;
	if (!expect(size && size <= sizeof(whole), "%u bytes", size))
		return;
	CALLS(0, DEVICE_CONFIG, 0, 0, pa, size);
	memcpy(whole, bytes, size);
	expect_equal(*(uint64_t *)whole, 64 << 11, "capacity");
	for (uint32_t offset = 0; offset < size; offset++) {
		for (uint32_t n = 0; n <= size - offset; n += 1 + n / 4) {
			memset(bytes, 0xcc, PAGE_SIZE);
			expect_equal(CALL(DEVICE_CONFIG, 0, offset, pa + 1, n), 0, "%u at %u", n, offset);
			expect(!memcmp(bytes + 1, whole + offset, n), "%u at %u", n, offset);
			expect(bytes[0] == 0xcc && bytes[1 + n] == 0xcc, "%u at %u: more was written", n, offset);
		}
		CALLS(HYPERCALL_EINVAL, DEVICE_CONFIG, 0, offset, pa, size - offset + 1);
	}
	CALLS(0, DEVICE_CONFIG, 0, size, pa, 0);
	CALLS(HYPERCALL_EINVAL, DEVICE_CONFIG, 0, size, pa, 1);
	CALLS(HYPERCALL_EINVAL, DEVICE_CONFIG, 0, size + 1, pa, 0);
	CALLS(HYPERCALL_EINVAL, DEVICE_CONFIG, 0, 0x7fffffff, pa, 1);
	CALLS(HYPERCALL_EINVAL, DEVICE_CONFIG, 0, 0, pa, ~0u);
	CALLS(HYPERCALL_EINVAL, DEVICE_CONFIG, 0, 0x7fffffff, pa, 0x80000001u);
	CALLS(HYPERCALL_EINVAL, DEVICE_CONFIG, 0, RING3_CONFIG_WRITE | size, pa, 1);
	CALLS(HYPERCALL_EINVAL, DEVICE_CONFIG, 0, RING3_CONFIG_WRITE, pa, size + 1);
	/* The capacity is not the driver's. */
	memset(bytes, 0xff, 8);
	CALLS(0, DEVICE_CONFIG, 0, RING3_CONFIG_WRITE, pa, 8);
	CALLS(0, DEVICE_CONFIG, 0, 0, pa, size);
	expect(!memcmp(bytes, whole, 8), "the capacity changed");
}
