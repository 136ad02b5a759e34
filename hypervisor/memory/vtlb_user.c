/* SPDX-License-Identifier: MIT */
/*
 * The virtual TLB's user side: which world shows which guest address space, and
 * fills there.
 *
 * A world stays with its page-table root as long as there are worlds enough.
 * It is *fresh* while no flush of its PCID has happened since it was last made
 * to agree with the page tables; otherwise it is revalidated before use.
 */
#include "debug/breakpoints.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "memory/ram.h"
#include "memory/vtlb.h"
#include "memory/vtlb_space.h"
#include "patch/patch.h"
#include "translate/block.h"

#define WORLDS_MAX	64

struct user_space {
	struct world *world;
	uint64_t root;		/* CR3 address bits; ~0: unused */
	unsigned pcid;
	bool fresh;
	uint64_t used;		/* for choosing the least recently used */
	uint64_t start;		/* page where its program was when it came here */
};

static struct user_space spaces[WORLDS_MAX];
static unsigned n_spaces, current = WORLDS_MAX;
static uint64_t use_clock;

static void user_prefill(struct vcpu *vcpu, unsigned space, uint64_t va);

/* All patched images are about to be forgotten. */
static void drop_patched(void)
{
	for (unsigned space = 1; space <= n_spaces; space++) {
		uint32_t i = entry_list(space)->first, next;

		for (; i != ENTRY_NONE; i = next) {
			struct entry *e = entry_get(i);

			next = e->space_next;
			if (e->source != WORLD_PATCHED)
				continue;
			space_unmap(space, e->va, PAGE_SIZE);
			entry_remove(i);
		}
	}
}

void vtlb_user_init(unsigned worlds)
{
	patch_flush = drop_patched;
	n_spaces = worlds < WORLDS_MAX ? worlds : WORLDS_MAX;
	for (unsigned i = 0; i < n_spaces; i++)
		spaces[i] = (struct user_space){ .world = world_get(i), .root = ~0ul };
}

struct world *space_world(unsigned space)
{
	return spaces[space - 1].world;
}

static unsigned pcid_of(const struct vcpu *vcpu)
{
	return vcpu->cr4 & CR4_PCIDE ? (unsigned)(vcpu->cr3 & CR3_PCID_MASK) : 0;
}

void vtlb_user_cr3(struct vcpu *vcpu, bool flush)
{
	current = WORLDS_MAX;
	if (flush)
		vtlb_user_flush_pcid(pcid_of(vcpu));
}

void vtlb_user_flush_all(void)
{
	for (unsigned i = 0; i < n_spaces; i++)
		spaces[i].fresh = false;
	current = WORLDS_MAX;
}

void vtlb_user_flush_pcid(unsigned pcid)
{
	for (unsigned i = 0; i < n_spaces; i++)
		if (spaces[i].pcid == pcid)
			spaces[i].fresh = false;
	current = WORLDS_MAX;
}

void vtlb_user_flush_page(struct vcpu *vcpu, unsigned pcid, uint64_t va)
{
	uint64_t root = vcpu->cr3 & CR3_ADDR_MASK;

	for (unsigned i = 0; i < n_spaces; i++) {
		if (spaces[i].root == ~0ul || !spaces[i].fresh || spaces[i].pcid != pcid)
			continue;
		/* Only the loaded tables can be walked; another root's world waits for its turn. */
		if (spaces[i].root == root)
			space_revalidate_page(vcpu, i + 1, va);
		else
			spaces[i].fresh = false;
	}
}

/*
 * A world for a root.  One that a destroyed space left, whose program started where this one
 * does, is likely to show the same program: what it still holds is compared with the new page
 * tables before use, like everything not fresh, and often most of it is right.  One that still
 * unmaps what the last space left is not waited for: a second one takes turns with it.
 */
static unsigned choose(uint64_t root, uint64_t start)
{
	unsigned oldest = 0, alike = WORLDS_MAX, chosen;

	for (unsigned i = 0; i < n_spaces; i++) {
		const struct user_space *s = &spaces[i];

		if (s->root == root)
			return i;
		if (s->root == ~0ul && s->start == start && !world_flushing(s->world) &&
		    (alike == WORLDS_MAX || s->used > spaces[alike].used))
			alike = i;
		if ((s->root == ~0ul) == (spaces[oldest].root == ~0ul) ? s->used < spaces[oldest].used :
									  s->root == ~0ul)
			oldest = i;
	}
	chosen = alike < WORLDS_MAX ? alike : oldest;
	if (alike == WORLDS_MAX && entry_list(chosen + 1)->count) {
		space_clear(chosen + 1);
		stats.evictions++;
	}
	spaces[chosen].root = root;
	spaces[chosen].start = start;
	spaces[chosen].fresh = false;
	return chosen;
}

