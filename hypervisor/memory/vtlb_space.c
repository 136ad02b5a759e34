/* SPDX-License-Identifier: MIT */
/*
 * One space of the virtual TLB: its host calls, and revalidation.
 *
 * The kernel world's space is this process: mmap and friends, at once.  A user
 * world's are requests, executed before its code next runs.
 */
#include "memory/vtlb_space.h"

#include <sys/mman.h>

#include "base/hostcall.h"
#include "base/log.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "memory/ram.h"
#include "patch/patch.h"

static uint64_t kernel_host(uint64_t va)
{
	return va + (va >> 63 ? DELTA_HIGH : DELTA_LOW);
}

static int host_prot(unsigned prot)
{
	return (prot & WORLD_PROT_R ? PROT_READ : 0) | (prot & WORLD_PROT_W ? PROT_WRITE : 0);
}

static void kernel_call(const char *what, long result)
{
	stats.host_maps++;
	if (result < 0 && result > -4096) {
		log_error("the host refused to %s guest memory (error %ld)", what, -result);
		bug_on(true);
	}
}

void space_map(unsigned space, uint64_t va, uint64_t len, enum world_source source, uint64_t offset,
	       unsigned prot)
{
	struct world_request req = { .gva = va, .length = len, .offset = offset, .op = WORLD_MAP,
				     .prot = (uint8_t)prot, .source = (uint8_t)source };

	if (space != SPACE_KERNEL) {
		world_request(space_world(space), &req);
		return;
	}
	kernel_call("map", hostcall_mmap(kernel_host(va), len, host_prot(prot),
					 MAP_SHARED | MAP_FIXED, ram_fd(), offset));
}

void space_protect(unsigned space, uint64_t va, uint64_t len, unsigned prot)
{
	struct world_request req = { .gva = va, .length = len, .op = WORLD_PROTECT,
				     .prot = (uint8_t)prot };

	if (space != SPACE_KERNEL)
		world_request(space_world(space), &req);
	else
		kernel_call("protect", hostcall3(SYS_mprotect, (long)kernel_host(va), (long)len,
						 host_prot(prot)));
}

void space_unmap(unsigned space, uint64_t va, uint64_t len)
{
	struct world_request req = { .gva = va, .length = len, .op = WORLD_UNMAP };

	if (space != SPACE_KERNEL)
		world_request(space_world(space), &req);
	else
		kernel_call("unmap", hostcall2(SYS_munmap, (long)kernel_host(va), (long)len));
}

void space_clear(unsigned space)
{
	trace_exit(TRACE_K_EVICT, 0, space, entry_list(space)->count);
	entry_clear(space);
	if (space != SPACE_KERNEL) {
		world_clear(space_world(space));
		return;
	}
	kernel_call("unmap", hostcall2(SYS_munmap, LAYOUT_LOW, LAYOUT_LOW_SIZE));
	kernel_call("unmap", hostcall2(SYS_munmap, LAYOUT_GUEST_HIGH,
				       LAYOUT_TASK_END - LAYOUT_GUEST_HIGH));
}

/* --- revalidation --- */

#define PTE_A	(1ul << 5)

bool space_accessed(const struct walk *w)
{
	const uint64_t *leaf = w->leaf_gpa ? ram_pointer(GPA(w->leaf_gpa), 8) : NULL;

	return leaf && (*leaf & PTE_A);
}

/* What of a host mapping's rights the page tables still allow; 0: it shows the wrong page. */
static unsigned page_rights(struct vcpu *vcpu, const struct entry *e, uint64_t va, uint64_t frame)
{
	bool user = e->space != SPACE_KERNEL;
	unsigned allowed = e->prot;
	struct walk w;

	if (walk_translate(vcpu, GVA(va), WALK_PROBE | (user ? WALK_USER : WALK_IMPLICIT), &w))
		return 0;
	if (!ram_contains(w.gpa, 1) || ram_offset(w.gpa) / PAGE_SIZE != frame)
		return 0;
	if (w.leaf_gpa && !space_accessed(&w))
		return 0;
	if (!user && w.user && (vcpu->cr4 & CR4_SMAP))
		return 0;
	if ((e->prot & WORLD_PROT_X) && w.no_execute)
		return 0;
	if (!w.dirty || (!w.writable && (user || (vcpu->cr0 & CR0_WP))))
		allowed &= ~WORLD_PROT_W;
	return allowed;
}

