/* SPDX-License-Identifier: MIT */
/*
 * Far jumps, calls and returns in every mode, call gates included.  Hardware
 * task switches are not implemented: no 64-bit guest and no boot path uses
 * them; they end as EMULATE_UNKNOWN with a message.
 */
#include "base/log.h"
#include "emulate/data.h"
#include "emulate/segment.h"

/* Checks of JMP and CALL to a code segment without a gate. */
static bool far_check_direct(struct vcpu *vcpu, uint16_t selector, struct descriptor *d,
			     uint64_t offset)
{
	unsigned dpl = DESCRIPTOR_DPL(d);

	if (DESCRIPTOR_CONFORMS(d) ? dpl > vcpu->cpl : (selector & 3u) > vcpu->cpl || dpl != vcpu->cpl)
		return segment_raise(vcpu, VEC_GP, selector, 0);
	if (!DESCRIPTOR_P(d))
		return segment_raise(vcpu, VEC_NP, selector, 0);
	if (vcpu_long_mode(vcpu) && DESCRIPTOR_L(d) && DESCRIPTOR_DB(d))
		return segment_raise(vcpu, VEC_GP, selector, 0);
	return segment_check_rip(vcpu, d, offset, 0) && descriptor_set_accessed(vcpu, d);
}

/* What a call gate names; the gate's own checks done. */
struct gate {
	uint16_t selector;
	uint64_t offset;
	unsigned params;	/* words or doublewords to copy */
	unsigned size;
	struct descriptor code;
};

static bool far_read_gate(struct vcpu *vcpu, uint16_t selector, struct descriptor *d, struct gate *g)
{
	bool wide = vcpu_long_mode(vcpu);
	unsigned dpl = DESCRIPTOR_DPL(d);

	if (dpl < vcpu->cpl || dpl < (selector & 3u))
		return segment_raise(vcpu, VEC_GP, selector, 0);
	if (!DESCRIPTOR_P(d))
		return segment_raise(vcpu, VEC_NP, selector, 0);
	g->selector = (uint16_t)(d->low >> 16);
	g->params = wide ? 0 : (unsigned)(d->low >> 32) & 31;
	g->size = wide ? 8 : DESCRIPTOR_TYPE(d) == 4 ? 2 : 4;
	g->offset = (d->low & 0xffff) | (d->low >> 32 & 0xffff0000);
	if (wide) {
		if (!descriptor_read_high(vcpu, selector, VEC_GP, d))
			return false;
		if (d->high >> 40 & 31)
			return segment_raise(vcpu, VEC_GP, selector, 0);
		g->offset |= d->high << 32;
	} else if (g->size == 2) {
		g->offset &= 0xffff;
	}
	if (!(g->selector & 0xfffc))
		return segment_raise(vcpu, VEC_GP, 0, 0);
	if (!descriptor_read(vcpu, g->selector, VEC_GP, 0, &g->code))
		return false;
	if (!DESCRIPTOR_IS_CODE(&g->code) || DESCRIPTOR_DPL(&g->code) > vcpu->cpl ||
	    (wide && (!DESCRIPTOR_L(&g->code) || DESCRIPTOR_DB(&g->code))))
		return segment_raise(vcpu, VEC_GP, g->selector, 0);
	if (!DESCRIPTOR_P(&g->code))
		return segment_raise(vcpu, VEC_NP, g->selector, 0);
	return segment_check_rip(vcpu, &g->code, g->offset, 0) &&
	       descriptor_set_accessed(vcpu, &g->code);
}

/* Call gate (0x4, 0xc) in the current mode? */
static bool far_is_gate(const struct vcpu *vcpu, const struct descriptor *d)
{
	unsigned type = DESCRIPTOR_TYPE(d);

	return !DESCRIPTOR_S(d) && (type == 12 || (type == 4 && !vcpu_long_mode(vcpu)));
}

static enum emulate_result far_system(struct vcpu *vcpu, uint16_t selector,
				      const struct descriptor *d)
{
	unsigned type = DESCRIPTOR_TYPE(d);

	if (!DESCRIPTOR_S(d) && !vcpu_long_mode(vcpu) && (type == 1 || type == 5 || type == 9)) {
		log_error("hardware task switch (selector %x) is not implemented", selector);
		return EMULATE_UNKNOWN;
	}
	return raise_gp(vcpu, selector & 0xfffc);
}

enum emulate_result segment_far_jump(struct vcpu *vcpu, uint16_t selector, uint64_t offset)
{
	struct descriptor d;
	struct gate g;

