/* SPDX-License-Identifier: MIT */
/*
 * virtio over PCI as a driver finds it: discovery, capabilities, the common
 * configuration; what virtio 1.2 demands of them (4.1; each test names the section).
 */
#include "virtio_pci_driver.h"

/* ---- 4.1.2 discovery ---- */

/* 4.1.2.1: vendor 0x1af4, device 0x1040 + type; revision SHOULD be 1 or more, subsystem 0x40. */
START_TEST(test_discovery)
{
	ck_assert_uint_eq(get(0, 4), 0x10441af4);
	ck_assert_uint_ge(get(PCI_REVISION, 1), 1);
	ck_assert_uint_ge(get(PCI_SUBSYSTEM, 2), 0x40);
	ck_assert_uint_eq(get(PCI_INTERRUPT_PIN, 1), 1);
}
END_TEST

START_TEST(test_classes)
{
	static const struct { uint16_t type; uint32_t class_code; } cases[] = {
		{ 1, 0x020000 }, { 2, 0x018000 }, { 4, 0xff0000 },
	};

	for (unsigned i = 0; i < 3; i++) {
		ops.type = cases[i].type;
		add();
		ck_assert_uint_eq(get(8, 4) >> 8, cases[i].class_code);
		ck_assert_uint_eq(get(2, 2), 0x1040 + cases[i].type);
	}
}
END_TEST

/* ---- 4.1.4 capabilities ---- */

/* 4.1.4.3.1, .4.1, .5.1, .6.1, .9.1: at least one of each MUST be there, aligned, inside a BAR;
 * 4.1.4.2: cap_len MUST include extra data. */
START_TEST(test_capabilities)
{
	static const struct { unsigned type, length, align, least; } wanted[] = {
		{ CAP_COMMON, 16, 4, 56 },
		{ CAP_NOTIFY, 20, 2, 2 },
		{ CAP_ISR, 16, 1, 1 },
		{ CAP_DEVICE, 16, 4, sizeof(config) },
		{ CAP_PCI, 20, 1, 0 },
	};

	for (unsigned i = 0; i < array_size(wanted); i++) {
		unsigned c = cap[wanted[i].type];
		uint32_t offset = get(c + 8, 4), length = get(c + 12, 4);

		ck_assert_msg(c, "no capability of type %u", wanted[i].type);
		ck_assert_uint_eq(get(c + 2, 1), wanted[i].length);
		ck_assert_uint_eq(offset % wanted[i].align, 0);
		ck_assert_uint_ge(length, wanted[i].least);
		ck_assert_uint_lt(get(c + 4, 1), 6);
		if (wanted[i].type != CAP_PCI)
			ck_assert_uint_le(offset + length, f->bar[get(c + 4, 1)].size);
	}
}
END_TEST

/* 4.1.4: fields are read-only, but those of the PCI configuration access. */
START_TEST(test_capabilities_readonly)
{
	for (unsigned type = CAP_COMMON; type <= CAP_DEVICE; type++)
		for (unsigned i = 0; i < 20; i += 4) {
			uint32_t was = get(cap[type] + i, 4);

			set(cap[type] + i, 4, ~was);
			ck_assert_uint_eq(get(cap[type] + i, 4), was);
		}
}
END_TEST

/* 4.1.4.6: no device configuration, no such capability needed. */
START_TEST(test_without_config)
{
	ops.config_size = 0;
	add();
	ck_assert_uint_eq(cap[CAP_DEVICE], 0);
	ck_assert_uint_ne(cap[CAP_PCI], 0);
}
END_TEST

/* 4.1.4.4.1: the multiplier is 0 or a power of two from 2 on;
 * length >= queue_notify_off * multiplier + 2 for all queues. */
START_TEST(test_notify_capability)
{
	uint32_t multiplier = get(cap[CAP_NOTIFY] + 16, 4);

	ck_assert_uint_eq(multiplier & (multiplier - 1), 0);
	ck_assert(multiplier != 1);
	for (unsigned q = 0; q < QUEUES; q++) {
		wr(QUEUE_SELECT, 2, q);
		ck_assert_uint_ge(get(cap[CAP_NOTIFY] + 12, 4),
				  rd(QUEUE_NOTIFY_OFF, 2) * multiplier + 2);
	}
}
END_TEST

/* ---- 4.1.4.3 common configuration ---- */

