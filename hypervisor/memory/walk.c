/* SPDX-License-Identifier: MIT */
/*
 * Guest page walks.  Long mode is the hot path of the whole hypervisor and is
 * written out straight; PAE and 32-bit paging share its last steps.
 *
 * A table entry is read once, judged as that value, and gets its A or D bit by
 * an atomic or.  A table outside RAM reads as all ones, as an empty bus does,
 * which is a reserved-bit fault in all but 32-bit paging.  Permission bits
 * accumulate in `allow` (AND of W and U) and `nx` (OR of NX), so that they are
 * judged once, at the leaf.
 * A and D are set only when the access is permitted.
 */
#include "memory/walk.h"

#include "machine/cpuid.h"
#include "memory/ram.h"

#define PTE_P		(1ull << 0)
#define PTE_W		(1ull << 1)
#define PTE_U		(1ull << 2)
#define PTE_A		(1ull << 5)
#define PTE_D		(1ull << 6)
#define PTE_PS		(1ull << 7)
#define PTE_G		(1ull << 8)
#define PTE_NX		(1ull << 63)

#define ADDR_MASK	0x000ffffffffff000ull
#define ABOVE_PHYS	(0x000fffffffffffffull & ~((1ull << CPUID_PHYS_BITS) - 1))
#define RSVD_2M		(ABOVE_PHYS | 0x1fe000ull)	/* bit 12 is PAT */
#define RSVD_1G		(ABOVE_PHYS | 0x3fffe000ull)
#define RSVD_PAE	(0x7ffull << 52)		/* 62:52, ignored in long mode */
#define RSVD_4M		(1ull << 21)			/* 20:13 are address bits 39:32 */

static uint64_t empty_bus = UINT64_MAX;

static inline uint64_t *entry64(uint64_t table, unsigned index)
{
	uint64_t *page = ram_page(GPA(table));

	return likely(page) ? page + index : &empty_bus;
}

static inline void entry_set(void *entry, uint32_t bits)
{
	gpa_t gpa = GPA((uint64_t)entry - LAYOUT_RAM);

	if (entry == &empty_bus)
		return;
	if (unlikely(ram_is_code(gpa)))
		ram_writable(gpa, 4);
	__atomic_fetch_or((uint32_t *)entry, bits, __ATOMIC_SEQ_CST);
}

static uint32_t fault(const struct vcpu *vcpu, unsigned access, uint32_t code)
{
	bool fetch_told = (vcpu->cr4 & CR4_SMEP) ||
			  ((vcpu->cr4 & CR4_PAE) && (vcpu->efer & EFER_NXE));

	code |= WALK_FAULT;
	if (access & WALK_WRITE)
		code |= PF_W;
	if (access & WALK_USER)
		code |= PF_U;
	if ((access & WALK_EXEC) && fetch_told)
		code |= PF_I;
	return code;
}

/* allow: PTE_W and PTE_U of all levels; nx: of any. */
static inline bool permitted(const struct vcpu *vcpu, unsigned access, uint64_t allow, bool nx)
{
	if ((access & WALK_EXEC) && nx)
		return false;
	if (access & WALK_USER)
		return (allow & PTE_U) && (!(access & WALK_WRITE) || (allow & PTE_W));
	if ((access & WALK_WRITE) && !(allow & PTE_W) && (vcpu->cr0 & CR0_WP))
		return false;
	if (likely(!(allow & PTE_U)))
		return true;
	if (access & WALK_EXEC)
		return !(vcpu->cr4 & CR4_SMEP);
	return !(vcpu->cr4 & CR4_SMAP) ||
	       ((vcpu->rflags & RFLAGS_AC) && !(access & WALK_IMPLICIT));
}

