/* SPDX-License-Identifier: MIT */
/*
 * Control and debug registers, EFER, XCR0, CPUID's changing bits, and the TLB
 * instructions.  MSRs are in msr.c.
 *
 * Order within each function: all checks (SDM vol. 3, 2.5 and 4.1), then the
 * change, then the news to whoever caches translations.
 */
#include "emulate/system.h"

#include "debug/trace.h"
#include "machine/cpuid.h"
#include "machine/irq.h"
#include "memory/access.h"
#include "memory/ram.h"

#define CR0_KNOWN	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | \
			 CR0_NW | CR0_CD | CR0_PG)
#define CR0_MODE	(CR0_PG | CR0_WP | CR0_PE)
#define PDPTE_P		1ull
#define PDPTE_RESERVED	(~((1ull << CPUID_PHYS_BITS) - 1) | 0x1e6ull)

#define DR6_WRITABLE	0xe00full
#define DR6_BD		(1ull << 13)
#define DR7_WRITABLE	0xffff23ffull
#define DR7_FIXED	(1ull << 10)
#define DR7_GD		(1ull << 13)

const struct system_tlb_ops *system_tlb;

static bool fault_gp(struct vcpu *vcpu)
{
	vcpu_raise_error(vcpu, VEC_GP, 0);
	return false;
}

static bool fault_ud(struct vcpu *vcpu)
{
	vcpu_raise(vcpu, VEC_UD);
	return false;
}

static unsigned current_pcid(const struct vcpu *vcpu)
{
	return vcpu->cr4 & CR4_PCIDE ? (unsigned)(vcpu->cr3 & CR3_PCID_MASK) : 0;
}

static void tlb_flush_all(struct vcpu *vcpu, bool keep_global)
{
	access_flush(vcpu);
	if (system_tlb && system_tlb->flush_all)
		system_tlb->flush_all(vcpu, keep_global);
}

static void tlb_mode_changed(struct vcpu *vcpu)
{
	access_flush(vcpu);
	if (system_tlb && system_tlb->mode_changed)
		system_tlb->mode_changed(vcpu);
}

/* PAE paging without long mode: entries that are not RAM read as all ones. */
static bool pdptes_read(uint64_t cr3, uint64_t pdpte[4])
{
	if (!ram_read(GPA(cr3 & 0xffffffe0u), pdpte, 4 * sizeof(pdpte[0])))
		return false;
	for (int i = 0; i < 4; i++) {
		if ((pdpte[i] & PDPTE_P) && (pdpte[i] & PDPTE_RESERVED))
			return false;
	}
	return true;
}

static void pdptes_set(struct vcpu *vcpu, const uint64_t pdpte[4])
{
	for (int i = 0; i < 4; i++)
		vcpu->pdpte[i] = pdpte[i];
}

bool system_write_cr0(struct vcpu *vcpu, uint64_t value)
{
	uint64_t old = vcpu->cr0, changed, pdpte[4];
	bool load_pdptes;

	if (value >> 32)
		return fault_gp(vcpu);
	value = (value & CR0_KNOWN) | CR0_ET;
	changed = old ^ value;
	if ((value & CR0_PG) && !(value & CR0_PE))
		return fault_gp(vcpu);
	if ((value & CR0_NW) && !(value & CR0_CD))
		return fault_gp(vcpu);
	if (changed & value & CR0_PG && vcpu->efer & EFER_LME) {
		if (!(vcpu->cr4 & CR4_PAE) || (vcpu->seg[SEG_CS].attr & SEG_ATTR_L))
			return fault_gp(vcpu);
	}
	if (changed & old & CR0_PG) {
		if (vcpu_64bit_code(vcpu) || (vcpu->cr4 & CR4_PCIDE))
			return fault_gp(vcpu);
	}
	load_pdptes = (value & CR0_PG) && (changed & (CR0_PG | CR0_CD | CR0_NW)) &&
		      (vcpu->cr4 & CR4_PAE) && !(vcpu->efer & EFER_LME);
	if (load_pdptes && !pdptes_read(vcpu->cr3, pdpte))
		return fault_gp(vcpu);

	if (load_pdptes)
		pdptes_set(vcpu, pdpte);
	trace_exit(TRACE_K_CR_WRITE, vcpu->rip, 0, value);
	vcpu->cr0 = value;
	if (changed & CR0_PG) {
		if ((value & CR0_PG) && (vcpu->efer & EFER_LME))
			vcpu->efer |= EFER_LMA;
		else
			vcpu->efer &= ~(uint64_t)EFER_LMA;
		trace_exit(TRACE_K_MODE, vcpu->rip, value, vcpu->efer);
		tlb_flush_all(vcpu, false);
	}
	if (changed & CR0_MODE)
		tlb_mode_changed(vcpu);
	return true;
}

