/* SPDX-License-Identifier: MIT */
/*
 * Is there a CPU to spare?  Decides where kernel world and user worlds run and
 * whether they may spin, for each other (baton.c) and for back-ends (trap/wait.c).
 */
#ifndef RING3_WORLD_SPARE_H
#define RING3_WORLD_SPARE_H

#include "base/types.h"

bool spare_init(void);		/* chooses CPUs, moves this process; is there one? */
void spare_child(void);		/* in a new world, while it still has libc */

/* This process was held up for `ticks` while it spun, until `now` (TSC): somebody took its CPU. */
void spare_held_up(uint64_t now, uint64_t ticks);
/* Around a sleep: did the world `pid` get the CPU meanwhile? */
uint64_t spare_watch_begin(int pid, uint64_t *since);
void spare_watch_end(int pid, uint64_t since, uint64_t used);
/* May both sides spin?  Asked once a handover; moves this process when the answer changes. */
bool spare_now(uint64_t now);
/* Not because there is only one CPU, but because others want it. */
bool spare_contended(void);

#endif
