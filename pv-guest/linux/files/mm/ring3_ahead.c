// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fewer page faults, each for more pages.
 *
 * On ring3 a fault costs as much as zeroing thirty pages: a signal and a system call of the
 * host, besides the guest's own work.  So here
 *
 *  - a first write to anonymous memory gets a block of pages, physically contiguous, because
 *    the host maps a contiguous run by one call (ring3_anon_around);
 *  - a write that continues others to memory shared by fork copies ahead (ring3_cow_around);
 *  - fork copies the pages of small programs at once, which saves both sides the fault, and
 *    child and parent most of the flush (ring3_fork_*);
 *  - exec maps what every program touches in its first instructions (ring3_exec_ahead).
 *
 * All of it is speculation as transparent huge pages are: programs see no difference but in
 * resident memory and the number of faults.  Pages are charged and accounted one by one, as
 * if the program had touched them.  What is locked, watched by userfaultfd or by MMU
 * notifiers, or has a policy of its own is left alone, and nothing is done while memory is
 * not plentiful, since pages that nobody touches are not found again.
 *
 * "ring3.faultaround=" is the largest block in pages; 1 switches all of it off.
 */
#include <linux/hugetlb.h>
#include <linux/init.h>
#include <linux/memcontrol.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmu_notifier.h>
#include <linux/moduleparam.h>
#include <linux/oom.h>
#include <linux/pagemap.h>
#include <linux/ptrace.h>
#include <linux/ring3_ahead.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/task_stack.h>
#include <linux/swap.h>
#include <linux/userfaultfd_k.h>
#include <asm/ring3.h>
#include <asm/tlbflush.h>

#include "internal.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX	"ring3."

#define AROUND_MAX	64u	/* pages */
#define AROUND_FIRST	4u	/* beside nothing that was written: it may stay alone */
#define COW_BEFORE	4u	/* pages written in a row before some are copied ahead */
#define FORK_PAGES	48u	/* programs with no more anonymous pages are copied by fork */
#define EXEC_WINDOWS	4u	/* mapped of each file */
#define EXEC_WINDOW	(16 * PAGE_SIZE)	/* what a fault of a file maps, fault_around_bytes */
#define EXEC_WRITTEN	4u	/* pages of data and bss */
#define EXEC_STACK	4u
#define EXEC_LIST	32u	/* of both, at most */

/* Speculation makes nobody give memory back. */
#define GFP_AHEAD	((GFP_HIGHUSER_MOVABLE & ~(__GFP_HIGHMEM | __GFP_RECLAIM)) | \
			 __GFP_NOWARN | __GFP_NORETRY)
#define PLENTY_SHIFT	4	/* 1/16 of memory is free or caches files: what is likely to be used */
#define MOST_SHIFT	1	/* half of it is: what may be, as well */

DEFINE_STATIC_KEY_FALSE(ring3_faults_dear_key);

static unsigned int faultaround __read_mostly = 16;
module_param(faultaround, uint, 0644);
MODULE_PARM_DESC(faultaround, "pages mapped at a fault at most; 1: no speculation");

static unsigned int around_pages(void)
{
	unsigned int n = READ_ONCE(faultaround);

	return n < 2 ? 1 : n > AROUND_MAX ? AROUND_MAX : rounddown_pow_of_two(n);
}

/* --- prefill: entries that were written, and that ring3 may map before the program asks --- */

static struct ring3_mmu_update updates[RING3_MMU_BATCH_MAX] __aligned(16);
static struct mm_struct *updates_mm;
static unsigned int updates_count;

/*
 * With the lock of the entry's table; and nobody may come in between until prefill_flush(),
 * because the call writes the entries again.  There is one CPU, so no preemption is enough.
 */
static void prefill_add(struct mm_struct *mm, unsigned long addr, pte_t *ptep)
{
	struct ring3_mmu_update *u = &updates[updates_count];

	if (updates_count == ARRAY_SIZE(updates))
		return;
	updates_count++;
	updates_mm = mm;
	u->entry = __pa(ptep) | RING3_MMU_UPDATE_PREFILL;
	u->value = pte_val(*ptep);
	u->address = addr;
}

static void prefill_flush(void)
{
	if (!updates_count)
		return;
	ring3_call3(RING3_CALL_MMU_UPDATE, __pa_symbol(updates), updates_count,
		    __pa(updates_mm->pgd));
	updates_count = 0;
}

/* --- blocks of pages --- */

/* The same of what mm's group may have.  (Its caches count as used.) */
static bool group_has_plenty(struct mm_struct *mm, unsigned int shift)
{
	bool plenty = true;
#ifdef CONFIG_MEMCG
	struct mem_cgroup *own = get_mem_cgroup_from_mm(mm), *group;
	unsigned long limit;

	for (group = own; plenty && group && !mem_cgroup_is_root(group); group = parent_mem_cgroup(group)) {
		limit = min(READ_ONCE(group->memory.max), READ_ONCE(group->memory.high));
		plenty = page_counter_read(&group->memory) + (limit >> shift) < limit;
	}
	mem_cgroup_put(own);
#endif
	return plenty;
}

