/* SPDX-License-Identifier: MIT */
/*
 * The vCPU as a boot loader leaves it, in flat 32-bit protected mode or in long
 * mode with identity-mapped memory; with the GDT and page tables that need be
 * in guest RAM for it.
 *
 * Low memory during boot (everything here is the kernel's to overwrite once it
 * has its own):
 *
 *   0x0400..0x04ff   BIOS data area: end of base memory
 *   0x1000..0x1fff   GDT
 *   0x2000..0x2fff   Linux zero page
 *   0x3000..0x8fff   PML4, PDPT, four page directories
 *   0x20000..0x2ffff Linux command line
 */
#ifndef RING3_BOOT_ENTRY_H
#define RING3_BOOT_ENTRY_H

#include "machine/vcpu.h"

#define ENTRY_GDT		0x1000ul
#define ENTRY_ZERO_PAGE		0x2000ul
#define ENTRY_PAGE_TABLES	0x3000ul
#define ENTRY_COMMAND_LINE	0x20000ul
#define ENTRY_COMMAND_LINE_MAX	0x10000ul	/* with the terminating zero */

#define ENTRY_CS		0x10	/* __BOOT_CS of the Linux boot protocol */
#define ENTRY_DS		0x18	/* __BOOT_DS */
#define ENTRY_TR		0x20

/* What the BIOS leaves: the BIOS data area's few fields that kernels read. */
void entry_bios_data(void);

/* 64-bit mode, paging on, low 4 GiB and all RAM identity-mapped, interrupts off. */
void entry_long_mode(struct vcpu *vcpu, uint64_t rip, uint64_t rsi);

/* 32-bit protected mode, flat segments, paging off, interrupts off.  The GDT is put at `gdt`
 * (ENTRY_GDT_SIZE bytes, which the loaded kernel does not cover). */
#define ENTRY_GDT_SIZE		40u
void entry_protected_mode(struct vcpu *vcpu, gpa_t gdt, uint32_t eip, uint32_t eax, uint32_t ebx);

#endif
