// SPDX-License-Identifier: MIT
/*
 * What a drive says about itself: IDENTIFY DEVICE (ATA/ATAPI-7 volume 1, 6.17), and
 * the default translation to cylinders, heads and sectors (6.2.1 and annex C).
 */
#include <string.h>

#include "device/ide_drive.h"

#define MODEL		"RING3 HARDDISK"
#define FIRMWARE	"1.0"

#define LBA28_SECTORS	0x0fffffffu
#define CHS_SECTORS	16514064u	/* 16383 * 16 * 63 */

void ide_geometry_default(struct ide_drive *d)
{
	uint64_t cylinders = min_u64(d->sectors, CHS_SECTORS) / (16 * 63);

	d->heads = 16;
	d->track = 63;
	/* Tiny disks still have a cylinder; addresses past the end are refused by sector. */
	d->cylinders = (uint16_t)(cylinders ? cylinders : 1);
}

/* Two characters a word, the first one in the high byte. */
static void text(uint16_t *words, unsigned count, const char *s)
{
	for (unsigned i = 0; i < 2 * count; i++) {
		unsigned character = *s ? (uint8_t)*s++ : ' ';

		if (i % 2)
			words[i / 2] |= (uint16_t)character;
		else
			words[i / 2] = (uint16_t)(character << 8);
	}
}

static void number(uint16_t *words, unsigned count, uint64_t n)
{
	for (unsigned i = 0; i < count; i++, n >>= 16)
		words[i] = (uint16_t)n;
}

static void geometry(const struct ide_drive *d, uint16_t *w)
{
	struct ide_drive usual = *d;

	ide_geometry_default(&usual);
	w[1] = usual.cylinders;
	w[3] = usual.heads;
	w[6] = usual.track;
	w[54] = d->cylinders;
	w[55] = d->heads;
	w[56] = d->track;
	number(w + 57, 2, (uint64_t)d->cylinders * d->heads * d->track);
}

static void modes(const struct ide_drive *d, uint16_t *w)
{
	unsigned kind = d->transfer_mode >> 3, mode = d->transfer_mode & 7;

	w[63] = 0x0007;				/* multiword DMA 0..2 */
	w[88] = 0x003f;				/* Ultra DMA 0..5 */
	if (kind == 4)
		w[63] |= (uint16_t)(0x100u << mode);
	else if (kind == 8)
		w[88] |= (uint16_t)(0x100u << mode);
	w[64] = 0x0003;				/* PIO 3, 4 */
	for (unsigned i = 65; i <= 68; i++)
		w[i] = 120;			/* ns a word */
	w[93] = 0x6001;				/* 80-conductor cable, reset seen */
}

static void feature_sets(const struct ide_drive *d, uint16_t *w)
{
	/* NOP, look-ahead, write cache, power management; flush, LBA48; FUA */
	w[82] = 0x4068;
	w[83] = 0x7400;
	w[84] = 0x4040;
	w[85] = (uint16_t)(0x4008 | (d->look_ahead ? 0x40 : 0) | (d->write_cache ? 0x20 : 0));
	w[86] = 0x3400;
	w[87] = 0x4040;
}

void ide_identify(const struct ide_drive *d, uint16_t w[256])
{
	unsigned physical = block_physical_size(d->block) / BLOCK_SECTOR, shift = 0;
	uint8_t sum = 0xa5;

	memset(w, 0, 512);
	w[0] = 0x0040;				/* a disk that is not removable */
	geometry(d, w);
	text(w + 10, 10, d->serial);
	text(w + 23, 4, FIRMWARE);
	text(w + 27, 20, MODEL);
	w[47] = 0x8000 | IDE_MULTIPLE_MAX;
	w[48] = 0x0001;				/* the data port takes 32 bits: before ATA-2 */
	w[49] = 0x2f00;				/* DMA, LBA, IORDY, standby timer */
	w[50] = 0x4000;
	w[51] = 0x0200;				/* PIO 2 */
	w[53] = 0x0007;				/* 54..58, 64..70, 88 are valid */
	w[59] = d->multiple ? 0x0100 | d->multiple : 0;
	number(w + 60, 2, min_u64(d->sectors, LBA28_SECTORS));
	modes(d, w);
	w[80] = 0x00f0;				/* ATA/ATAPI-4 .. 7 */
	feature_sets(d, w);
	number(w + 100, 4, d->sectors);
	while (physical >> (shift + 1))
		shift++;
	if (shift)
		w[106] = (uint16_t)(0x6000 | shift);	/* 2^shift sectors a physical one */
	if (block_can_discard(d->block) && !block_readonly(d->block)) {
		w[105] = IDE_TRIM_SECTORS;
		w[169] = 0x0001;
	}
	w[217] = 0x0001;			/* does not rotate */
	w[255] = 0x00a5;
	for (unsigned i = 0; i < 510; i++)
		sum = (uint8_t)(sum + ((const uint8_t *)w)[i]);
	w[255] |= (uint16_t)((uint8_t)-sum << 8);
}
