/* SPDX-License-Identifier: MIT */
/*
 * virtio over PCI at work: notifications both ways, the device's configuration, access
 * by configuration space; what virtio 1.2 demands (4.1; each test names the section).
 */
#include "virtio_pci_driver.h"

/* ---- 4.1.4.4, 4.1.5.2 notification ---- */

START_TEST(test_notify)
{
	uint32_t multiplier = get(cap[CAP_NOTIFY] + 16, 4);

	drive();
	for (unsigned q = 0; q < QUEUES; q++) {
		wr(QUEUE_SELECT, 2, q);
		bus_mmio_write(GPA(place(CAP_NOTIFY) + rd(QUEUE_NOTIFY_OFF, 2) * multiplier), 2, q);
		ck_assert_uint_eq(notified[q], 1);
		ck_assert_uint_eq(last_notified, q);
	}
	for (unsigned offset = QUEUES * multiplier; offset < 0x1000; offset += 2)
		bus_mmio_write(GPA(place(CAP_NOTIFY) + offset), 2, 0);
	bus_mmio_read(GPA(place(CAP_NOTIFY)), 2);
	ck_assert_uint_eq(notified[0] + notified[1] + notified[2], 3);
}
END_TEST

/* ---- 4.1.4.5 ISR status, INTx ---- */

/* Without MSI-X: ISR bit 0 MUST be set for queues, bit 1 for configuration changes; the status
 * register's bit 3 MUST be the OR of all; reading MUST reset ISR (and ends the interrupt). */
START_TEST(test_isr)
{
	drive();
	use(0);
	ck_assert_uint_ne(gsi_lines, 0);
	ck_assert_uint_eq(get(PCI_STATUS, 2) & 8, 8);
	ck_assert_uint_eq(isr(), 1);
	ck_assert_uint_eq(gsi_lines, 0);
	ck_assert_uint_eq(get(PCI_STATUS, 2) & 8, 0);
	ck_assert_uint_eq(isr(), 0);
	virtio_config_changed(&device);
	ck_assert_uint_ne(gsi_lines, 0);
	use(2);
	ck_assert_uint_eq(isr(), 3);
	ck_assert_uint_eq(gsi_lines, 0);
	ck_assert_uint_eq(message.count, 0);
	/* Other bytes of the structure have no side effect; nor has writing. */
	use(0);
	bus_mmio_read(GPA(place(CAP_ISR) + 4), 4);
	bus_mmio_write(GPA(place(CAP_ISR)), 1, 0);
	ck_assert_uint_ne(gsi_lines, 0);
	wr(STATUS, 1, 0);
	ck_assert_uint_eq(gsi_lines, 0);
	ck_assert_uint_eq(isr(), 0);
}
END_TEST

START_TEST(test_intx_disabled)
{
	drive();
	set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX);
	use(0);
	ck_assert_uint_eq(gsi_lines, 0);
	ck_assert_uint_eq(get(PCI_STATUS, 2) & 8, 8);
}
END_TEST

/* ---- 4.1.5.1.2 MSI-X ---- */

/* Table Size MUST report the vectors; SHOULD be at least two. */
START_TEST(test_msix_size)
{
	ck_assert_uint_ne(msix(), 0);
	ck_assert_uint_eq(get(msix() + 2, 2) & 0x7ff, QUEUES + 1 - 1);
}
END_TEST

/* Any event MUST be mappable to any vector, and unmappable; what cannot be had MUST read as
 * NO_VECTOR; all unmapped on reset. */
START_TEST(test_msix_mapping)
{
	for (unsigned field = 0; field <= QUEUES; field++) {
		unsigned reg = field < QUEUES ? QUEUE_VECTOR : CONFIG_VECTOR;

		wr(QUEUE_SELECT, 2, field < QUEUES ? field : 0);
		ck_assert_uint_eq(rd(reg, 2), NO_VECTOR);
		for (unsigned v = 0; v <= QUEUES; v++) {
			wr(reg, 2, v);
			ck_assert_uint_eq(rd(reg, 2), v);
		}
		wr(reg, 2, QUEUES + 1);
		ck_assert_uint_eq(rd(reg, 2), NO_VECTOR);
		wr(reg, 2, 0);
		wr(reg, 2, NO_VECTOR);
		ck_assert_uint_eq(rd(reg, 2), NO_VECTOR);
		wr(reg, 2, 1);
	}
	wr(STATUS, 1, 0);
	ck_assert_uint_eq(rd(CONFIG_VECTOR, 2), NO_VECTOR);
	for (unsigned q = 0; q < QUEUES; q++) {
		wr(QUEUE_SELECT, 2, q);
		ck_assert_uint_eq(rd(QUEUE_VECTOR, 2), NO_VECTOR);
	}
}
END_TEST

/* 4.1.5.3.1, 4.1.5.4.1: the mapped vector is sent; with NO_VECTOR an interrupt MUST NOT be. */
START_TEST(test_msix_interrupts)
{
	drive();
	msix_enable();
	use(1);
	virtio_config_changed(&device);
	ck_assert_uint_eq(message.count, 0);
	wr(QUEUE_SELECT, 2, 1);
	wr(QUEUE_VECTOR, 2, 2);				/* while in use, as drivers may */
	wr(CONFIG_VECTOR, 2, 3);
	use(1);
	ck_assert_uint_eq(message.count, 1);
	ck_assert_uint_eq(message.data, 0x42);
	use(0);
	ck_assert_uint_eq(message.count, 1);
	virtio_config_changed(&device);
	ck_assert_uint_eq(message.data, 0x43);
	ck_assert_uint_eq(gsi_lines, 0);
	/* 4.1.4.5.1: the configuration bit MUST be set with MSI-X, too; the queue's not. */
	ck_assert_uint_eq(isr(), 2);
}
END_TEST

