/* SPDX-License-Identifier: MIT */
/*
 * Event delivery outside long mode: through the 8-byte gates of protected mode
 * (16 and 32 bit, from virtual-8086 mode too) and the real-mode vector table.
 * Task gates are refused: the guest ends in a triple fault and a message says
 * why.
 */
#include "base/log.h"
#include "emulate/deliver.h"
#include "emulate/op.h"
#include "emulate/segment.h"

bool deliver_event_real(struct vcpu *vcpu, const struct deliver_event *e)
{
	uint16_t sp = (uint16_t)vcpu->regs[REG_RSP], vector[2];
	uint16_t frame[3] = { (uint16_t)e->rip, vcpu->seg[SEG_CS].selector, (uint16_t)e->rflags };

	if (e->vector * 4u + 3 > vcpu->idtr.limit) {
		vcpu_raise(vcpu, e->software ? VEC_GP : VEC_DF);
		return false;
	}
	if (!mem_system_read(vcpu, GVA((uint32_t)(vcpu->idtr.base + e->vector * 4u)), vector, 4))
		return false;
	for (unsigned i = 3; i--; ) {
		gva_t addr;

		sp = (uint16_t)(sp - 2);
		if (!mem_linear(vcpu, SEG_SS, sp, 2, true, &addr) ||
		    !mem_write(vcpu, addr, &frame[i], 2))
			return false;
	}
	reg_set(vcpu, REG_RSP, 2, sp);
	segment_load_real(vcpu, SEG_CS, vector[1]);
	vcpu->rip = vector[0];
	vcpu->rflags &= ~(uint64_t)(RFLAGS_IF | RFLAGS_TF | RFLAGS_AC | RFLAGS_RF);
	return true;
}

/* A protected-mode gate, its own checks done. */
struct legacy_gate {
	struct descriptor code;
	uint16_t selector;
	uint32_t offset;
	unsigned size;		/* of what is pushed */
	unsigned cpl;
	bool interrupt;		/* clears IF */
};

static bool gate_read(struct vcpu *vcpu, const struct deliver_event *e, unsigned ext,
		      struct legacy_gate *g)
{
	uint32_t idt_error = e->vector * 8u + 2 + ext;
	struct descriptor d;
	unsigned type;

	if (e->vector * 8u + 7 > vcpu->idtr.limit)
		goto bad;
	if (!mem_system_read(vcpu, GVA(vcpu->idtr.base + e->vector * 8u), &d.low, 8))
		return false;
	type = DESCRIPTOR_TYPE(&d);
	if (DESCRIPTOR_S(&d) || (type != 5 && (type & 6) != 6))
		goto bad;
	if (e->software && DESCRIPTOR_DPL(&d) < vcpu->cpl)
		goto bad;
	if (!DESCRIPTOR_P(&d)) {
		vcpu_raise_error(vcpu, VEC_NP, idt_error);
		return false;
	}
	if (type == 5) {
		log_error("task gate for vector %u: hardware task switches are not implemented",
			  e->vector);
		goto bad;
	}
	g->size = type & 8 ? 4 : 2;
	g->interrupt = !(type & 1);
	g->selector = (uint16_t)(d.low >> 16);
	g->offset = (uint32_t)(d.low & 0xffff);
	if (g->size == 4)
		g->offset |= (uint32_t)(d.low >> 32) & 0xffff0000;
	if (!(g->selector & 0xfffc))
		return segment_raise(vcpu, VEC_GP, 0, ext);
	if (!descriptor_read(vcpu, g->selector, VEC_GP, ext, &g->code))
		return false;
	if (!DESCRIPTOR_IS_CODE(&g->code) || DESCRIPTOR_DPL(&g->code) > vcpu->cpl)
		return segment_raise(vcpu, VEC_GP, g->selector, ext);
	if (!DESCRIPTOR_P(&g->code))
		return segment_raise(vcpu, VEC_NP, g->selector, ext);
	g->cpl = DESCRIPTOR_CONFORMS(&g->code) ? vcpu->cpl : DESCRIPTOR_DPL(&g->code);
	if (mode_v86(vcpu) && g->cpl != 0)
		return segment_raise(vcpu, VEC_GP, g->selector, ext);
	return segment_check_rip(vcpu, &g->code, g->offset, ext);
bad:
	vcpu_raise_error(vcpu, VEC_GP, idt_error);
	return false;
}

bool deliver_event_legacy(struct vcpu *vcpu, const struct deliver_event *e)
{
	uint64_t words[10], rsp = vcpu->regs[REG_RSP], old_rsp = rsp;
	struct vcpu_segment old_ss = vcpu->seg[SEG_SS], ss = old_ss;
	unsigned ext = e->software ? 0 : 1, n = 0;
	uint8_t old_cpl = vcpu->cpl;
	bool v86 = mode_v86(vcpu);
	struct legacy_gate g;
	uint16_t selector;

	if (!gate_read(vcpu, e, ext, &g))
		return false;
	if (v86) {
		words[n++] = vcpu->seg[SEG_GS].selector;
		words[n++] = vcpu->seg[SEG_FS].selector;
		words[n++] = vcpu->seg[SEG_DS].selector;
		words[n++] = vcpu->seg[SEG_ES].selector;
	}
	if (g.cpl != vcpu->cpl) {
		if (!segment_tss_stack(vcpu, g.cpl, ext, &selector, &rsp) ||
		    !segment_check_ss(vcpu, selector, g.cpl, VEC_TS, ext, &ss))
			return false;
		words[n++] = old_ss.selector;
		words[n++] = old_rsp;
	}
	words[n++] = e->rflags;
	words[n++] = vcpu->seg[SEG_CS].selector;
	words[n++] = e->rip;
	if (e->has_error)
		words[n++] = e->error;

	/* Push as the new privilege level; all is put back when a push faults. */
	vcpu->seg[SEG_SS] = ss;
	vcpu->regs[REG_RSP] = rsp;
	vcpu->cpl = (uint8_t)g.cpl;
	if (v86)
		vcpu->rflags &= ~(uint64_t)RFLAGS_VM;
	for (unsigned i = 0; i < n; i++) {
		if (!stack_push(vcpu, g.size, words[i]))
			goto fault;
	}
	if (!descriptor_set_accessed(vcpu, &g.code))
		goto fault;
	segment_set_cs(vcpu, &g.code, g.selector, g.cpl);
	if (v86) {
		static const enum vcpu_seg data[] = { SEG_DS, SEG_ES, SEG_FS, SEG_GS };

		for (unsigned i = 0; i < array_size(data); i++) {
			vcpu->seg[data[i]].selector = 0;
			vcpu->seg[data[i]].attr = 0;
		}
	}
	vcpu->rip = g.offset;
	vcpu->rflags &= ~(uint64_t)(RFLAGS_TF | RFLAGS_VM | RFLAGS_RF | RFLAGS_NT);
	if (g.interrupt)
		vcpu->rflags &= ~(uint64_t)RFLAGS_IF;
	return true;
fault:
	vcpu->seg[SEG_SS] = old_ss;
	vcpu->regs[REG_RSP] = old_rsp;
	vcpu->cpl = old_cpl;
	if (v86)
		vcpu->rflags |= RFLAGS_VM;
	return false;
}
