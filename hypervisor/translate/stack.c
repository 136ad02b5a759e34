/* SPDX-License-Identifier: MIT */
/*
 * Instructions that use the stack implicitly and cannot just be copied: those
 * that see RSP's value, and PUSHF.  The plain ones (PUSH reg, POP reg, PUSH imm,
 * and with a memory operand) take the general form.
 *
 * Also the string instructions, which name RDI without allowing a segment
 * prefix for it.
 */
#include "translate/rewrite.h"

#include "translate/translate.h"

static void rewrite_push_rsp(struct rewrite *r)
{
	rewrite_spill(r, REG_RCX, 0, 0);
	emit_imm(&r->out, REG_RCX, 0 - r->delta);
	emit_lea_sum(&r->out, REG_RCX, REG_RSP, REG_RCX);
	emit_push(&r->out, REG_RCX);
	rewrite_fix(r, FIX_DONE, 1u << REG_RCX);
	emit_load(&r->out, REG_RCX, SPILL_ADDR(REG_RCX));
}

static void rewrite_pop_rsp(struct rewrite *r)
{
	rewrite_spill(r, REG_RCX, 0, 0);
	emit_load_top(&r->out, REG_RCX);
	emit_store(&r->out, REG_RSP, SPILL_ADDR(REG_RSP));
	rewrite_fix(r, 0, 1u << REG_RCX | 1u << REG_RSP);
	emit_imm(&r->out, REG_RSP, r->delta);
	emit_lea_sum(&r->out, REG_RSP, REG_RSP, REG_RCX);
	rewrite_fix(r, FIX_DONE, 1u << REG_RCX);
	emit_load(&r->out, REG_RCX, SPILL_ADDR(REG_RCX));
}

static void rewrite_leave_insn(struct rewrite *r)
{
	rewrite_spill(r, REG_RSP, 0, 0);
	emit_imm(&r->out, REG_RSP, r->delta);
	emit_lea_sum(&r->out, REG_RSP, REG_RSP, REG_RBP);
	emit_pop(&r->out, REG_RBP);
}

/*
 * The host's PUSHFQ stores IF set and the other system flags clear; the guest's
 * are added on the stack.
 */
static void rewrite_pushf(struct rewrite *r)
{
	static const uint32_t adjustments[] = {
		VCPU_ADDR(fast.if_adjust), VCPU_ADDR(fast.ac_adjust), VCPU_ADDR(fast.sys_adjust),
	};

	emit8(&r->out, 0x9c);
	rewrite_fix(r, FIX_RSP8, 0);
	rewrite_spill(r, REG_RAX, 0, FIX_RSP8);
	rewrite_spill(r, REG_RCX, 1u << REG_RAX, FIX_RSP8);
	emit_load_top(&r->out, REG_RAX);
	for (unsigned i = 0; i < array_size(adjustments); i++) {
		emit_load(&r->out, REG_RCX, adjustments[i]);
		emit_lea_sum(&r->out, REG_RAX, REG_RAX, REG_RCX);
	}
	emit_store_top(&r->out, REG_RAX);
	rewrite_fix(r, FIX_DONE, 1u << REG_RAX | 1u << REG_RCX);
	emit_load(&r->out, REG_RCX, SPILL_ADDR(REG_RCX));
	emit_load(&r->out, REG_RAX, SPILL_ADDR(REG_RAX));
}

static bool is_rsp(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && op->reg.value == ZYDIS_REGISTER_RSP;
}

bool rewrite_stack(struct rewrite *r)
{
	const struct insn *insn = r->insn;

	switch (insn->zy.mnemonic) {
	case ZYDIS_MNEMONIC_PUSH:
		if (!is_rsp(&insn->ops[0]))
			return false;
		rewrite_push_rsp(r);
		return true;
	case ZYDIS_MNEMONIC_POP:
		if (!is_rsp(&insn->ops[0]))
			return false;
		rewrite_pop_rsp(r);
		return true;
	case ZYDIS_MNEMONIC_LEAVE:
		if (insn->zy.operand_width != 64)
			break;
		rewrite_leave_insn(r);
		return true;
	case ZYDIS_MNEMONIC_PUSHFQ:
		rewrite_pushf(r);
		return true;
	case ZYDIS_MNEMONIC_PUSHF:
	case ZYDIS_MNEMONIC_POPF:
	case ZYDIS_MNEMONIC_POPFQ:
		break;
	default:
		return false;
	}
	rewrite_interpret(r, false);
	return true;
}

/* --- string instructions --- */

static void bias_rdi(struct rewrite *r, uint64_t by)
{
	emit_imm(&r->out, REG_RDX, by);
	emit_lea_sum(&r->out, REG_RDI, REG_RDI, REG_RDX);
}

bool rewrite_string(struct rewrite *r)
{
	const struct insn *insn = r->insn;
	bool names_rdi = false;

	if (insn->zy.meta.category != ZYDIS_CATEGORY_STRINGOP)
		return false;
	for (unsigned i = 0; i < insn->zy.operand_count; i++) {
		const ZydisDecodedOperand *op = &insn->ops[i];

		if (op->type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		if (op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS ||
		    insn->zy.address_width != 64) {
			rewrite_interpret(r, false);
			return true;
		}
		names_rdi |= op->mem.base == ZYDIS_REGISTER_RDI;
	}
	if (names_rdi) {
		rewrite_spill(r, REG_RDX, 0, 0);
		bias_rdi(r, r->delta);
		rewrite_fix(r, FIX_RDI, 1u << REG_RDX);
	}
	emit8(&r->out, 0x64);
	for (unsigned i = 0; i < insn->zy.length; i++) {
		uint8_t byte = insn->bytes[i];
		bool override = i < insn->zy.raw.prefix_count &&
				(byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e);

		if (!override)
			emit8(&r->out, byte);
	}
	if (names_rdi) {
		rewrite_fix(r, FIX_RDI | FIX_DONE, 1u << REG_RDX);
		bias_rdi(r, 0 - r->delta);
		rewrite_fix(r, FIX_DONE, 1u << REG_RDX);
		emit_load(&r->out, REG_RDX, SPILL_ADDR(REG_RDX));
	}
	return true;
}
