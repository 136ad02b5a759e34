/* SPDX-License-Identifier: MIT */
/*
 * The general form: an instruction is copied, its memory operand rebased.  An FS
 * prefix is put in front, or none where RSP or GS carry delta already;
 * RIP-relative operands become absolute.
 */
#include <string.h>

#include "translate/rewrite.h"
#include "translate/translate.h"

const ZydisDecodedOperand *rewrite_memory(const struct insn *insn)
{
	for (unsigned i = 0; i < insn->zy.operand_count; i++)
		if (insn->ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    insn->ops[i].visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN)
			return &insn->ops[i];
	return NULL;
}

static bool is_segment_override(uint8_t byte)
{
	return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x64 ||
	       byte == 0x65;
}

/* Would a SIB index field of 100 name a register, by the prefix's X bit? */
static bool extends_index(const struct insn *insn)
{
	const uint8_t *lead = insn->bytes + insn->zy.raw.prefix_count;

	switch (insn->zy.encoding) {
	case ZYDIS_INSTRUCTION_ENCODING_LEGACY:
		return (insn->zy.attributes & ZYDIS_ATTRIB_HAS_REX) && (lead[-1] & 2);
	case ZYDIS_INSTRUCTION_ENCODING_VEX:
		return lead[0] == 0xc4 && !(lead[1] & 0x40);
	default:
		return !(lead[1] & 0x40);
	}
}

