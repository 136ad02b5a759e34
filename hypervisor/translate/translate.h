/* SPDX-License-Identifier: MIT */
/*
 * The translator: guest CPL0 64-bit code to host CPL3 code.
 *
 * Essay.  The guest's registers are in the host's registers, its flags in the
 * host's flags (IF, AC and the like apart).  FS.base is `delta`; every explicit
 * memory operand gets an FS prefix, so that guest address A is host address
 * A + delta.  RSP is kept as guest RSP + delta, always, even where that is not
 * canonical: only use faults.  GS.base is guest GS base + delta.
 *
 *	mov  rax, [rdi+8]	->  mov rax, fs:[rdi+8]
 *	mov  rax, [rsp+8]	->  (the same)
 *	mov  rax, [rip+x]	->  mov rax, fs:[A]		A sign-extended from 32 bits
 *	mov  rbp, rsp		->  mov rbp, -delta; lea rbp, [rbp+rsp]
 *	call f			->  push imm32 (guest return address); jmp block(f)
 *	ret			->  pop into a scratch, jump through the indirect table
 *	cli			->  mov qword [if_adjust], -0x200
 *	cpuid			->  leave for the engine, interpret, come back
 *
 * All sequences leave the flags alone: scratch registers are spilled to
 * [disp32], sums are made with LEA, tests with JRCXZ.
 *
 * Each host instruction of a block is covered by a `struct fix` that says how
 * to put the exact guest state together (translate/fixup.c), so a fault is
 * precise and an interrupt can be taken wherever the host's signal comes.
 *
 * Sites are adaptive: an operand is first assumed to be ordinary memory of the
 * same half.  A site that faults for another reason (user address, device,
 * code page) is marked in the site table and its block translated again with
 * a call-out there.
 */
#ifndef RING3_TRANSLATE_TRANSLATE_H
#define RING3_TRANSLATE_TRANSLATE_H

#include "base/types.h"
#include "machine/vcpu.h"
#include "translate/block.h"

int translate_init(void);

enum translate_result {
	TRANSLATE_OK,
	TRANSLATE_FAULT,	/* fetching faults: vcpu->exception is set */
	TRANSLATE_INTERPRET,	/* cannot translate here (no RAM, undecodable): interpret one */
};
/* Find or make the block at vcpu->rip. */
enum translate_result translate_block(struct vcpu *vcpu, struct block **out);

/* Remember that the instruction at rip is better interpreted, and drop its block. */
void translate_demote(uint64_t rip);
/* Forget all of that, and drop the blocks made so: what an instruction did while the guest started
 * (memcpy() of boot data at low addresses) says little about later. */
void translate_promote_all(void);

/* --- state.c: between struct vcpu and generated code --- */
void state_enter(struct vcpu *vcpu);	/* fill fast.* from the architectural fields */
void state_leave(struct vcpu *vcpu);	/* put rflags together from fast.* */
uint64_t state_delta(uint64_t rip);	/* which delta code at rip runs with */
/*
 * A GS base of the other half cannot be rebased: it points where every access
 * faults, in the middle of the host kernel's half, so that no displacement or
 * pointer added to it comes out in ours.
 */
#define STATE_GS_UNREACHABLE	0xffffc00000000000ul
void state_load_gs(struct vcpu *vcpu);	/* GS bases changed: recompute, WRGSBASE */

/* --- entry.S --- */
void translate_enter(void);		/* run at fast.cache_rip until something needs the loop */
extern const char translate_resume_begin[], translate_resume_end[], translate_leave[];
extern const char translate_callout[], translate_ibl_miss[];
/* Called from entry.S on the engine's stack.  true: resume at fast.cache_rip. */
bool translate_dispatch(struct vcpu *vcpu);
extern struct site translate_indirect_site;

/* --- fixup.c --- */
/*
 * The vCPU was stopped at host address pc in the cache with these host
 * registers (in vcpu->regs, RSP biased) and flags.  Make vcpu exact.
 * false: pc is not in generated code.
 */
bool fixup_state(struct vcpu *vcpu, uint64_t pc);
/* Is pc where no guest state can be given (FIX_CRITICAL)?  Step on until it is not. */
bool fixup_critical(uint64_t pc);

/* --- sites.c: handlers --- */
bool site_exit(struct vcpu *vcpu, struct site *site);		/* unlinked direct branch */
bool site_interpret(struct vcpu *vcpu, struct site *site);	/* interpret one, go on */
bool site_iret(struct vcpu *vcpu, struct site *site);
bool site_sysret(struct vcpu *vcpu, struct site *site);
bool site_hypercall(struct vcpu *vcpu, struct site *site);
bool site_sti(struct vcpu *vcpu, struct site *site);
bool site_fpu(struct vcpu *vcpu, struct site *site);		/* fetch SIMD state, retry */

/* What a handler returns when the vCPU is at vcpu->rip: look up and go on, or leave. */
bool translate_continue(struct vcpu *vcpu);
/* The same after an instruction that changed nothing but registers and memory. */
bool translate_resume(struct vcpu *vcpu, struct site *site);

#endif
