// SPDX-License-Identifier: MIT
/*
 * ELF kernels by multiboot 1 and PVH, raw multiboot kernels, modules; damaged ones.
 */
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "boot/boot.h"
#include "boot/elf.h"
#include "boot/multiboot.h"
#include "boot/pvh.h"
#include "boot_images.h"
#include "memory/ram.h"

static uint8_t bytes[ELF_IMAGE_SIZE];
static struct image image = { .path = "test", .data = bytes, .size = sizeof(bytes) };
static struct machine_config config = { .kernel = "test", .append = "one two", .memory = 16 * MIB };
static struct vcpu vcpu;
static struct elf elf;

static void setup(void)
{
	elf64_make(bytes, false);
	image.size = sizeof(bytes);
	ck_assert_int_eq(ram_init(config.memory), 0);
}

static uint32_t load32(uint64_t addr)
{
	uint32_t v;

	ck_assert(ram_read(GPA(addr), &v, sizeof(v)));
	return v;
}

static uint64_t load64(uint64_t addr)
{
	uint64_t v;

	ck_assert(ram_read(GPA(addr), &v, sizeof(v)));
	return v;
}

static const char *string_at(uint64_t addr)
{
	const char *s = ram_pointer(GPA(addr), 1);

	ck_assert_ptr_nonnull(s);
	return s;
}

static void check_flat_protected_mode(uint32_t entry)
{
	ck_assert(vcpu.cr0 & CR0_PE);
	ck_assert(!(vcpu.cr0 & CR0_PG));
	ck_assert_uint_eq(vcpu.efer, 0);
	ck_assert_uint_eq(vcpu.cr4, 0);
	ck_assert(!(vcpu.rflags & (RFLAGS_IF | RFLAGS_VM | RFLAGS_TF)));
	ck_assert_uint_eq(vcpu.rip, entry);
	for (unsigned s = SEG_ES; s <= SEG_GS; s++) {
		ck_assert_uint_eq(vcpu.seg[s].base, 0);
		ck_assert_uint_eq(vcpu.seg[s].limit, UINT32_MAX);
		ck_assert(vcpu.seg[s].attr & SEG_ATTR_DB);
	}
	/* The selectors can be loaded again: the table is there. */
	ck_assert_uint_eq(load64(vcpu.gdtr.base + vcpu.seg[SEG_CS].selector), 0x00cf9b000000ffff);
	ck_assert_uint_eq(load64(vcpu.gdtr.base + vcpu.seg[SEG_DS].selector), 0x00cf93000000ffff);
}

START_TEST(pvh)
{
	uint64_t info;

	ck_assert_int_eq(elf_parse(&image, &elf), 0);
	memset(ram_writable(GPA(ELF_LOAD_ADDRESS), ELF_MEMORY_SIZE), 0xff, ELF_MEMORY_SIZE);
	ck_assert_int_eq(pvh_load(&vcpu, &elf, &config, GPA(0xe0000)), 0);
	check_flat_protected_mode(ELF_PVH_ENTRY);
	ck_assert_uint_eq(load32(ELF_LOAD_ADDRESS), 0xcccccccc);
	ck_assert_uint_eq(load32(ELF_LOAD_ADDRESS + ELF_CODE_SIZE), 0);
	ck_assert_uint_eq(load32(ELF_LOAD_ADDRESS + ELF_MEMORY_SIZE - 4), 0);

	info = vcpu.regs[REG_RBX];
	ck_assert_uint_eq(load32(info), 0x336ec578);
	ck_assert_uint_eq(load32(info + 4), 1);
	ck_assert_uint_eq(load32(info + 12), 0);		/* nr_modules */
	ck_assert_str_eq(string_at(load64(info + 24)), "one two");
	ck_assert_uint_eq(load64(info + 32), 0xe0000);
	ck_assert_uint_eq(load64(load64(info + 40)), 0);	/* the map starts at 0 */
	ck_assert_uint_eq(load64(load64(info + 40) + 8), 0x9fc00);
	ck_assert_uint_ge(load32(info + 48), 3);
}
END_TEST

START_TEST(pvh_note_of_eight_bytes)
{
	uint32_t *note = (uint32_t *)(bytes + 512);
	uint32_t entry = 0;

	((Elf64_Phdr *)(bytes + sizeof(Elf64_Ehdr)))[1].p_filesz = 24;
	note[1] = 8;
	ck_assert_int_eq(elf_parse(&image, &elf), 0);
	ck_assert(pvh_find_entry(&elf, &entry));
	ck_assert_uint_eq(entry, ELF_PVH_ENTRY);
	note[5] = 1;	/* above 4 GiB */
	ck_assert(!pvh_find_entry(&elf, &entry));
}
END_TEST

