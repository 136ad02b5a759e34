/* SPDX-License-Identifier: MIT */
/*
 * Operands of an instruction: effective and linear addresses with the checks
 * of the mode, loads and stores with the guest's privilege, and the
 * read-modify-write protocol that makes LOCK prefixes atomic.
 *
 * Called by the handlers of emulate/.  Knows nothing of instructions.
 */
#include "emulate/op.h"

uint64_t segment_base(const struct vcpu *vcpu, unsigned seg)
{
	if (seg == SEG_GS)
		return vcpu->fast.gs_base[0];
	if (vcpu_64bit_code(vcpu) && seg != SEG_FS)
		return 0;
	return vcpu->seg[seg].base;
}

static bool segment_fault(struct vcpu *vcpu, unsigned seg)
{
	vcpu_raise_error(vcpu, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
	return false;
}

static bool mem_linear_legacy(struct vcpu *vcpu, unsigned seg, uint64_t offset, unsigned len,
			      bool write, gva_t *out)
{
	const struct vcpu_segment *s = &vcpu->seg[seg];
	uint32_t first = (uint32_t)offset, last = first + (len ? len - 1 : 0);

	if (mode_protected(vcpu)) {
		bool code = s->attr & 8;

		if (!(s->attr & SEG_ATTR_P))
			return segment_fault(vcpu, seg);
		if (write ? code || !(s->attr & 2) : code && !(s->attr & 2))
			return segment_fault(vcpu, seg);
		if (!code && (s->attr & 4)) {	/* expand-down */
			uint32_t top = s->attr & SEG_ATTR_DB ? 0xffffffff : 0xffff;

			if (first <= s->limit || last > top || last < first)
				return segment_fault(vcpu, seg);
			goto good;
		}
	}
	if (unlikely(last > s->limit || last < first))
		return segment_fault(vcpu, seg);
good:
	*out = GVA((uint32_t)(segment_base(vcpu, seg) + first));
	return true;
}

/* #AC: CPL3 with CR0.AM and RFLAGS.AC, natural alignment of the plain operand sizes. */
static bool misaligned(struct vcpu *vcpu, uint64_t addr, unsigned len)
{
	if (vcpu->cpl != 3 || !(vcpu->cr0 & CR0_AM) || (len != 2 && len != 4 && len != 8) ||
	    !(addr & (len - 1)))
		return false;
	vcpu_raise_error(vcpu, VEC_AC, 0);
	return true;
}

bool mem_linear(struct vcpu *vcpu, unsigned seg, uint64_t offset, unsigned len, bool write,
		gva_t *out)
{
	if (likely(vcpu_64bit_code(vcpu))) {
		gva_t last;

		if (seg == SEG_FS || seg == SEG_GS)
			offset += segment_base(vcpu, seg);
		last = GVA(offset + (len ? len - 1 : 0));
		*out = GVA(offset);
		if (unlikely(!gva_canonical(*out) || !gva_canonical(last)))
			return segment_fault(vcpu, seg);
	} else if (!mem_linear_legacy(vcpu, seg, offset, len, write, out)) {
		return false;
	}
	return likely(!(vcpu->rflags & RFLAGS_AC)) || !misaligned(vcpu, out->v, len);
}

uint64_t op_offset(const struct vcpu *vcpu, const struct op *op)
{
	uint64_t offset = (uint64_t)op->disp;

	if (op->base < REG_COUNT)
		offset += vcpu->regs[op->base];
	else if (op->base == OP_RIP)
		offset += vcpu->rip + op->length;
	if (op->index < REG_COUNT)
		offset += vcpu->regs[op->index] << op->shift;
	return offset & size_mask(op->address_size);
}

bool op_linear(struct vcpu *vcpu, const struct op *op, unsigned len, bool write, gva_t *out)
{
	return mem_linear(vcpu, op->seg, op_offset(vcpu, op), len, write, out);
}

bool mem_read(struct vcpu *vcpu, gva_t addr, void *buf, unsigned len)
{
	return access_read(vcpu, addr, buf, len, mem_access(vcpu));
}

bool mem_write(struct vcpu *vcpu, gva_t addr, const void *buf, unsigned len)
{
	return access_write(vcpu, addr, buf, len, mem_access(vcpu));
}

/* #AC (SDM vol. 3, 6.15): CPL3 with CR0.AM and RFLAGS.AC. */
static bool mem_aligned(struct vcpu *vcpu, gva_t addr, unsigned size)
{
	if (likely(!(vcpu->rflags & RFLAGS_AC)) || vcpu->cpl != 3 || !(vcpu->cr0 & CR0_AM) ||
	    !(addr.v & (size - 1)))
		return true;
	vcpu_raise_error(vcpu, VEC_AC, 0);
	return false;
}

bool mem_load(struct vcpu *vcpu, gva_t addr, unsigned size, uint64_t *value)
{
	*value = 0;
	return mem_aligned(vcpu, addr, size) && access_read(vcpu, addr, value, size, mem_access(vcpu));
}

bool mem_store(struct vcpu *vcpu, gva_t addr, unsigned size, uint64_t value)
{
	return mem_aligned(vcpu, addr, size) &&
	       access_write(vcpu, addr, &value, size, mem_access(vcpu));
}

bool mem_system_read(struct vcpu *vcpu, gva_t addr, void *buf, unsigned len)
{
	return access_read(vcpu, addr, buf, len, WALK_IMPLICIT);
}

bool mem_system_write(struct vcpu *vcpu, gva_t addr, const void *buf, unsigned len)
{
	return access_write(vcpu, addr, buf, len, WALK_IMPLICIT);
}

bool mem_probe_write(struct vcpu *vcpu, gva_t addr, unsigned len)
{
	gva_t last = GVA(addr.v + len - 1);

	if (!access_pointer(vcpu, addr, mem_access(vcpu) | WALK_WRITE) && vcpu->exception.valid)
		return false;
	if ((addr.v ^ last.v) & PAGE_MASK)
		return access_pointer(vcpu, GVA(last.v & PAGE_MASK), mem_access(vcpu) | WALK_WRITE) ||
		       !vcpu->exception.valid;
	return true;
}

bool mem_span(struct vcpu *vcpu, gva_t addr, bool write, void **host)
{
	if (unlikely(access_observe)) {		/* data breakpoints: element by element */
		*host = NULL;
		return true;
	}
	*host = access_pointer(vcpu, addr, mem_access(vcpu) | (write ? WALK_WRITE : WALK_READ));
	return *host || !vcpu->exception.valid;
}

bool op_get(struct vcpu *vcpu, const struct op *op, unsigned i, uint64_t *value)
{
	const struct operand *o = &op->o[i];
	gva_t addr;

	switch (o->kind) {
	case OPERAND_REG:
		*value = reg_get(vcpu, o->reg, o->size);
		return true;
	case OPERAND_HIGH:
		*value = (uint8_t)(vcpu->regs[o->reg] >> 8);
		return true;
	case OPERAND_IMM:
		*value = op->imm;
		return true;
	case OPERAND_MEM:
		return op_linear(vcpu, op, o->size, false, &addr) &&
		       mem_load(vcpu, addr, o->size, value);
	default:
		*value = 0;
		return true;
	}
}

bool op_set(struct vcpu *vcpu, const struct op *op, unsigned i, uint64_t value)
{
	const struct operand *o = &op->o[i];
	gva_t addr;

	switch (o->kind) {
	case OPERAND_REG:
		reg_set(vcpu, o->reg, o->size, value);
		return true;
	case OPERAND_HIGH:
		vcpu->regs[o->reg] = (vcpu->regs[o->reg] & ~0xff00ul) | (value & 0xff) << 8;
		return true;
	case OPERAND_MEM:
		return op_linear(vcpu, op, o->size, true, &addr) &&
		       mem_store(vcpu, addr, o->size, value);
	default:
		return true;
	}
}

bool rmw_begin(struct vcpu *vcpu, const struct op *op, gva_t addr, unsigned size,
	       struct rmw *rmw, uint64_t *old)
{
	rmw->addr = addr;
	rmw->size = size;
	rmw->lock = op->prefixes & OP_LOCK;
	vcpu->exception.valid = false;
	if (!mem_aligned(vcpu, addr, size))
		return false;
	rmw->host = access_atomic(vcpu, addr, size, mem_access(vcpu));
	if (unlikely(!rmw->host)) {
		if (vcpu->exception.valid)
			return false;
		if (!mem_probe_write(vcpu, addr, size))
			return false;
		return mem_load(vcpu, addr, size, old);
	}
	/* A split lock may be forbidden on the host; nobody shares such operands in practice. */
	if ((addr.v & 63) + size > 64)
		rmw->lock = false;
	switch (size) {
	case 1: *old = *(volatile uint8_t *)rmw->host; break;
	case 2: *old = *(volatile uint16_t *)rmw->host; break;
	case 4: *old = *(volatile uint32_t *)rmw->host; break;
	default: *old = *(volatile uint64_t *)rmw->host; break;
	}
	return true;
}

#define COMMIT_AS(type)								\
	do {									\
		type expected = (type)*old;					\
										\
		if (!rmw->lock) {						\
			*(volatile type *)rmw->host = (type)value;		\
			return 1;						\
		}								\
		if (__atomic_compare_exchange_n((type *)rmw->host, &expected,	\
						(type)value, false,		\
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) \
			return 1;						\
		*old = expected;						\
		return 0;							\
	} while (0)

int rmw_commit(struct vcpu *vcpu, struct rmw *rmw, uint64_t *old, uint64_t value)
{
	if (unlikely(!rmw->host))
		return mem_store(vcpu, rmw->addr, rmw->size, value) ? 1 : -1;
	switch (rmw->size) {
	case 1: COMMIT_AS(uint8_t);
	case 2: COMMIT_AS(uint16_t);
	case 4: COMMIT_AS(uint32_t);
	default: COMMIT_AS(uint64_t);
	}
}
