/* SPDX-License-Identifier: MIT */
/*
 * Descriptors and segment registers; the instructions that load, store and
 * inspect selectors.  Far transfers are in far.c.
 */
#include "emulate/segment.h"

#include "emulate/data.h"

bool segment_raise(struct vcpu *vcpu, enum vcpu_vector vector, uint16_t selector, unsigned ext)
{
	vcpu_raise_error(vcpu, vector, (selector & 0xfffcu) | ext);
	return false;
}

bool descriptor_read(struct vcpu *vcpu, uint16_t selector, enum vcpu_vector vector, unsigned ext,
		     struct descriptor *d)
{
	uint64_t base = vcpu->gdtr.base;
	uint32_t limit = vcpu->gdtr.limit;

	if (selector & 4) {
		const struct vcpu_segment *ldt = &vcpu->seg[SEG_LDTR];

		if (!(ldt->attr & SEG_ATTR_P))
			return segment_raise(vcpu, vector, selector, ext);
		base = ldt->base;
		limit = ldt->limit;
	}
	if ((selector | 7u) > limit)
		return segment_raise(vcpu, vector, selector, ext);
	d->addr = base + (selector & 0xfff8u);
	d->high = 0;
	return mem_system_read(vcpu, GVA(d->addr), &d->low, 8);
}

bool descriptor_read_high(struct vcpu *vcpu, uint16_t selector, enum vcpu_vector vector,
			  struct descriptor *d)
{
	uint32_t limit = selector & 4 ? vcpu->seg[SEG_LDTR].limit : vcpu->gdtr.limit;

	if ((selector | 7u) + 8 > limit)
		return segment_raise(vcpu, vector, selector, 0);
	return mem_system_read(vcpu, GVA(d->addr + 8), &d->high, 8);
}

bool descriptor_set_accessed(struct vcpu *vcpu, struct descriptor *d)
{
	uint8_t byte;

	if (d->low >> 40 & 1)
		return true;
	d->low |= 1ul << 40;
	byte = (uint8_t)(d->low >> 40);
	return mem_system_write(vcpu, GVA(d->addr + 5), &byte, 1);
}

void descriptor_unpack(const struct descriptor *d, uint16_t selector, struct vcpu_segment *out)
{
	uint64_t low = d->low;

	out->selector = selector;
	out->attr = (uint16_t)(low >> 40) & 0xf0ff;
	out->limit = (uint32_t)((low & 0xffff) | (low >> 32 & 0xf0000));
	if (out->attr & SEG_ATTR_G)
		out->limit = out->limit << 12 | 0xfff;
	out->base = (low >> 16 & 0xffffff) | (low >> 32 & 0xff000000);
	if (!(out->attr & SEG_ATTR_S))
		out->base |= d->high << 32;
}

void segment_set_base(struct vcpu *vcpu, enum vcpu_seg seg, uint64_t base)
{
	if (seg == SEG_GS)	/* fast.gs_host follows when translated code is next entered */
		vcpu->fast.gs_base[0] = base;
	vcpu->seg[seg].base = base;
}

static void segment_install(struct vcpu *vcpu, enum vcpu_seg seg, const struct vcpu_segment *s)
{
	vcpu->seg[seg] = *s;
	if (seg == SEG_GS)
		segment_set_base(vcpu, seg, s->base);
}

void segment_load_real(struct vcpu *vcpu, enum vcpu_seg seg, uint16_t selector)
{
	struct vcpu_segment s = vcpu->seg[seg];

	s.selector = selector;
	s.base = (uint64_t)selector << 4;
	if (mode_v86(vcpu)) {
		s.limit = 0xffff;
		s.attr = SEG_ATTR_P | SEG_ATTR_DPL | SEG_ATTR_S | 3;
	}
	segment_install(vcpu, seg, &s);
}

bool segment_check_ss(struct vcpu *vcpu, uint16_t selector, unsigned cpl, enum vcpu_vector vector,
		      unsigned ext, struct vcpu_segment *out)
{
	enum vcpu_vector absent = VEC_SS;
	struct descriptor d;

	if (!(selector & 0xfffc))
		return segment_raise(vcpu, vector, 0, ext);
	if (!descriptor_read(vcpu, selector, vector, ext, &d))
		return false;
	if ((selector & 3u) != cpl || DESCRIPTOR_DPL(&d) != cpl || !DESCRIPTOR_S(&d) ||
	    (DESCRIPTOR_TYPE(&d) & 10) != 2)
		return segment_raise(vcpu, vector, selector, ext);
	if (!DESCRIPTOR_P(&d))
		return segment_raise(vcpu, absent, selector, ext);
	if (!descriptor_set_accessed(vcpu, &d))
		return false;
	descriptor_unpack(&d, selector, out);
	return true;
}