START_TEST(multiboot_elf)
{
	uint64_t info, at, length;

	elf64_make(bytes, true);
	ck_assert_int_eq(multiboot_load(&vcpu, &image, &config), 0);
	check_flat_protected_mode(ELF_LOAD_ADDRESS + 0x10);	/* from its virtual address */
	ck_assert_uint_eq(vcpu.regs[REG_RAX], 0x2badb002);
	info = vcpu.regs[REG_RBX];
	ck_assert_uint_eq(load32(info) & 0x4d, 0x4d);
	ck_assert_uint_eq(load32(info + 4), 639);
	ck_assert_uint_eq(load32(info + 8), 15 * 1024);
	ck_assert_str_eq(string_at(load32(info + 16)), "test one two");
	ck_assert_uint_eq(load32(info + 20), 0);
	length = load32(info + 44);
	at = load32(info + 48);
	ck_assert_uint_eq(length % 24, 0);
	ck_assert_uint_eq(load32(at), 20);
	ck_assert_uint_eq(load64(at + 24 * 2 + 4), MIB);
	ck_assert_uint_eq(load64(at + 24 * 2 + 12), 15 * MIB);
	ck_assert_str_eq(string_at(load32(info + 64)), "ring3");
}
END_TEST

START_TEST(multiboot_raw)
{
	raw_make(bytes);
	image.size = RAW_IMAGE_SIZE;
	memset(ram_writable(GPA(0x300000), 4096), 0xff, 4096);
	ck_assert_int_eq(multiboot_load(&vcpu, &image, &config), 0);
	check_flat_protected_mode(0x300000 + 128);
	ck_assert_uint_eq(load32(0x300000 + 64), 0x1badb002);
	ck_assert_uint_eq(load32(0x300000 + 2044), 0xcccccccc);
	ck_assert_uint_eq(load32(0x300000 + 2048), 0);
	ck_assert_uint_eq(load32(0x300000 + 4092), 0);
}
END_TEST

START_TEST(multiboot_raw_damaged)
{
	const struct { unsigned field; uint32_t value; } bad[] = {
		{ 3, 0x2fffff },	/* header below load address */
		{ 3, 0xffffffff },	/* the load address lies before the file */
		{ 5, 0x300000 - 1 },	/* ends before it starts */
		{ 5, 0xffffffff },	/* truncated */
		{ 6, 0xffffffff },	/* more than there is memory */
		{ 1, 1u << 16 | 1u << 8 },	/* an unknown required feature */
	};

	image.size = RAW_IMAGE_SIZE;
	for (size_t i = 0; i < array_size(bad); i++) {
		uint32_t *mb = raw_make(bytes);

		mb[bad[i].field] = bad[i].value;
		mb[2] = -(mb[0] + mb[1]);
		ck_assert_int_lt(multiboot_load(&vcpu, &image, &config), 0);
	}
}
END_TEST

