/* SPDX-License-Identifier: MIT */
/*
 * Host faults of instructions that the interpreter runs on the host's CPU; a
 * header of its own, because signal handlers cannot include a decoder's.
 */
#ifndef RING3_EMULATE_FAULT_H
#define RING3_EMULATE_FAULT_H

#include "base/types.h"

/*
 * For the host's signal handler (SIGILL, SIGSEGV, SIGFPE, SIGBUS in this process): true if the
 * fault was in a guest instruction run here; *host_rip is then where to continue, and the
 * instruction raises #UD (or #GP, #XM by the host's `vector`) in the guest.
 */
bool emulate_native_fault(uint64_t *host_rip, uint8_t vector);

#endif
