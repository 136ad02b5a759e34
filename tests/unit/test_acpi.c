/* SPDX-License-Identifier: MIT */
/*
 * The ACPI tables as an operating system walks them: signatures, checksums,
 * pointers, agreement with the devices; and, where iasl is installed, that the
 * reference disassembler and compiler understand them.
 */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/acpi.h"
#include "boot/aml.h"
#include "boot/pirtable.h"
#include "base/log.h"
#include "device/acpi_pm.h"
#include "device/pci.h"
#include "memory/ram.h"

static uint8_t memory[MIB];

/* Link seam: guest RAM of this test. */
bool ram_write(gpa_t addr, const void *buf, uint64_t len)
{
	if (addr.v + len > sizeof(memory))
		return false;
	memcpy(memory + addr.v, buf, len);
	return true;
}

_Noreturn void bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

static uint32_t get32(uint64_t at)
{
	uint32_t v;

	memcpy(&v, memory + at, 4);
	return v;
}

static uint64_t get64(uint64_t at)
{
	uint64_t v;

	memcpy(&v, memory + at, 8);
	return v;
}

static uint8_t sum(uint64_t at, size_t length)
{
	uint8_t s = 0;

	for (size_t i = 0; i < length; i++)
		s = (uint8_t)(s + memory[at + i]);
	return s;
}

static uint64_t table_find(const char *signature)
{
	uint64_t rsdp = acpi_build().v;
	uint64_t xsdt = get64(rsdp + 24);

	for (uint64_t at = xsdt + 36; at < xsdt + get32(xsdt + 4); at += 8)
		if (!memcmp(memory + get64(at), signature, 4))
			return get64(at);
	return 0;
}

START_TEST(test_rsdp_is_found_by_a_scan)
{
	uint64_t rsdp = acpi_build().v, found = 0;

	for (uint64_t at = 0xe0000; at < 0x100000 && !found; at += 16)
		if (!memcmp(memory + at, "RSD PTR ", 8) && !sum(at, 20))
			found = at;
	ck_assert_uint_eq(found, rsdp);
	ck_assert_uint_eq(memory[rsdp + 15], 2);
	ck_assert_uint_eq(sum(rsdp, 36), 0);
}
END_TEST

START_TEST(test_checksums_and_area)
{
	uint64_t rsdp = acpi_build().v;
	uint64_t tables[] = { get32(rsdp + 16), get64(rsdp + 24), table_find("FACP"),
			      table_find("APIC"), get32(table_find("FACP") + 40) };

	for (size_t i = 0; i < 5; i++) {
		ck_assert_uint_ge(tables[i], ACPI_AREA_BASE);
		ck_assert_uint_le(tables[i] + get32(tables[i] + 4), ACPI_AREA_BASE + ACPI_AREA_SIZE);
		ck_assert_uint_eq(sum(tables[i], get32(tables[i] + 4)), 0);
	}
	/* RSDT and XSDT list the same. */
	ck_assert_uint_eq(get32(tables[0] + 36), get64(tables[1] + 36));
	ck_assert_uint_eq(get32(tables[0] + 40), get64(tables[1] + 44));
}
END_TEST

START_TEST(test_fadt_names_the_devices)
{
	uint64_t f = table_find("FACP");

	ck_assert_uint_eq(get32(f + 4), 276);
	ck_assert_uint_eq(memory[f + 8], 6);
	ck_assert_uint_eq(get32(f + 48), 0);			/* no SMI: always in ACPI mode */
	ck_assert_uint_eq(get32(f + 56), ACPI_PM1_EVENT);
	ck_assert_uint_eq(get32(f + 64), ACPI_PM1_CONTROL);
	ck_assert_uint_eq(get32(f + 76), ACPI_PM_TIMER);
	ck_assert_uint_eq(memory[f + 108], 0x32);
	ck_assert_uint_eq(memory[f + 109], 0x05);		/* legacy devices, no VGA */
	ck_assert_uint_eq(get32(f + 112) & (1u << 20), 0);	/* not hardware-reduced */
	ck_assert_uint_eq(memory[f + 116], 1);
	ck_assert_uint_eq(get64(f + 120), 0xcf9);
	ck_assert_uint_eq(memory[f + 128], 6);
	ck_assert_uint_eq(get64(f + 140), get32(f + 40));
	ck_assert_uint_eq(get64(f + 208 + 4), ACPI_PM_TIMER);
	ck_assert_uint_eq(get32(f + 36) % 64, 0);
	ck_assert_int_eq(memcmp(memory + get32(f + 36), "FACS", 4), 0);
}
END_TEST

