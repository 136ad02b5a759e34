/* SPDX-License-Identifier: MIT */
/* PCI interrupts: INTx lines shared, routed and disabled; MSI-X (PCI 3.0, 6.2, 6.8). */
#include "pci_guest.h"

#include <errno.h>

/* ---- INTx ---- */

/* 6.2.3, 6.2.2: bit 3 of status says what the device wants; command bit 10 keeps it off the line. */
START_TEST(test_intx)
{
	unsigned gsi = PCI_GSI(4, 0);

	ck_assert_uint_eq(get(&a, PCI_INTERRUPT_PIN, 1), 1);
	pci_set_intx(&a, true);
	ck_assert_uint_eq(gsi_lines, 1u << gsi);
	ck_assert_uint_eq(get(&a, PCI_STATUS, 2) & 8, 8);
	command(&a, PCI_COMMAND_NO_INTX);
	ck_assert_uint_eq(gsi_lines, 0);
	ck_assert_uint_eq(get(&a, PCI_STATUS, 2) & 8, 8);
	command(&a, 0);
	ck_assert_uint_eq(gsi_lines, 1u << gsi);
	pci_set_intx(&a, false);
	ck_assert_uint_eq(gsi_lines, 0);
	ck_assert_uint_eq(get(&a, PCI_STATUS, 2) & 8, 0);
}
END_TEST

START_TEST(test_intx_shared)
{
	uint32_t line = 1u << PCI_GSI(4, 0);

	pci_set_intx(&a, true);
	pci_set_intx(&b, true);
	pci_set_intx(&b, true);
	ck_assert_uint_eq(gsi_changes, 1);
	pci_set_intx(&a, false);
	ck_assert_uint_eq(gsi_lines, line);
	pci_set_intx(&c, true);				/* INTB of the same slot */
	ck_assert_uint_eq(gsi_lines, line | 1u << PCI_GSI(4, 1));
	pci_set_intx(&b, false);
	pci_set_intx(&b, false);
	ck_assert_uint_eq(gsi_lines, 1u << PCI_GSI(4, 1));
	pci_set_intx(&a, true);
	ck_assert_uint_eq(gsi_lines, line | 1u << PCI_GSI(4, 1));
}
END_TEST

/* 82371SB, PIRQRC: bits 3:0 the IRQ, 7 no routing. */
START_TEST(test_pirq)
{
	const struct pci_function *router = pci_find(1, 0);

	ck_assert_uint_eq(get(router, 0x60, 4), 0x0b0b0a0a);	/* as firmware left it */
	pci_set_intx(&a, true);			/* slot 4, INTA: line 0 */
	ck_assert_uint_eq(isa_lines, 1u << 10);
	set(router, 0x60, 1, 5);
	ck_assert_uint_eq(isa_lines, 1u << 5);
	set(router, 0x60, 1, 0x85);
	ck_assert_uint_eq(isa_lines, 0);
	set(router, 0x60, 1, 13);			/* the coprocessor's: reserved */
	ck_assert_uint_eq(isa_lines, 0);
	set(router, 0x60, 4, 0x09090909);
	pci_set_intx(&c, true);			/* line 1, the same IRQ */
	ck_assert_uint_eq(isa_lines, 1u << 9);
	pci_set_intx(&a, false);
	ck_assert_uint_eq(isa_lines, 1u << 9);
	set(router, 0x60, 1, 0x80);
	ck_assert_uint_eq(isa_lines, 1u << 9);
	pci_set_intx(&c, false);
	ck_assert_uint_eq(isa_lines, 0);
	set(router, 0x60, 4, NONE);
	ck_assert_uint_eq(get(router, 0x60, 4), 0x8f8f8f8f);
}
END_TEST

/* ---- MSI-X (6.8.2) ---- */

static unsigned msix(void) { return get(&a, PCI_CAPABILITIES, 1); }
static void control(unsigned v) { set(&a, msix() + 2, 2, v); }

