// SPDX-License-Identifier: MIT
/*
 * mmu_update writes entries and leaves no older translation in use: for programs and the kernel, in
 * the space loaded and in another, pages and large pages, with and without PREFILL; the entries are
 * in memory afterwards, exactly as given.
 */
#include "spaces.h"
#include "trap.h"

CASE_NEEDS(1, FEATURE(MMU));

#define USER	(PTE_P | PTE_U | PTE_W)
#define RANGE	(USER_FREE + 0x800000)	/* 512 pages */

static uint64_t list_pa, kernel, pages[512];
static struct ring3_mmu_update *list;

static int64_t update(uint64_t root, uint64_t va, unsigned level, uint64_t value, uint64_t flags)
{
	list[0] = (struct ring3_mmu_update){ entry_pa(root, va, level) | flags, value, va };
	return CALL(MMU_UPDATE, list_pa, 1, root);
}

static void one_page(uint64_t flags)
{
	for (unsigned i = 0; i < 40; i++) {
		expect_equal(update(kernel, SEEN, 1, pages[i] | USER, flags), 1);
		expect_equal(*page_entry(SEEN, 1) & ~(PTE_A | PTE_D), pages[i] | USER, "in memory");
		expect_equal(seen(), i, "mapped");
	}
	expect_equal(update(kernel, SEEN, 1, pages[7] | PTE_P | PTE_U, flags), 1);
	expect_equal(seen(), 7, "read-only");
	expect(!stores(SEEN, 7), "not writable");
	expect_equal(update(kernel, SEEN, 1, pages[7] | USER, flags), 1);
	expect(stores(SEEN, 7), "writable again");
	expect_equal(update(kernel, SEEN, 1, pages[7] | PTE_P | PTE_W, flags), 1);
	expect_equal(seen(), FAULTED, "the kernel's alone");
	expect_equal(update(kernel, SEEN, 1, pages[7] & ~PTE_P, flags), 1);
	expect_equal(*page_entry(SEEN, 1), pages[7], "not present: any value");
	expect_equal(seen(), FAULTED, "not present");
	expect_equal(update(kernel, SEEN, 1, 0xdead0000beee, flags), 1);
	expect_equal(*page_entry(SEEN, 1), 0xdead0000beee);
	expect_equal(seen(), FAULTED, "nothing");
}

static void batch(uint64_t flags)
{
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 512; i++)
			list[i] = (struct ring3_mmu_update){
				entry_pa(kernel, RANGE + i * PAGE_SIZE, 1) | flags,
				round == 1 && i % 3 == 0 ? 0 : pages[(i + round * 100) % 512] | USER,
				RANGE + i * PAGE_SIZE + 0x123,
			};
		CALLS(512, MMU_UPDATE, list_pa, 512, kernel);
		for (unsigned i = 0; i < 512; i += 5)
			expect_equal(seen_at(RANGE + i * PAGE_SIZE),
				     round == 1 && i % 3 == 0 ? FAULTED : (i + round * 100) % 512,
				     "page %u, round %u", i, round);
	}
}

/* The same entry several times: the last one counts. */
static void in_order(void)
{
	for (unsigned i = 0; i < 100; i++)
		list[i] = (struct ring3_mmu_update){ entry_pa(kernel, SEEN, 1), pages[i] | USER, SEEN };
	CALLS(100, MMU_UPDATE, list_pa, 100, kernel);
	expect_equal(seen(), 99);
	CALLS(0, MMU_UPDATE, list_pa, 0, kernel);
	expect_equal(seen(), 99, "none");
}

static void kernel_pages(void)
{
	volatile uint64_t *p = (volatile uint64_t *)TEST_BASE;

	for (unsigned i = 0; i < 20; i++) {
		expect_equal(update(kernel, TEST_BASE, 1, pages[i] | PTE_P | PTE_W | (i & 1 ? PTE_G : 0), 0),
			     1);
		expect_equal(*p, i, "the kernel's page");
	}
	expect_equal(update(kernel, TEST_BASE, 1, 0, 0), 1);
	expect_equal(try_read(p), PF, "unmapped");
	expect_equal(update(kernel, TEST_BASE, 1, pages[3] | PTE_P, 0), 1);
	expect_equal(*p, 3);
}

