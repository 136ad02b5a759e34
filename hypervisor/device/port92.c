/* SPDX-License-Identifier: MIT */
/*
 * System control port A: fast A20 (always open here: the bit is only remembered)
 * and fast reset.
 */
#include "device/i8042.h"

#include "device/stop.h"
#include "machine/bus.h"

#define FAST_RESET	0x01
#define FAST_A20	0x02

static uint8_t port_a = FAST_A20;

static uint64_t port_read(void *device, uint64_t offset, unsigned size)
{
	(void)device;
	(void)offset;
	(void)size;
	return port_a;
}

static void port_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	(void)offset;
	(void)size;
	if ((value & FAST_RESET) && !(port_a & FAST_RESET))
		device_stop(MACHINE_REBOOT, 0, "reset by port 0x92");
	port_a = (uint8_t)value;
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write, .width = 1 };

int port92_init(void)
{
	port_a = FAST_A20;
	return bus_add_pio(0x92, 1, &port_ops, NULL, "port92");
}
