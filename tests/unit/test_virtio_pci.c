/* SPDX-License-Identifier: MIT */
/*
 * virtio over PCI as a driver sees it, through configuration space and the BARs:
 * what virtio 1.2 demands of such a device (4.1; each test names the section).
 */
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

static void on_notify(struct virtio *v, unsigned q)
{
	(void)v;
	notified[q]++;
	last_notified = q;
}

static void on_reset(struct virtio *v)
{
	(void)v;
	resets++;
}

static uint64_t on_config_read(struct virtio *v, unsigned offset, unsigned size)
{
	uint64_t value = 0;

	(void)v;
	memcpy(&value, config + offset, size);
	return value;
}

static void on_config_write(struct virtio *v, unsigned offset, unsigned size, uint64_t value)
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

static uint32_t get(unsigned reg, unsigned size) { return pci_config_read(f, reg, size); }
static void set(unsigned reg, unsigned size, uint32_t v) { pci_config_write(f, reg, size, v); }

/* Where the structure of a capability lies. */
static uint64_t place(unsigned type)
{
	return bar[get(cap[type] + 4, 1)] + get(cap[type] + 8, 4);
}

static uint32_t rd(unsigned field, unsigned size)
{
	return (uint32_t)bus_mmio_read(GPA(place(CAP_COMMON) + field), size);
}

static void wr(unsigned field, unsigned size, uint32_t value)
{
	bus_mmio_write(GPA(place(CAP_COMMON) + field), size, value);
}

static void wr64(unsigned field, uint64_t value)
{
	wr(field, 4, (uint32_t)value);
	wr(field + 4, 4, (uint32_t)(value >> 32));
}

static uint8_t isr(void) { return (uint8_t)bus_mmio_read(GPA(place(CAP_ISR)), 1); }

static uint64_t features(unsigned select, unsigned value)
{
	uint64_t all;

	wr(select, 4, 1);
	all = (uint64_t)rd(value, 4) << 32;
	wr(select, 4, 0);
	return all | rd(value, 4);
}

static void queue_set(unsigned q, uint64_t at)
{
	wr(QUEUE_SELECT, 2, q);
	wr(QUEUE_SIZE_, 2, 8);
	wr64(QUEUE_DESC, at);
	wr64(QUEUE_DRIVER, at + 0x200);
	wr64(QUEUE_DEVICE, at + 0x400);
	memset((void *)(LAYOUT_RAM + at), 0, 0x1000);
}

static void negotiate(uint64_t accepted)
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

static void drive(void)
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
static void use(unsigned q)
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

static unsigned msix(void)
{
	for (unsigned c = get(PCI_CAPABILITIES, 1); c; c = get(c + 1, 1))
		if (get(c, 1) == 0x11)
			return c;
	return 0;
}

static void msix_enable(void)
{
	uint64_t table = bar[get(msix() + 4, 4) & 7];

	for (unsigned v = 0; v <= QUEUES; v++) {
		bus_mmio_write(GPA(table + v * 16), 4, 0xfee00000);
		bus_mmio_write(GPA(table + v * 16 + 8), 4, 0x40 + v);
		bus_mmio_write(GPA(table + v * 16 + 12), 4, 0);
	}
	set(msix() + 2, 2, 0x8000);
}

static void add(void)
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

static void setup(void)
{
	for (unsigned i = 0; i < sizeof(config); i++)
		config[i] = (uint8_t)(0xa0 + i);
	add();
}

/* ---- 4.1.2 discovery ---- */

/* 4.1.2.1: vendor 0x1af4, device 0x1040 + type; revision SHOULD be 1 or more, subsystem 0x40. */
START_TEST(test_discovery)
{
	ck_assert_uint_eq(get(0, 4), 0x10441af4);
	ck_assert_uint_ge(get(PCI_REVISION, 1), 1);
	ck_assert_uint_ge(get(PCI_SUBSYSTEM, 2), 0x40);
	ck_assert_uint_eq(get(PCI_INTERRUPT_PIN, 1), 1);
}
END_TEST

