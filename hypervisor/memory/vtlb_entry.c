/* SPDX-License-Identifier: MIT */
/*
 * Entries of the virtual TLB: a pool, a hash, a chain per guest page, a list per
 * space.  Knows nothing of page tables or host calls.
 */
#include "memory/vtlb_entry.h"

#include <string.h>

#include "base/arena.h"
#include "memory/ram.h"

#define POOL_SIZE	(1u << 20)
#define HASH_BITS	17
#define SPACES_MAX	128

static struct entry *pool;
static uint32_t *hash, *frames;
static uint32_t pool_used, pool_free = ENTRY_NONE, pool_free_count;
static struct entry_list lists[SPACES_MAX];

int entry_init(unsigned spaces)
{
	uint64_t n_frames = ram_size() / PAGE_SIZE;

	if (spaces > SPACES_MAX)
		return -1;
	pool = arena_alloc(POOL_SIZE * sizeof(*pool), 64);
	hash = arena_alloc(sizeof(*hash) << HASH_BITS, 64);
	frames = arena_alloc(n_frames * sizeof(*frames), 64);
	memset(hash, 0xff, sizeof(*hash) << HASH_BITS);
	memset(frames, 0xff, n_frames * sizeof(*frames));
	for (unsigned i = 0; i < SPACES_MAX; i++)
		lists[i].first = ENTRY_NONE;
	return 0;
}

static uint32_t slot(unsigned space, uint64_t va)
{
	uint64_t key = (va >> PAGE_SHIFT) ^ ((uint64_t)space << 52);

	return (uint32_t)((key * 0x9e3779b97f4a7c15ul) >> (64 - HASH_BITS));
}

struct entry_list *entry_list(unsigned space)
{
	return &lists[space];
}

struct entry *entry_get(uint32_t index)
{
	return &pool[index];
}

uint32_t entry_find(unsigned space, uint64_t va)
{
	uint32_t i;

	va &= PAGE_MASK;
	for (i = hash[slot(space, va)]; i != ENTRY_NONE; i = pool[i].hash_next)
		if (pool[i].va == va && pool[i].space == space && pool[i].pages == 1)
			return i;
	if (!lists[space].runs)
		return ENTRY_NONE;
	/* Runs are put first in the list. */
	for (i = lists[space].first; i != ENTRY_NONE && pool[i].pages > 1; i = pool[i].space_next)
		if (va - pool[i].va < pool[i].pages * PAGE_SIZE)
			return i;
	return ENTRY_NONE;
}

bool entry_full(void)
{
	return pool_free_count == 0 && pool_used == POOL_SIZE;
}

static void list_insert(struct entry_list *list, uint32_t index, uint32_t before, uint32_t after)
{
	pool[index].space_prev = after;
	pool[index].space_next = before;
	if (before != ENTRY_NONE)
		pool[before].space_prev = index;
	if (after != ENTRY_NONE)
		pool[after].space_next = index;
	else
		list->first = index;
}

uint32_t entry_add(const struct entry *model)
{
	struct entry_list *list = &lists[model->space];
	uint32_t i, at;

	if (pool_free != ENTRY_NONE) {
		i = pool_free;
		pool_free = pool[i].hash_next;
		pool_free_count--;
	} else {
		i = pool_used++;
	}
	pool[i] = *model;
	if (model->pages > 1) {
		list_insert(list, i, list->first, ENTRY_NONE);
		list->runs++;
	} else {
		uint32_t last_run = ENTRY_NONE;

		for (at = list->first; at != ENTRY_NONE && pool[at].pages > 1;
		     at = pool[at].space_next)
			last_run = at;
		list_insert(list, i, at, last_run);
		at = slot(model->space, model->va);
		pool[i].hash_next = hash[at];
		hash[at] = i;
		pool[i].frame_next = frames[model->frame];
		frames[model->frame] = i;
	}
	list->count++;
	list->local += !model->global;
	return i;
}

static void chain_remove(uint32_t *head, uint32_t index, bool by_frame)
{
	while (*head != ENTRY_NONE && *head != index)
		head = by_frame ? &pool[*head].frame_next : &pool[*head].hash_next;
	if (*head == index)
		*head = by_frame ? pool[index].frame_next : pool[index].hash_next;
}

void entry_remove(uint32_t index)
{
	struct entry *e = &pool[index];
	struct entry_list *list = &lists[e->space];

	if (e->pages == 1) {
		chain_remove(&hash[slot(e->space, e->va)], index, false);
		chain_remove(&frames[e->frame], index, true);
	} else {
		list->runs--;
	}
	if (e->space_prev != ENTRY_NONE)
		pool[e->space_prev].space_next = e->space_next;
	else
		list->first = e->space_next;
	if (e->space_next != ENTRY_NONE)
		pool[e->space_next].space_prev = e->space_prev;
	list->count--;
	list->local -= !e->global;
	e->hash_next = pool_free;
	pool_free = index;
	pool_free_count++;
}

void entry_clear(unsigned space)
{
	while (lists[space].first != ENTRY_NONE)
		entry_remove(lists[space].first);
}

uint32_t entry_of_frame(uint64_t frame)
{
	return frames[frame];
}
