// SPDX-License-Identifier: MIT
/*
 * multicall: the calls are made in order whatever their results, each result is where it belongs
 * and nothing else is written; the rules of single calls hold for each; one within another is
 * refused, and so are wrong counts and places.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(1, FEATURE(MULTICALL));
CASE_MACHINE("--disk null=64M,device=pv");

static uint64_t pa;
static struct ring3_multicall *calls;

static void set(unsigned n, uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
	calls[n] = (struct ring3_multicall){ number, { a, b, c, 0x1111, 0x2222, 0x3333 },
					     0x5a5a5a5a5a5a5a5a };
}

/* All of it: interrupts are off, so nothing may stop it. */
static void make(unsigned count)
{
	uint64_t before[RING3_MULTICALL_MAX * 8];

	memcpy(before, calls, count * sizeof(*calls));
	CALLS(count, MULTICALL, pa, count, 0);
	for (unsigned i = 0; i < count; i++)
		expect(!memcmp(&before[i * 8], &calls[i], 56), "element %u was changed", i);
}

static void results(void)
{
	set(0, RING3_CALL_VERSION, case_version, case_features, 0);
	set(1, 1000, 1, 2, 3);
	set(2, ~0ul, 1, 2, 3);
	set(3, RING3_CALL_CONSOLE_WRITE, 0, 1ul << 32, 0);
	set(4, RING3_CALL_CONSOLE_WRITE, NOT_RAM, 4, 0);
	set(5, RING3_CALL_SHUTDOWN, 77, 0, 0);
	set(6, RING3_CALL_VERSION, 0, 0, 0);
	set(7, RING3_CALL_MULTICALL, pa, 1, 0);
	make(8);
	expect_equal(calls[0].result, 0);
	expect_equal(calls[1].result, HYPERCALL_ENOSYS);
	expect_equal(calls[2].result, HYPERCALL_ENOSYS);
	expect_equal(calls[3].result, HYPERCALL_EINVAL);
	expect_equal(calls[4].result, HYPERCALL_EFAULT);
	expect_equal(calls[5].result, HYPERCALL_EINVAL);
	expect_equal(calls[6].result, HYPERCALL_EBUSY);
	expect_equal(calls[7].result, HYPERCALL_EINVAL, "within a multicall");
	/* After one within another, they still work. */
	make(1);
	for (uint64_t n = 0; n < CASE_CALLS; n++) {
		if (case_call_exists(n))
			continue;
		set(0, n, ~0ul, ~0ul, ~0ul);
		make(1);
		expect_equal(calls[0].result, HYPERCALL_ENOSYS, "call %lu", n);
	}
}

static void counts(void)
{
	for (unsigned i = 0; i < RING3_MULTICALL_MAX; i++)
		set(i, i & 1 ? 1000 : RING3_CALL_VERSION, case_version, case_features, 0);
	make(RING3_MULTICALL_MAX);
	for (unsigned i = 0; i < RING3_MULTICALL_MAX; i++)
		expect_equal(calls[i].result, i & 1 ? HYPERCALL_ENOSYS : 0, "element %u", i);
	for (unsigned i = 0; i < RING3_MULTICALL_MAX; i++)
		calls[i].result = 7;
	CALLS(10, MULTICALL, pa, 10, 4);
	for (unsigned i = 0; i < 16; i++)
		expect_equal(calls[i].result == 7, i < 4 || i >= 10, "element %u, from 4 to 9", i);
	CALLS(10, MULTICALL, pa, 10, 10);
	CALLS(0, MULTICALL, pa, 0, 0);
	CALLS(HYPERCALL_EINVAL, MULTICALL, pa, 10, 11);
	CALLS(HYPERCALL_EINVAL, MULTICALL, pa, 10, ~0u);
	CALLS(HYPERCALL_EINVAL, MULTICALL, pa, RING3_MULTICALL_MAX + 1, 0);
	CALLS(HYPERCALL_EINVAL, MULTICALL, pa, ~0u, 0);
	for (unsigned i = 1; i < 8; i++)
		CALLS(HYPERCALL_EINVAL, MULTICALL, pa + i, 1, 0);
	CALLS(HYPERCALL_EFAULT, MULTICALL, NOT_RAM, 1, 0);
	CALLS(HYPERCALL_EFAULT, MULTICALL, -64ul, 1, 0);
	CALLS(HYPERCALL_EFAULT, MULTICALL, case_ram_end() - 64, 2, 0);
}

/* A call that writes into the array: the ones behind it are what they are then. */
static void overlapping(void)
{
	struct ring3_device_info *info = (void *)&calls[1];

	if (!case_call_exists(RING3_CALL_DEVICE_INFO))
		return;
	set(0, RING3_CALL_DEVICE_INFO, 0, pa + 64, 0);
	set(1, 0, 0, 0, 0);
	*info = (struct ring3_device_info){ .size = sizeof(*info) };
	set(2, RING3_CALL_VERSION, case_version, case_features, 0);
	CALLS(3, MULTICALL, pa, 3, 0);
	expect_equal(calls[0].result, 0);
	expect_equal(info->type, 2, "the block device");
	/* Its number is now (type << 32 | size): nobody's. */
	expect_equal(calls[1].result, HYPERCALL_ENOSYS, "read when its turn came");
	expect_equal(calls[2].result, 0);
	/* One that writes over its own element. */
	set(0, RING3_CALL_DEVICE_INFO, 0, pa + 24, 0);
	((struct ring3_device_info *)((uint8_t *)calls + 24))->size = sizeof(*info);
	CALLS(1, MULTICALL, pa, 1, 0);
	expect_equal(calls[0].result, 0);
	expect_equal(calls[0].args[2] >> 32, 2, "the block device, in the arguments");
}

void test_main(void)
{
	case_begin();
	pa = page_alloc_aligned(RING3_MULTICALL_MAX * sizeof(*calls), PAGE_SIZE);
	calls = phys_to_virt(pa);
	results();
	counts();
	overlapping();
}
