/* SPDX-License-Identifier: MIT */
/* The panic notifier; the DSDT announces it as QEMU0001, which stock drivers know. */
#include "device/guestport.h"

#include "base/log.h"
#include "device/stop.h"
#include "machine/bus.h"

#define EVENT_PANICKED		0x01
#define EVENT_CRASH_LOADED	0x02

static uint64_t port_read(void *device, uint64_t offset, unsigned size)
{
	(void)device;
	(void)offset;
	(void)size;
	return EVENT_PANICKED | EVENT_CRASH_LOADED;
}

static void port_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	(void)offset;
	(void)size;
	if (value & EVENT_PANICKED)
		device_stop(MACHINE_PANIC, 0, "the guest reported a panic");
	else if (value & EVENT_CRASH_LOADED)
		log_info("the guest panicked and starts its crash kernel");
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write, .width = 1 };

int pvpanic_init(void)
{
	return bus_add_pio(PVPANIC_PORT, 1, &port_ops, NULL, "pvpanic");
}
