/* SPDX-License-Identifier: MIT */
/*
 * The guest's debug registers: breakpoints on execution and on data.
 */
#ifndef RING3_TRAP_DEBUGREGS_H
#define RING3_TRAP_DEBUGREGS_H

#include "machine/vcpu.h"

#define DR7_ENABLED	0xfful		/* L0..3, G0..3 */

/* While this holds, everything is interpreted (the vCPU loop sees to it). */
static inline bool debugregs_active(const struct vcpu *vcpu)
{
	return vcpu->dr7 & DR7_ENABLED;
}

/* Before an instruction: true when a breakpoint on it was raised instead. */
bool debugregs_before(struct vcpu *vcpu);
/* Behind an instruction: raise, or add to, the trap for the data it touched. */
void debugregs_behind(struct vcpu *vcpu);

#endif
