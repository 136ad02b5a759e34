/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables for the guest: they describe what device/ provides.
 *
 * They lie in the area where firmware's own would, which must be reported
 * reserved by e820 (the whole of 640 KiB .. 1 MiB is).
 */
#ifndef RING3_BOOT_ACPI_H
#define RING3_BOOT_ACPI_H

#include "base/types.h"

#define ACPI_AREA_BASE	0xe0000UL
#define ACPI_AREA_SIZE	0x4000UL

/* Write them to guest RAM; returns where the RSDP is (16-byte aligned, found by a scan too). */
gpa_t acpi_build(void);

#endif
