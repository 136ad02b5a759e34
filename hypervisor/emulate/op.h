/* SPDX-License-Identifier: MIT */
/*
 * Private to emulate/: one guest instruction in the form the interpreter runs.
 *
 * lower.c turns a Zydis instruction into a struct op once; cache.c keeps it;
 * the handlers see nothing of Zydis.  A handler checks everything that can
 * fault, then changes state, so that EMULATE_EXCEPTION means "nothing happened".
 */
#ifndef RING3_EMULATE_OP_H
#define RING3_EMULATE_OP_H

#include "decode/decode.h"
#include "emulate/emulate.h"
#include "machine/vcpu.h"
#include "memory/access.h"

struct op;
typedef enum emulate_result op_handler(struct vcpu *vcpu, const struct op *op);
typedef void alu_function(void);	/* alu_ops.S; never called from C */

enum operand_kind {
	OPERAND_NONE, OPERAND_REG, OPERAND_HIGH, OPERAND_MEM, OPERAND_IMM, OPERAND_SEG,
	OPERAND_CR, OPERAND_DR, OPERAND_FAR, OPERAND_OTHER,
};

struct operand {
	uint8_t kind;		/* enum operand_kind */
	uint8_t reg;		/* number; OPERAND_HIGH: 0..3 for AH, CH, DH, BH */
	uint8_t size;		/* bytes */
};

#define OP_NO_REG	0xff
#define OP_RIP		0xfe	/* base: next RIP */

#define OP_REPE		(1 << 0)	/* F3 on a string instruction */
#define OP_REPNE	(1 << 1)
#define OP_LOCK		(1 << 2)

/* How to run an instruction on the host's own CPU; native.h. */
#define NATIVE_CODE_MAX		24
#define NATIVE_MEMORY_MAX	128	/* FNSAVE: 108 bytes */
#define NATIVE_READ	(1 << 0)	/* memory operand is read / written */
#define NATIVE_WRITE	(1 << 1)
#define NATIVE_MASKED	(1 << 2)	/* ... only elements a mask selects */
#define NATIVE_SIMD	(1 << 3)	/* uses x87, MMX, SSE, AVX state */
#define NATIVE_X87	(1 << 4)	/* x87: CR0.EM and TS, pending #MF */
#define NATIVE_NOWAIT	(1 << 5)	/* ... but does not look at pending exceptions */
#define NATIVE_MMX	(1 << 6)
#define NATIVE_SSE	(1 << 7)	/* CR4.OSFXSR */
#define NATIVE_AVX	(1 << 8)	/* CR4.OSXSAVE and XCR0 */
#define NATIVE_AVX512	(1 << 9)
#define NATIVE_GENERAL	(1 << 10)	/* general registers only (BMI) */

struct native {
	uint8_t code[NATIVE_CODE_MAX];	/* rewritten for 64-bit mode, memory at [base], then RET */
	uint8_t length;
	uint8_t base;			/* register that holds the scratch address, or OP_NO_REG */
	uint8_t stack;			/* register that stands for RSP, or OP_NO_REG */
	uint8_t align;			/* required of the memory operand: 1, 16, 32, 64 */
	uint8_t element;		/* bytes of one element of the memory operand */
	uint16_t memory;		/* bytes of the memory operand */
	uint16_t flags;			/* NATIVE_* */
	uint32_t slot;			/* where it was written last; native.c */
	uint32_t slot_age;
};

struct op {
	op_handler *run;
	alu_function *alu;
	uint64_t imm;
	int64_t disp;
	struct operand o[4];		/* visible operands; o[].size in bytes */
	uint8_t base, index, shift, seg;	/* of the memory operand */
	uint8_t length;
	uint8_t mode;			/* enum decode_mode */
	uint8_t size;			/* operand size, bytes */
	uint8_t address_size;		/* bytes */
	uint8_t prefixes;		/* OP_* */
	uint8_t opcode;
	uint8_t cc;			/* condition code, low four bits of the opcode */
	uint8_t flags;			/* of the rule that chose `run`: RULE_* */
	uint16_t selector;		/* far pointer; ENTER: nesting level */
	uint16_t mnemonic;
	uint8_t bytes[16];
	struct native native;
};

