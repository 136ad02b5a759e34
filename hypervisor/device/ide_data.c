// SPDX-License-Identifier: MIT
/*
 * Commands that move sectors, and the data port.
 *
 * PIO goes through the channel's buffer, of which the guest moves one DRQ block at
 * a time; DMA is ide_dma.c's.  When the back-end fails, the request is repeated in
 * smaller and smaller steps, so that the sectors before the bad one do arrive and
 * the address registers name it: the guest's driver retries or gives up only there.
 */
#include <errno.h>
#include <string.h>

#include "device/ide_drive.h"

static void fill(struct ide_channel *c);
static void store(struct ide_channel *c);

bool ide_step_down(struct ide_channel *c, int error, uint32_t smallest)
{
	if (error == -EROFS || error == -EINVAL || c->step <= smallest)
		return false;
	c->step = c->step > 64 && smallest < 64 ? 64 : smallest;
	return true;
}

static void busy(struct ide_channel *c)
{
	c->phase = IDE_BUSY;
	c->active->status = ATA_BSY;
}

void ide_transfer_done(struct ide_channel *c)
{
	if (c->write && (c->force || !c->active->write_cache))
		ide_flush(c);
	else
		ide_finish(c);
}

/* ---- to the guest ---- */

static void offer(struct ide_channel *c)
{
	c->stop = (uint32_t)min_u64(c->position + c->block * BLOCK_SECTOR, c->filled);
	ide_request_data(c, IDE_DATA_IN, true);
}

static void filled(struct ide_channel *c, int error)
{
	uint32_t sectors = (uint32_t)(c->request.length / BLOCK_SECTOR);

	if (error) {
		if (ide_step_down(c, error, c->block))
			fill(c);
		else
			ide_fail_at(c, ATA_UNC, c->lba);
		return;
	}
	c->lba += sectors;
	c->left -= sectors;
	if (!c->verify) {
		c->filled = sectors * BLOCK_SECTOR;
		c->position = 0;
		offer(c);
	} else if (c->left) {
		fill(c);
	} else {
		ide_finish(c);
	}
}

static void fill(struct ide_channel *c)
{
	uint64_t n = min_u64(min_u64(c->left, c->step), IDE_BUFFER_SECTORS);

	ide_block_buffer(c, BLOCK_READ, c->lba, c->buffer, n, filled);
}

void ide_give_data(struct ide_channel *c)
{
	c->left = 0;
	c->block = 1;
	c->position = 0;
	c->filled = BLOCK_SECTOR;
	offer(c);
}

static void given(struct ide_channel *c)
{
	if (c->position < c->filled) {
		offer(c);
	} else if (c->left) {
		busy(c);
		fill(c);
	} else {
		/* The interrupt came before the last block of data, none comes behind it. */
		c->phase = IDE_IDLE;
		c->active->status = ATA_READY;
	}
}

/* Bytes that an access of the data port moves; 8-bit ones may have left an odd number. */
static unsigned portion(const struct ide_channel *c, unsigned size)
{
	return (unsigned)min_u64(size, c->stop - c->position);
}

uint32_t ide_data_read(struct ide_channel *c, unsigned size)
{
	uint32_t value = 0;

	if (c->phase != IDE_DATA_IN)
		return UINT32_MAX;
	size = portion(c, size);
	memcpy(&value, c->buffer + c->position, size);
	c->position += size;
	if (c->position == c->stop)
		given(c);
	return value;
}

/* ---- from the guest ---- */

static void accept(struct ide_channel *c, bool interrupt)
{
	c->stop = (uint32_t)min_u64(c->position + c->block * BLOCK_SECTOR, c->filled);
	ide_request_data(c, IDE_DATA_OUT, interrupt);
}

static void accept_first(struct ide_channel *c, bool interrupt)
{
	c->filled = (uint32_t)min_u64(c->left, IDE_BUFFER_SECTORS) * BLOCK_SECTOR;
	c->position = 0;
	accept(c, interrupt);
}

static void stored(struct ide_channel *c, int error)
{
	uint32_t sectors = (uint32_t)(c->request.length / BLOCK_SECTOR);

	if (error) {
		if (ide_step_down(c, error, 1))
			store(c);
		else
			ide_fail_at(c, ATA_UNC, c->lba);
		return;
	}
	c->lba += sectors;
	c->left -= sectors;
	c->position += sectors * BLOCK_SECTOR;
	if (c->position < c->filled)
		store(c);
	else if (c->left)
		accept_first(c, true);
	else
		ide_transfer_done(c);
}

/* The buffer, from c->position on. */
static void store(struct ide_channel *c)
{
	uint64_t n = min_u64((c->filled - c->position) / BLOCK_SECTOR, c->step);

	ide_block_buffer(c, BLOCK_WRITE, c->lba, c->buffer + c->position, n, stored);
}

void ide_data_write(struct ide_channel *c, unsigned size, uint32_t value)
{
	if (c->phase != IDE_DATA_OUT)
		return;
	size = portion(c, size);
	memcpy(c->buffer + c->position, &value, size);
	c->position += size;
	if (c->position < c->stop)
		return;
	if (c->position < c->filled) {
		accept(c, true);
	} else {
		c->position = 0;
		busy(c);
		store(c);
	}
}

void ide_transfer(struct ide_channel *c)
{
	const struct ide_drive *d = c->active;

	c->step = UINT32_MAX;
	c->data_done = NULL;
	if (c->lba >= d->sectors || c->left > d->sectors - c->lba)
		ide_fail_at(c, ATA_IDNF, c->lba);
	else if (c->write && block_readonly(d->block))
		ide_fail_at(c, ATA_WP | ATA_ABRT, c->lba);
	else if (c->dma)
		ide_dma_command(c);
	else if (c->write)
		accept_first(c, false);
	else
		fill(c);
}
