/* SPDX-License-Identifier: MIT */
/*
 * PCI as a guest sees it: configuration space (PCI 3.0, chapter 6), BARs wherever a
 * guest puts them, what firmware leaves.
 */
#include "pci_guest.h"

#include <errno.h>

static unsigned hook_offset, hook_size, hook_count;

static inline void on_config(struct pci_function *f, unsigned offset, unsigned size)
{
	(void)f;
	hook_offset = offset;
	hook_size = size;
	hook_count++;
}

static inline bool on_read(struct pci_function *f, unsigned offset, unsigned size, uint32_t *value)
{
	(void)f;
	if (offset != 0xf0)
		return false;
	*value = size;
	return true;
}

/* ---- configuration space ---- */

/* 3.2.2.3.2: 31 enables; bytes and words by the data port's address; who is not there: ones. */
START_TEST(test_mechanism)
{
	ck_assert_uint_eq(get(&a, 0, 4), 0x56781234);
	ck_assert_uint_eq(get(&a, 2, 2), 0x5678);
	ck_assert_uint_eq(get(&a, 3, 1), 0x56);
	ck_assert_uint_eq(bus_pio_read(PCIHOST_PORT, 4), 0x80002000);
	bus_pio_write(PCIHOST_PORT, 4, 0x2000);
	ck_assert_uint_eq(bus_pio_read(PCIHOST_PORT + 4, 4), NONE);
	bus_pio_write(PCIHOST_PORT, 4, 0x80002000 | 1u << 16);	/* bus 1 */
	ck_assert_uint_eq(bus_pio_read(PCIHOST_PORT + 4, 4), NONE);
	bus_pio_write(PCIHOST_PORT, 4, 0x80002000 | 1u << 24);	/* extended register number */
	ck_assert_uint_eq(bus_pio_read(PCIHOST_PORT + 4, 4), NONE);
	address(5, 0, 0);
	ck_assert_uint_eq(bus_pio_read(PCIHOST_PORT + 4, 4), NONE);
	bus_pio_write(PCIHOST_PORT + 4, 4, 0);
	address(4, 0, 0x3c);
	bus_pio_write(PCIHOST_PORT + 6, 4, 0);		/* past the data register */
	ck_assert_uint_eq(bus_pio_read(PCIHOST_PORT + 7, 2), 0xff00);
}
END_TEST

/* 6.2.1: identity; 6.2.4: subsystem; bit 7 of the header type where functions follow. */
START_TEST(test_identity)
{
	ck_assert_uint_eq(get(&a, PCI_REVISION, 4), 0x02000003);
	ck_assert_uint_eq(get(&a, PCI_SUBSYSTEM_VENDOR, 4), 0xef01abcd);
	ck_assert_uint_eq(get(&a, PCI_HEADER_TYPE, 1), 0x80);
	ck_assert_uint_eq(get(&b, PCI_HEADER_TYPE, 1), 0);
	ck_assert_uint_eq(get(pci_find(0, 0), 0, 4), 0x00081b36);
	ck_assert_uint_eq(get(pci_find(0, 0), 8, 4), 0x06000000);
	ck_assert_uint_eq(get(pci_find(1, 0), 0, 4), 0x70008086);
	ck_assert_uint_eq(get(pci_find(1, 0), 8, 4), 0x06010000);
	ck_assert_uint_eq(get(pci_find(1, 0), PCI_HEADER_TYPE, 1), 0);
	ck_assert_ptr_null(pci_find(32, 0));
	ck_assert_ptr_null(pci_find(0, 8));
}
END_TEST

