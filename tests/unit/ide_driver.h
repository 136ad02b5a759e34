/* SPDX-License-Identifier: MIT */
/*
 * A small IDE driver and a disk in memory, for tests that include this once: the
 * controller, PCI, bus and guest RAM are the real ones.
 *
 * The disk does nothing before disk_run(), so that tests see the controller with a
 * request in flight.  Sector n of a new disk holds the words n, n + 1, ...
 */
#ifndef RING3_TESTS_IDE_DRIVER_H
#define RING3_TESTS_IDE_DRIVER_H

#include "device_fakes.h"

#include <errno.h>

#include "base/arena.h"
#include "device/ide.h"
#include "device/pci.h"
#include "memory/ram.h"

#define DISK_SECTORS	70000u		/* more than one LBA48 command moves */
#define SECTOR		512u
#define LOG_MAX		4096u

struct block {
	uint8_t *data;
	uint64_t sectors;
	bool readonly, discards;
	unsigned physical;
	uint64_t bad;			/* reads and writes that touch it fail with -EIO */
	int flush_error;
	struct block_request *queued;	/* an IDE channel has one at a time */
	unsigned submitted;
	struct { enum block_op op; uint64_t lba, sectors; } log[LOG_MAX];
};

static bool irq_line[24];
static unsigned irq_edges[24], flushes_asked;

void irq_set(unsigned gsi, bool asserted)
{
	irq_edges[gsi] += asserted && !irq_line[gsi];
	irq_line[gsi] = asserted;
}

void pic_set(unsigned irq, bool asserted) { (void)irq; (void)asserted; }
void irq_message(uint64_t address, uint32_t data) { (void)address; (void)data; }

uint64_t block_size(const struct block *b) { return b->sectors * SECTOR; }
bool block_readonly(const struct block *b) { return b->readonly; }
bool block_can_discard(const struct block *b) { return b->discards; }
unsigned block_physical_size(const struct block *b) { return b->physical; }
void io_flush(void) { flushes_asked++; }

void block_submit(struct block *b, struct block_request *r)
{
	ck_assert_ptr_null(b->queued);
	b->queued = r;
	b->log[b->submitted % LOG_MAX].op = r->op;
	b->log[b->submitted % LOG_MAX].lba = r->offset / SECTOR;
	b->log[b->submitted % LOG_MAX].sectors = r->length / SECTOR;
	b->submitted++;
}

static inline int disk_move(struct block *b, struct block_request *r)
{
	uint64_t at = r->offset, sum = 0;

	ck_assert_uint_ge(r->iov_count, 1);
	ck_assert_uint_le(r->iov_count, IO_IOV_MAX);
	for (unsigned i = 0; i < r->iov_count; i++)
		sum += r->iov[i].iov_len;
	ck_assert_uint_eq(sum, r->length);
	ck_assert(sum && sum % SECTOR == 0);
	if (at + sum > b->sectors * SECTOR)
		return -EINVAL;
	if (r->op == BLOCK_WRITE && b->readonly)
		return -EROFS;
	for (unsigned i = 0; i < r->iov_count; i++) {
		if (at / SECTOR <= b->bad && b->bad * SECTOR < r->offset + sum)
			return -EIO;
		if (r->op == BLOCK_READ)
			memcpy(r->iov[i].iov_base, b->data + at, r->iov[i].iov_len);
		else
			memcpy(b->data + at, r->iov[i].iov_base, r->iov[i].iov_len);
		at += r->iov[i].iov_len;
	}
	return 0;
}

static inline void disk_step(struct block *b)
{
	struct block_request *r = b->queued;
	int error = 0;

	b->queued = NULL;
	switch (r->op) {
	case BLOCK_READ: case BLOCK_WRITE:
		error = disk_move(b, r);
		break;
	case BLOCK_FLUSH:
		error = b->flush_error;
		break;
	case BLOCK_DISCARD: case BLOCK_WRITE_ZEROES:
		ck_assert_uint_le(r->offset + r->length, b->sectors * SECTOR);
		memset(b->data + r->offset, 0, r->length);
		break;
	}
	r->done(r, error);
}

static inline void disk_run(struct block *b)
{
	while (b->queued)
		disk_step(b);
}

void block_drain(struct block *b)
{
	disk_run(b);
}

static inline struct block *disk_new(uint64_t sectors)
{
	struct block *b = calloc(1, sizeof(*b));

	b->data = malloc(sectors * SECTOR);
	b->sectors = sectors;
	b->physical = 512;
	b->bad = UINT64_MAX;
	for (uint64_t i = 0; i < sectors * SECTOR / 2; i++)
		((uint16_t *)b->data)[i] = (uint16_t)(i / 256 + i % 256);
	return b;
}

