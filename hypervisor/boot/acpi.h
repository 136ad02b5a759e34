/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables in the firmware's area below 1 MiB: RSDP, XSDT, FADT, MADT, DSDT.
 */
#ifndef RING3_BOOT_ACPI_H
#define RING3_BOOT_ACPI_H

#include "base/types.h"

/* Write all tables to guest RAM (0xe0000..0xfffff, found by the RSDP scan too).  Returns the
 * RSDP's address. */
gpa_t acpi_build(void);

#endif
