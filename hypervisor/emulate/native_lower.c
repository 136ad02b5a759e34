/* SPDX-License-Identifier: MIT */
/*
 * Rewriting a guest instruction so that the host can run it in 64-bit mode: the
 * memory operand becomes [base] with a base register the instruction does not
 * use, RSP as an operand becomes another such register, prefixes that no longer
 * matter go.
 *
 * Only instruction sets listed in native_set() come here: none of them can
 * reach outside its operands.
 */
#include <errno.h>

#include "emulate/native.h"
#include "machine/cpuid.h"

/* NATIVE_* of an extension, or 0: not to be run. */
static unsigned native_set(const struct insn *insn)
{
	switch (insn->zy.meta.isa_ext) {
	case ZYDIS_ISA_EXT_X87:
		return NATIVE_SIMD | NATIVE_X87;
	case ZYDIS_ISA_EXT_MMX:
		return NATIVE_SIMD | NATIVE_MMX;
	case ZYDIS_ISA_EXT_SSE: case ZYDIS_ISA_EXT_SSE2: case ZYDIS_ISA_EXT_SSE3:
	case ZYDIS_ISA_EXT_SSSE3: case ZYDIS_ISA_EXT_SSE4: case ZYDIS_ISA_EXT_SSE4A:
	case ZYDIS_ISA_EXT_AES: case ZYDIS_ISA_EXT_PCLMULQDQ: case ZYDIS_ISA_EXT_SHA:
		/* FISTTP came with SSE3. */
		if (insn->zy.mnemonic == ZYDIS_MNEMONIC_FISTTP)
			return NATIVE_SIMD | NATIVE_X87;
		return NATIVE_SIMD | NATIVE_SSE;
	case ZYDIS_ISA_EXT_GFNI:
		return NATIVE_SIMD | (insn->zy.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY
				      ? NATIVE_SSE : NATIVE_AVX);
	case ZYDIS_ISA_EXT_AVX: case ZYDIS_ISA_EXT_AVX2: case ZYDIS_ISA_EXT_AVX2GATHER:
	case ZYDIS_ISA_EXT_AVXAES: case ZYDIS_ISA_EXT_AVX_VNNI: case ZYDIS_ISA_EXT_F16C:
	case ZYDIS_ISA_EXT_FMA: case ZYDIS_ISA_EXT_VAES: case ZYDIS_ISA_EXT_VPCLMULQDQ:
		return NATIVE_SIMD | NATIVE_AVX;
	case ZYDIS_ISA_EXT_AVX512EVEX: case ZYDIS_ISA_EXT_AVX512VEX:
		return NATIVE_SIMD | NATIVE_AVX | NATIVE_AVX512;
	case ZYDIS_ISA_EXT_BMI1: case ZYDIS_ISA_EXT_BMI2:
		return NATIVE_GENERAL;
	default:
		return 0;
	}
}

static bool is_gpr(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_R15;
}

static unsigned gpr_number(ZydisRegister reg)
{
	if (reg >= ZYDIS_REGISTER_RAX)
		return (unsigned)(reg - ZYDIS_REGISTER_RAX);
	if (reg >= ZYDIS_REGISTER_EAX)
		return (unsigned)(reg - ZYDIS_REGISTER_EAX);
	if (reg >= ZYDIS_REGISTER_AX)
		return (unsigned)(reg - ZYDIS_REGISTER_AX);
	if (reg >= ZYDIS_REGISTER_SPL)
		return (unsigned)(reg - ZYDIS_REGISTER_SPL + 4);
	return (unsigned)(reg - ZYDIS_REGISTER_AL) & 3;
}

/* What the rewriting needs to know of the operands. */
struct shape {
	const ZydisDecodedOperand *memory;	/* by ModRM, or implicit */
	bool implicit;
	bool gpr;				/* a general register is an operand */
	bool mmx;
	uint32_t used;				/* general registers */
	/* Where RSP is an operand: */
	bool stack_reg, stack_rm, stack_vvvv;
};

