// SPDX-License-Identifier: MIT
/* virtio-rng: buffers filled, bounded work, hostile buffers (virtio 1.2, 5.4). */
#include "device_fakes.h"
#include "virtio_driver.h"

#include "device/virtio_rng.h"

static void setup(void)
{
	ck_assert_int_eq(virtio_rng_add(), 0);
}

static bool all_zero(uint64_t gpa, uint32_t len)
{
	const uint8_t *p = guest(gpa);

	for (uint32_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

START_TEST(test_5_4_identity_and_no_features)
{
	ck_assert_uint_eq(dev->ops->type, 4);
	ck_assert_uint_eq(dev->queue_count, 1);
	ck_assert_uint_eq(dev->offered & 0xffffff, 0);
	ck_assert(driver_start(0, 16));
}
END_TEST

/* 5.4.6.2: "The device MUST place one or more random bytes into the buffer". */
START_TEST(test_5_4_6_2_buffers_get_bytes)
{
	uint32_t id, len, before = irqs[0];
	uint64_t a, b;

	ck_assert(driver_start(0, 16));
	a = guest_alloc(64);
	b = guest_alloc(64);
	driver_offer_in(0, a, 64);
	driver_offer_in(0, b, 64);
	driver_kick(0);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(driver_used(0, &id, &len));
		ck_assert_uint_eq(id, i);
		ck_assert_uint_eq(len, 64);
	}
	ck_assert(!driver_used(0, &id, &len));
	ck_assert(!all_zero(a, 64) && !all_zero(b, 64));
	ck_assert(memcmp(guest(a), guest(b), 64));
	ck_assert_uint_eq(irqs[0], before + 1);
}
END_TEST

START_TEST(test_one_byte_and_scattered)
{
	uint64_t a;
	uint32_t id, len;

	ck_assert(driver_start(0, 16));
	a = guest_alloc(4096);
	driver_offer_in(0, a, 1);
	driver_kick(0);
	ck_assert(driver_used(0, &id, &len));
	ck_assert_uint_eq(len, 1);
	ck_assert(all_zero(a + 1, 100));
	driver_offer(0, (struct driver_part[]){ { a + 100, 32, true }, { a + 200, 32, true } }, 2);
	driver_kick(0);
	ck_assert(driver_used(0, &id, &len));
	ck_assert_uint_eq(len, 64);
	ck_assert(!all_zero(a + 100, 32) && !all_zero(a + 200, 32));
	ck_assert(all_zero(a + 132, 68) && all_zero(a + 232, 100));
}
END_TEST

/* 5.4.6.2: "MAY use less than the entire buffer length": the work of a kick is bounded. */
START_TEST(test_5_4_6_2_long_buffer_is_used_in_part)
{
	uint64_t a;
	uint32_t id, len;

	ck_assert(driver_start(0, 16));
	a = guest_alloc(2 * MIB);
	driver_offer_in(0, a, 2 * MIB);
	driver_kick(0);
	ck_assert(driver_used(0, &id, &len));
	ck_assert(len >= 1 && len <= 64 * KIB);
	ck_assert(all_zero(a + len, 2 * MIB - len));
}
END_TEST

/* 5.4.6.1 forbids readable buffers and demands one to write to: the device stops, nothing else. */
START_TEST(test_5_4_6_1_wrong_buffers_stop_the_device)
{
	static const struct { struct driver_part part; bool good; } cases[] = {
		{ { DRIVER_HEAP, 64, false }, false },
		{ { DRIVER_HEAP, 0, true }, false },
		{ { DRIVER_RAM - 8, 64, true }, false },
		{ { ~0ul - 8, 64, true }, false },
		{ { DRIVER_RAM - 64, 64, true }, true },
	};
	uint32_t id, len;

	for (unsigned i = 0; i < array_size(cases); i++) {
		ck_assert(driver_start(0, 16));
		driver_offer(0, &cases[i].part, 1);
		driver_kick(0);
		ck_assert_msg(driver_used(0, &id, &len) == cases[i].good, "case %u", i);
		ck_assert_msg(!(dev->status & S_NEEDS_RESET) == cases[i].good, "case %u", i);
	}
}
END_TEST

START_TEST(test_5_4_6_1_readable_part)
{
	ck_assert(driver_start(0, 16));
	driver_offer(0, (struct driver_part[]){ { DRIVER_HEAP, 8, false },
						{ DRIVER_HEAP, 64, true } }, 2);
	driver_kick(0);
	ck_assert(dev->status & S_NEEDS_RESET);
}
END_TEST

START_TEST(test_event_index_asks_for_the_next_kick)
{
	uint64_t a;

	ck_assert(driver_start(BIT(VIRTIO_F_EVENT_IDX), 16));
	a = guest_alloc(64);
	for (unsigned i = 1; i < 40; i++) {
		driver_offer_in(0, a, 8);
		driver_kick(0);
		/* avail_event, behind the used ring */
		ck_assert_uint_eq(*(uint16_t *)guest(dq[0].used + 4 + 8 * 16), i);
	}
}
END_TEST

START_TEST(test_reset_and_again)
{
	uint32_t id, len;

	for (unsigned i = 0; i < 3; i++) {
		ck_assert(driver_start(0, 8));
		driver_offer_in(0, guest_alloc(16), 16);
		driver_kick(0);
		ck_assert(driver_used(0, &id, &len));
	}
	virtio_write_status(dev, 0);
	driver_kick(0);
	ck_assert(!driver_used(0, &id, &len));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio_rng");
	TCase *tc = tcase_create("rng");

	if (driver_ram())
		return EXIT_FAILURE;
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_5_4_identity_and_no_features);
	tcase_add_test(tc, test_5_4_6_2_buffers_get_bytes);
	tcase_add_test(tc, test_one_byte_and_scattered);
	tcase_add_test(tc, test_5_4_6_2_long_buffer_is_used_in_part);
	tcase_add_test(tc, test_5_4_6_1_wrong_buffers_stop_the_device);
	tcase_add_test(tc, test_5_4_6_1_readable_part);
	tcase_add_test(tc, test_event_index_asks_for_the_next_kick);
	tcase_add_test(tc, test_reset_and_again);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
