/* SPDX-License-Identifier: MIT */
/*
 * Stolen time: how long the processes that are a virtual CPU wanted to run and did not, because
 * the host ran others.
 */
#ifndef RING3_MACHINE_STEAL_H
#define RING3_MACHINE_STEAL_H

#include "base/types.h"

/* Start-up: this process is part of the CPU.  Where the host does not tell, it counts nothing. */
void steal_watch(long pid);

/* ns since start-up; never less than the time before.  A system call for each process. */
uint64_t steal_ns(void);

#endif
