/* SPDX-License-Identifier: MIT */
/*
 * System instructions: privilege checks here, the registers' own rules in
 * system.c.
 */
#include "base/clock.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "emulate/data.h"
#include "emulate/segment.h"
#include "emulate/system.h"

/* CPL0 only, else #GP(0); V86 code is CPL3. */
static bool privileged(struct vcpu *vcpu)
{
	if (vcpu->cpl == 0)
		return true;
	vcpu_raise_error(vcpu, VEC_GP, 0);
	return false;
}

/* SGDT, SIDT, SLDT, STR, SMSW: refused to CPL3 by CR4.UMIP. */
static bool umip_allows(struct vcpu *vcpu)
{
	return !(vcpu->cr4 & CR4_UMIP) || privileged(vcpu);
}

enum emulate_result op_hlt(struct vcpu *vcpu, const struct op *op)
{
	if (!privileged(vcpu))
		return EMULATE_EXCEPTION;
	stats.hlt++;
	op_done(vcpu, op);
	vcpu->halted = VCPU_HALT_INTERRUPT;
	return EMULATE_HALT;
}

static bool may_change_if(struct vcpu *vcpu)
{
	if (!(vcpu->cr0 & CR0_PE))
		return true;
	if (mode_v86(vcpu) ? vcpu_iopl(vcpu) == 3 : vcpu->cpl <= vcpu_iopl(vcpu))
		return true;
	vcpu_raise_error(vcpu, VEC_GP, 0);
	return false;
}

enum emulate_result op_cli(struct vcpu *vcpu, const struct op *op)
{
	if (!may_change_if(vcpu))
		return EMULATE_EXCEPTION;
	vcpu->rflags &= ~(uint64_t)RFLAGS_IF;
	return op_done(vcpu, op);
}

enum emulate_result op_sti(struct vcpu *vcpu, const struct op *op)
{
	if (!may_change_if(vcpu))
		return EMULATE_EXCEPTION;
	if (!(vcpu->rflags & RFLAGS_IF))
		vcpu->interrupt_shadow = true;
	vcpu->rflags |= RFLAGS_IF;
	return op_done(vcpu, op);
}

enum emulate_result op_clac_stac(struct vcpu *vcpu, const struct op *op)
{
	if (!mode_protected(vcpu) || vcpu->cpl)
		return raise_ud(vcpu);
	if (op->mnemonic == ZYDIS_MNEMONIC_STAC)
		vcpu->rflags |= RFLAGS_AC;
	else
		vcpu->rflags &= ~(uint64_t)RFLAGS_AC;
	return op_done(vcpu, op);
}