/* --- prefill --- */

/*
 * Pages that the guest says will be used soon.  They are looked up when their space is next
 * entered, by the page tables of that moment, so that what is noted here need not be right.
 */
#define PREFILL_MAX	512u

static struct { uint64_t root, va; } prefill[PREFILL_MAX];
static unsigned prefill_count;

void vtlb_user_prefill(uint64_t root, uint64_t va)
{
	if (prefill_count == PREFILL_MAX || va >= LAYOUT_TASK_END || !n_spaces)
		return;
	prefill[prefill_count].root = root;
	prefill[prefill_count++].va = va & PAGE_MASK;
}

static void prefill_run(struct vcpu *vcpu, unsigned space, uint64_t root)
{
	unsigned left = 0, count = prefill_count;

	/* Filling may come back here. */
	prefill_count = 0;
	for (unsigned i = 0; i < count; i++) {
		if (prefill[i].root == root)
			user_prefill(vcpu, space, prefill[i].va);
		else
			prefill[left++] = prefill[i];
	}
	/* Spaces that were never entered must not be in the way for ever. */
	prefill_count = left > PREFILL_MAX / 2 ? 0 : left;
}

struct world *vtlb_world(struct vcpu *vcpu)
{
	struct user_space *s;
	unsigned pcid;

	if (likely(current < WORLDS_MAX && !prefill_count))
		return spaces[current].world;
	pcid = pcid_of(vcpu);
	current = choose(vcpu->cr3 & CR3_ADDR_MASK, vcpu->rip & PAGE_MASK);
	s = &spaces[current];
	s->used = ++use_clock;
	if (!s->fresh || s->pcid != pcid)
		space_revalidate(vcpu, current + 1, true);
	s->pcid = pcid;
	s->fresh = true;
	if (prefill_count)
		prefill_run(vcpu, current + 1, s->root);
	return s->world;
}

/*
 * The space of this root is gone: its world is free.  Pages that the program could write are of
 * no use to another, and unmapping takes time that the world has now.
 */
void vtlb_user_forget(uint64_t root)
{
	for (unsigned i = 0; i < n_spaces; i++) {
		if (spaces[i].root != root)
			continue;
		space_drop_writable(i + 1);
		world_flush(spaces[i].world);
		spaces[i].root = ~0ul;
		spaces[i].fresh = false;
		if (current == i)
			current = WORLDS_MAX;
	}
}

void vtlb_world_lost(void)
{
	if (current >= WORLDS_MAX)
		return;
	entry_clear(current + 1);
	spaces[current].root = ~0ul;
	spaces[current].start = 0;
	current = WORLDS_MAX;
}

/* --- fills --- */

static void user_map(unsigned space, uint64_t va, enum world_source source, uint64_t offset,
		     gpa_t page, unsigned prot, bool global)
{
	struct entry e = { .va = va, .frame = ram_offset(page) / PAGE_SIZE, .pages = 1,
			   .space = (uint8_t)space, .prot = (uint8_t)prot,
			   .source = (uint8_t)source, .global = global };

	space_map(space, va, PAGE_SIZE, source, offset, prot);
	entry_add(&e);
	stats.pages_filled++;
}

/* May the page at va, if it is the one at `offset` of RAM, be mapped along with a neighbour? */
static bool comes_along(struct vcpu *vcpu, unsigned space, uint64_t va, uint64_t offset,
			unsigned prot, struct walk *w)
{
	gpa_t page;

	if (entry_find(space, va) != ENTRY_NONE ||
	    walk_translate(vcpu, GVA(va), WALK_USER | WALK_PROBE, w) || w->page_size != PAGE_SIZE)
		return false;
	page = GPA(w->gpa.v & PAGE_MASK);
	if (!ram_contains(page, PAGE_SIZE) || ram_offset(page) != offset || !space_accessed(w))
		return false;
	if (prot & WORLD_PROT_X) {
		if (w->no_execute || w->writable)
			return false;
		vtlb_protect_code(page);
		return patch_clean(vcpu, GVA(va), page);
	}
	if (prot & WORLD_PROT_W)
		return w->writable && w->dirty && !ram_is_code(page);
	return !(w->writable && w->dirty);
}

