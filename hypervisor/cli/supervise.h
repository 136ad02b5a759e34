/* SPDX-License-Identifier: MIT */
/*
 * The process that the user started: it starts the machine in a child, the
 * kernel world, and outlives it to restore the terminal and say how it ended.
 */
#ifndef RING3_CLI_SUPERVISE_H
#define RING3_CLI_SUPERVISE_H

#include "machine/machine.h"

/* Run the machine until it ends, again after each reset unless --no-reboot; the exit status. */
int supervise(const struct machine_config *config);

#endif