	if (!mode_protected(vcpu)) {
		if (offset > vcpu->seg[SEG_CS].limit)
			return raise_gp(vcpu, 0);
		segment_load_real(vcpu, SEG_CS, selector);
		vcpu->rip = offset;
		return EMULATE_OK;
	}
	if (!(selector & 0xfffc))
		return raise_gp(vcpu, 0);
	if (!descriptor_read(vcpu, selector, VEC_GP, 0, &d))
		return EMULATE_EXCEPTION;
	if (DESCRIPTOR_IS_CODE(&d)) {
		if (!far_check_direct(vcpu, selector, &d, offset))
			return EMULATE_EXCEPTION;
		segment_set_cs(vcpu, &d, selector, vcpu->cpl);
		vcpu->rip = offset;
		return EMULATE_OK;
	}
	if (!far_is_gate(vcpu, &d))
		return far_system(vcpu, selector, &d);
	if (!far_read_gate(vcpu, selector, &d, &g))
		return EMULATE_EXCEPTION;
	if (!DESCRIPTOR_CONFORMS(&g.code) && DESCRIPTOR_DPL(&g.code) != vcpu->cpl)
		return raise_gp(vcpu, g.selector & 0xfffc);
	segment_set_cs(vcpu, &g.code, g.selector, vcpu->cpl);
	vcpu->rip = g.offset;
	return EMULATE_OK;
}

/* Push CS and return address, or leave RSP as it was. */
static bool far_push_return(struct vcpu *vcpu, unsigned size, uint64_t next_rip)
{
	uint64_t rsp = vcpu->regs[REG_RSP];

	if (stack_push(vcpu, size, vcpu->seg[SEG_CS].selector) && stack_push(vcpu, size, next_rip))
		return true;
	vcpu->regs[REG_RSP] = rsp;
	return false;
}

/* Call gate to an inner ring: new stack, parameters copied. */
static enum emulate_result far_call_inner(struct vcpu *vcpu, const struct gate *g, uint64_t next_rip)
{
	struct vcpu_segment old_ss = vcpu->seg[SEG_SS], old_cs = vcpu->seg[SEG_CS], ss = { 0 };
	uint64_t old_rsp = vcpu->regs[REG_RSP], rsp, params[32];
	unsigned cpl = DESCRIPTOR_DPL(&g->code), old_cpl = vcpu->cpl;
	uint16_t selector;

	if (!segment_tss_stack(vcpu, cpl, 0, &selector, &rsp))
		return EMULATE_EXCEPTION;
	if (g->size == 8)
		ss.selector = selector;
	else if (!segment_check_ss(vcpu, selector, cpl, VEC_TS, 0, &ss))
		return EMULATE_EXCEPTION;
	for (unsigned i = 0; i < g->params; i++) {
		if (!stack_peek(vcpu, i * g->size, g->size, &params[i]))
			return EMULATE_EXCEPTION;
	}
	/* Pushes are made as the new code makes them: its stack width, its privilege. */
	vcpu->seg[SEG_SS] = ss;
	vcpu->regs[REG_RSP] = rsp;
	segment_set_cs(vcpu, &g->code, g->selector, cpl);
	if (!stack_push(vcpu, g->size, old_ss.selector) || !stack_push(vcpu, g->size, old_rsp))
		goto fault;
	for (unsigned i = g->params; i--; ) {
		if (!stack_push(vcpu, g->size, params[i]))
			goto fault;
	}
	if (!stack_push(vcpu, g->size, old_cs.selector) || !stack_push(vcpu, g->size, next_rip))
		goto fault;
	vcpu->rip = g->offset;
	return EMULATE_OK;
fault:
	vcpu->seg[SEG_SS] = old_ss;
	vcpu->seg[SEG_CS] = old_cs;
	vcpu->regs[REG_RSP] = old_rsp;
	vcpu->cpl = (uint8_t)old_cpl;
	return EMULATE_EXCEPTION;
}

