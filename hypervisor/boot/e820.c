// SPDX-License-Identifier: MIT
/*
 * The memory map handed to guests.  Must agree with memory/ram.h (where RAM is)
 * and with the platform's fixed MMIO: the IOAPIC and local APIC pages.  The
 * ACPI tables lie in the firmware's area below 1 MiB.
 */
#include "boot/e820.h"

#include "memory/ram.h"

#define IOAPIC_PAGE	0xfec00000ul
#define LAPIC_PAGE	0xfee00000ul

static unsigned e820_add(struct e820_entry *map, unsigned count, uint64_t start, uint64_t end,
			 enum e820_type type)
{
	if (start >= end)
		return count;
	map[count] = (struct e820_entry){ .addr = start, .size = end - start, .type = type };
	return count + 1;
}

unsigned e820_build(struct e820_entry map[E820_MAX])
{
	unsigned n = 0;

	n = e820_add(map, n, 0, E820_LOW_RAM_END, E820_RAM);
	n = e820_add(map, n, E820_LOW_RAM_END, E820_FIRMWARE_END, E820_RESERVED);
	n = e820_add(map, n, E820_FIRMWARE_END, ram_low_size(), E820_RAM);
	n = e820_add(map, n, IOAPIC_PAGE, IOAPIC_PAGE + PAGE_SIZE, E820_RESERVED);
	n = e820_add(map, n, LAPIC_PAGE, LAPIC_PAGE + PAGE_SIZE, E820_RESERVED);
	n = e820_add(map, n, RAM_HIGH_BASE, RAM_HIGH_BASE + ram_high_size(), E820_RAM);
	return n;
}
