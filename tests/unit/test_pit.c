/* SPDX-License-Identifier: MIT */
/*
 * The 8254 as kernels use it: tick, one-shot, calibration through channel 2 and
 * port 0x61, latches and read-back.
 */
#include "device_fakes.h"

#include "device/pit.h"

static unsigned edges;
static bool line;

/* Link seam instead of device/irq.c: count rising edges of GSI 2. */
void irq_set(unsigned gsi, bool asserted)
{
	ck_assert_uint_eq(gsi, 2);
	edges += asserted && !line;
	line = asserted;
}

/* Has the CPU an edge that it did not take?  The test says. */
static bool waits;

bool irq_waits(unsigned gsi)
{
	ck_assert_uint_eq(gsi, 2);
	return waits;
}

static uint64_t ticks(uint64_t n)	/* ns, rounded up */
{
	return (n * 1000000000 + PIT_HZ - 1) / PIT_HZ;
}

static void setup(void)
{
	ck_assert_int_eq(pit_init(), 0);
}

static void program(unsigned channel, unsigned mode, unsigned count)
{
	out8(0x43, channel << 6 | 0x30 | mode << 1);
	out8((uint16_t)(0x40 + channel), count & 0xff);
	out8((uint16_t)(0x40 + channel), count >> 8);
}

static unsigned read16(unsigned channel)
{
	unsigned low = in8((uint16_t)(0x40 + channel));

	return low | (unsigned)in8((uint16_t)(0x40 + channel)) << 8;
}

START_TEST(test_rate_generator_ticks)
{
	program(0, 2, 11932);		/* 100 Hz */
	edges = 0;
	fake_sleep(1000000000);
	ck_assert_uint_ge(edges, 99);
	ck_assert_uint_le(edges, 101);
	/* No drift over an hour. */
	edges = 0;
	fake_sleep(3600000000000);
	ck_assert_uint_ge(edges, 3600 * PIT_HZ / 11932 - 1);
	ck_assert_uint_le(edges, 3600 * PIT_HZ / 11932 + 1);
}
END_TEST

/* The host slept for 20 periods: every tick comes, each when the last was taken. */
START_TEST(test_late_ticks_are_owed)
{
	program(0, 2, 4773);		/* 250 Hz */
	fake_sleep(ticks(4773) + 1000);
	edges = 0;
	fake_now += 20 * 4000000;
	timers_run(fake_now);
	ck_assert_uint_eq(edges, 1);
	waits = true;			/* not taken yet */
	pit_interrupt_taken();
	ck_assert_uint_eq(edges, 1);
	waits = false;
	for (unsigned i = 0; i < 100; i++)
		pit_interrupt_taken();
	ck_assert_uint_ge(edges, 19);
	ck_assert_uint_le(edges, 21);
	/* In time, nothing is owed. */
	edges = 0;
	fake_sleep(400000000);
	ck_assert_uint_ge(edges, 99);
	ck_assert_uint_le(edges, 101);
	pit_interrupt_taken();
	ck_assert_uint_le(edges, 101);
	/* Not for ever, and not for a kernel that programs it anew. */
	edges = 0;
	fake_now += 3600000000000;
	timers_run(fake_now);
	for (unsigned i = 0; i < 100; i++)
		pit_interrupt_taken();
	ck_assert_uint_eq(edges, 65);
	fake_now += 3600000000000;
	timers_run(fake_now);
	program(0, 2, 4773);
	edges = 0;
	pit_interrupt_taken();
	ck_assert_uint_eq(edges, 0);
}
END_TEST

START_TEST(test_mode_2_counts_down_and_reloads)
{
	program(2, 2, 1000);
	out8(0x61, 1);
	ck_assert_uint_eq(read16(2), 1000);
	fake_now += ticks(1);
	ck_assert_uint_eq(read16(2), 999);
	fake_now += ticks(998);
	ck_assert_uint_le(read16(2), 2);
	fake_now += ticks(3);
	ck_assert_uint_ge(read16(2), 990);
}
END_TEST

