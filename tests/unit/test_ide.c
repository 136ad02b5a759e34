// SPDX-License-Identifier: MIT
/*
 * IDE registers, commands and PIO, as a driver sees them; the bus master is
 * test_ide_dma.c's.
 */
#include "ide_driver.h"

static uint16_t words[256 * 256];

static void data_in(unsigned sectors, unsigned block)
{
	for (unsigned s = 0; s < sectors; s += block) {
		unsigned n = s + block > sectors ? sectors - s : block;

		ck_assert_uint_eq(interrupt(), 0x58);
		for (unsigned i = 0; i < n * 256; i++)
			words[s * 256 + i] = (uint16_t)bus_pio_read(PRIMARY, 2);
	}
	ck_assert_uint_eq(status(), 0x50);
	ck_assert(!irq_line[IRQ]);
}

static void data_out(unsigned sectors, unsigned block)
{
	for (unsigned s = 0; s < sectors; s += block) {
		unsigned n = s + block > sectors ? sectors - s : block;

		ck_assert(irq_line[IRQ] == !!s);
		ck_assert_uint_eq(s ? interrupt() : status(), 0x58);
		for (unsigned i = 0; i < n * 256; i++)
			bus_pio_write(PRIMARY, 2, words[s * 256 + i]);
		disk_run(disk[0]);
	}
	ck_assert_uint_eq(interrupt(), 0x50);
}

static void words_fill(unsigned sectors, unsigned seed)
{
	for (unsigned i = 0; i < sectors * 256; i++)
		words[i] = (uint16_t)(i * 40503u + seed);
}

static bool words_are(uint64_t lba, unsigned sectors)
{
	return !memcmp(words, disk[0]->data + lba * SECTOR, sectors * SECTOR);
}

static void text(unsigned first, unsigned count, char *s)
{
	for (unsigned i = 0; i < count; i++) {
		s[2 * i] = (char)(words[first + i] >> 8);
		s[2 * i + 1] = (char)words[first + i];
	}
	s[2 * count] = 0;
}

START_TEST(identify_says_what_it_is)
{
	uint8_t sum = 0;
	char s[41];

	machine_with(1);
	command(false, 0xec, 0, 0);
	data_in(1, 1);
	for (unsigned i = 0; i < 512; i++)
		sum = (uint8_t)(sum + ((uint8_t *)words)[i]);
	ck_assert_uint_eq(sum, 0);
	ck_assert_uint_eq(words[255] & 0xff, 0xa5);
	text(27, 20, s);
	ck_assert_str_eq(s, "RING3 HARDDISK                          ");
	text(10, 10, s);
	ck_assert_str_eq(s, "RING3-0001          ");
	ck_assert_uint_eq(words[60] | words[61] << 16, DISK_SECTORS);
	ck_assert_uint_eq(words[100] | words[101] << 16, DISK_SECTORS);
	ck_assert_uint_eq(words[1] * words[3] * words[6], DISK_SECTORS / (16 * 63) * (16 * 63));
	ck_assert_uint_eq(words[85] & 0x20, 0x20);
	ck_assert_uint_eq(words[88] >> 8, 0);
	feature(0x03, 0x45);
	feature(0x82, 0);
	interrupt();
	command(false, 0xc6, 0, 8);
	command(false, 0xec, 0, 0);
	data_in(1, 1);
	ck_assert_uint_eq(words[85] & 0x20, 0);
	ck_assert_uint_eq(words[88], 0x203f);
	ck_assert_uint_eq(words[59], 0x108);
}
END_TEST

START_TEST(serial_number_of_the_user)
{
	struct machine_disk config = { .device = DISK_IDE, .serial = (char *)"12345678901234567890" };
	char s[41];

	machine_with(0);
	disk[0] = disk_new(1000);
	ck_assert_int_eq(ide_add(&config, disk[0]), 0);
	pci_assign();
	command(false, 0xec, 0, 0);
	data_in(1, 1);
	text(10, 10, s);
	ck_assert_str_eq(s, "12345678901234567890");
}
END_TEST

