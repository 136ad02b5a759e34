/* SPDX-License-Identifier: MIT */
/*
 * One guest instruction to host code: classification, leaving for the engine,
 * and the instructions that are neither copied (operand.c, rsp.c) nor branches
 * nor stack operations (branch.c, stack.c).
 *
 * Every form keeps two promises: no flag is changed that the instruction does
 * not change, and at every host address the guest's state can be put together
 * by the last `struct fix` at or before it.
 */
#include "translate/rewrite.h"

#include <string.h>

#include "base/log.h"
#include "translate/translate.h"
#include "translate/user_access.h"

void rewrite_fix(struct rewrite *r, unsigned flags, unsigned spilled)
{
	uint16_t at = (uint16_t)((uintptr_t)r->out.p - r->block->host);
	struct fix *f = r->n_fixes ? &r->fixes[r->n_fixes - 1] : NULL;

	if (!f || f->host != at) {
		bug_on(r->n_fixes == REWRITE_MAX_FIXES);
		f = &r->fixes[r->n_fixes++];
	}
	*f = (struct fix){ .host = at, .spilled = (uint16_t)spilled, .flags = (uint8_t)flags,
			   .insn = (uint8_t)r->index };
}

/* --- registers --- */

int rewrite_gpr(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
		return -1;
	return whole - ZYDIS_REGISTER_RAX;
}

uint32_t rewrite_used(const struct insn *insn)
{
	uint32_t used = 1u << REG_RSP;

	for (unsigned i = 0; i < insn->zy.operand_count; i++) {
		const ZydisDecodedOperand *op = &insn->ops[i];
		int reg;

		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
			reg = rewrite_gpr(op->reg.value);
			if (reg >= 0)
				used |= 1u << reg;
		} else if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
			reg = rewrite_gpr(op->mem.base);
			if (reg >= 0)
				used |= 1u << reg;
			reg = rewrite_gpr(op->mem.index);
			if (reg >= 0)
				used |= 1u << reg;
		}
	}
	return used;
}

unsigned rewrite_scratch(uint32_t used)
{
	static const uint8_t candidates[] = { REG_RCX, REG_RAX, REG_RDX, REG_RBX, REG_RSI, REG_RDI,
					      REG_RBP };

	for (unsigned i = 0; i < sizeof(candidates); i++)
		if (!(used & (1u << candidates[i])))
			return candidates[i];
	bug_on(true);	/* no instruction names seven low registers */
	return 0;
}

void rewrite_spill(struct rewrite *r, unsigned reg, unsigned spilled_before, unsigned flags)
{
	emit_store(&r->out, reg, SPILL_ADDR(reg));
	rewrite_fix(r, flags, spilled_before | 1u << reg);
}

/* --- leaving for the engine --- */

struct site *rewrite_site(struct rewrite *r, site_handler handler)
{
	struct site *site = block_meta(sizeof(*site));

	site->handler = handler;
	site->block = r->block;
	site->rip = r->rip;
	site->next = r->next;
	return site;
}

void rewrite_leave(struct rewrite *r, struct site *site, bool resume)
{
	const struct fix *now = &r->fixes[r->n_fixes - 1];

	/* Scratch registers are given back before leaving. */
	r->pending[r->n_pending].state = (struct fix){ .flags = now->flags, .insn = now->insn };
	r->pending[r->n_pending].site = site;
	r->pending[r->n_pending].branch = emit_jump(&r->out, 0);
	r->n_pending++;
	if (resume)
		site->resume = (uint32_t)(uintptr_t)r->out.p;
}

void rewrite_interpret(struct rewrite *r, bool ends)
{
	struct site *site = rewrite_site(r, site_interpret);
	site_handler handler = user_access_prepare(site, r->insn);

	if (r->insn->zy.mnemonic == ZYDIS_MNEMONIC_IRETQ)
		handler = site_iret;
	else if (r->insn->zy.mnemonic == ZYDIS_MNEMONIC_SYSRET)
		handler = site_sysret;
	else if (r->insn->zy.mnemonic == ZYDIS_MNEMONIC_VMCALL ||
		 r->insn->zy.mnemonic == ZYDIS_MNEMONIC_VMMCALL)
		handler = site_hypercall;
	site->operand64 = r->insn->zy.operand_width == 64;
	if (handler)
		site->handler = handler;
	rewrite_fix(r, r->after_sti ? FIX_SHADOW : 0, 0);
	rewrite_leave(r, site, !ends);
	r->ended = ends;
}

