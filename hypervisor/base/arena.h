/* SPDX-License-Identifier: MIT */
/*
 * Memory of the engine after start-up: reserved at LAYOUT_ARENA, handed out in
 * order, zeroed, never freed (owners keep their own free lists).  malloc() is
 * for start-up only: inside the jail there is no room where it may map.
 */
#ifndef RING3_BASE_ARENA_H
#define RING3_BASE_ARENA_H

#include "base/types.h"

int arena_init(void);				/* 0 or -errno; again: 0 */
void *arena_alloc(size_t size, size_t align);	/* never NULL: bug() when full */

#endif
