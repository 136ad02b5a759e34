/* SPDX-License-Identifier: MIT */
/*
 * Making a block: fetch by the guest's page tables, decode, rewrite, publish.
 */
#include "translate/translate.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "debug/breakpoints.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "decode/decode.h"
#include "memory/ram.h"
#include "memory/walk.h"
#include "translate/rewrite.h"

/* Room for the largest translation of one block. */
#define CODE_ROOM	(BLOCK_MAX_INSNS * 160u)
#define META_ROOM	(BLOCK_MAX_INSNS * 2 * sizeof(struct site) + \
			 REWRITE_MAX_FIXES * sizeof(struct fix) + 4096)

/* Instructions better interpreted: open addressing, forgotten all at once when half full. */
#define DEMOTED_SIZE	65536u
static uint64_t demoted[DEMOTED_SIZE];
static unsigned n_demoted;

static struct rewrite rewrite;
static uint64_t host_xcr0;

/* What blocks are made for, besides their code: XSAVE and the like want one value of XCR0, RDFSBASE
 * and the like CR4.FSGSBASE.  When it changes, all go. */
static uint64_t assumed_environment;

static uint64_t environment(const struct vcpu *vcpu)
{
	return vcpu->xcr0 | (vcpu->cr4 & CR4_FSGSBASE) << 32;	/* XCR0 has no bit 48 */
}

int translate_init(void)
{
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	host_xcr0 = (uint64_t)high << 32 | low;
	decode_init();
	return block_init();
}

static unsigned demoted_slot(uint64_t rip)
{
	unsigned slot = (unsigned)((rip * 0x9e3779b97f4a7c15ul) >> 48);

	while (demoted[slot] && demoted[slot] != rip)
		slot = (slot + 1) % DEMOTED_SIZE;
	return slot;
}

void translate_demote(uint64_t rip)
{
	unsigned slot = demoted_slot(rip);

	if (demoted[slot])
		return;
	if (++n_demoted > DEMOTED_SIZE / 2) {
		memset(demoted, 0, sizeof(demoted));
		n_demoted = 1;
		slot = demoted_slot(rip);
	}
	demoted[slot] = rip;
	stats.sites_adapted++;
	trace_exit(TRACE_K_ADAPT, rip, n_demoted, 0);
}

void translate_promote_all(void)
{
	for (unsigned slot = 0; slot < DEMOTED_SIZE; slot++) {
		if (!demoted[slot])
			continue;
		block_drop_holding(demoted[slot]);
		demoted[slot] = 0;
	}
	n_demoted = 0;
}

/* The guest code that a block may be made of: this page, and the next if it is needed. */
struct source {
	struct vcpu *vcpu;
	struct code_page pages[2];
	unsigned n_pages;
	uint8_t bytes[2 * PAGE_SIZE];	/* snapshot from the first page's start */
	unsigned have;			/* valid bytes */
};

static struct source source;

static bool source_page(struct source *s, uint64_t va)
{
	struct walk w;
	const void *p;

	if (walk_translate(s->vcpu, GVA(va), WALK_EXEC, &w))
		return false;
	p = ram_pointer(GPA(w.gpa.v & PAGE_MASK), PAGE_SIZE);
	if (!p)
		return false;
	s->pages[s->n_pages++] = (struct code_page){ .va = va, .gpa = w.gpa.v & PAGE_MASK,
						     .global = w.global };
	memcpy(s->bytes + s->have, p, PAGE_SIZE);
	s->have += PAGE_SIZE;
	return true;
}

static enum translate_result source_open(struct source *s, struct vcpu *vcpu, uint64_t rip)
{
	struct walk w;
	uint32_t error;

	s->vcpu = vcpu;
	s->n_pages = 0;
	s->have = 0;
	if (!gva_canonical(GVA(rip))) {
		vcpu_raise_error(vcpu, VEC_GP, 0);
		return TRANSLATE_FAULT;
	}
	error = walk_translate(vcpu, GVA(rip), WALK_EXEC, &w);
	if (error) {
		vcpu_raise_pf(vcpu, GVA(rip), error & WALK_ERROR_MASK);
		return TRANSLATE_FAULT;
	}
	return source_page(s, rip & PAGE_MASK) ? TRANSLATE_OK : TRANSLATE_INTERPRET;
}

