/* SPDX-License-Identifier: MIT */
/*
 * Random cases: random prefixes and operands around one opcode, as far as the
 * decoder takes them, with registers arranged so that most memory operands hit
 * the test's areas, and some their edges.
 */
#include <stdio.h>
#include <string.h>

#include "decode/decode.h"
#include "diff.h"
#include "emulate/isa.h"

uint64_t diff_random(struct diff_rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15ul;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ul;
	z = (z ^ z >> 27) * 0x94d049bb133111ebul;
	return z ^ z >> 31;
}

static unsigned below(struct diff_rng *rng, unsigned n)
{
	return (unsigned)(diff_random(rng) % n);
}

static bool chance(struct diff_rng *rng, unsigned percent)
{
	return below(rng, 100) < percent;
}

static uint64_t interesting(struct diff_rng *rng)
{
	static const uint64_t values[] = {
		0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, ~0ul, ~1ul,
	};

	switch (below(rng, 4)) {
	case 0: return values[below(rng, sizeof(values) / sizeof(values[0]))];
	case 1: return diff_random(rng) >> below(rng, 64);
	case 2: return -(diff_random(rng) >> below(rng, 64));
	default: return diff_random(rng);
	}
}

static uint64_t float_bits(struct diff_rng *rng, bool wide)
{
	static const uint32_t f32[] = { 0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000,
		0xff800000, 0x7fc00000, 0x7f800001, 0x00000001, 0x007fffff, 0x00800000, 0x7f7fffff,
		0x4f000000, 0xcf000000, 0x5f000000, 0x3fc00000, 0x42280000 };
	static const uint64_t f64[] = { 0, 1ul << 63, 0x3ff0000000000000, 0xbff0000000000000,
		0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001,
		1, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff,
		0x41e0000000000000, 0xc1e0000000000000, 0x43e0000000000000, 0x3ff8000000000000 };

	if (wide)
		return f64[below(rng, sizeof(f64) / sizeof(f64[0]))];
	return f32[below(rng, sizeof(f32) / sizeof(f32[0]))] |
	       (uint64_t)f32[below(rng, sizeof(f32) / sizeof(f32[0]))] << 32;
}

static void fill_vector(struct diff_rng *rng, uint8_t *to, unsigned size)
{
	unsigned kind = below(rng, 4);

	for (unsigned i = 0; i < size; i += 8) {
		uint64_t v = kind == 0 ? float_bits(rng, false) : kind == 1 ? float_bits(rng, true) :
			     kind == 2 ? interesting(rng) : diff_random(rng);

		memcpy(to + i, &v, size - i < 8 ? size - i : 8);
	}
}

static void fill_x87(struct diff_rng *rng, uint8_t *area)
{
	static const uint16_t exponents[] = { 0, 1, 0x3ffe, 0x3fff, 0x4000, 0x403e, 0x7ffe, 0x7fff,
					      0x8000, 0xbfff, 0xffff };
	uint16_t control = 0x037f, status = 0;
	uint8_t tag = 0xff;

	if (chance(rng, 30))
		control = (uint16_t)(0x007f | below(rng, 4) << 10 | (0x3 << 8));
	if (chance(rng, 50))
		status = (uint16_t)(below(rng, 8) << 11 | (below(rng, 16) & 7) << 8 | below(rng, 2) << 14);
	if (chance(rng, 30))
		tag = (uint8_t)diff_random(rng);
	if (chance(rng, 3)) {	/* a pending exception */
		control &= (uint16_t)~1;
		status |= 0x8081;
	}
	memcpy(area, &control, 2);
	memcpy(area + 2, &status, 2);
	area[4] = tag;
	for (unsigned i = 0; i < 8; i++) {
		uint64_t mantissa = chance(rng, 50) ? 0x8000000000000000ul : diff_random(rng);
		uint16_t exponent = chance(rng, 60) ? exponents[below(rng, 11)]
						    : (uint16_t)(0x3ff0 + below(rng, 64));

		if (chance(rng, 90) && (exponent & 0x7fff))
			mantissa |= 1ul << 63;
		memcpy(area + 32 + 16 * i, &mantissa, 8);
		memcpy(area + 40 + 16 * i, &exponent, 2);
	}
}

