// SPDX-License-Identifier: MIT
/*
 * The IDE bus master: PRD tables of every shape, what the status bits say, what a
 * hostile driver tries.  Properties: data is right; memory beyond the table is
 * untouched; after a stop or a reset memory does not change any more.
 */
#include "ide_driver.h"

#define EXACT	0x04	/* interrupt, not active */
#define LONGER	0x05
#define SHORT	0x00
#define ERROR	0x02

/* A table of `n` entries of `bytes` each, `gap` bytes apart; data begins at DATA + skew. */
static void table_set(unsigned n, uint32_t bytes, uint32_t gap, uint32_t skew, bool end)
{
	for (unsigned i = 0; i < n; i++) {
		struct prd e = { DATA + skew + i * (bytes + gap), bytes & 0xffff };

		if (end && i == n - 1)
			e.count |= PRD_END;
		memcpy(guest(TABLE + i * sizeof(e)), &e, sizeof(e));
	}
}

/* Is the disk's content what the table of table_set() holds, `sectors` of it? */
static bool table_holds(uint64_t lba, unsigned sectors, uint32_t bytes, uint32_t gap, uint32_t skew)
{
	const uint8_t *on_disk = disk[0]->data + lba * SECTOR;

	for (uint32_t i = 0; i < sectors * SECTOR; i += bytes) {
		uint32_t n = sectors * SECTOR - i < bytes ? sectors * SECTOR - i : bytes;

		if (memcmp(on_disk + i, guest(DATA + skew + i / bytes * (bytes + gap)), n))
			return false;
	}
	return true;
}

static void guest_fill(uint32_t bytes, unsigned seed)
{
	for (uint32_t i = 0; i < bytes; i++)
		*guest(DATA + i) = (uint8_t)(i * 131 + (i >> 8) + seed);
}

static void expect_done(uint8_t code, unsigned master)
{
	ck_assert_uint_eq(interrupt(), code);
	ck_assert_uint_eq(master_status(), master);
	master_stop();
}

START_TEST(tables_of_every_shape)
{
	static const struct { uint32_t bytes, gap, skew; } shape[] = {
		{ 4096, 0, 0 }, { 65536, 0, 0 }, { 512, 512, 0 }, { 4096, 100, 2 }, { 1022, 2, 6 },
		{ 2, 2, 0 }, { 30, 0, 0 }, { 510, 6, 4 }, { 6000, 8, 10 },
	};
	static const unsigned sizes[] = { 1, 7, 8, 9, 64, 200, 256 };

	machine_with(1);
	for (unsigned i = 0; i < array_size(shape) * array_size(sizes); i++) {
		unsigned s = i % array_size(shape), sectors = sizes[i / array_size(shape)];
		uint32_t bytes = shape[s].bytes, need = (sectors * SECTOR + bytes - 1) / bytes;
		bool exact = sectors * SECTOR % bytes == 0;

		if (need > 8192)
			continue;
		table_set(need, bytes, shape[s].gap, shape[s].skew, true);
		guest_fill(1 << 20, i);
		command(false, 0xc8, 5000 + i, sectors);
		master_start(TABLE, true);
		ck_assert_uint_eq(master_status() & 5, 1);
		expect_done(0x50, exact ? EXACT : LONGER);
		ck_assert(table_holds(5000 + i, sectors, bytes, shape[s].gap, shape[s].skew));

		guest_fill(1 << 20, i + 1);
		command(true, 0x35, 100 * i, sectors);
		master_start(TABLE, false);
		expect_done(0x50, exact ? EXACT : LONGER);
		ck_assert(table_holds(100 * i, sectors, bytes, shape[s].gap, shape[s].skew));
	}
}
END_TEST

/* The whole of a command's 65536 sectors; and more entries than one request takes. */
START_TEST(largest_transfer)
{
	machine_with(1);
	table_set(512, 0x10000, 0, 0, true);
	command(true, 0x25, 1234, 0);
	master_start(TABLE, true);
	expect_done(0x50, EXACT);
	ck_assert(table_holds(1234, 65536, 65536, 0, 0));
	table_set(8192, 4096, 0, 0, true);
	command(true, 0x25, 77, 0);
	master_start(TABLE, true);
	expect_done(0x50, EXACT);
	ck_assert(table_holds(77, 65536, 4096, 0, 0));
	ck_assert_uint_eq(disk[0]->submitted, 1 + 8);
}
END_TEST

START_TEST(table_longer_than_the_transfer)
{
	machine_with(1);
	memset(guest(DATA), 0xaa, 8192);
	table_set(2, 4096, 0, 0, true);
	command(false, 0xc8, 1, 3);
	master_start(TABLE, true);
	expect_done(0x50, LONGER);
	ck_assert_mem_eq(guest(DATA), disk[0]->data + SECTOR, 3 * SECTOR);
	ck_assert_uint_eq(*guest(DATA + 3 * SECTOR), 0xaa);
}
END_TEST

