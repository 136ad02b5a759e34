/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory management where a page fault is dear: hooks of mm/ that call mm/ring3_ahead.c on
 * a ring3 that says so (hint FAULTS_DEAR), and cost a patched branch anywhere else.
 */
#ifndef _LINUX_RING3_AHEAD_H
#define _LINUX_RING3_AHEAD_H

#include <linux/jump_label.h>
#include <linux/mm_types.h>

struct vm_fault;

#ifdef CONFIG_RING3_GUEST

DECLARE_STATIC_KEY_FALSE(ring3_faults_dear_key);

static inline bool ring3_faults_dear(void)
{
	return static_branch_unlikely(&ring3_faults_dear_key);
}

bool __ring3_anon_around(struct vm_fault *vmf);
bool __ring3_cow_around(struct vm_fault *vmf);
void __ring3_fork_begin(struct mm_struct *mm);
void __ring3_fork_end(void);
struct page *__ring3_fork_page(struct vm_area_struct *vma, unsigned long addr, pte_t pte,
			       struct page *page);
void __ring3_fork_copied(struct mm_struct *mm, unsigned long addr, pte_t *ptep);
void __ring3_fork_unlock(struct mm_struct *mm);
void __ring3_exec_ahead(unsigned long ip, unsigned long sp);

#else

static inline bool ring3_faults_dear(void)
{
	return false;
}

static inline bool __ring3_anon_around(struct vm_fault *vmf) { return false; }
static inline bool __ring3_cow_around(struct vm_fault *vmf) { return false; }
static inline void __ring3_fork_begin(struct mm_struct *mm) { }
static inline void __ring3_fork_end(void) { }
static inline struct page *__ring3_fork_page(struct vm_area_struct *vma, unsigned long addr,
					     pte_t pte, struct page *page) { return NULL; }
static inline void __ring3_fork_copied(struct mm_struct *mm, unsigned long addr, pte_t *ptep) { }
static inline void __ring3_fork_unlock(struct mm_struct *mm) { }
static inline void __ring3_exec_ahead(unsigned long ip, unsigned long sp) { }

#endif

/*
 * A first write to an anonymous page, nothing locked but mmap_lock: true: it and neighbours
 * were mapped; false: nothing was done.
 */
static inline bool ring3_anon_around(struct vm_fault *vmf)
{
	return ring3_faults_dear() && __ring3_anon_around(vmf);
}

/*
 * The same for a write to an anonymous page that is shared by fork.  vmf->ptl is held.
 */
static inline bool ring3_cow_around(struct vm_fault *vmf)
{
	return ring3_faults_dear() && __ring3_cow_around(vmf);
}

/*
 * Fork.  Between begin and end, which hold mm's mmap_lock for writing, ring3_fork_page() says
 * whether the child gets a copy of a page now, and gives the page for it; copied: its entry was
 * written.  unlock: the page tables' locks are about to be released.
 */
static inline void ring3_fork_begin(struct mm_struct *mm)
{
	if (ring3_faults_dear())
		__ring3_fork_begin(mm);
}

static inline void ring3_fork_end(void)
{
	if (ring3_faults_dear())
		__ring3_fork_end();
}

static inline struct page *ring3_fork_page(struct vm_area_struct *vma, unsigned long addr,
					   pte_t pte, struct page *page)
{
	return ring3_faults_dear() ? __ring3_fork_page(vma, addr, pte, page) : NULL;
}

static inline void ring3_fork_copied(struct mm_struct *mm, unsigned long addr, pte_t *ptep)
{
	if (ring3_faults_dear())
		__ring3_fork_copied(mm, addr, ptep);
}

static inline void ring3_fork_unlock(struct mm_struct *mm)
{
	if (ring3_faults_dear())
		__ring3_fork_unlock(mm);
}

/* A new program will start at ip with its stack at sp. */
static inline void ring3_exec_ahead(unsigned long ip, unsigned long sp)
{
	if (ring3_faults_dear())
		__ring3_exec_ahead(ip, sp);
}

#endif
