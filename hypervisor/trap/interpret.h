/* SPDX-License-Identifier: MIT */
/*
 * The interpreter as the vCPU loop uses it.
 */
#ifndef RING3_TRAP_INTERPRET_H
#define RING3_TRAP_INTERPRET_H

#include "machine/vcpu.h"

/* Interpret one instruction; unknown ones end the machine; TF and gdb's stops are seen to. */
void interpret_step(struct vcpu *vcpu);

#endif
