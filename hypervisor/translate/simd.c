/* SPDX-License-Identifier: MIT */
/*
 * Moving the guest's SIMD state.  The engine itself never uses these registers
 * (it is built for general registers only), so what XRSTOR puts there stays.
 */
#include "translate/simd.h"

#include "debug/trace.h"
#include "world/world.h"

void simd_to_memory(struct vcpu *vcpu)
{
	if (vcpu->fpu_place == FPU_IN_MEMORY)
		return;
	trace_exit(TRACE_K_FPU_MOVE, vcpu->rip, vcpu->fpu_place, FPU_IN_MEMORY);
	if (vcpu->fpu_place == FPU_IN_USER_WORLD) {
		world_fpu_fetch(vcpu);
		return;
	}
	__asm__ volatile("xsave64 %0" : "+m"(vcpu->xsave) : "a"(-1), "d"(-1) : "memory");
	vcpu->fpu_place = FPU_IN_MEMORY;
	vcpu->fast.fpu_away = 1;
}

void simd_to_kernel_world(struct vcpu *vcpu)
{
	if (vcpu->fpu_place == FPU_IN_KERNEL_WORLD)
		return;
	simd_to_memory(vcpu);
	trace_exit(TRACE_K_FPU_MOVE, vcpu->rip, FPU_IN_MEMORY, FPU_IN_KERNEL_WORLD);
	__asm__ volatile("xrstor64 %0" : : "m"(vcpu->xsave), "a"(-1), "d"(-1) : "memory");
	vcpu->fpu_place = FPU_IN_KERNEL_WORLD;
	vcpu->fast.fpu_away = 0;
}
