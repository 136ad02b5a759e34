/* SPDX-License-Identifier: MIT */
/* The PCI interrupt routing table, for guests that use no ACPI. */
#ifndef RING3_BOOT_PIRTABLE_H
#define RING3_BOOT_PIRTABLE_H

#define PIRTABLE_BASE	0xf0000UL	/* found by a scan of 0xf0000..0xfffff */

void pirtable_build(void);	/* to guest RAM */

#endif