START_TEST(test_classes)
{
	static const struct { uint16_t type; uint32_t class_code; } cases[] = {
		{ 1, 0x020000 }, { 2, 0x018000 }, { 4, 0xff0000 },
	};

	for (unsigned i = 0; i < 3; i++) {
		ops.type = cases[i].type;
		add();
		ck_assert_uint_eq(get(8, 4) >> 8, cases[i].class_code);
		ck_assert_uint_eq(get(2, 2), 0x1040 + cases[i].type);
	}
}
END_TEST

/* ---- 4.1.4 capabilities ---- */

/* 4.1.4.3.1, .4.1, .5.1, .6.1, .9.1: at least one of each MUST be there, aligned, inside a BAR;
 * 4.1.4.2: cap_len MUST include extra data. */
START_TEST(test_capabilities)
{
	static const struct { unsigned type, length, align, least; } wanted[] = {
		{ CAP_COMMON, 16, 4, 56 },
		{ CAP_NOTIFY, 20, 2, 2 },
		{ CAP_ISR, 16, 1, 1 },
		{ CAP_DEVICE, 16, 4, sizeof(config) },
		{ CAP_PCI, 20, 1, 0 },
	};

	for (unsigned i = 0; i < array_size(wanted); i++) {
		unsigned c = cap[wanted[i].type];
		uint32_t offset = get(c + 8, 4), length = get(c + 12, 4);

		ck_assert_msg(c, "no capability of type %u", wanted[i].type);
		ck_assert_uint_eq(get(c + 2, 1), wanted[i].length);
		ck_assert_uint_eq(offset % wanted[i].align, 0);
		ck_assert_uint_ge(length, wanted[i].least);
		ck_assert_uint_lt(get(c + 4, 1), 6);
		if (wanted[i].type != CAP_PCI)
			ck_assert_uint_le(offset + length, f->bar[get(c + 4, 1)].size);
	}
}
END_TEST

/* 4.1.4: fields are read-only, but those of the PCI configuration access. */
START_TEST(test_capabilities_readonly)
{
	for (unsigned type = CAP_COMMON; type <= CAP_DEVICE; type++)
		for (unsigned i = 0; i < 20; i += 4) {
			uint32_t was = get(cap[type] + i, 4);

			set(cap[type] + i, 4, ~was);
			ck_assert_uint_eq(get(cap[type] + i, 4), was);
		}
}
END_TEST

/* 4.1.4.6: no device configuration, no such capability needed. */
START_TEST(test_without_config)
{
	ops.config_size = 0;
	add();
	ck_assert_uint_eq(cap[CAP_DEVICE], 0);
	ck_assert_uint_ne(cap[CAP_PCI], 0);
}
END_TEST

/* 4.1.4.4.1: the multiplier is 0 or a power of two from 2 on;
 * length >= queue_notify_off * multiplier + 2 for all queues. */
START_TEST(test_notify_capability)
{
	uint32_t multiplier = get(cap[CAP_NOTIFY] + 16, 4);

	ck_assert_uint_eq(multiplier & (multiplier - 1), 0);
	ck_assert(multiplier != 1);
	for (unsigned q = 0; q < QUEUES; q++) {
		wr(QUEUE_SELECT, 2, q);
		ck_assert_uint_ge(get(cap[CAP_NOTIFY] + 12, 4),
				  rd(QUEUE_NOTIFY_OFF, 2) * multiplier + 2);
	}
}
END_TEST

/* ---- 4.1.4.3 common configuration ---- */

