/* SPDX-License-Identifier: MIT */
/* Numbers that look random (xorshift64), the same in each run from the same seed. */
#ifndef GUEST_RANDOM_H
#define GUEST_RANDOM_H

#include "cpu.h"

extern uint64_t random_seed;	/* never 0; a test that wants its own sets it first */
uint64_t random(void);

/* The step itself, for generators with a state of their own. */
static inline void random_step(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
}

#endif
