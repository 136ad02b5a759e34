/* SPDX-License-Identifier: MIT */
/*
 * Block descriptors, their indexes (by guest RIP, by guest page, by host
 * address), linking and dropping.
 *
 * Owns the code cache: code grows up from LAYOUT_CACHE, descriptors and call-out
 * sites from LAYOUT_CACHE + CODE_SIZE, both bump-allocated and freed together
 * by block_flush().  Called by the translator and by whoever learns that code
 * changed; knows nothing of instructions except the rel32 of a jump.
 */
#include "translate/block.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/hostcall.h"
#include "base/log.h"
#include "debug/stats.h"
#include "memory/ram.h"
#include "memory/vtlb.h"
#include "memory/walk.h"
#include "translate/emit.h"
#include "translate/translate.h"

#include <sys/mman.h>

#define CODE_SIZE	(LAYOUT_CACHE_SIZE / 2)
#define META_BASE	(LAYOUT_CACHE + CODE_SIZE)
#define META_SIZE	(LAYOUT_CACHE_SIZE - CODE_SIZE)

#define HASH_BITS	16
#define HASH_SIZE	(1u << HASH_BITS)
#define PAGE_HASH_SIZE	(1u << 13)
#define BLOCKS_MAX	(1u << 19)

#define IBL_ENTRIES	65536u
_Static_assert(IBL_ENTRIES * 8 <= LAYOUT_IBL_SIZE, "indirect-branch table outgrew its area");
_Static_assert(LAYOUT_CACHE + LAYOUT_CACHE_SIZE <= 0x80000000UL, "cache beyond [disp32]");

static struct block *hash[HASH_SIZE];
static struct code_page *va_hash[PAGE_HASH_SIZE], *gpa_hash[PAGE_HASH_SIZE];
static struct code_page *local_pages;	/* not global: looked at again with every CR3 */
static struct block **by_host;		/* ascending by host */
static unsigned n_blocks;
static uint8_t *code_next, *meta_next;
static uint64_t generation;
static uint64_t *ibl;			/* indirect-branch table: host addresses */
static struct block **ibl_first;	/* whose thunk that is; misses go on to ibl_next's */

static unsigned rip_slot(uint64_t rip)
{
	return (unsigned)((rip * 0x9e3779b97f4a7c15ul) >> (64 - HASH_BITS));
}

