/* SPDX-License-Identifier: MIT */
/*
 * What happens when generated code leaves for the engine: one handler for each
 * kind of site.  Called on the engine's stack with the vCPU's state whole; a
 * handler answers true to go on in generated code at fast.cache_rip, false to
 * return to the vCPU loop (which delivers exceptions and interrupts).
 */
#include "debug/stats.h"
#include "debug/trace.h"
#include "emulate/deliver.h"
#include "emulate/emulate.h"
#include "machine/machine.h"
#include "translate/translate.h"

static bool site_indirect(struct vcpu *vcpu, struct site *site);

/* Not of any block: an indirect branch whose target the table does not know. */
struct site translate_indirect_site = { .handler = site_indirect };

bool translate_dispatch(struct vcpu *vcpu)
{
	struct site *site = (struct site *)(uintptr_t)vcpu->fast.exit_index;

	vcpu->rip = site->rip;
	vcpu->interrupt_shadow = false;
	state_leave(vcpu);
	return site->handler(vcpu, site);
}

/* May generated code run now, or does the loop have something to do first? */
static bool can_run(const struct vcpu *vcpu)
{
	return !vcpu->fast.kick && !vcpu->exception.valid && !vcpu->cpl && !vcpu->halted &&
	       !vcpu->interrupt_shadow && !(vcpu->rflags & RFLAGS_TF) && vcpu_64bit_code(vcpu) &&
	       !(vcpu->fast.irq_waits && (vcpu->rflags & RFLAGS_IF)) && !machine.stop;
}

static bool go(struct vcpu *vcpu, uint64_t host)
{
	vcpu->fast.cache_rip = host;
	state_enter(vcpu);
	return true;
}

bool translate_continue(struct vcpu *vcpu)
{
	struct block *b;

	if (!can_run(vcpu) || translate_block(vcpu, &b) != TRANSLATE_OK)
		return false;
	return go(vcpu, b->host);
}

bool translate_resume(struct vcpu *vcpu, struct site *site)
{
	if (likely(site->resume && site->block->valid))
		return go(vcpu, site->resume);
	return translate_continue(vcpu);
}

bool site_exit(struct vcpu *vcpu, struct site *site)
{
	uint64_t generation = block_generation();
	struct block *b;

	stats.exit_lookup++;
	vcpu->rip = site->next;
	if (!can_run(vcpu) || translate_block(vcpu, &b) != TRANSLATE_OK)
		return false;
	/* Never between the halves: delta differs.  Never after a flush: the site is gone. */
	if (generation == block_generation() && b->rip >> 63 == site->block->rip >> 63) {
		block_link(site, b);
		stats.links++;
	}
	return go(vcpu, b->host);
}

static bool site_indirect(struct vcpu *vcpu, struct site *site)
{
	bool high = vcpu->fast.delta == DELTA_HIGH;
	struct block *b;

	(void)site;
	stats.exit_lookup++;
	vcpu->rip = vcpu->fast.branch_target;
	if (!can_run(vcpu) || translate_block(vcpu, &b) != TRANSLATE_OK)
		return false;
	if (b->rip >> 63 == high)
		block_link_indirect(b);
	return go(vcpu, b->host);
}

bool site_interpret(struct vcpu *vcpu, struct site *site)
{
	enum emulate_result result;

	stats.exit_callout++;
	stats.emulated++;
	trace_exit(TRACE_K_CALLOUT, site->rip, (uintptr_t)site, 0);
	result = emulate_step(vcpu);
	if (result == EMULATE_UNKNOWN) {
		machine_stop(MACHINE_ERROR, 0, "an instruction that the interpreter does not know");
		return false;
	}
	if (result != EMULATE_OK || !can_run(vcpu))
		return false;
	if (site->resume && vcpu->rip == site->next && site->block->valid)
		return go(vcpu, site->resume);
	return translate_continue(vcpu);
}

bool site_iret(struct vcpu *vcpu, struct site *site)
{
	(void)site;
	stats.exit_callout++;
	stats.returns++;
	return deliver_iret(vcpu) && translate_continue(vcpu);
}

bool site_sysret(struct vcpu *vcpu, struct site *site)
{
	stats.exit_callout++;
	stats.returns++;
	return deliver_sysret(vcpu, site->operand64) && translate_continue(vcpu);
}

/* Tens of cycles beside the round trip: neither decoded nor looked up. */
bool site_hypercall(struct vcpu *vcpu, struct site *site)
{
	if (unlikely(!emulate_hypercall || !emulate_hypercall(vcpu)))
		return site_interpret(vcpu, site);	/* raises #UD */
	stats.exit_callout++;
	vcpu->rip = site->next;
	return can_run(vcpu) && translate_resume(vcpu, site);
}

bool site_sti(struct vcpu *vcpu, struct site *site)
{
	vcpu->rip = site->next;
	vcpu->interrupt_shadow = true;
	return false;
}

bool site_fpu(struct vcpu *vcpu, struct site *site)
{
	if (vcpu->cr0 & (CR0_TS | CR0_EM))
		return site_interpret(vcpu, site);	/* raises #NM or #UD */
	fpu_to_registers(vcpu);
	return go(vcpu, site->resume);
}