bool segment_load(struct vcpu *vcpu, enum vcpu_seg seg, uint16_t selector)
{
	struct vcpu_segment s = { .selector = selector };
	struct descriptor d;
	unsigned type;

	if (!mode_protected(vcpu)) {
		segment_load_real(vcpu, seg, selector);
		return true;
	}
	if (!(selector & 0xfffc)) {
		if (seg == SEG_SS && (!vcpu_64bit_code(vcpu) || vcpu->cpl == 3 ||
				      (selector & 3u) != vcpu->cpl))
			return segment_raise(vcpu, VEC_GP, 0, 0);
		segment_install(vcpu, seg, &s);
		return true;
	}
	if (seg == SEG_SS) {
		if (!segment_check_ss(vcpu, selector, vcpu->cpl, VEC_GP, 0, &s))
			return false;
		segment_install(vcpu, seg, &s);
		return true;
	}
	if (!descriptor_read(vcpu, selector, VEC_GP, 0, &d))
		return false;
	type = DESCRIPTOR_TYPE(&d);
	if (!DESCRIPTOR_S(&d) || (type & 10) == 8)	/* system, or execute-only code */
		return segment_raise(vcpu, VEC_GP, selector, 0);
	if ((type & 12) != 12 &&
	    (DESCRIPTOR_DPL(&d) < (selector & 3u) || DESCRIPTOR_DPL(&d) < vcpu->cpl))
		return segment_raise(vcpu, VEC_GP, selector, 0);
	if (!DESCRIPTOR_P(&d))
		return segment_raise(vcpu, VEC_NP, selector, 0);
	if (!descriptor_set_accessed(vcpu, &d))
		return false;
	descriptor_unpack(&d, selector, &s);
	segment_install(vcpu, seg, &s);
	return true;
}

void segment_set_cs(struct vcpu *vcpu, const struct descriptor *d, uint16_t selector, unsigned cpl)
{
	descriptor_unpack(d, (uint16_t)((selector & 0xfffc) | cpl), &vcpu->seg[SEG_CS]);
	vcpu->cpl = (uint8_t)cpl;
}

void segment_drop_privileged(struct vcpu *vcpu)
{
	static const enum vcpu_seg data[] = { SEG_DS, SEG_ES, SEG_FS, SEG_GS };

	for (unsigned i = 0; i < array_size(data); i++) {
		struct vcpu_segment *s = &vcpu->seg[data[i]];
		unsigned dpl = (s->attr & SEG_ATTR_DPL) >> 5;

		if ((s->attr & SEG_ATTR_P) && (s->attr & 12) != 12 && dpl < vcpu->cpl) {
			s->selector = 0;
			s->attr = 0;
		} else if (!(s->attr & SEG_ATTR_P)) {
			s->selector = 0;
		}
	}
}

bool segment_tss_stack(struct vcpu *vcpu, unsigned cpl, unsigned ext, uint16_t *ss, uint64_t *rsp)
{
	const struct vcpu_segment *tr = &vcpu->seg[SEG_TR];
	unsigned offset, size;
	uint8_t image[8];

	if (vcpu_long_mode(vcpu)) {
		offset = 4 + 8 * cpl;
		size = 8;
	} else if (tr->attr & 8) {
		offset = 4 + 8 * cpl;
		size = 6;
	} else {
		offset = 2 + 4 * cpl;
		size = 4;
	}
	if (offset + size - 1 > tr->limit)
		return segment_raise(vcpu, VEC_TS, tr->selector, ext);
	if (!mem_system_read(vcpu, GVA(tr->base + offset), image, size))
		return false;
	*rsp = 0;
	*ss = 0;
	if (size == 8) {
		__builtin_memcpy(rsp, image, 8);
		*ss = (uint16_t)cpl;
	} else if (size == 6) {
		__builtin_memcpy(rsp, image, 4);
		__builtin_memcpy(ss, image + 4, 2);
	} else {
		__builtin_memcpy(rsp, image, 2);
		__builtin_memcpy(ss, image + 2, 2);
	}
	return true;
}

bool segment_check_rip(struct vcpu *vcpu, const struct descriptor *d, uint64_t offset, unsigned ext)
{
	struct vcpu_segment s;

	if (vcpu_long_mode(vcpu) && DESCRIPTOR_L(d)) {
		if (gva_canonical(GVA(offset)))
			return true;
	} else {
		descriptor_unpack(d, 0, &s);
		if (offset <= s.limit)
			return true;
	}
	return segment_raise(vcpu, VEC_GP, 0, ext);
}

/* MOV to and from a segment register, and POP of one. */
enum emulate_result op_mov_segment(struct vcpu *vcpu, const struct op *op)
{
	bool pop = op->mnemonic == ZYDIS_MNEMONIC_POP;
	enum vcpu_seg seg;
	uint64_t value;

