// SPDX-License-Identifier: MIT
/*
 * Devices are those of the machine's options, in their order, with the type, queues, features and
 * configuration space of virtio; there are as many as CPUID counts, and any other number is -ENODEV
 * in every call that takes one.
 */
#include "block.h"

CASE_NEEDS(0, FEATURE(DEVICES));
CASE_MACHINE("--net null,device=pv --disk null=64M,device=pv --disk null=1M --disk null=2M,device=pv");

static uint64_t pa;
static struct ring3_device_info *info;

static void one(uint64_t n, uint32_t type, uint64_t sectors)
{
	memset(info, 0, PAGE_SIZE);
	info->size = sizeof(*info);
	CALLS(0, DEVICE_INFO, n, pa);
	expect_equal(info->type, type, "device %lu", n);
	expect_equal(info->size, sizeof(*info));
	expect(info->queues >= (type == 1 ? 2 : 1), "queues");
	expect(info->queue_size >= 16 && !(info->queue_size & (info->queue_size - 1)), "a power of two");
	expect(info->features & VERSION_1, "VERSION_1");
	expect(!(info->features & RING_RESET) == !(case_version & 0xffff), "RING_RESET came with 1.1");
	expect(info->config_size >= 8 && info->config_size <= PAGE_SIZE, "%u", info->config_size);
	if (sectors) {
		uint64_t capacity_pa = page_alloc();

		CALLS(0, DEVICE_CONFIG, n, 0, capacity_pa, 8);
		expect_equal(*(uint64_t *)phys_to_virt(capacity_pa), sectors, "sectors");
	}
}

static void no_device(uint64_t n)
{
	struct ring3_queue *q = (void *)info;

	info->size = sizeof(*info);
	CALLS(HYPERCALL_ENODEV, DEVICE_INFO, n, pa);
	CALLS(HYPERCALL_ENODEV, DEVICE_FEATURES, n, 0);
	CALLS(HYPERCALL_ENODEV, DEVICE_STATUS, n, RING3_STATUS_READ);
	CALLS(HYPERCALL_ENODEV, DEVICE_CONFIG, n, 0, pa, 1);
	if (!case_call_exists(RING3_CALL_QUEUE_SETUP))
		return;
	*q = (struct ring3_queue){ .size = sizeof(*q) };
	CALLS(HYPERCALL_ENODEV, QUEUE_SETUP, n, 0, pa);
	CALLS(HYPERCALL_ENODEV, QUEUE_KICK, n, 0);
	if (case_call_exists(RING3_CALL_QUEUE_RESET))
		CALLS(HYPERCALL_ENODEV, QUEUE_RESET, n, 0);
}

void test_main(void)
{
	case_begin();
	pa = page_alloc();
	info = phys_to_virt(pa);
	/* Disks come before cards: the order is that of kinds, then of options. */
	expect_equal(cpuid(ring3_base() + RING3_CPUID_LIMITS, 0).ecx, 3, "devices");
	one(0, 2, 64 << 11);
	one(1, 2, 2 << 11);
	one(2, 1, 0);
	no_device(3);
	no_device(4);
	no_device(63);
	no_device(64);
	no_device(1ul << 31);
	no_device(~0u);
}