/*
 * Contiguous, already accessed pages around one that is being mapped: the host
 * maps a run with one call.  Only pages next to it, or to one that came along.
 */
static void map_around(struct vcpu *vcpu, unsigned space, uint64_t va, uint64_t offset, unsigned prot)
{
	uint64_t window = va & ~(AROUND * PAGE_SIZE - 1);
	struct walk w;

	for (uint64_t at = va + PAGE_SIZE; at < window + AROUND * PAGE_SIZE; at += PAGE_SIZE) {
		if (!comes_along(vcpu, space, at, offset + (at - va), prot, &w))
			break;
		user_map(space, at, WORLD_RAM, offset + (at - va), GPA(w.gpa.v & PAGE_MASK), prot,
			 w.global);
	}
	for (uint64_t at = va; at > window && offset >= va - at + PAGE_SIZE;) {
		at -= PAGE_SIZE;
		if (!comes_along(vcpu, space, at, offset - (va - at), prot, &w))
			break;
		user_map(space, at, WORLD_RAM, offset - (va - at), GPA(w.gpa.v & PAGE_MASK), prot,
			 w.global);
	}
}

/* A large page of the guest's, whole; not where some of it is ours or holds code. */
static bool map_large(unsigned space, uint64_t addr, const struct walk *w, unsigned prot)
{
	uint64_t size = min_u64(w->page_size, 2 * MIB), va = addr & ~(size - 1);
	gpa_t base = GPA(w->gpa.v & ~(size - 1));
	struct entry e = { .va = va, .pages = size / PAGE_SIZE, .space = (uint8_t)space,
			   .prot = (uint8_t)prot, .global = w->global };

	if (w->page_size < 2 * MIB || va < 2 * MIB || va + size > LAYOUT_TASK_END ||
	    world_reserved(va, size) || !ram_contains(base, size))
		return false;
	for (uint64_t i = 0; i < e.pages; i++)
		if (ram_is_code(GPA(base.v + i * PAGE_SIZE)) ||
		    entry_find(space, va + i * PAGE_SIZE) != ENTRY_NONE)
			return false;
	e.frame = ram_offset(base) / PAGE_SIZE;
	space_map(space, va, size, WORLD_RAM, ram_offset(base), prot);
	entry_add(&e);
	stats.pages_filled += e.pages;
	return true;
}

/* What an entry shows already may only need other rights.  true: done. */
static bool change_rights(uint32_t index, uint64_t va, uint64_t frame, enum world_source source,
			  unsigned access, unsigned prot)
{
	struct entry *e = entry_get(index);
	bool same = e->frame + (va - e->va) / PAGE_SIZE == frame && e->source == source;

	if (same && e->pages == 1) {
		/* Reading what executes from a plain image keeps it executable. */
		if (!(access & (WALK_EXEC | WALK_WRITE)))
			prot |= e->prot & WORLD_PROT_X;
		e->prot = (uint8_t)prot;
		space_protect(e->space, va, PAGE_SIZE, prot);
		return true;
	}
	if (same && e->prot == prot) {
		/* A page of a run that was held back for its code. */
		space_protect(e->space, va, PAGE_SIZE, prot);
		return true;
	}
	if (e->pages > 1)
		space_unmap(e->space, e->va, e->pages * PAGE_SIZE);
	entry_remove(index);
	return false;
}