#define RULE_FLAGS	(1 << 0)	/* ALU routine needs the flags before it */
#define RULE_CARRY	(1 << 3)	/* ... CF only */
#define RULE_READ	(1 << 2)	/* destination is only read (CMP, TEST, BT) */

/* lower.c: 0, or -EINVAL (#UD). */
int op_lower(struct op *op, enum decode_mode mode, const struct insn *insn);
/* native.c: fill op->native; 0, -EINVAL (#UD), -ENOTSUP. */
int native_lower(struct op *op, const struct insn *insn);
op_handler op_native, op_undefined, op_gather, op_vzero;
int gather_lower(struct op *op, const struct insn *insn);

/* RIP behind the instruction. */
static inline uint64_t op_next_rip(const struct vcpu *vcpu, const struct op *op)
{
	uint64_t next = vcpu->rip + op->length;

	return op->mode == DECODE_64 ? next : (uint32_t)next;
}

static inline enum emulate_result op_done(struct vcpu *vcpu, const struct op *op)
{
	vcpu->rip = op_next_rip(vcpu, op);
	return EMULATE_OK;
}

static inline enum emulate_result raise_ud(struct vcpu *vcpu)
{
	vcpu_raise(vcpu, VEC_UD);
	return EMULATE_EXCEPTION;
}

static inline enum emulate_result raise_gp(struct vcpu *vcpu, uint32_t error)
{
	vcpu_raise_error(vcpu, VEC_GP, error);
	return EMULATE_EXCEPTION;
}

static inline bool mode_protected(const struct vcpu *vcpu)
{
	return (vcpu->cr0 & CR0_PE) && !(vcpu->rflags & RFLAGS_VM);
}

static inline bool mode_v86(const struct vcpu *vcpu)
{
	return vcpu->rflags & RFLAGS_VM;
}

static inline unsigned vcpu_iopl(const struct vcpu *vcpu)
{
	return (vcpu->rflags >> 12) & 3;
}

static inline uint64_t size_mask(unsigned size)
{
	return size >= 8 ? ~0ul : (1ul << (size * 8)) - 1;
}

static inline int64_t sign_extend(uint64_t value, unsigned size)
{
	unsigned shift = 64 - size * 8;

	return (int64_t)(value << shift) >> shift;
}

/* Registers; a 4-byte write clears the upper half. */
static inline uint64_t reg_get(const struct vcpu *vcpu, unsigned reg, unsigned size)
{
	return vcpu->regs[reg] & size_mask(size);
}

static inline void reg_set(struct vcpu *vcpu, unsigned reg, unsigned size, uint64_t value)
{
	uint64_t *r = &vcpu->regs[reg];

	switch (size) {
	case 1: *r = (*r & ~0xfful) | (uint8_t)value; break;
	case 2: *r = (*r & ~0xfffful) | (uint16_t)value; break;
	case 4: *r = (uint32_t)value; break;
	default: *r = value; break;
	}
}

/* Add to a counter or pointer register of `size` bytes (string instructions, LOOP). */
static inline void reg_add(struct vcpu *vcpu, unsigned reg, unsigned size, uint64_t n)
{
	reg_set(vcpu, reg, size, vcpu->regs[reg] + n);
}

bool cc_holds(uint64_t rflags, unsigned cc);

/* ---- operand.c ---- */

static inline unsigned mem_access(const struct vcpu *vcpu)
{
	return vcpu->cpl == 3 ? WALK_USER : 0;
}

