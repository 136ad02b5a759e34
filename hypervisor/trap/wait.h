/* SPDX-License-Identifier: MIT */
/*
 * The vCPU's waits: HLT, and the look at back-ends while the guest runs.
 */
#ifndef RING3_TRAP_WAIT_H
#define RING3_TRAP_WAIT_H

#include "machine/vcpu.h"

/*
 * HLT: until a back-end, a timer, the console or the debugger has something; sets kick.
 * Sleeps on the I/O engine, after spinning for a moment where that has paid (see wait.c).
 */
void wait_halted(struct vcpu *vcpu);

/* Before guest code runs: if back-ends may have something to say, see to it that somebody looks
 * before long. */
void wait_watch(void);

#endif
