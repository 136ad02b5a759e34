/* SPDX-License-Identifier: MIT */
/*
 * From a decoded instruction to what the interpreter runs: operands in the
 * interpreter's own form, and the handler by mnemonic.  Instructions without a
 * rule here run on the host's CPU (native.c) if they belong to the vector, x87
 * or bit-manipulation sets, else they are undefined.
 */
#include <errno.h>

#include "emulate/alu.h"
#include "emulate/data.h"
#include "emulate/isa.h"
#include "machine/cpuid.h"

struct rule {
	op_handler *run;
	alu_function *const *alu;
	uint8_t flags;
};

#define R(name, ...)	[ZYDIS_MNEMONIC_##name] = { __VA_ARGS__ }
#define CONDITIONS(prefix, handler)						\
	R(prefix##O, handler), R(prefix##NO, handler), R(prefix##B, handler),	\
	R(prefix##NB, handler), R(prefix##Z, handler), R(prefix##NZ, handler),	\
	R(prefix##BE, handler), R(prefix##NBE, handler), R(prefix##S, handler),	\
	R(prefix##NS, handler), R(prefix##P, handler), R(prefix##NP, handler),	\
	R(prefix##L, handler), R(prefix##NL, handler), R(prefix##LE, handler),	\
	R(prefix##NLE, handler)

static const struct rule rules[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	R(ADD, op_binary, alu_add), R(OR, op_binary, alu_or), R(AND, op_binary, alu_and),
	R(SUB, op_binary, alu_sub), R(XOR, op_binary, alu_xor),
	R(ADC, op_binary, alu_adc, RULE_CARRY), R(SBB, op_binary, alu_sbb, RULE_CARRY),
	R(CMP, op_binary, alu_cmp, RULE_READ), R(TEST, op_binary, alu_test, RULE_READ),
	R(INC, op_unary, alu_inc, RULE_CARRY), R(DEC, op_unary, alu_dec, RULE_CARRY),
	R(NEG, op_unary, alu_neg), R(NOT, op_not, alu_not),
	R(ROL, op_shift, alu_rol, RULE_FLAGS), R(ROR, op_shift, alu_ror, RULE_FLAGS),
	R(RCL, op_shift, alu_rcl, RULE_FLAGS), R(RCR, op_shift, alu_rcr, RULE_FLAGS),
	R(SHL, op_shift, alu_shl, RULE_FLAGS), R(SHR, op_shift, alu_shr, RULE_FLAGS),
	R(SAR, op_shift, alu_sar, RULE_FLAGS),
	R(SHLD, op_double_shift, alu_shld, RULE_FLAGS),
	R(SHRD, op_double_shift, alu_shrd, RULE_FLAGS),
	R(BT, op_bit, alu_bt, RULE_FLAGS | RULE_READ), R(BTS, op_bit, alu_bts, RULE_FLAGS),
	R(BTR, op_bit, alu_btr, RULE_FLAGS), R(BTC, op_bit, alu_btc, RULE_FLAGS),
	R(BSF, op_scan, alu_bsf), R(BSR, op_scan, alu_bsr), R(TZCNT, op_scan, alu_tzcnt),
	R(LZCNT, op_scan, alu_lzcnt), R(POPCNT, op_scan, alu_popcnt),
	R(ADCX, op_scan, alu_adcx), R(ADOX, op_scan, alu_adox), R(CRC32, op_crc32, alu_crc32),
	R(MUL, op_multiply, alu_mul), R(IMUL, op_scan, alu_imul),
	R(DIV, op_divide, alu_div), R(IDIV, op_divide, alu_idiv),
	R(XADD, op_xadd, alu_add), R(XCHG, op_xchg), R(CMPXCHG, op_cmpxchg, alu_cmp),
	R(CMPXCHG8B, op_cmpxchg8b), R(CMPXCHG16B, op_cmpxchg16b),

	R(MOV, op_mov), R(MOVZX, op_mov), R(MOVSX, op_movsx), R(MOVSXD, op_movsx),
	R(LEA, op_lea), R(MOVBE, op_movbe), R(BSWAP, op_bswap), R(MOVNTI, op_mov),
	CONDITIONS(CMOV, op_cmov), CONDITIONS(SET, op_setcc), CONDITIONS(J, op_jcc),
	R(CBW, op_convert), R(CWDE, op_convert), R(CDQE, op_convert),
	R(CWD, op_convert_high), R(CDQ, op_convert_high), R(CQO, op_convert_high),
	R(LAHF, op_lahf), R(SAHF, op_sahf), R(CLC, op_flag), R(STC, op_flag), R(CMC, op_flag),
	R(CLD, op_flag), R(STD, op_flag), R(XLAT, op_xlat), R(SALC, op_salc),
	R(DAA, op_bcd), R(DAS, op_bcd), R(AAA, op_bcd), R(AAS, op_bcd), R(AAM, op_bcd),
	R(AAD, op_bcd), R(BOUND, op_bound), R(ARPL, op_arpl),

	R(PUSH, op_push), R(POP, op_pop), R(PUSHA, op_push_all), R(PUSHAD, op_push_all),
	R(POPA, op_pop_all), R(POPAD, op_pop_all), R(PUSHF, op_pushf), R(PUSHFD, op_pushf),
	R(PUSHFQ, op_pushf), R(POPF, op_popf), R(POPFD, op_popf), R(POPFQ, op_popf),
	R(ENTER, op_enter), R(LEAVE, op_leave),

	R(CALL, op_call), R(JMP, op_jmp), R(RET, op_ret), R(LOOP, op_loop), R(LOOPE, op_loop),
	R(LOOPNE, op_loop), R(JCXZ, op_jcxz), R(JECXZ, op_jcxz), R(JRCXZ, op_jcxz),
	R(INT, op_int), R(INT3, op_int), R(INTO, op_int), R(INT1, op_int),
	R(IRET, op_iret), R(IRETD, op_iret), R(IRETQ, op_iret),
	R(SYSCALL, op_syscall), R(SYSRET, op_sysret), R(SYSENTER, op_sysenter),
	R(SYSEXIT, op_sysexit),

	R(MOVSB, op_movs), R(MOVSW, op_movs), R(MOVSD, op_movs), R(MOVSQ, op_movs),
	R(STOSB, op_stos), R(STOSW, op_stos), R(STOSD, op_stos), R(STOSQ, op_stos),
	R(LODSB, op_lods), R(LODSW, op_lods), R(LODSD, op_lods), R(LODSQ, op_lods),
	R(CMPSB, op_cmps), R(CMPSW, op_cmps), R(CMPSD, op_cmps), R(CMPSQ, op_cmps),
	R(SCASB, op_scas), R(SCASW, op_scas), R(SCASD, op_scas), R(SCASQ, op_scas),
	R(INSB, op_ins), R(INSW, op_ins), R(INSD, op_ins),
	R(OUTSB, op_outs), R(OUTSW, op_outs), R(OUTSD, op_outs), R(IN, op_in), R(OUT, op_out),

	R(HLT, op_hlt), R(CLI, op_cli), R(STI, op_sti), R(CLAC, op_clac_stac),
	R(STAC, op_clac_stac), R(CLTS, op_clts), R(LMSW, op_lmsw), R(SMSW, op_smsw),
	R(RDMSR, op_rdmsr), R(WRMSR, op_wrmsr), R(RDTSC, op_rdtsc), R(RDTSCP, op_rdtsc),
	R(RDPMC, op_rdpmc), R(RDPID, op_rdpid), R(CPUID, op_cpuid), R(XGETBV, op_xgetbv),
	R(XSETBV, op_xsetbv), R(INVLPG, op_invlpg), R(INVPCID, op_invpcid),
	R(WBINVD, op_wbinvd), R(INVD, op_wbinvd), R(SWAPGS, op_swapgs),
	R(RDFSBASE, op_fsgsbase), R(RDGSBASE, op_fsgsbase), R(WRFSBASE, op_fsgsbase),
	R(WRGSBASE, op_fsgsbase), R(SGDT, op_store_table), R(SIDT, op_store_table),
	R(LGDT, op_load_table), R(LIDT, op_load_table), R(SLDT, op_store_selector),
	R(STR, op_store_selector), R(LLDT, op_lldt_ltr), R(LTR, op_lldt_ltr),
	R(LAR, op_lar_lsl), R(LSL, op_lar_lsl), R(VERR, op_verr_verw), R(VERW, op_verr_verw),
	R(LDS, op_load_far_pointer), R(LES, op_load_far_pointer), R(LSS, op_load_far_pointer),
	R(LFS, op_load_far_pointer), R(LGS, op_load_far_pointer),
	R(VMCALL, op_hypercall), R(VMMCALL, op_hypercall),

	R(NOP, op_nop), R(PAUSE, op_nop), R(ENDBR32, op_nop), R(ENDBR64, op_nop),
	R(LFENCE, op_nop), R(MFENCE, op_nop), R(SFENCE, op_nop), R(SERIALIZE, op_nop),
	R(PREFETCH, op_nop), R(PREFETCHNTA, op_nop), R(PREFETCHT0, op_nop),
	R(PREFETCHT1, op_nop), R(PREFETCHT2, op_nop), R(PREFETCHW, op_nop),
	R(PREFETCHWT1, op_nop), R(CLFLUSH, op_touch), R(CLFLUSHOPT, op_touch), R(CLWB, op_touch),
	R(RDRAND, op_random), R(RDSEED, op_random),
	R(UD0, op_undefined), R(UD1, op_undefined), R(UD2, op_undefined),

	R(LDMXCSR, op_ldmxcsr), R(VLDMXCSR, op_ldmxcsr),
	R(STMXCSR, op_stmxcsr), R(VSTMXCSR, op_stmxcsr),
	R(FXSAVE, op_fxsave), R(FXSAVE64, op_fxsave), R(FXRSTOR, op_fxrstor),
	R(FXRSTOR64, op_fxrstor), R(XSAVE, op_xsave), R(XSAVE64, op_xsave), R(XSAVEC, op_xsave),
	R(XSAVEC64, op_xsave), R(XSAVEOPT, op_xsave), R(XSAVEOPT64, op_xsave),
	R(XRSTOR, op_xrstor), R(XRSTOR64, op_xrstor),
};

enum emulate_result op_undefined(struct vcpu *vcpu, const struct op *op)
{
	(void)op;
	return raise_ud(vcpu);
}

static uint8_t lower_register(ZydisRegister reg)
{
	if (reg == ZYDIS_REGISTER_NONE)
		return OP_NO_REG;
	if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP || reg == ZYDIS_REGISTER_IP)
		return OP_RIP;
	if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15)
		return (uint8_t)(reg - ZYDIS_REGISTER_RAX);
	if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D)
		return (uint8_t)(reg - ZYDIS_REGISTER_EAX);
	if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W)
		return (uint8_t)(reg - ZYDIS_REGISTER_AX);
	return OP_NO_REG;
}

static uint8_t lower_segment(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_ES && reg <= ZYDIS_REGISTER_GS
		? (uint8_t)(reg - ZYDIS_REGISTER_ES) : (uint8_t)SEG_DS;
}

static void lower_register_operand(struct operand *o, ZydisRegister reg)
{
	o->kind = OPERAND_REG;
	if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL) {
		o->reg = (uint8_t)(reg - ZYDIS_REGISTER_AL);
	} else if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
		o->kind = OPERAND_HIGH;
		o->reg = (uint8_t)(reg - ZYDIS_REGISTER_AH);
	} else if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B) {
		o->reg = (uint8_t)(reg - ZYDIS_REGISTER_SPL + 4);
	} else if (reg >= ZYDIS_REGISTER_ES && reg <= ZYDIS_REGISTER_GS) {
		o->kind = OPERAND_SEG;
		o->reg = (uint8_t)(reg - ZYDIS_REGISTER_ES);
	} else if (reg >= ZYDIS_REGISTER_CR0 && reg <= ZYDIS_REGISTER_CR15) {
		o->kind = OPERAND_CR;
		o->reg = (uint8_t)(reg - ZYDIS_REGISTER_CR0);
	} else if (reg >= ZYDIS_REGISTER_DR0 && reg <= ZYDIS_REGISTER_DR15) {
		o->kind = OPERAND_DR;
		o->reg = (uint8_t)(reg - ZYDIS_REGISTER_DR0);
	} else {
		o->reg = lower_register(reg);
		if (o->reg >= REG_COUNT) {
			o->kind = OPERAND_OTHER;
			o->reg = 0;
		}
	}
}

