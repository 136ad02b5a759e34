// SPDX-License-Identifier: MIT
/*
 * The Linux boot protocol's 64-bit entry.
 *
 * Nothing in the file is trusted: sizes and addresses of the header are checked
 * against the file and against RAM before anything is copied.  A kernel is put
 * at its preferred address even when it is relocatable, because a 64-bit Linux
 * moves itself there when it is loaded lower, and KASLR takes it from there.
 */
#include "boot/bzimage.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "boot/e820.h"
#include "boot/entry.h"
#include "memory/ram.h"

#define SETUP_HEADER_OFFSET	offsetof(struct boot_params, hdr)
#define SETUP_MAGIC_OFFSET	0x202u
#define SETUP_MAGIC		0x53726448u	/* "HdrS" */
#define BOOT_FLAG		0xaa55u
#define SECTOR_SIZE		512u
#define PROTOCOL_NEEDED		0x020cu		/* 2.12: xloadflags (Linux 3.8) */
#define LOADER_UNREGISTERED	0xffu
#define ENTRY_64		0x200u

_Static_assert(sizeof(struct boot_params) == PAGE_SIZE, "the zero page is a page");

bool bzimage_recognize(const struct image *image)
{
	uint16_t flag;
	uint32_t magic;

	return image_read(image, offsetof(struct boot_params, hdr.boot_flag), &flag, sizeof(flag)) &&
	       image_read(image, SETUP_MAGIC_OFFSET, &magic, sizeof(magic)) &&
	       flag == BOOT_FLAG && magic == SETUP_MAGIC;
}

static int bzimage_truncated(const struct image *image, uint64_t want)
{
	log_error("the kernel \"%s\" is truncated (%lu bytes, its header says %lu); fetch or build it again",
		  image->path, image->size, want);
	return -ENOEXEC;
}

/* The header ends where the jump at its start leads: what lies behind is not header. */
static bool bzimage_read_header(const struct image *image, struct setup_header *header)
{
	size_t size = sizeof(*header);
	uint8_t jump;

	memset(header, 0, sizeof(*header));
	if (!image_read(image, SETUP_MAGIC_OFFSET - 1, &jump, sizeof(jump)))
		return false;
	size = min_u64(size, SETUP_MAGIC_OFFSET + jump - SETUP_HEADER_OFFSET);
	return image_read(image, SETUP_HEADER_OFFSET, header, size);
}

int bzimage_parse(const struct image *image, struct bzimage *out)
{
	struct setup_header *h = &out->header;
	uint64_t size;

	memset(out, 0, sizeof(*out));
	if (!bzimage_recognize(image)) {
		log_error("\"%s\" is not a bzImage; give the vmlinuz of an x86-64 kernel", image->path);
		return -ENOEXEC;
	}
	if (!bzimage_read_header(image, h))
		return bzimage_truncated(image, SETUP_HEADER_OFFSET + sizeof(*h));
	if (!(h->loadflags & LOADED_HIGH)) {
		log_error("the kernel \"%s\" is a zImage, not a bzImage; build it as bzImage",
			  image->path);
		return -ENOEXEC;
	}
	if (h->version < PROTOCOL_NEEDED) {
		log_error("the kernel \"%s\" has boot protocol %u.%02u, older than 2.12; use Linux 3.8 or later",
			  image->path, h->version >> 8, h->version & 0xff);
		return -ENOEXEC;
	}
	if (!(h->xloadflags & XLF_KERNEL_64)) {
		log_error("the kernel \"%s\" is 32-bit only; use a 64-bit (amd64, x86_64) kernel",
			  image->path);
		return -ENOEXEC;
	}

	out->offset = ((h->setup_sects ? h->setup_sects : 4u) + 1) * SECTOR_SIZE;
	/* syssize counts paragraphs, the last of which need not be whole in the file. */
	size = (uint64_t)h->syssize * 16;
	if (image->size <= out->offset || align_up(image->size - out->offset, 16) < size)
		return bzimage_truncated(image, out->offset + size);
	if (size == 0) {
		log_error("the kernel \"%s\" is empty: its header has syssize 0", image->path);
		return -ENOEXEC;
	}
	out->size = min_u64(size, image->size - out->offset);
	out->load = h->pref_address ? h->pref_address : h->code32_start;
	out->need = max_u64(h->init_size, size);
	if (out->load < E820_FIRMWARE_END || out->load >= RAM_LOW_MAX || out->need >= RAM_LOW_MAX) {
		log_error("the kernel \"%s\" asks to be loaded at 0x%lx, %lu bytes, outside 1 MiB to 3 GiB; its header is damaged",
			  image->path, out->load, out->need);
		return -ENOEXEC;
	}
	return 0;
}