START_TEST(test_one_shot_interrupts_once)
{
	program(0, 0, 1000);
	edges = 0;
	fake_sleep(ticks(999) - 1000);
	ck_assert_uint_eq(edges, 0);
	fake_sleep(2000);
	ck_assert_uint_eq(edges, 1);
	fake_sleep(1000000000);
	ck_assert_uint_eq(edges, 1);
	program(0, 0, 1000);
	ck_assert(!line);
	fake_sleep(1000000000);
	ck_assert_uint_eq(edges, 2);
}
END_TEST

START_TEST(test_control_word_stops_channel_0)
{
	program(0, 2, 1000);
	out8(0x43, 0x30);
	edges = 0;
	fake_sleep(1000000000);
	ck_assert_uint_eq(edges, 0);
}
END_TEST

START_TEST(test_mode_4_strobe)
{
	program(0, 4, 500);
	edges = 0;
	fake_sleep(1000000000);
	ck_assert_uint_eq(edges, 1);
}
END_TEST

START_TEST(test_square_wave)
{
	unsigned high = 0;

	out8(0x61, 1);
	program(2, 3, 1000);
	for (unsigned i = 0; i < 1000; i++) {
		high += in8(0x61) >> 5 & 1;
		ck_assert_uint_eq(read16(2) & 1, 0);
		fake_now += ticks(1);
	}
	ck_assert_uint_ge(high, 495);
	ck_assert_uint_le(high, 505);
}
END_TEST

/* What Linux's pit_calibrate_tsc() does: gate up, mode 0, poll OUT2. */
START_TEST(test_calibration_by_out2)
{
	uint64_t start;

	out8(0x61, (in8(0x61) & ~0x02u) | 0x01);
	program(2, 0, 59659);		/* 50 ms */
	start = fake_now;
	while (!(in8(0x61) & 0x20)) {
		fake_now += 500;
		ck_assert_uint_lt(fake_now - start, 60000000);
	}
	ck_assert_uint_ge(fake_now - start, ticks(59659) - 500);
	ck_assert_uint_le(fake_now - start, ticks(59659) + 500);
}
END_TEST

/* What quick_pit_calibrate() does: watch the high byte fall. */
START_TEST(test_calibration_by_high_byte)
{
	uint64_t first = 0;

	out8(0x61, (in8(0x61) & ~0x02u) | 0x01);
	program(2, 0, 0xffff);
	for (unsigned expect = 0xff; expect > 0xf0; expect--) {
		uint64_t before = fake_now;

		in8(0x42);
		while (in8(0x42) == expect) {
			in8(0x42);
			fake_now += 700;
		}
		if (expect == 0xfe)
			first = fake_now;
		ck_assert_uint_lt(fake_now - before, 256 * 1000);
	}
	/* 13 steps of 256 ticks between the ends of 0xfe and 0xf1. */
	ck_assert_uint_ge(fake_now - first, ticks(13 * 256) - 1500);
	ck_assert_uint_le(fake_now - first, ticks(13 * 256) + 1500);
}
END_TEST

START_TEST(test_gate_stops_and_resumes)
{
	out8(0x61, 1);
	program(2, 0, 10000);
	fake_now += ticks(100);
	out8(0x61, 0);
	ck_assert_uint_eq(read16(2), 9900);
	fake_now += ticks(5000);
	ck_assert_uint_eq(read16(2), 9900);
	out8(0x61, 1);
	fake_now += ticks(100);
	ck_assert_uint_ge(read16(2), 9799);
	ck_assert_uint_le(read16(2), 9801);
}
END_TEST

START_TEST(test_gate_retriggers_mode_1)
{
	out8(0x61, 0);
	program(2, 1, 1000);
	ck_assert(in8(0x61) & 0x20);
	out8(0x61, 1);
	ck_assert(!(in8(0x61) & 0x20));
	fake_now += ticks(600);
	out8(0x61, 0);
	out8(0x61, 1);			/* again from the start */
	fake_now += ticks(600);
	ck_assert(!(in8(0x61) & 0x20));
	fake_now += ticks(500);
	ck_assert(in8(0x61) & 0x20);
}
END_TEST

