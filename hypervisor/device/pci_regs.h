/* SPDX-License-Identifier: MIT */
/*
 * The configuration space header, type 0 (PCI 3.0, 6.1 and 6.2), and what the files
 * of the PCI bus tell each other.  Devices need device/pci.h alone.
 */
#ifndef RING3_DEVICE_PCI_REGS_H
#define RING3_DEVICE_PCI_REGS_H

#include <string.h>

#include "device/pci.h"

#define PCI_VENDOR		0x00
#define PCI_DEVICE		0x02
#define PCI_COMMAND		0x04
#define PCI_STATUS		0x06
#define PCI_REVISION		0x08		/* then three bytes of class code */
#define PCI_CACHE_LINE		0x0c
#define PCI_LATENCY		0x0d
#define PCI_HEADER_TYPE		0x0e
#define PCI_BAR(i)		(0x10u + 4 * (i))
#define PCI_SUBSYSTEM_VENDOR	0x2c
#define PCI_SUBSYSTEM		0x2e
#define PCI_CAPABILITIES	0x34
#define PCI_INTERRUPT_LINE	0x3c
#define PCI_INTERRUPT_PIN	0x3d
#define PCI_HEADER_SIZE		0x40

#define PCI_COMMAND_IO		0x0001u
#define PCI_COMMAND_MEMORY	0x0002u
#define PCI_COMMAND_MASTER	0x0004u
#define PCI_COMMAND_NO_INTX	0x0400u
#define PCI_COMMAND_WRITABLE	0x0547u		/* and parity and SERR# responses, which do nothing */
#define PCI_STATUS_INTX		0x0008u
#define PCI_STATUS_CAPABILITIES	0x0010u
#define PCI_STATUS_ERRORS	0xf900u		/* write 1 to clear; never set here */
#define PCI_HEADER_MULTIFUNCTION 0x80u

#define PCI_SLOT_HOST		0		/* the host bridge */
#define PCI_SLOT_ISA		1		/* PIIX3: ISA bridge, IDE */
#define PCI_SLOT_FIRST		2		/* for others */

static inline uint16_t pci_get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t pci_get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void pci_set16(uint8_t *p, uint16_t v) { memcpy(p, &v, sizeof(v)); }
static inline void pci_set32(uint8_t *p, uint32_t v) { memcpy(p, &v, sizeof(v)); }

/* Interrupt line i (0..3) also goes to this input of the 8259 pair; 0: to none.  (piix3.c) */
void pci_route_line(unsigned i, unsigned irq);

/* pci_msix.c: configuration space was written, send what is no longer held back. */
void pci_msix_update(struct pci_function *f);

#endif
