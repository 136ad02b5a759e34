/* SPDX-License-Identifier: MIT */
/*
 * The vCPU loop: run guest code, classify the exit, route it.
 */
#ifndef RING3_TRAP_RUN_H
#define RING3_TRAP_RUN_H

#include "machine/machine.h"

/*
 * Become the kernel world: make RAM, devices and user worlds, load the guest,
 * enter the jail and run until machine.stop is set.  Called once in a process
 * of its own (cli/supervise.c), which is of no other use afterwards: the old
 * stack is gone, so after start-up it ends by _exit(0), machine.stop saying why.
 * Returns only when start-up failed: -errno, said.
 */
int run_machine(const struct machine_config *config);

#endif
