// SPDX-License-Identifier: MIT
/*
 * Random accesses to every register of every PCI device: configuration space (BARs moved over each
 * other, over RAM, over the interrupt controllers; commands, capabilities), BARs of both kinds, all
 * widths, and the ports of IDE.  The machine lives, memory that no device was told of keeps its
 * content, and PCI answers as before.  what=0: BARs and ports only, 1: configuration space, too.
 */
#include "page.h"
#include "pci.h"
#include "random.h"
#include "test.h"

#define ROUNDS		40000u
#define GUARD_PAGES	64u

static uint64_t guard[GUARD_PAGES];

/* Values that mean something here and there, among the merely random. */
static uint32_t value(void)
{
	switch (random() % 6) {
	case 0: return 0;
	case 1: return ~0u;
	case 2: return 1u << random() % 32;
	case 3: return (uint32_t)random() & 0xff;
	case 4: return (uint32_t)random() & 0x7fff000;	/* an address in RAM */
	default: return (uint32_t)random();
	}
}

static void poke_memory(volatile uint8_t *map, uint32_t size)
{
	uint32_t at = (uint32_t)(random() % size);

	switch (random() % 6) {
	case 0: (void)map[at]; break;
	case 1: (void)*(volatile uint32_t *)(map + (at & ~3u)); break;
	case 2: map[at] = (uint8_t)value(); break;
	case 3: *(volatile uint16_t *)(map + (at & ~1u)) = (uint16_t)value(); break;
	case 4: *(volatile uint32_t *)(map + (at & ~3u)) = value(); break;
	default: *(volatile uint64_t *)(map + (at & ~7u)) = (uint64_t)value() << 32 | value(); break;
	}
}

static void poke_port(uint16_t base, uint32_t size)
{
	unsigned width = 1u << random() % (size < 4 ? 1 : 3);
	uint16_t port = (uint16_t)(base + random() % (size - width + 1));	/* and no neighbour's */

	switch (width * 2 + random() % 2) {
	case 2: (void)in8(port); break;
	case 3: out8(port, (uint8_t)value()); break;
	case 4: (void)in16(port); break;
	case 5: out16(port, (uint16_t)value()); break;
	case 8: (void)in32(port); break;
	default: out32(port, value()); break;
	}
}

static void guards_fill(void)
{
	for (unsigned i = 0; i < GUARD_PAGES; i++) {
		uint64_t *p;

		guard[i] = page_alloc();
		p = phys_to_virt(guard[i]);
		for (unsigned j = 0; j < PAGE_SIZE / 8; j++)
			p[j] = guard[i] + j;
	}
}

/* Only what=0 leaves devices without addresses of RAM that they could write to. */
static void guards_check(void)
{
	for (unsigned i = 0; i < GUARD_PAGES; i++) {
		uint64_t *p = phys_to_virt(guard[i]);

		for (unsigned j = 0; j < PAGE_SIZE / 8; j++)
			if (!expect_equal(p[j], guard[i] + j, "guard page %u", i))
				return;
	}
}

static void abuse(struct pci_place at, bool configuration)
{
	uint32_t id = pci_read(at, 0, 4);

	for (unsigned bar = 0; bar < 6; bar++) {
		uint64_t base;
		uint32_t size;
		volatile void *map;

		if ((pci_read(at, 8, 4) >> 16) == 0x0600 || !pci_bar(at, bar, &base, &size, &map))
			continue;
		/* Without bus mastering nothing of RAM may be touched. */
		pci_write(at, 4, 2, 3);
		for (unsigned i = 0; i < ROUNDS; i++) {
			if (map)
				poke_memory(map, size);
			else
				poke_port((uint16_t)base, size);
		}
	}
	for (unsigned i = 0; configuration && i < ROUNDS; i++) {
		unsigned size = 1u << random() % 3, offset = (unsigned)(random() % 256) & ~(size - 1);

		if (random() % 4)
			pci_write(at, offset, size, value());
		else
			(void)pci_read(at, offset, size);
	}
	expect_equal(pci_read(at, 0, 4), id, "vendor and device of %u.%u", at.slot, at.function);
}

void test_main(void)
{
	bool configuration = test_option("what", 0);
	struct pci_place at;
	unsigned found = 0;

	random_seed = 0x2545f4914f6cdd1d ^ test_option("seed", 0) * 0x9e3779b97f4a7c15;
	guards_fill();
	while (pci_find(0xffff, 0xffff, found, &at)) {
		abuse(at, configuration);
		found++;
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		poke_port(0x1f0, 8);
		poke_port(0x3f6, 1);
		poke_port(0x170, 8);
	}
	print("%u functions\n", found);
	expect(found > 2, "devices to abuse");
	if (!configuration)
		guards_check();
}
