/* SPDX-License-Identifier: MIT */
/*
 * Offsets of structure fields for assembly: compiled to text, never linked; the
 * Makefile turns its `->NAME value` lines into build/gen/asm_offsets.h.
 */
#include "machine/vcpu.h"

#define OFFSET(name, field) \
	__asm__ volatile("\n.ascii \"->" #name " %0\"" : : "i"(offsetof(struct vcpu, field)))
#define CONSTANT(name, value) \
	__asm__ volatile("\n.ascii \"->" #name " %0\"" : : "i"(value))

void asm_offsets(void);

void asm_offsets(void)
{
	CONSTANT(ASM_VCPU, LAYOUT_VCPU);
	OFFSET(VCPU_REGS, regs);
	OFFSET(VCPU_SPILL, fast.spill);
	OFFSET(VCPU_HOST_FLAGS, fast.host_flags);
	OFFSET(VCPU_HOST_RSP, fast.host_rsp);
	OFFSET(VCPU_ENGINE_FS, fast.engine_fs);
	OFFSET(VCPU_ENGINE_RSP, fast.engine_rsp);
	OFFSET(VCPU_CACHE_RIP, fast.cache_rip);
	OFFSET(VCPU_DELTA, fast.delta);
	OFFSET(VCPU_KICK, fast.kick);
	OFFSET(VCPU_EXIT_INDEX, fast.exit_index);
}