	if (!pop && op->o[0].kind != OPERAND_SEG) {	/* store: zero-extends into a register */
		if (!op_set(vcpu, op, 0, vcpu->seg[op->o[1].reg].selector))
			return EMULATE_EXCEPTION;
		return op_done(vcpu, op);
	}
	seg = (enum vcpu_seg)op->o[0].reg;
	if (seg == SEG_CS)
		return raise_ud(vcpu);
	if (pop ? !stack_peek(vcpu, 0, op->size < 4 ? 2 : op->size, &value) : !op_get(vcpu, op, 1, &value))
		return EMULATE_EXCEPTION;
	if (pop && seg == SEG_SS) {	/* the pop counts in the old stack's width */
		unsigned width = stack_size(vcpu);

		if (!segment_load(vcpu, seg, (uint16_t)value))
			return EMULATE_EXCEPTION;
		reg_set(vcpu, REG_RSP, width, vcpu->regs[REG_RSP] + op->size);
	} else {
		if (!segment_load(vcpu, seg, (uint16_t)value))
			return EMULATE_EXCEPTION;
		if (pop)
			stack_adjust(vcpu, op->size);
	}
	if (seg == SEG_SS)
		vcpu->interrupt_shadow = true;
	return op_done(vcpu, op);
}

/* LDS, LES, LSS, LFS, LGS. */
enum emulate_result op_load_far_pointer(struct vcpu *vcpu, const struct op *op)
{
	unsigned size = op->o[0].size;
	uint64_t offset, selector;
	enum vcpu_seg seg;
	gva_t addr;

	switch (op->mnemonic) {
	case ZYDIS_MNEMONIC_LDS: seg = SEG_DS; break;
	case ZYDIS_MNEMONIC_LES: seg = SEG_ES; break;
	case ZYDIS_MNEMONIC_LSS: seg = SEG_SS; break;
	case ZYDIS_MNEMONIC_LFS: seg = SEG_FS; break;
	default: seg = SEG_GS; break;
	}
	if (!op_linear(vcpu, op, size + 2, false, &addr) ||
	    !mem_load(vcpu, addr, size, &offset) ||
	    !mem_load(vcpu, GVA(addr.v + size), 2, &selector) ||
	    !segment_load(vcpu, seg, (uint16_t)selector))
		return EMULATE_EXCEPTION;
	reg_set(vcpu, op->o[0].reg, size, offset);
	return op_done(vcpu, op);
}

/* SLDT, STR. */
enum emulate_result op_store_selector(struct vcpu *vcpu, const struct op *op)
{
	enum vcpu_seg seg = op->mnemonic == ZYDIS_MNEMONIC_STR ? SEG_TR : SEG_LDTR;

	if (!mode_protected(vcpu))
		return raise_ud(vcpu);
	if ((vcpu->cr4 & CR4_UMIP) && vcpu->cpl)
		return raise_gp(vcpu, 0);
	if (!op_set(vcpu, op, 0, vcpu->seg[seg].selector))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

/* LLDT, LTR: system descriptors of 8 bytes, 16 in long mode. */
enum emulate_result op_lldt_ltr(struct vcpu *vcpu, const struct op *op)
{
	bool ltr = op->mnemonic == ZYDIS_MNEMONIC_LTR;
	struct vcpu_segment *s = &vcpu->seg[ltr ? SEG_TR : SEG_LDTR];
	struct descriptor d;
	uint16_t selector;
	uint64_t value;
	uint8_t byte;
	bool good;

