/* SPDX-License-Identifier: MIT */
/*
 * Numbers of the model-specific registers that exist here (SDM vol. 4; AMD APM
 * vol. 2, appendix A).
 */
#ifndef RING3_EMULATE_MSR_H
#define RING3_EMULATE_MSR_H

#define MSR_TSC			0x10u
#define MSR_PLATFORM_ID		0x17u
#define MSR_APIC_BASE		0x1bu
#define MSR_EBL_CR_POWERON	0x2au
#define MSR_SMI_COUNT		0x34u
#define MSR_FEATURE_CONTROL	0x3au
#define MSR_TSC_ADJUST		0x3bu
#define MSR_SPEC_CTRL		0x48u
#define MSR_PRED_CMD		0x49u
#define MSR_UCODE_WRITE		0x79u
#define MSR_UCODE_REV		0x8bu
#define MSR_PLATFORM_INFO	0xceu
#define MSR_MTRR_CAP		0xfeu
#define MSR_ARCH_CAPABILITIES	0x10au
#define MSR_MISC_FEATURES	0x140u
#define MSR_SYSENTER_CS		0x174u
#define MSR_SYSENTER_ESP	0x175u
#define MSR_SYSENTER_EIP	0x176u
#define MSR_MCG_CAP		0x179u
#define MSR_MCG_STATUS		0x17au
#define MSR_PERF_STATUS		0x198u
#define MSR_MISC_ENABLE		0x1a0u
#define MSR_DEBUGCTL		0x1d9u
#define MSR_MTRR_PHYS_FIRST	0x200u	/* 8 pairs of base and mask */
#define MSR_MTRR_PHYS_LAST	0x20fu
#define MSR_MTRR_FIX_64K	0x250u
#define MSR_MTRR_FIX_16K_80000	0x258u
#define MSR_MTRR_FIX_16K_A0000	0x259u
#define MSR_MTRR_FIX_4K_FIRST	0x268u
#define MSR_MTRR_FIX_4K_LAST	0x26fu
#define MSR_PAT			0x277u
#define MSR_MTRR_DEF_TYPE	0x2ffu
#define MSR_TSC_DEADLINE	0x6e0u
#define MSR_X2APIC_FIRST	0x800u
#define MSR_X2APIC_LAST		0x8ffu
#define MSR_EFER		0xc0000080u
#define MSR_STAR		0xc0000081u
#define MSR_LSTAR		0xc0000082u
#define MSR_CSTAR		0xc0000083u
#define MSR_SFMASK		0xc0000084u
#define MSR_FS_BASE		0xc0000100u
#define MSR_GS_BASE		0xc0000101u
#define MSR_KERNEL_GS_BASE	0xc0000102u
#define MSR_TSC_AUX		0xc0000103u

/* AMD */
#define MSR_AMD_SYSCFG		0xc0010010u
#define MSR_AMD_HWCR		0xc0010015u
#define MSR_AMD_TOP_MEM		0xc001001au
#define MSR_AMD_TOP_MEM2	0xc001001du
#define MSR_AMD_NB_CFG		0xc001001fu
#define MSR_AMD_PATCH_LOADER	0xc0010020u
#define MSR_AMD_INT_PENDING	0xc0010055u
#define MSR_AMD_MMIO_CONF_BASE	0xc0010058u
#define MSR_AMD_TSEG_BASE	0xc0010112u
#define MSR_AMD_TSEG_MASK	0xc0010113u
#define MSR_AMD_VM_CR		0xc0010114u
#define MSR_AMD_LS_CFG		0xc0011020u
#define MSR_AMD_IC_CFG		0xc0011021u
#define MSR_AMD_DC_CFG		0xc0011022u
#define MSR_AMD_DE_CFG		0xc0011029u
#define MSR_AMD_BU_CFG2		0xc001102au

#endif
