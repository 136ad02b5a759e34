// SPDX-License-Identifier: MIT
/*
 * space_create is a hint, space_destroy a promise: after it nothing of the space is in use, whatever
 * its PCIDs were, so that the memory of its page tables can hold another one. The space that is
 * loaded cannot be destroyed.
 */
#include "spaces.h"

CASE_NEEDS(1, FEATURE(MMU));

static uint64_t kernel;

static void destroyed_and_reused(uint64_t pcid)
{
	uint64_t keep = pcid ? RING3_MMU_LOAD_KEEP : 0;
	uint64_t old = page_with(10), new = page_with(20), root = space_with(old);

	CALLS(0, SPACE_CREATE, root);
	CALLS(0, MMU_LOAD, root | pcid, 0);
	expect_equal(seen(), 10);
	CALLS(HYPERCALL_EBUSY, SPACE_DESTROY, root);
	expect_equal(seen(), 10, "still there");
	CALLS(0, MMU_LOAD, kernel | (pcid ? 1 : 0), keep);
	CALLS(0, SPACE_DESTROY, root);
	/* The same page table, another page: as after a free and an allocation. */
	*(volatile uint64_t *)page_entry_in(root, SEEN, 1) = new | PTE_P | PTE_U;
	CALLS(0, MMU_LOAD, root | pcid, keep);
	expect_equal(seen(), 20, "nothing of the old one, PCID %lu", pcid);
	expect(!stores(SEEN, 1), "its rights neither");
	CALLS(0, MMU_LOAD, kernel, 0);
	CALLS(0, SPACE_DESTROY, root);
	CALLS(0, SPACE_DESTROY, root);
}

static void many(void)
{
	for (unsigned i = 0; i < 200; i++) {
		static uint64_t roots[8], pages[8];
		unsigned n = i % 8;

		if (roots[n])
			CALL(SPACE_DESTROY, roots[n]);
		else
			roots[n] = space_with(pages[n] = page_with(0));
		*(uint64_t *)phys_to_virt(pages[n]) = i;
		CALLS(0, SPACE_CREATE, roots[n]);
		CALLS(0, MMU_LOAD, roots[n], 0);
		expect_equal(seen(), i, "space %u", i);
		CALLS(0, MMU_LOAD, kernel, 0);
	}
}

static void refuses(void)
{
	CALLS(HYPERCALL_EINVAL, SPACE_CREATE, kernel | 1ul << 63);
	CALLS(HYPERCALL_EINVAL, SPACE_DESTROY, kernel | 1ul << 62);
	CALLS(HYPERCALL_EFAULT, SPACE_CREATE, NOT_RAM);
	CALLS(HYPERCALL_EFAULT, SPACE_CREATE, case_ram_end());
	CALLS(HYPERCALL_EBUSY, SPACE_DESTROY, kernel);
	expect_equal(cr3_read(), kernel);
}

void test_main(void)
{
	case_begin();
	user_init();
	kernel = cr3_read();
	destroyed_and_reused(0);
	if (cpu_has_pcid()) {
		cr4_write(cr4_read() | CR4_PCIDE);
		destroyed_and_reused(7);
		destroyed_and_reused(4095);
		cr4_write(cr4_read() & ~CR4_PCIDE);
	}
	many();
	refuses();
}
