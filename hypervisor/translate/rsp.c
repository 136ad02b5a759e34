/* SPDX-License-Identifier: MIT */
/*
 * RSP as an ordinary register.  It holds the guest's value + delta, so who reads
 * or writes it as a value works on a scratch register, or on a sum that takes
 * delta into account.
 */
#include "translate/rewrite.h"
#include "translate/translate.h"

bool rewrite_names_rsp(const struct insn *insn, bool *reads, bool *writes)
{
	bool found = false;

	*reads = *writes = false;
	for (unsigned i = 0; i < insn->zy.operand_count; i++) {
		const ZydisDecodedOperand *op = &insn->ops[i];

		if (op->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN ||
		    rewrite_gpr(op->reg.value) != REG_RSP)
			continue;
		found = true;
		if (op->actions & ZYDIS_OPERAND_ACTION_MASK_READ)
			*reads = true;
		if (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) {
			*writes = true;
			/* A conditional or narrow write keeps part of the old value. */
			if (op->size < 32 || (op->actions & ZYDIS_OPERAND_ACTION_CONDWRITE))
				*reads = true;
		}
	}
	return found;
}

/* rsp = value + delta, without a second scratch; old RSP stays in its spill slot meanwhile. */
static void set_rsp(struct rewrite *r, unsigned value, uint64_t addend, unsigned spilled)
{
	emit_store(&r->out, REG_RSP, SPILL_ADDR(REG_RSP));
	rewrite_fix(r, 0, spilled | 1u << REG_RSP);
	emit_imm(&r->out, REG_RSP, r->delta + addend);
	emit_lea_sum(&r->out, REG_RSP, REG_RSP, value);
	rewrite_fix(r, FIX_DONE, spilled);
}

static void get_rsp(struct rewrite *r, unsigned reg, uint64_t addend)
{
	emit_imm(&r->out, reg, addend - r->delta);
	emit_lea_sum(&r->out, reg, REG_RSP, reg);
}

/*
 * ADD, SUB, AND of a small immediate work on RSP + delta as they do on RSP,
 * delta being a multiple of 64 KiB; of the flags only SF can differ (see
 * docs/decisions/0004-stack-pointer-flags.md).
 */
static bool adjusts_rsp(const struct insn *insn)
{
	const ZydisDecodedOperand *imm = &insn->ops[1];

	if (insn->zy.operand_count < 2 || insn->ops[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    insn->ops[0].reg.value != ZYDIS_REGISTER_RSP || imm->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return false;
	switch (insn->zy.mnemonic) {
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
		return true;
	case ZYDIS_MNEMONIC_AND:
		return imm->imm.value.s < 0 && imm->imm.value.s >= -0x10000;
	default:
		return false;
	}
}

bool rewrite_lea_rsp(struct rewrite *r)
{
	const struct insn *insn = r->insn;
	const ZydisDecodedOperand *mem = &insn->ops[1];
	int dst = rewrite_gpr(insn->ops[0].reg.value), base = rewrite_gpr(mem->mem.base),
	    index = rewrite_gpr(mem->mem.index);

	if (insn->zy.operand_width != 64 || insn->zy.address_width != 64 || index >= 0)
		return false;
	if (base == REG_RSP && dst == REG_RSP) {
		emit_bytes(&r->out, insn->bytes, insn->zy.length);
		return true;
	}
	if (base == REG_RSP) {
		rewrite_spill(r, (unsigned)dst, 0, 0);
		get_rsp(r, (unsigned)dst, (uint64_t)mem->mem.disp.value);
		return true;
	}
	if (dst == REG_RSP && base >= 0) {
		set_rsp(r, (unsigned)base, (uint64_t)mem->mem.disp.value, 0);
		return true;
	}
	return false;
}

void rewrite_rsp_operand(struct rewrite *r, bool reads, bool writes)
{
	const struct insn *insn = r->insn;
	ZydisMnemonic m = insn->zy.mnemonic;
	uint8_t *start = r->out.p;
	unsigned n_fixes = r->n_fixes, scratch;

	if (adjusts_rsp(insn)) {
		emit_bytes(&r->out, insn->bytes, insn->zy.length);
		return;
	}
	if (m == ZYDIS_MNEMONIC_LEA) {
		if (rewrite_lea_rsp(r))
			return;
		rewrite_interpret(r, false);
		return;
	}
	if (m == ZYDIS_MNEMONIC_MOV && insn->zy.operand_width == 64 &&
	    insn->ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    insn->ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		int dst = rewrite_gpr(insn->ops[0].reg.value), src = rewrite_gpr(insn->ops[1].reg.value);

		if (dst == REG_RSP && src == REG_RSP)
			return;
		if (dst == REG_RSP) {
			set_rsp(r, (unsigned)src, 0, 0);
		} else {
			rewrite_spill(r, (unsigned)dst, 0, 0);
			get_rsp(r, (unsigned)dst, 0);
		}
		return;
	}
	scratch = rewrite_scratch(rewrite_used(insn));
	rewrite_spill(r, scratch, 0, 0);
	if (reads)
		get_rsp(r, scratch, 0);
	if (!rewrite_copy(r, (int)scratch)) {
		r->out.p = start;
		r->n_fixes = n_fixes;
		rewrite_interpret(r, false);
		return;
	}
	if (writes) {
		rewrite_fix(r, FIX_DONE | FIX_RSP_VALUE, 1u << scratch);
		emit_imm(&r->out, REG_RSP, r->delta);
		emit_lea_sum(&r->out, REG_RSP, REG_RSP, scratch);
	}
	rewrite_fix(r, FIX_DONE, 1u << scratch);
	emit_load(&r->out, scratch, SPILL_ADDR(scratch));
}
