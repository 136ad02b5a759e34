/* SPDX-License-Identifier: MIT */
/*
 * Is there a CPU to spare?  Decides where kernel world and user worlds run and
 * whether they may spin for each other; asked by baton.c only.
 */
#ifndef RING3_WORLD_SPARE_H
#define RING3_WORLD_SPARE_H

#include "base/types.h"

bool spare_init(void);		/* chooses CPUs, moves this process; is there one? */
void spare_child(void);		/* in a new world, while it still has libc */

/* This process was held up from `since` to `now` (TSC) while it spun: somebody took its CPU. */
void spare_held_up(uint64_t since, uint64_t now);
/* May both sides spin?  Asked once a handover; moves this process when the answer changes. */
bool spare_now(uint64_t now);

#endif
