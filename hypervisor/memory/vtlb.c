/* SPDX-License-Identifier: MIT */
/*
 * The virtual TLB: fills of the kernel world, flushes, and the rule that code
 * pages are read-only.
 *
 * A fill maps as much as one host call can: a large guest page whole, and on
 * from it over physically contiguous neighbours with the same rights (the
 * direct map of a Linux kernel becomes one or two host mappings); a small page
 * with its contiguous neighbours within 64 KiB.
 */
#include "memory/vtlb.h"

#include "base/log.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "emulate/system.h"
#include "memory/access.h"
#include "memory/ram.h"
#include "memory/vtlb_space.h"
#include "patch/patch.h"
#include "translate/block.h"

#define RUN_MAX		(1024 * MIB)

/* --- code pages --- */

static void protect_single(uint32_t i)
{
	struct entry *e = entry_get(i);

	if (!(e->prot & WORLD_PROT_W))
		return;
	e->prot &= (uint8_t)~WORLD_PROT_W;
	space_protect(e->space, e->va, PAGE_SIZE, e->prot);
}

static void protect_in_runs(uint64_t frame)
{
	for (unsigned space = 0; space <= worlds_count(); space++) {
		uint32_t i = entry_list(space)->first;

		for (; i != ENTRY_NONE; i = entry_get(i)->space_next) {
			struct entry *e = entry_get(i);

			if (e->pages == 1)
				break;
			if (frame - e->frame < e->pages && (e->prot & WORLD_PROT_W))
				space_protect(space, e->va + (frame - e->frame) * PAGE_SIZE, PAGE_SIZE,
					      e->prot & ~WORLD_PROT_W);
		}
	}
}

void vtlb_protect_code(gpa_t page)
{
	uint64_t frame;

	if (ram_is_code(page))
		return;
	frame = ram_offset(page) / PAGE_SIZE;
	ram_mark_code(page, true);
	for (uint32_t i = entry_of_frame(frame); i != ENTRY_NONE; i = entry_get(i)->frame_next)
		protect_single(i);
	protect_in_runs(frame);
}

/* The engine, or an interpreted instruction, is about to write to a code page. */
static void code_written(gpa_t page)
{
	uint64_t frame = ram_offset(page) / PAGE_SIZE;
	uint32_t i, next;

	trace_exit(TRACE_K_CODE_WRITTEN, 0, page.v, 0);
	ram_mark_code(page, false);
	block_drop_page(page);
	patch_drop(page);
	for (i = entry_of_frame(frame); i != ENTRY_NONE; i = next) {
		struct entry *e = entry_get(i);

		next = e->frame_next;
		if (e->prot & WORLD_PROT_X) {
			space_unmap(e->space, e->va, PAGE_SIZE);
			entry_remove(i);
		}
	}
}

/* --- fills of the kernel world --- */

static unsigned kernel_prot(const struct vcpu *vcpu, const struct walk *w)
{
	bool writable = w->dirty && (w->writable || !(vcpu->cr0 & CR0_WP));

	return WORLD_PROT_R | (writable ? WORLD_PROT_W : 0);
}

/* Would mapping va in advance be what a later access finds?  Leaf accessed, same rights. */
static bool continues(struct vcpu *vcpu, uint64_t va, uint64_t offset, uint64_t page_size,
		      unsigned prot, bool global)
{
	struct walk w;

	if (walk_translate(vcpu, GVA(va), WALK_PROBE | WALK_IMPLICIT, &w))
		return false;
	if (w.page_size != page_size || w.global != global || !ram_contains(w.gpa, page_size) ||
	    ram_offset(w.gpa) != offset || (w.user && (vcpu->cr4 & CR4_SMAP)) ||
	    kernel_prot(vcpu, &w) != prot)
		return false;
	return space_accessed(&w);	/* it was present: the walk came there */
}

static bool in_reach(uint64_t va, uint64_t len)
{
	if (va >> 63)
		return va + DELTA_HIGH >= LAYOUT_GUEST_HIGH && va + DELTA_HIGH + len <= LAYOUT_TASK_END;
	return va + len <= LAYOUT_LOW_SIZE;
}

/* Pages of a run that hold code must not become writable with the rest. */
static void hold_back_code(unsigned space, const struct entry *e)
{
	uint64_t start = 0;

	if (!(e->prot & WORLD_PROT_W))
		return;
	for (uint64_t i = 0; i <= e->pages; i++) {
		if (i < e->pages && ram_is_code(ram_gpa((e->frame + i) * PAGE_SIZE)))
			continue;
		if (i > start)
			space_protect(space, e->va + start * PAGE_SIZE, (i - start) * PAGE_SIZE,
				      e->prot & ~WORLD_PROT_W);
		start = i + 1;
	}
}