static void fill_xsave(struct diff_rng *rng, struct diff_case *c)
{
	uint64_t bv = diff_xfeatures();
	uint32_t mxcsr = 0x1f80 | (below(rng, 4) << 13);

	memset(c->xsave, 0, sizeof(c->xsave));
	fill_x87(rng, c->xsave);
	if (chance(rng, 20))
		mxcsr |= (uint32_t)(diff_random(rng) & 0x803f) | (chance(rng, 50) ? 0x40 : 0);
	if (chance(rng, 5))
		mxcsr &= ~(uint32_t)(diff_random(rng) & 0x1f80);
	memcpy(c->xsave + 24, &mxcsr, 4);
	fill_vector(rng, c->xsave + 160, 256);
	for (unsigned i = 2; i < 8; i++) {
		unsigned size, offset = diff_component(i, &size);

		if (!(bv >> i & 1) || !offset)
			continue;
		fill_vector(rng, c->xsave + offset, size);
		if (i >= 6 && chance(rng, 30))
			bv &= ~(1ul << i);
	}
	memcpy(c->xsave + 512, &bv, 8);
}

/* Outcome depends on the machine, or the test process would not survive. */
static bool excluded(const struct insn *insn)
{
	switch (insn->zy.mnemonic) {
	case ZYDIS_MNEMONIC_SYSCALL: case ZYDIS_MNEMONIC_SYSENTER: case ZYDIS_MNEMONIC_INT:
	case ZYDIS_MNEMONIC_INT1: case ZYDIS_MNEMONIC_INTO: case ZYDIS_MNEMONIC_INT3:
	case ZYDIS_MNEMONIC_CPUID:
	case ZYDIS_MNEMONIC_RDTSC: case ZYDIS_MNEMONIC_RDTSCP: case ZYDIS_MNEMONIC_RDPID:
	case ZYDIS_MNEMONIC_RDPMC: case ZYDIS_MNEMONIC_RDRAND: case ZYDIS_MNEMONIC_RDSEED:
	case ZYDIS_MNEMONIC_XGETBV: case ZYDIS_MNEMONIC_RDPKRU: case ZYDIS_MNEMONIC_WRPKRU:
	case ZYDIS_MNEMONIC_SGDT: case ZYDIS_MNEMONIC_SIDT: case ZYDIS_MNEMONIC_SLDT:
	case ZYDIS_MNEMONIC_STR: case ZYDIS_MNEMONIC_SMSW: case ZYDIS_MNEMONIC_LAR:
	case ZYDIS_MNEMONIC_LSL: case ZYDIS_MNEMONIC_VERR: case ZYDIS_MNEMONIC_VERW:
	case ZYDIS_MNEMONIC_RDFSBASE: case ZYDIS_MNEMONIC_RDGSBASE:
	case ZYDIS_MNEMONIC_WRFSBASE: case ZYDIS_MNEMONIC_WRGSBASE:
	case ZYDIS_MNEMONIC_LSS: case ZYDIS_MNEMONIC_LFS: case ZYDIS_MNEMONIC_LGS:
	case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD: case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_POPFD: case ZYDIS_MNEMONIC_PUSHFD:
	case ZYDIS_MNEMONIC_POPF: case ZYDIS_MNEMONIC_POPFQ: case ZYDIS_MNEMONIC_PUSHF:
	case ZYDIS_MNEMONIC_PUSHFQ: case ZYDIS_MNEMONIC_VMCALL: case ZYDIS_MNEMONIC_VMMCALL:
	/* Images are arbitrary here, and may be as large as memory; main.c has its own. */
	case ZYDIS_MNEMONIC_FXRSTOR: case ZYDIS_MNEMONIC_FXRSTOR64: case ZYDIS_MNEMONIC_XRSTOR:
	case ZYDIS_MNEMONIC_XRSTOR64: case ZYDIS_MNEMONIC_XSAVE: case ZYDIS_MNEMONIC_XSAVE64:
	case ZYDIS_MNEMONIC_XSAVEC: case ZYDIS_MNEMONIC_XSAVEC64:
	case ZYDIS_MNEMONIC_XSAVEOPT: case ZYDIS_MNEMONIC_XSAVEOPT64:
	case ZYDIS_MNEMONIC_FXSAVE: case ZYDIS_MNEMONIC_FXSAVE64:
	case ZYDIS_MNEMONIC_FRSTOR: case ZYDIS_MNEMONIC_FLDENV:
		return true;
	default:
		break;
	}
	if (insn->zy.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_FS)
		return true;
	if (insn->zy.machine_mode != ZYDIS_MACHINE_MODE_LONG_64 &&
	    (insn->zy.attributes & ZYDIS_ATTRIB_HAS_SEGMENT))
		return true;
	/* W set is undefined to AMD, ignored by Intel. */
	if (insn->zy.machine_mode != ZYDIS_MACHINE_MODE_LONG_64 &&
	    (insn->zy.mnemonic == ZYDIS_MNEMONIC_VPEXTRD ||
	     insn->zy.mnemonic == ZYDIS_MNEMONIC_VPINSRD) && insn->zy.raw.vex.W)
		return true;
	if (insn->ops[0].type == ZYDIS_OPERAND_TYPE_POINTER)
		return true;
	/* REP prefixes override the condition on some CPUs. */
	if (insn->zy.mnemonic == ZYDIS_MNEMONIC_LOOPE || insn->zy.mnemonic == ZYDIS_MNEMONIC_LOOPNE) {
		for (unsigned i = 0; i < insn->zy.raw.prefix_count; i++) {
			if ((insn->zy.raw.prefixes[i].value & 0xfe) == 0xf2)
				return true;
		}
	}
	/* PREFETCHW with a register: undefined here, a NOP there. */
	if (insn->zy.opcode == 0x0d && insn->zy.opcode_map == ZYDIS_OPCODE_MAP_0F &&
	    insn->zy.raw.modrm.mod == 3)
		return true;
	for (unsigned i = 0; i < insn->zy.operand_count; i++) {
		if (insn->ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(insn->ops[i].reg.value) == ZYDIS_REGCLASS_SEGMENT)
			return true;
	}
	/* Far transfers depend on the GDT. */
	if (insn->zy.mnemonic == ZYDIS_MNEMONIC_RET)
		return insn->zy.opcode >= 0xca;
	if (insn->zy.mnemonic == ZYDIS_MNEMONIC_CALL || insn->zy.mnemonic == ZYDIS_MNEMONIC_JMP)
		return insn->zy.opcode == 0xff && (insn->zy.raw.modrm.reg & 1);
	return !isa_present(insn->zy.meta.isa_set);
}

