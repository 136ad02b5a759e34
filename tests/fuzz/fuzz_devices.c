// SPDX-License-Identifier: MIT
/*
 * Fuzzes all devices together, as a guest reaches them: ports, MMIO, APIC MSRs, PCI
 * configuration and BARs, wherever they were moved, in any order and size, with
 * lines rising, bytes arriving, memory that devices read being written and time
 * passing in between.  Properties: no crash; an acknowledged vector is one that was pending;
 * after EOIs and with the sources quiet, nothing is pending for ever; timers never
 * fire without bound in bounded time.
 *
 * Input: a sequence of operations of 8 bytes: kind, selector, size, five of value.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "device/ioapic.h"
#include "device/lapic.h"
#include "device/pci_regs.h"
#include "device/pcihost.h"
#include "device/platform.h"
#include "hostio/io.h"
#include "machine/kvmclock.h"
#include "memory/ram.h"
#include "unit/device_fakes.h"

#define RAM		(2 * MIB)
#define SLOTS		8u		/* more than are taken */
#define FIRES_MAX	200000u		/* of all timers, in the longest sleep of one operation */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct operation {
	uint8_t kind, select, size, value[5];
};

static const uint16_t ports[] = {
	0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x70, 0x71, 0x60, 0x64,
	0x92, 0xe9, 0xf4, 0xf6, 0x505, 0x600, 0x602, 0x604, 0x605, 0x608, 0x60a, 0xcf8, 0xcf9,
	0x1f0, 0x1f1, 0x1f2, 0x1f3, 0x1f4, 0x1f5, 0x1f6, 0x1f7, 0x3f6, 0x170, 0x176, 0x177, 0x376,
	0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x80, 0xffff,
};

static uint64_t written;

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

/* ---- PCI ---- */

static void pci_config(const struct operation *op, unsigned size, uint64_t value, bool write)
{
	unsigned reg = op->value[4];

	bus_pio_write(PCIHOST_PORT, 4, 1u << 31 | (op->select % SLOTS) << 11 |
				       (op->select / SLOTS & 1) << 8 | (reg & 0xfc));
	if (write)
		bus_pio_write((uint16_t)(PCIHOST_PORT + 4 + reg % 4), size, value);
	else if (bus_pio_read((uint16_t)(PCIHOST_PORT + 4 + reg % 4), size) >> (size * 8))
		abort();
}

/* Into a function's register window, where it is now. */
static void pci_window(const struct operation *op, unsigned size, uint64_t value)
{
	struct pci_function *f = pci_find(op->select % SLOTS, op->select / SLOTS & 1);
	unsigned i = op->select >> 4 & 7;
	uint64_t offset = (op->size >> 3) * 0x1000ul + op->value[4] * 16 + (op->value[3] & 15);
	uint64_t at;

	if (!f || i >= PCI_BARS || !f->bar[i].size)
		return;
	at = f->bar[i].base + offset % f->bar[i].size;
	value &= 0xffffff;
	if (f->bar[i].io && size < 8)
		op->size & 4 ? bus_pio_write((uint16_t)at, size, value) :
			(void)bus_pio_read((uint16_t)at, size);
	else if (op->size & 4)
		bus_mmio_write(GPA(at), size, value);
	else
		bus_mmio_read(GPA(at), size);
}

/* What devices read: descriptors, rings, commands. */
static void guest_write(const struct operation *op, uint64_t value)
{
	uint64_t at = (op->select * 256ul + op->size) * 8;

	memcpy((void *)(LAYOUT_RAM + at), &value, sizeof(value));
}

static void register_write(const struct pci_function *f, unsigned reg, unsigned size, uint64_t value)
{
	bus_mmio_write(GPA(f->bar[0].base + reg), size, value);
}

