/* SPDX-License-Identifier: MIT */
/*
 * The PCI host bridge: turns the guest's accesses to two ports into configuration
 * accesses of the functions on bus 0 (pci.c).  Functions that are not there read as
 * all ones, as the bus does when nobody answers.  The bridge itself, 00:00.0, is
 * constant: it has no resources that a guest could place.
 */
#include "device/pcihost.h"

#include <string.h>

#include "base/types.h"
#include "device/pci_regs.h"
#include "device/stop.h"
#include "machine/bus.h"

#define ADDRESS_ENABLE		(1u << 31)
#define ADDRESS_KNOWN		(ADDRESS_ENABLE | 0x0ffffffc)
#define ADDRESS_ELSEWHERE	0x0fff0000	/* extended register, bus: none but 0 */
#define ADDRESS_SLOT(a)		((a) >> 11 & 31)
#define ADDRESS_FUNCTION(a)	((a) >> 8 & 7)
#define ADDRESS_REGISTER(a)	((a) & 0xfc)
#define OFFSET_RESET		(PCIHOST_RESET_PORT - PCIHOST_PORT)
#define OFFSET_DATA		4

static struct {
	uint32_t address;
	uint8_t reset;
} host;

static struct pci_function bridge = { .name = "pci-host" };

/* The function that an access of `size` bytes at `byte` of the data register is for, or NULL. */
static struct pci_function *addressed(unsigned byte, unsigned size)
{
	uint32_t a = host.address;

	if (!(a & ADDRESS_ENABLE) || (a & ADDRESS_ELSEWHERE) || byte + size > 4)
		return NULL;
	return pci_find(ADDRESS_SLOT(a), ADDRESS_FUNCTION(a));
}

static uint64_t data_read(unsigned byte, unsigned size)
{
	struct pci_function *f = addressed(byte, size);

	return f ? pci_config_read(f, ADDRESS_REGISTER(host.address) + byte, size) : ~0ul;
}

static void data_write(unsigned byte, unsigned size, uint32_t value)
{
	struct pci_function *f = addressed(byte, size);

	if (f)
		pci_config_write(f, ADDRESS_REGISTER(host.address) + byte, size, value);
}

static uint64_t port_read(void *device, uint64_t offset, unsigned size)
{
	(void)device;
	if (offset >= OFFSET_DATA)
		return data_read((unsigned)offset - OFFSET_DATA, size);
	if (offset == OFFSET_RESET && size == 1)
		return host.reset;
	return offset == 0 && size == 4 ? host.address : ~0ul;
}

static void port_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	if (offset >= OFFSET_DATA)
		data_write((unsigned)offset - OFFSET_DATA, size, (uint32_t)value);
	if (offset == 0 && size == 4)
		host.address = (uint32_t)value & ADDRESS_KNOWN;
	if (offset != OFFSET_RESET || size != 1)
		return;
	/* Bit 2 rising resets the CPU; bit 1 says how much else. */
	if ((value & 4) && !(host.reset & 4))
		device_stop(MACHINE_REBOOT, 0, "reset by port 0xcf9");
	host.reset = value & 0x0e;
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write };

int pcihost_init(void)
{
	host.address = 0;
	host.reset = 0;

	int error = bus_add_pio(PCIHOST_PORT, 8, &port_ops, &host, "pci-host");

	/* "QEMU PCIe host bridge", which no driver and no quirk table treats specially. */
	pci_identify(&bridge, 0x1b36, 0x0008, 0x060000, 0);
	pci_set16(bridge.config + PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	memset(bridge.writable, 0, sizeof(bridge.writable));
	if (!error)
		error = pci_add(&bridge, PCI_SLOT_HOST, 0);
	return error;
}
