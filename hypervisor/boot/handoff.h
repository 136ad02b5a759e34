/* SPDX-License-Identifier: MIT */
/*
 * What multiboot and PVH hand over besides the kernel: modules placed behind
 * the kernel, and a place for tables and strings that the kernel does not cover.
 */
#ifndef RING3_BOOT_HANDOFF_H
#define RING3_BOOT_HANDOFF_H

#include "boot/image.h"
#include "machine/machine.h"

#define HANDOFF_MODULES_MAX	64

struct handoff_module {
	uint64_t start, end;		/* physical */
	uint64_t command_line;		/* physical address of a string, never 0 */
};

struct handoff {
	uint64_t next, end;		/* what is left of the place for tables */
	uint64_t modules_end;		/* first free byte behind kernel and modules */
	unsigned module_count;
	struct handoff_module modules[HANDOFF_MODULES_MAX];
};

/*
 * Choose the place, given where the kernel lies, and load config's initrd (as
 * the first module) and modules.  0, or -errno with one sentence said.
 */
int handoff_init(struct handoff *h, const struct machine_config *config, uint64_t kernel_start,
		 uint64_t kernel_end);

/* Room in the place, 16-aligned; bytes copied there.  Returns its physical address, or 0 with one
 * sentence said (full). */
uint64_t handoff_put(struct handoff *h, const void *bytes, size_t size);
uint64_t handoff_string(struct handoff *h, const char *string);

#endif
