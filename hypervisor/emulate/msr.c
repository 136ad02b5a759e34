/* SPDX-License-Identifier: MIT */
/*
 * RDMSR and WRMSR.  What is not listed raises #GP, which kernels expect of
 * registers that the CPU model does not enumerate.
 *
 * A few AMD configuration registers read as a fixed value and swallow writes:
 * kernels write chicken bits there without asking, and nothing of what those
 * bits change exists here.
 */
#include "emulate/msr.h"

#include "base/clock.h"
#include "base/log.h"
#include "emulate/system.h"
#include "machine/cpuid.h"
#include "machine/irq.h"
#include "machine/kvmclock.h"

#define MTRR_VARIABLE		8u
#define MTRR_CAP		(MTRR_VARIABLE | 1u << 8 /* fixed */ | 1u << 10 /* WC */)
#define MTRR_DEF_KNOWN		0xcffull
#define MTRR_MASK_KNOWN		(((1ull << CPUID_PHYS_BITS) - 1) & ~0x7ffull)

#define FEATURE_CONTROL_LOCKED	1u
#define HWCR_TSC_FREQ_SEL	(1ull << 24)
#define DE_CFG_LFENCE		(1ull << 1)
#define UCODE_AMD		0x01000065ull
#define UCODE_INTEL		(0x1000000ull << 32)
#define DEBUGCTL_KNOWN		3ull	/* LBR, BTF: stored, without effect */

static bool refuse(struct vcpu *vcpu)
{
	vcpu_raise_error(vcpu, VEC_GP, 0);
	return false;
}

static bool canonical(uint64_t value)
{
	return (uint64_t)((int64_t)(value << 16) >> 16) == value;
}

static bool memory_type_valid(unsigned type)
{
	return type == 0 || type == 1 || type == 4 || type == 5 || type == 6;
}

static bool memory_types_valid(uint64_t types, bool pat)
{
	for (int i = 0; i < 64; i += 8) {
		unsigned type = types >> i & 0xff;

		if (!memory_type_valid(type) && !(pat && type == 7))	/* UC- */
			return false;
	}
	return true;
}

static bool amd(void)
{
	return cpuid_model.vendor == CPUID_AMD;
}

/* The fixed-range register's place, or NULL. */
static uint64_t *mtrr_fixed(struct vcpu *vcpu, uint32_t msr)
{
	switch (msr) {
	case MSR_MTRR_FIX_64K:
		return &vcpu->mtrr_fixed[0];
	case MSR_MTRR_FIX_16K_80000:
		return &vcpu->mtrr_fixed[1];
	case MSR_MTRR_FIX_16K_A0000:
		return &vcpu->mtrr_fixed[2];
	case MSR_MTRR_FIX_4K_FIRST ... MSR_MTRR_FIX_4K_LAST:
		return &vcpu->mtrr_fixed[3 + msr - MSR_MTRR_FIX_4K_FIRST];
	default:
		return NULL;
	}
}

static bool mtrr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	const uint64_t *fixed = mtrr_fixed(vcpu, msr);

	if (fixed)
		*value = *fixed;
	else if (msr == MSR_MTRR_DEF_TYPE)
		*value = vcpu->mtrr_def_type;
	else if (msr % 2)
		*value = vcpu->mtrr_mask[(msr - MSR_MTRR_PHYS_FIRST) / 2];
	else
		*value = vcpu->mtrr_base[(msr - MSR_MTRR_PHYS_FIRST) / 2];
	return true;
}

static bool mtrr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	uint64_t *fixed = mtrr_fixed(vcpu, msr);

	if (fixed) {
		if (!memory_types_valid(value, false))
			return refuse(vcpu);
		*fixed = value;
	} else if (msr == MSR_MTRR_DEF_TYPE) {
		if (value & ~MTRR_DEF_KNOWN || !memory_type_valid(value & 0xff))
			return refuse(vcpu);
		vcpu->mtrr_def_type = value;
	} else if (msr % 2) {
		if (value & ~MTRR_MASK_KNOWN)
			return refuse(vcpu);
		vcpu->mtrr_mask[(msr - MSR_MTRR_PHYS_FIRST) / 2] = value;
	} else {
		if (value >> CPUID_PHYS_BITS || !memory_type_valid(value & 0xff) || value & 0xf00)
			return refuse(vcpu);
		vcpu->mtrr_base[(msr - MSR_MTRR_PHYS_FIRST) / 2] = value;
	}
	return true;
}

