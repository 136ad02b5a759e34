/* SPDX-License-Identifier: MIT */
/* The real-time clock: dates, setting, UIP, alarm, periodic and update interrupts. */
#include "device_fakes.h"

#include <time.h>

#include "device/rtc.h"

#define S	1000000000UL
#define T0	1709210096UL	/* 2024-02-29 12:34:56 UTC, a Thursday */

static bool line;
static unsigned edges;

void irq_set(unsigned gsi, bool asserted)
{
	ck_assert_uint_eq(gsi, 8);
	edges += asserted && !line;
	line = asserted;
}

static void wall(uint64_t seconds)
{
	fake_realtime_offset = (int64_t)(seconds * S - fake_now);
}

static void setup(void)
{
	wall(T0);
	ck_assert_int_eq(rtc_init(3 * GIB, 5 * GIB), 0);
}

static unsigned get(unsigned reg)
{
	out8(0x70, reg);
	return in8(0x71);
}

static void set(unsigned reg, unsigned v)
{
	out8(0x70, reg);
	out8(0x71, v);
}

START_TEST(test_reads_host_time_in_bcd)
{
	ck_assert_uint_eq(get(0), 0x56);
	ck_assert_uint_eq(get(2), 0x34);
	ck_assert_uint_eq(get(4), 0x12);
	ck_assert_uint_eq(get(6), 5);
	ck_assert_uint_eq(get(7), 0x29);
	ck_assert_uint_eq(get(8), 0x02);
	ck_assert_uint_eq(get(9), 0x24);
	ck_assert_uint_eq(get(RTC_CENTURY), 0x20);
	ck_assert_uint_eq(get(0x0b), 0x02);
	ck_assert_uint_eq(get(0x0d), 0x80);
	fake_now += 4 * S;
	ck_assert_uint_eq(get(0), 0x00);
	ck_assert_uint_eq(get(2), 0x35);
}
END_TEST

START_TEST(test_binary_and_12_hours)
{
	set(0x0b, 0x06);
	ck_assert_uint_eq(get(0), 56);
	ck_assert_uint_eq(get(4), 12);
	set(0x0b, 0x04);
	ck_assert_uint_eq(get(4), 0x80 | 12);	/* noon */
	fake_now += 3600 * S;
	ck_assert_uint_eq(get(4), 0x80 | 1);
	fake_now += 11 * 3600 * S;
	ck_assert_uint_eq(get(4), 12);		/* midnight */
	set(0x0b, 0x00);
	fake_now += 10 * 3600 * S;
	ck_assert_uint_eq(get(4), 0x10);
}
END_TEST

START_TEST(test_calendar_against_libc)
{
	unsigned seed = 7;

	set(0x0b, 0x06);
	for (unsigned i = 0; i < 3000; i++) {
		time_t t = (time_t)((uint64_t)rand_r(&seed) * 3);
		struct tm tm;

		wall((uint64_t)t);
		gmtime_r(&t, &tm);
		ck_assert_uint_eq(get(0), (unsigned)tm.tm_sec);
		ck_assert_uint_eq(get(2), (unsigned)tm.tm_min);
		ck_assert_uint_eq(get(4), (unsigned)tm.tm_hour);
		ck_assert_uint_eq(get(6), (unsigned)tm.tm_wday + 1);
		ck_assert_uint_eq(get(7), (unsigned)tm.tm_mday);
		ck_assert_uint_eq(get(8), (unsigned)tm.tm_mon + 1);
		ck_assert_uint_eq(get(9), (unsigned)tm.tm_year % 100);
		ck_assert_uint_eq(get(RTC_CENTURY), (unsigned)tm.tm_year / 100 + 19);
	}
}
END_TEST

START_TEST(test_setting_the_clock)
{
	set(0x0b, 0x82);
	fake_now += 5 * S;
	ck_assert_uint_eq(get(0), 0x56);	/* held */
	set(0, 0x59);
	set(2, 0x59);
	set(4, 0x23);
	set(7, 0x31);
	set(8, 0x12);
	set(9, 0x99);
	set(RTC_CENTURY, 0x19);
	set(0x0b, 0x02);
	ck_assert_uint_eq(get(0), 0x59);
	fake_now += S / 2;			/* the first update: half a second later */
	ck_assert_uint_eq(get(0), 0x00);
	ck_assert_uint_eq(get(4), 0x00);
	ck_assert_uint_eq(get(7), 0x01);
	ck_assert_uint_eq(get(8), 0x01);
	ck_assert_uint_eq(get(9), 0x00);
	ck_assert_uint_eq(get(RTC_CENTURY), 0x20);
	ck_assert_uint_eq(get(6), 7);		/* 2000-01-01 was a Saturday */
}
END_TEST

START_TEST(test_garbage_dates_are_survived)
{
	for (unsigned v = 0; v < 256; v++)
		for (unsigned r = 0; r < 10; r++)
			set(r, v);
	set(0x0b, 0x82);
	for (unsigned v = 0; v < 256; v++)
		for (unsigned r = 0; r < 10; r++)
			set(r, v);
	set(0x0b, 0x72);
	fake_sleep(3 * S);
}
END_TEST

START_TEST(test_update_in_progress)
{
	fake_now += S - 245000;
	ck_assert_uint_eq(get(0x0a) & 0x80, 0);
	fake_now += 2000;
	ck_assert_uint_eq(get(0x0a) & 0x80, 0x80);
	ck_assert_uint_eq(get(0), 0x56);
	fake_now += 243000;
	ck_assert_uint_eq(get(0x0a) & 0x80, 0);
	ck_assert_uint_eq(get(0), 0x57);
}
END_TEST

