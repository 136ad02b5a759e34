/* SPDX-License-Identifier: MIT */
/*
 * The guest's x87 and vector state: where it is, and whether an instruction may
 * touch it now.
 *
 * While `emulate_fpu_resident` is set (the engine, which itself is compiled not
 * to use vector registers) the state stays in this process's registers after an
 * instruction has run, FPU_IN_KERNEL_WORLD; otherwise (tests) it goes back to
 * vcpu->xsave, and the registers get the state the C ABI wants.
 */
#include "emulate/native.h"

#include <cpuid.h>

#include "debug/trace.h"
#include "emulate/data.h"
#include "emulate/emulate.h"

bool emulate_fpu_resident;
void (*emulate_fpu_fetch)(struct vcpu *vcpu);

/* x87, SSE, AVX, AVX-512: never PKRU (the engine's own) nor AMX (hidden). */
#define FEATURES	0xe7ull

uint64_t fpu_features(void)
{
	static uint64_t features;
	uint32_t low, high;

	if (unlikely(!features)) {
		asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
		features = low & FEATURES;
	}
	return features;
}

uint32_t fpu_mxcsr(void)
{
	uint32_t value;

	asm volatile("stmxcsr %0" : "=m"(value));
	return value;
}

void fpu_set_mxcsr(uint32_t value)
{
	asm volatile("ldmxcsr %0" : : "m"(value));
}

uint32_t fpu_mxcsr_mask(void)
{
	static uint8_t image[512] __attribute__((aligned(16)));
	static uint32_t mask;

	if (unlikely(!mask)) {
		asm volatile("fxsave64 %0" : "=m"(image));
		__builtin_memcpy(&mask, image + 28, 4);
		if (!mask)
			mask = 0xffbf;
	}
	return mask;
}

static void xsave(struct vcpu *vcpu)
{
	asm volatile("xsave64 %0" : "+m"(vcpu->xsave)
		     : "a"((uint32_t)fpu_features()), "d"(0) : "memory");
}

void fpu_to_registers(struct vcpu *vcpu)
{
	if (vcpu->fpu_place == FPU_IN_KERNEL_WORLD)
		return;
	if (vcpu->fpu_place == FPU_IN_USER_WORLD && emulate_fpu_fetch)
		emulate_fpu_fetch(vcpu);
	trace_exit(TRACE_K_FPU_MOVE, vcpu->rip, FPU_IN_MEMORY, FPU_IN_KERNEL_WORLD);
	asm volatile("xrstor64 %0" : : "m"(vcpu->xsave), "a"((uint32_t)fpu_features()), "d"(0)
		     : "memory");
	vcpu->fpu_place = FPU_IN_KERNEL_WORLD;
}

void fpu_to_memory(struct vcpu *vcpu)
{
	if (vcpu->fpu_place != FPU_IN_MEMORY)
		trace_exit(TRACE_K_FPU_MOVE, vcpu->rip, vcpu->fpu_place, FPU_IN_MEMORY);
	if (vcpu->fpu_place == FPU_IN_USER_WORLD && emulate_fpu_fetch)
		emulate_fpu_fetch(vcpu);
	if (vcpu->fpu_place != FPU_IN_KERNEL_WORLD)
		return;
	xsave(vcpu);
	vcpu->fpu_place = FPU_IN_MEMORY;
	if (!emulate_fpu_resident) {
		asm volatile("fninit");
		fpu_set_mxcsr(0x1f80);
	}
}

void fpu_begin(struct vcpu *vcpu)
{
	fpu_to_registers(vcpu);
}

void fpu_end(struct vcpu *vcpu)
{
	if (!emulate_fpu_resident)
		fpu_to_memory(vcpu);
}

static bool refuse(struct vcpu *vcpu, enum vcpu_vector vector)
{
	vcpu_raise(vcpu, vector);
	return false;
}

/* FSW.ES: an unmasked x87 exception waits for the next waiting instruction. */
static bool x87_pending(struct vcpu *vcpu)
{
	uint16_t status;

	if (vcpu->fpu_place == FPU_IN_USER_WORLD && emulate_fpu_fetch)
		emulate_fpu_fetch(vcpu);
	if (vcpu->fpu_place == FPU_IN_KERNEL_WORLD) {
		asm volatile("fnstsw %0" : "=am"(status));
	} else {
		if (!(vcpu->xsave[512] & 1))
			return false;
		__builtin_memcpy(&status, vcpu->xsave + 2, 2);
	}
	return status & 0x80;
}

bool fpu_allowed(struct vcpu *vcpu, unsigned flags)
{
	uint64_t cr0 = vcpu->cr0;

	if (!(flags & NATIVE_SIMD)) {
		/* BMI: VEX needs protected mode. */
		return mode_protected(vcpu) || refuse(vcpu, VEC_UD);
	}
	if (flags & NATIVE_AVX) {
		uint64_t need = flags & NATIVE_AVX512 ? 0xe6 : 6;

		if (!mode_protected(vcpu) || !(vcpu->cr4 & CR4_OSXSAVE) ||
		    (vcpu->xcr0 & need) != need)
			return refuse(vcpu, VEC_UD);
	} else if (flags & (NATIVE_SSE | NATIVE_MMX)) {
		if ((cr0 & CR0_EM) || ((flags & NATIVE_SSE) && !(vcpu->cr4 & CR4_OSFXSR)))
			return refuse(vcpu, VEC_UD);
	} else if (cr0 & CR0_EM) {
		return refuse(vcpu, VEC_NM);
	}
	if (cr0 & CR0_TS)
		return refuse(vcpu, VEC_NM);
	if ((flags & (NATIVE_X87 | NATIVE_MMX)) && !(flags & NATIVE_NOWAIT) &&
	    (cr0 & CR0_NE) && x87_pending(vcpu))
		return refuse(vcpu, VEC_MF);
	return true;
}

/* LDMXCSR alone can load what the CPU would refuse. */
enum emulate_result op_ldmxcsr(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value;

	if (!fpu_allowed(vcpu, NATIVE_SIMD | (op->native.flags & NATIVE_AVX ? NATIVE_AVX : NATIVE_SSE)) ||
	    !op_get(vcpu, op, 0, &value))
		return EMULATE_EXCEPTION;
	if (value & ~(uint64_t)fpu_mxcsr_mask())
		return raise_gp(vcpu, 0);
	fpu_begin(vcpu);
	fpu_set_mxcsr((uint32_t)value);
	fpu_end(vcpu);
	return op_done(vcpu, op);
}

enum emulate_result op_stmxcsr(struct vcpu *vcpu, const struct op *op)
{
	uint32_t value;

	if (!fpu_allowed(vcpu, NATIVE_SIMD | (op->native.flags & NATIVE_AVX ? NATIVE_AVX : NATIVE_SSE)))
		return EMULATE_EXCEPTION;
	fpu_begin(vcpu);
	value = fpu_mxcsr();
	fpu_end(vcpu);
	if (!op_set(vcpu, op, 0, value))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}
