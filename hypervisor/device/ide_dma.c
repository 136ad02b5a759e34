// SPDX-License-Identifier: MIT
/*
 * The bus master: registers and PRD tables (PIIX3 datasheet 2.5; SFF-8038i).
 *
 * What the table names becomes the iovecs of one request, so the host moves the
 * data to or from the guest's memory itself; what does not fit in one goes into
 * the next.  `master.at` is how far the table was used, in whole sectors; it moves
 * when a request has succeeded, so that one can be repeated.
 *
 *	Active	Interrupt	(SFF-8038i, table 1)
 *	1	0		the transfer is going on
 *	0	1		done, the table was used up exactly
 *	1	1		done, the table is longer
 *	0	0		stopped: Error is set, or the table is too short; the drive
 *				waits for its data until the driver resets it
 *
 * The table is the guest's and may change at any time: an entry is read into a
 * local, checked by ram_dma(), and the pointer is what counts from there on.
 */
#include <string.h>

#include "device/ide_drive.h"
#include "memory/ram.h"

#define COMMAND_START	0x01u
#define COMMAND_KNOWN	0x09u		/* Start, direction */

#define STATUS_ACTIVE	0x01u
#define STATUS_ERROR	0x02u
#define STATUS_IRQ	0x04u
#define STATUS_CLEAR	(STATUS_ERROR | STATUS_IRQ)
#define STATUS_DRIVES	0x60u		/* "drive is capable of DMA": for software */

enum { MASTER_COMMAND, MASTER_STATUS = 2, MASTER_TABLE = 4 };
#define MASTER_CHANNEL	8u		/* ports of one channel */

#define TABLE_SIZE	0x10000u	/* it may not cross such a boundary */
#define ENTRY_SIZE	8u
#define ENTRY_END	0x80000000u

static void run(struct ide_channel *c);

void ide_dma_interrupt(struct ide_channel *c)
{
	c->master.status |= STATUS_IRQ;
}

static void stop(struct ide_channel *c, unsigned error)
{
	c->master.status = (uint8_t)((c->master.status & ~STATUS_ACTIVE) | error);
}

/*
 * What remains of the entry at a place of the table.  false: it is not in RAM, or what it names
 * is not.  Empty only if the guest made it shorter after a part of it was used.
 */
static bool entry_read(const struct ide_channel *c, const struct ide_dma_place *p, struct iovec *v,
		       bool *last)
{
	const volatile uint32_t *entry;
	uint32_t address, count, length;

	if ((c->master.table & (TABLE_SIZE - 1)) + p->entry + ENTRY_SIZE > TABLE_SIZE)
		return false;
	entry = ram_dma(GPA((uint64_t)c->master.table + p->entry), ENTRY_SIZE);
	if (!entry)
		return false;
	address = entry[0] & ~1u;
	count = entry[1];
	length = count & 0xfffe ? count & 0xfffe : 0x10000;
	*last = count & ENTRY_END;
	v->iov_len = p->skip < length ? length - p->skip : 0;
	v->iov_base = ram_dma(GPA((uint64_t)address + p->skip), v->iov_len);
	return v->iov_base || !v->iov_len;
}

/* Take back what is more than whole sectors.  One iovec is one entry, from `first` on. */
static void untake(struct ide_channel *c, struct ide_dma_place first, uint64_t excess)
{
	while (excess) {
		unsigned i = c->iov_count - 1;
		uint64_t part = min_u64(excess, c->iov[i].iov_len);

		excess -= part;
		c->iov[i].iov_len -= part;
		c->master.next = (struct ide_dma_place){
			.entry = first.entry + i * ENTRY_SIZE,
			.skip = (uint32_t)c->iov[i].iov_len + (i ? 0 : first.skip),
		};
		if (!c->iov[i].iov_len)
			c->iov_count--;
	}
}

/* The next iovecs, up to `wanted` bytes; their sum in whole sectors.  0: the table is at fault. */
static uint64_t gather(struct ide_channel *c, uint64_t wanted)
{
	struct ide_dma_place p = c->master.at, first = p;
	uint64_t total = 0, excess, take;
	bool last = false, readable = true;
	struct iovec v;

	c->iov_count = 0;
	while (total < wanted && c->iov_count < IO_IOV_MAX && !p.end) {
		readable = entry_read(c, &p, &v, &last);
		if (!readable)
			break;
		take = min_u64(v.iov_len, wanted - total);
		if (take) {
			if (!c->iov_count)
				first = p;
			c->iov[c->iov_count++] = (struct iovec){ v.iov_base, take };
			total += take;
		}
		if (take < v.iov_len)
			p.skip += (uint32_t)take;
		else
			p = (struct ide_dma_place){ .entry = p.entry + ENTRY_SIZE, .end = last };
	}
	c->master.next = p;
	excess = total % BLOCK_SECTOR;
	untake(c, first, excess);
	if (total == excess)
		stop(c, readable ? 0 : STATUS_ERROR);
	return total - excess;
}

