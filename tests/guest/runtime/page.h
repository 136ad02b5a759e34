/* SPDX-License-Identifier: MIT */
/*
 * Physical pages and page tables.
 *
 * High variant: the kernel image at -2 GiB, all physical memory at DIRECT_BASE, the lower
 * half empty.  Low variant: everything identity-mapped, the upper half empty.
 * Nothing here flushes: that is what tests are about.
 */
#ifndef GUEST_PAGE_H
#define GUEST_PAGE_H

#include "cpu.h"

#define PAGE_SIZE	4096ul
#define PTE_P		(1ul << 0)
#define PTE_W		(1ul << 1)
#define PTE_U		(1ul << 2)
#define PTE_PWT		(1ul << 3)
#define PTE_PCD		(1ul << 4)
#define PTE_A		(1ul << 5)
#define PTE_D		(1ul << 6)
#define PTE_PS		(1ul << 7)
#define PTE_G		(1ul << 8)
#define PTE_NX		(1ul << 63)
#define PTE_ADDRESS	0x000ffffffffff000ul

#define PF_P	(1u << 0)
#define PF_W	(1u << 1)
#define PF_U	(1u << 2)
#define PF_RSVD	(1u << 3)
#define PF_I	(1u << 4)

#if GUEST_BASE
#define DIRECT_BASE	0xffff888000000000ul
#define TEST_BASE	0xffffc90000000000ul	/* free for supervisor mappings of tests */
#else
#define DIRECT_BASE	0ul
#define TEST_BASE	0x0000004000000000ul
#endif

static inline void *phys_to_virt(uint64_t pa) { return (void *)(pa + DIRECT_BASE); }
/* Of the image's own symbols and of phys_to_virt() pointers. */
uint64_t virt_to_phys(const volatile void *p);

/* Zeroed, never freed. */
uint64_t page_alloc(void);
uint64_t page_alloc_aligned(uint64_t size, uint64_t align);

/*
 * Pointer to the entry that maps va at level 1 (4 KiB), 2 (2 MiB) or 3 (1 GiB) under the
 * page-table root; tables between are made with P, W and U, large pages on the way replaced.
 */
uint64_t *page_entry_in(uint64_t root, uint64_t va, unsigned level);
uint64_t *page_entry(uint64_t va, unsigned level);	/* under CR3 */
void page_map(uint64_t va, uint64_t pa, uint64_t flags);	/* 4 KiB; flags need PTE_P */
void page_map_large(uint64_t va, uint64_t pa, uint64_t flags, unsigned level);
/* A new root that shares the kernel's half. */
uint64_t page_root_new(void);

#endif