/* A virtio driver that does as it should: else few inputs get this far. */
static void virtio_start(const struct operation *op, uint64_t value)
{
	struct pci_function *f = pci_find(op->select % SLOTS, 0);

	if (!f || pci_get16(f->config) != 0x1af4)
		return;
	pci_config_write(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	if (!f->bar[0].mapped)
		pci_config_write(f, PCI_BAR(0), 4, PCI_MMIO_BASE + f->slot * 0x100000u);
	memset((void *)(LAYOUT_RAM + 0x1000), 0, 0x8000);
	register_write(f, 0x14, 1, 0);
	register_write(f, 0x14, 1, 3);
	register_write(f, 0x00, 4, 0);
	register_write(f, 0x08, 4, 0);
	register_write(f, 0x0c, 4, value & bus_mmio_read(GPA(f->bar[0].base + 4), 4));
	register_write(f, 0x08, 4, 1);
	register_write(f, 0x0c, 4, 1);
	register_write(f, 0x14, 1, 11);
	for (unsigned q = 0; q < 4; q++) {
		register_write(f, 0x16, 2, q);
		register_write(f, 0x18, 2, 1u << (op->value[4] & 7));
		register_write(f, 0x20, 4, 0x1000 + q * 0x2000);
		register_write(f, 0x28, 4, 0x2000 + q * 0x2000);
		register_write(f, 0x30, 4, 0x2800 + q * 0x2000);
		register_write(f, 0x1c, 2, 1);
	}
	register_write(f, 0x14, 1, 15);
}

static void kick(const struct operation *op, uint16_t head)
{
	struct pci_function *f = pci_find(op->select % SLOTS, 0);
	unsigned q = op->select / SLOTS & 3;
	uint16_t *avail = (uint16_t *)(LAYOUT_RAM + 0x2000 + q * 0x2000);

	avail[2 + avail[1] % 8] = head;
	avail[1]++;
	if (f && f->bar[0].mapped)
		register_write(f, 0x3000 + 4 * q, 2, q);
}

struct descriptor {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static struct descriptor *descriptors(const struct operation *op)
{
	return (struct descriptor *)(LAYOUT_RAM + 0x1000 + (op->select / SLOTS & 3) * 0x2000);
}

/* A descriptor, the next entry of the available ring, and a kick. */
static void virtio_offer(const struct operation *op, uint64_t value)
{
	descriptors(op)[op->size >> 5] = (struct descriptor){
		.addr = value % (RAM + PAGE_SIZE), .len = op->value[4] * 16u, .flags = op->size >> 2 & 7,
		.next = op->size >> 5,
	};
	kick(op, op->size & 3);
}

/* Three parts: a header, data, room for a status; what disks and control queues want. */
static void virtio_request(const struct operation *op, uint64_t value)
{
	struct descriptor *d = descriptors(op);
	uint64_t *header = (uint64_t *)(LAYOUT_RAM + 0xa000);

	header[0] = op->value[0] & 15;
	header[1] = op->value[1] << (op->size >> 5);
	d[0] = (struct descriptor){ 0xa000, 16, 1, 1 };
	d[1] = (struct descriptor){ (value >> 8) % RAM, op->value[4] * 64u,
				    (op->size >> 1 & 2) | 1, 2 };
	d[2] = (struct descriptor){ 0xa100, 1, 2, 0 };
	kick(op, 0);
}

static void operate(const struct operation *op)
{
	unsigned size = 1u << (op->size & 3);
	uint64_t value = op->value[0] | (uint64_t)op->value[1] << 8 | (uint64_t)op->value[2] << 16 |
			 (uint64_t)op->value[3] << 24;
	uint16_t port = ports[op->select % array_size(ports)];
	unsigned pio_size = size > 4 ? 4 : size;

	switch (op->kind % 16) {
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
	case 9:
		pci_config(op, pio_size, value, true);
		break;
	case 10:
		pci_config(op, pio_size, value, false);
		break;
	case 11:
		pci_window(op, size, value);
		break;
	case 12:
		guest_write(op, value);
		break;
	case 13:
		virtio_start(op, value);
		break;
	case 14:
		virtio_offer(op, value);
		break;
	case 15:
		virtio_request(op, value);
		break;
	}
	io_poll();
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
	/* Each model, in front of nothing. */
	static const struct machine_config all_devices = {
		.disk = { { .backend = { .path = "null", .null_size = MIB }, .device = DISK_VIRTIO },
			  { .backend = { .path = "null", .null_size = MIB }, .device = DISK_IDE } },
		.disks = 2,
		.net = { { .backend = { .kind = NET_NULL }, .device = NET_DEVICE_VIRTIO, .mac = { 2, 1 } },
			 { .backend = { .kind = NET_NULL }, .device = NET_DEVICE_E1000, .mac = { 2, 2 } } },
		.nets = 2,
		.rng = true,
	};
	static bool ready;
	struct operation op;

	/* State is kept from one input to the next: more of it is reached so. */
	if (!ready && (arena_init() || ram_init(RAM) || platform_init(&backend, &all_devices) ||
		       io_start(IO_AUTO)))
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