/* device_feature MUST show the bits from select * 32 on, 0 beyond those that exist. */
START_TEST(test_device_features)
{
	ck_assert_uint_eq(features(DEVICE_FEATURE_SELECT, DEVICE_FEATURE),
			  BIT(F_DEVICE) | BIT(28) | BIT(29) | BIT(32));
	for (uint32_t select = 2; select; select <<= 1) {
		wr(DEVICE_FEATURE_SELECT, 4, select);
		ck_assert_uint_eq(rd(DEVICE_FEATURE, 4), 0);
		ck_assert_uint_eq(rd(DEVICE_FEATURE_SELECT, 4), select);
	}
	wr(DEVICE_FEATURE_SELECT, 4, 0);
	wr(DEVICE_FEATURE, 4, 0);			/* read-only */
	ck_assert_uint_ne(rd(DEVICE_FEATURE, 4), 0);
}
END_TEST

/* driver_feature MUST show what the driver wrote, of the valid bits at least. */
START_TEST(test_driver_features)
{
	wr(DRIVER_FEATURE_SELECT, 4, 1);
	wr(DRIVER_FEATURE, 4, 1);
	wr(DRIVER_FEATURE_SELECT, 4, 0);
	wr(DRIVER_FEATURE, 4, BIT(F_DEVICE));
	wr(DRIVER_FEATURE_SELECT, 4, 2);
	wr(DRIVER_FEATURE, 4, 0xffffffff);		/* there are no such bits */
	ck_assert_uint_eq(rd(DRIVER_FEATURE, 4), 0);
	ck_assert_uint_eq(features(DRIVER_FEATURE_SELECT, DRIVER_FEATURE), BIT(32) | BIT(F_DEVICE));
	ck_assert_uint_eq(device.features, BIT(32) | BIT(F_DEVICE));
}
END_TEST

/* 2.2.2 by registers: FEATURES_OK that reads back as 0 is a refusal. */
START_TEST(test_features_refused)
{
	wr(STATUS, 1, 3);
	wr(STATUS, 1, 11);				/* without VERSION_1 */
	ck_assert_uint_eq(rd(STATUS, 1), 3);
}
END_TEST

/* The device MUST reset when 0 is written to status, and show 0 once that is done; queue_enable MUST
 * be 0 then; queue_size is the largest again. */
START_TEST(test_reset)
{
	drive();
	wr(QUEUE_SELECT, 2, 1);
	ck_assert_uint_eq(rd(QUEUE_SIZE_, 2), 8);
	resets = 0;
	wr(STATUS, 1, 0);
	ck_assert_uint_eq(resets, 1);
	ck_assert_uint_eq(rd(STATUS, 1), 0);
	for (unsigned q = 0; q < QUEUES; q++) {
		wr(QUEUE_SELECT, 2, q);
		ck_assert_uint_eq(rd(QUEUE_ENABLE, 2), 0);
		ck_assert_uint_eq(rd(QUEUE_SIZE_, 2), QUEUE_SIZE);
		ck_assert_uint_eq(rd(QUEUE_DESC, 4), 0);
	}
	ck_assert_uint_eq(features(DRIVER_FEATURE_SELECT, DRIVER_FEATURE), 0);
}
END_TEST

/* queue_size MUST be 0 for a queue that is not there, else a power of two. */
START_TEST(test_queue_size)
{
	ck_assert_uint_eq(rd(NUM_QUEUES, 2), QUEUES);
	for (unsigned q = 0; q < 70000; q = q * 2 + 1) {
		wr(QUEUE_SELECT, 2, q);
		ck_assert_uint_eq(rd(QUEUE_SIZE_, 2), (uint16_t)q < QUEUES ? QUEUE_SIZE : 0);
		if (q >= QUEUES && q < 65536) {
			wr64(QUEUE_DESC, 0x1000);
			wr(QUEUE_ENABLE, 2, 1);
			wr(QUEUE_VECTOR, 2, 1);
			ck_assert_uint_eq(rd(QUEUE_DESC, 4), 0);
			ck_assert_uint_eq(rd(QUEUE_ENABLE, 2), 0);
		}
	}
	wr(QUEUE_SELECT, 2, 0);
	for (unsigned size = 0; size < 1000; size++) {
		uint32_t read;

		wr(QUEUE_SIZE_, 2, size);
		read = rd(QUEUE_SIZE_, 2);
		ck_assert(read && !(read & (read - 1)) && read <= QUEUE_SIZE);
	}
}
END_TEST

