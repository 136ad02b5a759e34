/* SPDX-License-Identifier: MIT */
/*
 * The virtual TLB: host mappings of guest RAM as TLB entries.
 *
 * A *space* is one host address space: number 0 is the kernel world (CPL0 view,
 * guest address A at A + delta), the others are user worlds (CPL3 view, A at A).
 * An entry says that a page, or a run of pages, of guest RAM is mapped there.
 * Only TLB rules hold: an entry may be missing at any time, and may be older
 * than the page tables until the guest flushes it.
 *
 * A flush revalidates: entries are compared with the page tables, and only those
 * that changed are unmapped.  User spaces are known by their page-table root, so
 * that an address space whose PCID was taken away finds its entries again; it
 * is revalidated before use.
 *
 * Pages that hold code which somebody translated or scanned (ram_is_code) are
 * never writable in any space.
 */
#ifndef RING3_MEMORY_VTLB_H
#define RING3_MEMORY_VTLB_H

#include "base/types.h"
#include "machine/vcpu.h"
#include "world/world.h"

int vtlb_init(void);

enum vtlb_result {
	VTLB_FILLED,	/* mapped: retry the access */
	VTLB_FAULT,	/* the guest's page tables refuse: vcpu->exception is set */
	VTLB_INTERPRET,	/* allowed, but cannot be mapped (device, user page): interpret */
	VTLB_CODE,	/* a write to a page that holds code: interpret this one */
};

/* Kernel world: guest address `addr`, at CPL0, as data. */
enum vtlb_result vtlb_fill_kernel(struct vcpu *vcpu, gva_t addr, bool write);

/*
 * CPL0 code of the other half runs from now on (fast.delta changed).  Only the
 * mappings of one half exist at a time, because with the other's delta they
 * would answer for addresses that they are not.
 */
void vtlb_change_half(void);

/*
 * User worlds.  vtlb_world(): the world for the current CR3, its stale entries
 * gone.  vtlb_fill_user(): access is WALK_READ, WALK_WRITE or WALK_EXEC.
 */
struct world *vtlb_world(struct vcpu *vcpu);
enum vtlb_result vtlb_fill_user(struct vcpu *vcpu, gva_t addr, unsigned access);
/* The current world refused a request and holds nothing any more: start it afresh. */
void vtlb_world_lost(void);
/* The executable image of a page changed (a call site was patched): map it anew. */
void vtlb_remap_exec(struct vcpu *vcpu, gva_t addr, enum world_source source, uint64_t offset);

/* A breakpoint came or went: forget mappings of this page in all user worlds. */
void vtlb_user_drop_page(gva_t page);

/* The page holds code from now on: make it read-only everywhere. */
void vtlb_protect_code(gpa_t page);

#endif