/* As high as the kernel allows, page aligned, above the kernel's own room. */
static int bzimage_place_initrd(const struct bzimage *bz, const struct image *initrd, uint64_t *at)
{
	uint64_t kernel_end = align_up(bz->load + bz->need, PAGE_SIZE);
	uint64_t top = min_u64(ram_low_size(), (uint64_t)bz->header.initrd_addr_max + 1);
	uint64_t need_mib;

	if (top >= kernel_end && initrd->size <= top - kernel_end) {
		*at = align_down(top - initrd->size, PAGE_SIZE);
		if (*at >= kernel_end)
			return 0;
	}
	if (top < ram_low_size()) {
		log_error("the initrd \"%s\" (%lu MiB) is too large for the kernel, which takes it below 0x%lx only",
			  initrd->path, align_up(initrd->size, MIB) / MIB, top);
		return -ENOMEM;
	}
	need_mib = align_up(kernel_end + initrd->size + PAGE_SIZE, MIB) / MIB;
	if (initrd->size >= ram_low_size())
		log_error("the initrd \"%s\" (%lu MiB) is larger than the guest's memory; give --memory %luM or more",
			  initrd->path, align_up(initrd->size, MIB) / MIB, need_mib);
	else
		log_error("the initrd \"%s\" does not fit into memory beside the kernel; give --memory %luM or more",
			  initrd->path, need_mib);
	return -ENOMEM;
}

static int bzimage_put_command_line(const struct bzimage *bz, const struct image *kernel,
				    const char *append)
{
	uint64_t length = strlen(append);
	uint64_t limit = min_u64(bz->header.cmdline_size, ENTRY_COMMAND_LINE_MAX - 1);

	if (length > limit) {
		log_error("--append is %lu characters long, the kernel \"%s\" takes %lu; shorten it",
			  length, kernel->path, limit);
		return -E2BIG;
	}
	return ram_write(GPA(ENTRY_COMMAND_LINE), append, length + 1) ? 0 : -ENOMEM;
}

static void bzimage_put_zero_page(const struct bzimage *bz, uint64_t initrd, uint64_t initrd_size,
				  gpa_t rsdp)
{
	static struct boot_params zero_page;	/* start-up only, one thread */
	struct e820_entry map[E820_MAX];
	struct setup_header *h = &zero_page.hdr;

	memset(&zero_page, 0, sizeof(zero_page));
	*h = bz->header;
	h->type_of_loader = LOADER_UNREGISTERED;
	h->code32_start = (uint32_t)bz->load;
	h->cmd_line_ptr = ENTRY_COMMAND_LINE;
	h->ramdisk_image = (uint32_t)initrd;
	h->ramdisk_size = (uint32_t)initrd_size;
	zero_page.acpi_rsdp_addr = rsdp.v;
	zero_page.e820_entries = (uint8_t)e820_build(map);
	for (unsigned i = 0; i < zero_page.e820_entries; i++)
		zero_page.e820_table[i] = (struct boot_e820_entry){
			.addr = map[i].addr, .size = map[i].size, .type = map[i].type,
		};
	ram_write(GPA(ENTRY_ZERO_PAGE), &zero_page, sizeof(zero_page));
}

int bzimage_load(struct vcpu *vcpu, const struct image *kernel, const struct image *initrd,
		 const char *append, gpa_t rsdp)
{
	uint64_t initrd_at = 0;
	struct bzimage bz;
	int r;

	r = bzimage_parse(kernel, &bz);
	if (r)
		return r;
	if (bz.load + bz.need > ram_low_size()) {
		log_error("the kernel \"%s\" needs more memory to start than the guest has; give --memory %luM or more",
			  kernel->path, align_up(bz.load + bz.need, MIB) / MIB);
		return -ENOMEM;
	}
	if (initrd) {
		r = bzimage_place_initrd(&bz, initrd, &initrd_at);
		if (r)
			return r;
		ram_write(GPA(initrd_at), initrd->data, initrd->size);
	}
	r = bzimage_put_command_line(&bz, kernel, append);
	if (r)
		return r;
	ram_write(GPA(bz.load), kernel->data + bz.offset, bz.size);
	bzimage_put_zero_page(&bz, initrd_at, initrd ? initrd->size : 0, rsdp);
	entry_long_mode(vcpu, bz.load + ENTRY_64, ENTRY_ZERO_PAGE);
	return 0;
}