static bool memory_is_plenty(struct mm_struct *mm, unsigned int shift)
{
	unsigned long pages = global_zone_page_state(NR_FREE_PAGES) +
			      global_node_page_state(NR_INACTIVE_FILE);

	return pages > totalreserve_pages + (totalram_pages() >> shift) && group_has_plenty(mm, shift);
}

static void block_free(struct page *pages, unsigned int n)
{
	while (n--)
		put_page(pages + n);
}

/* n pages in a row, each a page of its own, charged to mm; or NULL. */
static struct page *block_alloc(struct mm_struct *mm, unsigned int n, gfp_t gfp)
{
	struct page *pages;
	void *memory;
	unsigned int i;

	if (!memory_is_plenty(mm, PLENTY_SHIFT))
		return NULL;
	memory = alloc_pages_exact(n * PAGE_SIZE, GFP_AHEAD | gfp);
	if (!memory)
		return NULL;
	pages = virt_to_page(memory);
	for (i = 0; i < n; i++)
		if (mem_cgroup_charge(page_folio(pages + i), mm, GFP_NOWAIT | __GFP_NOWARN))
			break;
	if (i == n)
		return pages;
	block_free(pages, n);
	return NULL;
}

static bool vma_plain(const struct vm_area_struct *vma)
{
	return !(vma->vm_flags & (VM_SHARED | VM_LOCKED | VM_PFNMAP | VM_MIXEDMAP | VM_HUGETLB)) &&
	       !vma_policy(vma) && !userfaultfd_armed((struct vm_area_struct *)vma) &&
	       !vma_is_temporary_stack((struct vm_area_struct *)vma) &&
	       !mm_has_notifiers(vma->vm_mm);
}

static pte_t pte_of_new(struct page *page, struct vm_area_struct *vma)
{
	pte_t entry = pte_sw_mkyoung(mk_pte(page, vma->vm_page_prot));

	return vma->vm_flags & VM_WRITE ? pte_mkwrite(pte_mkdirty(entry)) : entry;
}

static void page_install(struct vm_area_struct *vma, unsigned long addr, pte_t *ptep,
			 struct page *page)
{
	page_add_new_anon_rmap(page, vma, addr);
	lru_cache_add_inactive_or_unevictable(page, vma);
	set_pte_at(vma->vm_mm, addr, ptep, pte_of_new(page, vma));
}

/* --- first writes --- */

/* A page of vma's that its program has put something in; not one that came ahead. */
static bool page_written(struct vm_area_struct *vma, unsigned long addr, pte_t pte)
{
	struct page *page;

	if (addr < vma->vm_start || addr >= vma->vm_end || !pte_present(pte) || !pte_write(pte))
		return false;
	page = vm_normal_page(vma, addr, pte);
	return page && memchr_inv(page_address(page), 0, PAGE_SIZE);
}

/* The aligned block around addr of which nothing exists yet.  ptep is addr's entry, locked. */
static unsigned int anon_block(const struct vm_fault *vmf, pte_t *ptep, unsigned long *start)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = vmf->address & PAGE_MASK;
	unsigned int index = pte_index(addr), n = around_pages(), i;

	if (!(index && page_written(vma, addr - PAGE_SIZE, ptep[-1])) &&
	    !(index < PTRS_PER_PTE - 1 && page_written(vma, addr + PAGE_SIZE, ptep[1])))
		n = memory_is_plenty(vma->vm_mm, MOST_SHIFT) ? min(n, AROUND_FIRST) : 1;
	for (; n > 1; n /= 2) {
		*start = addr & ~(n * PAGE_SIZE - 1);
		if (*start < vma->vm_start || *start + n * PAGE_SIZE > vma->vm_end)
			continue;
		for (i = 0; i < n; i++)
			if (!pte_none(ptep[(long)i - (long)((addr - *start) >> PAGE_SHIFT)]))
				break;
		if (i == n)
			break;
	}
	return n;
}

