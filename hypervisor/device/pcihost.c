/* SPDX-License-Identifier: MIT */
/*
 * The PCI host bridge.  Functions that are not there read as all ones, as the
 * bus does when nobody answers.  The bridge's configuration space is constant:
 * it has no resources that a guest could place.
 */
#include "device/pcihost.h"

#include "base/types.h"
#include "device/stop.h"
#include "machine/bus.h"

#define ADDRESS_ENABLE		(1u << 31)
#define ADDRESS_KNOWN		(ADDRESS_ENABLE | 0x0ffffffc)
#define ADDRESS_PLACE(a)	(((a) >> 8) & 0xfffff)	/* extended register, bus, device, function */
#define OFFSET_RESET		(PCIHOST_RESET_PORT - PCIHOST_PORT)
#define OFFSET_DATA		4

static struct {
	uint32_t address;
	uint8_t reset;
} host;

/* "QEMU PCIe host bridge", which no driver and no quirk table treats specially. */
static const uint32_t bridge[64] = {
	[0x00 / 4] = 0x00081b36,	/* device, vendor */
	[0x04 / 4] = 0x00000006,	/* status, command: memory, bus master */
	[0x08 / 4] = 0x06000000,	/* class: host bridge; revision */
};

static uint64_t data_read(unsigned byte, unsigned size)
{
	uint32_t value = bridge[(host.address & 0xfc) / 4] >> (byte * 8);

	if (!(host.address & ADDRESS_ENABLE) || ADDRESS_PLACE(host.address) || byte + size > 4)
		return ~0ul;
	return value;
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
	return bus_add_pio(PCIHOST_PORT, 8, &port_ops, &host, "pci-host");
}
