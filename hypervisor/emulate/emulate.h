/* SPDX-License-Identifier: MIT */
/*
 * The interpreter: one guest instruction at a time, any mode (real, protected,
 * compatibility, 64-bit), any CPL, exact faults.  The reference for the
 * translator, the fallback for everything it does not generate code for, and
 * with --engine emulate the whole CPU.
 *
 * Works on struct vcpu alone, memory through memory/access.h, ports through
 * machine/bus.h, system registers through emulate/system.h.
 */
#ifndef RING3_EMULATE_EMULATE_H
#define RING3_EMULATE_EMULATE_H

#include "decode/decode.h"
#include "emulate/fault.h"
#include "machine/vcpu.h"

enum emulate_result {
	EMULATE_OK,		/* done; RIP advanced (or, for REP, left on it with work remaining) */
	EMULATE_EXCEPTION,	/* vcpu->exception set; no other state changed (REP: progress kept) */
	EMULATE_HALT,		/* HLT done: RIP behind it, vcpu->halted set */
	EMULATE_UNKNOWN,	/* valid on hardware, not implemented here: ring3's error, logged */
};

/* Fetch, decode and execute the instruction at CS:RIP.  Clears interrupt_shadow first. */
enum emulate_result emulate_step(struct vcpu *vcpu);
/* The same for an instruction already fetched and decoded (bytes at CS:RIP). */
enum emulate_result emulate_insn(struct vcpu *vcpu, const struct insn *insn);

/* Before the jail: makes executable memory for instructions run on the host's CPU. */
void emulate_init(struct vcpu *vcpu);

/*
 * The guest's x87 and vector state.  If set, it is left in this process's registers
 * (FPU_IN_KERNEL_WORLD) after an instruction that uses it.  Off by default.
 */
extern bool emulate_fpu_resident;
/* Called when the state is in a user world: must bring it to vcpu->xsave (world_fpu_fetch). */
extern void (*emulate_fpu_fetch)(struct vcpu *vcpu);
/*
 * VMCALL and VMMCALL, any mode and CPL: changes registers, not RIP; false: nothing was done, #UD.
 * NULL (default): always #UD.  Installed by hypercall/.
 */
extern bool (*emulate_hypercall)(struct vcpu *vcpu);
/* Bring the state to vcpu->xsave from wherever it is. */
void fpu_to_memory(struct vcpu *vcpu);
/* And into this process's registers (FPU_IN_KERNEL_WORLD). */
void fpu_to_registers(struct vcpu *vcpu);

#endif
