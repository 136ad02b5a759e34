// SPDX-License-Identifier: MIT
/*
 * Fuzzes all devices together, as a guest reaches them: ports, MMIO, APIC MSRs,
 * in any order and size, with lines rising, bytes arriving and time passing in
 * between.  Properties: no crash; an acknowledged vector is one that was pending;
 * after EOIs and with the sources quiet, nothing is pending for ever; timers never
 * fire without bound in bounded time.
 *
 * Input: a sequence of operations of 8 bytes: kind, selector, size, three bytes
 * of value, two more.
 */
#include <stdlib.h>
#include <string.h>

#include "device/ioapic.h"
#include "device/lapic.h"
#include "device/platform.h"
#include "machine/kvmclock.h"
#include "memory/ram.h"
#include "unit/device_fakes.h"

#define FIRES_MAX	200000u		/* of all timers, in the longest sleep of one operation */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct operation {
	uint8_t kind, select, size, value[5];
};

static const uint16_t ports[] = {
	0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x70, 0x71, 0x60, 0x64,
	0x92, 0xe9, 0xf4, 0xf6, 0x505, 0x600, 0x602, 0x604, 0x605, 0x608, 0x60a, 0xcf8, 0xcf9,
	0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x80, 0xffff,
};

static uint64_t written;

uint64_t ram_low_size(void) { return 512 * MIB; }
uint64_t ram_high_size(void) { return 0; }
void kvmclock_update(void) { }

static void take(void *context, const uint8_t *bytes, size_t n)
{
	(void)context;
	for (size_t i = 0; i < n; i++)
		written += bytes[i];
}

static void mmio(const struct operation *op, unsigned size, uint64_t value, bool write)
{
	uint64_t base = op->select & 0x80 ? IOAPIC_BASE : lapic_get_base() & ~0xfffUL;
	uint64_t offset = (uint64_t)(op->select & 0x7f) << 4 | (op->value[4] & 15);

	if (write)
		bus_mmio_write(GPA(base + offset), size, value);
	else if (size < 8 && bus_mmio_read(GPA(base + offset), size) >> (size * 8))
		abort();
}

static void apic_msr(const struct operation *op, uint64_t value)
{
	uint64_t read;

	switch (op->select % 6) {
	case 0:
		lapic_set_base((lapic_get_base() & ~0xc00UL) | (value & 0xc00));
		break;
	case 1:
		lapic_set_tpr(value);
		break;
	case 2:
		lapic_set_tsc_deadline(clock_tsc() + value * op->value[4] - 1000);
		break;
	case 3:
		lapic_x2apic_write(0x800 + op->value[4] % 0x41, value);
		break;
	case 4:
		lapic_x2apic_read(0x800 + op->value[4] % 0x41, &read);
		break;
	case 5:
		irq_message(0xfee00000 | (value & 0xffff), (uint32_t)value);
		break;
	}
}

static void take_interrupt(void)
{
	bool pending = irq_pending();
	int vector = irq_acknowledge();

	if (pending != (vector >= 0) || vector > 255)
		abort();
}

static void sleep_bounded(uint64_t ns)
{
	uint64_t end = fake_now + ns;
	unsigned fires = 0;

	while (timers_next() <= end) {
		if (timers_next() > fake_now)
			fake_now = timers_next();
		timers_run(fake_now);
		if (++fires > FIRES_MAX)
			abort();
	}
	fake_now = end;
}

static void operate(const struct operation *op)
{
	unsigned size = 1u << (op->size & 3);
	uint64_t value = op->value[0] | (uint64_t)op->value[1] << 8 | (uint64_t)op->value[2] << 16 |
			 (uint64_t)op->value[3] << 24;
	uint16_t port = ports[op->select % array_size(ports)];
	unsigned pio_size = size > 4 ? 4 : size;

	switch (op->kind % 9) {
	case 0:
		bus_pio_write(port, pio_size, value);
		break;
	case 1:
		if (bus_pio_read(port, pio_size) >> (pio_size * 8))
			abort();
		break;
	case 2:
		mmio(op, size, value, true);
		break;
	case 3:
		mmio(op, size, value, false);
		break;
	case 4:
		apic_msr(op, value);
		break;
	case 5:
		irq_set(op->select % 26, op->value[0] & 1);
		break;
	case 6:
		sleep_bounded(value % 1000000000);
		break;
	case 7:
		if (uart_receive(0, op->value, op->select % 6) > op->select % 6)
			abort();
		break;
	case 8:
		take_interrupt();
		break;
	}
	irq_take_nmi();
	platform_poll();
}

/* With every line low and every interrupt ended, the end of pending must come. */
static void drain(void)
{
	for (unsigned gsi = 0; gsi < IOAPIC_PINS; gsi++)
		irq_set(gsi, false);
	for (unsigned n = 0; irq_pending(); n++) {
		take_interrupt();
		bus_mmio_write(GPA((lapic_get_base() & ~0xfffUL) + 0xb0), 4, 0);
		lapic_x2apic_write(0x80b, 0);
		if (n > 2000)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct uart_backend backend = { .write = take };
	static const struct machine_config no_devices;
	static bool ready;
	struct operation op;

	/* State is kept from one input to the next: more of it is reached so. */
	if (!ready && platform_init(&backend, &no_devices))
		abort();
	ready = true;
	for (; size >= sizeof(op) && size <= 4096; size -= sizeof(op), data += sizeof(op)) {
		memcpy(&op, data, sizeof(op));
		operate(&op);
	}
	drain();
	platform_flush();
	return 0;
}
