/* SPDX-License-Identifier: MIT */
/*
 * The ways back from the kernel, and the fast ways in: IRET in every mode,
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT.
 *
 * deliver_iret(), deliver_syscall() and deliver_sysret() are called by the
 * translator for every guest kernel entry and exit: keep them lean.
 */
#include "base/log.h"
#include "emulate/deliver.h"
#include "emulate/op.h"
#include "emulate/segment.h"

#define FLAT_CODE	(SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_G | 11)
#define FLAT_DATA	(SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_G | SEG_ATTR_DB | 3)

static void set_flat(struct vcpu *vcpu, enum vcpu_seg seg, unsigned selector, unsigned attr)
{
	vcpu->seg[seg] = (struct vcpu_segment){
		.selector = (uint16_t)selector, .attr = (uint16_t)attr, .limit = 0xffffffff,
	};
}

/* Flags that IRET may change from the current privilege. */
static void iret_flags(struct vcpu *vcpu, uint64_t image, unsigned size, unsigned old_cpl)
{
	uint64_t mask = RFLAGS_ARITH | RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_RF | RFLAGS_AC |
			RFLAGS_ID;

	if (old_cpl == 0)
		mask |= RFLAGS_IOPL | RFLAGS_VIF | RFLAGS_VIP;
	if (old_cpl <= vcpu_iopl(vcpu))
		mask |= RFLAGS_IF;
	if (size == 2)
		mask &= 0xffff;
	vcpu->rflags = (vcpu->rflags & ~mask) | (image & mask) | RFLAGS_FIXED;
}

static bool iret_check_cs(struct vcpu *vcpu, uint16_t cs, uint64_t rip, struct descriptor *d)
{
	unsigned rpl = cs & 3;

	if (!(cs & 0xfffc))
		return segment_raise(vcpu, VEC_GP, 0, 0);
	if (!descriptor_read(vcpu, cs, VEC_GP, 0, d))
		return false;
	if (!DESCRIPTOR_IS_CODE(d) || rpl < vcpu->cpl ||
	    (DESCRIPTOR_CONFORMS(d) ? DESCRIPTOR_DPL(d) > rpl : DESCRIPTOR_DPL(d) != rpl) ||
	    (vcpu_long_mode(vcpu) && DESCRIPTOR_L(d) && DESCRIPTOR_DB(d)))
		return segment_raise(vcpu, VEC_GP, cs, 0);
	if (!DESCRIPTOR_P(d))
		return segment_raise(vcpu, VEC_NP, cs, 0);
	return segment_check_rip(vcpu, d, rip, 0) && descriptor_set_accessed(vcpu, d);
}

/* frame: RIP, CS, RFLAGS, RSP, SS. */
static bool iret_to(struct vcpu *vcpu, const uint64_t frame[5], unsigned size)
{
	uint16_t cs = (uint16_t)frame[1], ss_selector = (uint16_t)frame[4];
	unsigned rpl = cs & 3, old_cpl = vcpu->cpl;
	struct vcpu_segment ss = { .selector = ss_selector };
	struct descriptor code;

	if (!iret_check_cs(vcpu, cs, frame[0], &code))
		return false;
	if (!(ss_selector & 0xfffc)) {
		if (!vcpu_long_mode(vcpu) || !DESCRIPTOR_L(&code) || rpl == 3 ||
		    (ss_selector & 3u) != rpl)
			return segment_raise(vcpu, VEC_GP, 0, 0);
	} else if (!segment_check_ss(vcpu, ss_selector, rpl, VEC_GP, 0, &ss)) {
		return false;
	}
	segment_set_cs(vcpu, &code, cs, rpl);
	vcpu->seg[SEG_SS] = ss;
	vcpu->rip = frame[0];
	/* A 16-bit stack keeps the upper part of RSP, as CPUs do. */
	if (stack_size(vcpu) == 2)
		reg_set(vcpu, REG_RSP, 2, frame[3]);
	else
		vcpu->regs[REG_RSP] = frame[3];
	iret_flags(vcpu, frame[2], size, old_cpl);
	if (rpl != old_cpl)
		segment_drop_privileged(vcpu);
	vcpu->nmi_blocked = false;
	return true;
}

bool deliver_iret(struct vcpu *vcpu)
{
	uint64_t frame[5], rsp = vcpu->regs[REG_RSP];

	if (unlikely(vcpu->rflags & RFLAGS_NT))
		return segment_raise(vcpu, VEC_GP, 0, 0);
	if (unlikely(!gva_canonical(GVA(rsp)) || !gva_canonical(GVA(rsp + 39))))
		return segment_raise(vcpu, VEC_SS, 0, 0);
	return access_read(vcpu, GVA(rsp), frame, sizeof(frame), mem_access(vcpu)) &&
	       iret_to(vcpu, frame, 8);
}

