/* SPDX-License-Identifier: MIT */
/*
 * Near branches, and the instructions that leave through descriptor tables or
 * MSRs: their descriptor work is in segment.c and deliver.c.
 */
#include "base/log.h"
#include "emulate/data.h"
#include "emulate/deliver.h"
#include "emulate/segment.h"

bool branch_check(struct vcpu *vcpu, uint64_t target)
{
	if (vcpu_64bit_code(vcpu) ? !gva_canonical(GVA(target)) : target > vcpu->seg[SEG_CS].limit) {
		vcpu_raise_error(vcpu, VEC_GP, 0);
		return false;
	}
	return true;
}

/* Relative immediate or absolute operand, cut to the operand size; not yet checked. */
static bool branch_target(struct vcpu *vcpu, const struct op *op, uint64_t *target)
{
	if (op->o[0].kind == OPERAND_IMM)
		*target = vcpu->rip + op->length + op->imm;
	else if (!op_get(vcpu, op, 0, target))
		return false;
	*target &= size_mask(op->size);
	return true;
}

enum emulate_result op_jmp(struct vcpu *vcpu, const struct op *op)
{
	uint64_t target;

	if (!branch_target(vcpu, op, &target) || !branch_check(vcpu, target))
		return EMULATE_EXCEPTION;
	vcpu->rip = target;
	return EMULATE_OK;
}

enum emulate_result op_jcc(struct vcpu *vcpu, const struct op *op)
{
	return cc_holds(vcpu->rflags, op->cc) ? op_jmp(vcpu, op) : op_done(vcpu, op);
}

enum emulate_result op_call(struct vcpu *vcpu, const struct op *op)
{
	uint64_t target;

	if (!branch_target(vcpu, op, &target))
		return EMULATE_EXCEPTION;
	/* The stack's faults come before a bad target's; nothing is pushed for that. */
	if (unlikely(!branch_check(vcpu, target))) {
		struct vcpu_exception bad = vcpu->exception;

		if (stack_probe(vcpu, op->size))
			vcpu->exception = bad;
		return EMULATE_EXCEPTION;
	}
	if (!stack_push(vcpu, op->size, op_next_rip(vcpu, op)))
		return EMULATE_EXCEPTION;
	vcpu->rip = target;
	return EMULATE_OK;
}

enum emulate_result op_ret(struct vcpu *vcpu, const struct op *op)
{
	uint64_t target;

	if (!stack_peek(vcpu, 0, op->size, &target) || !branch_check(vcpu, target))
		return EMULATE_EXCEPTION;
	stack_adjust(vcpu, op->size + (op->o[0].kind == OPERAND_IMM ? (int64_t)(op->imm & 0xffff) : 0));
	vcpu->rip = target;
	return EMULATE_OK;
}

enum emulate_result op_loop(struct vcpu *vcpu, const struct op *op)
{
	uint64_t count = (vcpu->regs[REG_RCX] - 1) & size_mask(op->address_size);
	bool taken = count != 0;
	uint64_t target = (vcpu->rip + op->length + op->imm) & size_mask(op->size);

	if (op->mnemonic == ZYDIS_MNEMONIC_LOOPE)
		taken = taken && (vcpu->rflags & RFLAGS_ZF);
	else if (op->mnemonic == ZYDIS_MNEMONIC_LOOPNE)
		taken = taken && !(vcpu->rflags & RFLAGS_ZF);
	if (taken && !branch_check(vcpu, target))
		return EMULATE_EXCEPTION;
	reg_set(vcpu, REG_RCX, op->address_size, count);
	vcpu->rip = taken ? target : op_next_rip(vcpu, op);
	return EMULATE_OK;
}

enum emulate_result op_jcxz(struct vcpu *vcpu, const struct op *op)
{
	if (reg_get(vcpu, REG_RCX, op->address_size))
		return op_done(vcpu, op);
	return op_jmp(vcpu, op);
}

/* Far pointer: immediate, or in memory as offset then selector. */
static bool far_target(struct vcpu *vcpu, const struct op *op, uint16_t *selector, uint64_t *offset)
{
	uint64_t value;
	gva_t addr;

	if (op->o[0].kind == OPERAND_FAR) {
		*selector = op->selector;
		*offset = op->imm;
		return true;
	}
	if (!op_linear(vcpu, op, op->size + 2, false, &addr) ||
	    !mem_load(vcpu, addr, op->size, offset) ||
	    !mem_load(vcpu, GVA(addr.v + op->size), 2, &value))
		return false;
	*selector = (uint16_t)value;
	return true;
}

enum emulate_result op_jmp_far(struct vcpu *vcpu, const struct op *op)
{
	uint16_t selector;
	uint64_t offset;

	if (!far_target(vcpu, op, &selector, &offset))
		return EMULATE_EXCEPTION;
	return segment_far_jump(vcpu, selector, offset);
}

enum emulate_result op_call_far(struct vcpu *vcpu, const struct op *op)
{
	uint16_t selector;
	uint64_t offset;

	if (!far_target(vcpu, op, &selector, &offset))
		return EMULATE_EXCEPTION;
	return segment_far_call(vcpu, selector, offset, op->size, op_next_rip(vcpu, op));
}

enum emulate_result op_ret_far(struct vcpu *vcpu, const struct op *op)
{
	unsigned extra = op->o[0].kind == OPERAND_IMM ? (unsigned)(op->imm & 0xffff) : 0;

	return segment_far_return(vcpu, op->size, extra);
}

/* INT n, INT3, INTO, INT1.  RIP behind the instruction is what the handler returns to. */
enum emulate_result op_int(struct vcpu *vcpu, const struct op *op)
{
	uint8_t vector;
	uint64_t next = op_next_rip(vcpu, op);

	switch (op->mnemonic) {
	case ZYDIS_MNEMONIC_INT3:
		vector = VEC_BP;
		break;
	case ZYDIS_MNEMONIC_INT1:
		vector = VEC_DB;
		break;
	case ZYDIS_MNEMONIC_INTO:
		if (!(vcpu->rflags & RFLAGS_OF))
			return op_done(vcpu, op);
		vector = VEC_OF;
		break;
	default:
		vector = (uint8_t)op->imm;
		if (mode_v86(vcpu) && vcpu_iopl(vcpu) < 3)
			return raise_gp(vcpu, 0);
		break;
	}
	return deliver_software(vcpu, vector, next, op->mnemonic == ZYDIS_MNEMONIC_INT1);
}

enum emulate_result op_iret(struct vcpu *vcpu, const struct op *op)
{
	return deliver_iret_any(vcpu, op->size);
}

enum emulate_result op_syscall(struct vcpu *vcpu, const struct op *op)
{
	return deliver_syscall(vcpu, op_next_rip(vcpu, op)) ? EMULATE_OK : EMULATE_EXCEPTION;
}

enum emulate_result op_sysret(struct vcpu *vcpu, const struct op *op)
{
	/* SYSRET's operand size is REX.W alone. */
	return deliver_sysret(vcpu, op->size == 8) ? EMULATE_OK : EMULATE_EXCEPTION;
}

enum emulate_result op_sysenter(struct vcpu *vcpu, const struct op *op)
{
	(void)op;
	return deliver_sysenter(vcpu) ? EMULATE_OK : EMULATE_EXCEPTION;
}

enum emulate_result op_sysexit(struct vcpu *vcpu, const struct op *op)
{
	return deliver_sysexit(vcpu, op->size == 8) ? EMULATE_OK : EMULATE_EXCEPTION;
}
