/* SPDX-License-Identifier: MIT */
/*
 * ELF executables for x86, 32- and 64-bit, as boot loaders see them: segments
 * with physical addresses, notes, an entry.  Knows no boot protocol.
 */
#ifndef RING3_BOOT_ELF_H
#define RING3_BOOT_ELF_H

#include "boot/image.h"

struct elf {
	const struct image *image;
	bool is64;
	uint64_t entry;			/* as in the header: virtual */
	uint64_t phoff;
	unsigned phentsize, phnum;
};

struct elf_segment {
	uint32_t type;			/* PT_* */
	uint64_t offset, file_size;	/* in the file, checked against its size */
	uint64_t vaddr, paddr, memory_size;
	uint64_t align;
};

bool elf_recognize(const struct image *image);
/* Headers checked.  0, or -ENOEXEC with one sentence said. */
int elf_parse(const struct image *image, struct elf *out);
/* i < phnum.  false: the segment's bytes are not in the file. */
bool elf_segment(const struct elf *elf, unsigned i, struct elf_segment *out);

/*
 * Copy all PT_LOAD segments to their physical addresses and zero the rest of
 * each; [*start, *end) spans them.  0, or -ENOEXEC, -ENOMEM with one sentence said.
 */
int elf_load(const struct elf *elf, uint64_t *start, uint64_t *end);

/* Place of a segment loaded at paddr..+size that a kernel may have: RAM, not the firmware's.
 * 0, or -ENOMEM with one sentence said. */
int elf_check_place(const struct image *image, uint64_t paddr, uint64_t size);

/* The entry as a physical address, when it lies in a segment that is mapped elsewhere. */
uint64_t elf_physical_entry(const struct elf *elf);

/* Contents of the first note of that name and type: a pointer into the image, or NULL. */
const uint8_t *elf_note(const struct elf *elf, const char *name, uint32_t type, size_t *size);

#endif