void rewrite_finish(struct rewrite *r)
{
	for (unsigned i = 0; i < r->n_pending; i++) {
		struct site *site = r->pending[i].site;
		uint32_t field = r->pending[i].branch, at = (uint32_t)(uintptr_t)r->out.p;
		uint32_t rel = at - (field + 4);

		memcpy((void *)(uintptr_t)field, &rel, 4);
		site->stub = at;
		r->index = r->pending[i].state.insn;
		rewrite_fix(r, r->pending[i].state.flags, 0);
		emit_store_imm32(&r->out, VCPU_ADDR(fast.exit_index), (uint32_t)(uintptr_t)site);
		emit_jump(&r->out, (uintptr_t)translate_callout);
	}
}

/* --- classification --- */

static bool is_general_purpose(const ZydisDecodedInstruction *zy)
{
	switch (zy->meta.isa_ext) {
	case ZYDIS_ISA_EXT_BASE:
	case ZYDIS_ISA_EXT_LONGMODE:
	case ZYDIS_ISA_EXT_BMI1:
	case ZYDIS_ISA_EXT_BMI2:
	case ZYDIS_ISA_EXT_ADOX_ADCX:
	case ZYDIS_ISA_EXT_MOVBE:
	case ZYDIS_ISA_EXT_LZCNT:
	case ZYDIS_ISA_EXT_RDRAND:
	case ZYDIS_ISA_EXT_RDSEED:
	case ZYDIS_ISA_EXT_PAUSE:
	case ZYDIS_ISA_EXT_CLFSH:
	case ZYDIS_ISA_EXT_CLFLUSHOPT:
	case ZYDIS_ISA_EXT_CLWB:
	case ZYDIS_ISA_EXT_CET:
		return true;
	default:
		break;
	}
	switch (zy->mnemonic) {
	case ZYDIS_MNEMONIC_LFENCE:
	case ZYDIS_MNEMONIC_MFENCE:
	case ZYDIS_MNEMONIC_SFENCE:
	case ZYDIS_MNEMONIC_POPCNT:
	case ZYDIS_MNEMONIC_CRC32:
	case ZYDIS_MNEMONIC_MOVNTI:
	case ZYDIS_MNEMONIC_PREFETCHNTA:
	case ZYDIS_MNEMONIC_PREFETCHT0:
	case ZYDIS_MNEMONIC_PREFETCHT1:
	case ZYDIS_MNEMONIC_PREFETCHT2:
	case ZYDIS_MNEMONIC_PREFETCHW:
		return true;
	default:
		return false;
	}
}