static char *temp_file(const char *name, const char *contents)
{
	static char paths[4][64];
	static unsigned next;
	char *path = paths[next++ % 4];
	FILE *f;

	snprintf(path, 64, "/tmp/ring3-test-%d-%s", (int)getpid(), name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(contents, f);
	fclose(f);
	return path;
}

START_TEST(modules)
{
	char *initrd = temp_file("initrd", "first"), *module = temp_file("module", "second module");
	char with_args[128];
	char *list[] = { with_args, NULL };
	struct machine_config c = config;
	uint64_t info, mods, start;

	snprintf(with_args, sizeof(with_args), "%s a=b c", module);
	c.initrd = initrd;
	c.modules = list;
	elf64_make(bytes, true);
	ck_assert_int_eq(multiboot_load(&vcpu, &image, &c), 0);
	info = vcpu.regs[REG_RBX];
	ck_assert_uint_eq(load32(info + 20), 2);
	mods = load32(info + 24);
	start = load32(mods);
	ck_assert_uint_ge(start, ELF_LOAD_ADDRESS + ELF_MEMORY_SIZE);
	ck_assert_uint_eq(start % PAGE_SIZE, 0);
	ck_assert_uint_eq(load32(mods + 4) - start, 5);
	ck_assert_int_eq(memcmp(string_at(start), "first", 5), 0);
	start = load32(mods + 16);
	ck_assert_int_eq(memcmp(string_at(start), "second module", 13), 0);
	ck_assert_str_eq(string_at(load32(mods + 24)), with_args);

	ck_assert_int_eq(elf_parse(&image, &elf), 0);
	ck_assert_int_eq(pvh_load(&vcpu, &elf, &c, GPA(0)), 0);
	info = vcpu.regs[REG_RBX];
	ck_assert_uint_eq(load32(info + 12), 2);
	mods = load64(info + 16);
	ck_assert_uint_eq(load64(mods + 8), 5);
	ck_assert_str_eq(string_at(load64(mods + 32 + 16)), with_args);

	unlink(module);
	ck_assert_int_lt(pvh_load(&vcpu, &elf, &c, GPA(0)), 0);
	unlink(initrd);
}
END_TEST

/* A kernel where boot tables usually go: they move, and nothing overlaps. */
START_TEST(kernel_in_low_memory)
{
	Elf64_Phdr *p = elf64_make(bytes, true);

	p->p_paddr = 0x8000;
	p->p_memsz = 0x80000;
	ck_assert_int_eq(multiboot_load(&vcpu, &image, &config), 0);
	ck_assert_uint_ge(vcpu.regs[REG_RBX], MIB);
	ck_assert_uint_ge(vcpu.gdtr.base, MIB);
	p->p_memsz = 0xa0000;	/* into the firmware's */
	ck_assert_int_eq(multiboot_load(&vcpu, &image, &config), -ENOMEM);
}
END_TEST

START_TEST(elf_damaged)
{
	Elf64_Ehdr *e = (Elf64_Ehdr *)bytes;
	Elf64_Phdr *p;
	uint64_t start, end;

	for (size_t size = 0; size < sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr); size++) {
		image.size = size;
		ck_assert_int_eq(elf_parse(&image, &elf), -ENOEXEC);
	}
	image.size = ELF_CODE_OFFSET + ELF_CODE_SIZE - 1;
	ck_assert_int_eq(elf_parse(&image, &elf), 0);
	ck_assert_int_eq(elf_load(&elf, &start, &end), -ENOEXEC);
	image.size = sizeof(bytes);

	e->e_machine = EM_AARCH64;
	ck_assert_int_eq(elf_parse(&image, &elf), -ENOEXEC);
	elf64_make(bytes, false);
	e->e_phoff = UINT64_MAX - 8;
	ck_assert_int_eq(elf_parse(&image, &elf), -ENOEXEC);
	elf64_make(bytes, false);
	e->e_phnum = 0xffff;
	ck_assert_int_eq(elf_parse(&image, &elf), -ENOEXEC);

	for (unsigned i = 0; i < 6; i++) {
		p = elf64_make(bytes, false);
		switch (i) {
		case 0: p->p_offset = UINT64_MAX - 16; break;
		case 1: p->p_filesz = UINT64_MAX; break;
		case 2: p->p_memsz = 16; break;
		case 3: p->p_paddr = UINT64_MAX - 4095; break;
		case 4: p->p_memsz = UINT64_MAX; break;
		case 5: p->p_type = PT_NULL; break;
		}
		ck_assert_int_eq(elf_parse(&image, &elf), 0);
		ck_assert_int_lt(elf_load(&elf, &start, &end), 0);
	}
}
END_TEST

START_TEST(notes_damaged)
{
	uint32_t *note = (uint32_t *)(bytes + 512);
	const uint32_t bad[] = { 0, 5, 0x7fffffff, 0xfffffff0, 0xffffffff };
	uint32_t entry;

	for (size_t i = 0; i < array_size(bad); i++) {
		for (unsigned field = 0; field < 2; field++) {
			elf64_make(bytes, false);
			note[field] = bad[i];
			ck_assert_int_eq(elf_parse(&image, &elf), 0);
			ck_assert(!pvh_find_entry(&elf, &entry));
		}
	}
}
END_TEST

static int check_file(const void *data, size_t size)
{
	char *path = temp_file("kernel", "");
	struct machine_config c = config;
	FILE *f = fopen(path, "w");
	int r;

	fwrite(data, 1, size, f);
	fclose(f);
	c.kernel = path;
	r = boot_check(&c);
	unlink(path);
	return r;
}

START_TEST(formats)
{
	static uint8_t bzimage[BZIMAGE_SIZE];
	uint8_t none[4096] = "#!/bin/sh";

	ck_assert_int_eq(check_file(bytes, sizeof(bytes)), 0);
	raw_make(bytes);
	ck_assert_int_eq(check_file(bytes, RAW_IMAGE_SIZE), 0);
	bzimage_make(bzimage);
	ck_assert_int_eq(check_file(bzimage, sizeof(bzimage)), 0);
	ck_assert_int_eq(check_file(none, sizeof(none)), -ENOEXEC);
	ck_assert_int_eq(check_file(none, 0), -EINVAL);
	elf64_make(bytes, false)[1].p_type = PT_NULL;
	ck_assert_int_eq(check_file(bytes, sizeof(bytes)), -ENOEXEC);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("elf");
	TCase *tc = tcase_create("elf");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, pvh);
	tcase_add_test(tc, pvh_note_of_eight_bytes);
	tcase_add_test(tc, multiboot_elf);
	tcase_add_test(tc, multiboot_raw);
	tcase_add_test(tc, multiboot_raw_damaged);
	tcase_add_test(tc, modules);
	tcase_add_test(tc, kernel_in_low_memory);
	tcase_add_test(tc, elf_damaged);
	tcase_add_test(tc, notes_damaged);
	tcase_add_test(tc, formats);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
