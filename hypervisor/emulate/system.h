/* SPDX-License-Identifier: MIT */
/*
 * System registers: control and debug registers, MSRs, CPUID, XCR0.  Checks and
 * side effects as the manual has them; used by the interpreter and by the
 * translator's call-outs alike.
 *
 * Functions that can fault return false with vcpu->exception set and nothing
 * changed.  The privilege level (CPL 0) was checked by the caller; values come
 * as wide as the operand was (zero-extended from 32 bits outside 64-bit mode).
 */
#ifndef RING3_EMULATE_SYSTEM_H
#define RING3_EMULATE_SYSTEM_H

#include "machine/vcpu.h"

bool system_write_cr0(struct vcpu *vcpu, uint64_t value);
bool system_write_cr3(struct vcpu *vcpu, uint64_t value);
bool system_write_cr4(struct vcpu *vcpu, uint64_t value);
bool system_write_cr8(struct vcpu *vcpu, uint64_t value);
bool system_read_cr(struct vcpu *vcpu, unsigned nr, uint64_t *value);
bool system_read_dr(struct vcpu *vcpu, unsigned nr, uint64_t *value);
bool system_write_dr(struct vcpu *vcpu, unsigned nr, uint64_t value);
bool system_read_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool system_write_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value);
/* As WRMSR does it: LMA is not the writer's business. */
bool system_write_efer(struct vcpu *vcpu, uint64_t value);
/* XSETBV; #UD without CR4.OSXSAVE. */
bool system_set_xcr0(struct vcpu *vcpu, uint32_t index, uint64_t value);
void system_cpuid(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
bool system_invlpg(struct vcpu *vcpu, gva_t addr);
bool system_invpcid(struct vcpu *vcpu, uint64_t type, const uint64_t descriptor[2]);

/*
 * What must be forgotten when the guest says so; memory/vtlb.c (or, while it is
 * not linked, nobody) listens.  pcid is that of the context concerned.
 */
struct system_tlb_ops {
	void (*flush_all)(struct vcpu *vcpu, bool keep_global);	/* every PCID */
	void (*flush_pcid)(struct vcpu *vcpu, unsigned pcid);	/* non-global entries of one PCID */
	void (*flush_page)(struct vcpu *vcpu, unsigned pcid, gva_t addr, bool global_too);
	void (*load_cr3)(struct vcpu *vcpu, uint64_t old, bool flush); /* after CR3 changed */
	void (*prefill)(uint64_t root, gva_t addr);	/* CPL3 code will use this page soon: a hint */
	void (*forget_root)(struct vcpu *vcpu, uint64_t root);	/* not CR3's: it is used no more */
	void (*mode_changed)(struct vcpu *vcpu);	/* CR0.PG/WP, CR4.*, EFER.NXE/LMA changed */
};
extern const struct system_tlb_ops *system_tlb;

#endif
