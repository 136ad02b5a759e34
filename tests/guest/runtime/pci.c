// SPDX-License-Identifier: MIT
#include "pci.h"

#include "page.h"

#define ADDRESS		0xcf8
#define DATA		0xcfc
#define BAR_IO		1u
#define DEVICE_BASE	(TEST_BASE + (1ul << 36))	/* where memory BARs are mapped */

static void select(struct pci_place at, unsigned offset)
{
	out32(ADDRESS, 1u << 31 | (uint32_t)at.slot << 11 | (uint32_t)at.function << 8 | (offset & 0xfc));
}

uint32_t pci_read(struct pci_place at, unsigned offset, unsigned size)
{
	uint16_t port = (uint16_t)(DATA + (offset & 3));

	select(at, offset);
	return size == 1 ? in8(port) : size == 2 ? in16(port) : in32(port);
}

void pci_write(struct pci_place at, unsigned offset, unsigned size, uint32_t value)
{
	uint16_t port = (uint16_t)(DATA + (offset & 3));

	select(at, offset);
	if (size == 1)
		out8(port, (uint8_t)value);
	else if (size == 2)
		out16(port, (uint16_t)value);
	else
		out32(port, value);
}

bool pci_find(uint16_t vendor, uint16_t device, unsigned n, struct pci_place *at)
{
	for (unsigned i = 0; i < 32 * 8; i++) {
		struct pci_place p = { (uint8_t)(i / 8), (uint8_t)(i % 8) };
		uint32_t id = pci_read(p, 0, 4);

		if (id == ~0u || (vendor != 0xffff && (uint16_t)id != vendor) ||
		    (device != 0xffff && id >> 16 != device))
			continue;
		if (n-- == 0) {
			*at = p;
			return true;
		}
	}
	return false;
}

void pci_enable(struct pci_place at)
{
	pci_write(at, 4, 2, 7);
}

bool pci_bar(struct pci_place at, unsigned bar, uint64_t *base, uint32_t *size, volatile void **map)
{
	unsigned offset = 0x10 + bar * 4;
	uint32_t value = pci_read(at, offset, 4), mask;
	bool io = value & BAR_IO, wide = !io && (value & 6) == 4;

	pci_write(at, offset, 4, ~0u);
	mask = pci_read(at, offset, 4);
	pci_write(at, offset, 4, value);
	mask &= io ? ~3u : ~15u;
	*map = NULL;
	*base = value & (io ? ~3u : ~15u);
	*size = io ? (-mask & 0xffff) : -mask;
	if (wide)
		*base |= (uint64_t)pci_read(at, offset + 4, 4) << 32;
	if (!mask || !*base)
		return false;
	if (!io) {
		uint64_t va = DEVICE_BASE + (*base & 0xffffffff);

		for (uint64_t page = 0; page < *size; page += PAGE_SIZE)
			page_map(va + page, (*base & ~(PAGE_SIZE - 1)) + page,
				 PTE_P | PTE_W | PTE_PCD | PTE_PWT);
		*map = (volatile void *)(va + (*base & (PAGE_SIZE - 1)));
	}
	return true;
}
