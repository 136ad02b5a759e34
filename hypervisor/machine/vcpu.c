/* SPDX-License-Identifier: MIT */
/*
 * The vCPU at power-on.
 *
 * There is no firmware, so that the little that every PC firmware leaves behind in
 * MSRs and that kernels complain about when missing (memory types, fast strings)
 * is part of reset here.
 */
#include "machine/vcpu.h"

#include <string.h>

#include "machine/cpuid.h"
#include "machine/kvmclock.h"

#define MTRR_ENABLE		(1u << 11)
#define MTRR_FIXED_ENABLE	(1u << 10)
#define MTRR_WB			6u
#define MTRR_WB_8		0x0606060606060606ull
#define MTRR_MASK_VALID		(1u << 11)
#define PCI_HOLE		0xc0000000ull

#define MISC_FAST_STRING	(1u << 0)
#define MISC_NO_BTS_NO_PEBS	(3u << 11)

#define PAT_INIT		0x0007040600070406ull
#define APIC_BASE_INIT		0xfee00900ull	/* enabled, boot processor */

/* Legacy region of the XSAVE area and the header's first field. */
#define XSAVE_FCW		0
#define XSAVE_MXCSR		24
#define XSAVE_XSTATE_BV		512

__attribute__((weak)) void vcpu_gs_changed(struct vcpu *vcpu)
{
	(void)vcpu;
}

static void memory_types_reset(struct vcpu *vcpu)
{
	vcpu->mtrr_def_type = MTRR_ENABLE | MTRR_FIXED_ENABLE | MTRR_WB;
	for (unsigned i = 0; i < 11; i++)
		vcpu->mtrr_fixed[i] = MTRR_WB_8;
	vcpu->mtrr_fixed[2] = 0;	/* 0xa0000..0xbffff: uncached */
	/* PCI hole up to 4 GiB: uncached. */
	vcpu->mtrr_base[0] = PCI_HOLE;
	vcpu->mtrr_mask[0] = (((1ull << CPUID_PHYS_BITS) - 1) & ~(GIB - 1)) | MTRR_MASK_VALID;
}

static void xsave_reset(struct vcpu *vcpu)
{
	const uint16_t fcw = 0x37f;	/* as FNINIT leaves it: firmware has run */
	const uint32_t mxcsr = 0x1f80;
	const uint64_t present = 3;

	memset(vcpu->xsave, 0, sizeof(vcpu->xsave));
	memcpy(vcpu->xsave + XSAVE_FCW, &fcw, sizeof(fcw));
	memcpy(vcpu->xsave + XSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
	memcpy(vcpu->xsave + XSAVE_XSTATE_BV, &present, sizeof(present));
	vcpu->fpu_place = FPU_IN_MEMORY;
}

void vcpu_reset(struct vcpu *vcpu)
{
	uint64_t engine_fs = vcpu->fast.engine_fs, engine_rsp = vcpu->fast.engine_rsp;
	uint32_t kick = vcpu->fast.kick, signature[4];

	memset(vcpu, 0, offsetof(struct vcpu, xsave));
	vcpu->fast.engine_fs = engine_fs;
	vcpu->fast.engine_rsp = engine_rsp;
	vcpu->fast.kick = kick;

	cpuid_read(1, 0, signature);
	vcpu->regs[REG_RDX] = signature[0];
	vcpu->rip = 0xfff0;
	vcpu->rflags = RFLAGS_FIXED;
	for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
		vcpu->seg[i].attr = SEG_ATTR_P | SEG_ATTR_S | 3;
		vcpu->seg[i].limit = 0xffff;
	}
	vcpu->seg[SEG_CS].selector = 0xf000;
	vcpu->seg[SEG_CS].base = 0xffff0000;
	vcpu->seg[SEG_CS].attr = SEG_ATTR_P | SEG_ATTR_S | 0xb;
	vcpu->seg[SEG_LDTR] = (struct vcpu_segment){ .attr = SEG_ATTR_P | 2, .limit = 0xffff };
	vcpu->seg[SEG_TR] = (struct vcpu_segment){ .attr = SEG_ATTR_P | 0xb, .limit = 0xffff };
	vcpu->gdtr.limit = vcpu->idtr.limit = 0xffff;
	vcpu->cr0 = CR0_CD | CR0_NW | CR0_ET;
	vcpu->dr6 = VCPU_DR6_INIT;
	vcpu->dr7 = VCPU_DR7_INIT;
	vcpu->xcr0 = 1;
	vcpu->pat = PAT_INIT;
	vcpu->apic_base = APIC_BASE_INIT;
	vcpu->misc_enable = MISC_FAST_STRING | MISC_NO_BTS_NO_PEBS;
	memory_types_reset(vcpu);
	xsave_reset(vcpu);
	kvmclock_reset();
	vcpu_gs_changed(vcpu);
}
