/* SPDX-License-Identifier: MIT */
/*
 * Private to emulate/: guest instructions run on the host's own CPU.
 *
 * native_lower.c rewrites an instruction for 64-bit mode with its memory
 * operand at a scratch area; native.c runs it between fetching and storing that
 * operand; fpu.c keeps the guest's x87 and vector state.
 */
#ifndef RING3_EMULATE_NATIVE_H
#define RING3_EMULATE_NATIVE_H

#include "emulate/op.h"

struct native_frame {
	uint64_t regs[REG_COUNT];
	uint64_t flags;
	const void *code;
	uint64_t host_rsp;
	uint64_t aborted;
};

_Static_assert(offsetof(struct native_frame, flags) == 128, "native_enter.S");
_Static_assert(offsetof(struct native_frame, aborted) == 152, "native_enter.S");

extern struct native_frame native_frame;
void native_enter(void);
void native_abort(void);

/* fpu.c: may this instruction run now?  #UD, #NM or #MF otherwise. */
bool fpu_allowed(struct vcpu *vcpu, unsigned flags);
/* Before and after running: state into registers, and where it is to stay. */
void fpu_begin(struct vcpu *vcpu);
void fpu_end(struct vcpu *vcpu);
uint32_t fpu_mxcsr(void);
void fpu_set_mxcsr(uint32_t value);
uint32_t fpu_mxcsr_mask(void);
/* xsave.c: registers in vcpu->xsave, which must be current; writing clears beyond `size`. */
void fpu_vector_read(struct vcpu *vcpu, unsigned reg, uint8_t value[64]);
void fpu_vector_write(struct vcpu *vcpu, unsigned reg, const uint8_t value[64], unsigned size);
uint64_t fpu_mask_read(struct vcpu *vcpu, unsigned reg);
void fpu_mask_write(struct vcpu *vcpu, unsigned reg, uint64_t value);
/* Host features that vcpu->xsave holds. */
uint64_t fpu_features(void);

#endif
