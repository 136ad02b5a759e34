// SPDX-License-Identifier: MIT
/*
 * The multiboot 1 loader.  Interpretation where the text is loose: as GRUB and
 * QEMU have it: the command line starts with the kernel's file name, a
 * module's with the module's; an ELF entry that is a virtual address is
 * translated by its segment.
 */
#include "boot/multiboot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "boot/e820.h"
#include "boot/elf.h"
#include "boot/entry.h"
#include "boot/handoff.h"
#include "memory/ram.h"

#define LOADER_NAME	"ring3"

struct multiboot_info {		/* 3.3 "Boot information format" */
	uint32_t flags;
	uint32_t mem_lower, mem_upper;		/* KiB */
	uint32_t boot_device;
	uint32_t cmdline;
	uint32_t mods_count, mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length, mmap_addr;
	uint32_t drives_length, drives_addr;
	uint32_t config_table;
	uint32_t boot_loader_name;
	uint32_t apm_table;
	uint32_t vbe[4];
};

#define INFO_MEMORY	(1u << 0)
#define INFO_CMDLINE	(1u << 2)
#define INFO_MODS	(1u << 3)
#define INFO_MMAP	(1u << 6)
#define INFO_LOADER	(1u << 9)

struct multiboot_module {
	uint32_t start, end, string, reserved;
};

struct multiboot_mmap {
	uint32_t size;		/* of what follows */
	uint64_t addr, length;
	uint32_t type;
} __attribute__((packed));

long multiboot_find(const struct image *image, struct multiboot_header *out)
{
	const size_t short_size = offsetof(struct multiboot_header, header_addr);
	size_t end = min_u64(image->size, MULTIBOOT_SEARCH);

	for (size_t at = 0; at + short_size <= end; at += 4) {
		memset(out, 0, sizeof(*out));
		image_read(image, at, out, short_size);
		if (out->magic != MULTIBOOT_MAGIC || out->magic + out->flags + out->checksum != 0)
			continue;
		if ((out->flags & MULTIBOOT_HAS_ADDRESSES) &&
		    !image_read(image, at, out, sizeof(*out)))
			continue;
		return (long)at;
	}
	return -1;
}

static int multiboot_damaged(const struct image *kernel, const char *what)
{
	log_error("the kernel \"%s\" has a damaged multiboot header: %s", kernel->path, what);
	return -ENOEXEC;
}

/* The "a.out kludge": the header itself says what goes where. */
static int multiboot_load_raw(const struct image *kernel, const struct multiboot_header *h,
			      uint64_t offset, uint64_t *start, uint64_t *end)
{
	uint64_t file_start, size, bss_end;
	uint8_t *to;
	int r;

	if (h->header_addr < h->load_addr || h->header_addr - h->load_addr > offset)
		return multiboot_damaged(kernel, "load_addr lies outside the file");
	file_start = offset - (h->header_addr - h->load_addr);
	size = kernel->size - file_start;
	if (h->load_end_addr) {
		if (h->load_end_addr < h->load_addr)
			return multiboot_damaged(kernel, "load_end_addr lies below load_addr");
		if (h->load_end_addr - h->load_addr > size) {
			log_error("the kernel \"%s\" is truncated (its multiboot header says %u bytes more); fetch or build it again",
				  kernel->path, (uint32_t)(h->load_end_addr - h->load_addr - size));
			return -ENOEXEC;
		}
		size = h->load_end_addr - h->load_addr;
	}
	bss_end = max_u64(h->bss_end_addr, h->load_addr + size);
	r = elf_check_place(kernel, h->load_addr, bss_end - h->load_addr);
	if (r)
		return r;
	to = ram_writable(GPA(h->load_addr), bss_end - h->load_addr);
	if (!to)
		return -ENOMEM;
	memcpy(to, kernel->data + file_start, size);
	memset(to + size, 0, bss_end - h->load_addr - size);
	*start = h->load_addr;
	*end = bss_end;
	return 0;
}

