/* SPDX-License-Identifier: MIT */
/*
 * A virtio device on the PCI bus, and a driver that knows only its registers, for tests
 * that include this once.  main() makes RAM by driver_ram().
 */
#ifndef RING3_TESTS_VIRTIO_PCI_DRIVER_H
#define RING3_TESTS_VIRTIO_PCI_DRIVER_H

#include "device_fakes.h"

#include "base/arena.h"
#include "device/pci.h"
#include "device/pci_regs.h"
#include "device/virtio.h"
#include "memory/ram.h"

#define RAM		(4 * MIB)
#define QUEUES		3u
#define QUEUE_SIZE	64u
#define BIT(n)		(1ull << (n))
#define F_DEVICE	5
#define NO_VECTOR	0xffffu

enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI };

/* The common configuration's fields. */
enum {
	DEVICE_FEATURE_SELECT = 0, DEVICE_FEATURE = 4, DRIVER_FEATURE_SELECT = 8, DRIVER_FEATURE = 12,
	CONFIG_VECTOR = 16, NUM_QUEUES = 18, STATUS = 20, GENERATION = 21, QUEUE_SELECT = 22,
	QUEUE_SIZE_ = 24, QUEUE_VECTOR = 26, QUEUE_ENABLE = 28, QUEUE_NOTIFY_OFF = 30,
	QUEUE_DESC = 32, QUEUE_DRIVER = 40, QUEUE_DEVICE = 48,
};

static uint32_t gsi_lines;
static struct { unsigned count; uint64_t address; uint32_t data; } message;

void irq_set(unsigned gsi, bool asserted)
{
	gsi_lines = asserted ? gsi_lines | 1u << gsi : gsi_lines & ~(1u << gsi);
}

void pic_set(unsigned irq, bool asserted) { (void)irq; (void)asserted; }

void irq_message(uint64_t address, uint32_t data)
{
	message.count++;
	message.address = address;
	message.data = data;
}

/* ---- a device ---- */

static struct virtio device;
static unsigned notified[QUEUES], last_notified, resets;
static uint8_t config[20];
static uint64_t config_written;

static inline void on_notify(struct virtio *v, unsigned q)
{
	(void)v;
	notified[q]++;
	last_notified = q;
}

static inline void on_reset(struct virtio *v)
{
	(void)v;
	resets++;
}

static inline uint64_t on_config_read(struct virtio *v, unsigned offset, unsigned size)
{
	uint64_t value = 0;

	(void)v;
	memcpy(&value, config + offset, size);
	return value;
}

static inline void on_config_write(struct virtio *v, unsigned offset, unsigned size, uint64_t value)
{
	(void)v;
	config_written = value;
	memcpy(config + offset, &value, size);
}

static struct virtio_ops ops = {
	.type = 4, .name = "test", .notify = on_notify, .reset = on_reset,
	.config_size = sizeof(config), .config_read = on_config_read,
	.config_write = on_config_write,
};

/* ---- a driver ---- */

static struct pci_function *f;
static unsigned cap[6];			/* offsets of the capabilities by type; 0: none */
static uint64_t bar[PCI_BARS];

static inline uint32_t get(unsigned reg, unsigned size) { return pci_config_read(f, reg, size); }
static inline void set(unsigned reg, unsigned size, uint32_t v) { pci_config_write(f, reg, size, v); }

/* Where the structure of a capability lies. */
static inline uint64_t place(unsigned type)
{
	return bar[get(cap[type] + 4, 1)] + get(cap[type] + 8, 4);
}

static inline uint32_t rd(unsigned field, unsigned size)
{
	return (uint32_t)bus_mmio_read(GPA(place(CAP_COMMON) + field), size);
}

static inline void wr(unsigned field, unsigned size, uint32_t value)
{
	bus_mmio_write(GPA(place(CAP_COMMON) + field), size, value);
}

static inline void wr64(unsigned field, uint64_t value)
{
	wr(field, 4, (uint32_t)value);
	wr(field + 4, 4, (uint32_t)(value >> 32));
}

static inline uint8_t isr(void) { return (uint8_t)bus_mmio_read(GPA(place(CAP_ISR)), 1); }

