/* SPDX-License-Identifier: MIT */
/*
 * Second chances for adapted sites: what an instruction once did (memcpy() of boot data
 * at low addresses, or into the lower half while the kernel patches itself) says little
 * about what it does from then on.
 */
#ifndef RING3_TRAP_ADAPT_H
#define RING3_TRAP_ADAPT_H

#include "base/types.h"

extern bool adapt_begun;
void adapt_start(void);

/* A program runs: the guest's kernel has started, and its code does now what it is for. */
static inline void adapt_begin(void)
{
	if (unlikely(!adapt_begun))
		adapt_start();
}

/* Now and then, when the loop has something to attend to; clock_ns(). */
void adapt_again(uint64_t now);

#endif
