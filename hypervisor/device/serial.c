// SPDX-License-Identifier: MIT
/*
 * Joins the console (hostio/) and the first UART, neither of which knows the
 * other, and gives the console's keys their meaning.
 */
#include "device/serial.h"

#include "base/log.h"
#include "debug/stats.h"
#include "device/virtio_pv.h"
#include "hostio/console.h"
#include "machine/machine.h"

#define COM1	0

static size_t (*diverted_room)(void);
static void (*diverted_input)(const uint8_t *bytes, size_t n);

static void serial_write(void *context, const uint8_t *bytes, size_t n)
{
	(void)context;
	console_write(bytes, n);
}

static void serial_drained(void *context)
{
	(void)context;
	console_room();
}

static size_t serial_room(void)
{
	if (diverted_room)
		return diverted_room();
	return uart_listens(COM1) ? uart_room(COM1) : 0;
}

static void serial_input(const uint8_t *bytes, size_t n)
{
	if (diverted_input)
		diverted_input(bytes, n);
	else
		uart_receive(COM1, bytes, n);
}

static void serial_break(void)
{
	uart_break(COM1);
}

static void serial_quit(const char *why)
{
	machine_stop(MACHINE_QUIT, 0, why);
}

static void serial_unplug(unsigned device)
{
	if (virtio_pv_unplug(device))
		log_warn("there is no device %u to remove; those with device=pv count from 0", device);
}

void serial_divert(size_t (*room)(void), void (*input)(const uint8_t *bytes, size_t n))
{
	diverted_room = room;
	diverted_input = input;
	console_room();
}

void serial_print(const uint8_t *bytes, size_t n)
{
	uart_print(COM1, bytes, n);
}

struct uart_backend *serial_init(void)
{
	static struct uart_backend backend = { .write = serial_write, .drained = serial_drained };
	static const struct console_client client = {
		.room = serial_room, .input = serial_input, .quit = serial_quit,
		.send_break = serial_break, .show_stats = stats_print, .unplug = serial_unplug,
	};

	console_attach(&client);
	return &backend;
}