static inline uint64_t features(unsigned select, unsigned value)
{
	uint64_t all;

	wr(select, 4, 1);
	all = (uint64_t)rd(value, 4) << 32;
	wr(select, 4, 0);
	return all | rd(value, 4);
}

static inline void queue_set(unsigned q, uint64_t at)
{
	wr(QUEUE_SELECT, 2, q);
	wr(QUEUE_SIZE_, 2, 8);
	wr64(QUEUE_DESC, at);
	wr64(QUEUE_DRIVER, at + 0x200);
	wr64(QUEUE_DEVICE, at + 0x400);
	memset((void *)(LAYOUT_RAM + at), 0, 0x1000);
}

static inline void negotiate(uint64_t accepted)
{
	wr(STATUS, 1, 0);
	wr(STATUS, 1, 1);
	wr(STATUS, 1, 3);
	for (unsigned i = 0; i < 2; i++) {
		wr(DRIVER_FEATURE_SELECT, 4, i);
		wr(DRIVER_FEATURE, 4, (uint32_t)(accepted >> (i * 32)));
	}
	wr(STATUS, 1, 11);
	ck_assert_uint_eq(rd(STATUS, 1), 11);
}

#define QUEUE_AT(q)	(0x10000ul + (q) * 0x1000ul)

static inline void drive(void)
{
	negotiate(BIT(VIRTIO_F_VERSION_1));
	for (unsigned q = 0; q < QUEUES; q++) {
		queue_set(q, QUEUE_AT(q));
		wr(QUEUE_ENABLE, 2, 1);
		ck_assert_uint_eq(rd(QUEUE_ENABLE, 2), 1);
	}
	wr(STATUS, 1, 15);
}

/* One buffer made available and used, with what notification follows of it. */
static inline void use(unsigned q)
{
	struct virtqueue *queue = &device.queue[q];
	uint16_t *avail = (uint16_t *)(LAYOUT_RAM + QUEUE_AT(q) + 0x200);
	struct iovec iov[4];
	struct virtqueue_chain chain = { .iov = iov, .max = 4 };

	*(uint64_t *)(LAYOUT_RAM + QUEUE_AT(q)) = 0x20000;
	*(uint64_t *)(LAYOUT_RAM + QUEUE_AT(q) + 8) = 16;
	avail[1]++;
	ck_assert(virtqueue_take(queue, &chain));
	virtqueue_push(queue, &chain, 0);
	virtio_complete(&device, q);
}

static inline unsigned msix(void)
{
	for (unsigned c = get(PCI_CAPABILITIES, 1); c; c = get(c + 1, 1))
		if (get(c, 1) == 0x11)
			return c;
	return 0;
}

static inline void msix_enable(void)
{
	uint64_t table = bar[get(msix() + 4, 4) & 7];

	for (unsigned v = 0; v <= QUEUES; v++) {
		bus_mmio_write(GPA(table + v * 16), 4, 0xfee00000);
		bus_mmio_write(GPA(table + v * 16 + 8), 4, 0x40 + v);
		bus_mmio_write(GPA(table + v * 16 + 12), 4, 0);
	}
	set(msix() + 2, 2, 0x8000);
}

static inline void add(void)
{
	virtio_init(&device, &ops, BIT(F_DEVICE), QUEUES, QUEUE_SIZE);
	ck_assert_int_eq(virtio_pci_add(&device), 0);
	pci_assign();
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		if (pci_find(slot, 0))
			f = pci_find(slot, 0);
	memset(cap, 0, sizeof(cap));
	for (unsigned c = get(PCI_CAPABILITIES, 1); c; c = get(c + 1, 1))
		if (get(c, 1) == 9)
			cap[get(c + 3, 1)] = c;
	for (unsigned i = 0; i < PCI_BARS; i++)
		bar[i] = get(PCI_BAR(i), 4) & ~15u;
	set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static inline void setup(void)
{
	for (unsigned i = 0; i < sizeof(config); i++)
		config[i] = (uint8_t)(0xa0 + i);
	add();
}

static inline int driver_ram(void) { return arena_init() || ram_init(RAM) ? -1 : 0; }

#endif
