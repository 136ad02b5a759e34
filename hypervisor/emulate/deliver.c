/* SPDX-License-Identifier: MIT */
/*
 * Events into the guest: classification of nested faults, and delivery through
 * the long-mode IDT.  Protected mode without long mode and real mode are in
 * deliver_legacy.c, the way back in iret.c.
 *
 * Invariant: a delivery that faults has changed nothing but vcpu->exception
 * (and accessed bits of descriptors), so that the next fault is delivered from
 * the state before the first.
 */
#include "emulate/deliver.h"

#include "emulate/op.h"
#include "emulate/segment.h"

/* Stack top of the new level before alignment; *ss is the new null SS, or kept. */
static bool event_stack(struct vcpu *vcpu, unsigned ist, unsigned cpl, unsigned ext, uint64_t *rsp)
{
	const struct vcpu_segment *tr = &vcpu->seg[SEG_TR];
	unsigned offset;

	if (!ist && cpl == vcpu->cpl) {
		*rsp = vcpu->regs[REG_RSP];
		return true;
	}
	offset = ist ? 0x24 + 8 * (ist - 1) : 4 + 8 * cpl;
	if (offset + 7 > tr->limit)
		return segment_raise(vcpu, VEC_TS, tr->selector, ext);
	if (!mem_system_read(vcpu, GVA(tr->base + offset), rsp, 8))
		return false;
	if (!gva_canonical(GVA(*rsp)))
		return segment_raise(vcpu, VEC_SS, 0, ext);
	return true;
}

static bool deliver_event_long(struct vcpu *vcpu, const struct deliver_event *e)
{
	unsigned ext = e->software ? 0 : 1, cpl, words = 5;
	uint32_t idt_error = e->vector * 8u + 2 + ext;
	uint64_t gate[2], rsp, offset, frame[6], *f = frame;
	struct descriptor code;
	uint16_t selector;

	if (e->vector * 16u + 15 > vcpu->idtr.limit) {
		vcpu_raise_error(vcpu, VEC_GP, idt_error);
		return false;
	}
	if (!mem_system_read(vcpu, GVA(vcpu->idtr.base + e->vector * 16u), gate, 16))
		return false;
	/* Interrupt (0xe) or trap gate (0xf), S clear. */
	if ((gate[0] >> 40 & 0x1e) != 0xe || (e->software && (gate[0] >> 45 & 3) < vcpu->cpl)) {
		vcpu_raise_error(vcpu, VEC_GP, idt_error);
		return false;
	}
	if (!(gate[0] >> 47 & 1)) {
		vcpu_raise_error(vcpu, VEC_NP, idt_error);
		return false;
	}
	selector = (uint16_t)(gate[0] >> 16);
	offset = (gate[0] & 0xffff) | (gate[0] >> 32 & 0xffff0000) | gate[1] << 32;
	if (!(selector & 0xfffc))
		return segment_raise(vcpu, VEC_GP, 0, ext);
	if (!descriptor_read(vcpu, selector, VEC_GP, ext, &code))
		return false;
	if (!DESCRIPTOR_IS_CODE(&code) || DESCRIPTOR_DPL(&code) > vcpu->cpl ||
	    !DESCRIPTOR_L(&code) || DESCRIPTOR_DB(&code))
		return segment_raise(vcpu, VEC_GP, selector, ext);
	if (!DESCRIPTOR_P(&code))
		return segment_raise(vcpu, VEC_NP, selector, ext);
	cpl = DESCRIPTOR_CONFORMS(&code) ? vcpu->cpl : DESCRIPTOR_DPL(&code);
	if (!event_stack(vcpu, gate[0] >> 32 & 7, cpl, ext, &rsp))
		return false;
	if (!gva_canonical(GVA(offset)))
		return segment_raise(vcpu, VEC_GP, 0, ext);

	rsp &= ~15ul;
	if (e->has_error) {
		*f++ = e->error;
		words = 6;
	}
	*f++ = e->rip;
	*f++ = vcpu->seg[SEG_CS].selector;
	*f++ = e->rflags;
	*f++ = vcpu->regs[REG_RSP];
	*f = vcpu->seg[SEG_SS].selector;
	rsp -= 8 * words;
	if (!gva_canonical(GVA(rsp)))
		return segment_raise(vcpu, VEC_SS, 0, ext);
	if (unlikely(!access_write(vcpu, GVA(rsp), frame, 8 * words, cpl == 3 ? WALK_USER : 0))) {
		/* Words are pushed from the top: the first that faults is what CR2 shows. */
		uint64_t top = rsp + 8 * words - 8;

		if (vcpu->exception.vector == VEC_PF)
			vcpu->exception.cr2 = (vcpu->exception.cr2 ^ top) & PAGE_MASK
				? (top & PAGE_MASK) - 8 : top;
		return false;
	}
	if (!descriptor_set_accessed(vcpu, &code))
		return false;

	if (cpl != vcpu->cpl)
		vcpu->seg[SEG_SS] = (struct vcpu_segment){ .selector = (uint16_t)cpl };
	segment_set_cs(vcpu, &code, selector, cpl);
	vcpu->regs[REG_RSP] = rsp;
	vcpu->rip = offset;
	vcpu->rflags &= ~(uint64_t)(RFLAGS_TF | RFLAGS_VM | RFLAGS_RF | RFLAGS_NT);
	if (!(gate[0] >> 40 & 1))
		vcpu->rflags &= ~(uint64_t)RFLAGS_IF;
	return true;
}