START_TEST(four_disks_and_no_more)
{
	struct machine_disk config = { .device = DISK_IDE };

	machine_with(4);
	ck_assert_int_eq(ide_add(&config, disk[0]), -ENOSPC);
	disk[1]->data[0] = 0x11;
	disk[3]->data[0] = 0x33;
	for (unsigned i = 0; i < 2; i++) {
		uint16_t base = i ? SECONDARY : PRIMARY;

		out8(base + R_DEVICE, 0xf0);
		out8(base + R_COUNT, 1);
		out8(base + R_LOW, 0);
		out8(base + R_MID, 0);
		out8(base + R_HIGH, 0);
		out8(base + R_COMMAND, 0x20);
		disk_run(disk[2 * i + 1]);
		ck_assert(irq_line[IRQ + i]);
		ck_assert_uint_eq(bus_pio_read(base, 2) & 0xff, i ? 0x33 : 0x11);
	}
}
END_TEST

/* What a probing driver does: write, read back, look for a floating bus. */
START_TEST(absent_drives)
{
	machine_with(1);
	ck_assert_uint_eq(in8(SECONDARY + R_STATUS), 0xff);
	ck_assert_uint_eq(in8(SECONDARY + CONTROL), 0xff);
	out8(SECONDARY + R_COUNT, 0x55);
	ck_assert_uint_eq(in8(SECONDARY + R_COUNT), 0xff);
	/* Drive 0 answers for drive 1: status 0, commands ignored. */
	out8(PRIMARY + R_DEVICE, 0xb0);
	ck_assert_uint_eq(in8(PRIMARY + R_STATUS), 0);
	out8(PRIMARY + R_COMMAND, 0xec);
	ck_assert_uint_eq(in8(PRIMARY + R_STATUS), 0);
	ck_assert(!irq_line[IRQ]);
	out8(PRIMARY + R_DEVICE, 0xa0);
	ck_assert_uint_eq(in8(PRIMARY + R_STATUS), 0x50);
}
END_TEST

START_TEST(software_reset)
{
	machine_with(1);
	command(false, 0x20, 5, 1);
	out8(PRIMARY + CONTROL, 4);
	ck_assert_uint_eq(status(), 0x80);
	disk_run(disk[0]);
	ck_assert_uint_eq(status(), 0x80);
	out8(PRIMARY + CONTROL, 0);
	ck_assert_uint_eq(status(), 0x50);
	ck_assert(!irq_line[IRQ]);
	ck_assert_uint_eq(in8(PRIMARY + R_ERROR), 1);
	ck_assert_uint_eq(in8(PRIMARY + R_COUNT), 1);
	ck_assert_uint_eq(in8(PRIMARY + R_LOW), 1);
	ck_assert_uint_eq(in8(PRIMARY + R_MID), 0);
	ck_assert_uint_eq(in8(PRIMARY + R_HIGH), 0);
	command(false, 0x20, 5, 1);
	data_in(1, 1);
	ck_assert(words_are(5, 1));
}
END_TEST

START_TEST(diagnostic)
{
	machine_with(2);
	out8(PRIMARY + R_DEVICE, 0xb0);
	out8(PRIMARY + R_COMMAND, 0x90);
	ck_assert_uint_eq(interrupt(), 0x50);
	ck_assert_uint_eq(in8(PRIMARY + R_ERROR), 1);
	ck_assert_uint_eq(in8(PRIMARY + R_DEVICE) & 0x10, 0);
}
END_TEST

START_TEST(unknown_commands_are_aborted)
{
	static const uint8_t codes[] = { 0x00, 0x08, 0xa1, 0xb0, 0xf5, 0xf8, 0x27, 0x92, 0xff };

	machine_with(1);
	for (unsigned i = 0; i < array_size(codes); i++) {
		out8(PRIMARY + R_COMMAND, codes[i]);
		ck_assert_uint_eq(interrupt(), 0x51);
		ck_assert_uint_eq(in8(PRIMARY + R_ERROR), 4);
	}
	command(false, 0xc6, 0, 0);	/* no READ MULTIPLE then */
	ck_assert_uint_eq(interrupt(), 0x50);
	command(false, 0xc4, 0, 1);
	ck_assert_uint_eq(interrupt(), 0x51);
	command(false, 0xc6, 0, 3);
	ck_assert_uint_eq(interrupt(), 0x51);
	feature(0x03, 0x46);
	ck_assert_uint_eq(interrupt(), 0x51);
	command(false, 0xc6, 0, 16);
	ck_assert_uint_eq(interrupt(), 0x50);
}
END_TEST

