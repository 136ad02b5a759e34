/* SPDX-License-Identifier: MIT */
/*
 * Address spaces with one page each that a program at CPL3 looks at: what does it see?
 * The including file has the two user programs below in its own image.
 */
#ifndef CONFORMANCE_SPACES_H
#define CONFORMANCE_SPACES_H

#include "case.h"
#include "page.h"
#include "user.h"

#define SEEN	(USER_FREE + 0x3000)	/* the address that is looked at */
#define FAULTED	(~0ul)

user_program(space_load, "mov (%rdi), %rax\n\tsyscall");
user_program(space_store, "mov %rsi, (%rdi)\n\tsyscall");

/* A page whose first word is this. */
static inline uint64_t page_with(uint64_t word)
{
	uint64_t pa = page_alloc();

	*(uint64_t *)phys_to_virt(pa) = word;
	return pa;
}

/* A root with the kernel, the user programs and `pa` at SEEN. */
static inline uint64_t space_with(uint64_t pa)
{
	uint64_t root = page_root_new();

	user_map_into(root);
	*page_entry_in(root, SEEN, 1) = pa | PTE_P | PTE_U | PTE_W;
	return root;
}

/* Physical address of the entry that maps va at a level. */
static inline uint64_t entry_pa(uint64_t root, uint64_t va, unsigned level)
{
	return virt_to_phys(page_entry_in(root, va, level));
}

/* What a program reads at va: the word, or FAULTED. */
static inline uint64_t seen_at(uint64_t va)
{
	return user_run(space_load, va, 0, 0) == TRAP_SYSCALL ? user_frame.rax : FAULTED;
}

static inline uint64_t seen(void)
{
	return seen_at(SEEN);
}

static inline bool stores(uint64_t va, uint64_t word)
{
	return user_run(space_store, va, word, 0) == TRAP_SYSCALL;
}

#endif
