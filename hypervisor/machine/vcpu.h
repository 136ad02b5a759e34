/* SPDX-License-Identifier: MIT */
/*
 * The architectural state of one virtual CPU, and nothing else's.
 *
 * One object per kernel-world process, at LAYOUT_VCPU, so that generated code
 * addresses its fields by [disp32].  Outside generated code every field holds
 * the exact guest value (RSP unbiased, RFLAGS complete).  While generated code
 * runs, the general registers are in the host's registers and IF and AC are in
 * `fast`; translate/ and trap/ move them back and forth.
 *
 * Only the thread that runs the vCPU touches it, except `kick`, which signal
 * handlers set.
 */
#ifndef RING3_MACHINE_VCPU_H
#define RING3_MACHINE_VCPU_H

#include "base/layout.h"
#include "base/types.h"

enum vcpu_reg {		/* hardware encoding order */
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
	REG_COUNT
};

enum vcpu_seg {		/* hardware encoding order, then the system segments */
	SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT
};

/* Descriptor attributes as in bits 40..55 of a descriptor (limit bits zero). */
#define SEG_ATTR_TYPE	0x000f
#define SEG_ATTR_S	0x0010
#define SEG_ATTR_DPL	0x0060
#define SEG_ATTR_P	0x0080
#define SEG_ATTR_AVL	0x1000
#define SEG_ATTR_L	0x2000
#define SEG_ATTR_DB	0x4000
#define SEG_ATTR_G	0x8000

struct vcpu_segment {
	uint16_t selector;
	uint16_t attr;		/* SEG_ATTR_*; P clear: unusable (null) */
	uint32_t limit;		/* in bytes, already scaled */
	uint64_t base;
};

struct vcpu_table {
	uint64_t base;
	uint16_t limit;
};

#define RFLAGS_CF	(1u << 0)
#define RFLAGS_FIXED	(1u << 1)
#define RFLAGS_PF	(1u << 2)
#define RFLAGS_AF	(1u << 4)
#define RFLAGS_ZF	(1u << 6)
#define RFLAGS_SF	(1u << 7)
#define RFLAGS_TF	(1u << 8)
#define RFLAGS_IF	(1u << 9)
#define RFLAGS_DF	(1u << 10)
#define RFLAGS_OF	(1u << 11)
#define RFLAGS_IOPL	(3u << 12)
#define RFLAGS_NT	(1u << 14)
#define RFLAGS_RF	(1u << 16)
#define RFLAGS_VM	(1u << 17)
#define RFLAGS_AC	(1u << 18)
#define RFLAGS_VIF	(1u << 19)
#define RFLAGS_VIP	(1u << 20)
#define RFLAGS_ID	(1u << 21)
/* What user-mode host code computes: the flags of arithmetic, and DF. */
#define RFLAGS_ARITH	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

#define CR0_PE	(1u << 0)
#define CR0_MP	(1u << 1)
#define CR0_EM	(1u << 2)
#define CR0_TS	(1u << 3)
#define CR0_ET	(1u << 4)
#define CR0_NE	(1u << 5)
#define CR0_WP	(1u << 16)
#define CR0_AM	(1u << 18)
#define CR0_NW	(1u << 29)
#define CR0_CD	(1u << 30)
#define CR0_PG	(1u << 31)

#define CR4_VME		(1u << 0)
#define CR4_PVI		(1u << 1)
#define CR4_TSD		(1u << 2)
#define CR4_DE		(1u << 3)
#define CR4_PSE		(1u << 4)
#define CR4_PAE		(1u << 5)
#define CR4_MCE		(1u << 6)
#define CR4_PGE		(1u << 7)
#define CR4_PCE		(1u << 8)
#define CR4_OSFXSR	(1u << 9)
#define CR4_OSXMMEXCPT	(1u << 10)
#define CR4_UMIP	(1u << 11)
#define CR4_LA57	(1u << 12)
#define CR4_FSGSBASE	(1u << 16)
#define CR4_PCIDE	(1u << 17)
#define CR4_OSXSAVE	(1u << 18)
#define CR4_SMEP	(1u << 20)
#define CR4_SMAP	(1u << 21)

#define CR3_NOFLUSH	(1ul << 63)
#define CR3_PCID_MASK	0xffful
#define CR3_ADDR_MASK	0x000ffffffffff000ul

#define EFER_SCE	(1u << 0)
#define EFER_LME	(1u << 8)
#define EFER_LMA	(1u << 10)
#define EFER_NXE	(1u << 11)

/* Exception vectors (SDM vol. 3, table 6-1). */
enum vcpu_vector {
	VEC_DE = 0, VEC_DB = 1, VEC_NMI = 2, VEC_BP = 3, VEC_OF = 4, VEC_BR = 5,
	VEC_UD = 6, VEC_NM = 7, VEC_DF = 8, VEC_TS = 10, VEC_NP = 11, VEC_SS = 12,
	VEC_GP = 13, VEC_PF = 14, VEC_MF = 16, VEC_AC = 17, VEC_MC = 18, VEC_XM = 19,
};

/* Page-fault error code (SDM vol. 3, 4.7). */
#define PF_P	(1u << 0)
#define PF_W	(1u << 1)
#define PF_U	(1u << 2)
#define PF_RSVD	(1u << 3)
#define PF_I	(1u << 4)

/* An exception found but not yet delivered. */
struct vcpu_exception {
	bool valid;
	bool has_error;
	bool software;		/* INT n, INT3, INTO: RIP already advanced, DPL checked */
	uint8_t vector;
	uint32_t error;
	uint64_t cr2;		/* VEC_PF only: goes to CR2 at delivery */
	uint64_t dr6;		/* VEC_DB only: bits to set in DR6 at delivery */
};