/* 6.1: what is read-only or not there takes writes and does nothing with them. */
START_TEST(test_readonly)
{
	uint32_t before[16];

	for (unsigned i = 0; i < 16; i++)
		before[i] = get(&b, i * 4, 4);
	for (unsigned i = 0; i < 64; i++)
		set(&b, i * 4, 4, NONE);
	ck_assert_uint_eq(get(&b, 0, 4), before[0]);
	ck_assert_uint_eq(get(&b, PCI_COMMAND, 4), PCI_COMMAND_WRITABLE);
	ck_assert_uint_eq(get(&b, 8, 4), before[2]);
	ck_assert_uint_eq(get(&b, 0x0c, 4), 0x0000f8ff);
	for (unsigned i = 5; i < 15; i++)
		ck_assert_uint_eq(get(&b, i * 4, 4), 0);
	ck_assert_uint_eq(get(&b, 0x3c, 4), 0x01ff);
	for (unsigned i = 16; i < 64; i++)
		ck_assert_uint_eq(get(&b, i * 4, 4), 0);
	/* 6.2.3: error bits of status are cleared by writing 1. */
	pci_set16(b.config + PCI_STATUS, 0xf900);
	set(&b, PCI_STATUS, 2, 0x1000);
	ck_assert_uint_eq(get(&b, PCI_STATUS, 2), 0xe900);
	set(&b, PCI_STATUS, 2, 0);
	ck_assert_uint_eq(get(&b, PCI_STATUS, 2), 0xe900);
	/* The host bridge has nothing to set at all. */
	for (unsigned i = 0; i < 64; i++)
		set(pci_find(0, 0), i * 4, 4, NONE);
	ck_assert_uint_eq(get(pci_find(0, 0), PCI_COMMAND, 4), 6);
	ck_assert_uint_eq(get(pci_find(0, 0), 0x3c, 4), 0);
}
END_TEST

START_TEST(test_hooks)
{
	a.config_written = on_config;
	a.config_read = on_read;
	set(&a, 0x3c, 1, 9);
	ck_assert_uint_eq(hook_count, 1);
	ck_assert_uint_eq(hook_offset, 0x3c);
	ck_assert_uint_eq(hook_size, 1);
	ck_assert_uint_eq(get(&a, 0xf0, 2), 2);
	ck_assert_uint_eq(get(&a, 0xf4, 2), 0);
}
END_TEST

/* 6.7: the list starts at 0x34, entries are dwords apart, status bit 4 says that it is there. */
START_TEST(test_capabilities)
{
	unsigned first = get(&a, PCI_CAPABILITIES, 1), second = pci_add_capability(&a, 9, 13);

	ck_assert_uint_eq(get(&a, PCI_STATUS, 2) & 0x10, 0x10);
	ck_assert_uint_eq(get(&b, PCI_STATUS, 2) & 0x10, 0);
	ck_assert_uint_eq(get(&b, PCI_CAPABILITIES, 1), 0);
	ck_assert_uint_eq(get(&a, first, 1), 0x11);
	ck_assert_uint_eq(get(&a, first + 1, 1), second);
	ck_assert_uint_ge(second, first + 12);
	ck_assert_uint_eq(second % 4, 0);
	ck_assert_uint_eq(get(&a, second, 2), 9);
	ck_assert_uint_eq(pci_add_capability(&a, 9, 2), second + 16);
}
END_TEST

/* ---- BARs ---- */

/* 6.2.5.1: all ones written, the size is read; the low bits tell the kind. */
START_TEST(test_bar_sizing)
{
	set(&a, PCI_BAR(0), 4, NONE);
	ck_assert_uint_eq(get(&a, PCI_BAR(0), 4), 0xffffc000);
	set(&a, PCI_BAR(2), 4, NONE);
	ck_assert_uint_eq(get(&a, PCI_BAR(2), 4), 0xffffffe1);
	set(&a, PCI_BAR(1), 4, NONE);
	ck_assert_uint_eq(get(&a, PCI_BAR(1), 4), 0);
	set(&a, 0x30, 4, NONE);		/* no expansion ROM */
	ck_assert_uint_eq(get(&a, 0x30, 4), 0);
}
END_TEST