/* ---- the driver ---- */

enum { R_DATA, R_FEATURE, R_COUNT, R_LOW, R_MID, R_HIGH, R_DEVICE, R_STATUS };
#define R_ERROR		R_FEATURE
#define R_COMMAND	R_STATUS

#define PRIMARY		0x1f0
#define SECONDARY	0x170
#define CONTROL		0x206		/* from the command block */
#define IRQ		14

#define MASTER_PORT	0xc000
#define TABLE		0x100000u	/* guest-physical: the PRD table */
#define DATA		0x200000u	/* and what it names */
#define RAM_SIZE	(64 * MIB)

static struct block *disk[4];

static inline void machine_with(unsigned disks)
{
	struct machine_disk config = { .device = DISK_IDE };

	ck_assert_int_eq(arena_init(), 0);
	ck_assert_int_eq(ram_init(RAM_SIZE), 0);
	for (unsigned i = 0; i < disks; i++) {
		disk[i] = disk_new(DISK_SECTORS);
		disk[i]->discards = true;
		ck_assert_int_eq(ide_add(&config, disk[i]), 0);
	}
	pci_assign();
	if (!disks)
		return;
	/* Where the tests want the bus master, and bus mastering on. */
	struct pci_function *f = pci_find(IDE_PCI_SLOT, IDE_PCI_FUNCTION);

	pci_config_write(f, 0x20, 4, MASTER_PORT);
	pci_config_write(f, 4, 2, 5);
}

static inline uint8_t status(void) { return in8(PRIMARY + CONTROL); }

/* lba < 2^28: head and so on are LBA28's; ext writes the previous bytes first. */
static inline void command(bool ext, uint8_t code, uint64_t lba, unsigned count)
{
	out8(PRIMARY + R_DEVICE, 0xe0 | (ext ? 0 : lba >> 24 & 15));
	if (ext) {
		out8(PRIMARY + R_FEATURE, 0);
		out8(PRIMARY + R_COUNT, count >> 8);
		out8(PRIMARY + R_LOW, lba >> 24 & 0xff);
		out8(PRIMARY + R_MID, lba >> 32 & 0xff);
		out8(PRIMARY + R_HIGH, lba >> 40 & 0xff);
	}
	out8(PRIMARY + R_COUNT, count & 0xff);
	out8(PRIMARY + R_LOW, lba & 0xff);
	out8(PRIMARY + R_MID, lba >> 8 & 0xff);
	out8(PRIMARY + R_HIGH, lba >> 16 & 0xff);
	out8(PRIMARY + R_COMMAND, code);
}

static inline void feature(uint8_t code, uint8_t count)
{
	out8(PRIMARY + R_FEATURE, code);
	out8(PRIMARY + R_COUNT, count);
	out8(PRIMARY + R_COMMAND, 0xef);
	disk_run(disk[0]);
}

/* The address registers after an error. */
static inline uint64_t address_28(void)
{
	return in8(PRIMARY + R_LOW) | in8(PRIMARY + R_MID) << 8 | in8(PRIMARY + R_HIGH) << 16 |
	       (in8(PRIMARY + R_DEVICE) & 15u) << 24;
}

static inline uint64_t address_48(void)
{
	uint64_t low = address_28() & 0xffffff, high;

	out8(PRIMARY + CONTROL, 0x80);
	high = address_28() & 0xffffff;
	out8(PRIMARY + CONTROL, 0);
	return high << 24 | low;
}

/* An interrupt has come: acknowledge it, return status. */
static inline uint8_t interrupt(void)
{
	uint8_t value;

	disk_run(disk[0]);
	ck_assert(irq_line[IRQ]);
	value = in8(PRIMARY + R_STATUS);
	ck_assert(!irq_line[IRQ]);
	return value;
}

static inline uint8_t *guest(uint64_t gpa)
{
	return ram_dma(GPA(gpa), 1);
}

struct prd { uint32_t address, count; };
#define PRD_END	0x80000000u

static inline void master_start(uint32_t table, bool read)
{
	bus_pio_write(MASTER_PORT + 4, 4, table);
	out8(MASTER_PORT + 2, 0x06);
	out8(MASTER_PORT, read ? 8 : 0);
	out8(MASTER_PORT, read ? 9 : 1);
}

static inline uint8_t master_status(void) { return in8(MASTER_PORT + 2); }

/* Stops the bus master; its status before. */
static inline uint8_t master_stop(void)
{
	uint8_t value = master_status();

	out8(MASTER_PORT, 0);
	out8(MASTER_PORT + 2, 0x06);
	return value;
}

#endif
