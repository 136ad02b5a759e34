/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic and logic: the host's own instructions compute results and flags
 * (alu_ops.S), so even flags the manual calls undefined are this CPU's.
 *
 * Invariant: memory is written before registers and flags, so that a fault
 * leaves them alone.
 */
#include "emulate/alu.h"

void alu_call(alu_function *fn, uint64_t *dst, uint64_t *src, uint64_t count, uint64_t *rflags)
{
	uint64_t flags = (*rflags & RFLAGS_ARITH) | RFLAGS_FIXED | RFLAGS_IF;

	asm volatile("push %[flags]\n\tpopf\n\tcall *%[fn]\n\tpushf\n\tpop %[flags]"
		     : "+a"(*dst), "+d"(*src), "+c"(count), [flags] "+r"(flags)
		     : [fn] "r"(fn)
		     : "memory", "cc");
	*rflags = (*rflags & ~(uint64_t)RFLAGS_ARITH) | (flags & RFLAGS_ARITH);
}

void alu_call_fresh(alu_function *fn, uint64_t *dst, uint64_t *src, uint64_t count,
		    uint64_t *rflags)
{
	uint64_t flags;

	asm volatile("call *%[fn]\n\tpushf\n\tpop %[flags]"
		     : "+a"(*dst), "+d"(*src), "+c"(count), [flags] "=&r"(flags)
		     : [fn] "r"(fn)
		     : "memory", "cc");
	*rflags = (*rflags & ~(uint64_t)RFLAGS_ARITH) | (flags & RFLAGS_ARITH);
}

/* Where CF is all the routine needs, or leaves alone (ADC, SBB, INC, DEC): POPF is slow. */
static inline void alu_call_carry(alu_function *fn, uint64_t *dst, uint64_t *src, uint64_t *rflags)
{
	uint64_t flags = *rflags;

	asm volatile("bt $0, %[flags]\n\tcall *%[fn]\n\tpushf\n\tpop %[flags]"
		     : "+a"(*dst), "+d"(*src), [flags] "+r"(flags)
		     : [fn] "r"(fn)
		     : "rcx", "memory", "cc");
	*rflags = (*rflags & ~(uint64_t)RFLAGS_ARITH) | (flags & RFLAGS_ARITH);
}

static inline void alu_run(const struct op *op, uint64_t *dst, uint64_t src, uint64_t count,
			   uint64_t *rflags)
{
	if (op->flags & RULE_CARRY)
		alu_call_carry(op->alu, dst, &src, rflags);
	else if (op->flags & RULE_FLAGS)
		alu_call(op->alu, dst, &src, count, rflags);
	else
		alu_call_fresh(op->alu, dst, &src, count, rflags);
}

/* dst = alu(dst, src, count) with dst any operand. */
static enum emulate_result alu_operate(struct vcpu *vcpu, const struct op *op, uint64_t src,
				       uint64_t count)
{
	uint64_t dst, flags = vcpu->rflags;

	if (op->o[0].kind == OPERAND_MEM && !(op->flags & RULE_READ)) {
		unsigned size = op->o[0].size;
		struct rmw rmw;
		uint64_t old;
		gva_t addr;
		int done;

		if (!op_linear(vcpu, op, size, true, &addr) ||
		    !rmw_begin(vcpu, op, addr, size, &rmw, &old))
			return EMULATE_EXCEPTION;
		do {
			dst = old;
			flags = vcpu->rflags;
			alu_run(op, &dst, src, count, &flags);
			done = rmw_commit(vcpu, &rmw, &old, dst);
		} while (done == 0);
		if (done < 0)
			return EMULATE_EXCEPTION;
	} else {
		if (!op_get(vcpu, op, 0, &dst))
			return EMULATE_EXCEPTION;
		alu_run(op, &dst, src, count, &flags);
		if (!(op->flags & RULE_READ))
			op_set(vcpu, op, 0, dst);
	}
	vcpu->rflags = flags;
	return op_done(vcpu, op);
}

enum emulate_result op_binary(struct vcpu *vcpu, const struct op *op)
{
	uint64_t src;