/* device_feature MUST show the bits from select * 32 on, 0 beyond those that exist. */
START_TEST(test_device_features)
{
	ck_assert_uint_eq(features(DEVICE_FEATURE_SELECT, DEVICE_FEATURE),
			  BIT(F_DEVICE) | BIT(28) | BIT(29) | BIT(32));
	for (uint32_t select = 2; select; select <<= 1) {
		wr(DEVICE_FEATURE_SELECT, 4, select);
		ck_assert_uint_eq(rd(DEVICE_FEATURE, 4), 0);
		ck_assert_uint_eq(rd(DEVICE_FEATURE_SELECT, 4), select);
	}
	wr(DEVICE_FEATURE_SELECT, 4, 0);
	wr(DEVICE_FEATURE, 4, 0);			/* read-only */
	ck_assert_uint_ne(rd(DEVICE_FEATURE, 4), 0);
}
END_TEST

/* driver_feature MUST show what the driver wrote, of the valid bits at least. */
START_TEST(test_driver_features)
{
	wr(DRIVER_FEATURE_SELECT, 4, 1);
	wr(DRIVER_FEATURE, 4, 1);
	wr(DRIVER_FEATURE_SELECT, 4, 0);
	wr(DRIVER_FEATURE, 4, BIT(F_DEVICE));
	wr(DRIVER_FEATURE_SELECT, 4, 2);
	wr(DRIVER_FEATURE, 4, 0xffffffff);		/* there are no such bits */
	ck_assert_uint_eq(rd(DRIVER_FEATURE, 4), 0);
	ck_assert_uint_eq(features(DRIVER_FEATURE_SELECT, DRIVER_FEATURE), BIT(32) | BIT(F_DEVICE));
	ck_assert_uint_eq(device.features, BIT(32) | BIT(F_DEVICE));
}
END_TEST

/* 2.2.2 by registers: FEATURES_OK that reads back as 0 is a refusal. */
START_TEST(test_features_refused)
{
	wr(STATUS, 1, 3);
	wr(STATUS, 1, 11);				/* without VERSION_1 */
	ck_assert_uint_eq(rd(STATUS, 1), 3);
}
END_TEST

/* The device MUST reset when 0 is written to status, and show 0 once that is done; queue_enable MUST
 * be 0 then; queue_size is the largest again. */
START_TEST(test_reset)
{
	drive();
	wr(QUEUE_SELECT, 2, 1);
	ck_assert_uint_eq(rd(QUEUE_SIZE_, 2), 8);
	resets = 0;
	wr(STATUS, 1, 0);
	ck_assert_uint_eq(resets, 1);
	ck_assert_uint_eq(rd(STATUS, 1), 0);
	for (unsigned q = 0; q < QUEUES; q++) {
		wr(QUEUE_SELECT, 2, q);
		ck_assert_uint_eq(rd(QUEUE_ENABLE, 2), 0);
		ck_assert_uint_eq(rd(QUEUE_SIZE_, 2), QUEUE_SIZE);
		ck_assert_uint_eq(rd(QUEUE_DESC, 4), 0);
	}
	ck_assert_uint_eq(features(DRIVER_FEATURE_SELECT, DRIVER_FEATURE), 0);
}
END_TEST

/* queue_size MUST be 0 for a queue that is not there, else a power of two. */
START_TEST(test_queue_size)
{
	ck_assert_uint_eq(rd(NUM_QUEUES, 2), QUEUES);
	for (unsigned q = 0; q < 70000; q = q * 2 + 1) {
		wr(QUEUE_SELECT, 2, q);
		ck_assert_uint_eq(rd(QUEUE_SIZE_, 2), (uint16_t)q < QUEUES ? QUEUE_SIZE : 0);
		if (q >= QUEUES && q < 65536) {
			wr64(QUEUE_DESC, 0x1000);
			wr(QUEUE_ENABLE, 2, 1);
			wr(QUEUE_VECTOR, 2, 1);
			ck_assert_uint_eq(rd(QUEUE_DESC, 4), 0);
			ck_assert_uint_eq(rd(QUEUE_ENABLE, 2), 0);
		}
	}
	wr(QUEUE_SELECT, 2, 0);
	for (unsigned size = 0; size < 1000; size++) {
		uint32_t read;

		wr(QUEUE_SIZE_, 2, size);
		read = rd(QUEUE_SIZE_, 2);
		ck_assert(read && !(read & (read - 1)) && read <= QUEUE_SIZE);
	}
}
END_TEST