static int multiboot_load_kernel(const struct image *kernel, uint64_t *start, uint64_t *end,
				 uint64_t *entry)
{
	struct multiboot_header h;
	long offset = multiboot_find(kernel, &h);
	struct elf elf;
	int r;

	if (offset < 0)
		return multiboot_damaged(kernel, "there is none in the first 8 KiB");
	if (h.flags & MULTIBOOT_REQUIRED &
	    ~(MULTIBOOT_PAGE_ALIGN | MULTIBOOT_WANT_MEMORY | MULTIBOOT_WANT_VIDEO)) {
		log_error("the kernel \"%s\" requires multiboot features 0x%x that ring3 does not have",
			  kernel->path, h.flags & MULTIBOOT_REQUIRED);
		return -ENOEXEC;
	}
	if (h.flags & MULTIBOOT_WANT_VIDEO)
		log_warn("the kernel \"%s\" asks for a video mode; there is none", kernel->path);
	if (h.flags & MULTIBOOT_HAS_ADDRESSES) {
		*entry = h.entry_addr;
		return multiboot_load_raw(kernel, &h, (uint64_t)offset, start, end);
	}
	r = elf_parse(kernel, &elf);
	if (r)
		return r;
	*entry = elf_physical_entry(&elf);
	return elf_load(&elf, start, end);
}

static uint64_t multiboot_put_mmap(struct handoff *h, uint32_t *length)
{
	struct multiboot_mmap mmap[E820_MAX];
	struct e820_entry map[E820_MAX];
	unsigned count = e820_build(map);

	for (unsigned i = 0; i < count; i++)
		mmap[i] = (struct multiboot_mmap){
			.size = sizeof(mmap[i]) - sizeof(mmap[i].size),
			.addr = map[i].addr, .length = map[i].size, .type = map[i].type,
		};
	*length = count * (uint32_t)sizeof(mmap[0]);
	return handoff_put(h, mmap, *length);
}

static uint64_t multiboot_put_modules(struct handoff *h)
{
	struct multiboot_module modules[HANDOFF_MODULES_MAX] = { 0 };

	for (unsigned i = 0; i < h->module_count; i++)
		modules[i] = (struct multiboot_module){
			.start = (uint32_t)h->modules[i].start,
			.end = (uint32_t)h->modules[i].end,
			.string = (uint32_t)h->modules[i].command_line,
		};
	return handoff_put(h, modules, max_u64(h->module_count, 1) * sizeof(modules[0]));
}

static uint64_t multiboot_put_cmdline(struct handoff *h, const struct machine_config *config)
{
	const char *append = config->append ? config->append : "";
	size_t size = strlen(config->kernel) + 1 + strlen(append) + 1;
	char *line = malloc(size);
	uint64_t at;

	if (!line)
		return 0;
	format_string(line, size, "%s%s%s", config->kernel, *append ? " " : "", append);
	at = handoff_string(h, line);
	free(line);
	return at;
}

int multiboot_load(struct vcpu *vcpu, const struct image *kernel,
		   const struct machine_config *config)
{
	static struct handoff h;	/* start-up only, one thread */
	uint64_t start, end, entry, at, gdt;
	struct multiboot_info info = {
		.flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODS | INFO_MMAP | INFO_LOADER,
		.mem_lower = E820_LOW_RAM_END / KIB,
	};
	int r;

	r = multiboot_load_kernel(kernel, &start, &end, &entry);
	if (r)
		return r;
	if (entry >= RAM_HIGH_BASE) {
		log_error("the kernel \"%s\" has its entry at 0x%lx, above 4 GiB; link it lower",
			  kernel->path, entry);
		return -ENOEXEC;
	}
	r = handoff_init(&h, config, start, end);
	if (r)
		return r;
	info.mem_upper = (uint32_t)((ram_low_size() - E820_FIRMWARE_END) / KIB);
	info.cmdline = (uint32_t)multiboot_put_cmdline(&h, config);
	info.mods_count = h.module_count;
	info.mods_addr = (uint32_t)multiboot_put_modules(&h);
	info.mmap_addr = (uint32_t)multiboot_put_mmap(&h, &info.mmap_length);
	info.boot_loader_name = (uint32_t)handoff_string(&h, LOADER_NAME);
	gdt = handoff_put(&h, (const uint8_t[ENTRY_GDT_SIZE]){ 0 }, ENTRY_GDT_SIZE);
	at = handoff_put(&h, &info, sizeof(info));
	if (!info.cmdline || !info.mods_addr || !info.mmap_addr || !info.boot_loader_name || !gdt || !at)
		return -ENOMEM;
	entry_protected_mode(vcpu, GPA(gdt), (uint32_t)entry, MULTIBOOT_LOADER_MAGIC, (uint32_t)at);
	return 0;
}