	if (!op_get(vcpu, op, 1, &src))
		return EMULATE_EXCEPTION;
	return alu_operate(vcpu, op, src, 0);
}

/* The commonest form: registers and immediates only; the routine ignores what is beyond the size. */
enum emulate_result op_binary_registers(struct vcpu *vcpu, const struct op *op)
{
	uint64_t dst = vcpu->regs[op->o[0].reg];
	uint64_t src = op->o[1].kind == OPERAND_IMM ? op->imm : vcpu->regs[op->o[1].reg];

	alu_run(op, &dst, src, 0, &vcpu->rflags);
	if (!(op->flags & RULE_READ))
		reg_set(vcpu, op->o[0].reg, op->o[0].size, dst);
	return op_done(vcpu, op);
}

enum emulate_result op_unary(struct vcpu *vcpu, const struct op *op)
{
	return alu_operate(vcpu, op, 0, 0);
}

/* NOT changes no flags. */
enum emulate_result op_not(struct vcpu *vcpu, const struct op *op)
{
	uint64_t flags = vcpu->rflags;
	enum emulate_result result = alu_operate(vcpu, op, 0, 0);

	if (result == EMULATE_OK)
		vcpu->rflags = flags;
	return result;
}

enum emulate_result op_shift(struct vcpu *vcpu, const struct op *op)
{
	uint64_t count;

	op_get(vcpu, op, 1, &count);
	return alu_operate(vcpu, op, 0, count & 0xff);
}

enum emulate_result op_double_shift(struct vcpu *vcpu, const struct op *op)
{
	uint64_t src = reg_get(vcpu, op->o[1].reg, op->o[1].size);
	uint64_t count = op->o[2].kind == OPERAND_IMM ? op->imm : vcpu->regs[REG_RCX];

	return alu_operate(vcpu, op, src, count & 0xff);
}

/* Destination is written only: BSF, BSR, TZCNT, LZCNT, POPCNT, and CRC32, ADCX, ADOX, IMUL r, rm. */
enum emulate_result op_scan(struct vcpu *vcpu, const struct op *op)
{
	uint64_t src, dst = vcpu->regs[op->o[0].reg], flags = vcpu->rflags;
	bool keep;

	if (!op_get(vcpu, op, 1, &src))
		return EMULATE_EXCEPTION;
	/* BSF and BSR of zero leave the whole destination alone, upper half included. */
	keep = !src && (op->mnemonic == ZYDIS_MNEMONIC_BSF || op->mnemonic == ZYDIS_MNEMONIC_BSR);
	alu_call(op->alu, &dst, &src, 0, &flags);
	vcpu->rflags = flags;
	if (!keep)
		reg_set(vcpu, op->o[0].reg, op->o[0].size, dst);
	return op_done(vcpu, op);
}

enum emulate_result op_crc32(struct vcpu *vcpu, const struct op *op)
{
	uint64_t src, dst = vcpu->regs[op->o[0].reg], flags = vcpu->rflags;

	if (!op_get(vcpu, op, 1, &src))
		return EMULATE_EXCEPTION;
	alu_call(op->alu, &dst, &src, 0, &flags);
	reg_set(vcpu, op->o[0].reg, op->o[0].size, dst);
	return op_done(vcpu, op);
}

enum emulate_result op_imul3(struct vcpu *vcpu, const struct op *op)
{
	uint64_t dst = op->imm, src, flags = vcpu->rflags;

	if (!op_get(vcpu, op, 1, &src))
		return EMULATE_EXCEPTION;
	alu_call(op->alu, &dst, &src, 0, &flags);
	vcpu->rflags = flags;
	reg_set(vcpu, op->o[0].reg, op->o[0].size, dst);
	return op_done(vcpu, op);
}

/* One-operand MUL and IMUL: RAX by operand into RDX:RAX (AL by operand into AX). */
enum emulate_result op_multiply(struct vcpu *vcpu, const struct op *op)
{
	uint64_t high = vcpu->regs[REG_RDX], low = vcpu->regs[REG_RAX], factor;
	unsigned size = op->o[0].size;

