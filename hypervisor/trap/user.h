/* SPDX-License-Identifier: MIT */
/*
 * CPL3: run guest user code in its world until the vCPU loop is wanted.
 */
#ifndef RING3_TRAP_USER_H
#define RING3_TRAP_USER_H

#include "machine/vcpu.h"

/* The vCPU's state is one that a host process cannot be in: interpret instead. */
bool user_needs_interpreter(const struct vcpu *vcpu);
/* One stay in the user world and what its exit asks for.  The vCPU may be at CPL0 afterwards. */
void user_run(struct vcpu *vcpu);

#endif
