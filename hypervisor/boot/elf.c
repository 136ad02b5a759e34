// SPDX-License-Identifier: MIT
/*
 * ELF for boot loaders (System V ABI, chapters 4 and 5).
 *
 * Every offset and size comes from the file and is checked against it here,
 * every physical address against RAM; callers get only what passed.
 */
#include "boot/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "boot/e820.h"
#include "memory/ram.h"

#define PHNUM_MAX	256u

bool elf_recognize(const struct image *image)
{
	return image->size >= SELFMAG && !memcmp(image->data, ELFMAG, SELFMAG);
}

static int elf_refuse(const struct image *image, const char *why)
{
	log_error("the kernel \"%s\" %s", image->path, why);
	return -ENOEXEC;
}

int elf_parse(const struct image *image, struct elf *out)
{
	unsigned char ident[EI_NIDENT];
	uint16_t machine = EM_NONE;
	uint64_t table;
	Elf32_Ehdr e32;
	Elf64_Ehdr e64;

	*out = (struct elf){ .image = image };
	if (!image_read(image, 0, ident, sizeof(ident)))
		return elf_refuse(image, "is a truncated ELF image; fetch or build it again");
	if (ident[EI_CLASS] == ELFCLASS64 && image_read(image, 0, &e64, sizeof(e64))) {
		out->is64 = true;
		out->entry = e64.e_entry;
		out->phoff = e64.e_phoff;
		out->phnum = e64.e_phnum;
		out->phentsize = e64.e_phentsize;
		machine = e64.e_machine;
	} else if (ident[EI_CLASS] == ELFCLASS32 && image_read(image, 0, &e32, sizeof(e32))) {
		out->entry = e32.e_entry;
		out->phoff = e32.e_phoff;
		out->phnum = e32.e_phnum;
		out->phentsize = e32.e_phentsize;
		machine = e32.e_machine;
	} else {
		return elf_refuse(image, "is a truncated or damaged ELF image; fetch or build it again");
	}
	if (ident[EI_DATA] != ELFDATA2LSB || (machine != EM_386 && machine != EM_X86_64))
		return elf_refuse(image, "is an ELF image for another processor; use one for x86");
	if (out->phnum == 0 || out->phnum > PHNUM_MAX ||
	    out->phentsize < (out->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return elf_refuse(image, "is an ELF image without segments to load; give a linked kernel");
	table = (uint64_t)out->phnum * out->phentsize;
	if (out->phoff > image->size || table > image->size - out->phoff)
		return elf_refuse(image, "is a truncated ELF image; fetch or build it again");
	return 0;
}

bool elf_segment(const struct elf *elf, unsigned i, struct elf_segment *out)
{
	uint64_t at = elf->phoff + (uint64_t)i * elf->phentsize;
	Elf32_Phdr p32;
	Elf64_Phdr p64;

	if (elf->is64) {
		if (!image_read(elf->image, at, &p64, sizeof(p64)))
			return false;
		*out = (struct elf_segment){
			.type = p64.p_type, .offset = p64.p_offset, .file_size = p64.p_filesz,
			.vaddr = p64.p_vaddr, .paddr = p64.p_paddr, .memory_size = p64.p_memsz,
			.align = p64.p_align,
		};
	} else {
		if (!image_read(elf->image, at, &p32, sizeof(p32)))
			return false;
		*out = (struct elf_segment){
			.type = p32.p_type, .offset = p32.p_offset, .file_size = p32.p_filesz,
			.vaddr = p32.p_vaddr, .paddr = p32.p_paddr, .memory_size = p32.p_memsz,
			.align = p32.p_align,
		};
	}
	return out->offset <= elf->image->size && out->file_size <= elf->image->size - out->offset;
}

int elf_check_place(const struct image *image, uint64_t paddr, uint64_t size)
{
	if (!ram_contains(GPA(paddr), size)) {
		log_error("the kernel \"%s\" wants %lu bytes at 0x%lx, which the guest's memory does not have; give more --memory",
			  image->path, size, paddr);
		return -ENOMEM;
	}
	if (paddr < E820_FIRMWARE_END && paddr + size > E820_LOW_RAM_END) {
		log_error("the kernel \"%s\" wants the firmware's memory at 0x%lx; link it at 1 MiB or above",
			  image->path, paddr);
		return -ENOMEM;
	}
	return 0;
}

int elf_load(const struct elf *elf, uint64_t *start, uint64_t *end)
{
	struct elf_segment s;
	uint8_t *to;
	int r;

	*start = UINT64_MAX;
	*end = 0;
	for (unsigned i = 0; i < elf->phnum; i++) {
		if (!elf_segment(elf, i, &s))
			return elf_refuse(elf->image, "is a truncated ELF image; fetch or build it again");
		if (s.type != PT_LOAD || s.memory_size == 0)
			continue;
		if (s.file_size > s.memory_size)
			return elf_refuse(elf->image, "has a segment larger in the file than in memory");
		r = elf_check_place(elf->image, s.paddr, s.memory_size);
		if (r)
			return r;
		to = ram_writable(GPA(s.paddr), s.memory_size);
		if (!to)
			return -ENOMEM;
		memcpy(to, elf->image->data + s.offset, s.file_size);
		memset(to + s.file_size, 0, s.memory_size - s.file_size);
		*start = min_u64(*start, s.paddr);
		*end = max_u64(*end, s.paddr + s.memory_size);
	}
	if (*end == 0)
		return elf_refuse(elf->image, "is an ELF image without segments to load; give a linked kernel");
	return 0;
}

uint64_t elf_physical_entry(const struct elf *elf)
{
	struct elf_segment s;

	for (unsigned i = 0; i < elf->phnum; i++) {
		if (elf_segment(elf, i, &s) && s.type == PT_LOAD && elf->entry >= s.vaddr &&
		    elf->entry - s.vaddr < s.memory_size)
			return s.paddr + (elf->entry - s.vaddr);
	}
	return elf->entry;
}

/* In one PT_NOTE segment.  Name and contents are padded to the alignment, 4 or (gABI, 64-bit) 8. */
static const uint8_t *elf_note_in(const struct elf *elf, const struct elf_segment *s,
				  const char *name, uint32_t type, size_t *size)
{
	const uint64_t align = s->align == 8 ? 8 : 4;
	const uint8_t *base = elf->image->data + s->offset;
	uint64_t at = 0, name_at, contents_at;
	Elf64_Nhdr n;	/* the same in both classes */

	while (s->file_size - at >= sizeof(n)) {
		memcpy(&n, base + at, sizeof(n));
		name_at = at + sizeof(n);
		contents_at = align_up(name_at + n.n_namesz, align);
		if (contents_at > s->file_size || n.n_descsz > s->file_size - contents_at)
			break;
		if (n.n_type == type && n.n_namesz == strlen(name) + 1 &&
		    !memcmp(base + name_at, name, n.n_namesz)) {
			*size = n.n_descsz;
			return base + contents_at;
		}
		at = align_up(contents_at + n.n_descsz, align);
		if (at > s->file_size)
			break;
	}
	return NULL;
}

const uint8_t *elf_note(const struct elf *elf, const char *name, uint32_t type, size_t *size)
{
	const uint8_t *found;
	struct elf_segment s;

	for (unsigned i = 0; i < elf->phnum; i++) {
		if (!elf_segment(elf, i, &s) || s.type != PT_NOTE)
			continue;
		found = elf_note_in(elf, &s, name, type, size);
		if (found)
			return found;
	}
	return NULL;
}