bool system_write_cr3(struct vcpu *vcpu, uint64_t value)
{
	uint64_t old = vcpu->cr3, pdpte[4];
	bool flush = true;

	if (vcpu_long_mode(vcpu)) {
		uint64_t reserved = ~((1ull << CPUID_PHYS_BITS) - 1);

		if (vcpu->cr4 & CR4_PCIDE) {
			flush = !(value & CR3_NOFLUSH);
			value &= ~CR3_NOFLUSH;
		}
		if (value & reserved)
			return fault_gp(vcpu);
	} else {
		value = (uint32_t)value;
		if ((vcpu->cr0 & CR0_PG) && (vcpu->cr4 & CR4_PAE)) {
			if (!pdptes_read(value, pdpte))
				return fault_gp(vcpu);
			pdptes_set(vcpu, pdpte);
		}
	}
	trace_exit(TRACE_K_CR_WRITE, vcpu->rip, 3, value | (flush ? 0 : CR3_NOFLUSH));
	vcpu->cr3 = value;
	access_flush(vcpu);
	if (system_tlb && system_tlb->load_cr3)
		system_tlb->load_cr3(vcpu, old, flush);
	return true;
}

bool system_write_cr4(struct vcpu *vcpu, uint64_t value)
{
	uint64_t old = vcpu->cr4, changed = old ^ value, pdpte[4];
	bool load_pdptes;

	if (value & ~cpuid_model.cr4_mask)
		return fault_gp(vcpu);
	if (vcpu_long_mode(vcpu) && !(value & CR4_PAE))
		return fault_gp(vcpu);
	if (changed & value & CR4_PCIDE) {
		if (!vcpu_long_mode(vcpu) || (vcpu->cr3 & CR3_PCID_MASK))
			return fault_gp(vcpu);
	}
	load_pdptes = (vcpu->cr0 & CR0_PG) && (value & CR4_PAE) && !vcpu_long_mode(vcpu) &&
		      (changed & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP));
	if (load_pdptes && !pdptes_read(vcpu->cr3, pdpte))
		return fault_gp(vcpu);

	if (load_pdptes)
		pdptes_set(vcpu, pdpte);
	trace_exit(TRACE_K_CR_WRITE, vcpu->rip, 4, value);
	vcpu->cr4 = value;
	if (changed & (CR4_PAE | CR4_PSE | CR4_PGE) || (changed & old & CR4_PCIDE) ||
	    (changed & value & CR4_SMEP))
		tlb_flush_all(vcpu, false);
	if (changed)
		tlb_mode_changed(vcpu);
	return true;
}

bool system_write_cr8(struct vcpu *vcpu, uint64_t value)
{
	if (value > 15)
		return fault_gp(vcpu);
	vcpu->cr8 = value;
	lapic_set_tpr(value);
	return true;
}

bool system_read_cr(struct vcpu *vcpu, unsigned nr, uint64_t *value)
{
	switch (nr) {
	case 0:
		*value = vcpu->cr0;
		return true;
	case 2:
		*value = vcpu->cr2;
		return true;
	case 3:
		*value = vcpu->cr3;
		return true;
	case 4:
		*value = vcpu->cr4;
		return true;
	case 8:
		*value = lapic_get_tpr();
		return true;
	default:
		return fault_ud(vcpu);
	}
}

/* DR4 and DR5: aliases, or nothing.  GD: whoever touches a debug register is told on. */
static bool dr_check(struct vcpu *vcpu, unsigned *nr)
{
	if (*nr > 7)
		return fault_ud(vcpu);
	if (*nr == 4 || *nr == 5) {
		if (vcpu->cr4 & CR4_DE)
			return fault_ud(vcpu);
		*nr += 2;
	}
	if (vcpu->dr7 & DR7_GD) {
		vcpu_raise(vcpu, VEC_DB);
		vcpu->exception.dr6 = DR6_BD;
		return false;
	}
	return true;
}

bool system_read_dr(struct vcpu *vcpu, unsigned nr, uint64_t *value)
{
	if (!dr_check(vcpu, &nr))
		return false;
	*value = nr == 7 ? vcpu->dr7 : nr == 6 ? vcpu->dr6 : vcpu->dr[nr];
	return true;
}

