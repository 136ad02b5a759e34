// SPDX-License-Identifier: MIT
/*
 * The Linux boot protocol: what is refused, and what a kernel finds when it starts.
 */
#include "suite.h"

#include <errno.h>
#include <stdlib.h>

#include "boot/bzimage.h"
#include "boot/e820.h"
#include "boot/entry.h"
#include "boot_images.h"
#include "memory/ram.h"
#include "memory/walk.h"

static uint8_t bytes[BZIMAGE_SIZE];
static struct setup_header *header;
static struct image image = { .path = "test", .data = bytes, .size = sizeof(bytes) };
static struct vcpu vcpu;
static struct bzimage bz;

static void setup(void)
{
	header = bzimage_make(bytes);
	image.size = sizeof(bytes);
}

static void setup_ram(void)
{
	setup();
	ck_assert_int_eq(ram_init(8 * MIB), 0);
}

START_TEST(accepts)
{
	ck_assert_int_eq(bzimage_parse(&image, &bz), 0);
	ck_assert_uint_eq(bz.load, 0x200000);
	ck_assert_uint_eq(bz.offset, 2048);
	ck_assert_uint_eq(bz.size, BZIMAGE_PAYLOAD);
	ck_assert_uint_eq(bz.need, 0x10000);
}
END_TEST

/* Some kernels' last paragraph is not whole in the file (memtest86+). */
START_TEST(accepts_odd_size)
{
	image.size -= 15;
	ck_assert_int_eq(bzimage_parse(&image, &bz), 0);
	ck_assert_uint_eq(bz.size, BZIMAGE_PAYLOAD - 15);
}
END_TEST

START_TEST(refuses_truncated)
{
	for (size_t size = 0; size < BZIMAGE_SIZE - 15; size++) {
		image.size = size;
		ck_assert_int_eq(bzimage_parse(&image, &bz), -ENOEXEC);
	}
}
END_TEST

START_TEST(refuses_others)
{
	header->boot_flag = 0;
	ck_assert(!bzimage_recognize(&image));
	ck_assert_int_eq(bzimage_parse(&image, &bz), -ENOEXEC);
	bzimage_make(bytes)->header = 0;
	ck_assert(!bzimage_recognize(&image));
	ck_assert_int_eq(bzimage_parse(&image, &bz), -ENOEXEC);
	bzimage_make(bytes)->xloadflags = 0;
	ck_assert_int_eq(bzimage_parse(&image, &bz), -ENOEXEC);
	bzimage_make(bytes)->version = 0x20b;
	ck_assert_int_eq(bzimage_parse(&image, &bz), -ENOEXEC);
	bzimage_make(bytes)->loadflags = 0;
	ck_assert_int_eq(bzimage_parse(&image, &bz), -ENOEXEC);
	bzimage_make(bytes)->syssize = 0;
	ck_assert_int_eq(bzimage_parse(&image, &bz), -ENOEXEC);
	bzimage_make(bytes)->syssize = UINT32_MAX;
	ck_assert_int_eq(bzimage_parse(&image, &bz), -ENOEXEC);
}
END_TEST

START_TEST(refuses_hostile_addresses)
{
	const uint64_t bad[] = { 1, 0xfffff, RAM_LOW_MAX, RAM_HIGH_BASE, UINT64_MAX - 0xffff, UINT64_MAX };

	for (size_t i = 0; i < array_size(bad); i++) {
		bzimage_make(bytes)->pref_address = bad[i];
		ck_assert_int_eq(bzimage_parse(&image, &bz), -ENOEXEC);
	}
	bzimage_make(bytes)->init_size = UINT32_MAX;
	ck_assert_int_eq(bzimage_parse(&image, &bz), -ENOEXEC);
}
END_TEST

START_TEST(loads)
{
	const struct boot_params *zero;
	const uint8_t *code, *line;
	struct walk walk;

	ck_assert_int_eq(bzimage_load(&vcpu, &image, NULL, "console=ttyS0", GPA(0xe0000)), 0);
	ck_assert(vcpu_64bit_code(&vcpu));
	ck_assert_uint_eq(vcpu.rip, 0x200200);
	ck_assert_uint_eq(vcpu.regs[REG_RSI], ENTRY_ZERO_PAGE);
	ck_assert_uint_eq(vcpu.seg[SEG_CS].selector, 0x10);
	ck_assert_uint_eq(vcpu.seg[SEG_DS].selector, 0x18);
	ck_assert(!(vcpu.rflags & RFLAGS_IF));
	ck_assert_uint_eq(vcpu.cpl, 0);

	code = ram_pointer(GPA(0x200000), BZIMAGE_PAYLOAD);
	for (unsigned i = 0; i < BZIMAGE_PAYLOAD; i++)
		ck_assert_uint_eq(code[i], 0xaa);
	zero = ram_pointer(GPA(ENTRY_ZERO_PAGE), sizeof(*zero));
	ck_assert_uint_eq(zero->hdr.header, 0x53726448);
	ck_assert_uint_eq(zero->hdr.type_of_loader, 0xff);
	ck_assert_uint_eq(zero->sentinel, 0);
	ck_assert_uint_eq(zero->acpi_rsdp_addr, 0xe0000);
	ck_assert_uint_eq(zero->hdr.ramdisk_size, 0);
	ck_assert_uint_ge(zero->e820_entries, 3);
	line = ram_pointer(GPA(zero->hdr.cmd_line_ptr), 14);
	ck_assert_str_eq((const char *)line, "console=ttyS0");

	for (uint64_t a = 0; a < 4 * GIB; a += 0x123456000) {
		ck_assert_uint_eq(walk_translate(&vcpu, GVA(a), WALK_EXEC, &walk), 0);
		ck_assert_uint_eq(walk.gpa.v, a);
	}
}
END_TEST