/* 4.1.3.1: 64-bit fields as two independent halves. */
START_TEST(test_queue_addresses)
{
	wr(QUEUE_SELECT, 2, 2);
	for (unsigned field = QUEUE_DESC; field <= QUEUE_DEVICE; field += 8) {
		wr(field + 4, 4, 0x12345678);
		wr(field, 4, 0x9abcdef0 + field);
		ck_assert_uint_eq(rd(field, 4), 0x9abcdef0 + field);
		ck_assert_uint_eq(rd(field + 4, 4), 0x12345678);
		ck_assert_uint_eq(rd(field + 6, 2), 0x1234);
	}
	ck_assert_uint_eq(device.queue[2].used.v, 0x123456789abcdef0 + QUEUE_DEVICE);
	wr(QUEUE_SELECT, 2, 1);
	ck_assert_uint_eq(rd(QUEUE_DESC, 4), 0);
}
END_TEST

/* 4.1.4.3.2: a queue in use is not changed under way. */
START_TEST(test_enabled_queue_is_fixed)
{
	drive();
	wr(QUEUE_SELECT, 2, 0);
	wr64(QUEUE_DESC, 0x7000);
	wr(QUEUE_SIZE_, 2, 16);
	wr(QUEUE_ENABLE, 2, 0);
	ck_assert_uint_eq(rd(QUEUE_DESC, 4), QUEUE_AT(0));
	ck_assert_uint_eq(rd(QUEUE_SIZE_, 2), 8);
	ck_assert_uint_eq(rd(QUEUE_ENABLE, 2), 1);
}
END_TEST

START_TEST(test_queue_nowhere)
{
	negotiate(BIT(32));
	queue_set(0, QUEUE_AT(0));
	wr64(QUEUE_DEVICE, RAM);
	wr(QUEUE_ENABLE, 2, 1);
	ck_assert_uint_eq(rd(QUEUE_ENABLE, 2), 0);
	ck_assert_uint_eq(rd(STATUS, 1) & 64, 64);
}
END_TEST

/* 4.1.4.3.1: config_generation MUST differ after a changed value was read. */
START_TEST(test_generation)
{
	uint8_t before;

	drive();
	before = (uint8_t)rd(GENERATION, 1);
	bus_mmio_read(GPA(place(CAP_DEVICE)), 4);
	ck_assert_uint_eq(rd(GENERATION, 1), before);
	virtio_config_changed(&device);
	bus_mmio_read(GPA(place(CAP_DEVICE)), 4);
	ck_assert_uint_ne(rd(GENERATION, 1), before);
	wr(GENERATION, 1, before);			/* read-only */
	ck_assert_uint_ne(rd(GENERATION, 1), before);
}
END_TEST

/* Accesses that no driver may make (4.1.3.1): harmless. */
START_TEST(test_odd_accesses)
{
	uint64_t at = place(CAP_COMMON);

	drive();
	for (unsigned offset = 0; offset < 0x200; offset++)
		for (unsigned size = 1; size <= 8; size *= 2)
			bus_mmio_read(GPA(at + offset), size);
	wr(STATUS, 4, 0);				/* not status' width: no reset */
	wr(QUEUE_SELECT, 1, 1);
	bus_mmio_write(GPA(at + QUEUE_SELECT + 1), 2, 0x0101);
	ck_assert_uint_eq(rd(STATUS, 1), 15);
	ck_assert_uint_eq(rd(QUEUE_SELECT, 2), QUEUES - 1);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + CONFIG_VECTOR), 8),
			  0xffff | QUEUES << 16 | 15ull << 32 | rd(GENERATION, 1) << 8 |
				  (uint64_t)(QUEUES - 1) << 48);
	ck_assert_uint_eq(bus_mmio_read(GPA(at + 56), 8), 0);
	bus_mmio_write(GPA(at + 56), 4, ~0u);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("virtio_pci");
	TCase *t = tcase_create("virtio_pci");

	if (driver_ram())
		return EXIT_FAILURE;
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_discovery);
	tcase_add_test(t, test_classes);
	tcase_add_test(t, test_capabilities);
	tcase_add_test(t, test_capabilities_readonly);
	tcase_add_test(t, test_without_config);
	tcase_add_test(t, test_notify_capability);
	tcase_add_test(t, test_device_features);
	tcase_add_test(t, test_driver_features);
	tcase_add_test(t, test_features_refused);
	tcase_add_test(t, test_reset);
	tcase_add_test(t, test_queue_size);
	tcase_add_test(t, test_queue_addresses);
	tcase_add_test(t, test_enabled_queue_is_fixed);
	tcase_add_test(t, test_queue_nowhere);
	tcase_add_test(t, test_generation);
	tcase_add_test(t, test_odd_accesses);
	suite_add_tcase(s, t);
	return suite_run(s);
}