bool __ring3_anon_around(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct mm_struct *mm = vma->vm_mm;
	unsigned long start = 0;
	struct page *pages;
	unsigned int n, i;
	pte_t *ptep;

	if (!vma_plain(vma))
		return false;
	/* With the pages at hand it will be looked at again. */
	ptep = pte_offset_map_lock(mm, vmf->pmd, vmf->address, &vmf->ptl);
	n = anon_block(vmf, ptep, &start);
	pte_unmap_unlock(ptep, vmf->ptl);
	if (n < 2)
		return false;
	pages = block_alloc(mm, n, __GFP_ZERO);
	if (!pages)
		return false;
	for (i = 0; i < n; i++)
		__folio_mark_uptodate(page_folio(pages + i));
	ptep = pte_offset_map_lock(mm, vmf->pmd, start, &vmf->ptl);
	for (i = 0; i < n; i++)
		if (!pte_none(ptep[i]))
			break;
	if (i < n || check_stable_address_space(mm)) {
		pte_unmap_unlock(ptep, vmf->ptl);
		block_free(pages, n);
		return false;
	}
	add_mm_counter(mm, MM_ANONPAGES, n);
	for (i = 0; i < n; i++)
		page_install(vma, start + i * PAGE_SIZE, ptep + i, pages + i);
	pte_unmap_unlock(ptep, vmf->ptl);
	return true;
}

/* --- writes after fork --- */

static bool cow_page(struct vm_area_struct *vma, unsigned long addr, pte_t pte,
		     struct page **page)
{
	if (!pte_present(pte) || pte_write(pte))
		return false;
	*page = vm_normal_page(vma, addr, pte);
	return *page && PageAnon(*page) && !PageCompound(*page) && !PageKsm(*page) &&
	       !PageAnonExclusive(*page) && page_mapcount(*page) > 1;
}

bool __ring3_cow_around(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct mm_struct *mm = vma->vm_mm;
	unsigned long addr = vmf->address & PAGE_MASK, end;
	struct page *old[AROUND_MAX], *pages;
	unsigned int n = 0, i;
	pte_t *ptep = vmf->pte;

	if (!vma_plain(vma) || vmf->flags & FAULT_FLAG_UNSHARE || !vma->anon_vma)
		return false;
	/* Only what continues: pages before that were written, pages behind like this one. */
	if (pte_index(addr) < COW_BEFORE || addr - vma->vm_start < COW_BEFORE * PAGE_SIZE)
		return false;
	for (i = 1; i <= COW_BEFORE; i++)
		if (!pte_present(ptep[-(long)i]) || !pte_write(ptep[-(long)i]))
			return false;
	end = min(vma->vm_end, (addr & ~(around_pages() * PAGE_SIZE - 1)) +
			       around_pages() * PAGE_SIZE);
	while (addr + n * PAGE_SIZE < end && n < PTRS_PER_PTE - pte_index(addr)) {
		if (!cow_page(vma, addr + n * PAGE_SIZE, ptep[n], &old[n]))
			break;
		n++;
	}
	if (n < 2)
		return false;
	/* Nothing that follows waits, so the lock stays, and the old pages with it. */
	pages = block_alloc(mm, n, 0);
	if (!pages)
		return false;
	for (i = 0; i < n; i++) {
		if (copy_mc_user_highpage(pages + i, old[i], addr + i * PAGE_SIZE, vma)) {
			block_free(pages, n);
			return false;
		}
		__folio_mark_uptodate(page_folio(pages + i));
	}
	for (i = 0; i < n; i++)
		ptep_get_and_clear(mm, addr + i * PAGE_SIZE, ptep + i);
	flush_tlb_range(vma, addr, addr + n * PAGE_SIZE);
	for (i = 0; i < n; i++) {
		page_install(vma, addr + i * PAGE_SIZE, ptep + i, pages + i);
		page_remove_rmap(old[i], vma, false);
		free_swap_cache(old[i]);
		put_page(old[i]);
	}
	return true;
}

/* --- fork --- */

static struct {
	struct task_struct *owner;	/* who forks; others meanwhile go without */
	struct mm_struct *mm;
	unsigned long stack;		/* page that the program's stack pointer is in */
	bool all;			/* it is small */
	struct page *pages;
	unsigned int next, count;
} forker;

void __ring3_fork_begin(struct mm_struct *mm)
{
	unsigned long anon = get_mm_counter(mm, MM_ANONPAGES);

	/* With threads a copy of a page would not be of one moment. */
	if (around_pages() < 2 || atomic_read(&mm->mm_users) != 1 || current->mm != mm ||
	    mm_has_notifiers(mm) || cmpxchg(&forker.owner, NULL, current))
		return;
	forker.mm = mm;
	forker.stack = user_stack_pointer(current_pt_regs()) & PAGE_MASK;
	forker.all = anon <= FORK_PAGES;
	forker.next = 0;
	forker.count = forker.all ? anon : 1;
	forker.pages = forker.count ? block_alloc(mm, forker.count, 0) : NULL;
	if (!forker.pages)
		forker.count = 0;
}

void __ring3_fork_end(void)
{
	if (forker.owner != current)
		return;
	while (forker.next < forker.count)
		put_page(forker.pages + forker.next++);
	forker.mm = NULL;
	WRITE_ONCE(forker.owner, NULL);
}

