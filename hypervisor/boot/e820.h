/* SPDX-License-Identifier: MIT */
/*
 * The memory map that firmware would report, in the E820 vocabulary that all
 * three boot protocols share.
 */
#ifndef RING3_BOOT_E820_H
#define RING3_BOOT_E820_H

#include "base/types.h"

enum e820_type { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3, E820_NVS = 4 };

struct e820_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;		/* enum e820_type */
};

#define E820_MAX		8
#define E820_LOW_RAM_END	0x9fc00ul	/* below: RAM; above, to 1 MiB: firmware's */
#define E820_FIRMWARE_END	0x100000ul

/* For the RAM that ram_init() made: ascending, not overlapping.  Returns how many. */
unsigned e820_build(struct e820_entry map[E820_MAX]);

#endif