START_TEST(table_shorter_than_the_transfer)
{
	machine_with(1);
	memset(guest(DATA), 0xaa, 8192);
	table_set(3, 1000, 0, 0, true);
	command(false, 0xc8, 1, 8);
	master_start(TABLE, true);
	disk_run(disk[0]);
	ck_assert(!irq_line[IRQ]);
	ck_assert_uint_eq(master_status(), SHORT);
	ck_assert_uint_eq(status(), 0x80);
	ck_assert_mem_eq(guest(DATA), disk[0]->data + SECTOR, 5 * SECTOR);
	ck_assert_uint_eq(*guest(DATA + 3000), 0xaa);
	/* The way out is a reset. */
	out8(PRIMARY + CONTROL, 4);
	out8(PRIMARY + CONTROL, 0);
	ck_assert_uint_eq(status(), 0x50);
	master_stop();
	table_set(1, 512, 0, 0, true);
	command(false, 0xc8, 9, 1);
	master_start(TABLE, true);
	expect_done(0x50, EXACT);
	ck_assert_mem_eq(guest(DATA), disk[0]->data + 9 * SECTOR, SECTOR);
}
END_TEST

START_TEST(start_before_the_command)
{
	machine_with(1);
	table_set(1, 512, 0, 0, true);
	master_start(TABLE, true);
	command(false, 0xc8, 3, 1);
	expect_done(0x50, EXACT);
	ck_assert_mem_eq(guest(DATA), disk[0]->data + 3 * SECTOR, SECTOR);
}
END_TEST

/* What the table names, or the table itself, is not RAM. */
START_TEST(memory_that_is_not_there)
{
	static const struct prd bad[] = {
		{ RAM_SIZE, 512 | PRD_END }, { RAM_SIZE - 256, 512 | PRD_END }, { 0xfffffff0, 0 | PRD_END },
		{ 0xfee00000, 512 | PRD_END }, { RAM_SIZE - 0x8000, 0 | PRD_END },
	};
	static const uint32_t tables[] = { RAM_SIZE, RAM_SIZE - 4, 0xfffffffc, 0xfffc };

	machine_with(1);
	for (unsigned i = 0; i < array_size(bad); i++) {
		memcpy(guest(TABLE), &bad[i], sizeof(bad[i]));
		command(false, i % 2 ? 0xca : 0xc8, 3, 1);
		master_start(TABLE, true);
		ck_assert_ptr_null(disk[0]->queued);
		ck_assert_uint_eq(master_status(), ERROR);
		ck_assert(!irq_line[IRQ]);
		master_stop();
		ck_assert_uint_eq(master_status(), 0);
		out8(PRIMARY + CONTROL, 4);
		out8(PRIMARY + CONTROL, 0);
	}
	for (unsigned i = 0; i < array_size(tables); i++) {
		command(false, 0xc8, 3, 1);
		master_start(tables[i], true);
		ck_assert_uint_eq(master_status(), ERROR);
		master_stop();
		out8(PRIMARY + CONTROL, 4);
		out8(PRIMARY + CONTROL, 0);
	}
	/* Sectors before the bad entry are moved. */
	table_set(2, 1024, 0, 0, false);
	memcpy(guest(TABLE + 8), &bad[0], sizeof(bad[0]));
	command(false, 0xc8, 3, 4);
	master_start(TABLE, true);
	disk_run(disk[0]);
	ck_assert_uint_eq(master_status(), ERROR);
	ck_assert_mem_eq(guest(DATA), disk[0]->data + 3 * SECTOR, 2 * SECTOR);
}
END_TEST

START_TEST(endless_table_is_cut)
{
	machine_with(1);
	/* No end: behind 64 KiB of table there is an error, also for one that begins late. */
	table_set(8192, 512, 0, 0, false);
	command(true, 0x25, 0, 0);
	master_start(TABLE, true);
	disk_run(disk[0]);
	ck_assert_uint_eq(master_status(), ERROR);
	ck_assert_uint_eq(status(), 0x80);
	ck_assert_mem_eq(guest(DATA), disk[0]->data, 8192 * SECTOR);
}
END_TEST

