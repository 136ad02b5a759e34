// SPDX-License-Identifier: MIT
/*
 * mmu_load is MOV to CR3: programs see the other space, translations of the old one are gone, with
 * PCIDs each space keeps its own, and what it refuses changes nothing.
 */
#include "spaces.h"

CASE_NEEDS(1, FEATURE(MMU));

static uint64_t a, b, one, two, three;

static void switches(void)
{
	for (unsigned i = 0; i < 50; i++) {
		CALLS(0, MMU_LOAD, a, 0);
		expect_equal(cr3_read(), a, "CR3");
		expect_equal(seen(), 1, "the first space");
		CALLS(0, MMU_LOAD, b, 0);
		expect_equal(cr3_read(), b, "CR3");
		expect_equal(seen(), 2, "the second space");
	}
}

/* Without PCIDs a load is a flush. */
static void flushes(void)
{
	CALLS(0, MMU_LOAD, a, 0);
	expect_equal(seen(), 1);
	*page_entry_in(a, SEEN, 1) = three | PTE_P | PTE_U;
	CALLS(0, MMU_LOAD, a, 0);
	expect_equal(seen(), 3, "the new page");
	expect(!stores(SEEN, 9), "read-only now");
	*page_entry_in(a, SEEN, 1) = 0;
	CALLS(0, MMU_LOAD, a, RING3_MMU_LOAD_KEEP);
	expect_equal(seen(), FAULTED, "gone: KEEP counts with PCIDs only");
	*page_entry_in(a, SEEN, 1) = one | PTE_P | PTE_U | PTE_W;
	CALLS(0, MMU_LOAD, a, 0);
	expect_equal(seen(), 1);
	expect(stores(SEEN, 1), "writable again");
}

static void with_pcids(void)
{
	if (!cpu_has_pcid())
		return;
	CALLS(0, MMU_LOAD, a, 0);
	cr4_write(cr4_read() | CR4_PCIDE);
	for (unsigned i = 0; i < 20; i++) {
		CALLS(0, MMU_LOAD, a | 1, i ? RING3_MMU_LOAD_KEEP : 0);
		expect_equal(cr3_read(), a | 1);
		expect_equal(seen(), 1);
		CALLS(0, MMU_LOAD, b | 2, i ? RING3_MMU_LOAD_KEEP : 0);
		expect_equal(cr3_read(), b | 2);
		expect_equal(seen(), 2);
	}
	/* Without KEEP the space loaded is flushed. */
	*page_entry_in(a, SEEN, 1) = three | PTE_P | PTE_U;
	CALLS(0, MMU_LOAD, a | 1, 0);
	expect_equal(seen(), 3, "a flush of the space loaded");
	/* Another root under the same PCID. */
	CALLS(0, MMU_LOAD, b | 1, 0);
	expect_equal(seen(), 2, "the same PCID, another root");
	*page_entry_in(a, SEEN, 1) = one | PTE_P | PTE_U | PTE_W;
	CALLS(0, MMU_LOAD, a | 4095, 0);
	expect_equal(seen(), 1, "the highest PCID");
	CALLS(0, MMU_LOAD, a, 0);
	cr4_write(cr4_read() & ~CR4_PCIDE);
}

static void refuses(void)
{
	CALLS(0, MMU_LOAD, a, 0);
	for (unsigned bit = 52; bit < 64; bit++)
		expect_equal(CALL(MMU_LOAD, b | 1ul << bit, 0), HYPERCALL_EINVAL, "bit %u", bit);
	for (unsigned bit = 1; bit < 64; bit++)
		expect_equal(CALL(MMU_LOAD, b, 1ul << bit), HYPERCALL_EINVAL, "flag %u", bit);
	CALLS(HYPERCALL_EFAULT, MMU_LOAD, NOT_RAM, 0);
	CALLS(HYPERCALL_EFAULT, MMU_LOAD, case_ram_end(), 0);
	CALLS(HYPERCALL_EFAULT, MMU_LOAD, 0xfee00000, 0);
	expect_equal(cr3_read(), a, "CR3 is as it was");
	expect_equal(seen(), 1, "and the space");
}

void test_main(void)
{
	uint64_t kernel;

	case_begin();
	user_init();
	kernel = cr3_read();
	a = space_with(one = page_with(1));
	b = space_with(two = page_with(2));
	three = page_with(3);
	switches();
	flushes();
	with_pcids();
	refuses();
	CALLS(0, MMU_LOAD, kernel, 0);
	expect_equal(cr3_read(), kernel);
}