/* 4.1.3.1: 64-bit fields as two independent halves. */
START_TEST(test_queue_addresses)
{
	wr(QUEUE_SELECT, 2, 2);
	for (unsigned field = QUEUE_DESC; field <= QUEUE_DEVICE; field += 8) {
		wr(field + 4, 4, 0x12345678);
		wr(field, 4, 0x9abcdef0 + field);
		ck_assert_uint_eq(rd(field, 4), 0x9abcdef0 + field);
		ck_assert_uint_eq(rd(field + 4, 4), 0x12345678);
		ck_assert_uint_eq(rd(field + 6, 2), 0x1234);
	}
	ck_assert_uint_eq(device.queue[2].used.v, 0x123456789abcdef0 + QUEUE_DEVICE);
	wr(QUEUE_SELECT, 2, 1);
	ck_assert_uint_eq(rd(QUEUE_DESC, 4), 0);
}
END_TEST

/* 4.1.4.3.2: a queue in use is not changed under way. */
START_TEST(test_enabled_queue_is_fixed)
{
	drive();
	wr(QUEUE_SELECT, 2, 0);
	wr64(QUEUE_DESC, 0x7000);
	wr(QUEUE_SIZE_, 2, 16);
	wr(QUEUE_ENABLE, 2, 0);
	ck_assert_uint_eq(rd(QUEUE_DESC, 4), QUEUE_AT(0));
	ck_assert_uint_eq(rd(QUEUE_SIZE_, 2), 8);
	ck_assert_uint_eq(rd(QUEUE_ENABLE, 2), 1);
}
END_TEST

START_TEST(test_queue_nowhere)
{
	negotiate(BIT(32));
	queue_set(0, QUEUE_AT(0));
	wr64(QUEUE_DEVICE, RAM);
	wr(QUEUE_ENABLE, 2, 1);
	ck_assert_uint_eq(rd(QUEUE_ENABLE, 2), 0);
	ck_assert_uint_eq(rd(STATUS, 1) & 64, 64);
}
END_TEST

/* 4.1.4.3.1: config_generation MUST differ after a changed value was read. */
START_TEST(test_generation)
{
	uint8_t before;

	drive();
	before = (uint8_t)rd(GENERATION, 1);
	bus_mmio_read(GPA(place(CAP_DEVICE)), 4);
	ck_assert_uint_eq(rd(GENERATION, 1), before);
	virtio_config_changed(&device);
	bus_mmio_read(GPA(place(CAP_DEVICE)), 4);
	ck_assert_uint_ne(rd(GENERATION, 1), before);
	wr(GENERATION, 1, before);			/* read-only */
	ck_assert_uint_ne(rd(GENERATION, 1), before);
}
END_TEST

/* Accesses that no driver may make (4.1.3.1): harmless. */
START_TEST(test_odd_accesses)
{
	uint64_t at = place(CAP_COMMON);

	drive();
	for (unsigned offset = 0; offset < 0x200; offset++)
		for (unsigned size = 1; size <= 8; size *= 2)
			bus_mmio_read(GPA(at + offset), size);
	wr(STATUS, 4, 0);				/* not status' width: no reset */
	wr(QUEUE_SELECT, 1, 1);
	bus_mmio_write(GPA(at + QUEUE_SELECT + 1), 2, 0x0101);
	ck_assert_uint_eq(rd(STATUS, 1), 15);
	ck_assert_uint_eq(rd(QUEUE_SELECT, 2), QUEUES - 1);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + CONFIG_VECTOR), 8),
			  0xffff | QUEUES << 16 | 15ull << 32 | rd(GENERATION, 1) << 8 |
				  (uint64_t)(QUEUES - 1) << 48);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 56), 8), 0);
	bus_mmio_write(GPA(at + 56), 4, ~0u);
}
END_TEST

