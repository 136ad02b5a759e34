/* SPDX-License-Identifier: MIT */
/*
 * The stack: pointer width by mode, push and pop in every size, flags images,
 * stack frames.
 *
 * Invariant: RSP moves only after every access of the instruction succeeded.
 */
#include "emulate/data.h"

unsigned stack_size(const struct vcpu *vcpu)
{
	if (vcpu_64bit_code(vcpu))
		return 8;
	return vcpu->seg[SEG_SS].attr & SEG_ATTR_DB ? 4 : 2;
}

void stack_adjust(struct vcpu *vcpu, int64_t n)
{
	unsigned size = stack_size(vcpu);

	/* A 32-bit stack outside 64-bit mode: the upper half is not visible. */
	reg_set(vcpu, REG_RSP, size, vcpu->regs[REG_RSP] + (uint64_t)n);
}

static bool stack_linear(struct vcpu *vcpu, int64_t displacement, unsigned len, bool write,
			 gva_t *addr)
{
	uint64_t offset = (vcpu->regs[REG_RSP] + (uint64_t)displacement) &
			  size_mask(stack_size(vcpu));

	return mem_linear(vcpu, SEG_SS, offset, len, write, addr);
}

bool stack_push(struct vcpu *vcpu, unsigned size, uint64_t value)
{
	gva_t addr;

	if (!stack_linear(vcpu, -(int64_t)size, size, true, &addr) ||
	    !mem_store(vcpu, addr, size, value))
		return false;
	stack_adjust(vcpu, -(int64_t)size);
	return true;
}

bool stack_probe(struct vcpu *vcpu, unsigned size)
{
	gva_t addr;

	return stack_linear(vcpu, -(int64_t)size, size, true, &addr) &&
	       mem_probe_write(vcpu, addr, size);
}

bool stack_peek(struct vcpu *vcpu, unsigned displacement, unsigned size, uint64_t *value)
{
	gva_t addr;

	return stack_linear(vcpu, displacement, size, false, &addr) &&
	       mem_load(vcpu, addr, size, value);
}

bool stack_pop(struct vcpu *vcpu, unsigned size, uint64_t *value)
{
	if (!stack_peek(vcpu, 0, size, value))
		return false;
	stack_adjust(vcpu, size);
	return true;
}

enum emulate_result op_push(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value;

	if (op->o[0].kind == OPERAND_SEG)
		value = vcpu->seg[op->o[0].reg].selector;
	else if (!op_get(vcpu, op, 0, &value))
		return EMULATE_EXCEPTION;
	if (!stack_push(vcpu, op->size, value))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

/* The address of a memory destination is computed with RSP already moved. */
enum emulate_result op_pop(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value, rsp = vcpu->regs[REG_RSP];

	if (!stack_pop(vcpu, op->size, &value))
		return EMULATE_EXCEPTION;
	if (!op_set(vcpu, op, 0, value)) {
		vcpu->regs[REG_RSP] = rsp;
		return EMULATE_EXCEPTION;
	}
	return op_done(vcpu, op);
}

enum emulate_result op_push_all(struct vcpu *vcpu, const struct op *op)
{
	uint64_t rsp = vcpu->regs[REG_RSP];

	for (unsigned i = 0; i < 8; i++) {
		if (!stack_push(vcpu, op->size, i == REG_RSP ? rsp : vcpu->regs[i])) {
			vcpu->regs[REG_RSP] = rsp;
			return EMULATE_EXCEPTION;
		}
	}
	return op_done(vcpu, op);
}

enum emulate_result op_pop_all(struct vcpu *vcpu, const struct op *op)
{
	uint64_t values[8];

	for (unsigned i = 0; i < 8; i++) {
		if (!stack_peek(vcpu, i * op->size, op->size, &values[7 - i]))
			return EMULATE_EXCEPTION;
	}
	for (unsigned i = 0; i < 8; i++) {
		if (i != REG_RSP)
			reg_set(vcpu, i, op->size, values[i]);
	}
	stack_adjust(vcpu, 8 * op->size);
	return op_done(vcpu, op);
}

enum emulate_result op_pushf(struct vcpu *vcpu, const struct op *op)
{
	uint64_t image = (vcpu->rflags & ~(uint64_t)(RFLAGS_RF | RFLAGS_VM)) | RFLAGS_FIXED;

	if (mode_v86(vcpu) && vcpu_iopl(vcpu) < 3)
		return raise_gp(vcpu, 0);
	if (!stack_push(vcpu, op->size, image))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

enum emulate_result op_popf(struct vcpu *vcpu, const struct op *op)
{
	uint64_t mask = RFLAGS_ARITH | RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_AC | RFLAGS_ID;
	uint64_t value;

	if (mode_v86(vcpu) && vcpu_iopl(vcpu) < 3)
		return raise_gp(vcpu, 0);
	if (!stack_pop(vcpu, op->size, &value))
		return EMULATE_EXCEPTION;
	if (!mode_v86(vcpu) && vcpu->cpl == 0)
		mask |= RFLAGS_IOPL;
	if (mode_v86(vcpu) || vcpu->cpl <= vcpu_iopl(vcpu))
		mask |= RFLAGS_IF;
	if (op->size == 2)
		mask &= 0xffff;
	vcpu->rflags = (vcpu->rflags & ~(mask | RFLAGS_RF)) | (value & mask) | RFLAGS_FIXED;
	return op_done(vcpu, op);
}

enum emulate_result op_enter(struct vcpu *vcpu, const struct op *op)
{
	unsigned level = op->selector & 31, width = stack_size(vcpu);
	uint64_t rsp = vcpu->regs[REG_RSP], rbp = vcpu->regs[REG_RBP], frame, value;
	gva_t addr;

	if (!stack_push(vcpu, op->size, rbp))
		return EMULATE_EXCEPTION;
	frame = vcpu->regs[REG_RSP];
	for (unsigned i = 1; i < level; i++) {
		rbp -= op->size;
		if (!mem_linear(vcpu, SEG_SS, rbp & size_mask(width), op->size, false, &addr) ||
		    !mem_load(vcpu, addr, op->size, &value) ||
		    !stack_push(vcpu, op->size, value))
			goto fault;
	}
	if (level && !stack_push(vcpu, op->size, frame))
		goto fault;
	stack_adjust(vcpu, -(int64_t)(op->imm & 0xffff));
	/* The new top is probed for writing, as the manual has it. */
	if (!mem_linear(vcpu, SEG_SS, vcpu->regs[REG_RSP] & size_mask(width), op->size, true, &addr) ||
	    !mem_probe_write(vcpu, addr, op->size))
		goto fault;
	reg_set(vcpu, REG_RBP, op->size, frame);
	return op_done(vcpu, op);
fault:
	vcpu->regs[REG_RSP] = rsp;
	return EMULATE_EXCEPTION;
}

enum emulate_result op_leave(struct vcpu *vcpu, const struct op *op)
{
	unsigned width = stack_size(vcpu);
	uint64_t value;
	gva_t addr;

	if (!mem_linear(vcpu, SEG_SS, vcpu->regs[REG_RBP] & size_mask(width), op->size, false,
			&addr) ||
	    !mem_load(vcpu, addr, op->size, &value))
		return EMULATE_EXCEPTION;
	reg_set(vcpu, REG_RSP, width, vcpu->regs[REG_RBP] + op->size);
	reg_set(vcpu, REG_RBP, op->size, value);
	return op_done(vcpu, op);
}