static bool amd_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	if (!amd())
		return refuse(vcpu);
	switch (msr) {
	case MSR_AMD_HWCR:
		*value = HWCR_TSC_FREQ_SEL;
		return true;
	case MSR_AMD_DE_CFG:
		*value = DE_CFG_LFENCE;
		return true;
	case MSR_AMD_SYSCFG:
	case MSR_AMD_TOP_MEM:
	case MSR_AMD_TOP_MEM2:
	case MSR_AMD_NB_CFG:
	case MSR_AMD_INT_PENDING:
	case MSR_AMD_MMIO_CONF_BASE:
	case MSR_AMD_TSEG_BASE:
	case MSR_AMD_TSEG_MASK:
	case MSR_AMD_VM_CR:
	case MSR_AMD_LS_CFG:
	case MSR_AMD_IC_CFG:
	case MSR_AMD_DC_CFG:
	case MSR_AMD_BU_CFG2:
		*value = 0;
		return true;
	default:
		log_debug("rdmsr %x: no such register, rip %lx", msr, vcpu->rip);
		return refuse(vcpu);
	}
}

static bool amd_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	if (!amd())
		return refuse(vcpu);
	switch (msr) {
	case MSR_AMD_HWCR:
	case MSR_AMD_DE_CFG:
	case MSR_AMD_SYSCFG:
	case MSR_AMD_NB_CFG:
	case MSR_AMD_PATCH_LOADER:
	case MSR_AMD_INT_PENDING:
	case MSR_AMD_LS_CFG:
	case MSR_AMD_IC_CFG:
	case MSR_AMD_DC_CFG:
	case MSR_AMD_BU_CFG2:
		return true;
	default:
		log_debug("wrmsr %x = %lx: no such register, rip %lx", msr, value, vcpu->rip);
		return refuse(vcpu);
	}
}

bool system_read_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case MSR_FS_BASE:
		*value = vcpu->seg[SEG_FS].base;
		return true;
	case MSR_GS_BASE:
		*value = vcpu->fast.gs_base[0];
		return true;
	case MSR_KERNEL_GS_BASE:
		*value = vcpu->fast.gs_base[1];
		return true;
	case MSR_TSC_DEADLINE:
		*value = lapic_get_tsc_deadline();
		return true;
	case MSR_TSC:
		*value = clock_tsc();
		return true;
	case MSR_X2APIC_FIRST ... MSR_X2APIC_LAST:
		return lapic_x2apic_read(msr, value) < 0 ? refuse(vcpu) : true;
	case MSR_APIC_BASE:
		*value = lapic_get_base();
		return true;
	case MSR_EFER:
		*value = vcpu->efer;
		return true;
	case MSR_STAR:
		*value = vcpu->star;
		return true;
	case MSR_LSTAR:
		*value = vcpu->lstar;
		return true;
	case MSR_CSTAR:
		*value = vcpu->cstar;
		return true;
	case MSR_SFMASK:
		*value = vcpu->sfmask;
		return true;
	case MSR_TSC_AUX:
		*value = vcpu->tsc_aux;
		return true;
	case MSR_SYSENTER_CS:
		*value = vcpu->sysenter_cs;
		return true;
	case MSR_SYSENTER_ESP:
		*value = vcpu->sysenter_esp;
		return true;
	case MSR_SYSENTER_EIP:
		*value = vcpu->sysenter_eip;
		return true;
	case MSR_PAT:
		*value = vcpu->pat;
		return true;
	case MSR_MTRR_CAP:
		*value = MTRR_CAP;
		return true;
	case MSR_MTRR_PHYS_FIRST ... MSR_MTRR_PHYS_LAST:
	case MSR_MTRR_FIX_64K:
	case MSR_MTRR_FIX_16K_80000:
	case MSR_MTRR_FIX_16K_A0000:
	case MSR_MTRR_FIX_4K_FIRST ... MSR_MTRR_FIX_4K_LAST:
	case MSR_MTRR_DEF_TYPE:
		return mtrr_read(vcpu, msr, value);
	case MSR_MISC_ENABLE:
		*value = vcpu->misc_enable;
		return true;
	case MSR_DEBUGCTL:
		*value = vcpu->debugctl;
		return true;
	case MSR_UCODE_REV:
		*value = amd() ? UCODE_AMD : UCODE_INTEL;
		return true;
	case MSR_MCG_CAP:	/* machine checks: no banks */
	case MSR_MCG_STATUS:
	case MSR_SMI_COUNT:
	case MSR_PLATFORM_ID:
	case MSR_EBL_CR_POWERON:
	case MSR_PERF_STATUS:
	case MSR_TSC_ADJUST:	/* the TSC is the host's and cannot be moved */
		*value = 0;
		return true;
	case MSR_SPEC_CTRL:
		if (!cpuid_model.spec_ctrl_mask)
			return refuse(vcpu);
		*value = vcpu->spec_ctrl;
		return true;
	case MSR_ARCH_CAPABILITIES:
		if (amd())
			return refuse(vcpu);
		*value = cpuid_model.arch_capabilities;
		return true;
	case MSR_FEATURE_CONTROL:
		if (amd())
			return refuse(vcpu);
		*value = FEATURE_CONTROL_LOCKED;
		return true;
	case MSR_PLATFORM_INFO:
		if (amd())
			return refuse(vcpu);
		*value = (clock_tsc_khz() / 100000) << 8;
		return true;
	case MSR_MISC_FEATURES:
		if (amd())
			return refuse(vcpu);
		*value = 0;
		return true;
	default:
		if (kvmclock_has_msr(msr)) {
			*value = kvmclock_read(msr);
			return true;
		}
		return amd_read(vcpu, msr, value);
	}
}