static void shape_find(struct shape *s, const struct insn *insn)
{
	bool by_modrm = (insn->zy.attributes & ZYDIS_ATTRIB_HAS_MODRM) && insn->zy.raw.modrm.mod != 3;

	for (unsigned i = 0; i < insn->zy.operand_count; i++) {
		const ZydisDecodedOperand *o = &insn->ops[i];

		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
			s->memory = o;
			s->implicit = !by_modrm;
		}
		if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		if (o->reg.value >= ZYDIS_REGISTER_MM0 && o->reg.value <= ZYDIS_REGISTER_MM7)
			s->mmx = true;
		if (!is_gpr(o->reg.value))
			continue;
		s->gpr = true;
		s->used |= 1u << gpr_number(o->reg.value);
		if (gpr_number(o->reg.value) == REG_RSP) {
			s->stack_reg |= o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG;
			s->stack_rm |= o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM;
			s->stack_vvvv |= o->encoding == ZYDIS_OPERAND_ENCODING_NDSNDD;
		}
	}
}

/* A low register, usable as [reg] without SIB and displacement, that the instruction leaves alone. */
static uint8_t shape_free_register(struct shape *s)
{
	static const uint8_t candidates[] = { REG_RBX, REG_RSI, REG_RDI, REG_RDX, REG_RCX, REG_RAX };

	for (unsigned i = 0; i < array_size(candidates); i++) {
		if (!(s->used & (1u << candidates[i]))) {
			s->used |= 1u << candidates[i];
			return candidates[i];
		}
	}
	return OP_NO_REG;
}

/* VEX.W and EVEX.W choose the size of an integer operand: ignored outside 64-bit mode. */
static bool w_is_integer_size(const struct insn *insn, const struct shape *s)
{
	switch (insn->zy.mnemonic) {
	case ZYDIS_MNEMONIC_VCVTSI2SS: case ZYDIS_MNEMONIC_VCVTSI2SD:
	case ZYDIS_MNEMONIC_VCVTUSI2SS: case ZYDIS_MNEMONIC_VCVTUSI2SD:
	case ZYDIS_MNEMONIC_VMOVD: case ZYDIS_MNEMONIC_VPEXTRD: case ZYDIS_MNEMONIC_VPINSRD:
		return true;
	default:
		return s->gpr;
	}
}

static void emit(struct native *n, unsigned byte)
{
	if (n->length < NATIVE_CODE_MAX)
		n->code[n->length++] = (uint8_t)byte;
}

/* Prefixes and the bytes up to ModRM, of a legacy encoding.  Returns the position behind them. */
static void emit_legacy(struct native *n, const struct op *op, const struct insn *insn,
			const struct shape *s, unsigned opcode_end)
{
	const uint8_t *b = insn->bytes;
	unsigned at = 0, rex = 0;
	bool wide = false;

	for (;; at++) {
		/* Only the last REX counts, and only right before the opcode. */
		if (op->mode == DECODE_64 && (b[at] & 0xf0) == 0x40) {
			rex = b[at];
			continue;
		}
		if (b[at] == 0x66)
			wide = true;
		else if (b[at] == 0xf2 || b[at] == 0xf3)
			emit(n, b[at]);
		else if (b[at] != 0x67 && b[at] != 0xf0 && (b[at] & 0xe7) != 0x26 &&
			 (b[at] & 0xfe) != 0x64)
			break;
		rex = 0;
	}
	/* x87 environments have a 16-bit form: the default in 16-bit code. */
	if (op->mode == DECODE_16 && (n->flags & NATIVE_X87))
		wide = !wide;
	if (wide)
		emit(n, 0x66);
	if (s->memory && !s->implicit)
		rex &= ~3u;
	if (rex)
		emit(n, rex);
	while (at < opcode_end)
		emit(n, b[at++]);
}

static unsigned emit_vex(struct native *n, const struct op *op, const struct insn *insn,
			 const struct shape *s)
{
	const uint8_t *b = insn->bytes;
	unsigned at = 0, rxb, second, map = 1;

	while (b[at] != 0xc4 && b[at] != 0xc5)
		at++;
	if (b[at] == 0xc5) {
		rxb = (b[at + 1] & 0x80) | 0x60;
		second = b[at + 1] & 0x7f;
		at += 2;
	} else {
		rxb = b[at + 1] & 0xe0;
		map = b[at + 1] & 0x1f;
		second = b[at + 2];
		at += 3;
	}
	if (s->memory && !s->implicit)
		rxb |= 0x60;
	if (op->mode != DECODE_64) {
		rxb = 0xe0;
		second |= 0x40;
		if (w_is_integer_size(insn, s))
			second &= 0x7f;
	}
	if (s->stack_vvvv)
		second = (second & ~0x78u) | (~n->stack & 15u) << 3;
	emit(n, 0xc4);
	emit(n, rxb | map);
	emit(n, second);
	return at;
}