static inline uint32_t leaf(struct vcpu *vcpu, uint64_t addr, unsigned access, void *entry,
			    uint64_t pte, uint64_t frame, uint64_t allow, bool nx,
			    uint64_t page_size, struct walk *out)
{
	uint32_t want = PTE_A | (access & WALK_WRITE ? (uint32_t)PTE_D : 0);

	if (unlikely(!permitted(vcpu, access, allow, nx)))
		return fault(vcpu, access, PF_P);
	if (!(access & WALK_PROBE) && (pte & want) != want) {
		entry_set(entry, want);
		pte |= want;
	}
	out->gpa = GPA(frame | (addr & (page_size - 1)));
	out->page_size = page_size;
	out->writable = allow & PTE_W;
	out->user = allow & PTE_U;
	out->no_execute = nx;
	out->dirty = pte & PTE_D;
	out->global = (pte & PTE_G) && (vcpu->cr4 & CR4_PGE);
	/* Legacy 32-bit entries have no reserved bits: there even the empty bus maps a page. */
	out->leaf_gpa = likely(entry != &empty_bus) ? (uint64_t)entry - LAYOUT_RAM : 0;
	return 0;
}

static uint32_t walk_long(struct vcpu *vcpu, uint64_t addr, unsigned access, struct walk *out)
{
	bool nxe = vcpu->efer & EFER_NXE;
	uint64_t rsvd = ABOVE_PHYS | (nxe ? 0 : PTE_NX);
	uint64_t *e4, *e3, *e2, *e1, p4, p3, p2, p1, all;

	e4 = entry64(vcpu->cr3 & CR3_ADDR_MASK, addr >> 39 & 511);
	p4 = __atomic_load_n(e4, __ATOMIC_RELAXED);
	if (unlikely(!(p4 & PTE_P)))
		return fault(vcpu, access, 0);
	if (unlikely(p4 & (rsvd | PTE_PS)))
		return fault(vcpu, access, PF_P | PF_RSVD);

	e3 = entry64(p4 & ADDR_MASK, addr >> 30 & 511);
	p3 = __atomic_load_n(e3, __ATOMIC_RELAXED);
	if (unlikely(!(p3 & PTE_P)))
		return fault(vcpu, access, 0);
	if (unlikely(p3 & (p3 & PTE_PS ? rsvd | RSVD_1G : rsvd)))
		return fault(vcpu, access, PF_P | PF_RSVD);
	all = p4 | p3;
	if (unlikely(p3 & PTE_PS)) {
		uint32_t ret = leaf(vcpu, addr, access, e3, p3, p3 & ADDR_MASK & ~(GIB - 1),
				    p4 & p3, all >> 63, GIB, out);

		if (!ret && !(access & WALK_PROBE) && !(p4 & PTE_A))
			entry_set(e4, PTE_A);
		return ret;
	}

	e2 = entry64(p3 & ADDR_MASK, addr >> 21 & 511);
	p2 = __atomic_load_n(e2, __ATOMIC_RELAXED);
	if (unlikely(!(p2 & PTE_P)))
		return fault(vcpu, access, 0);
	if (unlikely(p2 & (p2 & PTE_PS ? rsvd | RSVD_2M : rsvd)))
		return fault(vcpu, access, PF_P | PF_RSVD);
	all |= p2;
	if (p2 & PTE_PS) {
		uint32_t ret = leaf(vcpu, addr, access, e2, p2, p2 & ADDR_MASK & ~(2 * MIB - 1),
				    p4 & p3 & p2, all >> 63, 2 * MIB, out);

		if (likely(p4 & p3 & PTE_A) || ret || (access & WALK_PROBE))
			return ret;
		entry_set(e4, PTE_A);
		entry_set(e3, PTE_A);
		return 0;
	}

	e1 = entry64(p2 & ADDR_MASK, addr >> 12 & 511);
	p1 = __atomic_load_n(e1, __ATOMIC_RELAXED);
	if (unlikely(!(p1 & PTE_P)))
		return fault(vcpu, access, 0);
	if (unlikely(p1 & rsvd))
		return fault(vcpu, access, PF_P | PF_RSVD);
	all |= p1;
	{
		uint32_t ret = leaf(vcpu, addr, access, e1, p1, p1 & ADDR_MASK, p4 & p3 & p2 & p1,
				    all >> 63, PAGE_SIZE, out);

		if (likely(p4 & p3 & p2 & PTE_A) || ret || (access & WALK_PROBE))
			return ret;
		entry_set(e4, PTE_A);
		entry_set(e3, PTE_A);
		entry_set(e2, PTE_A);
		return 0;
	}
}

