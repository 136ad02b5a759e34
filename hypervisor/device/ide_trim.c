// SPDX-License-Identifier: MIT
/*
 * DATA SET MANAGEMENT with TRIM (ACS-2, 7.10): ranges of sectors whose content
 * nobody needs any more.  The list comes by DMA; every range is checked before the
 * first is discarded.  Discarding is advice: what the host cannot do is done.
 */
#include <errno.h>

#include "device/ide_drive.h"

#define FEATURE_TRIM	0x01u
#define RANGE_SIZE	8u
#define RANGE_LBA(r)	((r) & 0xffffffffffffUL)
#define RANGE_COUNT(r)	((r) >> 48)

static uint64_t range(const struct ide_channel *c, uint32_t position)
{
	return *(const uint64_t *)(c->buffer + position);
}

static void discard(struct ide_channel *c);

static void discarded(struct ide_channel *c, int error)
{
	if (error && error != -EOPNOTSUPP)
		ide_fail(c, ATA_ABRT);
	else
		discard(c);
}

static void discard(struct ide_channel *c)
{
	while (c->position < c->filled) {
		uint64_t r = range(c, c->position);

		c->position += RANGE_SIZE;
		if (RANGE_COUNT(r)) {
			ide_block(c, BLOCK_DISCARD, RANGE_LBA(r), RANGE_COUNT(r), discarded);
			return;
		}
	}
	ide_finish(c);
}

static void ranges_taken(struct ide_channel *c)
{
	uint64_t sectors = c->active->sectors;

	for (uint32_t i = 0; i < c->filled; i += RANGE_SIZE) {
		uint64_t r = range(c, i);

		if (RANGE_COUNT(r) && (RANGE_LBA(r) >= sectors || RANGE_COUNT(r) > sectors - RANGE_LBA(r))) {
			ide_fail(c, ATA_IDNF);
			return;
		}
	}
	c->position = 0;
	discard(c);
}

void ide_trim(struct ide_channel *c)
{
	const struct ide_drive *d = c->active;

	if ((d->reg.feature & 0xff) != FEATURE_TRIM || !d->reg.count || d->reg.count > IDE_TRIM_SECTORS ||
	    !block_can_discard(d->block) || block_readonly(d->block)) {
		ide_fail(c, ATA_ABRT);
		return;
	}
	c->write = true;
	c->dma = true;
	c->lba = 0;
	c->left = d->reg.count;
	c->step = UINT32_MAX;
	c->filled = 0;
	c->data_done = ranges_taken;
	ide_dma_command(c);
}
