// SPDX-License-Identifier: MIT
/*
 * Commands of an ATA disk (ATA/ATAPI-7 volume 1, 6).  What moves sectors is a row of
 * the table; what does not is answered here.  A code that is not known is aborted,
 * as the standard has it, and so are the optional feature sets that IDENTIFY
 * DEVICE does not name (SMART, security, host protected area, ...).
 */
#include "device/ide_drive.h"

/* Kinds of data commands */
#define K_DATA		0x01u
#define K_WRITE		0x02u
#define K_EXT		0x04u		/* LBA48 */
#define K_DMA		0x08u
#define K_MULTIPLE	0x10u
#define K_VERIFY	0x20u
#define K_FORCE		0x40u		/* FUA */

static const uint8_t kinds[256] = {
	[0x20] = K_DATA,					/* READ SECTORS, and without retries */
	[0x21] = K_DATA,
	[0x24] = K_DATA | K_EXT,
	[0x25] = K_DATA | K_EXT | K_DMA,
	[0x29] = K_DATA | K_EXT | K_MULTIPLE,
	[0x30] = K_DATA | K_WRITE,
	[0x31] = K_DATA | K_WRITE,
	[0x34] = K_DATA | K_WRITE | K_EXT,
	[0x35] = K_DATA | K_WRITE | K_EXT | K_DMA,
	[0x39] = K_DATA | K_WRITE | K_EXT | K_MULTIPLE,
	[0x3d] = K_DATA | K_WRITE | K_EXT | K_DMA | K_FORCE,
	[0x40] = K_DATA | K_VERIFY,
	[0x41] = K_DATA | K_VERIFY,
	[0x42] = K_DATA | K_VERIFY | K_EXT,
	[0xc4] = K_DATA | K_MULTIPLE,
	[0xc5] = K_DATA | K_MULTIPLE | K_WRITE,
	[0xc8] = K_DATA | K_DMA,
	[0xc9] = K_DATA | K_DMA,
	[0xca] = K_DATA | K_DMA | K_WRITE,
	[0xcb] = K_DATA | K_DMA | K_WRITE,
	[0xce] = K_DATA | K_MULTIPLE | K_WRITE | K_EXT | K_FORCE,
};

void ide_drive_defaults(struct ide_drive *d)
{
	d->multiple = IDE_MULTIPLE_MAX;		/* as firmware leaves it: libata takes over what is set */
	d->transfer_mode = 0;
	d->write_cache = true;
	d->look_ahead = true;
	d->revert = false;
	ide_geometry_default(d);
}

/* ---- what moves sectors ---- */

static uint8_t head(const struct ide_channel *c)
{
	return c->device & 15;
}

/* The address in the registers as a sector number; false: not an address of this geometry. */
static bool address_read(struct ide_channel *c, bool ext)
{
	const struct ide_drive *d = c->active;
	const struct ide_registers *r = &d->reg;
	uint64_t low = (r->low & 0xff) | (r->mid & 0xff) << 8 | (uint64_t)(r->high & 0xff) << 16;
	uint64_t previous = (r->low >> 8) | (r->mid & 0xff00u) | (uint64_t)(r->high >> 8) << 16;
	unsigned sector = r->low & 0xff, cylinder = (r->mid & 0xff) | (r->high & 0xffu) << 8;

	if (ext) {
		c->address = IDE_LBA48;
		c->lba = previous << 24 | low;
		return true;
	}
	if (c->device & ATA_LBA) {
		c->address = IDE_LBA28;
		c->lba = (uint64_t)head(c) << 24 | low;
		return true;
	}
	c->address = IDE_CHS;
	c->lba = 0;
	if (!sector || sector > d->track || head(c) >= d->heads || cylinder >= d->cylinders)
		return false;
	c->lba = ((uint64_t)cylinder * d->heads + head(c)) * d->track + sector - 1;
	return true;
}

static void data_command(struct ide_channel *c, unsigned kind)
{
	const struct ide_drive *d = c->active;
	uint32_t all = kind & K_EXT ? 0x10000 : 0x100;

	if ((kind & K_MULTIPLE) && !d->multiple) {
		ide_fail(c, ATA_ABRT);
		return;
	}
	if (!address_read(c, kind & K_EXT)) {
		ide_fail(c, ATA_IDNF);
		return;
	}
	c->left = d->reg.count & (all - 1);
	if (!c->left)
		c->left = all;
	c->write = kind & K_WRITE;
	c->dma = kind & K_DMA;
	c->verify = kind & K_VERIFY;
	c->force = kind & K_FORCE;
	c->block = kind & K_MULTIPLE ? d->multiple : 1;
	ide_transfer(c);
}

