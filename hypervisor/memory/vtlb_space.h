/* SPDX-License-Identifier: MIT */
/*
 * Host calls for one space, and revalidation; private to memory/vtlb*.c.
 */
#ifndef RING3_MEMORY_VTLB_SPACE_H
#define RING3_MEMORY_VTLB_SPACE_H

#include "machine/vcpu.h"
#include "memory/vtlb_entry.h"
#include "memory/walk.h"

#define SPACE_KERNEL	0u
/* Below vm.max_map_count (65,530), with room for the engine's own. */
#define SPACE_MAPPINGS	48000u
#define AROUND		16u	/* pages looked at around a fault */

/* Is the leaf entry that a walk ended at marked accessed?  Without paging there is none. */
bool space_accessed(const struct walk *w);

/* Map, protect or unmap [va, va + len) of guest addresses in a space. */
void space_map(unsigned space, uint64_t va, uint64_t len, enum world_source source,
	       uint64_t offset, unsigned prot);
void space_protect(unsigned space, uint64_t va, uint64_t len, unsigned prot);
void space_unmap(unsigned space, uint64_t va, uint64_t len);

/* Compare entries with the page tables as of now; unmap those that differ. */
void space_revalidate(struct vcpu *vcpu, unsigned space, bool global_too);
void space_revalidate_page(struct vcpu *vcpu, unsigned space, uint64_t va);
void space_clear(unsigned space);
void space_drop_writable(unsigned space);

/* vtlb_user.c */
void vtlb_user_init(unsigned worlds);
struct world *space_world(unsigned space);
void vtlb_user_cr3(struct vcpu *vcpu, bool flush);
void vtlb_user_flush_all(void);
void vtlb_user_flush_pcid(unsigned pcid);
void vtlb_user_flush_page(struct vcpu *vcpu, unsigned pcid, uint64_t va);
void vtlb_user_forget(uint64_t root);
void vtlb_user_prefill(uint64_t root, uint64_t va);

#endif