/* As if the page had been read, and written if it was before. */
static void user_prefill(struct vcpu *vcpu, unsigned space, uint64_t va)
{
	enum world_source source = WORLD_RAM;
	unsigned prot = WORLD_PROT_R;
	uint64_t offset;
	struct walk w;
	gpa_t page;

	if (va < 0x10000 || world_reserved(va, PAGE_SIZE) || entry_find(space, va) != ENTRY_NONE ||
	    entry_list(space)->count > SPACE_MAPPINGS || entry_full() ||
	    walk_translate(vcpu, GVA(va), WALK_READ | WALK_USER, &w) || w.page_size != PAGE_SIZE)
		return;
	page = GPA(w.gpa.v & PAGE_MASK);
	if (!ram_contains(page, PAGE_SIZE))
		return;
	offset = ram_offset(page);
	if (w.writable) {
		if (w.dirty && !ram_is_code(page))
			prot |= WORLD_PROT_W;
	} else if (!w.no_execute && !gdb_breakpoint_in_page(GVA(va))) {
		vtlb_protect_code(page);
		if (patch_known(vcpu, GVA(va), page, &source, &offset))
			prot |= WORLD_PROT_X;
	}
	user_map(space, va, source, offset, page, prot, w.global);
	stats.prefilled++;
}

enum vtlb_result vtlb_fill_user(struct vcpu *vcpu, gva_t addr, unsigned access)
{
	enum world_source source = WORLD_RAM;
	uint64_t offset, va = addr.v & PAGE_MASK;
	unsigned space, prot = WORLD_PROT_R;
	uint32_t error, old;
	struct walk w;
	gpa_t page;

	stats.fills_user++;
	vtlb_world(vcpu);
	space = current + 1;
	error = walk_translate(vcpu, addr, access | WALK_USER, &w);
	if (error) {
		vcpu_raise_pf(vcpu, addr, error & WALK_ERROR_MASK);
		return VTLB_FAULT;
	}
	page = GPA(w.gpa.v & PAGE_MASK);
	trace_exit(TRACE_K_FILL, vcpu->rip, addr.v, page.v);
	if (!ram_contains(page, PAGE_SIZE) || addr.v >= LAYOUT_TASK_END || va < 0x10000 ||
	    world_reserved(va, PAGE_SIZE))
		return VTLB_INTERPRET;
	offset = ram_offset(page);
	if (access & WALK_EXEC) {
		/* An instruction that runs into this page: the next one's start is known behind it. */
		if ((vcpu->rip & PAGE_MASK) != va || gdb_breakpoint_in_page(GVA(va)))
			return VTLB_INTERPRET;
		/* First, so that what patch/ looks at cannot change unseen. */
		vtlb_protect_code(page);
		if (!patch_image(vcpu, GVA(vcpu->rip), page, &source, &offset))
			return VTLB_INTERPRET;
		prot |= WORLD_PROT_X;
	} else if (w.writable && w.dirty) {
		if (access & WALK_WRITE) {
			if (ram_is_code(page))
				ram_code_written(page);
			prot |= WORLD_PROT_W;
		} else if (!ram_is_code(page)) {
			prot |= WORLD_PROT_W;
		}
	}
	if (entry_list(space)->count > SPACE_MAPPINGS || entry_full()) {
		stats.evictions++;
		space_clear(space);
	}
	/* Only now: patch/ and what drops code may have removed entries. */
	old = entry_find(space, va);
	if (old != ENTRY_NONE &&
	    change_rights(old, va, ram_offset(page) / PAGE_SIZE, source, access, prot))
		return VTLB_FILLED;
	if (!(access & WALK_EXEC) && map_large(space, va, &w, prot))
		return VTLB_FILLED;
	user_map(space, va, source, offset, page, prot, w.global);
	if (w.page_size == PAGE_SIZE && source == WORLD_RAM)
		map_around(vcpu, space, va, offset, prot);
	return VTLB_FILLED;
}

void vtlb_user_drop_page(gva_t page)
{
	world_quiesce();
	for (unsigned space = 1; space <= n_spaces; space++) {
		uint32_t i = entry_find(space, page.v);

		if (i == ENTRY_NONE)
			continue;
		space_unmap(space, entry_get(i)->va, entry_get(i)->pages * PAGE_SIZE);
		entry_remove(i);
	}
}

void vtlb_remap_exec(struct vcpu *vcpu, gva_t addr, enum world_source source, uint64_t offset)
{
	uint64_t va = addr.v & PAGE_MASK;
	uint32_t i;

	vtlb_world(vcpu);
	i = entry_find(current + 1, va);
	if (i == ENTRY_NONE || !(entry_get(i)->prot & WORLD_PROT_X))
		return;
	entry_get(i)->source = (uint8_t)source;
	space_map(current + 1, va, PAGE_SIZE, source, offset, entry_get(i)->prot);
}