static bool has_special_register(const struct insn *insn)
{
	for (unsigned i = 0; i < insn->zy.operand_count; i++) {
		const ZydisDecodedOperand *op = &insn->ops[i];

		if (op->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
			continue;
		switch (ZydisRegisterGetClass(op->reg.value)) {
		case ZYDIS_REGCLASS_SEGMENT:
		case ZYDIS_REGCLASS_CONTROL:
		case ZYDIS_REGCLASS_DEBUG:
		case ZYDIS_REGCLASS_TEST:
		case ZYDIS_REGCLASS_BOUND:
			return true;
		default:
			break;
		}
	}
	return false;
}

/* What the interpreter must do.  *ends: and the block cannot go on behind it. */
static bool is_sensitive(const struct rewrite *r, bool *ends)
{
	const struct insn *insn = r->insn;
	const ZydisDecodedInstruction *zy = &insn->zy;

	*ends = false;
	switch (zy->mnemonic) {
	case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD: case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_SYSRET: case ZYDIS_MNEMONIC_SYSCALL: case ZYDIS_MNEMONIC_SYSENTER:
	case ZYDIS_MNEMONIC_SYSEXIT: case ZYDIS_MNEMONIC_INT: case ZYDIS_MNEMONIC_INT1:
	case ZYDIS_MNEMONIC_INT3: case ZYDIS_MNEMONIC_INTO: case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1: case ZYDIS_MNEMONIC_UD2: case ZYDIS_MNEMONIC_HLT:
		*ends = true;
		return true;
	case ZYDIS_MNEMONIC_CPUID: case ZYDIS_MNEMONIC_RDTSCP: case ZYDIS_MNEMONIC_RDPID:
	case ZYDIS_MNEMONIC_RDPMC: case ZYDIS_MNEMONIC_SGDT: case ZYDIS_MNEMONIC_SIDT:
	case ZYDIS_MNEMONIC_SLDT: case ZYDIS_MNEMONIC_STR: case ZYDIS_MNEMONIC_SMSW:
	case ZYDIS_MNEMONIC_LAR: case ZYDIS_MNEMONIC_LSL: case ZYDIS_MNEMONIC_VERR:
	case ZYDIS_MNEMONIC_VERW:
	case ZYDIS_MNEMONIC_RDFSBASE: case ZYDIS_MNEMONIC_RDGSBASE:
	case ZYDIS_MNEMONIC_WRFSBASE: case ZYDIS_MNEMONIC_WRGSBASE:
	case ZYDIS_MNEMONIC_RDPKRU: case ZYDIS_MNEMONIC_WRPKRU: case ZYDIS_MNEMONIC_MONITOR:
	case ZYDIS_MNEMONIC_MWAIT: case ZYDIS_MNEMONIC_MONITORX: case ZYDIS_MNEMONIC_MWAITX:
	case ZYDIS_MNEMONIC_ENTER: case ZYDIS_MNEMONIC_XGETBV: case ZYDIS_MNEMONIC_XSETBV:
	case ZYDIS_MNEMONIC_STI: case ZYDIS_MNEMONIC_CLI: case ZYDIS_MNEMONIC_LFS:
	case ZYDIS_MNEMONIC_LGS: case ZYDIS_MNEMONIC_LSS:
		return true;
	case ZYDIS_MNEMONIC_LGDT: case ZYDIS_MNEMONIC_LIDT: case ZYDIS_MNEMONIC_LTR:
	case ZYDIS_MNEMONIC_LLDT:
		return true;
	default:
		break;
	}
	switch (zy->meta.category) {
	case ZYDIS_CATEGORY_IO:
	case ZYDIS_CATEGORY_IOSTRINGOP:
	case ZYDIS_CATEGORY_VTX:
	case ZYDIS_CATEGORY_SGX:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_SEGOP:
		return true;
	case ZYDIS_CATEGORY_XSAVE:
	case ZYDIS_CATEGORY_XSAVEOPT:
		/* The host's own do the same if its XCR0 is the guest's. */
		return !r->same_xcr0 || (zy->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED);
	case ZYDIS_CATEGORY_SYSTEM:
		return zy->mnemonic != ZYDIS_MNEMONIC_RDTSC;
	default:
		break;
	}
	if (has_special_register(insn)) {
		/* Paging or mode may be others behind it. */
		*ends = insn->ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
			ZydisRegisterGetClass(insn->ops[0].reg.value) == ZYDIS_REGCLASS_CONTROL;
		return true;
	}
	if (zy->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED)
		return true;
	return zy->mnemonic == ZYDIS_MNEMONIC_VMCALL || zy->mnemonic == ZYDIS_MNEMONIC_VMMCALL;
}

/* SIMD and x87 code: make sure that the state is in this process's registers. */
static void check_simd(struct rewrite *r)
{
	struct site *site;
	uint8_t *jrcxz;

	if (r->simd_checked)
		return;
	r->simd_checked = true;
	rewrite_spill(r, REG_RCX, 0, 0);
	emit8(&r->out, 0x8b);			/* mov ecx, [fpu_away] */
	emit_abs(&r->out, REG_RCX, VCPU_ADDR(fast.fpu_away));
	emit8(&r->out, 0xe3);			/* jrcxz */
	jrcxz = r->out.p;
	emit8(&r->out, 0);
	emit_load(&r->out, REG_RCX, SPILL_ADDR(REG_RCX));
	site = rewrite_site(r, site_fpu);
	rewrite_leave(r, site, false);
	*jrcxz = (uint8_t)(r->out.p - (jrcxz + 1));
	emit_load(&r->out, REG_RCX, SPILL_ADDR(REG_RCX));
	rewrite_fix(r, 0, 0);
	site->resume = (uint32_t)(uintptr_t)r->out.p;
}

/* The two bases and their rebased forms change places. */
static void rewrite_swapgs(struct rewrite *r)
{
	static const uint32_t pairs[][2] = {
		{ VCPU_ADDR(fast.gs_base[0]), VCPU_ADDR(fast.gs_base[1]) },
		{ VCPU_ADDR(fast.gs_host[0]), VCPU_ADDR(fast.gs_host[1]) },
	};

	rewrite_spill(r, REG_RAX, 0, 0);
	rewrite_spill(r, REG_RCX, 1u << REG_RAX, FIX_CRITICAL);
	for (unsigned i = 0; i < array_size(pairs); i++) {
		emit_load(&r->out, REG_RAX, pairs[i][0]);
		emit_load(&r->out, REG_RCX, pairs[i][1]);
		emit_store(&r->out, REG_RCX, pairs[i][0]);
		emit_store(&r->out, REG_RAX, pairs[i][1]);
	}
	emit_wrgsbase_rcx(&r->out);
	rewrite_fix(r, FIX_DONE, 1u << REG_RAX | 1u << REG_RCX);
	emit_load(&r->out, REG_RCX, SPILL_ADDR(REG_RCX));
	emit_load(&r->out, REG_RAX, SPILL_ADDR(REG_RAX));
}

static void rewrite_sti_cli(struct rewrite *r)
{
	struct site *site;
	uint8_t *jrcxz;

	if (r->insn->zy.mnemonic == ZYDIS_MNEMONIC_CLI) {
		emit_store_imm(&r->out, VCPU_ADDR(fast.if_adjust), -0x200);
		return;
	}
	rewrite_spill(r, REG_RCX, 0, 0);
	emit_store_imm(&r->out, VCPU_ADDR(fast.if_adjust), 0);
	rewrite_fix(r, FIX_DONE | FIX_SHADOW, 1u << REG_RCX);
	emit_load(&r->out, REG_RCX, VCPU_ADDR(fast.kick));	/* and irq_waits */
	emit8(&r->out, 0xe3);
	jrcxz = r->out.p;
	emit8(&r->out, 0);
	emit_load(&r->out, REG_RCX, SPILL_ADDR(REG_RCX));
	site = rewrite_site(r, site_sti);
	rewrite_leave(r, site, false);
	*jrcxz = (uint8_t)(r->out.p - (jrcxz + 1));
	emit_load(&r->out, REG_RCX, SPILL_ADDR(REG_RCX));
	site->resume = (uint32_t)(uintptr_t)r->out.p;
}

void rewrite_insn(struct rewrite *r, bool interpret)
{
	const struct insn *insn = r->insn;
	uint8_t *start = r->out.p;
	unsigned n_fixes = r->n_fixes, n_pending = r->n_pending;
	bool ends, reads, writes, simd;

	r->ended = false;
	rewrite_fix(r, r->after_sti ? FIX_SHADOW : 0, 0);
	if (insn->zy.mnemonic == ZYDIS_MNEMONIC_STAC || insn->zy.mnemonic == ZYDIS_MNEMONIC_CLAC) {
		/* Not the host's AC: it would check alignment. */
		emit_store_imm(&r->out, VCPU_ADDR(fast.ac_adjust),
			       insn->zy.mnemonic == ZYDIS_MNEMONIC_STAC ? RFLAGS_AC : 0);
		return;
	}
	if (insn->zy.mnemonic == ZYDIS_MNEMONIC_SWAPGS) {
		rewrite_swapgs(r);
		return;
	}
	if (insn->zy.mnemonic == ZYDIS_MNEMONIC_STI || insn->zy.mnemonic == ZYDIS_MNEMONIC_CLI) {
		rewrite_sti_cli(r);
		return;
	}
	if (!interpret && rewrite_segment(r))
		return;
	if (is_sensitive(r, &ends) || interpret) {
		rewrite_interpret(r, ends);
		/* The interpreter may have taken the SIMD state along. */
		r->simd_checked = false;
		return;
	}
	if (rewrite_branch(r) || rewrite_stack(r) || rewrite_string(r))
		return;
	if (insn->zy.mnemonic == ZYDIS_MNEMONIC_NOP || insn->zy.mnemonic == ZYDIS_MNEMONIC_ENDBR64)
		return;
	simd = !is_general_purpose(&insn->zy);
	if (simd)
		check_simd(r);
	if (rewrite_names_rsp(insn, &reads, &writes)) {
		rewrite_rsp_operand(r, reads, writes);
		return;
	}
	if (insn->zy.mnemonic == ZYDIS_MNEMONIC_LEA && insn->zy.operand_count > 1) {
		const ZydisDecodedOperand *mem = &insn->ops[1];

		if (mem->mem.base == ZYDIS_REGISTER_RIP) {
			uint64_t addr = r->next + (uint64_t)(int64_t)insn->zy.raw.disp.value;
			int dst = rewrite_gpr(insn->ops[0].reg.value);

			if (insn->zy.operand_width == 64 || insn->zy.operand_width == 32) {
				if (insn->zy.operand_width == 32)
					addr = (uint32_t)addr;
				emit_imm(&r->out, (unsigned)dst, addr);
				return;
			}
			rewrite_interpret(r, false);
			return;
		}
		if (rewrite_gpr(mem->mem.base) == REG_RSP) {
			if (!rewrite_lea_rsp(r))
				rewrite_interpret(r, false);
			return;
		}
	}
	if (rewrite_copy(r, -1))
		return;
	if (rewrite_memory(insn) && rewrite_memory(insn)->mem.base == ZYDIS_REGISTER_RIP &&
	    insn->zy.mnemonic != ZYDIS_MNEMONIC_LEA && rewrite_copy_far(r))
		return;
	r->out.p = start;
	r->n_fixes = n_fixes;
	r->n_pending = n_pending;
	if (simd)
		r->simd_checked = false;
	rewrite_interpret(r, false);
}

void rewrite_fall_through(struct rewrite *r)
{
	struct site *exit = rewrite_site(r, site_exit);

	r->rip = r->next;
	exit->rip = exit->next = r->next;
	rewrite_fix(r, r->after_sti ? FIX_DONE | FIX_SHADOW : FIX_DONE, 0);
	rewrite_leave(r, exit, false);
	exit->branch = r->pending[r->n_pending - 1].branch;
	r->block->exits[r->block->n_exits++] = exit;
}