/* What a halted CPU waits for. */
enum vcpu_halt {
	VCPU_RUNS,		/* nothing: it is not halted */
	VCPU_HALT_INTERRUPT,	/* HLT: an interrupt, with RFLAGS.IF set, or NMI */
	VCPU_HALT_PENDING,	/* the call `halt`: until one is pending, deliverable or not */
};

/* Where the guest's x87/SSE/AVX state is at this moment. */
enum vcpu_fpu_place {
	FPU_IN_MEMORY,		/* vcpu->xsave */
	FPU_IN_KERNEL_WORLD,	/* this process's registers */
	FPU_IN_USER_WORLD,	/* vcpu->fpu_world's registers or signal frame */
};

#define VCPU_XSAVE_SIZE		0x4000
#define VCPU_DR6_INIT		0xffff0ff0ul
#define VCPU_DR7_INIT		0x400ul

/*
 * State that generated code reads and writes by [disp32]; see translate/.
 * Valid while generated code runs; vcpu->rflags is put together from it on the
 * way out (translate/state.c).
 */
struct vcpu_fast {
	uint64_t spill[REG_COUNT];	/* a register's guest value while it serves as scratch */
	uint64_t branch_target;	/* guest RIP of an indirect branch being looked up */
	uint64_t if_adjust;	/* 0 when IF is set, -0x200 when clear: added to PUSHF's value */
	uint64_t ac_adjust;	/* 0, or RFLAGS_AC: likewise */
	uint64_t sys_adjust;	/* the other system flags: likewise */
	uint64_t host_flags;	/* RFLAGS as loaded into, or left by, generated code */
	uint64_t host_rsp;	/* RSP + delta */
	uint64_t gs_base[2];	/* guest values: [0] active, [1] IA32_KERNEL_GS_BASE */
	uint64_t gs_host[2];	/* the same rebased: [0] is what the host's GS base holds */
	uint64_t engine_fs;	/* the engine's own FS base (TLS) */
	uint64_t engine_rsp;
	uint64_t cache_rip;	/* host address at which generated code continues */
	uint64_t delta;		/* DELTA_HIGH or DELTA_LOW: FS base of generated code */
	/* These two are read as one quadword by STI's code. */
	uint32_t kick;		/* somebody wants the vCPU loop's attention */
	uint32_t irq_waits;	/* an interrupt is deliverable as soon as IF is set */
	uint32_t exit_index;	/* which exit or call-out site was taken */
	uint32_t fpu_away;	/* SIMD state is not in these registers, or CR0.TS/EM is set */
};
_Static_assert(offsetof(struct vcpu_fast, kick) % 8 == 0, "kick and irq_waits: one quadword");

struct vcpu {
	struct vcpu_fast fast;		/* first: small displacements */

	uint64_t regs[REG_COUNT];
	uint64_t rip;
	uint64_t rflags;
	uint8_t cpl;
	uint8_t halted;			/* enum vcpu_halt */
	bool interrupt_shadow;		/* after STI, MOV SS, POP SS: one instruction long */
	bool nmi_blocked;
	bool nmi_pending;
	struct vcpu_exception exception;

	struct vcpu_segment seg[SEG_COUNT];	/* FS base here; GS bases in fast.gs_base */
	struct vcpu_table gdtr, idtr;
	uint64_t cr0, cr2, cr3, cr4, cr8;
	uint64_t dr[4], dr6, dr7;
	uint64_t xcr0;
	uint64_t efer;
	uint64_t star, lstar, cstar, sfmask;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t tsc_aux, tsc_adjust, pat, apic_base, misc_enable, spec_ctrl, debugctl;
	uint64_t mtrr_def_type, mtrr_fixed[11], mtrr_base[8], mtrr_mask[8];
	uint64_t pdpte[4];		/* PAE paging: loaded with CR3 */

	enum vcpu_fpu_place fpu_place;
	void *fpu_world;		/* struct world *, if FPU_IN_USER_WORLD */
	/* XSAVE standard format (what XSAVE64 writes with all of XCR0). */
	uint8_t xsave[VCPU_XSAVE_SIZE] __attribute__((aligned(64)));
};

_Static_assert(sizeof(struct vcpu) <= LAYOUT_VCPU_SIZE, "vcpu outgrew its area");

/* Architectural reset (SDM vol. 3, table 9-1): real mode at ffff:0000. */
void vcpu_reset(struct vcpu *vcpu);
/*
 * Called whenever fast.gs_base[] changed by other ways than generated code.  The
 * default does nothing; translate/ overrides it to keep fast.gs_host[] right.
 */
void vcpu_gs_changed(struct vcpu *vcpu);

static inline bool vcpu_long_mode(const struct vcpu *v)
{
	return v->efer & EFER_LMA;
}

static inline bool vcpu_64bit_code(const struct vcpu *v)
{
	return (v->efer & EFER_LMA) && (v->seg[SEG_CS].attr & SEG_ATTR_L);
}

/* Note an exception to be delivered before the next instruction. */
static inline void vcpu_raise(struct vcpu *v, enum vcpu_vector vector)
{
	v->exception = (struct vcpu_exception){ .valid = true, .vector = (uint8_t)vector };
}

static inline void vcpu_raise_error(struct vcpu *v, enum vcpu_vector vector, uint32_t error)
{
	v->exception = (struct vcpu_exception){ .valid = true, .has_error = true,
						.vector = (uint8_t)vector, .error = error };
}

static inline void vcpu_raise_pf(struct vcpu *v, gva_t addr, uint32_t error)
{
	v->exception = (struct vcpu_exception){ .valid = true, .has_error = true, .vector = VEC_PF,
						.error = error, .cr2 = addr.v };
}

#endif