	if (!op_get(vcpu, op, 0, &factor))
		return EMULATE_EXCEPTION;
	alu_call(op->alu, &low, &high, factor, &vcpu->rflags);
	if (size == 1) {
		reg_set(vcpu, REG_RAX, 2, low);
	} else {
		reg_set(vcpu, REG_RAX, size, low);
		reg_set(vcpu, REG_RDX, size, high);
	}
	return op_done(vcpu, op);
}

static bool divide_overflows(uint64_t high, uint64_t low, uint64_t divisor, unsigned size,
			     bool is_signed)
{
	unsigned bits = size * 8;
	uint64_t half = 1ul << (bits - 1), quotient;
	bool negative;

	if (!divisor)
		return true;
	if (!is_signed)
		return high >= divisor;
	negative = ((high ^ divisor) & half) != 0;
	if (high & half) {
		low = -low & size_mask(size);
		high = (~high + (low == 0)) & size_mask(size);
	}
	if (divisor & half)
		divisor = -divisor & size_mask(size);
	if (high >= divisor)
		return true;
	/* Magnitude of the quotient, by the host; it cannot overflow now. */
	if (size == 8) {
		uint64_t rest;

		asm("divq %[d]" : "=a"(quotient), "=d"(rest)
		    : "0"(low), "1"(high), [d] "r"(divisor) : "cc");
	} else {
		quotient = (high << bits | low) / divisor;
	}
	return quotient > half - !negative;
}

enum emulate_result op_divide(struct vcpu *vcpu, const struct op *op)
{
	uint64_t high = vcpu->regs[REG_RDX], low = vcpu->regs[REG_RAX], divisor;
	bool is_signed = op->mnemonic == ZYDIS_MNEMONIC_IDIV;
	unsigned size = op->o[0].size;
	uint64_t check_high;

	if (!op_get(vcpu, op, 0, &divisor))
		return EMULATE_EXCEPTION;
	check_high = size == 1 ? (low >> 8) & 0xff : high & size_mask(size);
	if (divide_overflows(check_high, low & size_mask(size), divisor, size, is_signed)) {
		vcpu_raise(vcpu, VEC_DE);
		return EMULATE_EXCEPTION;
	}
	alu_call(op->alu, &low, &high, divisor, &vcpu->rflags);
	if (size == 1) {
		reg_set(vcpu, REG_RAX, 2, low);
	} else {
		reg_set(vcpu, REG_RAX, size, low);
		reg_set(vcpu, REG_RDX, size, high);
	}
	return op_done(vcpu, op);
}

/* BT family.  With a register index a memory operand is a bit string of any length. */
enum emulate_result op_bit(struct vcpu *vcpu, const struct op *op)
{
	unsigned size = op->o[0].size;
	uint64_t index, dst, flags = vcpu->rflags, old;
	struct rmw rmw;
	gva_t addr;
	int done;

	op_get(vcpu, op, 1, &index);
	if (op->o[0].kind != OPERAND_MEM)
		return alu_operate(vcpu, op, index, 0);
	uint64_t offset = op_offset(vcpu, op);

	if (op->o[1].kind == OPERAND_REG) {
		int64_t element = sign_extend(index, size) >> (size == 2 ? 4 : size == 4 ? 5 : 6);

		offset = (offset + (uint64_t)(element * (int64_t)size)) & size_mask(op->address_size);
	}
	if (op->flags & RULE_READ) {
		if (!mem_linear(vcpu, op->seg, offset, size, false, &addr) ||
		    !mem_load(vcpu, addr, size, &dst))
			return EMULATE_EXCEPTION;
		alu_call(op->alu, &dst, &index, 0, &vcpu->rflags);
		return op_done(vcpu, op);
	}
	if (!mem_linear(vcpu, op->seg, offset, size, true, &addr) ||
	    !rmw_begin(vcpu, op, addr, size, &rmw, &old))
		return EMULATE_EXCEPTION;
	do {
		dst = old;
		flags = vcpu->rflags;
		alu_call(op->alu, &dst, &index, 0, &flags);
		done = rmw_commit(vcpu, &rmw, &old, dst);
	} while (done == 0);
	if (done < 0)
		return EMULATE_EXCEPTION;
	vcpu->rflags = flags;
	return op_done(vcpu, op);
}