START_TEST(test_latch_holds_until_read)
{
	out8(0x61, 1);
	program(2, 2, 50000);
	fake_now += ticks(100);
	out8(0x43, 0x80);
	fake_now += ticks(1000);
	out8(0x43, 0x80);		/* a second latch is ignored */
	ck_assert_uint_eq(read16(2), 49900);
	ck_assert_uint_eq(read16(2), 48900);
}
END_TEST

START_TEST(test_read_back_status_and_count)
{
	out8(0x61, 1);
	program(2, 2, 5000);
	fake_now += ticks(10);
	out8(0x43, 0xc0 | 0x08);	/* count and status of channel 2 */
	ck_assert_uint_eq(in8(0x42), 0x80 | 0x34);
	ck_assert_uint_eq(read16(2), 4990);
	out8(0x43, 0xb4);
	out8(0x42, 1);			/* half a count */
	out8(0x43, 0xe8);		/* status only */
	ck_assert_uint_eq(in8(0x42) & 0x40, 0x40);
}
END_TEST

START_TEST(test_byte_access_modes)
{
	out8(0x61, 1);
	out8(0x43, 0x94);		/* low byte only, mode 2 */
	out8(0x42, 100);
	ck_assert_uint_eq(in8(0x42), 100);
	fake_now += ticks(1);
	ck_assert_uint_eq(in8(0x42), 99);
	out8(0x43, 0xa4);		/* high byte only */
	out8(0x42, 0x12);
	ck_assert_uint_eq(in8(0x42), 0x12);
	fake_now += ticks(1);
	ck_assert_uint_eq(in8(0x42), 0x11);
}
END_TEST

START_TEST(test_bcd)
{
	out8(0x61, 1);
	out8(0x43, 0xb5);
	out8(0x42, 0x00);
	out8(0x42, 0x10);		/* 1000 */
	fake_now += ticks(1);
	ck_assert_uint_eq(read16(2), 0x0999);
	out8(0x43, 0xb5);
	out8(0x42, 0);
	out8(0x42, 0);			/* 10000 */
	fake_now += ticks(1);
	ck_assert_uint_eq(read16(2), 0x9999);
}
END_TEST

START_TEST(test_count_zero_is_the_largest)
{
	out8(0x61, 1);
	program(2, 0, 0);
	fake_now += ticks(65535);
	ck_assert(!(in8(0x61) & 0x20));
	fake_now += ticks(2);
	ck_assert(in8(0x61) & 0x20);
}
END_TEST

START_TEST(test_shortest_period_does_not_flood)
{
	program(0, 2, 1);
	edges = 0;
	fake_sleep(1000000);
	ck_assert_uint_gt(edges, 10);
	ck_assert_uint_le(edges, 51);
}
END_TEST

START_TEST(test_refresh_bit_toggles)
{
	uint8_t first = in8(0x61) & 0x10;

	fake_now += 15085;
	ck_assert_uint_ne(in8(0x61) & 0x10, first);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pit");
	TCase *t = tcase_create("pit");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_rate_generator_ticks);
	tcase_add_test(t, test_late_ticks_are_owed);
	tcase_add_test(t, test_mode_2_counts_down_and_reloads);
	tcase_add_test(t, test_one_shot_interrupts_once);
	tcase_add_test(t, test_control_word_stops_channel_0);
	tcase_add_test(t, test_mode_4_strobe);
	tcase_add_test(t, test_square_wave);
	tcase_add_test(t, test_calibration_by_out2);
	tcase_add_test(t, test_calibration_by_high_byte);
	tcase_add_test(t, test_gate_stops_and_resumes);
	tcase_add_test(t, test_gate_retriggers_mode_1);
	tcase_add_test(t, test_latch_holds_until_read);
	tcase_add_test(t, test_read_back_status_and_count);
	tcase_add_test(t, test_byte_access_modes);
	tcase_add_test(t, test_bcd);
	tcase_add_test(t, test_count_zero_is_the_largest);
	tcase_add_test(t, test_shortest_period_does_not_flood);
	tcase_add_test(t, test_refresh_bit_toggles);
	suite_add_tcase(s, t);
	return suite_run(s);
}
