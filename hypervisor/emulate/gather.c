/* SPDX-License-Identifier: MIT */
/*
 * Gathers and scatters: an element at a time, each with its own address.
 *
 * As on hardware, mask elements are cleared as it goes, so that a fault in the
 * middle leaves an instruction that can be restarted.
 */
#include <errno.h>
#include <string.h>

#include "emulate/native.h"

/* What struct native's fields mean here: there is no code to run. */
#define data_reg	base
#define mask_reg	stack
#define index_reg	length
#define index_size	align
#define data_size	element
#define vector_size	memory

static unsigned vector_number(ZydisRegister reg)
{
	if (reg >= ZYDIS_REGISTER_ZMM0 && reg <= ZYDIS_REGISTER_ZMM31)
		return (unsigned)(reg - ZYDIS_REGISTER_ZMM0);
	if (reg >= ZYDIS_REGISTER_YMM0 && reg <= ZYDIS_REGISTER_YMM31)
		return (unsigned)(reg - ZYDIS_REGISTER_YMM0);
	if (reg >= ZYDIS_REGISTER_K0 && reg <= ZYDIS_REGISTER_K7)
		return (unsigned)(reg - ZYDIS_REGISTER_K0);
	return (unsigned)(reg - ZYDIS_REGISTER_XMM0) & 31;
}

int gather_lower(struct op *op, const struct insn *insn)
{
	const ZydisDecodedInstruction *zy = &insn->zy;
	bool evex = zy->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX, scatter = zy->opcode >= 0xa0;
	const ZydisDecodedOperand *memory = NULL, *data;
	struct native *n = &op->native;

	for (unsigned i = 0; i < zy->operand_count_visible; i++) {
		if (insn->ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			memory = &insn->ops[i];
	}
	/* 90..93 gather, a0..a3 scatter; others only prefetch. */
	if (!memory || (zy->opcode & 0xec) & ~0xb0u || !(zy->opcode & 0xb0))
		return -EINVAL;
	data = scatter ? &insn->ops[2] : &insn->ops[0];
	n->data_reg = (uint8_t)vector_number(data->reg.value);
	n->mask_reg = evex ? zy->raw.evex.aaa : (uint8_t)vector_number(insn->ops[2].reg.value);
	n->index_reg = (uint8_t)vector_number(memory->mem.index);
	n->index_size = zy->opcode & 1 ? 8 : 4;
	n->data_size = (evex ? zy->raw.evex.W : zy->raw.vex.W) ? 8 : 4;
	n->vector_size = zy->avx.vector_length / 8;
	if (evex ? !n->mask_reg || (!scatter && n->data_reg == n->index_reg)
		 : n->data_reg == n->index_reg || n->data_reg == n->mask_reg ||
		   n->index_reg == n->mask_reg)
		return -EINVAL;
	op->run = op_gather;
	return 0;
}

/* The mask in use: K register or sign bits of a vector, as one bit per element. */
static uint64_t mask_read(struct vcpu *vcpu, const struct native *n, bool evex, unsigned count)
{
	uint8_t vector[64];
	uint64_t mask = 0;

	if (evex) {
		mask = fpu_mask_read(vcpu, n->mask_reg);
	} else {
		fpu_vector_read(vcpu, n->mask_reg, vector);
		for (unsigned i = 0; i < count; i++)
			mask |= (uint64_t)(vector[(i + 1) * n->data_size - 1] >> 7) << i;
	}
	return mask & ((1ul << count) - 1);
}

/* All elements done: the mask is zero.  Else only those of finished elements are cleared. */
static void mask_write(struct vcpu *vcpu, const struct native *n, bool evex, unsigned count,
		       uint64_t finished, bool all)
{
	uint8_t vector[64] = { 0 };

	if (evex) {
		fpu_mask_write(vcpu, n->mask_reg,
			       all ? 0 : fpu_mask_read(vcpu, n->mask_reg) & ~finished);
		return;
	}
	if (!all) {
		fpu_vector_read(vcpu, n->mask_reg, vector);
		for (unsigned i = 0; i < count; i++) {
			if (finished >> i & 1)
				memset(vector + i * n->data_size, 0, n->data_size);
		}
	}
	fpu_vector_write(vcpu, n->mask_reg, vector, sizeof(vector));
}

static uint64_t element_offset(const struct vcpu *vcpu, const struct op *op, const uint8_t *index)
{
	const struct native *n = &op->native;
	uint64_t offset = (uint64_t)op->disp;
	int64_t value = 0;

	memcpy(&value, index, n->index_size);
	if (n->index_size == 4)
		value = (int32_t)value;
	if (op->base < REG_COUNT)
		offset += vcpu->regs[op->base];
	return (offset + ((uint64_t)value << op->shift)) & size_mask(op->address_size);
}

enum emulate_result op_gather(struct vcpu *vcpu, const struct op *op)
{
	const struct native *n = &op->native;
	bool evex = n->flags & NATIVE_AVX512, scatter = op->opcode >= 0xa0, ok = true;
	unsigned wide = n->index_size > n->data_size ? n->index_size : n->data_size;
	unsigned count = n->vector_size / wide;
	uint8_t data[64], index[64];
	uint64_t mask, finished = 0;

	if (!fpu_allowed(vcpu, n->flags))
		return EMULATE_EXCEPTION;
	fpu_to_memory(vcpu);
	fpu_vector_read(vcpu, n->data_reg, data);
	fpu_vector_read(vcpu, n->index_reg, index);
	mask = mask_read(vcpu, n, evex, count);
	for (unsigned i = 0; i < count && ok; i++) {
		uint8_t *element = data + i * n->data_size;
		gva_t addr;

		if (!(mask >> i & 1)) {
			finished |= 1ul << i;
			continue;
		}
		ok = mem_linear(vcpu, op->seg, element_offset(vcpu, op, index + i * n->index_size),
				n->data_size, scatter, &addr) &&
		     (scatter ? mem_write(vcpu, addr, element, n->data_size)
			      : mem_read(vcpu, addr, element, n->data_size));
		if (ok)
			finished |= 1ul << i;
	}
	if (!scatter)
		fpu_vector_write(vcpu, n->data_reg, data, ok ? count * n->data_size : sizeof(data));
	mask_write(vcpu, n, evex, count, finished, ok);
	return ok ? op_done(vcpu, op) : EMULATE_EXCEPTION;
}

/* VZEROALL, VZEROUPPER outside 64-bit mode leave registers 8 and up alone: not to be run natively. */
enum emulate_result op_vzero(struct vcpu *vcpu, const struct op *op)
{
	bool all = op->mnemonic == ZYDIS_MNEMONIC_VZEROALL;
	uint8_t value[64];

	if (!fpu_allowed(vcpu, NATIVE_SIMD | NATIVE_AVX))
		return EMULATE_EXCEPTION;
	fpu_to_memory(vcpu);
	for (unsigned reg = 0; reg < 8; reg++) {
		fpu_vector_read(vcpu, reg, value);
		fpu_vector_write(vcpu, reg, value, all ? 0 : 16);
	}
	return op_done(vcpu, op);
}
