/* SPDX-License-Identifier: MIT */
/*
 * The engine's own memory: one reservation at LAYOUT_ARENA, handed out in
 * order.  Pages cost nothing until touched.  Single-threaded.
 */
#include "base/arena.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/layout.h"
#include "base/log.h"

#define ARENA_MIN	(256 * MIB)

static uint64_t arena_next, arena_end;

int arena_init(void)
{
	if (arena_end)
		return 0;
	/* Hosts that forbid overcommit count the reservation: be content with less there. */
	for (uint64_t size = LAYOUT_ARENA_SIZE; size >= ARENA_MIN; size /= 2) {
		void *p = mmap((void *)LAYOUT_ARENA, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
			       -1, 0);

		if (p == (void *)LAYOUT_ARENA) {
			arena_next = LAYOUT_ARENA;
			arena_end = LAYOUT_ARENA + size;
			return 0;
		}
		if (p != MAP_FAILED) {	/* kernels before 4.17 take the address as a hint */
			munmap(p, size);
			return -EEXIST;
		}
		if (errno != ENOMEM)
			return -errno;
	}
	return -ENOMEM;
}

void *arena_alloc(size_t size, size_t align)
{
	uint64_t at;

	bug_on(align == 0 || (align & (align - 1)));
	at = align_up(arena_next, max_u64(align, 8));
	bug_on(arena_end < at || size > arena_end - at);
	arena_next = at + size;
	return (void *)at;
}
