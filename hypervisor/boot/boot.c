// SPDX-License-Identifier: MIT
/*
 * Which loader a kernel gets.  Formats are tried from the most to the least
 * specific: a bzImage may contain a multiboot magic by accident, an ELF image
 * may be started by multiboot or PVH (multiboot first, as QEMU does).
 */
#include "boot/boot.h"

#include <errno.h>

#include "base/log.h"
#include "boot/acpi.h"
#include "boot/bzimage.h"
#include "boot/elf.h"
#include "boot/entry.h"
#include "boot/image.h"
#include "boot/multiboot.h"
#include "boot/pirtable.h"
#include "boot/pvh.h"

enum boot_kind { BOOT_BZIMAGE, BOOT_MULTIBOOT, BOOT_PVH };

/* 0 and *kind, or -ENOEXEC with one sentence said. */
static int boot_recognize(const struct image *kernel, enum boot_kind *kind)
{
	struct multiboot_header header;
	struct elf elf;
	uint32_t entry;
	int r;

	if (bzimage_recognize(kernel)) {
		*kind = BOOT_BZIMAGE;
		return 0;
	}
	if (multiboot_find(kernel, &header) >= 0) {
		*kind = BOOT_MULTIBOOT;
		return 0;
	}
	if (!elf_recognize(kernel)) {
		log_error("\"%s\" is neither a bzImage nor a multiboot or PVH image; give the vmlinuz of an x86-64 kernel",
			  kernel->path);
		return -ENOEXEC;
	}
	r = elf_parse(kernel, &elf);
	if (r)
		return r;
	if (!pvh_find_entry(&elf, &entry)) {
		log_error("the ELF image \"%s\" has neither a multiboot header nor a PVH note; give a bzImage (vmlinuz) instead",
			  kernel->path);
		return -ENOEXEC;
	}
	*kind = BOOT_PVH;
	return 0;
}

static int boot_check_modules(const struct machine_config *config, enum boot_kind kind)
{
	if (kind == BOOT_BZIMAGE && config->modules && config->modules[0]) {
		log_error("--module is for multiboot and PVH kernels, \"%s\" is a bzImage; use --initrd",
			  config->kernel);
		return -EINVAL;
	}
	return 0;
}

int boot_check(const struct machine_config *config)
{
	struct image kernel, initrd;
	struct bzimage bz;
	enum boot_kind kind;
	int r;

	r = image_open(&kernel, config->kernel, "kernel");
	if (r)
		return r;
	r = boot_recognize(&kernel, &kind);
	if (!r && kind == BOOT_BZIMAGE)
		r = bzimage_parse(&kernel, &bz);
	if (!r)
		r = boot_check_modules(config, kind);
	image_close(&kernel);
	if (r || !config->initrd)
		return r;

	r = image_open(&initrd, config->initrd, "initrd");
	if (r)
		return r;
	if (initrd.size >= config->memory) {
		log_error("the initrd \"%s\" (%lu MiB) is larger than the guest's memory (%lu MiB); give more --memory",
			  config->initrd, align_up(initrd.size, MIB) / MIB, config->memory / MIB);
		r = -ENOMEM;
	}
	image_close(&initrd);
	return r;
}

static int boot_load_bzimage(struct vcpu *vcpu, const struct machine_config *config,
			     const struct image *kernel, gpa_t rsdp)
{
	struct image initrd;
	int r;

	if (config->initrd) {
		r = image_open(&initrd, config->initrd, "initrd");
		if (r)
			return r;
	}
	r = bzimage_load(vcpu, kernel, config->initrd ? &initrd : NULL,
			 config->append ? config->append : "", rsdp);
	if (config->initrd)
		image_close(&initrd);
	return r;
}

static int boot_load_pvh(struct vcpu *vcpu, const struct machine_config *config,
			 const struct image *kernel, gpa_t rsdp)
{
	struct elf elf;
	int r = elf_parse(kernel, &elf);

	return r ? r : pvh_load(vcpu, &elf, config, rsdp);
}

int boot_load(struct vcpu *vcpu, const struct machine_config *config)
{
	struct image kernel;
	enum boot_kind kind;
	gpa_t rsdp;
	int r;

	r = image_open(&kernel, config->kernel, "kernel");
	if (r)
		return r;
	r = boot_recognize(&kernel, &kind);
	if (!r)
		r = boot_check_modules(config, kind);
	if (!r) {
		entry_bios_data();
		rsdp = acpi_build();
		pirtable_build();
		if (kind == BOOT_BZIMAGE)
			r = boot_load_bzimage(vcpu, config, &kernel, rsdp);
		else if (kind == BOOT_MULTIBOOT)
			r = multiboot_load(vcpu, &kernel, config);
		else
			r = boot_load_pvh(vcpu, config, &kernel, rsdp);
	}
	image_close(&kernel);
	return r;
}