static bool deliver_event(struct vcpu *vcpu, const struct deliver_event *e)
{
	if (likely(vcpu_long_mode(vcpu)))
		return deliver_event_long(vcpu, e);
	if (vcpu->cr0 & CR0_PE)
		return deliver_event_legacy(vcpu, e);
	return deliver_event_real(vcpu, e);
}

enum fault_class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE };

static enum fault_class fault_class(uint8_t vector)
{
	switch (vector) {
	case VEC_DE: case VEC_TS: case VEC_NP: case VEC_SS: case VEC_GP:
		return CONTRIBUTORY;
	case VEC_PF:
		return PAGE_FAULT;
	case VEC_DF:
		return DOUBLE;
	default:
		return BENIGN;
	}
}

/* Faults restart the instruction with RF set, so that its breakpoint does not hit twice. */
static bool fault_like(const struct vcpu_exception *x)
{
	if (x->software)
		return false;
	switch (x->vector) {
	case VEC_DB: case VEC_BP: case VEC_OF: case VEC_NMI: case VEC_MC: case VEC_DF:
		return false;
	default:
		return true;
	}
}

static bool exception_event(struct vcpu *vcpu, const struct vcpu_exception *x)
{
	struct deliver_event e = {
		.vector = x->vector, .software = x->software,
		.has_error = x->has_error, .error = x->error,
		.rip = vcpu->rip, .rflags = vcpu->rflags | (fault_like(x) ? RFLAGS_RF : 0),
	};

	if (x->vector == VEC_PF)
		vcpu->cr2 = x->cr2;
	if (!deliver_event(vcpu, &e))
		return false;
	if (x->vector == VEC_DB && !x->software) {
		vcpu->dr6 |= x->dr6;
		vcpu->dr7 &= ~0x2000ul;	/* GD */
		vcpu->debugctl &= ~1ul;	/* LBR */
	}
	return true;
}

/* `first` could not be delivered because of vcpu->exception.  true: *first is what to deliver. */
static bool exception_combine(struct vcpu *vcpu, struct vcpu_exception *first)
{
	enum fault_class a = first->software ? BENIGN : fault_class(first->vector);
	enum fault_class b = fault_class(vcpu->exception.vector);

	if (a == DOUBLE && b != BENIGN)
		return false;
	/* The second page fault's address, even though #DF is what comes of it. */
	if (vcpu->exception.vector == VEC_PF)
		vcpu->cr2 = vcpu->exception.cr2;
	if ((a == CONTRIBUTORY && b == CONTRIBUTORY) ||
	    (a == PAGE_FAULT && (b == CONTRIBUTORY || b == PAGE_FAULT)))
		*first = (struct vcpu_exception){ .valid = true, .has_error = true, .vector = VEC_DF };
	else
		*first = vcpu->exception;
	return true;
}

bool deliver_exception(struct vcpu *vcpu)
{
	struct vcpu_exception x = vcpu->exception;
	bool delivered;

	vcpu->halted = VCPU_RUNS;
	vcpu->interrupt_shadow = false;
	/* Bounded: a benign fault may be followed by others, but each delivery is one step closer
	 * to a double fault. */
	for (unsigned i = 0; i < 8; i++) {
		vcpu->exception.valid = false;
		delivered = exception_event(vcpu, &x);
		if (likely(delivered)) {
			vcpu->exception.valid = false;
			return true;
		}
		if (!exception_combine(vcpu, &x))
			break;
	}
	vcpu->exception.valid = false;
	return false;
}

bool deliver_interrupt(struct vcpu *vcpu, uint8_t vector)
{
	struct deliver_event e = {
		.vector = vector, .rip = vcpu->rip, .rflags = vcpu->rflags,
	};

	vcpu->halted = VCPU_RUNS;
	vcpu->interrupt_shadow = false;
	vcpu->exception.valid = false;
	if (vector == VEC_NMI) {
		vcpu->nmi_blocked = true;
		vcpu->nmi_pending = false;
	}
	return likely(deliver_event(vcpu, &e)) || deliver_exception(vcpu);
}

enum emulate_result deliver_software(struct vcpu *vcpu, uint8_t vector, uint64_t next_rip,
				     bool hardware_like)
{
	struct deliver_event e = {
		.vector = vector, .software = !hardware_like,
		.rip = next_rip, .rflags = vcpu->rflags,
	};

	return deliver_event(vcpu, &e) ? EMULATE_OK : EMULATE_EXCEPTION;
}