/* ---- 4.1.4.4, 4.1.5.2 notification ---- */

START_TEST(test_notify)
{
	uint32_t multiplier = get(cap[CAP_NOTIFY] + 16, 4);

	drive();
	for (unsigned q = 0; q < QUEUES; q++) {
		wr(QUEUE_SELECT, 2, q);
		bus_mmio_write(GPA(place(CAP_NOTIFY) + rd(QUEUE_NOTIFY_OFF, 2) * multiplier), 2, q);
		ck_assert_uint_eq(notified[q], 1);
		ck_assert_uint_eq(last_notified, q);
	}
	for (unsigned offset = QUEUES * multiplier; offset < 0x1000; offset += 2)
		bus_mmio_write(GPA(place(CAP_NOTIFY) + offset), 2, 0);
	bus_mmio_read(GPA(place(CAP_NOTIFY)), 2);
	ck_assert_uint_eq(notified[0] + notified[1] + notified[2], 3);
}
END_TEST

/* ---- 4.1.4.5 ISR status, INTx ---- */

/* Without MSI-X: ISR bit 0 MUST be set for queues, bit 1 for configuration changes; the status
 * register's bit 3 MUST be the OR of all; reading MUST reset ISR (and ends the interrupt). */
START_TEST(test_isr)
{
	drive();
	use(0);
	ck_assert_uint_ne(gsi_lines, 0);
	ck_assert_uint_eq(get(PCI_STATUS, 2) & 8, 8);
	ck_assert_uint_eq(isr(), 1);
	ck_assert_uint_eq(gsi_lines, 0);
	ck_assert_uint_eq(get(PCI_STATUS, 2) & 8, 0);
	ck_assert_uint_eq(isr(), 0);
	virtio_config_changed(&device);
	ck_assert_uint_ne(gsi_lines, 0);
	use(2);
	ck_assert_uint_eq(isr(), 3);
	ck_assert_uint_eq(gsi_lines, 0);
	ck_assert_uint_eq(message.count, 0);
	/* Other bytes of the structure have no side effect; nor has writing. */
	use(0);
	bus_mmio_read(GPA(place(CAP_ISR) + 4), 4);
	bus_mmio_write(GPA(place(CAP_ISR)), 1, 0);
	ck_assert_uint_ne(gsi_lines, 0);
	wr(STATUS, 1, 0);
	ck_assert_uint_eq(gsi_lines, 0);
	ck_assert_uint_eq(isr(), 0);
}
END_TEST

START_TEST(test_intx_disabled)
{
	drive();
	set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX);
	use(0);
	ck_assert_uint_eq(gsi_lines, 0);
	ck_assert_uint_eq(get(PCI_STATUS, 2) & 8, 8);
}
END_TEST

/* ---- 4.1.5.1.2 MSI-X ---- */

/* Table Size MUST report the vectors; SHOULD be at least two. */
START_TEST(test_msix_size)
{
	ck_assert_uint_ne(msix(), 0);
	ck_assert_uint_eq(get(msix() + 2, 2) & 0x7ff, QUEUES + 1 - 1);
}
END_TEST

/* Any event MUST be mappable to any vector, and unmappable; what cannot be had MUST read as
 * NO_VECTOR; all unmapped on reset. */
START_TEST(test_msix_mapping)
{
	for (unsigned field = 0; field <= QUEUES; field++) {
		unsigned reg = field < QUEUES ? QUEUE_VECTOR : CONFIG_VECTOR;

		wr(QUEUE_SELECT, 2, field < QUEUES ? field : 0);
		ck_assert_uint_eq(rd(reg, 2), NO_VECTOR);
		for (unsigned v = 0; v <= QUEUES; v++) {
			wr(reg, 2, v);
			ck_assert_uint_eq(rd(reg, 2), v);
		}
		wr(reg, 2, QUEUES + 1);
		ck_assert_uint_eq(rd(reg, 2), NO_VECTOR);
		wr(reg, 2, 0);
		wr(reg, 2, NO_VECTOR);
		ck_assert_uint_eq(rd(reg, 2), NO_VECTOR);
		wr(reg, 2, 1);
	}
	wr(STATUS, 1, 0);
	ck_assert_uint_eq(rd(CONFIG_VECTOR, 2), NO_VECTOR);
	for (unsigned q = 0; q < QUEUES; q++) {
		wr(QUEUE_SELECT, 2, q);
		ck_assert_uint_eq(rd(QUEUE_VECTOR, 2), NO_VECTOR);
	}
}
END_TEST

