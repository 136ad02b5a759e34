/* SPDX-License-Identifier: MIT */
/*
 * Host signals of the kernel world.
 *
 * Faults of generated code (SIGSEGV, SIGBUS, SIGILL, SIGFPE) are the guest's
 * page faults and the like; everything asynchronous only asks for attention.
 * The handlers run on a stack of their own, because RSP is the guest's.
 */
#ifndef RING3_TRAP_SIGNAL_H
#define RING3_TRAP_SIGNAL_H

#include "machine/vcpu.h"

/* How the last fault of generated code is to go on, for the vCPU loop. */
enum signal_outcome {
	SIGNAL_NONE,
	SIGNAL_INTERPRET,	/* interpret the instruction at vcpu->rip */
	SIGNAL_DEMOTE,		/* and do so from now on whenever it comes by */
};
extern enum signal_outcome signal_outcome;

/* Install the handlers; altstack: its lowest address.  0 or -errno. */
int signal_init(struct vcpu *vcpu, void *altstack, size_t size);

#endif
