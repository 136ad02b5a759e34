/* SPDX-License-Identifier: MIT */
/*
 * Translated basic blocks: their descriptors, who may find them, how they die.
 *
 * A block is the translation of guest code starting at one guest RIP, executed
 * at CPL0 in 64-bit mode, and is valid while (a) the page tables map its RIP to
 * the page it was read from, executable, and (b) that page has not been written.
 * (a) is block_revalidate()'s, (b) block_drop_page()'s.
 *
 * Descriptors live beside the code, below 4 GiB, and are freed all at once
 * when the cache is flushed; a dropped block stays readable until then, because
 * the CPU may be in it.
 */
#ifndef RING3_TRANSLATE_BLOCK_H
#define RING3_TRANSLATE_BLOCK_H

#include "base/types.h"
#include "machine/vcpu.h"

#define BLOCK_MAX_INSNS	40

/*
 * How the guest's state is spread from one host address of a block on: see
 * translate/fixup.c, which reads them.
 */
enum fix_flag {
	FIX_DONE	= 1 << 0,	/* the instruction is complete: RIP is the next one's */
	FIX_RDI		= 1 << 1,	/* RDI carries delta */
	FIX_RSP8	= 1 << 2,	/* RSP is 8 too low */
	FIX_TARGET	= 1 << 3,	/* RIP is fast.branch_target */
	FIX_TAKEN	= 1 << 4,	/* RIP is exits[0].target */
	FIX_SHADOW	= 1 << 5,	/* the instruction before was STI */
	FIX_CRITICAL	= 1 << 7,	/* neither before nor after: let it finish first */
	FIX_RSP_VALUE	= 1 << 6,	/* RSP's guest value is in the (only) scratch register */
};

struct fix {
	uint16_t host;		/* offset in the block's host code */
	uint16_t spilled;	/* registers whose guest value is in fast.spill[] */
	uint8_t flags;
	uint8_t insn;		/* index of the guest instruction */
};

struct block;
struct site;

/* Leaving generated code for the engine.  true: go on at vcpu->fast.cache_rip. */
typedef bool (*site_handler)(struct vcpu *vcpu, struct site *site);

struct site {
	site_handler handler;
	uint64_t rip;		/* guest RIP that the vCPU is at when it leaves here */
	uint64_t next;		/* of the following instruction; exits: the target */
	struct block *block;
	uint32_t resume;	/* host address of the following instruction; 0: none in this block */
	/* Direct branches: */
	uint32_t branch;	/* host address of the rel32 to patch; 0: not a direct branch */
	uint32_t stub;		/* where it leads while not linked */
	struct block *to;	/* linked target */
	struct site *in_next;	/* others linked to the same target */
	void *insn;		/* struct insn for the interpreter, or NULL */
	bool operand64;		/* SYSRET: with REX.W */
};

/* One guest page that code was translated from, as seen at one virtual page. */
struct code_page {
	uint64_t va;		/* page address */
	uint64_t gpa;
	bool global;
	struct block *blocks;	/* through page_next[] */
	bool is_local;			/* in the list of those not global */
	struct code_page *va_next, *gpa_next, *local_next;
};

struct block {
	uint64_t rip;
	uint32_t host, host_end;	/* generated code */
	uint32_t thunk;			/* checked entry for indirect branches, 0: none yet */
	uint32_t thunk_miss;		/* rel32 of its jump where the target is another */
	struct block *ibl_next;		/* others with the same place in the table */
	bool in_ibl;
	uint16_t length;		/* of guest code */
	uint16_t n_fixes;
	uint8_t n_insns, n_exits, n_pages;
	bool valid;
	uint16_t *insn_offset;		/* n_insns + 1 entries */
	struct fix *fixes;		/* ascending by host */
	struct site *exits[2];		/* direct branches */
	struct site *incoming;		/* direct branches linked here */
	struct block *hash_next;
	struct code_page *page[2];
	struct block *page_next[2];
};

int block_init(void);				/* reserve the cache; 0 or -errno */

struct block *block_find(uint64_t rip);		/* valid, or NULL */
/* The block whose code holds this host address, dropped ones too; NULL: a thunk or outside. */
struct block *block_at_host(uint64_t host);

/* Memory for one translation.  false: the cache is full, block_flush() first. */
bool block_reserve(size_t code_bytes, size_t meta_bytes);
uint8_t *block_code(void);			/* where the next code goes */
void block_commit_code(const uint8_t *end);
void *block_meta(size_t size);			/* zeroed, below 4 GiB */

struct block *block_new(uint64_t rip);
/* Enter it into all indexes, mark its pages. pages: guest-physical, by virtual page. */
void block_publish(struct block *b, const struct code_page *pages, unsigned n_pages);

void block_drop(struct block *b);
void block_drop_holding(uint64_t rip);		/* all whose guest code contains this RIP */
void block_drop_page(gpa_t page);		/* its content changes */
void block_drop_range(gpa_t start, uint64_t len);	/* only blocks that contain these bytes */
/* Compare the code pages with the page tables; drop what moved or became non-executable. */
void block_revalidate(struct vcpu *vcpu, bool global_too);
void block_revalidate_va(struct vcpu *vcpu, uint64_t va);
void block_flush(void);				/* everything; not while in the cache */
/* Increases whenever any block is dropped. */
uint64_t block_generation(void);

/* Direct branch `exit` leads to `to` from now on. */
void block_link(struct site *exit, struct block *to);
/* Make the indirect-branch table know this block. */
void block_link_indirect(struct block *b);
/* The other half's code runs from now on: the table must not lead to this half's. */
void block_unlink_indirect(void);

#endif