/* 4.1.5.3.1, 4.1.5.4.1: the mapped vector is sent; with NO_VECTOR an interrupt MUST NOT be. */
START_TEST(test_msix_interrupts)
{
	drive();
	msix_enable();
	use(1);
	virtio_config_changed(&device);
	ck_assert_uint_eq(message.count, 0);
	wr(QUEUE_SELECT, 2, 1);
	wr(QUEUE_VECTOR, 2, 2);				/* while in use, as drivers may */
	wr(CONFIG_VECTOR, 2, 3);
	use(1);
	ck_assert_uint_eq(message.count, 1);
	ck_assert_uint_eq(message.data, 0x42);
	use(0);
	ck_assert_uint_eq(message.count, 1);
	virtio_config_changed(&device);
	ck_assert_uint_eq(message.data, 0x43);
	ck_assert_uint_eq(gsi_lines, 0);
	/* 4.1.4.5.1: the configuration bit MUST be set with MSI-X, too; the queue's not. */
	ck_assert_uint_eq(isr(), 2);
}
END_TEST

/* ---- 4.1.4.6 device configuration ---- */

START_TEST(test_device_config)
{
	uint64_t at = place(CAP_DEVICE);

	ck_assert_uint_eq(bus_mmio_read(GPA(at), 1), 0xa0);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 2), 2), 0xa3a2);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 4), 4), 0xa7a6a5a4);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 8), 8), 0xafaeadacabaaa9a8);
	bus_mmio_write(GPA(at + 16), 2, 0x1122);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 16), 4), 0xb3b21122);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 20), 4), 0);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 18), 4), 0);	/* across the end */
	bus_mmio_write(GPA(at + 18), 4, ~0u);
	bus_mmio_write(GPA(at + 0xffc), 4, ~0u);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 18), 2), 0xb3b2);
}
END_TEST

/* ---- 4.1.4.9 access by configuration space ---- */

static void window(uint64_t at, unsigned length)
{
	set(cap[CAP_PCI] + 4, 1, 0);
	set(cap[CAP_PCI] + 8, 4, (uint32_t)(at - bar[0]));
	set(cap[CAP_PCI] + 12, 4, length);
}

