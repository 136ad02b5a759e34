// SPDX-License-Identifier: MIT
/*
 * The PIIX3's IDE function: PCI configuration, where its ports are, which disk is
 * which drive (82371SB datasheet, 2.3 and 2.5).
 *
 * In compatibility mode a channel answers at its ISA ports and raises its ISA
 * interrupt, if the function's I/O space and the channel's IDETIM say so; ring3 is
 * the firmware that enabled both.  The timings that a driver sets mean nothing here.
 */
#include "device/ide.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "device/ide_drive.h"

#define CONFIG_IDETIM		0x40	/* 16 bits for each channel */
#define CONFIG_SIDETIM		0x44
#define IDETIM_DECODE		0x80	/* of the high byte */
#define MASTER_BAR		4
#define MASTER_PORTS		16

#define COMMAND_PORTS		8
#define CONTROL_PORTS		1

struct pci_function ide_function = { .name = "ide", .slot = IDE_PCI_SLOT, .function = IDE_PCI_FUNCTION };

static struct ide_channel *channels;		/* two */
static unsigned disks;

static const struct {
	uint16_t command, control;
} ports[2] = { { 0x1f0, 0x3f6 }, { 0x170, 0x376 } };

bool ide_decodes(const struct ide_channel *c)
{
	return (ide_function.config[4] & 1) &&
	       (ide_function.config[CONFIG_IDETIM + 2 * c->number + 1] & IDETIM_DECODE);
}

static int channel_add(unsigned number)
{
	struct ide_channel *c = &channels[number];
	int error;

	c->number = number;
	c->buffer = arena_alloc(IDE_BUFFER_SECTORS * BLOCK_SECTOR, PAGE_SIZE);
	ide_function.config[CONFIG_IDETIM + 2 * number + 1] = IDETIM_DECODE;
	memset(ide_function.writable + CONFIG_IDETIM + 2 * number, 0xff, 2);
	error = bus_add_pio(ports[number].command, COMMAND_PORTS, &ide_command_ops, c, "ide");
	if (!error)
		error = bus_add_pio(ports[number].control, CONTROL_PORTS, &ide_control_ops, c, "ide");
	return error;
}

/* Without bus mastering nothing may reach the guest's memory any more. */
static void config_written(struct pci_function *f, unsigned offset, unsigned size)
{
	(void)offset;
	(void)size;
	for (unsigned i = 0; i < 2 && !pci_bus_master(f); i++)
		if (channels[i].dma)
			ide_block_wait(&channels[i]);
}

static int controller_add(void)
{
	struct pci_function *f = &ide_function;
	int error = 0;

	channels = arena_alloc(2 * sizeof(*channels), PAGE_SIZE);
	/* Both channels in compatibility mode, bus master */
	pci_identify(f, 0x8086, 0x7010, 0x010180, 0);
	f->bar[MASTER_BAR] = (struct pci_bar){
		.size = MASTER_PORTS, .io = true, .ops = &ide_master_ops, .device = channels,
	};
	f->writable[CONFIG_SIDETIM] = 0xff;
	f->config_written = config_written;
	for (unsigned i = 0; i < 2 && !error; i++)
		error = channel_add(i);
	return error ? error : pci_add(f, IDE_PCI_SLOT, IDE_PCI_FUNCTION);
}

/* Words of IDENTIFY DEVICE are padded with spaces; so is the serial number. */
static void serial_set(struct ide_drive *d, const char *serial, unsigned number)
{
	if (serial)
		format_string(d->serial, sizeof(d->serial), "%s", serial);
	else
		format_string(d->serial, sizeof(d->serial), "RING3-%04u", number);
}

int ide_add(const struct machine_disk *config, struct block *b)
{
	struct ide_channel *c;
	struct ide_drive *d;
	int error;

	if (disks == IDE_DISKS)
		return -ENOSPC;
	if (!disks) {
		error = controller_add();
		if (error)
			return error;
	}
	c = &channels[disks / 2];
	d = &c->drive[disks % 2];
	d->block = b;
	d->sectors = block_size(b) / BLOCK_SECTOR;
	serial_set(d, config->serial, disks + 1);
	ide_drive_defaults(d);
	ide_signature(c);
	disks++;
	return 0;
}
