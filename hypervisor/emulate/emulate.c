/* SPDX-License-Identifier: MIT */
/*
 * One instruction: fetch, decode (or find decoded), execute, and what follows
 * every instruction: interrupt shadow, resume flag, single-step trap.
 *
 * The cache of decoded instructions is indexed by address and checked against
 * mode and bytes in memory each time: an op depends on nothing else, so that the
 * cache need not be told of writes or of address spaces.  Instructions that
 * cross a page are decoded afresh.
 *
 * Breakpoints in DR0-DR3 are the caller's business: code breakpoints are to be
 * tested before emulate_step(), data breakpoints are not implemented.
 */
#include "emulate/emulate.h"

#include <errno.h>

#include "base/arena.h"
#include "base/log.h"
#include "emulate/isa.h"
#include "emulate/op.h"

#define CACHE_ENTRIES	(1u << 15)

struct cache_entry {
	uint64_t bytes[2], mask[2];
	uint32_t mode;		/* enum decode_mode + 1; 0: unused */
	struct op op;
};

static struct cache_entry *cache;

static enum decode_mode vcpu_decode_mode(const struct vcpu *vcpu)
{
	if (vcpu_64bit_code(vcpu))
		return DECODE_64;
	return (vcpu->seg[SEG_CS].attr & SEG_ATTR_DB) && !mode_v86(vcpu) ? DECODE_32 : DECODE_16;
}

/* Everything around the handler. */
static enum emulate_result op_execute(struct vcpu *vcpu, const struct op *op)
{
	uint64_t before = vcpu->rflags;
	enum emulate_result result;

	vcpu->interrupt_shadow = false;
	result = op->run(vcpu, op);
	if (likely(!(before & (RFLAGS_RF | RFLAGS_TF))))
		return result;
	if (result != EMULATE_OK && result != EMULATE_HALT)
		return result;
	if (op->mnemonic != ZYDIS_MNEMONIC_IRET && op->mnemonic != ZYDIS_MNEMONIC_IRETD &&
	    op->mnemonic != ZYDIS_MNEMONIC_IRETQ)
		vcpu->rflags &= ~(uint64_t)RFLAGS_RF;
	/*
	 * The single-step trap: RIP is behind the instruction already.  Not where the transfer
	 * itself cleared TF (INT n, SYSCALL), and not behind MOV SS and POP SS.
	 */
	if (before & RFLAGS_TF) {
		bool transfer = op->mnemonic == ZYDIS_MNEMONIC_INT ||
				op->mnemonic == ZYDIS_MNEMONIC_INT3 ||
				op->mnemonic == ZYDIS_MNEMONIC_INT1 ||
				op->mnemonic == ZYDIS_MNEMONIC_INTO ||
				op->mnemonic == ZYDIS_MNEMONIC_SYSCALL ||
				op->mnemonic == ZYDIS_MNEMONIC_SYSENTER;

		if ((transfer && !(vcpu->rflags & RFLAGS_TF)) ||
		    (vcpu->interrupt_shadow && op->mnemonic != ZYDIS_MNEMONIC_STI))
			return result;
		vcpu_raise(vcpu, VEC_DB);
		vcpu->exception.dr6 = 1ul << 14;
		return EMULATE_EXCEPTION;
	}
	return result;
}

static enum emulate_result lower_failed(struct vcpu *vcpu, const struct insn *insn, int error)
{
	if (error == -EINVAL) {
		vcpu->interrupt_shadow = false;
		return raise_ud(vcpu);
	}
	log_error("emulate: %s is not implemented (rip %lx, cpl %u)",
		  ZydisMnemonicGetString(insn->zy.mnemonic), vcpu->rip, vcpu->cpl);
	return EMULATE_UNKNOWN;
}

enum emulate_result emulate_insn(struct vcpu *vcpu, const struct insn *insn)
{
	struct op op;
	int error;

	isa_init(vcpu);
	error = op_lower(&op, vcpu_decode_mode(vcpu), insn);
	if (error)
		return lower_failed(vcpu, insn, error);
	return op_execute(vcpu, &op);
}

/* Fetch byte by byte as far as the pages go, decode, execute. */
static enum emulate_result step_uncached(struct vcpu *vcpu, gva_t addr, enum decode_mode mode)
{
	uint8_t bytes[INSN_MAX];
	struct insn insn;
	unsigned have;
	int error;

	have = access_fetch(vcpu, addr, bytes, INSN_MAX);
	if (!have)
		return EMULATE_EXCEPTION;
	vcpu->exception.valid = false;
	error = decode_insn(mode, bytes, have, &insn);
	if (error == -ENODATA && have < INSN_MAX) {
		/* The rest lies in a page that faults: fetch from there, for its fault. */
		gva_t rest = GVA(mode == DECODE_64 ? addr.v + have : (uint32_t)(addr.v + have));

		if (access_fetch(vcpu, rest, bytes + have, 1))
			return EMULATE_OK;	/* mapped meanwhile: try again */
		return EMULATE_EXCEPTION;
	}
	if (error == -ENODATA)		/* longer than 15 bytes */
		return raise_gp(vcpu, 0);
	if (error)
		return raise_ud(vcpu);
	return emulate_insn(vcpu, &insn);
}