static void replace_overlapping(unsigned space, uint64_t va, uint64_t len)
{
	uint32_t i = entry_list(space)->first, next;

	for (; i != ENTRY_NONE; i = next) {
		struct entry *e = entry_get(i);

		next = e->space_next;
		if (e->va < va + len && va < e->va + e->pages * PAGE_SIZE) {
			/* What sticks out of the new mapping is no longer known: unmap it. */
			if (e->va < va)
				space_unmap(space, e->va, va - e->va);
			if (e->va + e->pages * PAGE_SIZE > va + len)
				space_unmap(space, va + len, e->va + e->pages * PAGE_SIZE - (va + len));
			entry_remove(i);
		}
	}
}

static bool fill_large(struct vcpu *vcpu, uint64_t addr, const struct walk *w)
{
	uint64_t size = w->page_size, va = addr & ~(size - 1), end = va + size, offset;
	gpa_t base = GPA(w->gpa.v & ~(size - 1));
	struct entry e;

	if (!in_reach(va, size) || !ram_contains(base, size))
		return false;
	offset = ram_offset(base);
	e = (struct entry){ .space = SPACE_KERNEL, .prot = (uint8_t)kernel_prot(vcpu, w),
			    .global = w->global };
	while (end - va < RUN_MAX && in_reach(end, size) &&
	       continues(vcpu, end, offset + (end - va), size, e.prot, e.global))
		end += size;
	while (end - va < RUN_MAX && va >= size && offset >= size && in_reach(va - size, size) &&
	       continues(vcpu, va - size, offset - size, size, e.prot, e.global)) {
		va -= size;
		offset -= size;
	}
	replace_overlapping(SPACE_KERNEL, va, end - va);
	e.va = va;
	e.pages = (end - va) / PAGE_SIZE;
	e.frame = offset / PAGE_SIZE;
	space_map(SPACE_KERNEL, va, end - va, WORLD_RAM, offset, e.prot);
	hold_back_code(SPACE_KERNEL, &e);
	entry_add(&e);
	stats.pages_filled += e.pages;
	return true;
}

static void fill_small(struct vcpu *vcpu, uint64_t addr, const struct walk *w)
{
	uint64_t va = addr & PAGE_MASK, window = va & ~(AROUND * PAGE_SIZE - 1), end = va + PAGE_SIZE;
	uint64_t offset = ram_offset(GPA(w->gpa.v & PAGE_MASK));
	struct entry e = { .space = SPACE_KERNEL, .pages = 1, .global = w->global };
	unsigned prot = kernel_prot(vcpu, w);
	bool code = ram_is_code(GPA(w->gpa.v & PAGE_MASK));
	uint64_t first = va;

	while (!code && end < window + AROUND * PAGE_SIZE && entry_find(SPACE_KERNEL, end) == ENTRY_NONE &&
	       continues(vcpu, end, offset + (end - va), PAGE_SIZE, prot, w->global) &&
	       !ram_is_code(ram_gpa(offset + (end - va))))
		end += PAGE_SIZE;
	while (!code && first > window && entry_find(SPACE_KERNEL, first - PAGE_SIZE) == ENTRY_NONE &&
	       offset >= va - first + PAGE_SIZE &&
	       continues(vcpu, first - PAGE_SIZE, offset - (va - first) - PAGE_SIZE, PAGE_SIZE, prot,
			 w->global) &&
	       !ram_is_code(ram_gpa(offset - (va - first) - PAGE_SIZE)))
		first -= PAGE_SIZE;
	if (code)
		prot &= ~WORLD_PROT_W;
	offset -= va - first;
	space_map(SPACE_KERNEL, first, end - first, WORLD_RAM, offset, prot);
	e.prot = (uint8_t)prot;
	for (uint64_t at = first; at < end; at += PAGE_SIZE) {
		e.va = at;
		e.frame = (offset + (at - first)) / PAGE_SIZE;
		entry_add(&e);
	}
	stats.pages_filled += (end - first) / PAGE_SIZE;
}

void vtlb_change_half(void)
{
	if (entry_list(SPACE_KERNEL)->count)
		space_clear(SPACE_KERNEL);
}

enum vtlb_result vtlb_fill_kernel(struct vcpu *vcpu, gva_t addr, bool write)
{
	uint32_t error, i;
	struct walk w;
	gpa_t page;

	stats.fills_kernel++;
	error = walk_translate(vcpu, addr, write ? WALK_WRITE : WALK_READ, &w);
	if (error) {
		vcpu_raise_pf(vcpu, addr, error & WALK_ERROR_MASK);
		return VTLB_FAULT;
	}
	page = GPA(w.gpa.v & PAGE_MASK);
	trace_exit(TRACE_K_FILL, vcpu->rip, addr.v, page.v);
	if (!ram_contains(page, PAGE_SIZE) || !in_reach(addr.v & PAGE_MASK, PAGE_SIZE) ||
	    (w.user && (vcpu->cr4 & CR4_SMAP)))
		return VTLB_INTERPRET;
	if (write && ram_is_code(page))
		return VTLB_CODE;

