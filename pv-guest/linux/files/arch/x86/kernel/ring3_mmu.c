// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces on ring3.
 *
 * Page-table writes are plain stores there, as on any PC: nothing is trapped, and a missing
 * translation is found when it is needed.  So a batch of stores under lazy MMU mode, which
 * Xen needs, would cost more than the stores do (docs/decisions/0008 has the figures).  What
 * costs is the way to ring3 for each page that is flushed: it is gone once for a range.
 *
 * And ring3 is told what it cannot see: that a space is gone, whose host memory and process
 * are of better use to another one.
 */
#include <linux/align.h>
#include <linux/init.h>
#include <linux/mm_types.h>
#include <linux/pfn.h>
#include <asm/paravirt.h>
#include <asm/tlbflush.h>

#include "ring3.h"

/* Above it ring3 looks at everything it has mapped, as it does for a full flush. */
#define RANGE_MAX	512	/* pages */

static void ring3_pgd_free(struct mm_struct *mm, pgd_t *pgd)
{
	ring3_call1(RING3_CALL_SPACE_DESTROY, __pa(pgd));
}

bool __ring3_load_cr3(unsigned long cr3)
{
	unsigned long flags = cr3 & X86_CR3_PCID_NOFLUSH ? RING3_MMU_LOAD_KEEP : 0;

	return !ring3_call2(RING3_CALL_MMU_LOAD, cr3 & ~X86_CR3_PCID_NOFLUSH, flags);
}

bool __ring3_flush(unsigned int kind, unsigned long cr3, unsigned long start, unsigned long end)
{
	return !ring3_call4(RING3_CALL_MMU_FLUSH, kind, cr3, start, PFN_UP(end - start));
}

void __init ring3_mmu_init(void)
{
	pv_ops.mmu.pgd_free = ring3_pgd_free;
	tlb_single_page_flush_ceiling = RANGE_MAX;
}
