// SPDX-License-Identifier: MIT
/*
 * Fuzzes the IDE controller as a hostile guest drives it: registers in any order
 * and size, commands, PRD tables that change at any moment, resets and stops while
 * the host works, errors of the host.  Properties: every request of the back-end
 * is within the disk, whole sectors, and its memory is guest RAM or the
 * controller's own; none is in flight behind a reset, behind a stop of the bus
 * master or with bus mastering off; the interrupt line is low while disabled.
 *
 * Input: operations of 8 bytes: kind, selector, six of value.
 */
#include <errno.h>

#include "base/arena.h"
#include "base/layout.h"
#include "device/ide.h"
#include "device/pci.h"
#include "memory/ram.h"
#include "unit/device_fakes.h"

#define RAM_SIZE	(4 * MIB)
#define SECTORS		5000u
#define MASTER_PORT	0xc000
#define TABLES		0x10000u
#define DISKS		3u		/* the last drive is not there */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct operation {
	uint8_t kind, select, value[6];
};

struct block {
	struct block_request *queued;
	bool readonly;
};

static struct block disk[DISKS];
static bool line[2];
static struct pci_function *function;

static void require(bool property)
{
	if (!property)
		abort();
}

void irq_set(unsigned gsi, bool asserted) { line[gsi - 14] = asserted; }
void pic_set(unsigned irq, bool asserted) { (void)irq; (void)asserted; }
void irq_message(uint64_t address, uint32_t data) { (void)address; (void)data; }

uint64_t block_size(const struct block *b) { (void)b; return SECTORS * 512; }
bool block_readonly(const struct block *b) { return b->readonly; }
bool block_can_discard(const struct block *b) { (void)b; return true; }
unsigned block_physical_size(const struct block *b) { (void)b; return 4096; }
void io_flush(void) { }

static bool memory_allowed(const struct iovec *v)
{
	uint64_t at = (uint64_t)v->iov_base;

	if (at >= LAYOUT_DMA && at < LAYOUT_DMA + RAM_SIZE)
		return v->iov_len <= LAYOUT_DMA + RAM_SIZE - at;
	return at >= LAYOUT_ARENA && at < LAYOUT_ARENA + LAYOUT_ARENA_SIZE && v->iov_len <= 128 * 512;
}

void block_submit(struct block *b, struct block_request *r)
{
	uint64_t sum = 0;

	require(!b->queued);
	b->queued = r;
	if (r->op == BLOCK_FLUSH)
		return;
	require(r->length && r->length % 512 == 0 && r->offset % 512 == 0);
	require(r->offset < SECTORS * 512 && r->length <= SECTORS * 512 - r->offset);
	require(r->op == BLOCK_READ || !b->readonly);
	if (r->op == BLOCK_DISCARD)
		return;
	require(r->iov_count >= 1 && r->iov_count <= IO_IOV_MAX);
	for (unsigned i = 0; i < r->iov_count; i++) {
		require(memory_allowed(&r->iov[i]));
		sum += r->iov[i].iov_len;
	}
	require(sum == r->length);
}

static void disk_step(struct block *b, int error)
{
	struct block_request *r = b->queued;

	b->queued = NULL;
	if (r->op == BLOCK_READ && !error)
		for (unsigned i = 0; i < r->iov_count; i++)
			memset(r->iov[i].iov_base, (int)r->offset, r->iov[i].iov_len);
	r->done(r, error);
}

void block_drain(struct block *b)
{
	for (unsigned n = 0; b->queued; n++) {
		require(n < 20000);
		disk_step(b, 0);
	}
}

/* Registers, then the code: most of what a fuzzer would write by chance is no command. */
static void command(const struct operation *op)
{
	uint16_t base = op->select & 1 ? 0x170 : 0x1f0;

	out8((uint16_t)(base + 6), 0x40 | (op->select & 0x3f));
	for (uint16_t reg = 1; reg < 6; reg++)
		out8((uint16_t)(base + reg), reg > 2 && (op->select & 0x40) ? 0 : op->value[reg]);
	out8((uint16_t)(base + 7), op->value[0]);
}

/* An entry of a table, most of the time of memory that exists. */
static void entry_write(const struct operation *op)
{
	uint32_t entry[2];

	memcpy(&entry[0], op->value, 4);
	if (op->select & 0x80)
		entry[0] &= RAM_SIZE - 1;
	entry[1] = (uint32_t)(op->value[4] << 1 | (op->value[5] & 15) << 9 | (op->value[5] & 0x80u) << 24);
	ram_write(GPA(TABLES + (op->select & 63) * 8), entry, 8);
}

static void dma_start(const struct operation *op)
{
	uint16_t base = (uint16_t)(MASTER_PORT + (op->select & 1) * 8);
	uint32_t table = TABLES + op->value[0] * 8;

	if (op->select & 0x80)
		memcpy(&table, op->value, 4);
	bus_pio_write((uint16_t)(base + 4), 4, table);
	out8(base, 0);
	out8(base, op->value[5] | 1);
}