static unsigned page_slot(uint64_t page)
{
	return (unsigned)(((page >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ul) >> 51);
}

static void reset_allocation(void)
{
	memset(hash, 0, sizeof(hash));
	memset(va_hash, 0, sizeof(va_hash));
	memset(gpa_hash, 0, sizeof(gpa_hash));
	block_unlink_indirect();
	local_pages = NULL;
	n_blocks = 0;
	code_next = (uint8_t *)LAYOUT_CACHE;
	meta_next = (uint8_t *)META_BASE;
}

int block_init(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE;
	long r;

	r = hostcall_mmap(LAYOUT_CACHE, LAYOUT_CACHE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			  flags, -1, 0);
	if (r < 0)
		return (int)r;
	r = hostcall_mmap(LAYOUT_IBL, LAYOUT_IBL_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (r < 0)
		return (int)r;
	ibl = (uint64_t *)LAYOUT_IBL;
	ibl_first = arena_alloc(IBL_ENTRIES * sizeof(*ibl_first), 64);
	by_host = arena_alloc(BLOCKS_MAX * sizeof(*by_host), 64);
	reset_allocation();
	return 0;
}

struct block *block_find(uint64_t rip)
{
	struct block *b = hash[rip_slot(rip)];

	while (b && b->rip != rip)
		b = b->hash_next;
	return b;
}

struct block *block_at_host(uint64_t host)
{
	unsigned low = 0, high = n_blocks;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (by_host[mid]->host <= host)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || host >= by_host[low - 1]->host_end)
		return NULL;
	return by_host[low - 1];
}

bool block_reserve(size_t code_bytes, size_t meta_bytes)
{
	return code_next + code_bytes <= (uint8_t *)(LAYOUT_CACHE + CODE_SIZE) &&
	       meta_next + meta_bytes <= (uint8_t *)(META_BASE + META_SIZE) &&
	       n_blocks < BLOCKS_MAX;
}

uint8_t *block_code(void)
{
	return code_next;
}

void block_commit_code(const uint8_t *end)
{
	code_next = (uint8_t *)align_up((uintptr_t)end, 16);
}

void *block_meta(size_t size)
{
	void *p = meta_next;

	size = align_up(size, 8);
	bug_on(meta_next + size > (uint8_t *)(META_BASE + META_SIZE));
	meta_next += size;
	memset(p, 0, size);
	return p;
}

struct block *block_new(uint64_t rip)
{
	struct block *b = block_meta(sizeof(*b));

	b->rip = rip;
	return b;
}

/* --- code pages --- */

static struct code_page *page_find(uint64_t va, uint64_t gpa)
{
	struct code_page *p = va_hash[page_slot(va)];

	while (p && (p->va != va || p->gpa != gpa))
		p = p->va_next;
	return p;
}

static void page_list_local(struct code_page *p)
{
	if (p->global || p->is_local)
		return;
	p->is_local = true;
	p->local_next = local_pages;
	local_pages = p;
}

static struct code_page *page_get(const struct code_page *want)
{
	struct code_page *p = page_find(want->va, want->gpa);

	if (!p) {
		p = block_meta(sizeof(*p));
		p->va = want->va;
		p->gpa = want->gpa;
		p->va_next = va_hash[page_slot(p->va)];
		va_hash[page_slot(p->va)] = p;
		p->gpa_next = gpa_hash[page_slot(p->gpa)];
		gpa_hash[page_slot(p->gpa)] = p;
	}
	p->global = want->global;
	page_list_local(p);
	return p;
}

void block_publish(struct block *b, const struct code_page *pages, unsigned n_pages)
{
	unsigned slot = rip_slot(b->rip);

	for (unsigned i = 0; i < n_pages; i++) {
		struct code_page *p = page_get(&pages[i]);

		b->page[i] = p;
		b->page_next[i] = p->blocks;
		p->blocks = b;
		vtlb_protect_code(GPA(p->gpa));
	}
	b->n_pages = (uint8_t)n_pages;
	b->valid = true;
	b->hash_next = hash[slot];
	hash[slot] = b;
	by_host[n_blocks++] = b;
}

/* --- linking --- */

static void patch_branch(uint32_t field, uint32_t target)
{
	uint32_t rel = target - (field + 4);

	memcpy((void *)(uintptr_t)field, &rel, 4);
}

void block_link(struct site *exit, struct block *to)
{
	if (!exit->branch || !to->valid || !exit->block->valid)
		return;
	exit->to = to;
	exit->in_next = to->incoming;
	to->incoming = exit;
	patch_branch(exit->branch, to->host);
}

static void unlink_exit(struct site *exit)
{
	struct site **at;

	if (!exit->to)
		return;
	for (at = &exit->to->incoming; *at; at = &(*at)->in_next) {
		if (*at == exit) {
			*at = exit->in_next;
			break;
		}
	}
	exit->to = NULL;
}

/*
 * The checked entry: reached through ibl[low 16 bits of the target] with the
 * target in fast.branch_target and the guest's RCX in its spill slot.
 */
static void make_thunk(struct block *b)
{
	struct emitter e = { code_next };
	uint8_t *jrcxz;

	b->thunk = (uint32_t)(uintptr_t)e.p;
	if (fits_sext32(0 - b->rip)) {
		emit_load(&e, REG_RCX, VCPU_ADDR(fast.branch_target));
		emit_bytes(&e, (const uint8_t[]){ 0x48, 0x8d, 0x89 }, 3);	/* lea rcx, [rcx - rip] */
		emit32(&e, (uint32_t)(0 - b->rip));
	} else {
		emit_store(&e, REG_RAX, SPILL_ADDR(REG_RAX));
		emit_load(&e, REG_RAX, VCPU_ADDR(fast.branch_target));
		emit_imm(&e, REG_RCX, 0 - b->rip);
		emit_lea_sum(&e, REG_RCX, REG_RCX, REG_RAX);
		emit_load(&e, REG_RAX, SPILL_ADDR(REG_RAX));
	}
	emit8(&e, 0xe3);
	jrcxz = e.p;
	emit8(&e, 0);
	b->thunk_miss = emit_jump(&e, (uintptr_t)translate_ibl_miss);
	*jrcxz = (uint8_t)(e.p - (jrcxz + 1));
	emit_load(&e, REG_RCX, SPILL_ADDR(REG_RCX));
	emit_jump(&e, b->host);
	block_commit_code(e.p);
}

static uint32_t ibl_entry(const struct block *b)
{
	return b ? b->thunk : (uint32_t)(uintptr_t)translate_ibl_miss;
}

void block_link_indirect(struct block *b)
{
	unsigned slot;

	if (!b->valid)
		return;
	if (!b->thunk) {
		if (!block_reserve(64, 0))
			return;
		make_thunk(b);
	}
	if (b->in_ibl)
		return;
	slot = b->rip & (IBL_ENTRIES - 1);
	b->in_ibl = true;
	b->ibl_next = ibl_first[slot];
	patch_branch(b->thunk_miss, ibl_entry(b->ibl_next));
	ibl_first[slot] = b;
	ibl[slot] = b->thunk;
}

static void ibl_remove(struct block *b)
{
	unsigned slot = b->rip & (IBL_ENTRIES - 1);
	struct block **at = &ibl_first[slot], *before = NULL;

	if (!b->in_ibl)
		return;
	b->in_ibl = false;
	while (*at != b) {
		before = *at;
		at = &before->ibl_next;
	}
	*at = b->ibl_next;
	if (before)
		patch_branch(before->thunk_miss, ibl_entry(b->ibl_next));
	else
		ibl[slot] = ibl_entry(b->ibl_next);
}

void block_unlink_indirect(void)
{
	for (unsigned i = 0; i < IBL_ENTRIES; i++) {
		for (struct block *b = ibl_first[i]; b; b = b->ibl_next)
			b->in_ibl = false;
		ibl_first[i] = NULL;
		ibl[i] = (uintptr_t)translate_ibl_miss;
	}
}

/* --- dropping --- */

static void page_remove(struct code_page *p, struct block *b)
{
	struct block **at = &p->blocks;

	while (*at && *at != b) {
		struct block *other = *at;

		at = &other->page_next[other->page[0] == p ? 0 : 1];
	}
	if (*at)
		*at = b->page_next[b->page[0] == p ? 0 : 1];
}

void block_drop(struct block *b)
{
	struct block **at = &hash[rip_slot(b->rip)];

	if (!b->valid)
		return;
	b->valid = false;
	generation++;
	stats.blocks_dropped++;
	while (*at && *at != b)
		at = &(*at)->hash_next;
	if (*at)
		*at = b->hash_next;
	for (unsigned i = 0; i < b->n_pages; i++)
		page_remove(b->page[i], b);
	ibl_remove(b);
	while (b->incoming) {
		struct site *in = b->incoming;

		b->incoming = in->in_next;
		in->to = NULL;
		patch_branch(in->branch, in->stub);
	}
	/* Its own way out must not lead to blocks that may die unseen. */
	for (unsigned i = 0; i < b->n_exits; i++) {
		unlink_exit(b->exits[i]);
		if (b->exits[i]->branch)
			patch_branch(b->exits[i]->branch, b->exits[i]->stub);
	}
}

static void drop_blocks_of(struct code_page *p)
{
	while (p->blocks)
		block_drop(p->blocks);
}

void block_drop_page(gpa_t page)
{
	for (struct code_page *p = gpa_hash[page_slot(page.v)]; p; p = p->gpa_next)
		if (p->gpa == page.v)
			drop_blocks_of(p);
}

static bool block_holds(const struct block *b, const struct code_page *p, uint64_t from, uint64_t to)
{
	/* Offsets of the block's bytes relative to this page's start. */
	int64_t start = (int64_t)(b->rip - p->va), end = start + b->length;

	return start < (int64_t)to && end > (int64_t)from;
}

void block_drop_range(gpa_t start, uint64_t len)
{
	uint64_t page = start.v & PAGE_MASK, from = start.v - page, to = from + len;

	for (struct code_page *p = gpa_hash[page_slot(page)]; p; p = p->gpa_next) {
		struct block *b, *next;

		if (p->gpa != page)
			continue;
		for (b = p->blocks; b; b = next) {
			next = b->page_next[b->page[0] == p ? 0 : 1];
			if (block_holds(b, p, from, to))
				block_drop(b);
		}
	}
}

void block_drop_holding(uint64_t rip)
{
	for (struct code_page *p = va_hash[page_slot(rip & PAGE_MASK)]; p; p = p->va_next) {
		struct block *b, *next;

		if (p->va != (rip & PAGE_MASK))
			continue;
		for (b = p->blocks; b; b = next) {
			next = b->page_next[b->page[0] == p ? 0 : 1];
			if (rip - b->rip < b->length)
				block_drop(b);
		}
	}
}

static void page_revalidate(struct vcpu *vcpu, struct code_page *p)
{
	struct walk w;

	if (!p->blocks)
		return;
	if (walk_translate(vcpu, GVA(p->va), WALK_EXEC | WALK_PROBE, &w) || w.gpa.v != p->gpa)
		drop_blocks_of(p);
	else
		p->global = w.global;
}

void block_revalidate(struct vcpu *vcpu, bool global_too)
{
	struct code_page **at = &local_pages, *p;

	if (global_too) {
		for (unsigned i = 0; i < PAGE_HASH_SIZE; i++) {
			for (p = va_hash[i]; p; p = p->va_next) {
				page_revalidate(vcpu, p);
				page_list_local(p);
			}
		}
		return;
	}
	while ((p = *at) != NULL) {
		page_revalidate(vcpu, p);
		if (p->blocks && !p->global) {
			at = &p->local_next;
			continue;
		}
		p->is_local = false;
		*at = p->local_next;
	}
}

void block_revalidate_va(struct vcpu *vcpu, uint64_t va)
{
	va &= PAGE_MASK;
	for (struct code_page *p = va_hash[page_slot(va)]; p; p = p->va_next)
		if (p->va == va)
			page_revalidate(vcpu, p);
}

void block_flush(void)
{
	stats.cache_flushes++;
	generation++;
	reset_allocation();
}

uint64_t block_generation(void)
{
	return generation;
}