/* 6.2.2: the command register says whether BARs answer. */
START_TEST(test_bar_decode)
{
	set(&a, PCI_BAR(0), 4, MMIO);
	set(&a, PCI_BAR(2), 4, IO);
	ck_assert_uint_eq(mmio(MMIO + 8), NONE);
	command(&a, MEMORY);
	ck_assert_uint_eq(mmio(MMIO + 8), 0x11000084);
	ck_assert_uint_eq(mmio(MMIO + 0x3ffc), 0x1103ffc4);
	ck_assert_uint_eq(mmio(MMIO + 0x4000), NONE);
	ck_assert_uint_eq(bus_pio_read(IO, 1), 0xff);
	command(&a, PCI_COMMAND_IO);
	ck_assert_uint_eq(mmio(MMIO + 8), NONE);
	ck_assert_uint_eq(bus_pio_read(IO + 4, 4), 0x22000044);
	ck_assert_uint_eq(bus_pio_read(IO + 31, 1), 0xf1);
	ck_assert_uint_eq(bus_pio_read(IO + 32, 1), 0xff);
	bus_pio_write(IO + 2, 2, 0xbeef);
	ck_assert_ptr_eq(last.device, &window_id[1]);
	ck_assert_uint_eq(last.offset, 2);
	ck_assert_uint_eq(last.value, 0xbeef);
	command(&a, 0);
	ck_assert_uint_eq(bus_pio_read(IO, 1), 0xff);
}
END_TEST

START_TEST(test_bar_moves)
{
	command(&a, MEMORY | PCI_COMMAND_IO);
	ck_assert_uint_eq(mmio(0), NONE);		/* not placed: nowhere */
	set(&a, PCI_BAR(0), 4, MMIO);
	set(&a, PCI_BAR(0), 4, MMIO + 0x104000);
	ck_assert_uint_eq(mmio(MMIO), NONE);
	ck_assert_uint_eq(mmio(MMIO + 0x104004), 0x11000044);
	/* A byte at a time, as some do it. */
	set(&a, PCI_BAR(0) + 3, 1, 0xe0);
	ck_assert_uint_eq(mmio(MMIO + 0x104000), NONE);
	ck_assert_uint_eq(mmio(0xe0104000), 0x11000004);
	set(&a, PCI_BAR(0), 4, 0xffffc000);		/* to the very end of 32 bits */
	ck_assert_uint_eq(mmio(0xfffffff0), 0x1103ff04);
	ck_assert_uint_eq(mmio(0x100000000), NONE);
	for (unsigned i = 0; i < 300; i++) {		/* more often than the bus has entries */
		set(&a, PCI_BAR(2), 4, IO + i * 32);
		ck_assert_uint_eq(bus_pio_read((uint16_t)(IO + i * 32), 4), 0x22000004);
	}
	set(&a, PCI_BAR(2), 4, 0x1d000);		/* ports end at 64 KiB */
	ck_assert_uint_eq(bus_pio_read(IO, 4), NONE);
	set(&a, PCI_BAR(2), 4, 0xffe0);
	ck_assert_uint_eq(bus_pio_read(0xffff, 1), 0xf1);
}
END_TEST