START_TEST(bus_mastering_off)
{
	struct pci_function *f;

	machine_with(1);
	f = pci_find(IDE_PCI_SLOT, IDE_PCI_FUNCTION);
	table_set(1, 512, 0, 0, true);
	pci_config_write(f, 4, 2, 1);
	command(false, 0xc8, 3, 1);
	master_start(TABLE, true);
	ck_assert_uint_eq(disk[0]->submitted, 0);
	out8(PRIMARY + CONTROL, 4);
	out8(PRIMARY + CONTROL, 0);
	master_stop();
	/* Turned off in the middle: afterwards memory stays as it is. */
	pci_config_write(f, 4, 2, 5);
	command(false, 0xc8, 3, 1);
	master_start(TABLE, true);
	ck_assert_ptr_nonnull(disk[0]->queued);
	pci_config_write(f, 4, 2, 1);
	ck_assert_ptr_null(disk[0]->queued);
}
END_TEST

/* A reset or a stop while the host works on the request: it ends before the write returns. */
START_TEST(reset_in_flight)
{
	machine_with(1);
	table_set(2048, 512, 0, 0, true);
	command(true, 0x25, 3, 2048);
	master_start(TABLE, true);
	ck_assert_ptr_nonnull(disk[0]->queued);
	out8(PRIMARY + CONTROL, 4);
	ck_assert_ptr_null(disk[0]->queued);
	ck_assert_uint_eq(disk[0]->submitted, 1);
	ck_assert_uint_eq(irq_edges[IRQ], 0);
	out8(PRIMARY + CONTROL, 0);
	ck_assert_uint_eq(status(), 0x50);
	ck_assert(!irq_line[IRQ]);
}
END_TEST

START_TEST(stop_in_flight)
{
	machine_with(1);
	table_set(2048, 512, 0, 0, true);
	command(true, 0x25, 3, 2048);
	master_start(TABLE, true);
	ck_assert_ptr_nonnull(disk[0]->queued);
	out8(MASTER_PORT, 8);
	ck_assert_ptr_null(disk[0]->queued);
	ck_assert_uint_eq(master_status(), 0);
	ck_assert_uint_eq(disk[0]->submitted, 1);	/* not the second half */
	ck_assert_uint_eq(status(), 0x80);
	/* What was all of it is done, and says so. */
	out8(PRIMARY + CONTROL, 4);
	out8(PRIMARY + CONTROL, 0);
	command(false, 0xc8, 3, 8);
	master_start(TABLE, true);
	out8(MASTER_PORT, 8);
	ck_assert_uint_eq(master_status(), EXACT);
	ck_assert_uint_eq(interrupt(), 0x50);
}
END_TEST

START_TEST(bad_sectors)
{
	machine_with(1);
	disk[0]->bad = 3000 + 500;
	memset(guest(DATA), 0xaa, 1 << 20);
	table_set(16, 65536, 0, 0, true);
	command(true, 0x25, 3000, 2048);
	master_start(TABLE, true);
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(in8(PRIMARY + R_ERROR), 0x40);
	ck_assert_uint_eq(address_48(), 3500);
	ck_assert_uint_eq(master_status(), LONGER);
	master_stop();
	ck_assert_mem_eq(guest(DATA), disk[0]->data + 3000 * SECTOR, 500 * SECTOR);
	guest_fill(1 << 20, 5);
	command(false, 0xca, 3400, 200);
	master_start(TABLE, false);
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(address_28(), 3500);
	master_stop();
	ck_assert_mem_eq(guest(DATA), disk[0]->data + 3400 * SECTOR, 100 * SECTOR);
	disk[0]->readonly = true;
	command(false, 0xca, 3400, 200);
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(in8(PRIMARY + R_ERROR), 0x44);
}
END_TEST

/* The host fails once; the transfer goes on in steps, to the last whole sector of a short table. */
START_TEST(failure_that_passes)
{
	machine_with(1);
	memset(guest(DATA), 0xaa, 1 << 16);
	table_set(1, 64 * SECTOR + 1000, 0, 0, true);
	disk[0]->bad = 3010;
	command(false, 0xc8, 3000, 70);
	master_start(TABLE, true);
	disk_step(disk[0]);
	disk[0]->bad = UINT64_MAX;
	disk_run(disk[0]);
	ck_assert(!irq_line[IRQ]);
	ck_assert_uint_eq(master_status(), SHORT);
	ck_assert_uint_eq(disk[0]->submitted, 3);
	ck_assert_mem_eq(guest(DATA), disk[0]->data + 3000 * SECTOR, 65 * SECTOR);
	ck_assert_uint_eq(*guest(DATA + 65 * SECTOR), 0xaa);
}
END_TEST

static uint64_t dropped[64];
static unsigned drops;

static void code_dropped(gpa_t page)
{
	ram_mark_code(page, false);
	dropped[drops++ % array_size(dropped)] = page.v;
}