START_TEST(test_flags_without_enables)
{
	get(0x0c);
	fake_now += S;
	ck_assert_uint_eq(get(0x0c), 0x50);	/* update and periodic, no IRQF */
	ck_assert_uint_eq(get(0x0c), 0x00);
	ck_assert_uint_eq(timers_next(), TIMER_NEVER);
}
END_TEST

START_TEST(test_update_interrupt)
{
	fake_now += 300000000;
	get(0x0c);
	set(0x0b, 0x12);
	fake_sleep(699000000);
	ck_assert(!line);
	fake_sleep(1001000);
	ck_assert(line);
	ck_assert_uint_eq(get(0x0c) & 0x90, 0x90);
	ck_assert(!line);
	fake_sleep(S);
	ck_assert(line);
	fake_sleep(10 * S);			/* not acknowledged: no further edges */
	ck_assert_uint_eq(edges, 2);
	set(0x0b, 0x02);
	ck_assert(!line);
}
END_TEST

START_TEST(test_periodic_interrupt)
{
	set(0x0a, 0x26);			/* 1024 Hz */
	set(0x0b, 0x42);
	for (unsigned i = 0; i < 2000; i++) {
		fake_sleep(500000);
		if (line)
			ck_assert_uint_eq(get(0x0c) & 0xc0, 0xc0);
	}
	ck_assert_uint_ge(edges, 1023);
	ck_assert_uint_le(edges, 1025);
	set(0x0a, 0x2f);			/* 2 Hz */
	edges = 0;
	for (unsigned i = 0; i < 100; i++) {
		fake_sleep(100000000);
		get(0x0c);
	}
	ck_assert_uint_ge(edges, 19);
	ck_assert_uint_le(edges, 20);
	set(0x0a, 0x20);			/* off */
	edges = 0;
	fake_sleep(10 * S);
	ck_assert_uint_eq(edges, 0);
}
END_TEST

static void alarm_at(unsigned hour, unsigned minute, unsigned second)
{
	set(5, hour);
	set(3, minute);
	set(1, second);
}

START_TEST(test_alarm)
{
	get(0x0c);
	alarm_at(0x12, 0x35, 0x10);
	set(0x0b, 0x22);
	fake_sleep(13 * S);
	ck_assert(!line);
	fake_sleep(S + 1000);
	ck_assert(line);
	ck_assert_uint_eq(get(0x0c) & 0xa0, 0xa0);
	fake_sleep(86390 * S);
	ck_assert(!line);
	fake_sleep(20 * S);			/* the same time tomorrow */
	ck_assert(line);
}
END_TEST

START_TEST(test_alarm_wildcards)
{
	get(0x0c);
	alarm_at(0xff, 0xff, 0x00);		/* every minute */
	set(0x0b, 0x22);
	edges = 0;
	for (unsigned i = 0; i < 600; i++) {
		fake_sleep(S);
		get(0x0c);
	}
	ck_assert_uint_eq(edges, 10);
	alarm_at(0xc0, 0xc0, 0xc0);		/* every second */
	edges = 0;
	for (unsigned i = 0; i < 60; i++) {
		fake_sleep(S);
		get(0x0c);
	}
	ck_assert_uint_ge(edges, 59);
	alarm_at(0x77, 0x00, 0x00);		/* never */
	edges = 0;
	fake_sleep(200000 * S);
	ck_assert_uint_eq(edges, 0);
}
END_TEST

START_TEST(test_alarm_while_nobody_looks)
{
	get(0x0c);
	alarm_at(0x13, 0x00, 0x00);
	fake_now += 7200 * S;
	ck_assert_uint_eq(get(0x0c) & 0x20, 0x20);
}
END_TEST

START_TEST(test_memory_sizes)
{
	ck_assert_uint_eq(get(0x15) | get(0x16) << 8, 640);
	ck_assert_uint_eq(get(0x30) | get(0x31) << 8, 0xffff);
	ck_assert_uint_eq(get(0x34) | get(0x35) << 8, (3 * GIB - 16 * MIB) >> 16);
	ck_assert_uint_eq(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 5 * GIB >> 16);
	set(0x40, 0x5a);
	ck_assert_uint_eq(get(0x40), 0x5a);
	ck_assert_uint_eq(get(0x80 | 0x40), 0x5a);	/* NMI mask bit is not address */
}
END_TEST

START_TEST(test_host_clock_set_back)
{
	set(0x0b, 0x12);
	get(0x0c);
	wall(T0 - 1000);
	fake_sleep(2 * S);
	get(0x0c);
	edges = 0;
	fake_sleep(S);
	ck_assert_uint_eq(edges, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rtc");
	TCase *t = tcase_create("rtc");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_reads_host_time_in_bcd);
	tcase_add_test(t, test_binary_and_12_hours);
	tcase_add_test(t, test_calendar_against_libc);
	tcase_add_test(t, test_setting_the_clock);
	tcase_add_test(t, test_garbage_dates_are_survived);
	tcase_add_test(t, test_update_in_progress);
	tcase_add_test(t, test_flags_without_enables);
	tcase_add_test(t, test_update_interrupt);
	tcase_add_test(t, test_periodic_interrupt);
	tcase_add_test(t, test_alarm);
	tcase_add_test(t, test_alarm_wildcards);
	tcase_add_test(t, test_alarm_while_nobody_looks);
	tcase_add_test(t, test_memory_sizes);
	tcase_add_test(t, test_host_clock_set_back);
	suite_add_tcase(s, t);
	return suite_run(s);
}