/* Segment base of an effective address in the current mode. */
uint64_t segment_base(const struct vcpu *vcpu, unsigned seg);
/* Offset in segment -> linear address, with the checks of the mode. */
bool mem_linear(struct vcpu *vcpu, unsigned seg, uint64_t offset, unsigned len, bool write,
		gva_t *out);
/* Effective address of the op's memory operand (offset in segment / linear). */
uint64_t op_offset(const struct vcpu *vcpu, const struct op *op);
bool op_linear(struct vcpu *vcpu, const struct op *op, unsigned len, bool write, gva_t *out);

/* With the current privilege.  len <= 8 for load/store. */
bool mem_read(struct vcpu *vcpu, gva_t addr, void *buf, unsigned len);
bool mem_write(struct vcpu *vcpu, gva_t addr, const void *buf, unsigned len);
bool mem_load(struct vcpu *vcpu, gva_t addr, unsigned size, uint64_t *value);
bool mem_store(struct vcpu *vcpu, gva_t addr, unsigned size, uint64_t value);
/* As supervisor, implicit: descriptor tables and TSS. */
bool mem_system_read(struct vcpu *vcpu, gva_t addr, void *buf, unsigned len);
bool mem_system_write(struct vcpu *vcpu, gva_t addr, const void *buf, unsigned len);
/* Would a write of len bytes fault?  false: exception set. */
bool mem_probe_write(struct vcpu *vcpu, gva_t addr, unsigned len);

/*
 * Host view of the page holding addr, from addr on.  false: exception set.
 * *host NULL: not RAM, go by mem_load()/mem_store().
 */
bool mem_span(struct vcpu *vcpu, gva_t addr, bool write, void **host);

/* Value of operand i; a memory operand is loaded. */
bool op_get(struct vcpu *vcpu, const struct op *op, unsigned i, uint64_t *value);
/* Store to operand i (register or memory). */
bool op_set(struct vcpu *vcpu, const struct op *op, unsigned i, uint64_t value);

/* A memory operand to be read, computed on and written; host NULL: MMIO or page-crossing. */
struct rmw {
	gva_t addr;
	void *host;
	unsigned size;
	bool lock;
};
bool rmw_begin(struct vcpu *vcpu, const struct op *op, gva_t addr, unsigned size,
	       struct rmw *rmw, uint64_t *old);
/* 1: written; 0: somebody else changed it, *old is the new value, compute again; -1: fault. */
int rmw_commit(struct vcpu *vcpu, struct rmw *rmw, uint64_t *old, uint64_t value);

/* ---- stack.c ---- */

/* Stack pointer width in bytes. */
unsigned stack_size(const struct vcpu *vcpu);
bool stack_push(struct vcpu *vcpu, unsigned size, uint64_t value);	/* moves RSP */
bool stack_pop(struct vcpu *vcpu, unsigned size, uint64_t *value);	/* moves RSP */
/* Would a push fault? */
bool stack_probe(struct vcpu *vcpu, unsigned size);
/* Read at RSP + displacement without moving it. */
bool stack_peek(struct vcpu *vcpu, unsigned displacement, unsigned size, uint64_t *value);
void stack_adjust(struct vcpu *vcpu, int64_t n);

/* ---- alu.c ---- */

/* dst (RAX), src (RDX), count (RCX); arithmetic flags in and out. */
void alu_call(alu_function *fn, uint64_t *dst, uint64_t *src, uint64_t count, uint64_t *rflags);
/* The same where the routine does not read flags. */
void alu_call_fresh(alu_function *fn, uint64_t *dst, uint64_t *src, uint64_t count,
		    uint64_t *rflags);
/* index: 0..3 for 1, 2, 4, 8 bytes */
static inline unsigned size_index(unsigned size)
{
	return (unsigned)__builtin_ctz(size);
}

/* ---- branch.c ---- */

/* Near target check: canonical or within CS.limit; #GP(0). */
bool branch_check(struct vcpu *vcpu, uint64_t target);

#endif
