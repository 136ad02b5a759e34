/* SPDX-License-Identifier: MIT */
/*
 * The PCI interrupt routing table "$PIR" (Microsoft's PCI IRQ Routing Table
 * Specification 1.0): which interrupt line of the PIIX3's router each slot's pins
 * are wired to, so that a guest without ACPI (acpi=off) finds its interrupts and
 * may route them anew.  Runs once at start-up.
 */
#include "boot/pirtable.h"

#include <string.h>

#include "base/log.h"
#include "device/pci.h"
#include "device/piix3.h"
#include "memory/ram.h"

#define SLOT_FIRST	1u
#define PINS		4u

struct slot {
	uint8_t bus, device;		/* device << 3 */
	struct { uint8_t link; uint16_t irqs; } __attribute__((packed)) pin[PINS];
	uint8_t number, reserved;	/* 0: on the board, not in a connector */
} __attribute__((packed));

struct table {
	char signature[4];
	uint16_t version, size;
	uint8_t router_bus, router_device;
	uint16_t exclusive_irqs;	/* for PCI alone */
	uint32_t router_id, miniport;
	uint8_t reserved[11], checksum;
	struct slot slot[PCI_SLOTS - SLOT_FIRST];
} __attribute__((packed));

_Static_assert(sizeof(struct slot) == 16 && offsetof(struct table, slot) == 32, "$PIR");

void pirtable_build(void)
{
	struct table t = {
		.signature = "$PIR", .version = 0x0100, .size = sizeof(t),
		.router_device = 1 << 3, .router_id = PIIX3_ID,
		.exclusive_irqs = 1u << PIIX3_IRQ(0) | 1u << PIIX3_IRQ(PCI_LINES - 1),
	};
	const uint8_t *bytes = (const uint8_t *)&t;
	uint8_t sum = 0;

	for (unsigned i = 0; i < PCI_SLOTS - SLOT_FIRST; i++) {
		t.slot[i].device = (uint8_t)((SLOT_FIRST + i) << 3);
		for (unsigned pin = 0; pin < PINS; pin++) {
			t.slot[i].pin[pin].link = (uint8_t)(PIIX3_PIRQ + PCI_LINE(SLOT_FIRST + i, pin));
			t.slot[i].pin[pin].irqs = PIIX3_IRQS;
		}
	}
	for (size_t i = 0; i < sizeof(t); i++)
		sum = (uint8_t)(sum + bytes[i]);
	t.checksum = (uint8_t)-sum;
	bug_on(!ram_write(GPA(PIRTABLE_BASE), &t, sizeof(t)));
}
