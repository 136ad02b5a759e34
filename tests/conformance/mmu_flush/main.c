// SPDX-License-Identifier: MIT
/*
 * mmu_flush forgets what its kind says, so that page tables changed by plain writes count: pages and
 * ranges of a space, a space, all, and global pages; for programs and for the kernel.
 */
#include "spaces.h"

CASE_NEEDS(1, FEATURE(MMU));

#define USER	(PTE_P | PTE_U | PTE_W)
#define RANGE	(USER_FREE + 0x800000)
#define COUNT	200u

static uint64_t kernel, pages[8];

static void map(uint64_t root, uint64_t va, unsigned n, uint64_t flags)
{
	*(volatile uint64_t *)page_entry_in(root, va, 1) = pages[n] | flags;
}

/* Changes the page under a program's feet, flushes, and looks. */
static void programs(uint32_t kind)
{
	bool range = kind == RING3_FLUSH_PAGES;
	uint64_t global = kind == RING3_FLUSH_GLOBAL || range ? PTE_G : 0;

	for (unsigned i = 0; i < 16; i++) {
		map(kernel, SEEN, i % 8, USER | global);
		CALLS(0, MMU_FLUSH, kind, kernel, range ? SEEN : 0, range ? 1 : 0);
		expect_equal(seen(), i % 8, "kind %u", kind);
	}
	map(kernel, SEEN, 1, PTE_P | PTE_U | global);
	CALLS(0, MMU_FLUSH, kind, kernel, range ? SEEN : 0, range ? 1 : 0);
	expect_equal(seen(), 1);
	expect(!stores(SEEN, 1), "read-only, kind %u", kind);
	map(kernel, SEEN, 1, 0);
	*page_entry(SEEN, 1) = 0;
	CALLS(0, MMU_FLUSH, kind, kernel, range ? SEEN : 0, range ? 1 : 0);
	expect_equal(seen(), FAULTED, "none, kind %u", kind);
}

static void kernel_pages(uint32_t kind, uint64_t global)
{
	volatile uint64_t *p = (volatile uint64_t *)TEST_BASE;
	bool range = kind == RING3_FLUSH_PAGES;

	for (unsigned i = 0; i < 16; i++) {
		map(kernel, TEST_BASE, i % 8, PTE_P | PTE_W | global);
		CALLS(0, MMU_FLUSH, kind, kernel, range ? TEST_BASE : 0, range ? 1 : 0);
		expect_equal(*p, i % 8, "the kernel's page, kind %u", kind);
	}
	*page_entry(TEST_BASE, 1) = 0;
	CALLS(0, MMU_FLUSH, RING3_FLUSH_GLOBAL, kernel, 0, 0);
}

static void range(unsigned count)
{
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < count; i++)
			map(kernel, RANGE + i * PAGE_SIZE, (i + round) % 8, USER);
		CALLS(0, MMU_FLUSH, RING3_FLUSH_PAGES, kernel, RANGE, count);
		for (unsigned i = 0; i < count; i += i == count - 2 ? 1 : 3)
			expect_equal(seen_at(RANGE + i * PAGE_SIZE), (i + round) % 8, "page %u of %u", i, count);
	}
}

static void ranges(void)
{
	for (unsigned count = 2; count < COUNT; count += count / 2)
		range(count);
	/* However many: all of them, without end. */
	map(kernel, SEEN, 1, USER);
	seen();
	map(kernel, SEEN, 2, USER);
	CALLS(0, MMU_FLUSH, RING3_FLUSH_PAGES, kernel, 0, ~0ul);
	expect_equal(seen(), 2, "all there are");
	map(kernel, SEEN, 3, USER);
	CALLS(0, MMU_FLUSH, RING3_FLUSH_PAGES, kernel, -4096ul, 1);
	CALLS(0, MMU_FLUSH, RING3_FLUSH_PAGES, kernel, 0, 0);
	CALLS(0, MMU_FLUSH, RING3_FLUSH_PAGES, kernel, 1ul << 60, 1000);
	CALLS(0, MMU_FLUSH, RING3_FLUSH_PAGES, kernel, SEEN, 1);
	expect_equal(seen(), 3);
}

static void other_spaces(void)
{
	uint64_t other = space_with(pages[0]);

	if (!cpu_has_pcid())
		return;
	cr4_write(cr4_read() | CR4_PCIDE);
	for (unsigned kind = 0; kind < 4; kind++) {
		bool range = kind == RING3_FLUSH_PAGES;

		map(other, SEEN, 1, USER);
		CALLS(0, MMU_LOAD, other | 9, 0);
		expect_equal(seen(), 1);
		CALLS(0, MMU_LOAD, kernel, RING3_MMU_LOAD_KEEP);
		map(other, SEEN, 2 + kind, USER);
		CALLS(0, MMU_FLUSH, kind, kind <= RING3_FLUSH_SPACE ? other | 9 : 0,
		      range ? SEEN : 0, range ? 1 : 0);
		CALLS(0, MMU_LOAD, other | 9, RING3_MMU_LOAD_KEEP);
		expect_equal(seen(), 2 + kind, "kind %u", kind);
		CALLS(0, MMU_LOAD, kernel, 0);
	}
	cr4_write(cr4_read() & ~CR4_PCIDE);
}

static void refuses(void)
{
	CALLS(HYPERCALL_EINVAL, MMU_FLUSH, 4, kernel, 0, 0);
	CALLS(HYPERCALL_EINVAL, MMU_FLUSH, ~0u, kernel, 0, 0);
	for (unsigned kind = RING3_FLUSH_SPACE; kind <= RING3_FLUSH_GLOBAL; kind++) {
		expect_equal(CALL(MMU_FLUSH, kind, kernel, SEEN, 0), HYPERCALL_EINVAL, "kind %u", kind);
		expect_equal(CALL(MMU_FLUSH, kind, kernel, 0, 1), HYPERCALL_EINVAL, "kind %u", kind);
	}
	CALLS(HYPERCALL_EINVAL, MMU_FLUSH, RING3_FLUSH_PAGES, kernel, SEEN + 1, 1);
	CALLS(HYPERCALL_EINVAL, MMU_FLUSH, RING3_FLUSH_PAGES, kernel | 1ul << 63, SEEN, 1);
	CALLS(HYPERCALL_EINVAL, MMU_FLUSH, RING3_FLUSH_SPACE, kernel | 1ul << 62, 0, 0);
}

void test_main(void)
{
	case_begin();
	user_init();
	kernel = cr3_read();
	cr4_write(cr4_read() | CR4_PGE);
	for (unsigned i = 0; i < 8; i++)
		pages[i] = page_with(i);
	for (uint32_t kind = 0; kind < 4; kind++) {
		programs(kind);
		kernel_pages(kind, kind == RING3_FLUSH_GLOBAL || kind == RING3_FLUSH_PAGES ? PTE_G : 0);
	}
	ranges();
	other_spaces();
	refuses();
}