/* XADD: the register receives the old destination. */
enum emulate_result op_xadd(struct vcpu *vcpu, const struct op *op)
{
	uint64_t src, old, sum, flags = vcpu->rflags;
	struct rmw rmw;
	gva_t addr;
	int done;

	op_get(vcpu, op, 1, &src);
	if (op->o[0].kind != OPERAND_MEM) {
		op_get(vcpu, op, 0, &old);
		sum = old;
		alu_call_fresh(op->alu, &sum, &src, 0, &vcpu->rflags);
		op_set(vcpu, op, 1, old);
		op_set(vcpu, op, 0, sum);
		return op_done(vcpu, op);
	}
	if (!op_linear(vcpu, op, op->o[0].size, true, &addr) ||
	    !rmw_begin(vcpu, op, addr, op->o[0].size, &rmw, &old))
		return EMULATE_EXCEPTION;
	do {
		sum = old;
		flags = vcpu->rflags;
		alu_call_fresh(op->alu, &sum, &src, 0, &flags);
		done = rmw_commit(vcpu, &rmw, &old, sum);
	} while (done == 0);
	if (done < 0)
		return EMULATE_EXCEPTION;
	op_set(vcpu, op, 1, old);
	vcpu->rflags = flags;
	return op_done(vcpu, op);
}

/* XCHG with memory is locked with or without the prefix. */
enum emulate_result op_xchg(struct vcpu *vcpu, const struct op *op)
{
	unsigned m = op->o[0].kind == OPERAND_MEM ? 0 : 1, r = 1 - m;
	uint64_t value, old;
	struct rmw rmw;
	gva_t addr;
	int done;

	op_get(vcpu, op, r, &value);
	if (op->o[m].kind != OPERAND_MEM) {
		op_get(vcpu, op, m, &old);
		op_set(vcpu, op, m, value);
		op_set(vcpu, op, r, old);
		return op_done(vcpu, op);
	}
	if (!op_linear(vcpu, op, op->o[m].size, true, &addr) ||
	    !rmw_begin(vcpu, op, addr, op->o[m].size, &rmw, &old))
		return EMULATE_EXCEPTION;
	rmw.lock = rmw.host && (addr.v & 63) + op->o[m].size <= 64;
	do {
		done = rmw_commit(vcpu, &rmw, &old, value);
	} while (done == 0);
	if (done < 0)
		return EMULATE_EXCEPTION;
	op_set(vcpu, op, r, old);
	return op_done(vcpu, op);
}

enum emulate_result op_cmpxchg(struct vcpu *vcpu, const struct op *op)
{
	unsigned size = op->o[0].size;
	uint64_t accumulator, src, old, flags, expected, compared;
	struct rmw rmw;
	gva_t addr;
	int done;

	op_get(vcpu, op, 1, &src);
	expected = reg_get(vcpu, REG_RAX, size);
	if (op->o[0].kind != OPERAND_MEM) {
		op_get(vcpu, op, 0, &old);
		accumulator = expected;
		compared = old;
		alu_call_fresh(op->alu, &accumulator, &compared, 0, &vcpu->rflags);
		if (old == expected)
			op_set(vcpu, op, 0, src);
		else
			reg_set(vcpu, REG_RAX, size, old);
		return op_done(vcpu, op);
	}
	if (!op_linear(vcpu, op, size, true, &addr) ||
	    !rmw_begin(vcpu, op, addr, size, &rmw, &old))
		return EMULATE_EXCEPTION;
	do {
		flags = vcpu->rflags;
		accumulator = expected;
		compared = old;
		alu_call_fresh(op->alu, &accumulator, &compared, 0, &flags);
		done = rmw_commit(vcpu, &rmw, &old, old == expected ? src : old);
	} while (done == 0);
	if (done < 0)
		return EMULATE_EXCEPTION;
	if (!(flags & RFLAGS_ZF))
		reg_set(vcpu, REG_RAX, size, old);
	vcpu->rflags = flags;
	return op_done(vcpu, op);
}