/* Decode at rip; the second page joins only when an instruction reaches into it. */
static int source_decode(struct source *s, uint64_t rip, struct insn *insn)
{
	unsigned at = (unsigned)(rip - s->pages[0].va);
	int r = decode_insn(DECODE_64, s->bytes + at, s->have - at, insn);

	if (r == -ENODATA && s->n_pages == 1) {
		if (!source_page(s, s->pages[0].va + PAGE_SIZE))
			return r;
		r = decode_insn(DECODE_64, s->bytes + at, s->have - at, insn);
	}
	return r;
}

static void finish_block(struct rewrite *r, struct block *b)
{
	rewrite_finish(r);
	b->host_end = (uint32_t)(uintptr_t)r->out.p;
	b->n_fixes = (uint16_t)r->n_fixes;
	b->fixes = block_meta(r->n_fixes * sizeof(struct fix));
	memcpy(b->fixes, r->fixes, r->n_fixes * sizeof(struct fix));
	block_commit_code(r->out.p);
}

static enum translate_result make_block(struct vcpu *vcpu, struct block **out)
{
	struct rewrite *r = &rewrite;
	uint16_t offsets[BLOCK_MAX_INSNS + 1];
	enum translate_result result;
	struct insn insn;
	struct block *b;
	unsigned n;

	if (!(vcpu->rip >> 63) && vcpu->rip >= LAYOUT_LOW_SIZE)
		return TRANSLATE_INTERPRET;
	if (gdb_breakpoint_at(GVA(vcpu->rip)))
		return TRANSLATE_INTERPRET;	/* the loop stops there first */
	result = source_open(&source, vcpu, vcpu->rip);
	if (result != TRANSLATE_OK)
		return result;
	if (source_decode(&source, vcpu->rip, &insn))
		return TRANSLATE_INTERPRET;	/* the interpreter raises the exact fault */
	if (!block_reserve(CODE_ROOM, META_ROOM) || environment(vcpu) != assumed_environment) {
		assumed_environment = environment(vcpu);
		trace_exit(TRACE_K_CACHE_FLUSH, vcpu->rip, 0, 0);
		block_flush();
	}

	b = block_new(vcpu->rip);
	b->host = (uint32_t)(uintptr_t)block_code();
	r->out.p = block_code();
	r->block = b;
	r->delta = state_delta(vcpu->rip);
	r->same_xcr0 = vcpu->xcr0 == host_xcr0;
	r->fsgsbase = vcpu->cr4 & CR4_FSGSBASE;
	r->rip = vcpu->rip;
	r->after_sti = r->simd_checked = r->ended = false;
	r->n_pending = r->n_fixes = 0;
	for (n = 0;;) {
		offsets[n] = (uint16_t)(r->rip - b->rip);
		r->index = n;
		r->insn = &insn;
		r->next = r->rip + insn.zy.length;
		rewrite_insn(r, demoted[demoted_slot(r->rip)] == r->rip);
		n++;
		offsets[n] = (uint16_t)(r->next - b->rip);
		r->after_sti = insn.zy.mnemonic == ZYDIS_MNEMONIC_STI;
		if (r->ended)
			break;
		/* Stop at the page's end, when full, and before a breakpoint or what cannot be decoded. */
		if (n == BLOCK_MAX_INSNS ||
		    r->n_fixes + 24 > REWRITE_MAX_FIXES ||
		    r->next - source.pages[0].va >= PAGE_SIZE || gdb_breakpoint_at(GVA(r->next)) ||
		    source_decode(&source, r->next, &insn)) {
			rewrite_fall_through(r);
			break;
		}
		r->rip = r->next;
	}
	b->n_insns = (uint8_t)n;
	b->length = offsets[n];
	b->insn_offset = block_meta((n + 1) * sizeof(uint16_t));
	memcpy(b->insn_offset, offsets, (n + 1) * sizeof(uint16_t));
	finish_block(r, b);
	/* The second page was read only if the last instruction reaches into it. */
	if (b->rip + b->length <= source.pages[0].va + PAGE_SIZE)
		source.n_pages = 1;
	block_publish(b, source.pages, source.n_pages);
	stats.blocks++;
	stats.block_instructions += n;
	stats.block_bytes += b->host_end - b->host;
	trace_exit(TRACE_K_BLOCK, b->rip, b->host, b->length);
	*out = b;
	return TRANSLATE_OK;
}

enum translate_result translate_block(struct vcpu *vcpu, struct block **out)
{
	*out = likely(environment(vcpu) == assumed_environment) ? block_find(vcpu->rip) : NULL;
	return *out ? TRANSLATE_OK : make_block(vcpu, out);
}
