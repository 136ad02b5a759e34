/* SPDX-License-Identifier: MIT */
/*
 * Small kernels for the loaders' tests and fuzzers: correct ones, to be damaged.
 */
#ifndef RING3_TESTS_BOOT_IMAGES_H
#define RING3_TESTS_BOOT_IMAGES_H

#include <asm/bootparam.h>
#include <elf.h>
#include <string.h>

#include "boot/image.h"

#define BZIMAGE_SETUP_SECTORS	3u
#define BZIMAGE_PAYLOAD		4096u
#define BZIMAGE_SIZE		((BZIMAGE_SETUP_SECTORS + 1) * 512u + BZIMAGE_PAYLOAD)

/* A bzImage of protocol 2.15 whose payload is 0xaa bytes, to be loaded at 2 MiB. */
static inline struct setup_header *bzimage_make(uint8_t *out)
{
	struct setup_header *h = (struct setup_header *)(out + 0x1f1);

	memset(out, 0, BZIMAGE_SIZE);
	memset(out + (BZIMAGE_SETUP_SECTORS + 1) * 512u, 0xaa, BZIMAGE_PAYLOAD);
	h->setup_sects = BZIMAGE_SETUP_SECTORS;
	h->syssize = BZIMAGE_PAYLOAD / 16;
	h->boot_flag = 0xaa55;
	h->jump = 0x6aeb;
	h->header = 0x53726448;
	h->version = 0x20f;
	h->loadflags = LOADED_HIGH;
	h->code32_start = 0x100000;
	h->initrd_addr_max = 0x7fffffff;
	h->kernel_alignment = 0x200000;
	h->relocatable_kernel = 1;
	h->xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G;
	h->cmdline_size = 255;
	h->pref_address = 0x200000;
	h->init_size = 0x10000;
	return h;
}

#define ELF_IMAGE_SIZE		8192u
#define ELF_CODE_OFFSET		4096u
#define ELF_CODE_SIZE		256u
#define ELF_LOAD_ADDRESS	0x200000u
#define ELF_VIRTUAL_ADDRESS	0xffffffff80200000ull
#define ELF_MEMORY_SIZE		0x3000u
#define ELF_PVH_ENTRY		(ELF_LOAD_ADDRESS + 0x20)
#define ELF_MULTIBOOT_OFFSET	1024u

/* An ELF64 kernel at 2 MiB with a PVH note and, if asked, a multiboot header; code is 0xcc. */
static inline Elf64_Phdr *elf64_make(uint8_t *out, bool multiboot)
{
	Elf64_Ehdr *e = (Elf64_Ehdr *)out;
	Elf64_Phdr *p = (Elf64_Phdr *)(out + sizeof(*e));
	uint32_t *note = (uint32_t *)(out + 512), *mb = (uint32_t *)(out + ELF_MULTIBOOT_OFFSET);
	const uint32_t entry = ELF_PVH_ENTRY;

	memset(out, 0, ELF_IMAGE_SIZE);
	memcpy(e->e_ident, ELFMAG, SELFMAG);
	e->e_ident[EI_CLASS] = ELFCLASS64;
	e->e_ident[EI_DATA] = ELFDATA2LSB;
	e->e_type = ET_EXEC;
	e->e_machine = EM_X86_64;
	e->e_entry = ELF_VIRTUAL_ADDRESS + 0x10;
	e->e_phoff = sizeof(*e);
	e->e_phentsize = sizeof(*p);
	e->e_phnum = 2;
	p[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = ELF_CODE_OFFSET,
			     .p_vaddr = ELF_VIRTUAL_ADDRESS, .p_paddr = ELF_LOAD_ADDRESS,
			     .p_filesz = ELF_CODE_SIZE, .p_memsz = ELF_MEMORY_SIZE };
	p[1] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = 512, .p_filesz = 20, .p_align = 4 };
	note[0] = 4;
	note[1] = 4;
	note[2] = 18;
	memcpy(note + 3, "Xen", 4);
	memcpy(note + 4, &entry, sizeof(entry));
	if (multiboot) {
		mb[0] = 0x1badb002;
		mb[1] = 3;
		mb[2] = -(mb[0] + mb[1]);
	}
	memset(out + ELF_CODE_OFFSET, 0xcc, ELF_CODE_SIZE);
	return p;
}

#define RAW_IMAGE_SIZE		4096u

/* A raw image with an address header at 64, to be loaded at 3 MiB; code is 0xcc from 128. */
static inline uint32_t *raw_make(uint8_t *out)
{
	uint32_t *mb = (uint32_t *)(out + 64);

	memset(out, 0, RAW_IMAGE_SIZE);
	memset(out + 128, 0xcc, RAW_IMAGE_SIZE - 128);
	mb[0] = 0x1badb002;
	mb[1] = 1u << 16;
	mb[2] = -(mb[0] + mb[1]);
	mb[3] = 0x300000 + 64;		/* header_addr */
	mb[4] = 0x300000;		/* load_addr */
	mb[5] = 0x300000 + 2048;	/* load_end_addr */
	mb[6] = 0x300000 + 4096;	/* bss_end_addr */
	mb[7] = 0x300000 + 128;		/* entry_addr */
	return mb;
}

#endif
