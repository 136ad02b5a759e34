// SPDX-License-Identifier: MIT
/*
 * Task file, device control, status and the interrupt line of a channel
 * (ATA/ATAPI-7 volume 1, 6 and volume 2, 9.16: devices that are not there).
 *
 * Both drives hear every write; the selected one answers reads and drives INTRQ.
 * Drive 0 answers for an absent drive 1, with status 0.  A cable without drives
 * floats high, which probing drivers recognize at once.
 */
#include "device/ide_drive.h"
#include "machine/irq.h"

#define IRQ_PRIMARY	14

enum { PORT_DATA, PORT_ERROR, PORT_COUNT, PORT_LOW, PORT_MID, PORT_HIGH, PORT_DEVICE, PORT_STATUS };
#define PORT_FEATURE	PORT_ERROR
#define PORT_COMMAND	PORT_STATUS

#define COMMAND_DIAGNOSTIC	0x90

static bool channel_empty(const struct ide_channel *c)
{
	return !c->drive[0].block;	/* filled in order */
}

static struct ide_drive *selected(struct ide_channel *c)
{
	return &c->drive[!!(c->device & ATA_DEV)];
}

void ide_line_update(struct ide_channel *c)
{
	const struct ide_drive *d = selected(c);
	bool line = d->block && d->interrupt && !(c->control & ATA_NIEN);

	if (line == c->line)
		return;
	c->line = line;
	if (line)
		ide_dma_interrupt(c);
	irq_set(IRQ_PRIMARY + c->number, line);
}

void ide_finish(struct ide_channel *c)
{
	struct ide_drive *d = c->active;

	c->phase = IDE_IDLE;
	d->status = ATA_READY | (d->status & ATA_DF) | (d->error ? ATA_ERR : 0);
	d->interrupt = true;
	ide_line_update(c);
}

void ide_fail(struct ide_channel *c, unsigned error)
{
	c->active->error = (uint8_t)error;
	ide_finish(c);
}

void ide_fail_at(struct ide_channel *c, unsigned error, uint64_t lba)
{
	struct ide_drive *d = c->active;
	struct ide_registers *r = &d->reg;
	uint64_t address = lba;
	uint8_t head = (uint8_t)(lba >> 24 & 15);

	if (c->address == IDE_CHS) {
		uint64_t track = lba / d->track;

		head = (uint8_t)(track % d->heads);
		address = (track / d->heads & 0xffff) << 8 | (lba % d->track + 1);
	}
	/* Behind the byte that was current, what was there before: with HOB set. */
	r->low = (uint16_t)((lba >> 24 & 0xff) << 8 | (address & 0xff));
	r->mid = (uint16_t)((lba >> 32 & 0xff) << 8 | (address >> 8 & 0xff));
	r->high = (uint16_t)((lba >> 40 & 0xff) << 8 | (address >> 16 & 0xff));
	if (c->address != IDE_LBA48)
		c->device = (uint8_t)((c->device & 0xf0) | head);
	ide_fail(c, error);
}

void ide_request_data(struct ide_channel *c, enum ide_phase phase, bool interrupt)
{
	c->phase = phase;
	c->active->status = ATA_READY | ATA_DRQ;
	if (interrupt) {
		c->active->interrupt = true;
		ide_line_update(c);
	}
}

void ide_signature(struct ide_channel *c)
{
	for (unsigned i = 0; i < 2; i++) {
		struct ide_drive *d = &c->drive[i];

		d->reg = (struct ide_registers){ .count = 1, .low = 1 };
		d->error = 1;		/* passed */
		d->status = ATA_READY;
		d->interrupt = false;
		d->asleep = false;
	}
	c->device = 0;
	c->phase = IDE_IDLE;
	c->active = &c->drive[0];
	ide_line_update(c);
}

static void diagnostic(struct ide_channel *c)
{
	ide_signature(c);
	c->active->interrupt = true;
	ide_line_update(c);
}

