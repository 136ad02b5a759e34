// SPDX-License-Identifier: MIT
/*
 * The shared page's clock: it never goes back, runs at the rate of the PIT, starts with the machine
 * and tells the RTC's time; what is stolen only grows, and no faster than time.
 */
#include "clock.h"
#include "page.h"
#include "time.h"

CASE_NEEDS(1, FEATURE(VCPU_PAGE) | FEATURE(CLOCK));

static volatile struct ring3_vcpu_page *page;

static void monotonic(void)
{
	uint64_t last = clock_now(page), stolen = page->steal_ns;

	for (unsigned i = 0; i < 100000; i++) {
		uint64_t now = clock_now(page), s = page->steal_ns;

		if (!expect(now >= last, "%lu after %lu", now, last) || !expect(s >= stolen, "stolen"))
			return;
		last = now;
		stolen = s;
	}
	expect(stolen <= last, "%lu ns stolen of %lu", stolen, last);
}

/* Of some, the one in which nothing came between the two clocks. */
static void rate(void)
{
	uint64_t best = ~0ul, khz = time_tsc_khz();

	for (unsigned i = 0; i < 5 && best > 20; i++) {
		uint64_t t0 = cpu_tsc(), n0 = clock_now(page), n1, t1, expected, off;

		time_delay_us(20000);
		n1 = clock_now(page);
		t1 = cpu_tsc();
		expected = (t1 - t0) * 1000000 / khz;
		off = expected > n1 - n0 ? expected - (n1 - n0) : n1 - n0 - expected;
		off = off * 1000 / expected;
		if (off < best)
			best = off;
	}
	expect(best <= 20, "%lu thousandths off the PIT", best);
}

static uint8_t rtc(uint8_t reg)
{
	out8(0x70, reg);
	return in8(0x71);
}

static uint64_t binary(uint8_t bcd)
{
	return bcd >> 4 == 0 && rtc(0x0b) & 4 ? bcd : (bcd >> 4) * 10u + (bcd & 15);
}

/* Seconds of the day, which suffice to see that both mean the same. */
static uint64_t rtc_seconds(void)
{
	uint64_t h, m, s;

	do {
		s = binary(rtc(0));
		m = binary(rtc(2));
		h = binary(rtc(4));
	} while (binary(rtc(0)) != s);
	return h * 3600 + m * 60 + s;
}

static void wall(void)
{
	uint64_t now = (clock_now(page) + page->clock_wall_ns) / 1000000000, day = now % 86400;
	uint64_t there = rtc_seconds(), off = (day + 86400 - there) % 86400;

	expect(now > 1700000000, "a year of this century: %lu", now);
	expect(off <= 3 || off >= 86400 - 3, "the RTC says %lu, the clock %lu", there, day);
}

void test_main(void)
{
	case_begin();
	page = case_page();
	expect(page->clock_flags & RING3_CLOCK_STABLE, "stable");
	expect_equal(page->clock_flags & ~RING3_CLOCK_STABLE, 0);
	expect(page->clock_mul, "a rate");
	expect(clock_now(page) < 100ul * 1000000000, "since the machine started: %lu ns", clock_now(page));
	monotonic();
	rate();
	wall();
	expect_equal(page->clock_reserved | page->clock_reserved2, 0);
}