static unsigned emit_evex(struct native *n, const struct op *op, const struct insn *insn,
			  const struct shape *s)
{
	const uint8_t *b = insn->bytes;
	unsigned at = 0, p0, p1, p2;

	while (b[at] != 0x62)
		at++;
	p0 = b[at + 1];
	p1 = b[at + 2];
	p2 = b[at + 3];
	if (s->memory && !s->implicit)
		p0 |= 0x60;
	if (op->mode != DECODE_64) {
		p0 |= 0xf0;
		p1 |= 0x40;
		p2 |= 0x08;
		if (w_is_integer_size(insn, s))
			p1 &= 0x7f;
	}
	emit(n, 0x62);
	emit(n, p0);
	emit(n, p1);
	emit(n, p2);
	return at + 4;
}

static unsigned alignment(const struct insn *insn, unsigned size)
{
	bool legacy = insn->zy.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;

	switch (insn->zy.mnemonic) {
	case ZYDIS_MNEMONIC_MOVUPS: case ZYDIS_MNEMONIC_MOVUPD: case ZYDIS_MNEMONIC_MOVDQU:
	case ZYDIS_MNEMONIC_LDDQU: case ZYDIS_MNEMONIC_MASKMOVDQU:
	case ZYDIS_MNEMONIC_PCMPESTRI: case ZYDIS_MNEMONIC_PCMPESTRM:
	case ZYDIS_MNEMONIC_PCMPISTRI: case ZYDIS_MNEMONIC_PCMPISTRM:
		return 1;
	default:
		break;
	}
	/* AMD does not insist for SHA. */
	if (legacy && insn->zy.meta.isa_set == ZYDIS_ISA_SET_SHA && cpuid_model.vendor == CPUID_AMD)
		return 1;
	if (legacy)
		return size == 16 ? 16 : 1;
	switch (insn->zy.meta.exception_class) {
	case ZYDIS_EXCEPTION_CLASS_AVX1:
	case ZYDIS_EXCEPTION_CLASS_E1:
	case ZYDIS_EXCEPTION_CLASS_E1NF:
		return size;
	default:
		return 1;
	}
}

static bool is_masked(const struct insn *insn)
{
	switch (insn->zy.mnemonic) {
	case ZYDIS_MNEMONIC_VMASKMOVPS: case ZYDIS_MNEMONIC_VMASKMOVPD:
	case ZYDIS_MNEMONIC_VPMASKMOVD: case ZYDIS_MNEMONIC_VPMASKMOVQ:
	case ZYDIS_MNEMONIC_MASKMOVQ: case ZYDIS_MNEMONIC_MASKMOVDQU:
	case ZYDIS_MNEMONIC_VMASKMOVDQU:
		return true;
	default:
		break;
	}
	switch (insn->zy.meta.exception_class) {
	case ZYDIS_EXCEPTION_CLASS_E1NF: case ZYDIS_EXCEPTION_CLASS_E2NF:
	case ZYDIS_EXCEPTION_CLASS_E3NF: case ZYDIS_EXCEPTION_CLASS_E4NF:
	case ZYDIS_EXCEPTION_CLASS_E5NF: case ZYDIS_EXCEPTION_CLASS_E6NF:
	case ZYDIS_EXCEPTION_CLASS_E9NF: case ZYDIS_EXCEPTION_CLASS_E10NF:
	case ZYDIS_EXCEPTION_CLASS_E11NF:
		/* No fault suppression; a masked store still writes only its elements. */
		return insn->zy.raw.evex.aaa != 0 &&
		       (insn->ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY);
	default:
		return insn->zy.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX &&
		       insn->zy.raw.evex.aaa != 0;
	}
}

static bool is_nowait(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_FNCLEX || m == ZYDIS_MNEMONIC_FNINIT ||
	       m == ZYDIS_MNEMONIC_FNSTCW || m == ZYDIS_MNEMONIC_FNSTSW ||
	       m == ZYDIS_MNEMONIC_FNSTENV || m == ZYDIS_MNEMONIC_FNSAVE ||
	       m == ZYDIS_MNEMONIC_FENI8087_NOP || m == ZYDIS_MNEMONIC_FDISI8087_NOP ||
	       m == ZYDIS_MNEMONIC_FSETPM287_NOP;
}