/* Every PIO command, by every kind of address, in sizes around the buffer's. */
START_TEST(pio_reads_and_writes)
{
	static const unsigned sizes[] = { 1, 2, 15, 16, 17, 127, 128, 129, 255, 256 };

	machine_with(1);
	command(false, 0xc6, 0, 16);
	for (unsigned i = 0; i < array_size(sizes); i++) {
		unsigned n = sizes[i];

		command(false, 0x20, 1000 + n, n);
		data_in(n, 1);
		ck_assert(words_are(1000 + n, n));
		command(true, 0x24, 69000, n);
		data_in(n, 1);
		ck_assert(words_are(69000, n));
		command(false, 0xc4, 0, n);
		data_in(n, 16);
		ck_assert(words_are(0, n));
		command(true, 0x29, 40000 + n, n);
		data_in(n, 16);
		ck_assert(words_are(40000 + n, n));

		words_fill(n, n);
		command(false, 0x30, 2000, n);
		data_out(n, 1);
		ck_assert(words_are(2000, n));
		words_fill(n, n + 1);
		command(true, 0x34, DISK_SECTORS - n, n);
		data_out(n, 1);
		ck_assert(words_are(DISK_SECTORS - n, n));
		words_fill(n, n + 2);
		command(false, 0xc5, 100, n);
		data_out(n, 16);
		ck_assert(words_are(100, n));
		words_fill(n, n + 3);
		command(true, 0x39, 31, n);
		data_out(n, 16);
		ck_assert(words_are(31, n));
	}
}
END_TEST

START_TEST(data_port_of_32_bits)
{
	machine_with(1);
	command(false, 0x20, 77, 1);
	interrupt();
	for (unsigned i = 0; i < 128; i++)
		((uint32_t *)words)[i] = (uint32_t)bus_pio_read(PRIMARY, 4);
	ck_assert_uint_eq(status(), 0x50);
	ck_assert(words_are(77, 1));
	words_fill(1, 9);
	command(false, 0x30, 78, 1);
	for (unsigned i = 0; i < 128; i++)
		bus_pio_write(PRIMARY, 4, ((uint32_t *)words)[i]);
	interrupt();
	ck_assert(words_are(78, 1));
	/* Nobody asks for data now. */
	ck_assert_uint_eq(bus_pio_read(PRIMARY, 4), 0xffffffff);
	bus_pio_write(PRIMARY, 4, 1);
}
END_TEST

/* A 16-bit access with one byte left must not reach behind the buffer. */
START_TEST(data_port_of_8_bits)
{
	const uint8_t *bytes = (const uint8_t *)words;

	machine_with(1);
	words_fill(128, 3);
	command(false, 0x30, 10, 128);
	for (unsigned s = 0; s < 128 * SECTOR; s += SECTOR) {
		bus_pio_write(PRIMARY, 1, bytes[s]);
		for (unsigned i = s + 1; i < s + 511; i += 2)
			bus_pio_write(PRIMARY, 2, bytes[i] | bytes[i + 1] << 8);
		bus_pio_write(PRIMARY, 2, bytes[s + 511] | 0xee00);
	}
	ck_assert_uint_eq(interrupt(), 0x50);
	ck_assert(words_are(10, 128));
	command(false, 0x20, 10, 1);
	interrupt();
	ck_assert_uint_eq(bus_pio_read(PRIMARY, 1), bytes[0]);
	for (unsigned i = 1; i < 511; i += 2)
		bus_pio_read(PRIMARY, 2);
	ck_assert_uint_eq(bus_pio_read(PRIMARY, 4), bytes[511]);
	ck_assert_uint_eq(status(), 0x50);
}
END_TEST

START_TEST(cylinders_heads_sectors)
{
	machine_with(1);
	out8(PRIMARY + R_COUNT, 32);
	out8(PRIMARY + R_DEVICE, 0xa7);
	out8(PRIMARY + R_COMMAND, 0x91);	/* 8 heads, 32 sectors a track */
	ck_assert_uint_eq(interrupt(), 0x50);
	out8(PRIMARY + R_COUNT, 1);
	out8(PRIMARY + R_LOW, 5);
	out8(PRIMARY + R_MID, 0x05);
	out8(PRIMARY + R_HIGH, 0x01);
	out8(PRIMARY + R_DEVICE, 0xa3);
	out8(PRIMARY + R_COMMAND, 0x20);
	data_in(1, 1);
	ck_assert(words_are((0x105 * 8 + 3) * 32 + 4, 1));
	out8(PRIMARY + R_LOW, 0);		/* sectors count from 1 */
	out8(PRIMARY + R_COMMAND, 0x20);
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(in8(PRIMARY + R_ERROR), 0x10);
	out8(PRIMARY + R_LOW, 33);
	out8(PRIMARY + R_COMMAND, 0x20);
	ck_assert_uint_eq(interrupt(), 0x51);
	/* A bad sector is named by cylinder, head and sector. */
	disk[0]->bad = (7 * 8 + 2) * 32 + 9;
	out8(PRIMARY + R_COUNT, 20);
	out8(PRIMARY + R_LOW, 25);
	out8(PRIMARY + R_MID, 7);
	out8(PRIMARY + R_HIGH, 0);
	out8(PRIMARY + R_DEVICE, 0xa1);
	out8(PRIMARY + R_COMMAND, 0x40);
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(in8(PRIMARY + R_LOW), 10);
	ck_assert_uint_eq(in8(PRIMARY + R_MID), 7);
	ck_assert_uint_eq(in8(PRIMARY + R_HIGH), 0);
	ck_assert_uint_eq(in8(PRIMARY + R_DEVICE) & 15, 2);
}
END_TEST

