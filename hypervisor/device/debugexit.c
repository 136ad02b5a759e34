/* SPDX-License-Identifier: MIT */
/* The exit port of test kernels: one write of 1, 2 or 4 bytes is the verdict. */
#include "device/guestport.h"

#include "device/stop.h"
#include "machine/bus.h"

static void port_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	(void)offset;
	(void)size;
	device_stop(MACHINE_DEBUG_EXIT, (int)((value << 1 | 1) & 0xff), "debug-exit port");
}

static const struct bus_ops port_ops = { .write = port_write };

int debugexit_init(void)
{
	return bus_add_pio(DEBUGEXIT_PORT, 4, &port_ops, NULL, "debug-exit");
}