/* Software reset (9.2): begins with the bit's rising, is done when it has fallen. */
static void control_write(struct ide_channel *c, uint8_t value)
{
	bool was = c->control & ATA_SRST, is = value & ATA_SRST;

	c->control = value & (ATA_NIEN | ATA_SRST | ATA_HOB);
	if (is && !was) {
		ide_block_cancel(c);
		ide_signature(c);
		for (unsigned i = 0; i < 2; i++) {
			if (c->drive[i].revert)
				ide_drive_defaults(&c->drive[i]);
			c->drive[i].status = ATA_BSY;
		}
	} else if (was && !is) {
		ide_signature(c);
	}
	ide_line_update(c);
}

static void command_write(struct ide_channel *c, uint8_t command)
{
	struct ide_drive *d = selected(c);

	if (command == COMMAND_DIAGNOSTIC) {
		diagnostic(c);
		return;
	}
	if (!d->block || d->asleep)
		return;
	d->interrupt = false;
	ide_line_update(c);
	c->active = d;
	ide_command(c, command);
}

static void push(uint16_t *reg, uint8_t value)
{
	*reg = (uint16_t)(*reg << 8 | value);
}

static void register_write(struct ide_channel *c, unsigned reg, uint8_t value)
{
	if (c->phase != IDE_IDLE || (c->control & ATA_SRST))
		return;
	c->control &= (uint8_t)~ATA_HOB;
	for (unsigned i = 0; i < 2; i++) {
		struct ide_registers *r = &c->drive[i].reg;

		switch (reg) {
		case PORT_FEATURE: push(&r->feature, value); break;
		case PORT_COUNT: push(&r->count, value); break;
		case PORT_LOW: push(&r->low, value); break;
		case PORT_MID: push(&r->mid, value); break;
		case PORT_HIGH: push(&r->high, value); break;
		}
	}
	if (reg == PORT_DEVICE) {
		c->device = value;
		ide_line_update(c);
	} else if (reg == PORT_COMMAND) {
		command_write(c, value);
	}
}

static uint8_t status_read(struct ide_channel *c, bool acknowledge)
{
	struct ide_drive *d = selected(c);

	if (!d->block)
		return 0;
	if (acknowledge && d->interrupt) {
		d->interrupt = false;
		ide_line_update(c);
	}
	return d->status;
}

static uint8_t register_read(struct ide_channel *c, unsigned reg)
{
	struct ide_drive *d = selected(c);
	unsigned shift = c->control & ATA_HOB ? 8 : 0;

	if (reg == PORT_STATUS)
		return status_read(c, true);
	if (!d->block)
		d = &c->drive[0];
	switch (reg) {
	case PORT_ERROR: return d->error;
	case PORT_COUNT: return (uint8_t)(d->reg.count >> shift);
	case PORT_LOW: return (uint8_t)(d->reg.low >> shift);
	case PORT_MID: return (uint8_t)(d->reg.mid >> shift);
	case PORT_HIGH: return (uint8_t)(d->reg.high >> shift);
	default: return c->device | 0xa0;	/* bits 7 and 5: obsolete, set */
	}
}

static uint64_t port_read(void *device, uint64_t offset, unsigned size)
{
	struct ide_channel *c = device;
	uint64_t value = 0;

	if (unlikely(channel_empty(c) || !ide_decodes(c)))
		return UINT64_MAX;
	if (offset == PORT_DATA)
		return ide_data_read(c, size);
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)register_read(c, (unsigned)offset + i) << (8 * i);
	return value;
}

static void port_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct ide_channel *c = device;

	if (unlikely(channel_empty(c) || !ide_decodes(c)))
		return;
	if (offset == PORT_DATA) {
		ide_data_write(c, size, (uint32_t)value);
		return;
	}
	for (unsigned i = 0; i < size; i++)
		register_write(c, (unsigned)offset + i, (uint8_t)(value >> (8 * i)));
}

static uint64_t control_port_read(void *device, uint64_t offset, unsigned size)
{
	struct ide_channel *c = device;

	(void)offset;
	(void)size;
	return channel_empty(c) || !ide_decodes(c) ? 0xff : status_read(c, false);
}

static void control_port_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct ide_channel *c = device;

	(void)offset;
	(void)size;
	if (!channel_empty(c) && ide_decodes(c))
		control_write(c, (uint8_t)value);
}

const struct bus_ops ide_command_ops = { .read = port_read, .write = port_write };
const struct bus_ops ide_control_ops = { .read = control_port_read, .write = control_port_write, .width = 1 };
