// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces on ring3.
 *
 * Page-table writes are plain stores there, as on any PC: nothing is trapped, and a missing
 * translation is found when it is needed.  What is dear is what the host's kernel does for
 * it.  So ring3 is told what it cannot see: that a space is gone, whose host memory and
 * process are of better use to another one.
 */
#include <linux/init.h>
#include <linux/mm_types.h>
#include <asm/paravirt.h>
#include <asm/tlbflush.h>

#include "ring3.h"

static void ring3_pgd_free(struct mm_struct *mm, pgd_t *pgd)
{
	ring3_call1(RING3_CALL_SPACE_DESTROY, __pa(pgd));
}

static void ring3_write_cr3(unsigned long cr3)
{
	unsigned long flags = cr3 & X86_CR3_PCID_NOFLUSH ? RING3_MMU_LOAD_KEEP : 0;

	if (unlikely(ring3_call2(RING3_CALL_MMU_LOAD, cr3 & ~X86_CR3_PCID_NOFLUSH, flags)))
		native_write_cr3(cr3);
}

void __init ring3_mmu_init(void)
{
	pv_ops.mmu.write_cr3 = ring3_write_cr3;
	pv_ops.mmu.pgd_free = ring3_pgd_free;
}