static void put(struct diff_case *c, uint64_t byte)
{
	if (c->length < 15)
		c->code[c->length++] = (uint8_t)byte;
}

static void encode(struct diff_rng *rng, enum diff_map map, unsigned opcode, struct diff_case *c)
{
	static const uint8_t simd[] = { 0, 0x66, 0xf3, 0xf2 };

	c->length = 0;
	if (chance(rng, 3))
		put(c, 0x67);
	if (chance(rng, 2) && !c->compat)
		put(c, 0x65);
	if (map <= MAP_0F3A) {
		if (chance(rng, 4))
			put(c, 0xf0);
		if (chance(rng, 40))
			put(c, simd[1 + below(rng, 3)]);
		if (chance(rng, 4))
			put(c, 0x66);
		if (chance(rng, 50) && !c->compat)
			put(c, 0x40 | below(rng, 16));
		if (map != MAP_ONE)
			put(c, 0x0f);
		if (map == MAP_0F38)
			put(c, 0x38);
		if (map == MAP_0F3A)
			put(c, 0x3a);
	} else if (map <= MAP_VEX3) {
		unsigned vvvv = chance(rng, 40) ? 15 : below(rng, 16);

		put(c, 0xc4);
		put(c, (below(rng, 8) | (c->compat ? 6 : 0)) << 5 | (map - MAP_VEX1 + 1));
		put(c, below(rng, 2) << 7 | vvvv << 3 | below(rng, 8));
	} else {
		bool plain = chance(rng, 40);

		put(c, 0x62);
		put(c, below(rng, 16) << 4 | (map - MAP_EVEX1 + 1));
		put(c, below(rng, 2) << 7 | (plain ? 15 : below(rng, 16)) << 3 | 4 | below(rng, 4));
		put(c, (chance(rng, 40) ? below(rng, 2) << 7 : 0) | below(rng, 4) << 5 |
		    (chance(rng, 20) ? 0x10 : 0) | (plain ? 8 : below(rng, 16) & 8) |
		    (chance(rng, 50) ? 0 : below(rng, 8)));
	}
	put(c, opcode);
	for (unsigned i = 0; i < 10; i++)
		put(c, diff_random(rng));
}

static int reg_number(ZydisRegister r)
{
	if (r >= ZYDIS_REGISTER_RAX && r <= ZYDIS_REGISTER_R15)
		return (int)(r - ZYDIS_REGISTER_RAX);
	if (r >= ZYDIS_REGISTER_EAX && r <= ZYDIS_REGISTER_R15D)
		return (int)(r - ZYDIS_REGISTER_EAX);
	return -1;
}

