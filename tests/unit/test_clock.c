// SPDX-License-Identifier: MIT
/*
 * The TSC clock against CLOCK_MONOTONIC: rate, monotonicity, conversions both
 * ways, and recalibration without a step.  Bounds are wide enough for a loaded
 * machine: they tell a wrong factor from a right one, not a good host from a bad.
 */
#include "suite.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

static uint64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int64_t offset(void)
{
	int64_t best = INT64_MAX;
	uint64_t narrowest = UINT64_MAX;

	for (int i = 0; i < 50; i++) {
		uint64_t a = clock_ns(), m = monotonic(), b = clock_ns();

		if (b - a < narrowest) {
			narrowest = b - a;
			best = (int64_t)(a + (b - a) / 2 - m);
		}
	}
	return best;
}

static void pause_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

START_TEST(follows_the_host)
{
	int64_t first = offset(), later;

	ck_assert_int_lt(llabs(first), 200000);
	pause_ms(500);
	later = offset();
	ck_assert_int_lt(llabs(later - first), 250000);	/* 500 ppm */
}
END_TEST

START_TEST(never_goes_back)
{
	uint64_t before = clock_ns();

	for (int i = 0; i < 100000; i++) {
		uint64_t now = clock_ns();

		ck_assert_uint_ge(now, before);
		before = now;
	}
}
END_TEST

START_TEST(conversions)
{
	uint64_t tsc = clock_tsc();

	for (uint64_t ahead = 1; ahead < 1ull << 50; ahead *= 3) {
		uint64_t ns = clock_tsc_to_ns(tsc + ahead), back = clock_ns_to_tsc(ns);

		ck_assert_uint_le(llabs((int64_t)(back - (tsc + ahead))), clock_tsc_khz() / 1000000 + 2);
		/* A deadline in ns is not before its TSC moment by more than rounding. */
		ck_assert_uint_ge(clock_tsc_to_ns(back) + 2, ns);
	}
	ck_assert_uint_eq(clock_ns_to_tsc(UINT64_MAX), UINT64_MAX);
	ck_assert_uint_lt(clock_tsc_to_ns(tsc - 1000000), clock_tsc_to_ns(tsc));
}
END_TEST

START_TEST(rate_as_stated)
{
	uint64_t tsc = clock_tsc(), khz = clock_tsc_khz();
	uint64_t ns = clock_tsc_to_ns(tsc + khz * 1000) - clock_tsc_to_ns(tsc);

	ck_assert_int_lt(llabs((int64_t)(ns - 1000000000)), 1000);
}
END_TEST

START_TEST(recalibration_does_not_step)
{
	for (int i = 0; i < 3; i++) {
		uint64_t a, b;
		int64_t off;

		pause_ms(i ? 200 : 1100);
		off = offset();
		a = clock_ns();
		clock_recalibrate();
		b = clock_ns();
		ck_assert_uint_ge(b, a);
		ck_assert_int_lt(llabs(offset() - off), 100000);
	}
}
END_TEST

START_TEST(wall_clock)
{
	uint64_t seconds = clock_realtime_ns() / 1000000000;

	ck_assert_int_le(llabs((int64_t)(seconds - (uint64_t)time(NULL))), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tests = tcase_create("clock");

	if (clock_init())
		return 77;	/* no usable TSC on this host */
	tcase_set_timeout(tests, 30);
	tcase_add_test(tests, follows_the_host);
	tcase_add_test(tests, never_goes_back);
	tcase_add_test(tests, conversions);
	tcase_add_test(tests, rate_as_stated);
	tcase_add_test(tests, recalibration_does_not_step);
	tcase_add_test(tests, wall_clock);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