static enum emulate_result iret_real(struct vcpu *vcpu, unsigned size)
{
	uint64_t rip, cs, flags, mask;

	if (mode_v86(vcpu) && vcpu_iopl(vcpu) < 3)
		return raise_gp(vcpu, 0);
	if (!stack_peek(vcpu, 0, size, &rip) || !stack_peek(vcpu, size, size, &cs) ||
	    !stack_peek(vcpu, 2 * size, size, &flags))
		return EMULATE_EXCEPTION;
	if (rip > vcpu->seg[SEG_CS].limit)
		return raise_gp(vcpu, 0);
	stack_adjust(vcpu, 3 * size);
	segment_load_real(vcpu, SEG_CS, (uint16_t)cs);
	vcpu->rip = rip;
	mask = RFLAGS_ARITH | RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_NT | RFLAGS_RF |
	       RFLAGS_AC | RFLAGS_ID;
	if (!mode_v86(vcpu))
		mask |= RFLAGS_IOPL;
	if (size == 2)
		mask &= 0xffff;
	vcpu->rflags = (vcpu->rflags & ~mask) | (flags & mask) | RFLAGS_FIXED;
	vcpu->nmi_blocked = false;
	return EMULATE_OK;
}

/* To virtual-8086 mode: CPL0, 32-bit operand, VM set in the image. */
static enum emulate_result iret_to_v86(struct vcpu *vcpu, const uint64_t frame[3])
{
	static const enum vcpu_seg order[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
	uint64_t rsp, ss, data[4];

	if (!stack_peek(vcpu, 12, 4, &rsp) || !stack_peek(vcpu, 16, 4, &ss))
		return EMULATE_EXCEPTION;
	for (unsigned i = 0; i < 4; i++) {
		if (!stack_peek(vcpu, 20 + 4 * i, 4, &data[i]))
			return EMULATE_EXCEPTION;
	}
	vcpu->rflags = (frame[2] & 0x3f7fd5) | RFLAGS_FIXED;
	vcpu->cpl = 3;
	vcpu->rip = (uint16_t)frame[0];
	vcpu->regs[REG_RSP] = (uint32_t)rsp;
	segment_load_real(vcpu, SEG_CS, (uint16_t)frame[1]);
	segment_load_real(vcpu, SEG_SS, (uint16_t)ss);
	for (unsigned i = 0; i < 4; i++)
		segment_load_real(vcpu, order[i], (uint16_t)data[i]);
	vcpu->nmi_blocked = false;
	return EMULATE_OK;
}

enum emulate_result deliver_iret_any(struct vcpu *vcpu, unsigned size)
{
	bool long_code = vcpu_64bit_code(vcpu);
	uint64_t frame[5];
	unsigned words;

	if (long_code && size == 8)
		return deliver_iret(vcpu) ? EMULATE_OK : EMULATE_EXCEPTION;
	if (!mode_protected(vcpu))
		return iret_real(vcpu, size);
	if (vcpu->rflags & RFLAGS_NT) {
		if (vcpu_long_mode(vcpu))
			return raise_gp(vcpu, 0);
		log_error("IRET to a previous hardware task is not implemented");
		return EMULATE_UNKNOWN;
	}
	for (unsigned i = 0; i < 3; i++) {
		if (!stack_peek(vcpu, i * size, size, &frame[i]))
			return EMULATE_EXCEPTION;
	}
	if (size == 4 && (frame[2] & RFLAGS_VM) && vcpu->cpl == 0 && !vcpu_long_mode(vcpu))
		return iret_to_v86(vcpu, frame);
	words = long_code || (frame[1] & 3) > vcpu->cpl ? 5 : 3;
	for (unsigned i = 3; i < words; i++) {
		if (!stack_peek(vcpu, i * size, size, &frame[i]))
			return EMULATE_EXCEPTION;
	}
	if (words == 5)
		return iret_to(vcpu, frame, size) ? EMULATE_OK : EMULATE_EXCEPTION;

	/* Same ring: the stack stays. */
	struct descriptor code;
	unsigned cpl = vcpu->cpl;

