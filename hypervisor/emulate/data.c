/* SPDX-License-Identifier: MIT */
/*
 * Data movement: moves, extensions, conditional moves and sets, byte swaps,
 * compare-exchange of 8 and 16 bytes, single flags, BCD adjustment.
 */
#include "emulate/data.h"

bool cc_holds(uint64_t f, unsigned cc)
{
	bool sf_of = !!(f & RFLAGS_SF) != !!(f & RFLAGS_OF);
	bool holds;

	switch ((cc >> 1) & 7) {
	case 0: holds = f & RFLAGS_OF; break;
	case 1: holds = f & RFLAGS_CF; break;
	case 2: holds = f & RFLAGS_ZF; break;
	case 3: holds = f & (RFLAGS_CF | RFLAGS_ZF); break;
	case 4: holds = f & RFLAGS_SF; break;
	case 5: holds = f & RFLAGS_PF; break;
	case 6: holds = sf_of; break;
	default: holds = sf_of || (f & RFLAGS_ZF); break;
	}
	return holds != (cc & 1);
}

enum emulate_result op_mov(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value;

	if (!op_get(vcpu, op, 1, &value) || !op_set(vcpu, op, 0, value))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

/* The commonest forms of MOV and MOVZX: a 4- or 8-byte register written whole. */
enum emulate_result op_mov_register(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value = op->o[1].kind == OPERAND_IMM ? op->imm
						      : reg_get(vcpu, op->o[1].reg, op->o[1].size);

	vcpu->regs[op->o[0].reg] = op->o[0].size == 4 ? (uint32_t)value : value;
	return op_done(vcpu, op);
}

enum emulate_result op_load(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value;
	gva_t addr;

	if (!op_linear(vcpu, op, op->o[1].size, false, &addr) ||
	    !mem_load(vcpu, addr, op->o[1].size, &value))
		return EMULATE_EXCEPTION;
	vcpu->regs[op->o[0].reg] = value;
	return op_done(vcpu, op);
}

enum emulate_result op_store(struct vcpu *vcpu, const struct op *op)
{
	gva_t addr;

	if (!op_linear(vcpu, op, op->o[0].size, true, &addr) ||
	    !mem_store(vcpu, addr, op->o[0].size,
		       op->o[1].kind == OPERAND_IMM ? op->imm : vcpu->regs[op->o[1].reg]))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

enum emulate_result op_movsx(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value;

	if (!op_get(vcpu, op, 1, &value))
		return EMULATE_EXCEPTION;
	op_set(vcpu, op, 0, (uint64_t)sign_extend(value, op->o[1].size));
	return op_done(vcpu, op);
}

enum emulate_result op_lea(struct vcpu *vcpu, const struct op *op)
{
	op_set(vcpu, op, 0, op_offset(vcpu, op));
	return op_done(vcpu, op);
}

static uint64_t swap_bytes(uint64_t value, unsigned size)
{
	switch (size) {
	case 2: return __builtin_bswap16((uint16_t)value);
	case 4: return __builtin_bswap32((uint32_t)value);
	default: return __builtin_bswap64(value);
	}
}

enum emulate_result op_movbe(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value;

	if (!op_get(vcpu, op, 1, &value) ||
	    !op_set(vcpu, op, 0, swap_bytes(value, op->o[0].size)))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

/* BSWAP of a 16-bit register is undefined; CPUs clear it. */
enum emulate_result op_bswap(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value;

	op_get(vcpu, op, 0, &value);
	op_set(vcpu, op, 0, op->o[0].size == 2 ? 0 : swap_bytes(value, op->o[0].size));
	return op_done(vcpu, op);
}

/* The source is read, and a 32-bit destination cleared above, even if the condition fails. */
enum emulate_result op_cmov(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value;

	if (!op_get(vcpu, op, 1, &value))
		return EMULATE_EXCEPTION;
	if (!cc_holds(vcpu->rflags, op->cc))
		value = vcpu->regs[op->o[0].reg];
	op_set(vcpu, op, 0, value);
	return op_done(vcpu, op);
}

enum emulate_result op_setcc(struct vcpu *vcpu, const struct op *op)
{
	if (!op_set(vcpu, op, 0, cc_holds(vcpu->rflags, op->cc)))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

/* CBW, CWDE, CDQE: op->size is the result's. */
enum emulate_result op_convert(struct vcpu *vcpu, const struct op *op)
{
	reg_set(vcpu, REG_RAX, op->size,
		(uint64_t)sign_extend(vcpu->regs[REG_RAX], op->size / 2));
	return op_done(vcpu, op);
}

/* CWD, CDQ, CQO. */
enum emulate_result op_convert_high(struct vcpu *vcpu, const struct op *op)
{
	int64_t value = sign_extend(vcpu->regs[REG_RAX], op->size);

	reg_set(vcpu, REG_RDX, op->size, value < 0 ? ~0ul : 0);
	return op_done(vcpu, op);
}

enum emulate_result op_lahf(struct vcpu *vcpu, const struct op *op)
{
	uint64_t image = (vcpu->rflags & 0xd5) | RFLAGS_FIXED;

	vcpu->regs[REG_RAX] = (vcpu->regs[REG_RAX] & ~0xff00ul) | image << 8;
	return op_done(vcpu, op);
}

enum emulate_result op_sahf(struct vcpu *vcpu, const struct op *op)
{
	vcpu->rflags = (vcpu->rflags & ~0xd5ul) | ((vcpu->regs[REG_RAX] >> 8) & 0xd5);
	return op_done(vcpu, op);
}

enum emulate_result op_flag(struct vcpu *vcpu, const struct op *op)
{
	switch (op->mnemonic) {
	case ZYDIS_MNEMONIC_CLC: vcpu->rflags &= ~(uint64_t)RFLAGS_CF; break;
	case ZYDIS_MNEMONIC_STC: vcpu->rflags |= RFLAGS_CF; break;
	case ZYDIS_MNEMONIC_CMC: vcpu->rflags ^= RFLAGS_CF; break;
	case ZYDIS_MNEMONIC_CLD: vcpu->rflags &= ~(uint64_t)RFLAGS_DF; break;
	default: vcpu->rflags |= RFLAGS_DF; break;
	}
	return op_done(vcpu, op);
}

enum emulate_result op_xlat(struct vcpu *vcpu, const struct op *op)
{
	uint64_t offset = (vcpu->regs[REG_RBX] + (uint8_t)vcpu->regs[REG_RAX]) &
			  size_mask(op->address_size);
	uint64_t value;
	gva_t addr;

	if (!mem_linear(vcpu, op->seg, offset, 1, false, &addr) ||
	    !mem_load(vcpu, addr, 1, &value))
		return EMULATE_EXCEPTION;
	reg_set(vcpu, REG_RAX, 1, value);
	return op_done(vcpu, op);
}

enum emulate_result op_salc(struct vcpu *vcpu, const struct op *op)
{
	reg_set(vcpu, REG_RAX, 1, vcpu->rflags & RFLAGS_CF ? 0xff : 0);
	return op_done(vcpu, op);
}

static void set_zf(struct vcpu *vcpu, bool set)
{
	vcpu->rflags = (vcpu->rflags & ~(uint64_t)RFLAGS_ZF) | (set ? RFLAGS_ZF : 0);
}

enum emulate_result op_cmpxchg8b(struct vcpu *vcpu, const struct op *op)
{
	uint64_t expected = (uint32_t)vcpu->regs[REG_RAX] | vcpu->regs[REG_RDX] << 32;
	uint64_t value = (uint32_t)vcpu->regs[REG_RBX] | vcpu->regs[REG_RCX] << 32;
	struct rmw rmw;
	uint64_t old;
	gva_t addr;
	int done;

	if (!op_linear(vcpu, op, 8, true, &addr) || !rmw_begin(vcpu, op, addr, 8, &rmw, &old))
		return EMULATE_EXCEPTION;
	do {
		done = rmw_commit(vcpu, &rmw, &old, old == expected ? value : old);
	} while (done == 0);
	if (done < 0)
		return EMULATE_EXCEPTION;
	if (old != expected) {
		reg_set(vcpu, REG_RAX, 4, old);
		reg_set(vcpu, REG_RDX, 4, old >> 32);
	}
	set_zf(vcpu, old == expected);
	return op_done(vcpu, op);
}

enum emulate_result op_cmpxchg16b(struct vcpu *vcpu, const struct op *op)
{
	uint64_t low = vcpu->regs[REG_RAX], high = vcpu->regs[REG_RDX];
	bool same;
	gva_t addr;
	void *host;

	if (!op_linear(vcpu, op, 16, true, &addr))
		return EMULATE_EXCEPTION;
	if (addr.v & 15)
		return raise_gp(vcpu, 0);
	vcpu->exception.valid = false;
	host = access_atomic(vcpu, addr, 16, mem_access(vcpu));
	if (host) {
		asm volatile("lock cmpxchg16b %[m]\n\tsetz %[z]"
			     : "+a"(low), "+d"(high), [m] "+m"(*(unsigned __int128 *)host),
			       [z] "=q"(same)
			     : "b"(vcpu->regs[REG_RBX]), "c"(vcpu->regs[REG_RCX])
			     : "memory", "cc");
	} else {
		uint64_t old[2], value[2] = { vcpu->regs[REG_RBX], vcpu->regs[REG_RCX] };

		if (vcpu->exception.valid || !mem_probe_write(vcpu, addr, 16) ||
		    !mem_read(vcpu, addr, old, 16))
			return EMULATE_EXCEPTION;
		same = old[0] == low && old[1] == high;
		if (!mem_write(vcpu, addr, same ? value : old, 16))
			return EMULATE_EXCEPTION;
		low = old[0];
		high = old[1];
	}
	if (!same) {
		vcpu->regs[REG_RAX] = low;
		vcpu->regs[REG_RDX] = high;
	}
	set_zf(vcpu, same);
	return op_done(vcpu, op);
}

static void flags_logic8(struct vcpu *vcpu, uint8_t result, bool cf, bool af)
{
	uint64_t f = vcpu->rflags & ~(uint64_t)RFLAGS_ARITH;

	f |= (cf ? RFLAGS_CF : 0) | (af ? RFLAGS_AF : 0);
	f |= !result ? RFLAGS_ZF : 0;
	f |= result & 0x80 ? RFLAGS_SF : 0;
	f |= __builtin_parity(result) ? 0 : RFLAGS_PF;
	vcpu->rflags = f;
}

/* BCD, outside 64-bit mode only. */
enum emulate_result op_bcd(struct vcpu *vcpu, const struct op *op)
{
	uint8_t al = (uint8_t)vcpu->regs[REG_RAX], ah = (uint8_t)(vcpu->regs[REG_RAX] >> 8);
	uint8_t old_al = al, base = (uint8_t)op->imm;
	bool cf = vcpu->rflags & RFLAGS_CF, af = vcpu->rflags & RFLAGS_AF, old_cf = cf;

	switch (op->mnemonic) {
	case ZYDIS_MNEMONIC_DAA:
	case ZYDIS_MNEMONIC_DAS: {
		int sign = op->mnemonic == ZYDIS_MNEMONIC_DAA ? 1 : -1;

		cf = false;
		if ((al & 15) > 9 || af) {
			cf = old_cf || (sign > 0 ? al > 0xf9 : al < 6);
			al = (uint8_t)(al + 6 * sign);
			af = true;
		} else {
			af = false;
		}
		if (old_al > 0x99 || old_cf) {
			al = (uint8_t)(al + 0x60 * sign);
			cf = true;
		}
		reg_set(vcpu, REG_RAX, 1, al);
		flags_logic8(vcpu, al, cf, af);
		break;
	}
	case ZYDIS_MNEMONIC_AAA:
	case ZYDIS_MNEMONIC_AAS: {
		uint16_t ax = (uint16_t)vcpu->regs[REG_RAX];
		bool adjust = (al & 15) > 9 || af;

		if (adjust)
			ax = (uint16_t)(op->mnemonic == ZYDIS_MNEMONIC_AAA ? ax + 0x106
									   : ax - 0x106);
		ax &= 0xff0f;
		reg_set(vcpu, REG_RAX, 2, ax);
		flags_logic8(vcpu, (uint8_t)ax, adjust, adjust);
		break;
	}
	case ZYDIS_MNEMONIC_AAM:
		if (!base) {
			vcpu_raise(vcpu, VEC_DE);
			return EMULATE_EXCEPTION;
		}
		reg_set(vcpu, REG_RAX, 2, (uint64_t)(al / base) << 8 | al % base);
		flags_logic8(vcpu, al % base, false, false);
		break;
	default:	/* AAD */
		al = (uint8_t)(al + ah * base);
		reg_set(vcpu, REG_RAX, 2, al);
		flags_logic8(vcpu, al, false, false);
		break;
	}
	return op_done(vcpu, op);
}

enum emulate_result op_nop(struct vcpu *vcpu, const struct op *op)
{
	return op_done(vcpu, op);
}

/* CLFLUSH and the like: the access rights of a read, no effect. */
enum emulate_result op_touch(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value;
	gva_t addr;

	if (!op_linear(vcpu, op, 1, false, &addr) || !mem_load(vcpu, addr, 1, &value))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

/* RDRAND, RDSEED: the host's. */
enum emulate_result op_random(struct vcpu *vcpu, const struct op *op)
{
	uint64_t value = 0;
	uint8_t ok;

	if (op->mnemonic == ZYDIS_MNEMONIC_RDRAND)
		asm volatile("rdrand %0\n\tsetc %1" : "=r"(value), "=qm"(ok) : : "cc");
	else
		asm volatile("rdseed %0\n\tsetc %1" : "=r"(value), "=qm"(ok) : : "cc");
	vcpu->rflags &= ~(uint64_t)RFLAGS_ARITH;
	vcpu->rflags |= ok ? RFLAGS_CF : 0;
	op_set(vcpu, op, 0, ok ? value : 0);
	return op_done(vcpu, op);
}

enum emulate_result op_bound(struct vcpu *vcpu, const struct op *op)
{
	unsigned size = op->o[0].size;
	int64_t index = sign_extend(vcpu->regs[op->o[0].reg], size);
	uint64_t low, high;
	uint64_t second = (op_offset(vcpu, op) + size) & size_mask(op->address_size);
	gva_t addr;

	if (!op_linear(vcpu, op, size, false, &addr) || !mem_load(vcpu, addr, size, &low) ||
	    !mem_linear(vcpu, op->seg, second, size, false, &addr) ||
	    !mem_load(vcpu, addr, size, &high))
		return EMULATE_EXCEPTION;
	if (index < sign_extend(low, size) || index > sign_extend(high, size)) {
		vcpu_raise(vcpu, VEC_BR);
		return EMULATE_EXCEPTION;
	}
	return op_done(vcpu, op);
}