	i = entry_find(SPACE_KERNEL, addr.v);
	if (i != ENTRY_NONE) {
		struct entry *e = entry_get(i);
		uint64_t frame = e->frame + ((addr.v & PAGE_MASK) - e->va) / PAGE_SIZE;
		unsigned prot = kernel_prot(vcpu, &w);

		if (frame == ram_offset(page) / PAGE_SIZE && e->pages > 1 && e->prot == prot) {
			/* A page of a run that was held back for its code. */
			space_protect(SPACE_KERNEL, addr.v & PAGE_MASK, PAGE_SIZE, prot);
			return VTLB_FILLED;
		}
		if (frame == ram_offset(page) / PAGE_SIZE && e->pages == 1) {
			e->prot = (uint8_t)prot;
			space_protect(SPACE_KERNEL, e->va, PAGE_SIZE, prot);
			return VTLB_FILLED;
		}
		if (e->pages == 1 || w.page_size == PAGE_SIZE) {
			space_unmap(SPACE_KERNEL, e->va, e->pages * PAGE_SIZE);
			entry_remove(i);
		}
	}
	if (entry_list(SPACE_KERNEL)->count > SPACE_MAPPINGS || entry_full()) {
		stats.evictions++;
		space_clear(SPACE_KERNEL);
	}
	if (w.page_size == PAGE_SIZE || !fill_large(vcpu, addr.v, &w))
		fill_small(vcpu, addr.v, &w);
	return VTLB_FILLED;
}

/* --- flushes --- */

static void flush_all(struct vcpu *vcpu, bool keep_global)
{
	world_quiesce();
	stats.flushes_all++;
	trace_exit(TRACE_K_FLUSH, vcpu->rip, keep_global, 0);
	access_flush(vcpu);
	vtlb_user_flush_all();
	space_revalidate(vcpu, SPACE_KERNEL, !keep_global);
	block_revalidate(vcpu, !keep_global);
}

static void flush_pcid(struct vcpu *vcpu, unsigned pcid)
{
	world_quiesce();
	stats.flushes_pcid++;
	trace_exit(TRACE_K_FLUSH, vcpu->rip, 2, pcid);
	access_flush(vcpu);
	vtlb_user_flush_pcid(pcid);
	space_revalidate(vcpu, SPACE_KERNEL, false);
	block_revalidate(vcpu, false);
}

static void flush_page(struct vcpu *vcpu, unsigned pcid, gva_t addr, bool global_too)
{
	(void)global_too;
	world_quiesce();
	stats.flushes_page++;
	trace_exit(TRACE_K_FLUSH, vcpu->rip, 3, addr.v);
	access_flush(vcpu);
	if (!(addr.v >> 63))
		vtlb_user_flush_page(vcpu, pcid, addr.v);
	space_revalidate_page(vcpu, SPACE_KERNEL, addr.v);
	block_revalidate_va(vcpu, addr.v);
}

static void load_cr3(struct vcpu *vcpu, uint64_t old, bool flush)
{
	(void)old;
	if (flush)
		world_quiesce();
	access_flush(vcpu);
	vtlb_user_cr3(vcpu, flush);
	/* Entries of the kernel world carry no PCID: what is not global is looked at again. */
	space_revalidate(vcpu, SPACE_KERNEL, false);
	block_revalidate(vcpu, false);
}

static void mode_changed(struct vcpu *vcpu)
{
	world_quiesce();
	access_flush(vcpu);
	vtlb_user_flush_all();
	space_revalidate(vcpu, SPACE_KERNEL, true);
	block_revalidate(vcpu, true);
}

static void forget_root(struct vcpu *vcpu, uint64_t root)
{
	(void)vcpu;
	world_quiesce();
	trace_exit(TRACE_K_FLUSH, 0, 4, root);
	vtlb_user_forget(root);
}

static void prefill(uint64_t root, gva_t addr)
{
	vtlb_user_prefill(root, addr.v);
}

static const struct system_tlb_ops tlb_ops = {
	.flush_all = flush_all,
	.flush_pcid = flush_pcid,
	.flush_page = flush_page,
	.load_cr3 = load_cr3,
	.forget_root = forget_root,
	.prefill = prefill,
	.mode_changed = mode_changed,
};

int vtlb_init(void)
{
	if (entry_init(worlds_count() + 1))
		return -1;
	vtlb_user_init(worlds_count());
	ram_code_written = code_written;
	system_tlb = &tlb_ops;
	return 0;
}
