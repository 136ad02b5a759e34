/* SPDX-License-Identifier: MIT */
/*
 * Multiboot Specification version 0.6.96 ("multiboot 1"): ELF images, 32- or
 * 64-bit, and raw images with address fields in the header; modules.
 */
#ifndef RING3_BOOT_MULTIBOOT_H
#define RING3_BOOT_MULTIBOOT_H

#include "boot/image.h"
#include "machine/machine.h"
#include "machine/vcpu.h"

#define MULTIBOOT_SEARCH	8192u
#define MULTIBOOT_MAGIC		0x1badb002u
#define MULTIBOOT_LOADER_MAGIC	0x2badb002u

struct multiboot_header {
	uint32_t magic, flags, checksum;
	/* only with MULTIBOOT_HAS_ADDRESSES: */
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

#define MULTIBOOT_PAGE_ALIGN	(1u << 0)
#define MULTIBOOT_WANT_MEMORY	(1u << 1)
#define MULTIBOOT_WANT_VIDEO	(1u << 2)
#define MULTIBOOT_REQUIRED	0xffffu		/* flags a loader must know */
#define MULTIBOOT_HAS_ADDRESSES	(1u << 16)

/* The header in the first 8 KiB; its offset in the file, or -1. */
long multiboot_find(const struct image *image, struct multiboot_header *out);

/* Load kernel and modules, set the vCPU.  0, or -errno with one sentence said. */
int multiboot_load(struct vcpu *vcpu, const struct image *kernel,
		   const struct machine_config *config);

#endif
