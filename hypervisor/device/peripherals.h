/* SPDX-License-Identifier: MIT */
/*
 * Disks, network cards and the entropy source: what the user asked for, each device
 * model joined to its back-end.
 */
#ifndef RING3_DEVICE_PERIPHERALS_H
#define RING3_DEVICE_PERIPHERALS_H

#include "machine/machine.h"

/* Open the back-ends and add the devices, in the order given; before the jail and io_start().
 * 0 or -errno, said. */
int peripherals_init(const struct machine_config *config);

#endif