/* A write that would move the guest's TSC away from the host's. */
static bool tsc_write(uint32_t msr, uint64_t value)
{
	static bool told;

	if (value && !told) {
		told = true;
		log_warn("the guest wrote %lx to %s: ignored, its TSC is the host's", value,
			 msr == MSR_TSC ? "the TSC" : "TSC_ADJUST");
	}
	return true;
}

bool system_write_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	switch (msr) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
		if (!canonical(value))
			return refuse(vcpu);
		if (msr == MSR_FS_BASE) {
			vcpu->seg[SEG_FS].base = value;
			return true;
		}
		vcpu->fast.gs_base[msr == MSR_KERNEL_GS_BASE] = value;
		vcpu_gs_changed(vcpu);
		return true;
	case MSR_TSC_DEADLINE:
		lapic_set_tsc_deadline(value);
		return true;
	case MSR_X2APIC_FIRST ... MSR_X2APIC_LAST:
		return lapic_x2apic_write(msr, value) < 0 ? refuse(vcpu) : true;
	case MSR_APIC_BASE:
		if (lapic_set_base(value) < 0)
			return refuse(vcpu);
		vcpu->apic_base = value;
		return true;
	case MSR_EFER:
		return system_write_efer(vcpu, value);
	case MSR_STAR:
		vcpu->star = value;
		return true;
	case MSR_LSTAR:
	case MSR_CSTAR:
		if (!canonical(value))
			return refuse(vcpu);
		*(msr == MSR_LSTAR ? &vcpu->lstar : &vcpu->cstar) = value;
		return true;
	case MSR_SFMASK:
		vcpu->sfmask = (uint32_t)value;
		return true;
	case MSR_TSC_AUX:
		if (value >> 32)
			return refuse(vcpu);
		vcpu->tsc_aux = value;
		return true;
	case MSR_SYSENTER_CS:
		vcpu->sysenter_cs = (uint32_t)value;
		return true;
	case MSR_SYSENTER_ESP:
	case MSR_SYSENTER_EIP:
		if (!canonical(value))
			return refuse(vcpu);
		*(msr == MSR_SYSENTER_ESP ? &vcpu->sysenter_esp : &vcpu->sysenter_eip) = value;
		return true;
	case MSR_PAT:
		if (!memory_types_valid(value, true))
			return refuse(vcpu);
		vcpu->pat = value;
		return true;
	case MSR_MTRR_PHYS_FIRST ... MSR_MTRR_PHYS_LAST:
	case MSR_MTRR_FIX_64K:
	case MSR_MTRR_FIX_16K_80000:
	case MSR_MTRR_FIX_16K_A0000:
	case MSR_MTRR_FIX_4K_FIRST ... MSR_MTRR_FIX_4K_LAST:
	case MSR_MTRR_DEF_TYPE:
		return mtrr_write(vcpu, msr, value);
	case MSR_MISC_ENABLE:
		vcpu->misc_enable = value;
		return true;
	case MSR_DEBUGCTL:
		if (value & ~DEBUGCTL_KNOWN)
			return refuse(vcpu);
		vcpu->debugctl = value;
		return true;
	case MSR_TSC:
	case MSR_TSC_ADJUST:
		return tsc_write(msr, value);
	case MSR_MCG_STATUS:
	case MSR_UCODE_REV:
	case MSR_UCODE_WRITE:
	case MSR_EBL_CR_POWERON:
		return true;
	case MSR_SPEC_CTRL:
		if (!cpuid_model.spec_ctrl_mask || value & ~cpuid_model.spec_ctrl_mask)
			return refuse(vcpu);
		vcpu->spec_ctrl = value;
		return true;
	case MSR_PRED_CMD:	/* a barrier between what never shares an address space */
		if (amd() || value & ~1ull)
			return refuse(vcpu);
		return true;
	case MSR_MISC_FEATURES:
		return amd() || value ? refuse(vcpu) : true;
	default:
		if (kvmclock_has_msr(msr))
			return kvmclock_write(msr, value) ? true : refuse(vcpu);
		return amd_write(vcpu, msr, value);
	}
}
