/* SPDX-License-Identifier: MIT */
/*
 * Port instructions: privilege by IOPL and the TSS bitmap, then machine/bus.h.
 *
 * Invariant: a device sees an access once; memory is checked before the port
 * is read, so that a page fault does not lose input.
 */
#include "debug/stats.h"
#include "debug/trace.h"
#include "emulate/data.h"
#include "machine/bus.h"

#define TSS_IO_MAP	0x66

static bool io_allowed(struct vcpu *vcpu, uint16_t port, unsigned size)
{
	const struct vcpu_segment *tr = &vcpu->seg[SEG_TR];
	uint16_t map, bits;

	if (!(vcpu->cr0 & CR0_PE))
		return true;
	if (!mode_v86(vcpu) && vcpu->cpl <= vcpu_iopl(vcpu))
		return true;
	if (!(tr->attr & SEG_ATTR_P) || !(tr->attr & 8) || tr->limit < TSS_IO_MAP + 1)
		goto refuse;
	if (!mem_system_read(vcpu, GVA(tr->base + TSS_IO_MAP), &map, 2))
		return false;
	/* Two bytes are read whatever the size: the map ends with a byte of ones. */
	if ((uint32_t)map + port / 8 + 1 > tr->limit)
		goto refuse;
	if (!mem_system_read(vcpu, GVA(tr->base + map + port / 8), &bits, 2))
		return false;
	if (!((bits >> (port & 7)) & ((1u << size) - 1)))
		return true;
refuse:
	vcpu_raise_error(vcpu, VEC_GP, 0);
	return false;
}

static uint64_t port_read(const struct vcpu *vcpu, uint16_t port, unsigned size)
{
	uint64_t value = bus_pio_read(port, size);

	stats.pio++;
	trace_exit(TRACE_K_PIO_READ, vcpu->rip, port, value);
	return value;
}

static void port_write(const struct vcpu *vcpu, uint16_t port, unsigned size, uint64_t value)
{
	stats.pio++;
	trace_exit(TRACE_K_PIO_WRITE, vcpu->rip, port, value);
	bus_pio_write(port, size, value);
}

static uint16_t io_port(const struct vcpu *vcpu, const struct op *op, unsigned operand)
{
	return op->o[operand].kind == OPERAND_IMM ? (uint16_t)(op->imm & 0xff)
						  : (uint16_t)vcpu->regs[REG_RDX];
}

enum emulate_result op_in(struct vcpu *vcpu, const struct op *op)
{
	uint16_t port = io_port(vcpu, op, 1);
	unsigned size = op->o[0].size;

	if (!io_allowed(vcpu, port, size))
		return EMULATE_EXCEPTION;
	reg_set(vcpu, REG_RAX, size, port_read(vcpu, port, size));
	return op_done(vcpu, op);
}

enum emulate_result op_out(struct vcpu *vcpu, const struct op *op)
{
	uint16_t port = io_port(vcpu, op, 0);
	unsigned size = op->o[1].size;

	if (!io_allowed(vcpu, port, size))
		return EMULATE_EXCEPTION;
	port_write(vcpu, port, size, vcpu->regs[REG_RAX] & size_mask(size));
	return op_done(vcpu, op);
}

/* At most so many per step, so that interrupts are not kept waiting. */
#define IO_ELEMENTS	1024

static enum emulate_result io_string(struct vcpu *vcpu, const struct op *op, bool input)
{
	unsigned size = op->size > 4 ? 4 : op->size, width = op->address_size;
	unsigned reg = input ? REG_RDI : REG_RSI, seg = input ? (unsigned)SEG_ES : op->seg;
	int64_t step = vcpu->rflags & RFLAGS_DF ? -(int64_t)size : (int64_t)size;
	bool rep = op->prefixes & (OP_REPE | OP_REPNE);
	uint64_t left = rep ? reg_get(vcpu, REG_RCX, width) : 1, value;
	uint16_t port = (uint16_t)vcpu->regs[REG_RDX];
	gva_t addr;

	if (!io_allowed(vcpu, port, size))
		return EMULATE_EXCEPTION;
	if (vcpu->rflags & RFLAGS_TF && left > 1)
		left = 1;
	for (left = min_u64(left, IO_ELEMENTS); left; left--) {
		if (!mem_linear(vcpu, seg, reg_get(vcpu, reg, width), size, input, &addr))
			return EMULATE_EXCEPTION;
		if (input) {
			if (!mem_probe_write(vcpu, addr, size))
				return EMULATE_EXCEPTION;
			if (!mem_store(vcpu, addr, size, port_read(vcpu, port, size)))
				return EMULATE_EXCEPTION;
		} else {
			if (!mem_load(vcpu, addr, size, &value))
				return EMULATE_EXCEPTION;
			port_write(vcpu, port, size, value);
		}
		reg_add(vcpu, reg, width, (uint64_t)step);
		if (rep)
			reg_add(vcpu, REG_RCX, width, ~0ul);
	}
	if (rep && reg_get(vcpu, REG_RCX, width))
		return EMULATE_OK;
	return op_done(vcpu, op);
}

enum emulate_result op_ins(struct vcpu *vcpu, const struct op *op)
{
	return io_string(vcpu, op, true);
}

enum emulate_result op_outs(struct vcpu *vcpu, const struct op *op)
{
	return io_string(vcpu, op, false);
}
