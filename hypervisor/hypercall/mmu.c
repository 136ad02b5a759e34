// SPDX-License-Identifier: MIT
/*
 * Calls about address spaces.  What they do is what MOV to CR3, INVLPG and writes to page tables
 * would have done, by the same functions of the engine, only more at a time.
 *
 * A space is named as CR3 names it: its root, and a PCID if CR4.PCIDE is set.
 */
#include <errno.h>

#include "abi/ring3_abi.h"
#include "emulate/system.h"
#include "hypercall/hypercall.h"
#include "machine/cpuid.h"
#include "memory/access.h"
#include "memory/ram.h"
#include "memory/walk.h"

#define CR3_RESERVED	(~((1ul << CPUID_PHYS_BITS) - 1))
#define ENTRY_FLAGS	7ul		/* low bits of an update's entry */
#define PAGES_MAX	512u		/* flushed one by one, about 20 ns each; more: the whole space */

static unsigned pcid_of(uint64_t cr3)
{
	return hypercall_vcpu->cr4 & CR4_PCIDE ? (unsigned)(cr3 & CR3_PCID_MASK) : 0;
}

static bool root_in_ram(uint64_t cr3)
{
	return ram_contains(GPA(cr3 & CR3_ADDR_MASK), PAGE_SIZE);
}

static void page_flush(uint64_t cr3, uint64_t address)
{
	if (gva_canonical(GVA(address)) && system_tlb && system_tlb->flush_page)
		system_tlb->flush_page(hypercall_vcpu, pcid_of(cr3), GVA(address), true);
}

static void all_flush(bool keep_global)
{
	if (system_tlb && system_tlb->flush_all)
		system_tlb->flush_all(hypercall_vcpu, keep_global);
}

int64_t call_mmu_load(const uint64_t *args)
{
	struct vcpu *vcpu = hypercall_vcpu;
	uint64_t keep = (args[1] & RING3_MMU_LOAD_KEEP) && (vcpu->cr4 & CR4_PCIDE) ? CR3_NOFLUSH : 0;

	if ((args[0] & CR3_RESERVED) || (args[1] & ~(uint64_t)RING3_MMU_LOAD_KEEP))
		return -EINVAL;
	if (!root_in_ram(args[0]))
		return -EFAULT;
	/* Called from 64-bit code: what could be refused was judged above. */
	return system_write_cr3(vcpu, args[0] | keep) ? 0 : -EINVAL;
}

/* 0, -EINVAL or -EFAULT. */
static int64_t update_one(const struct ring3_mmu_update *u, uint64_t cr3)
{
	uint64_t *entry;

	if ((u->entry & ENTRY_FLAGS) & ~(uint64_t)RING3_MMU_UPDATE_PREFILL)
		return -EINVAL;
	entry = ram_writable(GPA(u->entry & ~ENTRY_FLAGS), sizeof(*entry));
	if (!entry)
		return -EFAULT;
	__atomic_store_n(entry, u->value, __ATOMIC_RELAXED);
	page_flush(cr3, u->address);
	if ((u->entry & RING3_MMU_UPDATE_PREFILL) && system_tlb && system_tlb->prefill)
		system_tlb->prefill(cr3 & CR3_ADDR_MASK, GVA(u->address));
	return 0;
}

int64_t call_mmu_update(const uint64_t *args)
{
	uint32_t count = (uint32_t)args[1];
	struct ring3_mmu_update update;

	if (args[0] % 8 || count > RING3_MMU_BATCH_MAX || (args[2] & CR3_RESERVED))
		return -EINVAL;
	if (!root_in_ram(args[2]) || !ram_contains(GPA(args[0]), count * sizeof(update)))
		return -EFAULT;
	access_flush(hypercall_vcpu);
	for (uint32_t i = 0; i < count; i++) {
		int64_t error;

		/* Each when its turn comes: the ones before may have changed it. */
		ram_read(GPA(args[0] + i * sizeof(update)), &update, sizeof(update));
		error = update_one(&update, args[2]);
		if (error)
			return i ? i : error;
	}
	return count;
}

static void pages_flush(uint64_t cr3, uint64_t address, uint64_t pages)
{
	if (pages > PAGES_MAX) {
		all_flush(false);
		return;
	}
	for (uint64_t i = 0; i < pages; i++)
		page_flush(cr3, address + i * PAGE_SIZE);
}

int64_t call_mmu_flush(const uint64_t *args)
{
	uint64_t kind = args[0], cr3 = args[1], address = args[2], pages = args[3];

	if (kind > RING3_FLUSH_GLOBAL || (kind != RING3_FLUSH_PAGES && (address | pages)))
		return -EINVAL;
	if (kind <= RING3_FLUSH_SPACE && ((cr3 & CR3_RESERVED) || address % PAGE_SIZE))
		return -EINVAL;
	access_flush(hypercall_vcpu);
	switch (kind) {
	case RING3_FLUSH_PAGES:
		pages_flush(cr3, address, pages);
		break;
	case RING3_FLUSH_SPACE:
		if (system_tlb && system_tlb->flush_pcid)
			system_tlb->flush_pcid(hypercall_vcpu, pcid_of(cr3));
		break;
	case RING3_FLUSH_ALL:
		all_flush(true);
		break;
	default:
		all_flush(false);
		break;
	}
	return 0;
}

/* Nothing to get ready: a space costs nothing before it is used. */
int64_t call_space_create(const uint64_t *args)
{
	if (args[0] & CR3_RESERVED)
		return -EINVAL;
	return root_in_ram(args[0]) ? 0 : -EFAULT;
}

int64_t call_space_destroy(const uint64_t *args)
{
	struct vcpu *vcpu = hypercall_vcpu;
	uint64_t root = args[0] & CR3_ADDR_MASK;

	if (args[0] & CR3_RESERVED)
		return -EINVAL;
	if (root == (vcpu->cr3 & CR3_ADDR_MASK))
		return -EBUSY;
	if (system_tlb && system_tlb->forget_root)
		system_tlb->forget_root(vcpu, root);
	return 0;
}
