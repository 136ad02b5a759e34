// SPDX-License-Identifier: MIT
/*
 * Selectors and bases read and written in place: a stock kernel's context switch
 * does so nine times (__switch_to(), arch/x86/kernel/process_64.c), which as
 * call-outs would cost more than all the rest of it.
 *
 *	mov ax, fs		->  mov ax, [vcpu.seg[FS].selector]
 *	rdfsbase rax		->  mov rax, [vcpu.seg[FS].base]
 *	wrfsbase rax		->  mov [vcpu.seg[FS].base], rax	if in the lower half
 *	wrgsbase rax		->  the same in the upper half, where a program's base is out of reach
 *
 * The host's own segment registers hold the engine's values throughout.  Blocks made
 * so are good for one value of CR4.FSGSBASE (translate.c).
 */
#include <cpuid.h>

#include "machine/vcpu.h"
#include "translate/rewrite.h"
#include "translate/translate.h"
#include "translate/user_access.h"

#define CPUID_7_EBX_BMI2	(1u << 8)
#define LOWER_HALF_BITS		47

/* mov r, [addr]: 16 bits leave the rest of the register alone, others are zero-extended. */
static void load_selector(struct emitter *e, unsigned width, unsigned reg, uint32_t addr)
{
	if (width == 16)
		emit8(e, 0x66);
	if (reg >= 8)
		emit8(e, 0x44);
	if (width != 16)
		emit8(e, 0x0f);		/* movzx r32, m16 */
	emit8(e, width == 16 ? 0x8b : 0xb7);
	emit_abs(e, reg, addr);
}

static bool rewrite_selector(struct rewrite *r)
{
	static const uint32_t places[] = {
		VCPU_ADDR(seg[SEG_ES].selector), VCPU_ADDR(seg[SEG_CS].selector),
		VCPU_ADDR(seg[SEG_SS].selector), VCPU_ADDR(seg[SEG_DS].selector),
		VCPU_ADDR(seg[SEG_FS].selector), VCPU_ADDR(seg[SEG_GS].selector),
	};
	const ZydisDecodedOperand *ops = r->insn->ops;
	int reg;

	if (ops[0].type != ZYDIS_OPERAND_TYPE_REGISTER || ops[1].type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    ZydisRegisterGetClass(ops[1].reg.value) != ZYDIS_REGCLASS_SEGMENT)
		return false;
	reg = rewrite_gpr(ops[0].reg.value);
	if (reg < 0 || reg == REG_RSP)
		return false;
	load_selector(&r->out, r->insn->zy.operand_width, (unsigned)reg,
		      places[ops[1].reg.value - ZYDIS_REGISTER_ES]);
	return true;
}

static bool rewrite_read_base(struct rewrite *r, unsigned reg)
{
	uint32_t addr = r->insn->zy.mnemonic == ZYDIS_MNEMONIC_RDFSBASE ?
			VCPU_ADDR(seg[SEG_FS].base) : VCPU_ADDR(fast.gs_base[0]);

	if (r->insn->zy.operand_width == 64) {
		emit_load(&r->out, reg, addr);
	} else {
		if (reg >= 8)
			emit8(&r->out, 0x44);
		emit8(&r->out, 0x8b);
		emit_abs(&r->out, reg, addr);
	}
	return true;
}

static bool host_has_bmi2(void)
{
	static int known = -1;
	unsigned a, b = 0, c, d;

	if (known < 0)
		known = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & CPUID_7_EBX_BMI2);
	return known;
}

static void store_fs_base(struct rewrite *r, unsigned reg)
{
	emit_load(&r->out, REG_RCX, SPILL_ADDR(REG_RCX));
	rewrite_fix(r, 0, 0);
	emit_store(&r->out, reg, VCPU_ADDR(seg[SEG_FS].base));
}

/* RCX is spilled. */
static void store_gs_base(struct rewrite *r, unsigned reg)
{
	rewrite_fix(r, FIX_CRITICAL, 1u << REG_RCX);
	emit_store(&r->out, reg, VCPU_ADDR(fast.gs_base[0]));
	emit_imm(&r->out, REG_RCX, STATE_GS_UNREACHABLE);
	emit_store(&r->out, REG_RCX, VCPU_ADDR(fast.gs_host[0]));
	emit_wrgsbase_rcx(&r->out);
	rewrite_fix(r, FIX_DONE, 1u << REG_RCX);
	emit_load(&r->out, REG_RCX, SPILL_ADDR(REG_RCX));
}

/* No flag may change: a shift of BMI2 and JRCXZ find out whether bits 47..63 are zero. */
static bool rewrite_write_base(struct rewrite *r, unsigned reg)
{
	const uint8_t shrx[] = { 0xc4, reg >= 8 ? 0xc2 : 0xe2, 0xeb, 0xf7, (uint8_t)(0xc8 | (reg & 7)) };
	struct site *site;
	site_handler handler;
	bool gs = r->insn->zy.mnemonic == ZYDIS_MNEMONIC_WRGSBASE;
	uint8_t *jrcxz;

	if (gs && r->delta != DELTA_HIGH)
		return false;
	if (reg == REG_RCX || reg == REG_RDX || r->insn->zy.operand_width != 64 || !host_has_bmi2())
		return false;
	rewrite_spill(r, REG_RCX, 0, 0);
	rewrite_spill(r, REG_RDX, 1u << REG_RCX, 0);
	emit_imm(&r->out, REG_RDX, LOWER_HALF_BITS);
	emit_bytes(&r->out, shrx, sizeof(shrx));	/* shrx rcx, reg, rdx */
	emit_load(&r->out, REG_RDX, SPILL_ADDR(REG_RDX));
	rewrite_fix(r, 0, 1u << REG_RCX);
	emit8(&r->out, 0xe3);				/* jrcxz */
	jrcxz = r->out.p;
	emit8(&r->out, 0);
	emit_load(&r->out, REG_RCX, SPILL_ADDR(REG_RCX));
	site = rewrite_site(r, site_interpret);
	handler = user_access_prepare(site, r->insn);
	if (handler)
		site->handler = handler;
	rewrite_leave(r, site, false);
	*jrcxz = (uint8_t)(r->out.p - (jrcxz + 1));
	if (gs)
		store_gs_base(r, reg);
	else
		store_fs_base(r, reg);
	site->resume = (uint32_t)(uintptr_t)r->out.p;
	return true;
}

bool rewrite_segment(struct rewrite *r)
{
	int reg;

	switch (r->insn->zy.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		return rewrite_selector(r);
	case ZYDIS_MNEMONIC_RDFSBASE:
	case ZYDIS_MNEMONIC_RDGSBASE:
	case ZYDIS_MNEMONIC_WRFSBASE:
	case ZYDIS_MNEMONIC_WRGSBASE:
		break;
	default:
		return false;
	}
	reg = rewrite_gpr(r->insn->ops[0].reg.value);
	if (!r->fsgsbase || reg < 0 || reg == REG_RSP)
		return false;
	if (r->insn->zy.mnemonic == ZYDIS_MNEMONIC_WRFSBASE ||
	    r->insn->zy.mnemonic == ZYDIS_MNEMONIC_WRGSBASE)
		return rewrite_write_base(r, (unsigned)reg);
	return rewrite_read_base(r, (unsigned)reg);
}
