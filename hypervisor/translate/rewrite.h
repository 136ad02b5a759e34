/* SPDX-License-Identifier: MIT */
/*
 * One guest instruction to host code.
 */
#ifndef RING3_TRANSLATE_REWRITE_H
#define RING3_TRANSLATE_REWRITE_H

#include "decode/decode.h"
#include "translate/block.h"
#include "translate/emit.h"

#define REWRITE_MAX_FIXES	(BLOCK_MAX_INSNS * 12)

/* A block in the making. */
struct rewrite {
	struct emitter out;
	struct block *block;
	uint64_t delta;
	uint64_t rip, next;		/* of the current instruction */
	const struct insn *insn;
	unsigned index;			/* of the current instruction in the block */
	bool after_sti;			/* the instruction before was STI */
	bool simd_checked;		/* this block has made sure that SIMD state is here */
	bool same_xcr0;			/* the guest's XCR0 is the host's */
	bool fsgsbase;			/* CR4.FSGSBASE is set */
	bool ended;			/* the instruction ended the block */
	/* Call-outs and exits, whose out-of-line code follows the block. */
	struct {
		struct site *site;
		uint32_t branch;	/* rel32 to point at it */
		struct fix state;	/* of the guest while there */
	} pending[BLOCK_MAX_INSNS * 2];
	unsigned n_pending;
	unsigned n_fixes;
	struct fix fixes[REWRITE_MAX_FIXES];
};

/* Record that the state described holds from the current output position on. */
void rewrite_fix(struct rewrite *r, unsigned flags, unsigned spilled);

/* Translate r->insn.  interpret: emit a call-out to the interpreter whatever it is. */
void rewrite_insn(struct rewrite *r, bool interpret);
/* The block ends without a branch: go on at r->next. */
void rewrite_fall_through(struct rewrite *r);
/* Emit the out-of-line parts. */
void rewrite_finish(struct rewrite *r);

/* --- for the parts of the rewriter: rewrite.c, operand.c, rsp.c, branch.c, stack.c --- */
int rewrite_gpr(ZydisRegister reg);		/* which general register this is part of, or -1 */
/* The explicit or implied memory operand, or NULL. */
const ZydisDecodedOperand *rewrite_memory(const struct insn *insn);
uint32_t rewrite_used(const struct insn *insn);	/* mask of general registers named or implied */
unsigned rewrite_scratch(uint32_t used);	/* a low register (not RSP) outside the mask */
void rewrite_spill(struct rewrite *r, unsigned reg, unsigned spilled_before, unsigned flags);
struct site *rewrite_site(struct rewrite *r, site_handler handler);
/* jmp to the site's out-of-line code; resumes behind this point if `resume`. */
void rewrite_leave(struct rewrite *r, struct site *site, bool resume);
void rewrite_interpret(struct rewrite *r, bool ends);
/*
 * Copy the instruction with its memory operand rebased.  replace: general
 * register to stand in for RSP in register operands, or -1; only_memory: mov
 * form to load the explicit operand is built by branch.c itself.
 * false: not expressible (too long, odd encoding); nothing was emitted.
 */
bool rewrite_copy(struct rewrite *r, int replace);
/*
 * The same through a scratch register that holds the operand's whole address:
 * for RIP-relative operands beyond the reach of [disp32].
 */
bool rewrite_copy_far(struct rewrite *r);
/* Emit "mov reg, <the explicit r/m operand of the current branch>". used: not to clobber. */
bool rewrite_load_operand(struct rewrite *r, unsigned reg);

/* segment.c: selectors and bases.  false: the interpreter's; nothing was emitted. */
bool rewrite_segment(struct rewrite *r);

/* Is RSP an explicit register operand, and how is it used? */
bool rewrite_names_rsp(const struct insn *insn, bool *reads, bool *writes);
void rewrite_rsp_operand(struct rewrite *r, bool reads, bool writes);
bool rewrite_lea_rsp(struct rewrite *r);	/* false: not one of the simple ones */

bool rewrite_stack(struct rewrite *r);		/* true: it was one of its instructions */
bool rewrite_branch(struct rewrite *r);
bool rewrite_string(struct rewrite *r);

#endif