START_TEST(test_bar_overlaps)
{
	static uint8_t fixed = 0x77;

	ck_assert_int_eq(bus_add_mmio(GPA(0xfec00000), 0x1000, &window_ops, &fixed, "fixed"), 0);
	ck_assert_int_eq(bus_add_pio(0x3f8, 8, &window_ops, &fixed, "fixed"), 0);
	command(&a, MEMORY | PCI_COMMAND_IO);
	command(&b, MEMORY);
	set(&a, PCI_BAR(0), 4, MMIO);
	set(&b, PCI_BAR(0), 4, MMIO + 0x1000);		/* within a's: refused */
	ck_assert_uint_eq(mmio(MMIO + 0x1000), 0x11010004);
	set(&a, PCI_BAR(0), 4, MMIO + 0x8000);		/* away: b's turn */
	ck_assert_uint_eq(mmio(MMIO + 0x1000), 0x33000004);
	ck_assert_uint_eq(mmio(MMIO + 0x8000), 0x11000004);
	set(&a, PCI_BAR(0), 4, MMIO);			/* around b's: nowhere now */
	ck_assert_uint_eq(mmio(MMIO), NONE);
	ck_assert_uint_eq(mmio(MMIO + 0x8000), NONE);
	ck_assert_uint_eq(mmio(MMIO + 0x1000), 0x33000004);
	command(&b, 0);					/* out of the way */
	ck_assert_uint_eq(mmio(MMIO + 0x1000), 0x11010004);
	/* Onto what is not a PCI device's. */
	set(&a, PCI_BAR(0), 4, 0xfec00000);
	ck_assert_uint_eq(mmio(0xfec00000), 0x77000004);
	ck_assert_uint_eq(mmio(MMIO), NONE);
	set(&a, PCI_BAR(2), 4, 0x3e0);
	ck_assert_uint_eq(bus_pio_read(0x3f8, 1), 0x01);
	ck_assert_uint_eq(bus_pio_read(0x3e0, 4), NONE);
	set(&a, PCI_BAR(2), 4, IO);
	ck_assert_uint_eq(bus_pio_read(IO, 4), 0x22000004);
	ck_assert_uint_eq(bus_pio_read(0x3f8, 4), 0x77000004);
}
END_TEST

/* Every place, every combination: no crash, and at the end all is as it should be. */
START_TEST(test_bar_shuffle)
{
	static const uint32_t places[] = { 0, MMIO, MMIO + 0x1000, MMIO + 0x4000, 0xfffff000, NONE };
	struct pci_function *all[] = { &a, &b, &c };
	unsigned seed = 1;

	for (unsigned i = 0; i < 20000; i++) {
		struct pci_function *f = all[i % 3];

		seed = seed * 1103515245 + 12345;
		if (seed >> 16 & 1)
			set(f, PCI_BAR(seed >> 17 & 7), 4, places[(seed >> 20) % 6]);
		else
			command(f, seed >> 17);
	}
	for (unsigned i = 0; i < 3; i++)
		command(all[i], 0);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_ptr_null(bus_mmio_name(GPA(places[i])));
	set(&a, PCI_BAR(0), 4, MMIO);
	set(&b, PCI_BAR(0), 4, MMIO + 0x4000);
	set(&c, PCI_BAR(0), 4, MMIO + 0x5000);
	set(&a, PCI_BAR(2), 4, IO);
	command(&a, MEMORY | PCI_COMMAND_IO);
	command(&b, MEMORY);
	command(&c, MEMORY);
	ck_assert_uint_eq(mmio(MMIO + 0x3ffc), 0x1103ffc4);
	ck_assert_uint_eq(mmio(MMIO + 0x4000), 0x33000004);
	ck_assert_uint_eq(mmio(MMIO + 0x5000), 0x44000004);
	ck_assert_uint_eq(bus_pio_read(IO, 1), 0x01);
}
END_TEST

/* ---- firmware ---- */

