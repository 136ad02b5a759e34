/* SPDX-License-Identifier: MIT */
/*
 * Function 0 of the PIIX3 (82371SB): the ISA bridge, of which guests use the PCI
 * interrupt router (PIRQRC[A:D], 2.2.9 of its data sheet): it connects the bus's
 * four lines to inputs of the 8259 pair, for guests that have no IOAPIC or do not
 * use it.  Firmware's part is here, too: IRQ 10 and 11, level-triggered.
 *
 * The bridge's other registers (recovery times, chip selects, DMA) are not there:
 * no guest needs them, and they read as zero.
 */
#include "device/piix3.h"

#include "device/pci_regs.h"

#define PIRQ_OFF		0x80u
#define PIRQ_WRITABLE		0x8fu
#define ELCR_HIGH		0x4d1
#define ELCR_10_AND_11		0x0c

static void routes_update(struct pci_function *f)
{
	for (unsigned i = 0; i < PCI_LINES; i++) {
		uint8_t value = f->config[PIIX3_PIRQ + i];
		unsigned irq = value & 15;

		pci_route_line(i, (value & PIRQ_OFF) || !(PIIX3_IRQS >> irq & 1) ? 0 : irq);
	}
}

static void config_written(struct pci_function *f, unsigned offset, unsigned size)
{
	if (offset < PIIX3_PIRQ + PCI_LINES && offset + size > PIIX3_PIRQ)
		routes_update(f);
}

static struct pci_function bridge = { .name = "piix3-isa", .config_written = config_written };

int piix3_init(void)
{
	pci_identify(&bridge, PIIX3_ID & 0xffff, PIIX3_ID >> 16, 0x060100, 0);
	pci_set16(bridge.config + PCI_COMMAND, 0x0007);		/* hard-wired: always decodes */
	pci_set16(bridge.writable + PCI_COMMAND, 0x0108);
	pci_set16(bridge.config + PCI_STATUS, 0x0200);		/* DEVSEL# medium */
	for (unsigned i = 0; i < PCI_LINES; i++) {
		bridge.config[PIIX3_PIRQ + i] = PIIX3_IRQ(i);
		bridge.writable[PIIX3_PIRQ + i] = PIRQ_WRITABLE;
	}
	routes_update(&bridge);
	bus_pio_write(ELCR_HIGH, 1, ELCR_10_AND_11);
	return pci_add(&bridge, PCI_SLOT_ISA, 0);
}