static void large_pages(void)
{
	uint64_t va = USER_FREE + 0x2000000, large = page_alloc_aligned(0x400000, 0x200000);

	*(uint64_t *)phys_to_virt(large + 0x5000) = 0x111;
	*(uint64_t *)phys_to_virt(large + 0x205000) = 0x222;
	expect_equal(update(kernel, va, 2, large | USER | PTE_PS, RING3_MMU_UPDATE_PREFILL), 1);
	expect_equal(seen_at(va + 0x5000), 0x111);
	list[0] = (struct ring3_mmu_update){ entry_pa(kernel, va, 2), (large + 0x200000) | USER | PTE_PS,
					     va + 0x5000 };
	CALLS(1, MMU_UPDATE, list_pa, 1, kernel);
	expect_equal(seen_at(va + 0x5000), 0x222, "another large page");
	expect_equal(update(kernel, va + 0x5000, 2, 0, 0), 1);
	expect_equal(seen_at(va + 0x5000), FAULTED, "none");
}

/* In a space that is not loaded, whose translations it kept: nothing old when it is loaded again. */
static void another_space(void)
{
	uint64_t other = space_with(pages[1]);

	if (!cpu_has_pcid())
		return;
	cr4_write(cr4_read() | CR4_PCIDE);
	for (unsigned i = 2; i < 20; i++) {
		CALLS(0, MMU_LOAD, other | 5, i > 2 ? RING3_MMU_LOAD_KEEP : 0);
		expect_equal(seen(), i - 1);
		CALLS(0, MMU_LOAD, kernel | 6, RING3_MMU_LOAD_KEEP);
		seen();
		list[0] = (struct ring3_mmu_update){ entry_pa(other, SEEN, 1) | (i & 1),
						     pages[i] | USER, SEEN };
		CALLS(1, MMU_UPDATE, list_pa, 1, other | 5);
	}
	CALLS(0, MMU_LOAD, kernel, 0);
	cr4_write(cr4_read() & ~CR4_PCIDE);
}

static void refuses(void)
{
	uint64_t entry = entry_pa(kernel, SEEN, 1);

	update(kernel, SEEN, 1, pages[4] | USER, 0);
	CALLS(HYPERCALL_EINVAL, MMU_UPDATE, list_pa + 4, 1, kernel);
	CALLS(HYPERCALL_EINVAL, MMU_UPDATE, list_pa, RING3_MMU_BATCH_MAX + 1, kernel);
	CALLS(HYPERCALL_EINVAL, MMU_UPDATE, list_pa, 1, kernel | 1ul << 63);
	CALLS(HYPERCALL_EFAULT, MMU_UPDATE, list_pa, 1, NOT_RAM);
	for (unsigned bits = 2; bits < 8; bits++) {
		list[0] = (struct ring3_mmu_update){ entry | bits, pages[5] | USER, SEEN };
		expect_equal(CALL(MMU_UPDATE, list_pa, 1, kernel), HYPERCALL_EINVAL, "bits %u", bits);
	}
	list[0] = (struct ring3_mmu_update){ NOT_RAM, pages[5] | USER, SEEN };
	CALLS(HYPERCALL_EFAULT, MMU_UPDATE, list_pa, 1, kernel);
	list[0].entry = 0xfee00080;
	CALLS(HYPERCALL_EFAULT, MMU_UPDATE, list_pa, 1, kernel);
	expect_equal(seen(), 4, "nothing was done");
	/* The third is bad: two were done, and the fourth was not. */
	for (unsigned i = 0; i < 4; i++)
		list[i] = (struct ring3_mmu_update){
			entry_pa(kernel, RANGE + i * PAGE_SIZE, 1) | (i == 2 ? 4 : 0),
			pages[300 + i] | USER, RANGE + i * PAGE_SIZE };
	CALLS(2, MMU_UPDATE, list_pa, 4, kernel);
	expect_equal(seen_at(RANGE), 300);
	expect_equal(seen_at(RANGE + PAGE_SIZE), 301);
	expect(seen_at(RANGE + 2 * PAGE_SIZE) != 302, "the bad one");
	expect(seen_at(RANGE + 3 * PAGE_SIZE) != 303, "the one behind it");
	/* An address that no page can have is as good as none. */
	list[0] = (struct ring3_mmu_update){ entry | 1, pages[6] | USER, 1ul << 60 };
	CALLS(1, MMU_UPDATE, list_pa, 1, kernel);
}

void test_main(void)
{
	case_begin();
	user_init();
	kernel = cr3_read();
	list_pa = page_alloc_aligned(4 * PAGE_SIZE, PAGE_SIZE);
	list = phys_to_virt(list_pa);
	for (unsigned i = 0; i < 512; i++)
		pages[i] = page_with(i);
	one_page(0);
	one_page(RING3_MMU_UPDATE_PREFILL);
	batch(0);
	batch(RING3_MMU_UPDATE_PREFILL);
	in_order();
	kernel_pages();
	large_pages();
	another_space();
	refuses();
}