static void lower_operands(struct op *op, const struct insn *insn)
{
	unsigned immediates = 0;

	for (unsigned i = 0; i < insn->zy.operand_count_visible && i < array_size(op->o); i++) {
		const ZydisDecodedOperand *z = &insn->ops[i];
		struct operand *o = &op->o[i];

		o->size = (uint8_t)(z->size / 8);
		switch (z->type) {
		case ZYDIS_OPERAND_TYPE_REGISTER:
			lower_register_operand(o, z->reg.value);
			break;
		case ZYDIS_OPERAND_TYPE_MEMORY:
			o->kind = OPERAND_MEM;
			op->base = lower_register(z->mem.base);
			op->index = lower_register(z->mem.index);
			op->shift = z->mem.scale ? (uint8_t)__builtin_ctz(z->mem.scale) : 0;
			op->disp = z->mem.disp.value;
			op->seg = lower_segment(z->mem.segment);
			break;
		case ZYDIS_OPERAND_TYPE_POINTER:
			o->kind = OPERAND_FAR;
			op->selector = z->ptr.segment;
			op->imm = z->ptr.offset;
			break;
		case ZYDIS_OPERAND_TYPE_IMMEDIATE:
			o->kind = OPERAND_IMM;
			if (immediates++ == 0)
				op->imm = z->imm.value.u;
			else
				op->selector = (uint16_t)z->imm.value.u;
			break;
		default:
			break;
		}
	}
}