/* Two levels below the four PDPTEs, which were loaded and checked with CR3. */
static uint32_t walk_pae(struct vcpu *vcpu, uint64_t addr, unsigned access, struct walk *out)
{
	bool nxe = vcpu->efer & EFER_NXE;
	uint64_t rsvd = ABOVE_PHYS | RSVD_PAE | (nxe ? 0 : PTE_NX);
	uint64_t pdpte = vcpu->pdpte[addr >> 30 & 3];
	uint64_t *e2, *e1, p2, p1;
	uint32_t ret;

	if (!(pdpte & PTE_P))
		return fault(vcpu, access, 0);

	e2 = entry64(pdpte & ADDR_MASK, addr >> 21 & 511);
	p2 = __atomic_load_n(e2, __ATOMIC_RELAXED);
	if (!(p2 & PTE_P))
		return fault(vcpu, access, 0);
	if (p2 & (p2 & PTE_PS ? rsvd | RSVD_2M : rsvd))
		return fault(vcpu, access, PF_P | PF_RSVD);
	if (p2 & PTE_PS)
		return leaf(vcpu, addr, access, e2, p2, p2 & ADDR_MASK & ~(2 * MIB - 1), p2,
			    p2 >> 63, 2 * MIB, out);

	e1 = entry64(p2 & ADDR_MASK, addr >> 12 & 511);
	p1 = __atomic_load_n(e1, __ATOMIC_RELAXED);
	if (!(p1 & PTE_P))
		return fault(vcpu, access, 0);
	if (p1 & rsvd)
		return fault(vcpu, access, PF_P | PF_RSVD);
	ret = leaf(vcpu, addr, access, e1, p1, p1 & ADDR_MASK, p2 & p1, (p2 | p1) >> 63,
		   PAGE_SIZE, out);
	if (!ret && !(access & WALK_PROBE) && !(p2 & PTE_A))
		entry_set(e2, PTE_A);
	return ret;
}

static inline uint32_t *entry32(uint64_t table, unsigned index)
{
	uint32_t *page = ram_page(GPA(table));

	return page ? page + index : (uint32_t *)&empty_bus;
}

static uint32_t walk_32bit(struct vcpu *vcpu, uint64_t addr, unsigned access, struct walk *out)
{
	uint32_t *e2, *e1, p2, p1, ret;

	e2 = entry32(vcpu->cr3 & 0xfffff000u, addr >> 22 & 1023);
	p2 = __atomic_load_n(e2, __ATOMIC_RELAXED);
	if (!(p2 & PTE_P))
		return fault(vcpu, access, 0);
	if ((p2 & PTE_PS) && (vcpu->cr4 & CR4_PSE)) {
		uint64_t frame = (p2 & 0xffc00000u) | (uint64_t)(p2 >> 13 & 0xff) << 32;

		if (p2 & RSVD_4M)
			return fault(vcpu, access, PF_P | PF_RSVD);
		return leaf(vcpu, addr, access, e2, p2, frame, p2, false, 4 * MIB, out);
	}

	e1 = entry32(p2 & 0xfffff000u, addr >> 12 & 1023);
	p1 = __atomic_load_n(e1, __ATOMIC_RELAXED);
	if (!(p1 & PTE_P))
		return fault(vcpu, access, 0);
	ret = leaf(vcpu, addr, access, e1, p1, p1 & 0xfffff000u, p2 & p1, false, PAGE_SIZE, out);
	if (!ret && !(access & WALK_PROBE) && !(p2 & PTE_A))
		entry_set(e2, PTE_A);
	return ret;
}

uint32_t walk_translate(struct vcpu *vcpu, gva_t addr, unsigned access, struct walk *out)
{
	if (likely(vcpu->efer & EFER_LMA))
		return walk_long(vcpu, addr.v, access, out);
	addr.v = (uint32_t)addr.v;
	if (!(vcpu->cr0 & CR0_PG)) {
		*out = (struct walk){
			.gpa = GPA(addr.v), .page_size = PAGE_SIZE,
			.writable = true, .user = true, .dirty = true,
		};
		return 0;
	}
	if (vcpu->cr4 & CR4_PAE)
		return walk_pae(vcpu, addr.v, access, out);
	return walk_32bit(vcpu, addr.v, access, out);
}