enum emulate_result op_clts(struct vcpu *vcpu, const struct op *op)
{
	if (!privileged(vcpu) || !system_write_cr0(vcpu, vcpu->cr0 & ~(uint64_t)CR0_TS))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

/* LMSW sets PE, MP, EM, TS; it cannot clear PE. */
enum emulate_result op_lmsw(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value, cr0;

	if (!privileged(vcpu) || !op_get(vcpu, op, 0, &value))
		return EMULATE_EXCEPTION;
	cr0 = (vcpu->cr0 & ~0xeul) | (value & 0xf);
	if (!system_write_cr0(vcpu, cr0))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

enum emulate_result op_smsw(struct vcpu *vcpu, const struct op *op)
{
	if (!umip_allows(vcpu) || !op_set(vcpu, op, 0, vcpu->cr0))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

enum emulate_result op_mov_cr(struct vcpu *vcpu, const struct op *op)
{
	bool to_cr = op->o[0].kind == OPERAND_CR;
	unsigned nr = op->o[to_cr ? 0 : 1].reg, reg = op->o[to_cr ? 1 : 0].reg;
	unsigned size = op->mode == DECODE_64 ? 8 : 4;
	uint64_t value = reg_get(vcpu, reg, size);
	bool ok;

	if (!privileged(vcpu))
		return EMULATE_EXCEPTION;
	if (!to_cr) {
		if (!system_read_cr(vcpu, nr, &value))
			return EMULATE_EXCEPTION;
		reg_set(vcpu, reg, size, value);
		return op_done(vcpu, op);
	}
	stats.control++;
	switch (nr) {
	case 0: ok = system_write_cr0(vcpu, value); break;
	case 2: vcpu->cr2 = value; ok = true; break;
	case 3: ok = system_write_cr3(vcpu, value); break;
	case 4: ok = system_write_cr4(vcpu, value); break;
	case 8: ok = system_write_cr8(vcpu, value); break;
	default: return raise_ud(vcpu);
	}
	return ok ? op_done(vcpu, op) : EMULATE_EXCEPTION;
}

enum emulate_result op_mov_dr(struct vcpu *vcpu, const struct op *op)
{
	bool to_dr = op->o[0].kind == OPERAND_DR;
	unsigned nr = op->o[to_dr ? 0 : 1].reg, reg = op->o[to_dr ? 1 : 0].reg;
	unsigned size = op->mode == DECODE_64 ? 8 : 4;
	uint64_t value = reg_get(vcpu, reg, size);

	if (!privileged(vcpu))
		return EMULATE_EXCEPTION;
	if (to_dr) {
		if (!system_write_dr(vcpu, nr, value))
			return EMULATE_EXCEPTION;
	} else {
		if (!system_read_dr(vcpu, nr, &value))
			return EMULATE_EXCEPTION;
		reg_set(vcpu, reg, size, value);
	}
	return op_done(vcpu, op);
}

enum emulate_result op_rdmsr(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value;

	if (!privileged(vcpu) ||
	    !system_read_msr(vcpu, (uint32_t)vcpu->regs[REG_RCX], &value))
		return EMULATE_EXCEPTION;
	stats.msr++;
	trace_exit(TRACE_K_MSR_READ, vcpu->rip, (uint32_t)vcpu->regs[REG_RCX], value);
	vcpu->regs[REG_RAX] = (uint32_t)value;
	vcpu->regs[REG_RDX] = value >> 32;
	return op_done(vcpu, op);
}

enum emulate_result op_wrmsr(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value = (uint32_t)vcpu->regs[REG_RAX] | vcpu->regs[REG_RDX] << 32;

	stats.msr++;
	trace_exit(TRACE_K_MSR_WRITE, vcpu->rip, (uint32_t)vcpu->regs[REG_RCX], value);
	if (!privileged(vcpu) ||
	    !system_write_msr(vcpu, (uint32_t)vcpu->regs[REG_RCX], value))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

static bool cpuid_has(struct vcpu *vcpu, uint32_t leaf, unsigned reg, unsigned bit)
{
	uint32_t out[4];

	system_cpuid(vcpu, leaf, 0, out);
	return out[reg] & (1u << bit);
}

/* The guest's TSC is the host's (base/clock.h). */
enum emulate_result op_rdtsc(struct vcpu *vcpu, const struct op *op)
{
	bool rdtscp = op->mnemonic == ZYDIS_MNEMONIC_RDTSCP;
	uint64_t tsc;

	if (rdtscp && !cpuid_has(vcpu, 0x80000001, 3, 27))
		return raise_ud(vcpu);
	if ((vcpu->cr4 & CR4_TSD) && vcpu->cpl)
		return raise_gp(vcpu, 0);
	tsc = clock_tsc();
	vcpu->regs[REG_RAX] = (uint32_t)tsc;
	vcpu->regs[REG_RDX] = tsc >> 32;
	if (rdtscp)
		vcpu->regs[REG_RCX] = (uint32_t)vcpu->tsc_aux;
	return op_done(vcpu, op);
}

/* There are no counters. */
enum emulate_result op_rdpmc(struct vcpu *vcpu, const struct op *op)
{
	(void)op;
	return raise_gp(vcpu, 0);
}

enum emulate_result op_rdpid(struct vcpu *vcpu, const struct op *op)
{
	if (!cpuid_has(vcpu, 7, 2, 22))
		return raise_ud(vcpu);
	op_set(vcpu, op, 0, vcpu->tsc_aux);
	return op_done(vcpu, op);
}

enum emulate_result op_cpuid(struct vcpu *vcpu, const struct op *op)
{
	uint32_t out[4];

	system_cpuid(vcpu, (uint32_t)vcpu->regs[REG_RAX], (uint32_t)vcpu->regs[REG_RCX], out);
	vcpu->regs[REG_RAX] = out[0];
	vcpu->regs[REG_RBX] = out[1];
	vcpu->regs[REG_RCX] = out[2];
	vcpu->regs[REG_RDX] = out[3];
	return op_done(vcpu, op);
}

enum emulate_result op_xgetbv(struct vcpu *vcpu, const struct op *op)
{
	uint32_t index = (uint32_t)vcpu->regs[REG_RCX];
	uint64_t value = vcpu->xcr0;

	if (!(vcpu->cr4 & CR4_OSXSAVE))
		return raise_ud(vcpu);
	if (index > 1)
		return raise_gp(vcpu, 0);
	if (index == 1) {
		/* XINUSE: everything enabled counts as in use, which is allowed. */
		uint32_t out[4];

		system_cpuid(vcpu, 13, 1, out);
		if (!(out[0] & 4))
			return raise_gp(vcpu, 0);
	}
	vcpu->regs[REG_RAX] = (uint32_t)value;
	vcpu->regs[REG_RDX] = value >> 32;
	return op_done(vcpu, op);
}

enum emulate_result op_xsetbv(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value = (uint32_t)vcpu->regs[REG_RAX] | vcpu->regs[REG_RDX] << 32;

	if (!(vcpu->cr4 & CR4_OSXSAVE))
		return raise_ud(vcpu);
	if (!privileged(vcpu) || !system_set_xcr0(vcpu, (uint32_t)vcpu->regs[REG_RCX], value))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

/* Never faults on the address itself. */
enum emulate_result op_invlpg(struct vcpu *vcpu, const struct op *op)
{
	uint64_t offset = op_offset(vcpu, op);

	if (!privileged(vcpu))
		return EMULATE_EXCEPTION;
	if (op->mode != DECODE_64)
		offset = (uint32_t)(offset + segment_base(vcpu, op->seg));
	else if (op->seg == SEG_FS || op->seg == SEG_GS)
		offset += segment_base(vcpu, op->seg);
	if (!system_invlpg(vcpu, GVA(offset)))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

enum emulate_result op_invpcid(struct vcpu *vcpu, const struct op *op)
{
	unsigned size = op->mode == DECODE_64 ? 8 : 4;
	uint64_t descriptor[2];
	gva_t addr;

	if (!cpuid_has(vcpu, 7, 1, 10))
		return raise_ud(vcpu);
	if (!privileged(vcpu) || !op_linear(vcpu, op, 16, false, &addr) ||
	    !mem_read(vcpu, addr, descriptor, 16) ||
	    !system_invpcid(vcpu, reg_get(vcpu, op->o[0].reg, size), descriptor))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

enum emulate_result op_wbinvd(struct vcpu *vcpu, const struct op *op)
{
	return privileged(vcpu) ? op_done(vcpu, op) : EMULATE_EXCEPTION;
}

enum emulate_result op_swapgs(struct vcpu *vcpu, const struct op *op)
{
	uint64_t base;

	if (op->mode != DECODE_64)
		return raise_ud(vcpu);
	if (!privileged(vcpu))
		return EMULATE_EXCEPTION;
	base = vcpu->fast.gs_base[0];
	vcpu->fast.gs_base[0] = vcpu->fast.gs_base[1];
	vcpu->fast.gs_base[1] = base;
	return op_done(vcpu, op);
}

enum emulate_result op_fsgsbase(struct vcpu *vcpu, const struct op *op)
{
	bool gs = op->mnemonic == ZYDIS_MNEMONIC_RDGSBASE ||
		  op->mnemonic == ZYDIS_MNEMONIC_WRGSBASE;
	bool write = op->mnemonic == ZYDIS_MNEMONIC_WRFSBASE ||
		     op->mnemonic == ZYDIS_MNEMONIC_WRGSBASE;
	uint64_t value;

	if (op->mode != DECODE_64 || !(vcpu->cr4 & CR4_FSGSBASE))
		return raise_ud(vcpu);
	if (!write) {
		op_set(vcpu, op, 0, gs ? vcpu->fast.gs_base[0] : vcpu->seg[SEG_FS].base);
		return op_done(vcpu, op);
	}
	op_get(vcpu, op, 0, &value);
	if (!gva_canonical(GVA(value)))
		return raise_gp(vcpu, 0);
	segment_set_base(vcpu, gs ? SEG_GS : SEG_FS, value);
	return op_done(vcpu, op);
}

/* SGDT, SIDT. */
enum emulate_result op_store_table(struct vcpu *vcpu, const struct op *op)
{
	const struct vcpu_table *table = op->mnemonic == ZYDIS_MNEMONIC_SGDT ? &vcpu->gdtr
									     : &vcpu->idtr;
	unsigned size = op->mode == DECODE_64 ? 10 : 6;
	uint8_t image[10];
	gva_t addr;

	if (!umip_allows(vcpu))
		return EMULATE_EXCEPTION;
	__builtin_memcpy(image, &table->limit, 2);
	__builtin_memcpy(image + 2, &table->base, 8);
	if (!op_linear(vcpu, op, size, true, &addr) || !mem_write(vcpu, addr, image, size))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

/* LGDT, LIDT. */
enum emulate_result op_load_table(struct vcpu *vcpu, const struct op *op)
{
	struct vcpu_table table = { 0 };
	unsigned size = op->mode == DECODE_64 ? 10 : 6;
	uint8_t image[10] = { 0 };
	gva_t addr;

	if (!privileged(vcpu) || !op_linear(vcpu, op, size, false, &addr) ||
	    !mem_read(vcpu, addr, image, size))
		return EMULATE_EXCEPTION;
	__builtin_memcpy(&table.limit, image, 2);
	__builtin_memcpy(&table.base, image + 2, 8);
	if (op->mode == DECODE_64) {
		if (!gva_canonical(GVA(table.base)))
			return raise_gp(vcpu, 0);
	} else if (op->size == 2) {
		table.base &= 0xffffff;
	}
	if (op->mnemonic == ZYDIS_MNEMONIC_LGDT)
		vcpu->gdtr = table;
	else
		vcpu->idtr = table;
	return op_done(vcpu, op);
}

bool (*emulate_hypercall)(struct vcpu *vcpu);

/* VMCALL, VMMCALL: #UD unless somebody takes it. */
enum emulate_result op_hypercall(struct vcpu *vcpu, const struct op *op)
{
	if (emulate_hypercall && emulate_hypercall(vcpu))
		return op_done(vcpu, op);
	return raise_ud(vcpu);
}
