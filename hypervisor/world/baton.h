/* SPDX-License-Identifier: MIT */
/*
 * How the kernel world and a user world wait for each other: the knobs.
 * Set from the number of usable CPUs; measurements change them.
 */
#ifndef RING3_WORLD_BATON_H
#define RING3_WORLD_BATON_H

#include "base/types.h"

struct baton_tuning {
	uint64_t spin_ns;		/* both sides spin for so long before they sleep */
	uint32_t kernel_yields;		/* then they yield so often */
	uint32_t world_yields;
	uint64_t kick_after;		/* tests: kick each stay after so many TSC ticks, come what
					 * may; 0: never */
};

void baton_tune(const struct baton_tuning *t);

#endif