/* Translated code of a page that the disk overwrites is dropped before the interrupt. */
START_TEST(code_pages_are_told)
{
	machine_with(1);
	ram_code_written = code_dropped;
	table_set(2, 4096, 4096, 0, true);
	ram_mark_code(GPA(DATA), true);
	ram_mark_code(GPA(DATA + 4096), true);
	ram_mark_code(GPA(DATA + 8192), true);
	command(false, 0xca, 0, 16);
	master_start(TABLE, false);
	expect_done(0x50, EXACT);
	ck_assert_uint_eq(drops, 0);
	command(false, 0xc8, 0, 16);
	master_start(TABLE, true);
	expect_done(0x50, EXACT);
	ck_assert_uint_eq(drops, 2);
	ck_assert_uint_eq(dropped[0], DATA);
	ck_assert_uint_eq(dropped[1], DATA + 8192);
}
END_TEST

START_TEST(trim)
{
	static const uint64_t ranges[64] = { 100 | 8ul << 48, 0, 5000 | 1000ul << 48 };
	static const uint64_t beyond[64] = { 7 | 1ul << 48, (DISK_SECTORS - 1) | 2ul << 48 };

	machine_with(1);
	table_set(256, 2, 2, 0, true);
	for (unsigned i = 0; i < 256; i++)
		memcpy(guest(DATA + 4 * i), (const uint8_t *)ranges + 2 * i, 2);
	command(true, 0x06, 0, 1);		/* without the TRIM bit: aborted */
	ck_assert_uint_eq(interrupt(), 0x51);
	out8(PRIMARY + R_FEATURE, 0);
	out8(PRIMARY + R_FEATURE, 1);
	out8(PRIMARY + R_COMMAND, 0x06);
	master_start(TABLE, false);
	expect_done(0x50, EXACT);
	ck_assert_uint_eq(disk[0]->submitted, 2);
	ck_assert_uint_eq(disk[0]->log[1].lba, 5000);
	ck_assert_uint_eq(disk[0]->log[1].sectors, 1000);
	ck_assert_uint_eq(disk[0]->data[107 * SECTOR] | disk[0]->data[5999 * SECTOR + 1], 0);
	for (unsigned i = 0; i < 256; i++)
		memcpy(guest(DATA + 4 * i), (const uint8_t *)beyond + 2 * i, 2);
	out8(PRIMARY + R_FEATURE, 1);
	out8(PRIMARY + R_COMMAND, 0x06);
	master_start(TABLE, false);
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(disk[0]->submitted, 2);
}
END_TEST

/* An entry that shrinks after a part of it went with an earlier request. */
START_TEST(entries_that_change)
{
	struct prd e = { DATA, 65534 };

	machine_with(1);
	memcpy(guest(TABLE), &e, sizeof(e));
	e.count = 4096 | PRD_END;
	memcpy(guest(TABLE + 8), &e, sizeof(e));
	command(true, 0x25, 0, 130);
	master_start(TABLE, true);
	ck_assert_uint_eq(disk[0]->queued->length, 130 * SECTOR);
	disk_run(disk[0]);
	ck_assert_uint_eq(interrupt(), 0x50);
	master_stop();
	/* 1023 entries of 2 bytes, then a long one, of which the first request takes a part. */
	table_set(1023, 2, 0, 0, false);
	e = (struct prd){ DATA, 0x8000 };
	memcpy(guest(TABLE + 1023 * 8), &e, sizeof(e));
	e = (struct prd){ DATA, 1024 | PRD_END };
	memcpy(guest(TABLE + 1024 * 8), &e, sizeof(e));
	command(true, 0x25, 0, 69);
	master_start(TABLE, true);
	ck_assert_uint_eq(disk[0]->queued->length, 67 * SECTOR);
	e = (struct prd){ DATA, 16 };
	memcpy(guest(TABLE + 1023 * 8), &e, sizeof(e));
	disk_run(disk[0]);
	expect_done(0x50, EXACT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ide_dma");
	TCase *t = tcase_create("ide_dma");

	tcase_add_test(t, tables_of_every_shape);
	tcase_add_test(t, largest_transfer);
	tcase_add_test(t, table_longer_than_the_transfer);
	tcase_add_test(t, table_shorter_than_the_transfer);
	tcase_add_test(t, start_before_the_command);
	tcase_add_test(t, memory_that_is_not_there);
	tcase_add_test(t, endless_table_is_cut);
	tcase_add_test(t, bus_mastering_off);
	tcase_add_test(t, reset_in_flight);
	tcase_add_test(t, stop_in_flight);
	tcase_add_test(t, bad_sectors);
	tcase_add_test(t, failure_that_passes);
	tcase_add_test(t, code_pages_are_told);
	tcase_add_test(t, trim);
	tcase_add_test(t, entries_that_change);
	suite_add_tcase(s, t);
	return suite_run(s);
}