bool system_write_dr(struct vcpu *vcpu, unsigned nr, uint64_t value)
{
	if (!dr_check(vcpu, &nr))
		return false;
	if (nr >= 6 && value >> 32)
		return fault_gp(vcpu);
	if (nr == 7) {
		vcpu->dr7 = (value & DR7_WRITABLE) | DR7_FIXED;
		vcpu->fast.kick = 1;	/* generated code is left: it knows no breakpoints */
	} else if (nr == 6) {
		vcpu->dr6 = (value & DR6_WRITABLE) | VCPU_DR6_INIT;
	} else {
		vcpu->dr[nr] = value;
	}
	return true;
}

bool system_write_efer(struct vcpu *vcpu, uint64_t value)
{
	uint64_t old = vcpu->efer, changed;

	if (value & ~cpuid_model.efer_mask)
		return fault_gp(vcpu);
	value = (value & ~(uint64_t)EFER_LMA) | (old & EFER_LMA);
	changed = old ^ value;
	if ((changed & EFER_LME) && (vcpu->cr0 & CR0_PG))
		return fault_gp(vcpu);
	vcpu->efer = value;
	if (changed & EFER_NXE)
		tlb_mode_changed(vcpu);
	return true;
}

bool system_set_xcr0(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	const uint64_t sse = 2, avx = 4, avx512 = 0xe0;

	if (!(vcpu->cr4 & CR4_OSXSAVE))
		return fault_ud(vcpu);
	if (index != 0 || !(value & 1) || (value & ~cpuid_model.xcr0_mask))
		return fault_gp(vcpu);
	if ((value & avx) && !(value & sse))
		return fault_gp(vcpu);
	if ((value & avx512) && ((value & avx512) != avx512 || !(value & avx)))
		return fault_gp(vcpu);
	vcpu->xcr0 = value;
	return true;
}

void system_cpuid(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	const uint32_t apic = 1u << 9, osxsave = 1u << 27;
	bool apic_on = lapic_get_base() & (1u << 11);

	trace_exit(TRACE_K_CPUID, vcpu->rip, leaf, subleaf);
	cpuid_read(leaf, subleaf, out);
	switch (leaf) {
	case 1:
		if (vcpu->cr4 & CR4_OSXSAVE)
			out[2] |= osxsave;
		if (!apic_on)
			out[3] &= ~apic;
		break;
	case 0xd:
		if (subleaf == 0)
			out[1] = cpuid_xsave_size(vcpu->xcr0);
		else if (subleaf == 1)
			out[1] = cpuid_xsavec_size(vcpu->xcr0);
		break;
	case 0x80000001:
		if (!apic_on)
			out[3] &= ~apic;
		break;
	default:
		break;
	}
}

bool system_invlpg(struct vcpu *vcpu, gva_t addr)
{
	access_flush(vcpu);
	if (!vcpu_long_mode(vcpu))
		addr.v = (uint32_t)addr.v;
	else if (!gva_canonical(addr))
		return true;
	if (system_tlb && system_tlb->flush_page)
		system_tlb->flush_page(vcpu, current_pcid(vcpu), addr, true);
	return true;
}

bool system_invpcid(struct vcpu *vcpu, uint64_t type, const uint64_t descriptor[2])
{
	enum { ONE_ADDRESS, ONE_CONTEXT, ALL_AND_GLOBAL, ALL_BUT_GLOBAL };
	unsigned pcid = (unsigned)(descriptor[0] & CR3_PCID_MASK);
	gva_t addr = GVA(descriptor[1]);

	if (type > ALL_BUT_GLOBAL || descriptor[0] & ~CR3_PCID_MASK)
		return fault_gp(vcpu);
	if (type <= ONE_CONTEXT && pcid && !(vcpu->cr4 & CR4_PCIDE))
		return fault_gp(vcpu);
	if (type == ONE_ADDRESS && !gva_canonical(addr))
		return fault_gp(vcpu);

	access_flush(vcpu);
	if (!system_tlb)
		return true;
	if (type == ONE_ADDRESS && system_tlb->flush_page)
		system_tlb->flush_page(vcpu, pcid, addr, false);
	else if (type == ONE_CONTEXT && system_tlb->flush_pcid)
		system_tlb->flush_pcid(vcpu, pcid);
	else if (type >= ALL_AND_GLOBAL && system_tlb->flush_all)
		system_tlb->flush_all(vcpu, type == ALL_BUT_GLOBAL);
	return true;
}
