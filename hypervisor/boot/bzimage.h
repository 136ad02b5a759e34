/* SPDX-License-Identifier: MIT */
/*
 * Linux kernels, and others that speak the Linux boot protocol
 * (Documentation/x86/boot.rst), version 2.12 or later, by their 64-bit entry.
 */
#ifndef RING3_BOOT_BZIMAGE_H
#define RING3_BOOT_BZIMAGE_H

#include <asm/bootparam.h>

#include "boot/image.h"
#include "machine/vcpu.h"

struct bzimage {
	struct setup_header header;	/* as far as the kernel has it, else zero */
	uint64_t offset, size;		/* of the protected-mode part, in the file */
	uint64_t load;			/* where it goes, physical */
	uint64_t need;			/* bytes from there that must be RAM and free */
};

/* Does the file claim to be one?  (boot flag and "HdrS") */
bool bzimage_recognize(const struct image *image);

/* Can it be started here?  0, or -ENOEXEC with one sentence said: truncated, too old,
 * 32-bit only. */
int bzimage_parse(const struct image *image, struct bzimage *out);

/*
 * Load into guest RAM and set the vCPU to the entry.  initrd may be NULL;
 * append is the command line; rsdp 0: none.  0, or -errno with one sentence
 * said: -ENOMEM memory too small, -E2BIG command line too long.
 */
int bzimage_load(struct vcpu *vcpu, const struct image *kernel, const struct image *initrd,
		 const char *append, gpa_t rsdp);

#endif
