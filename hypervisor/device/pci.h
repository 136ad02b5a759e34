/* SPDX-License-Identifier: MIT */
/*
 * PCI functions: configuration space, BARs, INTx, MSI-X, for device models
 * (PCI Local Bus 3.0, chapter 6; PCIe adds nothing that the guest sees here).
 *
 * The host bridge (device/pcihost.c) finds them by slot and function and does what
 * all have in common; a device gives its identity and its BARs' bus_ops.  ring3 is
 * the firmware, too: pci_assign() places the BARs and interrupt lines before the
 * guest starts, inside the windows that the DSDT states.
 */
#ifndef RING3_DEVICE_PCI_H
#define RING3_DEVICE_PCI_H

#include "machine/bus.h"

#define PCI_SLOTS	32
#define PCI_BARS	6
#define PCI_CONFIG_SIZE	256

/* The windows, for the DSDT's _CRS too. */
#define PCI_MMIO_BASE	0xc0000000u	/* to just below the IOAPIC */
#define PCI_MMIO_END	0xfec00000u
#define PCI_IO_BASE	0xc000u
#define PCI_IO_END	0x10000u

/* The bus's four interrupt lines are GSI 16..19; INTA..INTD (pin 0..3) of a slot go to them by
 * (slot + pin) % 4, as _PRT states.  For guests with "noapic" or without ACPI they are ISA IRQs
 * 10 and 11, too, as the interrupt line registers say (piix3.c). */
#define PCI_LINES		4u
#define PCI_LINE_GSI		16u
#define PCI_LINE(slot, pin)	(((slot) + (pin)) % PCI_LINES)
#define PCI_GSI(slot, pin)	(PCI_LINE_GSI + PCI_LINE(slot, pin))

struct pci_bar {
	uint32_t size;			/* power of two, at least 4 (MMIO: 4096); 0: none */
	bool io;
	const struct bus_ops *ops;
	void *device;			/* the first argument of ops; distinct for each BAR */
	/* pci.c's: */
	uint64_t base;			/* where it is on the bus now; 0: nowhere */
	bool mapped;
};

struct pci_msix_entry {
	uint32_t address_low, address_high, data, control;
};

struct pci_msix {
	unsigned count;			/* vectors; 0: no MSI-X */
	uint8_t capability;		/* offset in configuration space */
	struct pci_msix_entry *table;
	uint64_t *pending;
};

struct pci_function {
	const char *name;
	uint8_t slot, function;
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE];	/* bits that the guest may change */
	uint8_t write_clear[PCI_CONFIG_SIZE];	/* bits that writing 1 clears */
	struct pci_bar bar[PCI_BARS];
	struct pci_msix msix;
	/* Called after the guest wrote configuration bytes; may be NULL.  BARs and the command
	 * register are dealt with before. */
	void (*config_written)(struct pci_function *f, unsigned offset, unsigned size);
	/* As read by the guest, for registers with side effects; NULL: config[].  */
	bool (*config_read)(struct pci_function *f, unsigned offset, unsigned size, uint32_t *value);
	bool intx_asserted;			/* by the device */
	bool intx_driven;			/* and nothing keeps it off the line */
	uint16_t next_capability;		/* where the next one goes */
};

/* Identity: fills the header type 0.  class_code: class << 16 | subclass << 8 | interface. */
void pci_identify(struct pci_function *f, uint16_t vendor, uint16_t device, uint32_t class_code,
		  uint8_t revision);
void pci_subsystem(struct pci_function *f, uint16_t vendor, uint16_t device);
/* The function has an interrupt pin (1: INTA). */
void pci_use_intx(struct pci_function *f, unsigned pin);
/* Room for a capability of `length` bytes, linked into the list; its offset. */
unsigned pci_add_capability(struct pci_function *f, uint8_t id, unsigned length);
/* MSI-X with its table and pending bits in a BAR of their own (4 KiB MMIO), `bar`. */
int pci_add_msix(struct pci_function *f, unsigned bar, unsigned count);

/* Start-up: put it on bus 0; slot < 0: the next free one.  0, -EEXIST, -ENOSPC. */
int pci_add(struct pci_function *f, int slot, unsigned function);
/* Firmware's part, once all are added: BARs, interrupt lines, memory/IO decode, bus mastering off.
 * Again, after more were added: leaves alone what has a place. */
void pci_assign(void);
struct pci_function *pci_find(unsigned slot, unsigned function);	/* NULL: nobody */

/* Configuration accesses of the guest; size 1, 2, 4, within a dword. */
uint32_t pci_config_read(struct pci_function *f, unsigned offset, unsigned size);
void pci_config_write(struct pci_function *f, unsigned offset, unsigned size, uint32_t value);

/* Level of INTx (ignored, like the bit, while the command register disables it). */
void pci_set_intx(struct pci_function *f, bool asserted);
bool pci_msix_enabled(const struct pci_function *f);
/* Send the message of a vector, or note it pending while masked.  Vector out of range: nothing. */
void pci_send_msix(struct pci_function *f, unsigned vector);
/* May the function read and write memory (command register)? */
bool pci_bus_master(const struct pci_function *f);

#endif