static void advance(struct ide_channel *c, uint64_t sectors)
{
	c->master.at = c->master.next;
	c->lba += sectors;
	c->left -= (uint32_t)sectors;
	if (!c->left && c->master.at.end)
		stop(c, 0);
}

static void transferred(struct ide_channel *c, int error)
{
	c->phase = IDE_DMA_WAIT;
	if (error && ide_step_down(c, error, 1)) {
		run(c);
	} else if (error) {
		ide_fail_at(c, ATA_UNC, c->lba);
	} else {
		advance(c, c->request.length / BLOCK_SECTOR);
		if (c->left)
			run(c);
		else
			ide_transfer_done(c);
	}
}

/* Data for the drive itself goes into the channel's buffer. */
static void take(struct ide_channel *c)
{
	for (unsigned i = 0; i < c->iov_count; i++) {
		memcpy(c->buffer + c->filled, c->iov[i].iov_base, c->iov[i].iov_len);
		c->filled += (uint32_t)c->iov[i].iov_len;
	}
}

static void run(struct ide_channel *c)
{
	uint64_t bytes;

	while (c->phase == IDE_DMA_WAIT && (c->master.status & STATUS_ACTIVE) &&
	       pci_bus_master(&ide_function)) {
		bytes = gather(c, min_u64(c->left, c->step) * BLOCK_SECTOR);
		if (!bytes)
			return;
		if (!c->data_done) {
			ide_block(c, c->write ? BLOCK_WRITE : BLOCK_READ, c->lba, bytes / BLOCK_SECTOR,
				  transferred);
			return;
		}
		take(c);
		advance(c, bytes / BLOCK_SECTOR);
		if (!c->left)
			c->data_done(c);
	}
}

void ide_dma_command(struct ide_channel *c)
{
	c->phase = IDE_DMA_WAIT;
	c->active->status = ATA_BSY;
	run(c);
}

/* ---- registers ---- */

static void command_write(struct ide_channel *c, uint8_t value)
{
	bool was = c->master.command & COMMAND_START, is = value & COMMAND_START;

	c->master.command = value & COMMAND_KNOWN;
	if (is && !was) {
		c->master.at = (struct ide_dma_place){ 0 };
		c->master.status |= STATUS_ACTIVE;
		run(c);
	} else if (was && !is) {
		/* The transfer does not go on, and what the host does already is awaited. */
		stop(c, 0);
		if (c->phase == IDE_BUSY && c->dma)
			ide_block_wait(c);
	}
}

static void master_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct ide_channel *c = (struct ide_channel *)device + offset / MASTER_CHANNEL;
	unsigned reg = offset % MASTER_CHANNEL, shift = (reg & 3) * 8;
	uint32_t byte = (uint32_t)value & 0xff;

	(void)size;
	switch (reg) {
	case MASTER_COMMAND:
		command_write(c, (uint8_t)byte);
		break;
	case MASTER_STATUS:
		c->master.status &= (uint8_t)~(STATUS_DRIVES | (byte & STATUS_CLEAR));
		c->master.status |= byte & STATUS_DRIVES;
		break;
	case MASTER_TABLE ... MASTER_TABLE + 3:
		c->master.table = ((c->master.table & ~(0xffu << shift)) | byte << shift) & ~3u;
		break;
	}
}

static uint64_t master_read(void *device, uint64_t offset, unsigned size)
{
	const struct ide_channel *c = (struct ide_channel *)device + offset / MASTER_CHANNEL;
	unsigned reg = offset % MASTER_CHANNEL;

	(void)size;
	switch (reg) {
	case MASTER_COMMAND:
		return c->master.command;
	case MASTER_STATUS:
		return c->master.status;
	case MASTER_TABLE ... MASTER_TABLE + 3:
		return c->master.table >> ((reg & 3) * 8) & 0xff;
	default:
		return 0;
	}
}

const struct bus_ops ide_master_ops = { .read = master_read, .write = master_write, .width = 1 };