static uint64_t target_address(struct diff_rng *rng, unsigned size)
{
	unsigned align = size >= 16 && chance(rng, 80) ? 64 : 1;

	switch (below(rng, 40)) {
	case 0: return DIFF_DATA + DIFF_DATA_SIZE - below(rng, size + 1);
	case 1: return DIFF_CONST + below(rng, DIFF_PAGE - 64);
	case 2: return diff_random(rng);
	case 3: return DIFF_DATA + DIFF_PAGE - below(rng, size + 1);
	case 4: return DIFF_DATA - below(rng, size + 1);
	case 5: return 0x800000000000ul - below(rng, size + 1);
	default:
		return (DIFF_DATA + 0x800 + below(rng, DIFF_DATA_SIZE - 0x1000)) & ~(uint64_t)(align - 1);
	}
}

static void aim(struct diff_rng *rng, const struct insn *insn, const ZydisDecodedOperand *o,
		struct diff_case *c)
{
	uint64_t target = target_address(rng, o->size / 8 ? o->size / 8 : 8);
	int base = reg_number(o->mem.base), index = reg_number(o->mem.index);
	uint64_t disp = (uint64_t)o->mem.disp.value, want;

	if (o->mem.type == ZYDIS_MEMOP_TYPE_VSIB)
		index = -1;
	if (insn->zy.address_width == 16)
		return;
	if (base < 0) {
		if (insn->zy.raw.disp.size == 32) {
			uint32_t d = (uint32_t)target;

			if (o->mem.base == ZYDIS_REGISTER_RIP || o->mem.base == ZYDIS_REGISTER_EIP)
				d -= (uint32_t)(DIFF_CODE + c->offset + c->length);
			if (index >= 0)
				c->regs[index] = 0;
			memcpy(c->code + insn->zy.raw.disp.offset, &d, 4);
		} else if (insn->zy.raw.disp.size == 64) {
			memcpy(c->code + insn->zy.raw.disp.offset, &target, 8);
		}
		return;
	}
	if (index == base) {
		c->regs[base] = (target - disp) / (1u + o->mem.scale);
		return;
	}
	if (index >= 0 && chance(rng, 80))
		c->regs[index] = diff_random(rng) >> (33 + below(rng, 30));
	want = target - disp - (index >= 0 ? c->regs[index] * o->mem.scale : 0);
	c->regs[base] = want;
}

/* Registers that decide how long or how far an instruction goes. */
static void tame(struct diff_rng *rng, const struct insn *insn, struct diff_case *c)
{
	switch (insn->zy.meta.category) {
	case ZYDIS_CATEGORY_STRINGOP:
	case ZYDIS_CATEGORY_IOSTRINGOP:
		c->regs[7] = target_address(rng, 8);
		c->regs[6] = chance(rng, 30) ? c->regs[7] + below(rng, 64) - 32 : target_address(rng, 8);
		c->regs[1] = chance(rng, 70) ? below(rng, 40) : below(rng, 6000);
		break;
	case ZYDIS_CATEGORY_BITBYTE:
		if (insn->ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER && chance(rng, 90)) {
			int r = reg_number(insn->ops[1].reg.value);

			if (r >= 0 && r != 4)
				c->regs[r] = (uint64_t)((int64_t)below(rng, 4000) - 2000);
		}
		break;
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_COND_BR:
		if (insn->zy.raw.imm[0].size == 32) {
			int32_t d = (int32_t)below(rng, 0x1000) - 0x800;

			memcpy(c->code + insn->zy.raw.imm[0].offset, &d, 4);
		}
		/* Nothing but the test may be reached. */
		for (unsigned i = 0; i < 16; i++) {
			if (i != 4)
				c->regs[i] = chance(rng, 50) ? DIFF_CODE + below(rng, DIFF_PAGE) :
					     c->compat ? 0xc0000000 | diff_random(rng)
						       : diff_random(rng) | 1ul << 62;
		}
		break;
	default:
		break;
	}
	switch (insn->zy.mnemonic) {
	case ZYDIS_MNEMONIC_DIV:
	case ZYDIS_MNEMONIC_IDIV:
		if (chance(rng, 80))
			c->regs[2] = chance(rng, 50) ? 0 : ~0ul;
		if (insn->ops[0].size == 8 && chance(rng, 80))
			c->regs[0] &= 0xfff;
		break;
	case ZYDIS_MNEMONIC_MASKMOVDQU: case ZYDIS_MNEMONIC_VMASKMOVDQU:
	case ZYDIS_MNEMONIC_MASKMOVQ:
		c->regs[7] = target_address(rng, 16);
		break;
	case ZYDIS_MNEMONIC_XLAT:
		c->regs[3] = target_address(rng, 256);
		break;
	case ZYDIS_MNEMONIC_LEAVE:
	case ZYDIS_MNEMONIC_ENTER:
		c->regs[5] = DIFF_STACK + 0x400 + 8 * below(rng, 0x80);
		break;
	case ZYDIS_MNEMONIC_RET:
		break;
	default:
		break;
	}
}