#define ENABLE		0x8000u
#define FUNCTION_MASK	0x4000u

static void table_set(unsigned v, uint64_t address_, uint32_t data, uint32_t mask)
{
	bus_mmio_write(GPA(MMIO + v * 16), 4, address_ & UINT32_MAX);
	bus_mmio_write(GPA(MMIO + v * 16 + 4), 4, address_ >> 32);
	bus_mmio_write(GPA(MMIO + v * 16 + 8), 4, data);
	bus_mmio_write(GPA(MMIO + v * 16 + 12), 4, mask);
}

static unsigned pending(unsigned v)
{
	return mmio(MMIO + 0x800 + v / 32 * 4) >> (v % 32) & 1;
}

static void msix_on(void)
{
	set(&a, PCI_BAR(4), 4, MMIO);
	command(&a, MEMORY | MASTER);
	table_set(3, 0xfee00000, 0x43, 0);
	table_set(69, 0x1fee01000, 0x99, 0);
	control(ENABLE);
}

START_TEST(test_msix_capability)
{
	ck_assert_uint_eq(get(&a, msix() + 2, 2), VECTORS - 1);
	ck_assert_uint_eq(get(&a, msix() + 4, 4), 4);		/* table: BAR 4, offset 0 */
	ck_assert_uint_eq(get(&a, msix() + 8, 4), 0x804);
	control(0xffff);
	ck_assert_uint_eq(get(&a, msix() + 2, 2), ENABLE | FUNCTION_MASK | (VECTORS - 1));
	ck_assert(pci_msix_enabled(&a));
	ck_assert(!pci_msix_enabled(&b));
	pci_send_msix(&b, 0);
	ck_assert_uint_eq(message.count, 0);
}
END_TEST

/* Masked after reset; dwords and qwords; reserved bits read as zero; nothing beyond the table. */
START_TEST(test_msix_table)
{
	set(&a, PCI_BAR(4), 4, MMIO);
	command(&a, MEMORY);
	for (unsigned v = 0; v < VECTORS; v++)
		ck_assert_uint_eq(mmio(MMIO + v * 16 + 12), 1);
	bus_mmio_write(GPA(MMIO + 16), 8, 0x123456789abcdeff);
	ck_assert_uint_eq(bus_mmio_read(GPA(MMIO + 16), 8), 0x123456789abcdefc);
	bus_mmio_write(GPA(MMIO + 24), 8, 0xfffffffe00000041);
	ck_assert_uint_eq(bus_mmio_read(GPA(MMIO + 24), 8), 0x41);
	ck_assert_uint_eq(bus_mmio_read(GPA(MMIO + 17), 1), 0xde);
	bus_mmio_write(GPA(MMIO + 16), 2, 0);
	bus_mmio_write(GPA(MMIO + 17), 1, 0);		/* narrower than a dword: undefined, ignored */
	bus_mmio_write(GPA(MMIO + 18), 4, 0);
	ck_assert_uint_eq(bus_mmio_read(GPA(MMIO + 16), 8), 0x123456789abcdefc);
	bus_mmio_write(GPA(MMIO + VECTORS * 16), 4, NONE);
	ck_assert_uint_eq(mmio(MMIO + VECTORS * 16), 0);
	bus_mmio_write(GPA(MMIO + 0x800), 4, NONE);	/* pending bits are read-only */
	ck_assert_uint_eq(mmio(MMIO + 0x800), 0);
	ck_assert_uint_eq(mmio(MMIO + 0xffc), 0);
}
END_TEST