START_TEST(test_madt_entries)
{
	uint64_t m = table_find("APIC"), end = m + get32(m + 4), at = m + 44;
	unsigned seen[16] = { 0 };

	ck_assert_uint_eq(get32(m + 36), 0xfee00000);
	ck_assert_uint_eq(get32(m + 40), 1);
	for (; at < end; at += memory[at + 1]) {
		ck_assert_uint_gt(memory[at + 1], 1);
		ck_assert_uint_lt(memory[at], 16);
		seen[memory[at]]++;
		if (memory[at] == 2 && memory[at + 3] == 9)	/* SCI: active high, level */
			ck_assert_uint_eq(memory[at + 8], 0x0d);
		if (memory[at] == 2 && memory[at + 3] == 0)
			ck_assert_uint_eq(get32(at + 4), 2);
	}
	ck_assert_uint_eq(at, end);
	ck_assert_uint_eq(seen[0], 1);
	ck_assert_uint_eq(seen[1], 1);
	ck_assert_uint_eq(seen[2], 2);
	ck_assert_uint_eq(seen[4], 1);
}
END_TEST

/* A package length of one, two and three bytes (ACPI 6.4, 20.2.4). */
START_TEST(test_aml_package_length)
{
	static const struct { size_t contents, field; uint8_t bytes[3]; } cases[] = {
		{ 0x3e, 1, { 0x3f } },
		{ 0x3f, 2, { 0x41, 0x04 } },
		{ 0xffd, 2, { 0x4f, 0xff } },
		{ 0xffe, 3, { 0x81, 0x00, 0x01 } },
	};
	static uint8_t buffer[8192];

	for (size_t i = 0; i < 4; i++) {
		struct aml a = { .bytes = buffer, .size = sizeof(buffer) };
		size_t begun = aml_scope(&a, "ABCD");

		a.length = begun + cases[i].contents;
		aml_end(&a, begun);
		ck_assert(!a.overflow);
		ck_assert_uint_eq(a.length, 1 + cases[i].contents + cases[i].field);
		ck_assert_int_eq(memcmp(buffer + 1, cases[i].bytes, cases[i].field), 0);
		ck_assert_int_eq(memcmp(buffer + 1 + cases[i].field, "ABCD", 4), 0);
	}
}
END_TEST

START_TEST(test_aml_eisa_id)
{
	uint8_t buffer[32];
	struct aml a = { .bytes = buffer, .size = sizeof(buffer) };
	static const uint8_t expected[] = { 0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01 };

	aml_name_eisa_id(&a, "_HID", "PNP0501");
	ck_assert_uint_eq(a.length, sizeof(expected));
	ck_assert_int_eq(memcmp(buffer, expected, sizeof(expected)), 0);
}
END_TEST

START_TEST(test_aml_full_buffer_is_noticed)
{
	uint8_t buffer[16 + 1];
	struct aml a = { .bytes = buffer, .size = 16 };
	size_t begun;

	buffer[16] = 0xa5;
	begun = aml_device(&a, "DEV0");
	aml_name_string(&a, "_HID", "QEMU0001");
	aml_end(&a, begun);
	ck_assert(a.overflow);
	ck_assert_uint_eq(buffer[16], 0xa5);
}
END_TEST

/* What the DSDT says of the bus is what device/pci.h and piix3.h say. */
static bool dsdt_has(const void *bytes, size_t n)
{
	uint64_t dsdt = get32(table_find("FACP") + 40);

	return memmem(memory + dsdt, get32(dsdt + 4), bytes, n);
}

START_TEST(test_pci_windows)
{
	static const uint8_t mmio[] = { 0x87, 23, 0, 0, 0x0c, 1, 0, 0, 0, 0, 0, 0, 0, 0xc0,
					0xff, 0xff, 0xbf, 0xfe, 0, 0, 0, 0, 0, 0, 0xc0, 0x3e };
	static const uint8_t io[] = { 0x88, 13, 0, 1, 0x0c, 3, 0, 0, 0x00, 0x0d, 0xff, 0xff, 0, 0, 0, 0xf3 };
	static const uint8_t bus[] = { 0x88, 13, 0, 2, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0 };

	ck_assert(dsdt_has(mmio, sizeof(mmio)));
	ck_assert(dsdt_has(io, sizeof(io)));
	ck_assert(dsdt_has(bus, sizeof(bus)));
	ck_assert_uint_eq(PCI_MMIO_BASE, 0xc0000000);
	ck_assert_uint_eq(PCI_MMIO_END, 0xfec00000);
}
END_TEST

