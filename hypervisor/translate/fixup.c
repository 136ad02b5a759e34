/* SPDX-License-Identifier: MIT */
/*
 * From a host address in generated code to the exact guest state.
 *
 * Example.  `mov rbp, rsp` became
 *
 *	+0	mov [spill.rbp], rbp		fix: -
 *	+8	mov rbp, -delta			fix: rbp spilled
 *	+18	lea rbp, [rbp + rsp]
 *	+23	(next instruction)		fix: -, next index
 *
 * At +18 RBP holds neither the old nor the new value; the fix at +8 says that
 * the guest's is in the spill slot, so the state at hand is that before the
 * instruction.  A fix with FIX_DONE describes the state after it.
 */
#include "translate/translate.h"

static const struct fix *find_fix(const struct block *b, uint64_t pc)
{
	unsigned low = 0, high = b->n_fixes, at = (unsigned)(pc - b->host);

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (b->fixes[mid].host <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return &b->fixes[low ? low - 1 : 0];
}

static void apply(struct vcpu *vcpu, const struct block *b, const struct fix *f)
{
	uint64_t rsp = vcpu->regs[REG_RSP];
	unsigned flags = f->flags;

	if (flags & FIX_RSP_VALUE)
		rsp = vcpu->regs[__builtin_ctz(f->spilled)] + vcpu->fast.delta;
	for (unsigned i = 0; i < REG_COUNT; i++)
		if (f->spilled & (1u << i))
			vcpu->regs[i] = vcpu->fast.spill[i];
	if (f->spilled & (1u << REG_RSP))
		rsp = vcpu->fast.spill[REG_RSP];
	if (flags & FIX_RSP8)
		rsp += 8;
	vcpu->regs[REG_RSP] = rsp - vcpu->fast.delta;
	if (flags & FIX_RDI)
		vcpu->regs[REG_RDI] -= vcpu->fast.delta;
	if (flags & FIX_TARGET)
		vcpu->rip = vcpu->fast.branch_target;
	else if (flags & FIX_TAKEN)
		vcpu->rip = b->exits[0]->next;
	else
		vcpu->rip = b->rip + b->insn_offset[f->insn + !!(flags & FIX_DONE)];
	vcpu->interrupt_shadow = flags & FIX_SHADOW;
}

bool fixup_critical(uint64_t pc)
{
	const struct block *b;

	if (pc < LAYOUT_CACHE || pc >= LAYOUT_CACHE + LAYOUT_CACHE_SIZE)
		return false;
	b = block_at_host(pc);
	return b && (find_fix(b, pc)->flags & FIX_CRITICAL);
}

bool fixup_state(struct vcpu *vcpu, uint64_t pc)
{
	struct block *b;

	if (pc < LAYOUT_CACHE || pc >= LAYOUT_CACHE + LAYOUT_CACHE_SIZE)
		return false;
	b = block_at_host(pc);
	if (b) {
		apply(vcpu, b, find_fix(b, pc));
	} else {
		/* A checked entry: before and after it reloads RCX the slot holds its value. */
		vcpu->regs[REG_RCX] = vcpu->fast.spill[REG_RCX];
		vcpu->regs[REG_RSP] -= vcpu->fast.delta;
		vcpu->rip = vcpu->fast.branch_target;
		vcpu->interrupt_shadow = false;
	}
	state_leave(vcpu);
	return true;
}