START_TEST(addresses_past_the_end)
{
	machine_with(1);
	command(false, 0x20, DISK_SECTORS - 1, 2);
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(in8(PRIMARY + R_ERROR), 0x10);
	command(true, 0x34, 0xffffffffffff, 0);
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(in8(PRIMARY + R_ERROR), 0x10);
	ck_assert_uint_eq(address_48(), 0xffffffffffff);
	command(false, 0x70, DISK_SECTORS, 0);
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(disk[0]->submitted, 0);
}
END_TEST

/* The sectors before a bad one arrive, then the error names it. */
START_TEST(bad_sector_of_a_read)
{
	machine_with(1);
	disk[0]->bad = 3000 + 200;
	command(true, 0x24, 3000, 256);
	for (unsigned s = 0; s < 200; s++) {
		ck_assert_uint_eq(interrupt(), 0x58);
		for (unsigned i = 0; i < 256; i++)
			words[s * 256 + i] = (uint16_t)bus_pio_read(PRIMARY, 2);
	}
	ck_assert(words_are(3000, 200));
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(in8(PRIMARY + R_ERROR), 0x40);
	ck_assert_uint_eq(address_48(), 3200);
	/* Of READ MULTIPLE the block with the bad sector does not arrive. */
	command(false, 0xc6, 0, 16);
	command(false, 0xc4, 3190, 32);
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(address_28(), 3190);
	command(false, 0x40, 3190, 32);
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(address_28(), 3200);
}
END_TEST

START_TEST(bad_sector_of_a_write)
{
	machine_with(1);
	disk[0]->bad = 3000 + 100;
	words_fill(128, 1);
	command(false, 0x30, 3000, 128);
	for (unsigned i = 0; i < 128 * 256; i++)
		bus_pio_write(PRIMARY, 2, words[i]);
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(in8(PRIMARY + R_ERROR), 0x40);
	ck_assert_uint_eq(address_28(), 3100);
	ck_assert(words_are(3000, 100));
}
END_TEST

START_TEST(readonly_disk)
{
	machine_with(1);
	disk[0]->readonly = true;
	command(false, 0x30, 0, 1);
	ck_assert_uint_eq(interrupt(), 0x51);
	ck_assert_uint_eq(in8(PRIMARY + R_ERROR), 0x44);
}
END_TEST

static enum block_op logged(unsigned back)
{
	return disk[0]->log[disk[0]->submitted - back].op;
}

START_TEST(write_cache)
{
	machine_with(1);
	command(false, 0x30, 0, 1);
	data_out(1, 1);
	ck_assert_int_eq(logged(1), BLOCK_WRITE);
	command(false, 0xe7, 0, 0);
	ck_assert_uint_eq(status(), 0x80);
	ck_assert_uint_eq(interrupt(), 0x50);
	ck_assert_int_eq(logged(1), BLOCK_FLUSH);
	/* Off: flushed first, then each write is. */
	feature(0x82, 0);
	ck_assert_uint_eq(interrupt(), 0x50);
	ck_assert_int_eq(logged(1), BLOCK_FLUSH);
	command(false, 0x30, 0, 1);
	data_out(1, 1);
	ck_assert_int_eq(logged(2), BLOCK_WRITE);
	ck_assert_int_eq(logged(1), BLOCK_FLUSH);
	feature(0x02, 0);
	ck_assert_uint_eq(interrupt(), 0x50);
	command(false, 0xc6, 0, 2);
	command(true, 0xce, 0, 2);		/* WRITE MULTIPLE FUA EXT */
	data_out(2, 2);
	ck_assert_int_eq(logged(1), BLOCK_FLUSH);
	disk[0]->flush_error = -EIO;
	command(true, 0xea, 0, 0);
	ck_assert_uint_eq(interrupt(), 0x71);
	ck_assert_uint_eq(in8(PRIMARY + R_ERROR), 4);
	command(true, 0xe5, 0, 0);		/* a device fault is of one command */
	ck_assert_uint_eq(interrupt(), 0x50);
}
END_TEST

