/* SPDX-License-Identifier: MIT */
/*
 * Entries of the virtual TLB and their indexes; private to memory/vtlb*.c.
 *
 * Single pages are found by (space, address) through a hash and by guest page
 * through a chain; runs (large guest pages) are few and kept in a list per
 * space.  Entries of one space are linked for revalidation.
 */
#ifndef RING3_MEMORY_VTLB_ENTRY_H
#define RING3_MEMORY_VTLB_ENTRY_H

#include "base/types.h"
#include "world/world.h"

#define ENTRY_NONE	UINT32_MAX

struct entry {
	uint64_t va;		/* guest address, page aligned */
	uint64_t frame;		/* first page: ram_offset() / PAGE_SIZE */
	uint64_t pages;		/* 1, or a run */
	uint8_t space;
	uint8_t prot;		/* WORLD_PROT_*, as mapped by the host */
	uint8_t source;		/* enum world_source */
	bool global;
	uint32_t hash_next;
	uint32_t frame_next;	/* single pages: others showing the same frame */
	uint32_t space_next, space_prev;
};

struct entry_list {		/* of one space */
	uint32_t first;		/* all entries */
	uint32_t count;		/* host mappings, roughly */
	uint32_t runs;		/* how many have pages > 1 */
	uint32_t local;		/* how many are not global */
};

int entry_init(unsigned spaces);
struct entry_list *entry_list(unsigned space);
struct entry *entry_get(uint32_t index);
uint32_t entry_find(unsigned space, uint64_t va);	/* single page, or a run that holds va */
uint32_t entry_add(const struct entry *model);
void entry_remove(uint32_t index);
void entry_clear(unsigned space);			/* forget all of a space */
uint32_t entry_of_frame(uint64_t frame);		/* first single page showing it */
bool entry_full(void);

#endif