/* ---- 4.1.4.6 device configuration ---- */

START_TEST(test_device_config)
{
	uint64_t at = place(CAP_DEVICE);

	ck_assert_uint_eq(bus_mmio_read(GPA(at), 1), 0xa0);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 2), 2), 0xa3a2);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 4), 4), 0xa7a6a5a4);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 8), 8), 0xafaeadacabaaa9a8);
	bus_mmio_write(GPA(at + 16), 2, 0x1122);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 16), 4), 0xb3b21122);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 20), 4), 0);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 18), 4), 0);	/* across the end */
	bus_mmio_write(GPA(at + 18), 4, ~0u);
	bus_mmio_write(GPA(at + 0xffc), 4, ~0u);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 18), 2), 0xb3b2);
}
END_TEST

/* ---- 4.1.4.9 access by configuration space ---- */

static void window(uint64_t at, unsigned length)
{
	set(cap[CAP_PCI] + 4, 1, 0);
	set(cap[CAP_PCI] + 8, 4, (uint32_t)(at - bar[0]));
	set(cap[CAP_PCI] + 12, 4, length);
}

/* Writing pci_cfg_data MUST write to the BAR, reading MUST read from it, `length` bytes at `offset`. */
START_TEST(test_window)
{
	unsigned data = cap[CAP_PCI] + 16;

	window(place(CAP_DEVICE) + 4, 4);
	ck_assert_uint_eq(get(data, 4), 0xa7a6a5a4);
	ck_assert_uint_eq(get(data + 2, 2), 0xa7a6);
	window(place(CAP_DEVICE) + 4, 2);
	ck_assert_uint_eq(get(data, 4), 0xa5a4);
	set(data, 2, 0x7788);
	window(place(CAP_DEVICE) + 7, 1);
	ck_assert_uint_eq(get(data, 1), 0xa7);
	set(data, 4, 0xffffff99);
	ck_assert_uint_eq(bus_mmio_read(GPA(place(CAP_DEVICE) + 4), 4), 0x99a67788);
	ck_assert_uint_eq(config_written, 0x99);
	window(place(CAP_COMMON) + STATUS, 1);
	set(data, 1, 1);
	ck_assert_uint_eq(rd(STATUS, 1), 1);
	wr(QUEUE_SELECT, 2, 1);
	ck_assert_uint_eq(get(data, 4), 1);		/* a byte, not its neighbours */
	/* A whole driver could live on it: kicks and ISR, too, and with memory decode off. */
	drive();
	set(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	window(place(CAP_NOTIFY), 2);
	set(data, 2, 0);
	ck_assert_uint_eq(notified[0], 1);
	use(0);
	window(place(CAP_ISR), 1);
	ck_assert_uint_eq(get(data, 1), 1);
	ck_assert_uint_eq(get(data, 1), 0);
	ck_assert_uint_eq(gsi_lines, 0);
}
END_TEST

/* What it must not be asked for does nothing. */
START_TEST(test_window_misused)
{
	static const struct { uint32_t bar, offset, length; } cases[] = {
		{ 0, 0, 0 }, { 0, 0, 3 }, { 0, 0, 8 }, { 0, 0, UINT32_MAX }, { 0, 2, 4 }, { 0, 1, 2 },
		{ 0, 0x4000, 4 }, { 0, 0xfffffffc, 4 }, { 1, 0, 4 }, { 5, 0, 4 }, { 255, 0, 4 },
	};
	unsigned data = cap[CAP_PCI] + 16;

	drive();
	for (unsigned i = 0; i < array_size(cases); i++) {
		set(cap[CAP_PCI] + 4, 1, cases[i].bar);
		set(cap[CAP_PCI] + 8, 4, cases[i].offset);
		set(cap[CAP_PCI] + 12, 4, cases[i].length);
		set(data, 4, 0x5a5a5a5a);
		ck_assert_uint_eq(get(data, 4), 0x5a5a5a5a);	/* just a register */
	}
	ck_assert_uint_eq(rd(DEVICE_FEATURE_SELECT, 4), 0);
	ck_assert_uint_eq(rd(STATUS, 1), 15);
}
END_TEST

/* ---- bus mastering ---- */

/* PCI 3.0, 6.2.2: without it the device touches no memory; what came meanwhile is seen later. */
START_TEST(test_bus_master)
{
	drive();
	set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	((uint16_t *)(LAYOUT_RAM + QUEUE_AT(1) + 0x200))[1]++;
	bus_mmio_write(GPA(place(CAP_NOTIFY) + 4), 2, 1);
	ck_assert_uint_eq(notified[1], 0);
	ck_assert(!virtio_running(&device));
	set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	ck_assert_uint_eq(notified[1], 1);
	ck_assert_uint_eq(notified[0], 0);
	ck_assert(virtio_running(&device));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("virtio_pci_running");
	TCase *t = tcase_create("virtio_pci_running");

	if (driver_ram())
		return EXIT_FAILURE;
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_notify);
	tcase_add_test(t, test_isr);
	tcase_add_test(t, test_intx_disabled);
	tcase_add_test(t, test_msix_size);
	tcase_add_test(t, test_msix_mapping);
	tcase_add_test(t, test_msix_interrupts);
	tcase_add_test(t, test_device_config);
	tcase_add_test(t, test_window);
	tcase_add_test(t, test_window_misused);
	tcase_add_test(t, test_bus_master);
	suite_add_tcase(s, t);
	return suite_run(s);
}