/* The limit of CS, outside 64-bit mode. */
static bool fetch_linear(struct vcpu *vcpu, enum decode_mode mode, gva_t *addr)
{
	if (likely(mode == DECODE_64)) {
		*addr = GVA(vcpu->rip);
		if (likely(gva_canonical(*addr)))
			return true;
	} else {
		*addr = GVA((uint32_t)(vcpu->seg[SEG_CS].base + vcpu->rip));
		if (likely(vcpu->rip <= vcpu->seg[SEG_CS].limit))
			return true;
	}
	vcpu_raise_error(vcpu, VEC_GP, 0);
	return false;
}

static bool cache_fill(struct vcpu *vcpu, struct cache_entry *e, const uint8_t *code,
		       enum decode_mode mode, enum emulate_result *result)
{
	struct insn insn;
	uint8_t bytes[16] = { 0 }, mask[16] = { 0 };
	int error;

	__builtin_memcpy(bytes, code, INSN_MAX);
	error = decode_insn(mode, bytes, INSN_MAX, &insn);
	if (error) {
		vcpu->interrupt_shadow = false;
		*result = error == -ENODATA ? raise_gp(vcpu, 0) : raise_ud(vcpu);
		return false;
	}
	e->mode = 0;
	isa_init(vcpu);
	error = op_lower(&e->op, mode, &insn);
	if (error) {
		*result = lower_failed(vcpu, &insn, error);
		return false;
	}
	for (unsigned i = 0; i < insn.zy.length; i++)
		mask[i] = 0xff;
	__builtin_memcpy(e->mask, mask, 16);
	__builtin_memcpy(e->bytes, bytes, 16);
	e->bytes[0] &= e->mask[0];
	e->bytes[1] &= e->mask[1];
	e->mode = mode + 1;
	return true;
}

/* The page last fetched from; it is what hardware's instruction TLB may keep. */
static struct {
	uint64_t page, generation;
	const uint8_t *host;
	const struct vcpu *vcpu;
	bool user;
} code_page;

static const uint8_t *fetch_host(struct vcpu *vcpu, gva_t addr)
{
	const uint8_t *host;

	if (likely((addr.v & PAGE_MASK) == code_page.page &&
		   code_page.generation == access_generation &&
		   code_page.user == (vcpu->cpl == 3) && code_page.vcpu == vcpu)) {
		vcpu->exception.valid = false;
		return code_page.host + (addr.v & ~PAGE_MASK);
	}
	host = access_pointer(vcpu, addr, mem_access(vcpu) | WALK_EXEC);
	if (host) {
		code_page.page = addr.v & PAGE_MASK;
		code_page.generation = access_generation;
		code_page.host = host - (addr.v & ~PAGE_MASK);
		code_page.user = vcpu->cpl == 3;
		code_page.vcpu = vcpu;
	}
	return host;
}

enum emulate_result emulate_step(struct vcpu *vcpu)
{
	enum decode_mode mode = vcpu_decode_mode(vcpu);
	enum emulate_result result;
	struct cache_entry *e;
	const uint8_t *host;
	uint64_t code[2];
	gva_t addr;

	if (unlikely(!fetch_linear(vcpu, mode, &addr)))
		return EMULATE_EXCEPTION;
	/* Also kept on the CS limit's safe side: code near it goes the exact way. */
	if (unlikely((addr.v & ~PAGE_MASK) > PAGE_SIZE - 16 ||
		     (mode != DECODE_64 && vcpu->rip + 15 > vcpu->seg[SEG_CS].limit)))
		return step_uncached(vcpu, addr, mode);
	host = fetch_host(vcpu, addr);
	if (unlikely(!host)) {
		if (vcpu->exception.valid)
			return EMULATE_EXCEPTION;
		return step_uncached(vcpu, addr, mode);
	}
	if (unlikely(!cache))
		cache = arena_alloc(CACHE_ENTRIES * sizeof(*cache), 64);
	e = &cache[(addr.v ^ addr.v >> 15) & (CACHE_ENTRIES - 1)];
	__builtin_memcpy(code, host, 16);
	if (unlikely(e->mode != mode + 1u || ((code[0] ^ e->bytes[0]) & e->mask[0]) |
						     ((code[1] ^ e->bytes[1]) & e->mask[1]))) {
		if (!cache_fill(vcpu, e, (const uint8_t *)code, mode, &result))
			return result;
	}
	return op_execute(vcpu, &e->op);
}