	if (!iret_check_cs(vcpu, (uint16_t)frame[1], frame[0], &code))
		return EMULATE_EXCEPTION;
	stack_adjust(vcpu, 3 * size);
	segment_set_cs(vcpu, &code, (uint16_t)frame[1], cpl);
	vcpu->rip = frame[0];
	iret_flags(vcpu, frame[2], size, cpl);
	vcpu->nmi_blocked = false;
	return EMULATE_OK;
}

bool deliver_syscall(struct vcpu *vcpu, uint64_t next_rip)
{
	unsigned selector = (unsigned)(vcpu->star >> 32) & 0xfffc;

	/* Intel has no SYSCALL in compatibility mode, AMD enters by CSTAR; a guest that sets
	 * CSTAR knows what it does. */
	if (unlikely(!(vcpu->efer & EFER_SCE) || !vcpu_long_mode(vcpu) ||
		     (!vcpu_64bit_code(vcpu) && !vcpu->cstar))) {
		vcpu_raise(vcpu, VEC_UD);
		return false;
	}
	vcpu->regs[REG_RCX] = next_rip;
	vcpu->regs[REG_R11] = vcpu->rflags & ~(uint64_t)RFLAGS_RF;
	vcpu->rip = vcpu_64bit_code(vcpu) ? vcpu->lstar : vcpu->cstar;
	vcpu->rflags = (vcpu->rflags & ~(vcpu->sfmask | RFLAGS_RF)) | RFLAGS_FIXED;
	set_flat(vcpu, SEG_CS, selector, FLAT_CODE | SEG_ATTR_L);
	set_flat(vcpu, SEG_SS, selector + 8, FLAT_DATA);
	vcpu->cpl = 0;
	return true;
}

bool deliver_sysret(struct vcpu *vcpu, bool operand64)
{
	unsigned selector = (unsigned)(vcpu->star >> 48);
	uint64_t rcx = vcpu->regs[REG_RCX];

	if (unlikely(!(vcpu->efer & EFER_SCE) || !vcpu_64bit_code(vcpu))) {
		vcpu_raise(vcpu, VEC_UD);
		return false;
	}
	/* A non-canonical RCX faults here, at CPL0, as on Intel; AMD faults at the target. */
	if (unlikely(vcpu->cpl || (operand64 && !gva_canonical(GVA(rcx))))) {
		vcpu_raise_error(vcpu, VEC_GP, 0);
		return false;
	}
	vcpu->rflags = (vcpu->regs[REG_R11] & 0x3c7fd7) | RFLAGS_FIXED;
	if (operand64) {
		vcpu->rip = rcx;
		set_flat(vcpu, SEG_CS, (selector + 16) | 3, FLAT_CODE | SEG_ATTR_DPL | SEG_ATTR_L);
	} else {
		vcpu->rip = (uint32_t)rcx;
		set_flat(vcpu, SEG_CS, selector | 3, FLAT_CODE | SEG_ATTR_DPL | SEG_ATTR_DB);
	}
	set_flat(vcpu, SEG_SS, (selector + 8) | 3, FLAT_DATA | SEG_ATTR_DPL);
	vcpu->cpl = 3;
	return true;
}

bool deliver_sysenter(struct vcpu *vcpu)
{
	unsigned selector = (unsigned)vcpu->sysenter_cs & 0xfffc;
	bool wide = vcpu_long_mode(vcpu);

	if (!(vcpu->cr0 & CR0_PE) || !selector) {
		vcpu_raise_error(vcpu, VEC_GP, 0);
		return false;
	}
	vcpu->rflags &= ~(uint64_t)(RFLAGS_VM | RFLAGS_IF | RFLAGS_RF);
	vcpu->regs[REG_RSP] = wide ? vcpu->sysenter_esp : (uint32_t)vcpu->sysenter_esp;
	vcpu->rip = wide ? vcpu->sysenter_eip : (uint32_t)vcpu->sysenter_eip;
	set_flat(vcpu, SEG_CS, selector, FLAT_CODE | (wide ? SEG_ATTR_L : SEG_ATTR_DB));
	set_flat(vcpu, SEG_SS, selector + 8, FLAT_DATA);
	vcpu->cpl = 0;
	return true;
}

bool deliver_sysexit(struct vcpu *vcpu, bool operand64)
{
	unsigned selector = (unsigned)vcpu->sysenter_cs & 0xfffc;
	uint64_t rcx = vcpu->regs[REG_RCX], rdx = vcpu->regs[REG_RDX];

	if (!mode_protected(vcpu) || vcpu->cpl || !selector ||
	    (operand64 && (!gva_canonical(GVA(rcx)) || !gva_canonical(GVA(rdx))))) {
		vcpu_raise_error(vcpu, VEC_GP, 0);
		return false;
	}
	selector += operand64 ? 32 : 16;
	vcpu->regs[REG_RSP] = operand64 ? rcx : (uint32_t)rcx;
	vcpu->rip = operand64 ? rdx : (uint32_t)rdx;
	set_flat(vcpu, SEG_CS, selector | 3,
		 FLAT_CODE | SEG_ATTR_DPL | (operand64 ? SEG_ATTR_L : SEG_ATTR_DB));
	set_flat(vcpu, SEG_SS, (selector + 8) | 3, FLAT_DATA | SEG_ATTR_DPL);
	vcpu->cpl = 3;
	return true;
}