static void lower_memory(struct op *op, const struct insn *insn, struct shape *s)
{
	struct native *n = &op->native;
	const ZydisDecodedOperand *m = s->memory;

	n->memory = m->size / 8;
	n->align = (uint8_t)alignment(insn, n->memory);
	if (m->actions & ZYDIS_OPERAND_ACTION_MASK_READ)
		n->flags |= NATIVE_READ;
	if (m->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
		n->flags |= NATIVE_WRITE;
	if (is_masked(insn))
		n->flags |= NATIVE_MASKED;
	n->element = (uint8_t)(m->element_size / 8);
	if (!s->implicit) {
		n->base = shape_free_register(s);
		return;
	}
	/* (V)MASKMOV(DQ)U: [rDI] in the source's segment. */
	n->flags |= NATIVE_WRITE | NATIVE_MASKED;
	n->memory = insn->zy.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ ? 8 : 16;
	n->align = 1;
	n->base = REG_RDI;
	op->base = REG_RDI;
	op->seg = m->mem.segment >= ZYDIS_REGISTER_ES && m->mem.segment <= ZYDIS_REGISTER_GS
		? (uint8_t)(m->mem.segment - ZYDIS_REGISTER_ES) : (uint8_t)SEG_DS;
}

int native_lower(struct op *op, const struct insn *insn)
{
	const ZydisDecodedInstruction *zy = &insn->zy;
	bool has_modrm = zy->attributes & ZYDIS_ATTRIB_HAS_MODRM;
	unsigned set = native_set(insn), at, modrm = 0;
	struct native *n = &op->native;
	struct shape s = { 0 };

	if (!set)
		return -EINVAL;
	n->flags = (uint16_t)set;
	n->base = n->stack = OP_NO_REG;
	shape_find(&s, insn);
	if (s.mmx)
		n->flags |= NATIVE_MMX;
	if (is_nowait(zy->mnemonic))
		n->flags |= NATIVE_NOWAIT;
	if (s.memory && s.memory->mem.type == ZYDIS_MEMOP_TYPE_VSIB)
		return gather_lower(op, insn);
	if (op->mode != DECODE_64 && (zy->mnemonic == ZYDIS_MNEMONIC_VZEROALL ||
				      zy->mnemonic == ZYDIS_MNEMONIC_VZEROUPPER)) {
		op->run = op_vzero;
		return 0;
	}
	s.used |= 1u << REG_RSP;
	if (s.memory)
		lower_memory(op, insn, &s);
	if (s.stack_reg || s.stack_rm || s.stack_vvvv)
		n->stack = shape_free_register(&s);
	if ((s.memory && n->base == OP_NO_REG) || n->memory > NATIVE_MEMORY_MAX)
		return -ENOTSUP;

	if (zy->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
		at = emit_vex(n, op, insn, &s);
	} else if (zy->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX) {
		at = emit_evex(n, op, insn, &s);
	} else if (zy->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY) {
		at = has_modrm ? zy->raw.modrm.offset : zy->length;
		emit_legacy(n, op, insn, &s, at);
	} else {
		return -EINVAL;
	}
	if (has_modrm) {
		while (at < zy->raw.modrm.offset)
			emit(n, insn->bytes[at++]);
		modrm = insn->bytes[at++];
		if (s.stack_reg)
			modrm = (modrm & ~0x38u) | (unsigned)n->stack << 3;
		if (s.stack_rm)
			modrm = (modrm & ~7u) | n->stack;
		if (s.memory && !s.implicit) {
			modrm = (modrm & 0x38) | n->base;
			if (zy->attributes & ZYDIS_ATTRIB_HAS_SIB)
				at++;
			at += zy->raw.disp.size / 8;
		}
		emit(n, modrm);
	}
	while (at < zy->length)
		emit(n, insn->bytes[at++]);
	/* A register in an immediate: eight of them outside 64-bit mode. */
	if (op->mode != DECODE_64 && (zy->mnemonic == ZYDIS_MNEMONIC_VBLENDVPS ||
				      zy->mnemonic == ZYDIS_MNEMONIC_VBLENDVPD ||
				      zy->mnemonic == ZYDIS_MNEMONIC_VPBLENDVB))
		n->code[n->length - 1] &= 0x7f;
	emit(n, 0xc3);
	op->run = op_native;
	return n->length < NATIVE_CODE_MAX ? 0 : -ENOTSUP;
}