/* Slot 1 pin A to slot 31 pin D, in both tables. */
START_TEST(test_pci_routes)
{
	for (uint32_t slot = 1; slot < 32; slot++)
		for (unsigned pin = 0; pin < 4; pin++) {
			uint8_t route[] = { 0x12, 0, 4, 0x0c, 0xff, 0xff, (uint8_t)slot, 0,
					    0x0a, (uint8_t)pin, 0, 0x0a, (uint8_t)PCI_GSI(slot, pin) };
			size_t n = sizeof(route);

			if (pin < 2) {			/* ZeroOp, OneOp */
				memmove(route + 8, route + 9, 4);
				n--;
			}
			route[1] = (uint8_t)(n - 1);
			ck_assert_msg(dsdt_has(route, n), "slot %u pin %u", slot, pin);
			route[n - 1] = (slot + pin) % 4 < 2 ? 10 : 11;
			ck_assert_msg(dsdt_has(route, n), "slot %u pin %u, without IOAPIC", slot, pin);
		}
}
END_TEST

/* Microsoft's specification 1.0, as Linux reads it (arch/x86/pci/irq.c). */
START_TEST(test_pir_table)
{
	uint64_t at = 0;
	unsigned slots;

	pirtable_build();
	for (uint64_t a = 0xf0000; a < 0x100000 && !at; a += 16)
		if (!memcmp(memory + a, "$PIR", 4))
			at = a;
	ck_assert_uint_ne(at, 0);
	ck_assert_uint_eq(get32(at + 4) & 0xffff, 0x0100);
	slots = ((get32(at + 4) >> 16) - 32) / 16;
	ck_assert_uint_eq(sum(at, 32 + slots * 16), 0);
	ck_assert_uint_eq(slots, 31);
	ck_assert_uint_eq(memory[at + 9], 1 << 3);		/* the router is 00:01.0 */
	ck_assert_uint_eq(get32(at + 12), 0x70008086);
	for (unsigned i = 0; i < slots; i++) {
		const uint8_t *slot = memory + at + 32 + i * 16;

		ck_assert_uint_eq(slot[1] >> 3, i + 1);
		for (unsigned pin = 0; pin < 4; pin++) {
			ck_assert_uint_eq(slot[2 + pin * 3], 0x60 + (i + 1 + pin) % 4);
			ck_assert_uint_eq(slot[3 + pin * 3] | slot[4 + pin * 3] << 8, 0xdef8);
		}
	}
}
END_TEST

static void dump(const char *directory, const char *name, uint64_t at)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.dat", directory, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(memory + at, 1, get32(at + 4), f), get32(at + 4));
	fclose(f);
}

START_TEST(test_iasl_understands_all)
{
	static const char *const names[] = { "facp", "apic", "xsdt", "facs", "dsdt" };
	char directory[] = "/tmp/ring3-acpi-XXXXXX", command[512];
	uint64_t rsdp = acpi_build().v, f = table_find("FACP");
	uint64_t at[] = { f, table_find("APIC"), get64(rsdp + 24), get32(f + 36), get32(f + 40) };

	if (system("command -v iasl >/dev/null 2>&1")) {
		fprintf(stderr, "iasl is not installed: tables not disassembled\n");
		return;
	}
	ck_assert_ptr_nonnull(mkdtemp(directory));
	for (size_t i = 0; i < 5; i++) {
		dump(directory, names[i], at[i]);
		snprintf(command, sizeof(command),
			 "cd %s && iasl -d %s.dat >%s.log 2>&1 && test -s %s.dsl && "
			 "! grep -iE 'error|invalid|warning' %s.log %s.dsl >&2",
			 directory, names[i], names[i], names[i], names[i], names[i]);
		ck_assert_msg(system(command) == 0, "iasl -d %s, see %s", names[i], directory);
	}
	snprintf(command, sizeof(command),
		 "cd %s && iasl -p again dsdt.dsl >again.log 2>&1 && grep -q '^.*0 Errors' again.log "
		 "&& ! grep -q ' [1-9][0-9]* Errors' again.log", directory);
	ck_assert_msg(system(command) == 0, "iasl dsdt.dsl, see %s", directory);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("acpi");
	TCase *t = tcase_create("tables");

	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_rsdp_is_found_by_a_scan);
	tcase_add_test(t, test_checksums_and_area);
	tcase_add_test(t, test_fadt_names_the_devices);
	tcase_add_test(t, test_madt_entries);
	tcase_add_test(t, test_aml_package_length);
	tcase_add_test(t, test_aml_eisa_id);
	tcase_add_test(t, test_aml_full_buffer_is_noticed);
	tcase_add_test(t, test_pci_windows);
	tcase_add_test(t, test_pci_routes);
	tcase_add_test(t, test_pir_table);
	tcase_add_test(t, test_iasl_understands_all);
	suite_add_tcase(s, t);
	return suite_run(s);
}
