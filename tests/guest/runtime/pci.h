/* SPDX-License-Identifier: MIT */
/*
 * PCI functions on bus 0, by configuration mechanism 1, and their BARs.
 */
#ifndef GUEST_PCI_H
#define GUEST_PCI_H

#include "cpu.h"

struct pci_place {
	uint8_t slot, function;
};

uint32_t pci_read(struct pci_place at, unsigned offset, unsigned size);
void pci_write(struct pci_place at, unsigned offset, unsigned size, uint32_t value);

/* The n-th function with this vendor and device (0xffff: any). */
bool pci_find(uint16_t vendor, uint16_t device, unsigned n, struct pci_place *at);
/* I/O, memory, bus mastering on. */
void pci_enable(struct pci_place at);
/* Where a BAR is and how large; false: there is none.  Memory BARs are mapped, *map is set. */
bool pci_bar(struct pci_place at, unsigned bar, uint64_t *base, uint32_t *size, volatile void **map);

#endif
