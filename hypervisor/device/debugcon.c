/* SPDX-License-Identifier: MIT */
/*
 * Debug console: bytes to the console without any device set-up.  Lines are
 * collected, so that a byte costs no host call.
 */
#include "device/guestport.h"

#include "machine/bus.h"

static struct {
	struct uart_backend *backend;
	size_t count;
	uint8_t bytes[256];
} con;

void debugcon_flush(void)
{
	size_t n = con.count;

	con.count = 0;
	if (n)
		con.backend->write(con.backend->context, con.bytes, n);
}

static uint64_t port_read(void *device, uint64_t offset, unsigned size)
{
	(void)device;
	(void)offset;
	(void)size;
	return DEBUGCON_PORT;	/* "I am here" */
}

static void port_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	(void)offset;
	(void)size;
	con.bytes[con.count++] = (uint8_t)value;
	if (value == '\n' || con.count == sizeof(con.bytes))
		debugcon_flush();
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write, .width = 1 };

int debugcon_init(struct uart_backend *backend)
{
	con.backend = backend;
	con.count = 0;
	return bus_add_pio(DEBUGCON_PORT, 1, &port_ops, NULL, "debugcon");
}