START_TEST(power)
{
	machine_with(1);
	command(false, 0xe5, 0, 0);
	ck_assert_uint_eq(interrupt(), 0x50);
	ck_assert_uint_eq(in8(PRIMARY + R_COUNT), 0xff);
	command(false, 0xe0, 0, 0);
	ck_assert_uint_eq(interrupt(), 0x50);
	ck_assert_int_eq(logged(1), BLOCK_FLUSH);
	command(false, 0xe6, 0, 0);
	ck_assert_uint_eq(interrupt(), 0x50);
	command(false, 0xec, 0, 0);		/* sleeps */
	ck_assert(!irq_line[IRQ]);
	out8(PRIMARY + CONTROL, 4);
	out8(PRIMARY + CONTROL, 0);
	command(false, 0xec, 0, 0);
	ck_assert_uint_eq(interrupt(), 0x58);
}
END_TEST

START_TEST(interrupt_enable)
{
	machine_with(2);
	out8(PRIMARY + CONTROL, 2);
	command(false, 0x20, 0, 1);
	disk_run(disk[0]);
	ck_assert(!irq_line[IRQ]);
	ck_assert_uint_eq(status(), 0x58);	/* alternate status does not acknowledge */
	out8(PRIMARY + CONTROL, 0);
	ck_assert(irq_line[IRQ]);
	out8(PRIMARY + R_STATUS, 0);		/* a command; not while data is asked for */
	ck_assert_uint_eq(status(), 0x58);
	ck_assert_uint_eq(interrupt(), 0x58);
}
END_TEST

START_TEST(registers_while_busy)
{
	machine_with(1);
	command(false, 0x20, 9, 1);
	ck_assert_uint_eq(status(), 0x80);
	out8(PRIMARY + R_LOW, 0x77);
	out8(PRIMARY + R_COMMAND, 0xec);
	ck_assert_uint_eq(in8(PRIMARY + R_LOW), 9);
	data_in(1, 1);
	ck_assert(words_are(9, 1));
}
END_TEST

START_TEST(decoding_can_be_turned_off)
{
	struct pci_function *f;

	machine_with(1);
	f = pci_find(IDE_PCI_SLOT, IDE_PCI_FUNCTION);
	ck_assert_uint_eq(pci_config_read(f, 0, 4), 0x70108086);
	ck_assert_uint_eq(pci_config_read(f, 8, 4) >> 8, 0x010180);
	ck_assert_uint_eq(pci_config_read(f, 0x40, 4), 0x80008000);
	pci_config_write(f, 0x40, 2, 0);
	ck_assert_uint_eq(in8(PRIMARY + R_STATUS), 0xff);
	out8(PRIMARY + R_COMMAND, 0xec);
	pci_config_write(f, 0x40, 2, 0xa307);
	ck_assert_uint_eq(in8(PRIMARY + R_STATUS), 0x50);
	pci_config_write(f, 4, 2, 4);
	ck_assert_uint_eq(in8(PRIMARY + R_STATUS), 0xff);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ide");
	TCase *t = tcase_create("ide");

	tcase_add_test(t, identify_says_what_it_is);
	tcase_add_test(t, serial_number_of_the_user);
	tcase_add_test(t, four_disks_and_no_more);
	tcase_add_test(t, absent_drives);
	tcase_add_test(t, software_reset);
	tcase_add_test(t, diagnostic);
	tcase_add_test(t, unknown_commands_are_aborted);
	tcase_add_test(t, pio_reads_and_writes);
	tcase_add_test(t, data_port_of_32_bits);
	tcase_add_test(t, data_port_of_8_bits);
	tcase_add_test(t, cylinders_heads_sectors);
	tcase_add_test(t, addresses_past_the_end);
	tcase_add_test(t, bad_sector_of_a_read);
	tcase_add_test(t, bad_sector_of_a_write);
	tcase_add_test(t, readonly_disk);
	tcase_add_test(t, write_cache);
	tcase_add_test(t, power);
	tcase_add_test(t, interrupt_enable);
	tcase_add_test(t, registers_while_busy);
	tcase_add_test(t, decoding_can_be_turned_off);
	suite_add_tcase(s, t);
	return suite_run(s);
}