bool diff_generate(struct diff_rng *rng, enum diff_map map, unsigned opcode, bool compat,
		   struct diff_case *c)
{
	struct insn insn;

	c->compat = compat;
	encode(rng, map, opcode, c);
	if (decode_insn(c->compat ? DECODE_32 : DECODE_64, c->code, c->length, &insn) || excluded(&insn))
		return false;
	c->length = insn.zy.length;
	c->offset = 0x800;
	for (unsigned i = 0; i < 16; i++)
		c->regs[i] = interesting(rng);
	c->regs[4] = DIFF_STACK + 0x800 + (chance(rng, 80) ? 0 : below(rng, 64));
	if (chance(rng, 2))
		c->regs[4] = DIFF_STACK + below(rng, 16);
	c->rflags = 0x202 | (diff_random(rng) & (chance(rng, 20) ? 0xcd5 : 0x8d5));
	fill_xsave(rng, c);
	tame(rng, &insn, c);
	if (insn.zy.meta.category == ZYDIS_CATEGORY_CALL ||
	    insn.zy.meta.category == ZYDIS_CATEGORY_UNCOND_BR) {
		if (insn.ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return false;	/* would go where memory says */
	}
	/* Not into the instruction itself. */
	if (insn.zy.attributes & ZYDIS_ATTRIB_IS_RELATIVE) {
		if (decode_insn(c->compat ? DECODE_32 : DECODE_64, c->code, c->length, &insn))
			return false;
		if (insn.zy.raw.imm[0].is_relative &&
		    insn.zy.raw.imm[0].value.s < 0 &&
		    insn.zy.raw.imm[0].value.s >= -(int64_t)c->length)
			return false;
	}
	for (unsigned i = 0; i < insn.zy.operand_count_visible; i++) {
		if (insn.ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			aim(rng, &insn, &insn.ops[i], c);
	}
	for (unsigned i = 0; compat && i < 16; i++)
		c->regs[i] = i < 8 ? (uint32_t)c->regs[i] : 0;
	c->faults_ignored = insn.zy.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX && insn.zy.raw.evex.aaa;
	switch (insn.zy.mnemonic) {
	case ZYDIS_MNEMONIC_VMASKMOVPS: case ZYDIS_MNEMONIC_VMASKMOVPD:
	case ZYDIS_MNEMONIC_VPMASKMOVD: case ZYDIS_MNEMONIC_VPMASKMOVQ:
	case ZYDIS_MNEMONIC_MASKMOVQ: case ZYDIS_MNEMONIC_MASKMOVDQU:
	case ZYDIS_MNEMONIC_VMASKMOVDQU:
	case ZYDIS_MNEMONIC_FNSAVE: case ZYDIS_MNEMONIC_FNSTENV:
		c->faults_ignored = true;
		break;
	case ZYDIS_MNEMONIC_FSTP: case ZYDIS_MNEMONIC_FLD:	/* ten bytes, in two pieces */
	case ZYDIS_MNEMONIC_FBSTP: case ZYDIS_MNEMONIC_FBLD:
		c->faults_ignored = insn.ops[0].size == 80;
		break;
	default:
		break;
	}
	/* BCD is not run by the host's own instructions, all else is: what it leaves undefined
	 * must be the same. */
	c->flags_ignored = insn.zy.meta.category == ZYDIS_CATEGORY_DECIMAL ?
			   insn.zy.cpu_flags->undefined : 0;
	c->ignore_start = c->ignore_end = 0;
	return true;
}

void diff_describe(const struct diff_case *c, char *text, size_t size)
{
	struct insn insn;
	ZydisFormatter formatter;
	size_t n = 0;

	for (unsigned i = 0; i < c->length; i++)
		n += (size_t)snprintf(text + n, size - n, "%02x", c->code[i]);
	n += (size_t)snprintf(text + n, size - n, "  ");
	if (decode_insn(c->compat ? DECODE_32 : DECODE_64, c->code, c->length, &insn))
		return;
	if (c->compat)
		n += (size_t)snprintf(text + n, size - n, "(32) ");
	ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
	ZydisFormatterFormatInstruction(&formatter, &insn.zy, insn.ops, insn.zy.operand_count_visible,
					text + n, size - n, DIFF_CODE + c->offset, NULL);
}