START_TEST(places_initrd)
{
	static uint8_t disk[3 * MIB + 5];
	struct image initrd = { .path = "initrd", .data = disk, .size = sizeof(disk) };
	const struct boot_params *zero;
	const uint8_t *at;

	memset(disk, 0x5a, sizeof(disk));
	ck_assert_int_eq(bzimage_load(&vcpu, &image, &initrd, "", GPA(0)), 0);
	zero = ram_pointer(GPA(ENTRY_ZERO_PAGE), sizeof(*zero));
	ck_assert_uint_eq(zero->hdr.ramdisk_size, sizeof(disk));
	ck_assert_uint_eq(zero->hdr.ramdisk_image % PAGE_SIZE, 0);
	ck_assert_uint_ge(zero->hdr.ramdisk_image, 0x210000);
	ck_assert_uint_le(zero->hdr.ramdisk_image + sizeof(disk), 8 * MIB);
	at = ram_pointer(GPA(zero->hdr.ramdisk_image), sizeof(disk));
	ck_assert_int_eq(memcmp(at, disk, sizeof(disk)), 0);

	/* below the kernel's limit */
	header->initrd_addr_max = 0x5fffff;
	ck_assert_int_eq(bzimage_load(&vcpu, &image, &initrd, "", GPA(0)), 0);
	ck_assert_uint_le(zero->hdr.ramdisk_image + sizeof(disk), 0x600000);
	/* no room between the kernel and the limit */
	header->initrd_addr_max = 0x4fffff;
	ck_assert_int_eq(bzimage_load(&vcpu, &image, &initrd, "", GPA(0)), -ENOMEM);
	header->initrd_addr_max = 0;
	ck_assert_int_eq(bzimage_load(&vcpu, &image, &initrd, "", GPA(0)), -ENOMEM);
}
END_TEST

START_TEST(refuses_too_little_memory)
{
	static uint8_t disk[9 * MIB];
	struct image initrd = { .path = "initrd", .data = disk, .size = sizeof(disk) };
	char line[257];

	ck_assert_int_eq(bzimage_load(&vcpu, &image, &initrd, "", GPA(0)), -ENOMEM);
	memset(line, 'x', 256);
	line[256] = '\0';
	ck_assert_int_eq(bzimage_load(&vcpu, &image, NULL, line, GPA(0)), -E2BIG);
	line[255] = '\0';
	ck_assert_int_eq(bzimage_load(&vcpu, &image, NULL, line, GPA(0)), 0);
	header->init_size = 7 * MIB;
	ck_assert_int_eq(bzimage_load(&vcpu, &image, NULL, "", GPA(0)), -ENOMEM);
}
END_TEST

START_TEST(e820_small)
{
	struct e820_entry map[E820_MAX];
	unsigned n = e820_build(map);

	ck_assert_uint_eq(map[0].addr, 0);
	ck_assert_uint_eq(map[0].size, 0x9fc00);
	ck_assert_uint_eq(map[2].addr, MIB);
	ck_assert_uint_eq(map[2].size, 7 * MIB);
	for (unsigned i = 1; i < n; i++)
		ck_assert_uint_ge(map[i].addr, map[i - 1].addr + map[i - 1].size);
	for (unsigned i = 0; i < n; i++) {
		if (map[i].type == E820_RAM)
			ck_assert(ram_contains(GPA(map[i].addr), map[i].size));
	}
}
END_TEST

START_TEST(e820_around_hole)
{
	struct e820_entry map[E820_MAX];
	uint64_t total = 0;
	unsigned n;

	ck_assert_int_eq(ram_init(5 * GIB), 0);
	n = e820_build(map);
	ck_assert_uint_eq(map[n - 1].addr, 4 * GIB);
	ck_assert_uint_eq(map[n - 1].size, 2 * GIB);
	for (unsigned i = 0; i < n; i++) {
		if (map[i].type == E820_RAM)
			total += map[i].size;
	}
	ck_assert_uint_eq(total, 5 * GIB - (MIB - 0x9fc00));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bzimage");
	TCase *parse = tcase_create("parse"), *load = tcase_create("load"), *e820 = tcase_create("e820");

	tcase_add_checked_fixture(parse, setup, NULL);
	tcase_add_test(parse, accepts);
	tcase_add_test(parse, accepts_odd_size);
	tcase_add_test(parse, refuses_truncated);
	tcase_add_test(parse, refuses_others);
	tcase_add_test(parse, refuses_hostile_addresses);
	tcase_add_checked_fixture(load, setup_ram, NULL);
	tcase_add_test(load, loads);
	tcase_add_test(load, places_initrd);
	tcase_add_test(load, refuses_too_little_memory);
	tcase_add_test(load, e820_small);
	tcase_add_test(e820, e820_around_hole);
	suite_add_tcase(suite, parse);
	suite_add_tcase(suite, load);
	suite_add_tcase(suite, e820);
	return suite_run(suite);
}
