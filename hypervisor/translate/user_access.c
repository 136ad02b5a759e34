/* SPDX-License-Identifier: MIT */
/*
 * Loads and stores that cannot use a rebased address.
 *
 * get_user() and its like are single MOVs between a register and a user
 * address; interpreting them from scratch would cost more than all the rest of
 * a short system call.  The operand is worked out once, when the block is made;
 * the access itself is memory/access.c's, with the guest's own permission
 * checks (SMAP included).
 */
#include "translate/user_access.h"

#include <string.h>

#include "debug/stats.h"
#include "memory/access.h"
#include "translate/translate.h"

#define NO_REG	0xff

struct user_access {
	uint8_t base, index, shift;	/* NO_REG: none */
	uint8_t segment;		/* SEG_FS, SEG_GS, or SEG_DS for none */
	uint8_t size;			/* of the memory operand, bytes */
	uint8_t reg;			/* loaded or stored; NO_REG: `imm` is stored */
	uint8_t reg_shift;		/* 8 for AH..BH */
	uint8_t reg_size;		/* of the destination register, bytes */
	bool store, sign_extend;
	int64_t disp;			/* or, without registers, the whole address */
	uint64_t imm;
};

static uint8_t register_number(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
		return NO_REG;
	return (uint8_t)(whole - ZYDIS_REGISTER_RAX);
}

static bool set_register(struct user_access *u, const ZydisDecodedOperand *op)
{
	if (op->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return false;
	u->reg = register_number(op->reg.value);
	u->reg_size = (uint8_t)(op->size / 8);
	u->reg_shift = op->reg.value >= ZYDIS_REGISTER_AH && op->reg.value <= ZYDIS_REGISTER_BH ? 8 : 0;
	return u->reg != NO_REG && u->reg != REG_RSP;
}

static bool set_memory(struct user_access *u, const struct site *site, const struct insn *insn,
		       const ZydisDecodedOperand *op)
{
	if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.type != ZYDIS_MEMOP_TYPE_MEM ||
	    insn->zy.address_width != 64 || op->size > 64)
		return false;
	u->size = (uint8_t)(op->size / 8);
	u->disp = op->mem.disp.value;
	u->base = u->index = NO_REG;
	if (op->mem.base == ZYDIS_REGISTER_RIP)
		u->disp += (int64_t)site->next;
	else if (op->mem.base != ZYDIS_REGISTER_NONE)
		u->base = register_number(op->mem.base);
	if (op->mem.index != ZYDIS_REGISTER_NONE) {
		u->index = register_number(op->mem.index);
		u->shift = (uint8_t)__builtin_ctz(op->mem.scale);
	}
	u->segment = op->mem.segment == ZYDIS_REGISTER_FS ? SEG_FS :
		     op->mem.segment == ZYDIS_REGISTER_GS ? SEG_GS : SEG_DS;
	/* A stack operand's fault is #SS where another's is #GP. */
	return u->base != REG_RSP && u->base != REG_RBP;
}

static uint64_t address(const struct vcpu *vcpu, const struct user_access *u)
{
	uint64_t a = (uint64_t)u->disp;

	if (u->base != NO_REG)
		a += vcpu->regs[u->base];
	if (u->index != NO_REG)
		a += vcpu->regs[u->index] << u->shift;
	if (u->segment == SEG_FS)
		a += vcpu->seg[SEG_FS].base;
	else if (u->segment == SEG_GS)
		a += vcpu->fast.gs_base[0];
	return a;
}

static void load_register(struct vcpu *vcpu, const struct user_access *u, uint64_t value)
{
	uint64_t *reg = &vcpu->regs[u->reg];

	if (u->sign_extend)
		value = (uint64_t)((int64_t)(value << (64 - 8 * u->size)) >> (64 - 8 * u->size));
	switch (u->reg_size) {
	case 8:
		*reg = value;
		break;
	case 4:
		*reg = (uint32_t)value;
		break;
	case 2:
		*reg = (*reg & ~0xfffful) | (uint16_t)value;
		break;
	default:
		*reg = (*reg & ~(0xfful << u->reg_shift)) | (value & 0xff) << u->reg_shift;
	}
}

static bool site_user_access(struct vcpu *vcpu, struct site *site)
{
	const struct user_access *u = site->insn;
	gva_t addr = GVA(address(vcpu, u));
	uint64_t value = 0;

	stats.user_accesses++;
	if (u->store) {
		value = u->reg == NO_REG ? u->imm : vcpu->regs[u->reg] >> u->reg_shift;
		if (!access_write(vcpu, addr, &value, u->size, WALK_WRITE))
			return false;
	} else {
		if (!access_read(vcpu, addr, &value, u->size, WALK_READ))
			return false;
		load_register(vcpu, u, value);
	}
	vcpu->rip = site->next;
	return translate_resume(vcpu, site);
}

site_handler user_access_prepare(struct site *site, const struct insn *insn)
{
	const ZydisDecodedOperand *dst = &insn->ops[0], *src = &insn->ops[1];
	struct user_access u;

	memset(&u, 0, sizeof(u));
	switch (insn->zy.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		if (set_memory(&u, site, insn, dst)) {
			u.store = true;
			if (src->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
				u.reg = NO_REG;
				u.imm = (uint64_t)src->imm.value.s;
			} else if (!set_register(&u, src)) {
				return NULL;
			}
			break;
		}
		/* fall through */
	case ZYDIS_MNEMONIC_MOVZX:
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD:
		if (!set_memory(&u, site, insn, src) || !set_register(&u, dst))
			return NULL;
		u.sign_extend = insn->zy.mnemonic == ZYDIS_MNEMONIC_MOVSX ||
				insn->zy.mnemonic == ZYDIS_MNEMONIC_MOVSXD;
		break;
	default:
		return NULL;
	}
	site->insn = block_meta(sizeof(u));
	memcpy(site->insn, &u, sizeof(u));
	return site_user_access;
}
