/* SPDX-License-Identifier: MIT */
/*
 * The PCI bus in the DSDT (ACPI 6.4, 6.2.13; PCI Firmware 3.0, 4): one host bridge
 * with the windows from which a system may place BARs, and a routing table with
 * fixed interrupts.  There are two tables, as on chip sets with a PIIX3's router:
 * a system that uses the IOAPIC says so by calling _PIC, and gets GSI 16..19; one
 * that does not gets the ISA interrupts to which firmware routed the lines.
 *
 *	Name (PICF, 0)  Method (_PIC, 1) { PICF = Arg0 }
 *	Device (PCI0) { ... Method (_PRT) { If (PICF) { Return (PRTA) } Return (PRTP) } }
 */
#include "boot/acpi_pci.h"

#include "device/pci.h"
#include "device/pcihost.h"
#include "device/piix3.h"

#define PINS		4u
#define SLOT_FIRST	1u		/* the bridge itself has no interrupt */
#define ALL_FUNCTIONS	0xffffu

void acpi_pci_globals(struct aml *a)
{
	size_t method;

	aml_name_integer(a, "\\PICF", 0);
	method = aml_method(a, "\\_PIC", 1);
	aml_store_argument(a, "PICF");
	aml_end(a, method);
}

/* Package of { slot, pin, no link device, interrupt }. */
static void routes(struct aml *a, const char *name, bool ioapic)
{
	size_t table;

	aml_name(a, name);
	table = aml_package(a, (PCI_SLOTS - SLOT_FIRST) * PINS);
	for (unsigned n = SLOT_FIRST * PINS; n < PCI_SLOTS * PINS; n++) {
		unsigned slot = n / PINS, pin = n % PINS;
		size_t route = aml_package(a, 4);

		aml_integer(a, slot << 16 | ALL_FUNCTIONS);
		aml_integer(a, pin);
		aml_integer(a, 0);
		aml_integer(a, ioapic ? PCI_GSI(slot, pin) : PIIX3_IRQ(PCI_LINE(slot, pin)));
		aml_end(a, route);
	}
	aml_end(a, table);
}

void acpi_pci_bridge(struct aml *a)
{
	struct aml_resources r = { .length = 0 };
	size_t device = aml_device(a, "PCI0"), method, condition;

	aml_name_eisa_id(a, "_HID", "PNP0A03");
	aml_name_integer(a, "_UID", 0);
	aml_name_integer(a, "_SEG", 0);
	aml_name_integer(a, "_BBN", 0);
	aml_resource_window(&r, AML_WINDOW_BUS, 0, 0);
	aml_resource_io(&r, PCIHOST_PORT, 8);
	aml_resource_window(&r, AML_WINDOW_IO, 0, PCIHOST_PORT - 1);
	aml_resource_window(&r, AML_WINDOW_IO, PCIHOST_PORT + 8, 0xffff);
	aml_resource_window(&r, AML_WINDOW_MEMORY, PCI_MMIO_BASE, PCI_MMIO_END - 1);
	aml_name_resources(a, "_CRS", &r);
	routes(a, "PRTP", false);
	routes(a, "PRTA", true);
	method = aml_method(a, "_PRT", 0);
	condition = aml_if(a, "PICF");
	aml_return(a, "PRTA");
	aml_end(a, condition);
	aml_return(a, "PRTP");
	aml_end(a, method);
	aml_end(a, device);
}