enum emulate_result segment_far_call(struct vcpu *vcpu, uint16_t selector, uint64_t offset,
				     unsigned size, uint64_t next_rip)
{
	struct descriptor d;
	struct gate g;

	if (!mode_protected(vcpu)) {
		if (offset > vcpu->seg[SEG_CS].limit)
			return raise_gp(vcpu, 0);
		if (!far_push_return(vcpu, size, next_rip))
			return EMULATE_EXCEPTION;
		segment_load_real(vcpu, SEG_CS, selector);
		vcpu->rip = offset;
		return EMULATE_OK;
	}
	if (!(selector & 0xfffc))
		return raise_gp(vcpu, 0);
	if (!descriptor_read(vcpu, selector, VEC_GP, 0, &d))
		return EMULATE_EXCEPTION;
	if (DESCRIPTOR_IS_CODE(&d)) {
		if (!far_check_direct(vcpu, selector, &d, offset) ||
		    !far_push_return(vcpu, size, next_rip))
			return EMULATE_EXCEPTION;
		segment_set_cs(vcpu, &d, selector, vcpu->cpl);
		vcpu->rip = offset;
		return EMULATE_OK;
	}
	if (!far_is_gate(vcpu, &d))
		return far_system(vcpu, selector, &d);
	if (!far_read_gate(vcpu, selector, &d, &g))
		return EMULATE_EXCEPTION;
	if (!DESCRIPTOR_CONFORMS(&g.code) && DESCRIPTOR_DPL(&g.code) < vcpu->cpl)
		return far_call_inner(vcpu, &g, next_rip);
	if (!far_push_return(vcpu, g.size, next_rip))
		return EMULATE_EXCEPTION;
	segment_set_cs(vcpu, &g.code, g.selector, vcpu->cpl);
	vcpu->rip = g.offset;
	return EMULATE_OK;
}

enum emulate_result segment_far_return(struct vcpu *vcpu, unsigned size, unsigned extra)
{
	struct vcpu_segment ss = { 0 };
	uint64_t rip, cs, rsp = 0, new_ss = 0;
	struct descriptor d;
	unsigned rpl;
	bool outer;

	if (!stack_peek(vcpu, 0, size, &rip) || !stack_peek(vcpu, size, size, &cs))
		return EMULATE_EXCEPTION;
	cs &= 0xffff;
	if (!mode_protected(vcpu)) {
		if (rip > vcpu->seg[SEG_CS].limit)
			return raise_gp(vcpu, 0);
		stack_adjust(vcpu, 2 * size + extra);
		segment_load_real(vcpu, SEG_CS, (uint16_t)cs);
		vcpu->rip = rip;
		return EMULATE_OK;
	}
	if (!(cs & 0xfffc))
		return raise_gp(vcpu, 0);
	if (!descriptor_read(vcpu, (uint16_t)cs, VEC_GP, 0, &d))
		return EMULATE_EXCEPTION;
	rpl = cs & 3;
	outer = rpl > vcpu->cpl;
	if (!DESCRIPTOR_IS_CODE(&d) || rpl < vcpu->cpl ||
	    (DESCRIPTOR_CONFORMS(&d) ? DESCRIPTOR_DPL(&d) > rpl : DESCRIPTOR_DPL(&d) != rpl) ||
	    (vcpu_long_mode(vcpu) && DESCRIPTOR_L(&d) && DESCRIPTOR_DB(&d)))
		return raise_gp(vcpu, cs & 0xfffc);
	if (!DESCRIPTOR_P(&d)) {
		segment_raise(vcpu, VEC_NP, (uint16_t)cs, 0);
		return EMULATE_EXCEPTION;
	}
	if (!segment_check_rip(vcpu, &d, rip, 0) || !descriptor_set_accessed(vcpu, &d))
		return EMULATE_EXCEPTION;
	if (outer) {
		if (!stack_peek(vcpu, 2 * size + extra, size, &rsp) ||
		    !stack_peek(vcpu, 3 * size + extra, size, &new_ss))
			return EMULATE_EXCEPTION;
		new_ss &= 0xffff;
		if (!(new_ss & 0xfffc) && vcpu_long_mode(vcpu) && DESCRIPTOR_L(&d) && rpl != 3)
			ss.selector = (uint16_t)new_ss;
		else if (!segment_check_ss(vcpu, (uint16_t)new_ss, rpl, VEC_GP, 0, &ss))
			return EMULATE_EXCEPTION;
	} else {
		stack_adjust(vcpu, 2 * size + extra);
	}
	segment_set_cs(vcpu, &d, (uint16_t)cs, rpl);
	vcpu->rip = rip;
	if (outer) {
		vcpu->seg[SEG_SS] = ss;
		if (stack_size(vcpu) == 2)
			reg_set(vcpu, REG_RSP, 2, rsp);
		else
			vcpu->regs[REG_RSP] = rsp;
		stack_adjust(vcpu, extra);
		segment_drop_privileged(vcpu);
	}
	return EMULATE_OK;
}