static void lower_prefixes(struct op *op, const struct insn *insn)
{
	const ZydisDecodedInstruction *zy = &insn->zy;
	bool string = zy->meta.category == ZYDIS_CATEGORY_STRINGOP ||
		      zy->meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
	ZydisRegister segment = ZYDIS_REGISTER_DS;

	if (zy->attributes & ZYDIS_ATTRIB_HAS_LOCK)
		op->prefixes |= OP_LOCK;
	for (unsigned i = 0; i < zy->raw.prefix_count && string; i++) {
		if (zy->raw.prefixes[i].value == 0xf3)
			op->prefixes = (op->prefixes & OP_LOCK) | OP_REPE;
		else if (zy->raw.prefixes[i].value == 0xf2)
			op->prefixes = (op->prefixes & OP_LOCK) | OP_REPNE;
	}
	if (!string && zy->mnemonic != ZYDIS_MNEMONIC_XLAT)
		return;
	/* The source segment of string instructions is only in a hidden operand. */
	for (unsigned i = 0; i < zy->operand_count; i++) {
		const ZydisDecodedOperand *z = &insn->ops[i];

		if (z->type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (lower_register(z->mem.base) == REG_RSI ||
		     zy->mnemonic == ZYDIS_MNEMONIC_XLAT))
			segment = z->mem.segment;
	}
	op->seg = lower_segment(segment);
}

