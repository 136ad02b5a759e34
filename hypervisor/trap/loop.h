/* SPDX-License-Identifier: MIT */
/*
 * THE LOOP of the one vCPU.
 */
#ifndef RING3_TRAP_LOOP_H
#define RING3_TRAP_LOOP_H

#include "machine/vcpu.h"

/* Until machine.stop is set. */
void loop_run(struct vcpu *vcpu);

#endif