	if (!mode_protected(vcpu))
		return raise_ud(vcpu);
	if (vcpu->cpl)
		return raise_gp(vcpu, 0);
	if (!op_get(vcpu, op, 0, &value))
		return EMULATE_EXCEPTION;
	selector = (uint16_t)value;
	if (!(selector & 0xfffc)) {
		if (ltr)
			return raise_gp(vcpu, 0);
		*s = (struct vcpu_segment){ .selector = selector };
		return op_done(vcpu, op);
	}
	if (selector & 4)
		return raise_gp(vcpu, selector & 0xfffc);
	if (!descriptor_read(vcpu, selector, VEC_GP, 0, &d))
		return EMULATE_EXCEPTION;
	good = !DESCRIPTOR_S(&d) &&
	       (ltr ? DESCRIPTOR_TYPE(&d) == 9 || (DESCRIPTOR_TYPE(&d) == 1 && !vcpu_long_mode(vcpu))
		    : DESCRIPTOR_TYPE(&d) == 2);
	if (!good)
		return raise_gp(vcpu, selector & 0xfffc);
	if (!DESCRIPTOR_P(&d)) {
		segment_raise(vcpu, VEC_NP, selector, 0);
		return EMULATE_EXCEPTION;
	}
	if (vcpu_long_mode(vcpu)) {
		if (!descriptor_read_high(vcpu, selector, VEC_GP, &d))
			return EMULATE_EXCEPTION;
		if (!gva_canonical(GVA((d.low >> 16 & 0xffffff) | (d.low >> 32 & 0xff000000) |
				       d.high << 32)))
			return raise_gp(vcpu, selector & 0xfffc);
	}
	if (ltr) {
		d.low |= 2ul << 40;	/* busy */
		byte = (uint8_t)(d.low >> 40);
		if (!mem_system_write(vcpu, GVA(d.addr + 5), &byte, 1))
			return EMULATE_EXCEPTION;
	}
	descriptor_unpack(&d, selector, s);
	return op_done(vcpu, op);
}

/* Descriptor of a selector that may be unusable: no fault but a page fault.  *usable: by its table. */
static bool inspect(struct vcpu *vcpu, uint16_t selector, struct descriptor *d, bool *usable)
{
	*usable = false;
	if (!(selector & 0xfffc))
		return true;
	if (descriptor_read(vcpu, selector, VEC_GP, 0, d)) {
		*usable = true;
		return true;
	}
	if (vcpu->exception.vector != VEC_GP)
		return false;
	vcpu->exception.valid = false;
	return true;
}

static bool inspect_visible(const struct vcpu *vcpu, const struct descriptor *d, uint16_t selector)
{
	if (DESCRIPTOR_S(d) && DESCRIPTOR_CONFORMS(d))
		return true;
	return DESCRIPTOR_DPL(d) >= vcpu->cpl && DESCRIPTOR_DPL(d) >= (selector & 3u);
}

enum emulate_result op_lar_lsl(struct vcpu *vcpu, const struct op *op)
{
	bool lar = op->mnemonic == ZYDIS_MNEMONIC_LAR, good;
	struct descriptor d;
	struct vcpu_segment s;
	uint16_t selector;
	uint64_t value;

	if (!mode_protected(vcpu))
		return raise_ud(vcpu);
	if (!op_get(vcpu, op, 1, &value))
		return EMULATE_EXCEPTION;
	selector = (uint16_t)value;
	if (!inspect(vcpu, selector, &d, &good))
		return EMULATE_EXCEPTION;
	if (good && !DESCRIPTOR_S(&d)) {
		/* System types valid for LSL: LDT and TSS; LAR: gates too, but interrupt gates. */
		unsigned types = vcpu_long_mode(vcpu) ? (lar ? 0x1a04 : 0x0a04)
						      : (lar ? 0x1a3e : 0x0a0e);

		good = types >> DESCRIPTOR_TYPE(&d) & 1;
	}
	good = good && inspect_visible(vcpu, &d, selector);
	vcpu->rflags = (vcpu->rflags & ~(uint64_t)RFLAGS_ZF) | (good ? RFLAGS_ZF : 0);
	if (good) {
		descriptor_unpack(&d, selector, &s);
		reg_set(vcpu, op->o[0].reg, op->o[0].size,
			lar ? d.low >> 32 & 0x00ffff00 : s.limit);
	}
	return op_done(vcpu, op);
}

enum emulate_result op_verr_verw(struct vcpu *vcpu, const struct op *op)
{
	bool write = op->mnemonic == ZYDIS_MNEMONIC_VERW, good;
	struct descriptor d;
	uint64_t value;

	if (!mode_protected(vcpu))
		return raise_ud(vcpu);
	if (!op_get(vcpu, op, 0, &value))
		return EMULATE_EXCEPTION;
	if (!inspect(vcpu, (uint16_t)value, &d, &good))
		return EMULATE_EXCEPTION;
	good = good && DESCRIPTOR_S(&d) && inspect_visible(vcpu, &d, (uint16_t)value);
	if (good) {
		unsigned type = DESCRIPTOR_TYPE(&d);

		good = write ? (type & 10) == 2 : !(type & 8) || (type & 2);
	}
	vcpu->rflags = (vcpu->rflags & ~(uint64_t)RFLAGS_ZF) | (good ? RFLAGS_ZF : 0);
	return op_done(vcpu, op);
}

enum emulate_result op_arpl(struct vcpu *vcpu, const struct op *op)
{
	uint64_t dst, src;
	bool raise;

	if (!mode_protected(vcpu))
		return raise_ud(vcpu);
	if (!op_get(vcpu, op, 0, &dst))
		return EMULATE_EXCEPTION;
	op_get(vcpu, op, 1, &src);
	raise = (dst & 3) < (src & 3);
	if (raise && !op_set(vcpu, op, 0, (dst & ~3ul) | (src & 3)))
		return EMULATE_EXCEPTION;
	vcpu->rflags = (vcpu->rflags & ~(uint64_t)RFLAGS_ZF) | (raise ? RFLAGS_ZF : 0);
	return op_done(vcpu, op);
}