START_TEST(test_assign)
{
	struct pci_function *all[] = { &a, &b, &c };
	static struct pci_function late = { .name = "late" };
	uint32_t bar0;

	pci_assign();
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned n = 0; n < PCI_BARS; n++) {
			uint32_t size = all[i]->bar[n].size, reg = get(all[i], PCI_BAR(n), 4);
			bool io = reg & 1;

			if (!size)
				continue;
			reg &= ~1u;
			ck_assert_uint_eq(reg % size, 0);
			ck_assert_uint_ge(reg, io ? PCI_IO_BASE : PCI_MMIO_BASE);
			ck_assert_uint_le(reg + size, io ? PCI_IO_END : PCI_MMIO_END);
			ck_assert(all[i]->bar[n].mapped);	/* so no two overlap */
		}
		ck_assert(!pci_bus_master(all[i]));
	}
	ck_assert_uint_eq(get(&a, PCI_COMMAND, 2), 3);
	ck_assert_uint_eq(get(&b, PCI_COMMAND, 2), 2);
	ck_assert_uint_eq(get(&a, PCI_INTERRUPT_LINE, 1), 10);
	ck_assert_uint_eq(get(&b, PCI_INTERRUPT_LINE, 1), 10);
	ck_assert_uint_eq(get(pci_find(1, 0), PCI_INTERRUPT_LINE, 1), 0);
	/* Again, with one more. */
	bar0 = get(&a, PCI_BAR(0), 4);
	pci_identify(&late, 1, 2, 0, 0);
	pci_use_intx(&late, 3);
	late.bar[1] = (struct pci_bar){ .size = 0x100000, .ops = &window_ops, .device = &late };
	ck_assert_int_eq(pci_add(&late, 3, 0), 0);
	pci_assign();
	ck_assert_uint_eq(get(&a, PCI_BAR(0), 4), bar0);
	ck_assert(late.bar[1].mapped);
	ck_assert_uint_eq(get(&late, PCI_INTERRUPT_LINE, 1), 10);	/* (3 + 2) % 4: line 1 */
}
END_TEST

/* What does not fit stays without a place; the rest is not harmed. */
START_TEST(test_assign_too_much)
{
	static const uint32_t sizes[] = { 0x10000000, 0x10000000, 0x08000000, 0x04000000, 0x02000000,
					  0x01000000, 0x00800000, 0x20000000, 0x1000 };
	static const bool fits[] = { true, true, true, true, true, false, true, false, true };
	static struct pci_function big[9];

	for (unsigned i = 0; i < 9; i++) {
		pci_identify(&big[i], 1, 2, 0, 0);
		big[i].name = "big";
		big[i].bar[0] = (struct pci_bar){ .size = sizes[i], .ops = &window_ops, .device = &big[i] };
		ck_assert_int_eq(pci_add(&big[i], -1, 0), 0);
	}
	pci_assign();
	ck_assert(a.bar[0].mapped);
	for (unsigned i = 0; i < 9; i++) {
		ck_assert_msg(big[i].bar[0].mapped == fits[i], "number %u", i);
		ck_assert(fits[i] || !get(&big[i], PCI_BAR(0), 4));
	}
}
END_TEST

START_TEST(test_slots)
{
	static struct pci_function many[40];
	unsigned added = 0;

	ck_assert_int_eq(pci_add(&many[0], 4, 0), -EEXIST);
	ck_assert_int_eq(pci_add(&many[0], 32, 0), -EINVAL);
	ck_assert_int_eq(pci_add(&many[0], 0, 8), -EINVAL);
	while (added < 40 && !pci_add(&many[added], -1, 0))
		added++;
	ck_assert_uint_eq(added, PCI_SLOTS - PCI_SLOT_FIRST - 2);	/* a's and b's are taken */
	ck_assert_int_eq(pci_add(&many[added], -1, 0), -ENOSPC);
	ck_assert_uint_eq(many[0].slot, PCI_SLOT_FIRST);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pci");
	TCase *t = tcase_create("pci");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_mechanism);
	tcase_add_test(t, test_identity);
	tcase_add_test(t, test_readonly);
	tcase_add_test(t, test_hooks);
	tcase_add_test(t, test_capabilities);
	tcase_add_test(t, test_bar_sizing);
	tcase_add_test(t, test_bar_decode);
	tcase_add_test(t, test_bar_moves);
	tcase_add_test(t, test_bar_overlaps);
	tcase_add_test(t, test_bar_shuffle);
	tcase_add_test(t, test_assign);
	tcase_add_test(t, test_assign_too_much);
	tcase_add_test(t, test_slots);
	suite_add_tcase(s, t);
	return suite_run(s);
}