static unsigned entry_rights(struct vcpu *vcpu, const struct entry *e)
{
	uint64_t step = 512;	/* runs come from large pages: one look for each 2 MiB */

	if (e->pages == 1)
		return page_rights(vcpu, e, e->va, e->frame);
	for (uint64_t i = 0; i < e->pages; i += step) {
		struct walk w;

		if (page_rights(vcpu, e, e->va + i * PAGE_SIZE, e->frame + i) != e->prot ||
		    walk_translate(vcpu, GVA(e->va + i * PAGE_SIZE),
				   WALK_PROBE | (e->space ? WALK_USER : WALK_IMPLICIT), &w) ||
		    w.page_size < step * PAGE_SIZE)
			return 0;
	}
	return e->prot;
}

/*
 * Make an entry what the page tables allow.  A page that only lost the right to
 * be written (fork does that to all of a program's) stays readable.
 * true: nothing is left of it, unmap it.
 */
static bool entry_reduce(struct vcpu *vcpu, struct entry *e)
{
	unsigned allowed = entry_rights(vcpu, e);

	if (!allowed)
		return true;
	if (allowed == e->prot) {
		stats.revalidated++;
		return false;
	}
	e->prot = (uint8_t)allowed;
	space_protect(e->space, e->va, e->pages * PAGE_SIZE, allowed);
	return false;
}

/* Unmapping in ascending runs: neighbours cost one call. */
struct unmap_batch {
	unsigned space;
	uint64_t start, end;
};

static void batch_flush(struct unmap_batch *b)
{
	if (b->end > b->start)
		space_unmap(b->space, b->start, b->end - b->start);
	b->start = b->end = 0;
}

static void batch_add(struct unmap_batch *b, uint64_t va, uint64_t len)
{
	if (va == b->end && b->end) {
		b->end += len;
	} else if (va + len == b->start) {
		b->start = va;
	} else {
		batch_flush(b);
		b->start = va;
		b->end = va + len;
	}
}

/* Another program's page tables may have come to the place of these: nothing is right then. */
static bool nothing_left(struct vcpu *vcpu, unsigned space)
{
	uint32_t i = entry_list(space)->first;

	for (; i != ENTRY_NONE; i = entry_get(i)->space_next)
		if (entry_rights(vcpu, entry_get(i)))
			return false;
	return entry_list(space)->first != ENTRY_NONE;
}

void space_revalidate(struct vcpu *vcpu, unsigned space, bool global_too)
{
	struct unmap_batch batch = { .space = space };
	uint32_t i = entry_list(space)->first, next;

	if (!global_too && !entry_list(space)->local)
		return;
	/* One look at the whole is less for the host than one at each. */
	if (space != SPACE_KERNEL && global_too && nothing_left(vcpu, space)) {
		stats.dropped += entry_list(space)->count;
		space_clear(space);
		return;
	}
	for (; i != ENTRY_NONE; i = next) {
		struct entry *e = entry_get(i);

		next = e->space_next;
		if (e->global && !global_too)
			continue;
		if (!entry_reduce(vcpu, e))
			continue;
		stats.dropped++;
		batch_add(&batch, e->va, e->pages * PAGE_SIZE);
		entry_remove(i);
	}
	batch_flush(&batch);
}

void space_revalidate_page(struct vcpu *vcpu, unsigned space, uint64_t va)
{
	uint32_t i = entry_find(space, va);
	struct entry *e;

	if (i == ENTRY_NONE)
		return;
	e = entry_get(i);
	if (!entry_reduce(vcpu, e))
		return;
	stats.dropped++;
	space_unmap(space, e->va, e->pages * PAGE_SIZE);
	entry_remove(i);
}

void space_drop_writable(unsigned space)
{
	struct unmap_batch batch = { .space = space };
	uint32_t i = entry_list(space)->first, next;

	for (; i != ENTRY_NONE; i = next) {
		struct entry *e = entry_get(i);

		next = e->space_next;
		if (!(e->prot & WORLD_PROT_W))
			continue;
		batch_add(&batch, e->va, e->pages * PAGE_SIZE);
		entry_remove(i);
	}
	batch_flush(&batch);
}
