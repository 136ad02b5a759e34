/* SPDX-License-Identifier: MIT */
/*
 * Branches: they end a block.
 *
 * Direct ones become direct jumps, first to an exit stub, later to the target's
 * block.  Indirect ones, returns among them, jump through the indirect-branch
 * table with the low 16 bits of the target; the entry found there checks the
 * rest (block.c, make_thunk).  No host CALL or RET is used: the guest's stack
 * must hold the guest's return addresses.
 */
#include "translate/rewrite.h"

#include <string.h>

#include "translate/translate.h"

static void leave_to(struct rewrite *r, uint64_t target)
{
	struct site *exit = rewrite_site(r, site_exit);

	exit->rip = exit->next = target;
	rewrite_leave(r, exit, false);
	exit->branch = r->pending[r->n_pending - 1].branch;
	r->block->exits[r->block->n_exits++] = exit;
}

static void rewrite_jcc(struct rewrite *r, uint64_t target)
{
	uint8_t *opcode;

	/* 0F 8x rel32: written as 0F and a JMP rel32 whose opcode is then replaced. */
	emit8(&r->out, 0x0f);
	opcode = r->out.p;
	leave_to(r, target);
	*opcode = (uint8_t)(0x80 | (r->insn->zy.opcode & 0xf));
	rewrite_fix(r, FIX_DONE, 0);
	leave_to(r, r->next);
}

/* LOOP, LOOPcc, JRCXZ have only a rel8.  Of the prefixes only the address size counts. */
static void rewrite_loop(struct rewrite *r, uint64_t target)
{
	const struct insn *insn = r->insn;

	if (insn->zy.address_width == 32)
		emit8(&r->out, 0x67);
	emit8(&r->out, insn->zy.opcode);
	emit8(&r->out, 2);
	rewrite_fix(r, FIX_DONE, 0);
	emit8(&r->out, 0xeb);
	emit8(&r->out, 5);
	rewrite_fix(r, FIX_TAKEN, 0);
	leave_to(r, target);
	rewrite_fix(r, FIX_DONE, 0);
	leave_to(r, r->next);
}

/* Push the guest's return address. `spilled`: what is already; RAX must not be among it. */
static void push_return(struct rewrite *r, unsigned spilled)
{
	if (fits_sext32(r->next)) {
		emit8(&r->out, 0x68);
		emit32(&r->out, (uint32_t)r->next);
		return;
	}
	rewrite_spill(r, REG_RAX, spilled, 0);
	emit_imm(&r->out, REG_RAX, r->next);
	emit_push(&r->out, REG_RAX);
	rewrite_fix(r, FIX_RSP8, spilled | 1u << REG_RAX);
	emit_load(&r->out, REG_RAX, SPILL_ADDR(REG_RAX));
}

/* RCX is spilled, fast.branch_target is set. */
static void jump_indirect(struct rewrite *r)
{
	rewrite_fix(r, FIX_TARGET, 1u << REG_RCX);
	emit_bytes(&r->out, (const uint8_t[]){ 0x0f, 0xb7, 0xc9, 0xff, 0x24, 0xcd }, 6);
	emit32(&r->out, (uint32_t)LAYOUT_IBL);
}

static bool rewrite_indirect(struct rewrite *r, bool call)
{
	uint8_t *start = r->out.p;
	unsigned n_fixes = r->n_fixes;

	rewrite_spill(r, REG_RCX, 0, 0);
	if (!rewrite_load_operand(r, REG_RCX)) {
		r->out.p = start;
		r->n_fixes = n_fixes;
		return false;
	}
	emit_store(&r->out, REG_RCX, VCPU_ADDR(fast.branch_target));
	if (call)
		push_return(r, 1u << REG_RCX);
	jump_indirect(r);
	return true;
}

static void rewrite_ret(struct rewrite *r)
{
	const struct insn *insn = r->insn;
	uint32_t release = 8;

	if (insn->ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		release += (uint16_t)insn->ops[0].imm.value.u;
	rewrite_spill(r, REG_RCX, 0, 0);
	emit_load_top(&r->out, REG_RCX);
	emit_store(&r->out, REG_RCX, VCPU_ADDR(fast.branch_target));
	emit_bytes(&r->out, (const uint8_t[]){ 0x48, 0x8d, 0xa4, 0x24 }, 4);	/* lea rsp, [rsp + n] */
	emit32(&r->out, release);
	jump_indirect(r);
}

bool rewrite_branch(struct rewrite *r)
{
	const struct insn *insn = r->insn;
	const ZydisDecodedInstruction *zy = &insn->zy;
	bool direct = insn->zy.operand_count && insn->ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		      insn->ops[0].imm.is_relative;
	uint64_t target = direct ? r->next + insn->ops[0].imm.value.u : 0;
	bool done = true;

	switch (zy->meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
		break;
	default:
		return false;
	}
	r->ended = true;
	/* What 66 means to a near branch depends on the processor: AMD's cut RIP to 16 bits. */
	if (zy->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || zy->operand_width == 16 ||
	    (zy->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)) {
		rewrite_interpret(r, true);
		return true;
	}
	switch (zy->mnemonic) {
	case ZYDIS_MNEMONIC_JMP:
		if (direct)
			leave_to(r, target);
		else
			done = rewrite_indirect(r, false);
		break;
	case ZYDIS_MNEMONIC_CALL:
		if (direct) {
			push_return(r, 0);
			rewrite_fix(r, FIX_TAKEN, 0);
			leave_to(r, target);
		} else {
			done = rewrite_indirect(r, true);
		}
		break;
	case ZYDIS_MNEMONIC_RET:
		rewrite_ret(r);
		break;
	case ZYDIS_MNEMONIC_LOOP: case ZYDIS_MNEMONIC_LOOPE: case ZYDIS_MNEMONIC_LOOPNE:
	case ZYDIS_MNEMONIC_JRCXZ: case ZYDIS_MNEMONIC_JECXZ: case ZYDIS_MNEMONIC_JCXZ:
		rewrite_loop(r, target);
		break;
	default:
		if (zy->meta.category == ZYDIS_CATEGORY_COND_BR && direct &&
		    zy->mnemonic >= ZYDIS_MNEMONIC_JB && zy->mnemonic <= ZYDIS_MNEMONIC_JZ)
			rewrite_jcc(r, target);
		else
			done = false;
	}
	if (!done)
		rewrite_interpret(r, true);
	return true;
}