struct page *__ring3_fork_page(struct vm_area_struct *vma, unsigned long addr, pte_t pte,
			       struct page *page)
{
	if (forker.owner != current || vma->vm_mm != forker.mm || forker.next == forker.count)
		return NULL;
	if (!pte_write(pte) || PageCompound(page) || PageKsm(page) || !PageAnonExclusive(page) ||
	    !vma_plain(vma))
		return NULL;
	if (!forker.all && addr != forker.stack)
		return NULL;
	return forker.pages + forker.next++;
}

void __ring3_fork_copied(struct mm_struct *mm, unsigned long addr, pte_t *ptep)
{
	prefill_add(mm, addr, ptep);
}

void __ring3_fork_unlock(struct mm_struct *mm)
{
	prefill_flush();
}

/* --- exec --- */

struct exec_list {
	unsigned int count;
	unsigned long addr[EXEC_LIST];
};

static void exec_note(struct exec_list *list, unsigned long addr)
{
	if (list->count < ARRAY_SIZE(list->addr))
		list->addr[list->count++] = addr;
}

static void exec_prefill(struct mm_struct *mm, const struct exec_list *list)
{
	spinlock_t *ptl;	/* of the entry's table */
	unsigned int i;
	pmd_t *pmd;
	pte_t *ptep;

	/* Not interrupted by another task, entries stay what they are when no lock is held. */
	preempt_disable();
	for (i = 0; i < list->count; i++) {
		pmd = mm_find_pmd(mm, list->addr[i]);
		if (!pmd)
			continue;
		ptep = pte_offset_map_lock(mm, pmd, list->addr[i], &ptl);
		if (pte_present(*ptep))
			prefill_add(mm, list->addr[i], ptep);
		pte_unmap_unlock(ptep, ptl);
	}
	prefill_flush();
	preempt_enable();
}

/* Files are read when they are needed, not before. */
static bool exec_cached(struct vm_area_struct *vma, unsigned long addr)
{
	void *entry;

	if (!vma->vm_file)
		return true;
	entry = xa_load(&vma->vm_file->f_mapping->i_pages, linear_page_index(vma, addr));
	return entry && !xa_is_value(entry);
}

static void exec_touch(struct vm_area_struct *vma, unsigned long addr, bool write)
{
	if (exec_cached(vma, addr))
		handle_mm_fault(vma, addr, write ? FAULT_FLAG_WRITE : 0, NULL);
}

static void exec_vma(struct vm_area_struct *vma, unsigned long ip, struct exec_list *list)
{
	unsigned long at, pages = vma_pages(vma);
	unsigned int i;

	if (vma->vm_flags & (VM_SHARED | VM_IO | VM_GROWSDOWN) || vma_is_anonymous(vma) !=
	    !vma->vm_file)
		return;
	if (vma->vm_flags & VM_WRITE) {
		/* Data and bss; large arrays come as they are used. */
		for (i = 0; i < min_t(unsigned long, pages, EXEC_WRITTEN); i++) {
			at = vma->vm_start + i * PAGE_SIZE;
			exec_touch(vma, at, true);
			exec_note(list, at);
		}
	} else if (vma->vm_file && vma->vm_flags & (VM_READ | VM_EXEC)) {
		at = vma->vm_start;
		if (pages > EXEC_WINDOWS * EXEC_WINDOW / PAGE_SIZE && ip >= at && ip < vma->vm_end)
			at = ip & ~(EXEC_WINDOW - 1);
		at = max(at, vma->vm_start);
		for (i = 0; i < EXEC_WINDOWS && at < vma->vm_end; i++, at += EXEC_WINDOW)
			exec_touch(vma, at, false);
	}
}

void __ring3_exec_ahead(unsigned long ip, unsigned long sp)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	struct exec_list list = { 0 };
	struct vma_iterator vmi;
	unsigned long at;

	if (around_pages() < 2 || !memory_is_plenty(mm, PLENTY_SHIFT) || !mmap_read_trylock(mm))
		return;
	vma_iter_init(&vmi, mm, 0);
	for_each_vma(vmi, vma)
		exec_vma(vma, ip, &list);
	for (at = sp & PAGE_MASK; at < mm->start_stack + EXEC_STACK * PAGE_SIZE; at += PAGE_SIZE)
		exec_note(&list, at);
	exec_prefill(mm, &list);
	mmap_read_unlock(mm);
}

static int __init ring3_ahead_init(void)
{
	/* What is static here relies on one CPU; there is no other ring3. */
	if (ring3_guest() && ring3_has(RING3_FEATURE_MMU) && num_possible_cpus() == 1 &&
	    ring3_hints & BIT_ULL(RING3_HINT_FAULTS_DEAR))
		static_branch_enable(&ring3_faults_dear_key);
	return 0;
}
early_initcall(ring3_ahead_init);