static op_handler *lower_mov(const struct op *op)
{
	unsigned to = op->o[0].kind, from = op->o[1].kind;

	if (to == OPERAND_REG && op->o[0].size >= 4) {
		if (from == OPERAND_REG || from == OPERAND_IMM)
			return op_mov_register;
		if (from == OPERAND_MEM)
			return op_load;
	}
	if (to == OPERAND_MEM && (from == OPERAND_REG || from == OPERAND_IMM))
		return op_store;
	return op_mov;
}

/* One mnemonic, several instructions. */
static op_handler *lower_special(struct op *op, const struct insn *insn)
{
	bool far;

	switch (insn->zy.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		if (op->o[0].kind == OPERAND_SEG || op->o[1].kind == OPERAND_SEG)
			return op_mov_segment;
		if (op->o[0].kind == OPERAND_CR || op->o[1].kind == OPERAND_CR)
			return op_mov_cr;
		if (op->o[0].kind == OPERAND_DR || op->o[1].kind == OPERAND_DR)
			return op_mov_dr;
		return lower_mov(op);
	case ZYDIS_MNEMONIC_MOVZX:
		return lower_mov(op);
	case ZYDIS_MNEMONIC_POP:
		return op->o[0].kind == OPERAND_SEG ? op_mov_segment : op_pop;
	case ZYDIS_MNEMONIC_MOVSD:
	case ZYDIS_MNEMONIC_CMPSD:
		return insn->zy.meta.category == ZYDIS_CATEGORY_STRINGOP ? op->run : op_native;
	case ZYDIS_MNEMONIC_CALL:
	case ZYDIS_MNEMONIC_JMP:
		far = op->o[0].kind == OPERAND_FAR ||
		      (insn->zy.opcode == 0xff && (insn->zy.raw.modrm.reg & 1));
		if (insn->zy.mnemonic == ZYDIS_MNEMONIC_CALL)
			return far ? op_call_far : op_call;
		return far ? op_jmp_far : op_jmp;
	case ZYDIS_MNEMONIC_RET:
		return insn->zy.opcode >= 0xca ? op_ret_far : op_ret;
	case ZYDIS_MNEMONIC_IMUL:
		if (insn->zy.operand_count_visible == 3)
			return op_imul3;
		if (insn->zy.operand_count_visible == 1) {
			op->alu = alu_imul1[size_index(op->o[0].size)];
			return op_multiply;
		}
		return op_scan;
	case ZYDIS_MNEMONIC_PAUSE:
		/* F3 90 with REX.B is XCHG r8, rAX for the CPU. */
		if (op->mode != DECODE_64 || !(insn->zy.attributes & ZYDIS_ATTRIB_HAS_REX) ||
		    !insn->zy.raw.rex.B)
			return op_nop;
		op->o[0] = (struct operand){ OPERAND_REG, REG_R8, op->size };
		op->o[1] = (struct operand){ OPERAND_REG, REG_RAX, op->size };
		return op_xchg;
	case ZYDIS_MNEMONIC_VLDMXCSR:
	case ZYDIS_MNEMONIC_VSTMXCSR:
		op->native.flags = NATIVE_AVX;
		return op->run;
	default:
		if (op->run == op_binary && op->o[0].kind == OPERAND_REG &&
		    (op->o[1].kind == OPERAND_REG || op->o[1].kind == OPERAND_IMM))
			return op_binary_registers;
		return op->run;
	}
}

