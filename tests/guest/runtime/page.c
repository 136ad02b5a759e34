// SPDX-License-Identifier: MIT
/*
 * Physical page allocator (a counter from the end of the image) and page tables.
 */
#include "page.h"

#include "runtime.h"
#include "test.h"

#define PHYS_LIMIT	(64ul << 20)	/* all tests fit the smallest machine they run on */

static uint64_t page_next;

uint64_t virt_to_phys(const volatile void *p)
{
	uint64_t va = (uint64_t)p;

#if GUEST_BASE
	if (va >= GUEST_BASE)
		return va - GUEST_BASE;
#endif
	return va - DIRECT_BASE;
}

uint64_t page_alloc_aligned(uint64_t size, uint64_t align)
{
	uint64_t pa;

	if (!page_next)
		page_next = virt_to_phys(image_end);
	pa = (page_next + align - 1) & ~(align - 1);
	page_next = pa + size;
	if (page_next > PHYS_LIMIT)
		test_error("out of memory");
	memset(phys_to_virt(pa), 0, size);
	return pa;
}

uint64_t page_alloc(void)
{
	return page_alloc_aligned(PAGE_SIZE, PAGE_SIZE);
}

uint64_t *page_entry_in(uint64_t root, uint64_t va, unsigned level)
{
	uint64_t *table = phys_to_virt(root & PTE_ADDRESS);

	for (unsigned l = 4;; l--) {
		uint64_t *e = &table[va >> (12 + 9 * (l - 1)) & 511];

		if (l == level)
			return e;
		if (!(*e & PTE_P) || (*e & PTE_PS))
			*e = page_alloc() | PTE_P | PTE_W | PTE_U;
		table = phys_to_virt(*e & PTE_ADDRESS);
	}
}

uint64_t *page_entry(uint64_t va, unsigned level)
{
	return page_entry_in(cr3_read(), va, level);
}

void page_map(uint64_t va, uint64_t pa, uint64_t flags)
{
	*(volatile uint64_t *)page_entry(va, 1) = pa | flags;
}

void page_map_large(uint64_t va, uint64_t pa, uint64_t flags, unsigned level)
{
	*(volatile uint64_t *)page_entry(va, level) = pa | flags | PTE_PS;
}

uint64_t page_root_new(void)
{
	uint64_t root = page_alloc();
	uint64_t *to = phys_to_virt(root), *from = phys_to_virt(cr3_read() & PTE_ADDRESS);

	if (GUEST_BASE) {
		memcpy(to + 256, from + 256, 2048);
	} else {
		/* Entry 0 holds the kernel and, from 1 GiB, user space: share the kernel's GiBs. */
		uint64_t pdpt = page_alloc();
		uint64_t *t = phys_to_virt(pdpt), *f = phys_to_virt(from[0] & PTE_ADDRESS);

		to[0] = pdpt | PTE_P | PTE_W | PTE_U;
		t[0] = f[0];
		t[3] = f[3];
		memcpy(t + 256, f + 256, 2048);
		memcpy(to + 256, from + 256, 2048);
	}
	return root;
}