/* Writing pci_cfg_data MUST write to the BAR, reading MUST read from it, `length` bytes at `offset`. */
START_TEST(test_window)
{
	unsigned data = cap[CAP_PCI] + 16;

	window(place(CAP_DEVICE) + 4, 4);
	ck_assert_uint_eq(get(data, 4), 0xa7a6a5a4);
	ck_assert_uint_eq(get(data + 2, 2), 0xa7a6);
	window(place(CAP_DEVICE) + 4, 2);
	ck_assert_uint_eq(get(data, 4), 0xa5a4);
	set(data, 2, 0x7788);
	window(place(CAP_DEVICE) + 7, 1);
	ck_assert_uint_eq(get(data, 1), 0xa7);
	set(data, 4, 0xffffff99);
	ck_assert_uint_eq(bus_mmio_read(GPA(place(CAP_DEVICE) + 4), 4), 0x99a67788);
	ck_assert_uint_eq(config_written, 0x99);
	window(place(CAP_COMMON) + STATUS, 1);
	set(data, 1, 1);
	ck_assert_uint_eq(rd(STATUS, 1), 1);
	wr(QUEUE_SELECT, 2, 1);
	ck_assert_uint_eq(get(data, 4), 1);		/* a byte, not its neighbours */
	/* A whole driver could live on it: kicks and ISR, too, and with memory decode off. */
	drive();
	set(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	window(place(CAP_NOTIFY), 2);
	set(data, 2, 0);
	ck_assert_uint_eq(notified[0], 1);
	use(0);
	window(place(CAP_ISR), 1);
	ck_assert_uint_eq(get(data, 1), 1);
	ck_assert_uint_eq(get(data, 1), 0);
	ck_assert_uint_eq(gsi_lines, 0);
}
END_TEST

/* What it must not be asked for does nothing. */
START_TEST(test_window_misused)
{
	static const struct { uint32_t bar, offset, length; } cases[] = {
		{ 0, 0, 0 }, { 0, 0, 3 }, { 0, 0, 8 }, { 0, 0, UINT32_MAX }, { 0, 2, 4 }, { 0, 1, 2 },
		{ 0, 0x4000, 4 }, { 0, 0xfffffffc, 4 }, { 1, 0, 4 }, { 5, 0, 4 }, { 255, 0, 4 },
	};
	unsigned data = cap[CAP_PCI] + 16;

	drive();
	for (unsigned i = 0; i < array_size(cases); i++) {
		set(cap[CAP_PCI] + 4, 1, cases[i].bar);
		set(cap[CAP_PCI] + 8, 4, cases[i].offset);
		set(cap[CAP_PCI] + 12, 4, cases[i].length);
		set(data, 4, 0x5a5a5a5a);
		ck_assert_uint_eq(get(data, 4), 0x5a5a5a5a);	/* just a register */
	}
	ck_assert_uint_eq(rd(DEVICE_FEATURE_SELECT, 4), 0);
	ck_assert_uint_eq(rd(STATUS, 1), 15);
}
END_TEST

/* ---- bus mastering ---- */

/* PCI 3.0, 6.2.2: without it the device touches no memory; what came meanwhile is seen later. */
START_TEST(test_bus_master)
{
	drive();
	set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	((uint16_t *)(LAYOUT_RAM + QUEUE_AT(1) + 0x200))[1]++;
	bus_mmio_write(GPA(place(CAP_NOTIFY) + 4), 2, 1);
	ck_assert_uint_eq(notified[1], 0);
	ck_assert(!virtio_running(&device));
	set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	ck_assert_uint_eq(notified[1], 1);
	ck_assert_uint_eq(notified[0], 0);
	ck_assert(virtio_running(&device));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("virtio_pci");
	TCase *t = tcase_create("transport");

	if (arena_init() || ram_init(RAM))
		return EXIT_FAILURE;
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_discovery);
	tcase_add_test(t, test_classes);
	tcase_add_test(t, test_capabilities);
	tcase_add_test(t, test_capabilities_readonly);
	tcase_add_test(t, test_without_config);
	tcase_add_test(t, test_notify_capability);
	tcase_add_test(t, test_device_features);
	tcase_add_test(t, test_driver_features);
	tcase_add_test(t, test_features_refused);
	tcase_add_test(t, test_reset);
	tcase_add_test(t, test_queue_size);
	tcase_add_test(t, test_queue_addresses);
	tcase_add_test(t, test_enabled_queue_is_fixed);
	tcase_add_test(t, test_queue_nowhere);
	tcase_add_test(t, test_generation);
	tcase_add_test(t, test_odd_accesses);
	tcase_add_test(t, test_notify);
	tcase_add_test(t, test_isr);
	tcase_add_test(t, test_intx_disabled);
	tcase_add_test(t, test_msix_size);
	tcase_add_test(t, test_msix_mapping);
	tcase_add_test(t, test_msix_interrupts);
	tcase_add_test(t, test_device_config);
	tcase_add_test(t, test_window);
	tcase_add_test(t, test_window_misused);
	tcase_add_test(t, test_bus_master);
	suite_add_tcase(s, t);
	return suite_run(s);
}