START_TEST(test_msix_sends)
{
	msix_on();
	pci_send_msix(&a, 3);
	ck_assert_uint_eq(message.count, 1);
	ck_assert_uint_eq(message.address, 0xfee00000);
	ck_assert_uint_eq(message.data, 0x43);
	pci_send_msix(&a, 69);
	ck_assert_uint_eq(message.address, 0x1fee01000);
	pci_send_msix(&a, VECTORS);
	pci_send_msix(&a, 0xffff);
	ck_assert_uint_eq(message.count, 2);
	control(0);
	pci_send_msix(&a, 3);			/* not enabled: not noted either */
	control(ENABLE);
	ck_assert_uint_eq(message.count, 2);
	ck_assert_uint_eq(pending(3), 0);
}
END_TEST

START_TEST(test_msix_vector_mask)
{
	msix_on();
	table_set(69, 0xfee00000, 0x99, 1);
	pci_send_msix(&a, 69);
	pci_send_msix(&a, 69);
	ck_assert_uint_eq(message.count, 0);
	ck_assert_uint_eq(pending(69), 1);
	ck_assert_uint_eq(pending(5), 0);
	bus_mmio_write(GPA(MMIO + 69 * 16 + 8), 4, 0x77);	/* changed while masked */
	ck_assert_uint_eq(message.count, 0);
	bus_mmio_write(GPA(MMIO + 69 * 16 + 12), 4, 0);
	ck_assert_uint_eq(message.count, 1);
	ck_assert_uint_eq(message.data, 0x77);
	ck_assert_uint_eq(pending(69), 0);
}
END_TEST

START_TEST(test_msix_function_mask)
{
	msix_on();
	control(ENABLE | FUNCTION_MASK);
	pci_send_msix(&a, 3);
	pci_send_msix(&a, 69);
	ck_assert_uint_eq(message.count, 0);
	ck_assert_uint_eq(pending(3), 1);
	control(ENABLE);
	ck_assert_uint_eq(message.count, 2);
	ck_assert_uint_eq(pending(3), 0);
}
END_TEST

/* 6.2.2: without bus mastering it may not write memory, which a message is. */
START_TEST(test_msix_bus_master)
{
	msix_on();
	ck_assert(pci_bus_master(&a));
	command(&a, MEMORY);
	ck_assert(!pci_bus_master(&a));
	pci_send_msix(&a, 3);
	ck_assert_uint_eq(message.count, 0);
	command(&a, MEMORY | MASTER);
	ck_assert_uint_eq(message.count, 1);
}
END_TEST

/* 6.8.3.3: with MSI-X on, INTx is not used. */
START_TEST(test_msix_silences_intx)
{
	pci_set_intx(&a, true);
	ck_assert_uint_ne(gsi_lines, 0);
	control(ENABLE);
	ck_assert_uint_eq(gsi_lines, 0);
	ck_assert_uint_eq(get(&a, PCI_STATUS, 2) & 8, 0);
	control(0);
	ck_assert_uint_ne(gsi_lines, 0);
}
END_TEST

START_TEST(test_msix_refused)
{
	struct pci_function f = { .name = "f" };

	ck_assert_int_eq(pci_add_msix(&f, 6, 1), -EINVAL);
	ck_assert_int_eq(pci_add_msix(&f, 0, 0), -EINVAL);
	ck_assert_int_eq(pci_add_msix(&f, 0, 129), -EINVAL);
	ck_assert_int_eq(pci_add_msix(&f, 0, 128), 0);
	ck_assert_int_eq(pci_add_msix(&f, 0, 1), -EINVAL);	/* the BAR is taken */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pci_interrupts");
	TCase *t = tcase_create("pci_interrupts");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_intx);
	tcase_add_test(t, test_intx_shared);
	tcase_add_test(t, test_pirq);
	tcase_add_test(t, test_msix_capability);
	tcase_add_test(t, test_msix_table);
	tcase_add_test(t, test_msix_sends);
	tcase_add_test(t, test_msix_vector_mask);
	tcase_add_test(t, test_msix_function_mask);
	tcase_add_test(t, test_msix_bus_master);
	tcase_add_test(t, test_msix_silences_intx);
	tcase_add_test(t, test_msix_refused);
	suite_add_tcase(s, t);
	return suite_run(s);
}