static void data_move(const struct operation *op)
{
	uint16_t base = op->select & 1 ? 0x170 : 0x1f0;
	unsigned n = 128u << (op->value[0] & 3), size = 1u << (op->value[1] % 3);

	for (; n; n--) {
		if (op->select & 2)
			bus_pio_read(base, size);
		else
			bus_pio_write(base, size, n * 0x01010101u);
	}
}

static void port_access(const struct operation *op)
{
	static const uint16_t bases[] = { 0x1f0, 0x170, 0x3f6, 0x376, MASTER_PORT, MASTER_PORT + 8 };
	uint16_t port = (uint16_t)(bases[op->select % 6] + (op->value[0] & 7));
	unsigned size = 1u << (op->value[1] % 3);
	uint32_t value;

	memcpy(&value, op->value + 2, 4);
	if (op->select & 0x80)
		bus_pio_write(port, size, value);
	else if (size < 4)
		require(!(bus_pio_read(port, size) >> (8 * size)));
}

/* Neither of the channel's drives has a request that touches guest memory (or any, `all`). */
static void require_idle(unsigned channel, bool all)
{
	for (unsigned i = 2 * channel; i < 2 * channel + 2 && i < DISKS; i++) {
		const struct block_request *r = disk[i].queued;

		require(!r || (!all && (!r->iov_count || (uint64_t)r->iov->iov_base < LAYOUT_DMA)));
	}
}

static void end_of_transfer(unsigned channel, bool reset)
{
	uint16_t control = channel ? 0x376 : 0x3f6;
	bool decodes = (function->config[4] & 1) && (function->config[0x41 + 2 * channel] & 0x80);

	if (!reset && function->bar[4].mapped && function->bar[4].base == MASTER_PORT) {
		out8((uint16_t)(MASTER_PORT + channel * 8), 0);
		require_idle(channel, false);
	} else if (reset && decodes) {
		out8(control, 4);
		require_idle(channel, true);
		require(!line[channel]);
		out8(control, 0);
		require(!line[channel]);
	}
}

/* Where the other operations look for it. */
static void configure(void)
{
	pci_config_write(function, 0x20, 4, MASTER_PORT);
	pci_config_write(function, 0x40, 4, 0x80008000);
	pci_config_write(function, 4, 2, 5);
}

static void operate(const struct operation *op)
{
	struct block *b = &disk[op->select % DISKS];
	uint32_t value;

	switch (op->kind % 10) {
	case 0: case 1:
		command(op);
		break;
	case 2:
		port_access(op);
		break;
	case 3:
		entry_write(op);
		break;
	case 4:
		dma_start(op);
		break;
	case 5: case 6:
		if (b->queued)
			disk_step(b, op->value[0] == 1 ? -EIO : op->value[0] == 2 ? -ENOSPC : 0);
		break;
	case 7:
		data_move(op);
		break;
	case 8:
		end_of_transfer(op->select & 1, op->select & 8);
		break;
	case 9:
		memcpy(&value, op->value, 4);
		pci_config_write(function, op->select % 0x50 & 0xfc, 4, value);
		if (!pci_bus_master(function)) {
			require_idle(0, false);
			require_idle(1, false);
		}
		/* Most of the time it is where the other operations look for it. */
		if (op->value[5] & 7)
			configure();
		break;
	}
}

static void start(void)
{
	struct machine_disk config = { .device = DISK_IDE };

	require(!arena_init() && !ram_init(RAM_SIZE));
	disk[1].readonly = true;
	for (unsigned i = 0; i < DISKS; i++)
		require(!ide_add(&config, &disk[i]));
	pci_assign();
	function = pci_find(IDE_PCI_SLOT, IDE_PCI_FUNCTION);
}

/* Every input begins with the controller in the same state, as far as a guest can bring it there. */
static void settle(void)
{
	configure();
	for (unsigned i = 0; i < 2; i++) {
		out8((uint16_t)(MASTER_PORT + 8 * i), 0);
		out8(i ? 0x376 : 0x3f6, 4);
		out8(i ? 0x376 : 0x3f6, 0);
		require(!line[i]);
	}
	for (unsigned i = 0; i < DISKS; i++)
		require(!disk[i].queued);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct operation op;

	if (!function)
		start();
	settle();
	for (; size >= sizeof(op) && size <= 4096; size -= sizeof(op), data += sizeof(op)) {
		memcpy(&op, data, sizeof(op));
		operate(&op);
	}
	settle();
	/* It still works. */
	out8(0x1f6, 0xe0);
	out8(0x1f7, 0xec);
	require(bus_pio_read(0x1f0, 2) == 0x40 && line[0]);
	return 0;
}
