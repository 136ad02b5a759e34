/* SPDX-License-Identifier: MIT */
/*
 * Full virtualization of disks: the IDE function of a PIIX3 (8086:7010, slot 1
 * function 1) in compatibility mode, with ATA disks, as ata_piix and libata drive it.
 * docs/devices.md says what is modelled.
 */
#ifndef RING3_DEVICE_IDE_H
#define RING3_DEVICE_IDE_H

#include "hostio/block.h"
#include "machine/machine.h"

#define IDE_PCI_SLOT		1u
#define IDE_PCI_FUNCTION	1u
#define IDE_DISKS		4u

/*
 * Before the jail.  Disks become, in the order of the calls, master and slave of the primary
 * channel, then of the secondary; the first call makes the controller.  0; -ENOSPC with one
 * sentence when there are four already; -errno of pci_add() and bus_add_pio().
 */
int ide_add(const struct machine_disk *config, struct block *b);

#endif
