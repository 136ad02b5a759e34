/* SPDX-License-Identifier: MIT */
/*
 * Moving the vCPU's state between its architectural fields and what generated
 * code works on (struct vcpu_fast, host registers).
 */
#include "translate/translate.h"

#include "memory/vtlb.h"

#define SYSTEM_FLAGS	(RFLAGS_IOPL | RFLAGS_NT | RFLAGS_VIF | RFLAGS_VIP | RFLAGS_ID)
#define HOST_FLAGS	(RFLAGS_ARITH | RFLAGS_DF)

uint64_t state_delta(uint64_t rip)
{
	return rip >> 63 ? DELTA_HIGH : DELTA_LOW;
}

static uint64_t host_gs(uint64_t base, uint64_t delta)
{
	uint64_t host = base + delta;
	bool same_half = base >> 63 == (delta == DELTA_HIGH);

	return same_half && !(host >> 47) ? host : STATE_GS_UNREACHABLE;
}

void state_load_gs(struct vcpu *vcpu)
{
	struct vcpu_fast *f = &vcpu->fast;
	uint64_t host = host_gs(f->gs_base[0], f->delta);

	if (host != f->gs_host[0]) {
		__asm__ volatile("wrgsbase %0" : : "r"(host));
		f->gs_host[0] = host;
	}
	f->gs_host[1] = host_gs(f->gs_base[1], f->delta);
}

void state_enter(struct vcpu *vcpu)
{
	struct vcpu_fast *f = &vcpu->fast;

	if (unlikely(f->delta != state_delta(vcpu->rip))) {
		f->delta = state_delta(vcpu->rip);
		block_unlink_indirect();
		vtlb_change_half();
	}
	f->host_rsp = vcpu->regs[REG_RSP] + f->delta;
	f->host_flags = (vcpu->rflags & HOST_FLAGS) | RFLAGS_IF | RFLAGS_FIXED;
	f->if_adjust = vcpu->rflags & RFLAGS_IF ? 0 : 0ul - RFLAGS_IF;
	f->ac_adjust = vcpu->rflags & RFLAGS_AC;
	f->sys_adjust = vcpu->rflags & SYSTEM_FLAGS;
	f->fpu_away = vcpu->fpu_place != FPU_IN_KERNEL_WORLD || (vcpu->cr0 & (CR0_TS | CR0_EM));
	state_load_gs(vcpu);
}

void state_leave(struct vcpu *vcpu)
{
	struct vcpu_fast *f = &vcpu->fast;

	vcpu->rflags = (f->host_flags & HOST_FLAGS) | RFLAGS_FIXED | f->sys_adjust | f->ac_adjust |
		       (f->if_adjust ? 0 : RFLAGS_IF);
}