static bool branch_is_near(const struct insn *insn)
{
	switch (insn->zy.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL:
		return insn->zy.opcode != 0xff || !(insn->zy.raw.modrm.reg & 1);
	case ZYDIS_CATEGORY_RET:
		return insn->zy.mnemonic == ZYDIS_MNEMONIC_RET && insn->zy.opcode < 0xca;
	default:
		return false;
	}
}

int op_lower(struct op *op, enum decode_mode mode, const struct insn *insn)
{
	const ZydisDecodedInstruction *zy = &insn->zy;
	const struct rule *rule = &rules[zy->mnemonic];

	*op = (struct op){ .base = OP_NO_REG, .index = OP_NO_REG, .seg = SEG_DS };
	if (!isa_present(zy->meta.isa_set) && rule->run != op_hypercall)
		return -EINVAL;
	op->length = zy->length;
	op->mode = (uint8_t)mode;
	op->size = zy->operand_width / 8;
	op->address_size = zy->address_width / 8;
	op->opcode = zy->opcode;
	op->cc = zy->opcode & 15;
	op->mnemonic = (uint16_t)zy->mnemonic;
	for (unsigned i = 0; i < zy->length; i++)
		op->bytes[i] = insn->bytes[i];
	/* AMD cuts near branches with an operand-size prefix to 16 bits, in 64-bit mode too. */
	if (mode == DECODE_64 && branch_is_near(insn) && (zy->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) &&
	    !((zy->attributes & ZYDIS_ATTRIB_HAS_REX) && zy->raw.rex.W) &&
	    cpuid_model.vendor == CPUID_AMD)
		op->size = 2;
	lower_operands(op, insn);
	lower_prefixes(op, insn);
	op->run = rule->run;
	op->flags = rule->flags;
	if (rule->alu) {
		unsigned sized = zy->mnemonic == ZYDIS_MNEMONIC_CRC32 ? 1 : 0;

		if (op->o[sized].size && op->o[sized].size <= 8)
			op->alu = rule->alu[size_index(op->o[sized].size)];
	}
	if (op->run)
		op->run = lower_special(op, insn);
	else
		op->run = op_native;
	if (op->run == op_native)
		return native_lower(op, insn);
	return 0;
}