/* Put `reg` (a low register) where the encoding names RSP as a register operand. */
static bool replace_rsp(const struct insn *insn, uint8_t *opcode_byte, uint8_t *modrm, unsigned reg)
{
	for (unsigned i = 0; i < insn->zy.operand_count; i++) {
		const ZydisDecodedOperand *op = &insn->ops[i];

		if (op->type != ZYDIS_OPERAND_TYPE_REGISTER || rewrite_gpr(op->reg.value) != REG_RSP)
			continue;
		if (op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
			return false;
		switch (op->encoding) {
		case ZYDIS_OPERAND_ENCODING_MODRM_REG:
			*modrm = (uint8_t)((*modrm & ~0x38) | reg << 3);
			break;
		case ZYDIS_OPERAND_ENCODING_MODRM_RM:
			*modrm = (uint8_t)((*modrm & ~0x07) | reg);
			break;
		case ZYDIS_OPERAND_ENCODING_OPCODE:
			*opcode_byte = (uint8_t)((*opcode_byte & ~0x07) | reg);
			break;
		default:
			return false;
		}
	}
	return true;
}

bool rewrite_copy(struct rewrite *r, int replace)
{
	const struct insn *insn = r->insn;
	const ZydisDecodedInstruction *zy = &insn->zy;
	const ZydisDecodedOperand *mem = rewrite_memory(insn);
	bool has_modrm = zy->attributes & ZYDIS_ATTRIB_HAS_MODRM;
	bool is_lea = mem && mem->mem.type == ZYDIS_MEMOP_TYPE_AGEN;
	bool rip_relative = mem && mem->mem.base == ZYDIS_REGISTER_RIP;
	bool gs = mem && mem->mem.segment == ZYDIS_REGISTER_GS;
	bool on_stack = mem && rewrite_gpr(mem->mem.base) == REG_RSP;
	uint8_t bytes[32], copy[INSN_MAX], *p = bytes;
	unsigned head = zy->raw.prefix_count, at;

	if (mem && !is_lea && mem->mem.segment == ZYDIS_REGISTER_FS)
		return false;
	if (mem && mem->mem.base == ZYDIS_REGISTER_EIP)
		return false;
	if (on_stack && (gs || is_lea || zy->address_width != 64))
		return false;
	memcpy(copy, insn->bytes, zy->length);
	if (replace >= 0) {
		unsigned modrm_at = has_modrm ? zy->raw.modrm.offset : 0;
		/* One-byte opcodes with the register in them directly follow the prefixes, BSWAP
		 * its escape. */
		unsigned opcode_at = head + (zy->opcode_map == ZYDIS_OPCODE_MAP_0F ? 1 : 0);

		if (!replace_rsp(insn, &copy[opcode_at], &copy[modrm_at], (unsigned)replace))
			return false;
	}

	if (mem && !is_lea && !gs && !on_stack)
		*p++ = 0x64;
	for (unsigned i = 0; i < head; i++)
		if (!mem || !is_segment_override(copy[i]) || (gs && copy[i] == 0x65))
			*p++ = copy[i];
	if (!rip_relative) {
		memcpy(p, copy + head, zy->length - head);
		p += zy->length - head;
	} else {
		uint64_t addr = r->next + (uint64_t)(int64_t)zy->raw.disp.value;
		uint32_t addr32 = (uint32_t)addr;

		if (!fits_sext32(addr) || extends_index(insn))
			return false;
		at = zy->raw.modrm.offset;
		memcpy(p, copy + head, at - head);
		p += at - head;
		*p++ = (uint8_t)((copy[at] & 0x38) | 4);
		*p++ = 0x25;
		memcpy(p, &addr32, 4);
		p += 4;
		at = zy->raw.disp.offset + 4;
		memcpy(p, copy + at, zy->length - at);
		p += zy->length - at;
	}
	if (p - bytes > INSN_MAX)
		return false;
	emit_bytes(&r->out, bytes, (size_t)(p - bytes));
	return true;
}

bool rewrite_copy_far(struct rewrite *r)
{
	const struct insn *insn = r->insn;
	const ZydisDecodedInstruction *zy = &insn->zy;
	const ZydisDecodedOperand *mem = rewrite_memory(insn);
	uint64_t addr = r->next + (uint64_t)(int64_t)zy->raw.disp.value;
	unsigned scratch, head = zy->raw.prefix_count, at = zy->raw.modrm.offset;
	uint8_t bytes[32], *p = bytes;

	if (zy->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
	    ((zy->attributes & ZYDIS_ATTRIB_HAS_REX) && (insn->bytes[head - 1] & 1)))
		return false;
	scratch = rewrite_scratch(rewrite_used(insn) | 1u << REG_RBP);
	*p++ = mem->mem.segment == ZYDIS_REGISTER_GS ? 0x65 : 0x64;
	for (unsigned i = 0; i < head; i++)
		if (!is_segment_override(insn->bytes[i]))
			*p++ = insn->bytes[i];
	memcpy(p, insn->bytes + head, at - head);
	p += at - head;
	*p++ = (uint8_t)((insn->bytes[at] & 0x38) | scratch);
	at = zy->raw.disp.offset + 4;
	memcpy(p, insn->bytes + at, zy->length - at);
	p += zy->length - at;
	if (p - bytes > INSN_MAX)
		return false;

	rewrite_fix(r, r->after_sti ? FIX_SHADOW : 0, 0);
	rewrite_spill(r, scratch, 0, 0);
	emit_imm(&r->out, scratch, addr);
	emit_bytes(&r->out, bytes, (size_t)(p - bytes));
	rewrite_fix(r, FIX_DONE, 1u << scratch);
	emit_load(&r->out, scratch, SPILL_ADDR(scratch));
	return true;
}

bool rewrite_load_operand(struct rewrite *r, unsigned reg)
{
	const struct insn *insn = r->insn;
	const ZydisDecodedInstruction *zy = &insn->zy;
	const ZydisDecodedOperand *op = &insn->ops[0];
	unsigned at = zy->raw.modrm.offset;
	uint8_t bytes[32], *p = bytes, rex = 0x48, modrm = insn->bytes[at];

	if (zy->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || zy->address_width != 64)
		return false;
	if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
		int source = rewrite_gpr(op->reg.value);

		if (source < 0 || source == REG_RSP)
			return false;
		emit_move(&r->out, reg, (unsigned)source);
		return true;
	}
	if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.segment == ZYDIS_REGISTER_FS)
		return false;
	if (zy->attributes & ZYDIS_ATTRIB_HAS_REX)
		rex |= insn->bytes[zy->raw.prefix_count - 1] & 3;
	if (op->mem.segment == ZYDIS_REGISTER_GS) {
		if (rewrite_gpr(op->mem.base) == REG_RSP)
			return false;
		*p++ = 0x65;
	} else if (rewrite_gpr(op->mem.base) != REG_RSP) {
		*p++ = 0x64;
	}
	*p++ = rex;
	*p++ = 0x8b;
	if (op->mem.base == ZYDIS_REGISTER_RIP) {
		uint64_t addr = r->next + (uint64_t)(int64_t)zy->raw.disp.value;
		uint32_t addr32 = (uint32_t)addr;

		if (!fits_sext32(addr) || (rex & 2))
			return false;
		*p++ = (uint8_t)(reg << 3 | 4);
		*p++ = 0x25;
		memcpy(p, &addr32, 4);
		p += 4;
	} else {
		unsigned rest = zy->length - (at + 1);

		*p++ = (uint8_t)((modrm & ~0x38) | reg << 3);
		memcpy(p, insn->bytes + at + 1, rest);
		p += rest;
	}
	emit_bytes(&r->out, bytes, (size_t)(p - bytes));
	return true;
}