/* ---- what needs the medium ---- */

static void flushed(struct ide_channel *c, int error)
{
	if (!error) {
		ide_finish(c);
		return;
	}
	c->active->status = ATA_DF;
	ide_fail(c, ATA_ABRT);
}

void ide_flush(struct ide_channel *c)
{
	ide_block(c, BLOCK_FLUSH, 0, 0, flushed);
}

static void asleep(struct ide_channel *c, int error)
{
	flushed(c, error);
	c->active->asleep = !error;
}

/* ---- settings ---- */

static void set_transfer_mode(struct ide_channel *c, uint8_t mode)
{
	struct ide_drive *d = c->active;
	unsigned kind = mode >> 3, number = mode & 7;

	if (mode <= 1 || (kind == 1 && number <= 4))
		ide_finish(c);			/* PIO; a DMA mode that was chosen stays */
	else if ((kind == 4 && number <= 2) || (kind == 8 && number <= 5)) {
		d->transfer_mode = mode;	/* multiword DMA 0..2, Ultra DMA 0..5 */
		ide_finish(c);
	} else {
		ide_fail(c, ATA_ABRT);
	}
}

static void set_features(struct ide_channel *c)
{
	struct ide_drive *d = c->active;

	switch (d->reg.feature & 0xff) {
	case 0x02:
		d->write_cache = true;
		break;
	case 0x82:
		d->write_cache = false;
		ide_flush(c);
		return;
	case 0x03:
		set_transfer_mode(c, (uint8_t)d->reg.count);
		return;
	case 0x55:
	case 0xaa:
		d->look_ahead = (d->reg.feature & 0xff) == 0xaa;
		break;
	case 0x66:
	case 0xcc:
		d->revert = (d->reg.feature & 0xff) == 0xcc;
		break;
	default:
		ide_fail(c, ATA_ABRT);
		return;
	}
	ide_finish(c);
}

static void set_multiple(struct ide_channel *c)
{
	unsigned n = c->active->reg.count & 0xff;

	if (n > IDE_MULTIPLE_MAX || (n & (n - 1))) {
		ide_fail(c, ATA_ABRT);
		return;
	}
	c->active->multiple = (uint8_t)n;
	ide_finish(c);
}

static void set_geometry(struct ide_channel *c)
{
	struct ide_drive *d = c->active;
	uint8_t track = (uint8_t)d->reg.count;
	uint64_t cylinders;

	if (!track) {
		ide_fail(c, ATA_ABRT);
		return;
	}
	d->track = track;
	d->heads = (uint8_t)(head(c) + 1);
	cylinders = d->sectors / ((uint32_t)d->heads * d->track);
	d->cylinders = (uint16_t)min_u64(cylinders, 65535);
	ide_finish(c);
}

static void seek(struct ide_channel *c)
{
	if (address_read(c, false) && c->lba < c->active->sectors)
		ide_finish(c);
	else
		ide_fail(c, ATA_IDNF);
}

static void identify(struct ide_channel *c)
{
	ide_identify(c->active, (uint16_t *)c->buffer);
	ide_give_data(c);
}

void ide_command(struct ide_channel *c, uint8_t command)
{
	struct ide_drive *d = c->active;

	d->status = ATA_READY;
	d->error = 0;
	if (kinds[command]) {
		data_command(c, kinds[command]);
		return;
	}
	switch (command) {
	case 0x06:
		ide_trim(c);
		break;
	case 0xec:
		identify(c);
		break;
	case 0xe7: case 0xea:			/* FLUSH CACHE, EXT */
	case 0xe0: case 0xe2: case 0x94: case 0x96:	/* STANDBY (IMMEDIATE): the cache goes first */
		ide_flush(c);
		break;
	case 0xe6: case 0x99:			/* SLEEP, until a reset */
		ide_block(c, BLOCK_FLUSH, 0, 0, asleep);
		break;
	case 0xe1: case 0xe3: case 0x95: case 0x97:	/* IDLE (IMMEDIATE) */
	case 0x10 ... 0x1f:			/* RECALIBRATE */
		ide_finish(c);
		break;
	case 0xe5: case 0x98:			/* CHECK POWER MODE: active or idle */
		d->reg.count = (uint16_t)(d->reg.count << 8 | 0xff);
		ide_finish(c);
		break;
	case 0x70 ... 0x7f:
		seek(c);
		break;
	case 0x91:				/* INITIALIZE DEVICE PARAMETERS */
		set_geometry(c);
		break;
	case 0xc6:
		set_multiple(c);
		break;
	case 0xef:
		set_features(c);
		break;
	default:				/* NOP too is always aborted (6.23) */
		ide_fail(c, ATA_ABRT);
		break;
	}
}
