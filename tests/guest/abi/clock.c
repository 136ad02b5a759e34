// SPDX-License-Identifier: MIT
/*
 * The clock in the shared page: it goes as fast as the PIT, never back, follows its own version
 * protocol, says the time of day that the RTC says, and steal time only grows.  A page whose size
 * does not hold the clock is left alone behind that size.
 */
#include "page.h"
#include "ring3.h"
#include "test.h"
#include "time.h"

static volatile struct ring3_vcpu_page *shared;
static uint64_t shared_pa;

static uint64_t clock_read(void)
{
	uint32_t version;
	uint64_t ns;

	do {
		while ((version = shared->clock_version) & 1)
			cpu_pause();
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		ns = shared->clock_ns + (uint64_t)(((unsigned __int128)(cpu_tsc() - shared->clock_tsc) <<
						    shared->clock_shift) * shared->clock_mul >> 32);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	} while (version != shared->clock_version);
	return ns;
}

static void rate(void)
{
	uint64_t last = clock_read(), khz = time_tsc_khz();

	for (unsigned i = 0; i < 6; i++) {
		uint64_t tsc = cpu_tsc(), ns = clock_read(), tsc_end, ns_end, expected;

		time_delay_us(20000);
		ns_end = clock_read();
		tsc_end = cpu_tsc();
		expected = (tsc_end - tsc) * 1000000 / khz;
		/* The PIT's measure is good to a thousandth; being stopped between two reads only adds. */
		expect(ns_end - ns <= expected + expected / 200, "%lu ns in %lu", ns_end - ns, expected);
		expect(ns_end - ns >= 20000000 - 100000, "%lu ns in 20 ms", ns_end - ns);
		expect(ns >= last, "back by %lu", last - ns);
		last = ns_end;
	}
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t now = clock_read();

		if (!expect(now >= last, "back by %lu", last - now))
			break;
		last = now;
	}
}

static uint8_t rtc(uint8_t reg)
{
	out8(0x70, reg);
	return in8(0x71);
}

static unsigned bcd(uint8_t v)
{
	return rtc(0xb) & 4 ? v : (v >> 4) * 10u + (v & 15u);
}

/* Seconds of the day, by both; midnight between the two reads is the next round's. */
static void time_of_day(void)
{
	uint64_t wall, day = 86400, seen, difference = day;

	for (unsigned i = 0; i < 3 && difference > 2; i++) {
		while (rtc(0xa) & 0x80)
			;
		seen = bcd(rtc(4)) * 3600u + bcd(rtc(2)) * 60u + bcd(rtc(0));
		wall = (shared->clock_wall_ns + clock_read()) / 1000000000;
		expect(wall > 1700000000 && wall < 4102444800, "seconds since 1970: %lu", wall);
		difference = (wall % day + day - seen) % day;
		difference = difference > day / 2 ? day - difference : difference;
	}
	expect(difference <= 2, "RTC and clock differ by %lu s", difference);
}

static void share(uint32_t size)
{
	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		((volatile uint64_t *)shared)[i] = 0;
	shared->size = size;
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, shared_pa, 0, 0, 0), 0, "size %u", size);
}

static void sizes(void)
{
	uint64_t steal;

	for (uint32_t size = RING3_VCPU_PAGE_SIZE_0; size < sizeof(*shared); size += 8) {
		share(size);
		time_delay_us(1000);
		for (unsigned i = RING3_VCPU_PAGE_SIZE_0 / 8; i < PAGE_SIZE / 8; i++)
			expect_equal(((volatile uint64_t *)shared)[i], 0, "size %u, word %u", size, i);
	}
	share(PAGE_SIZE);
	expect(shared->clock_mul && shared->clock_tsc, "a longer page has the clock");
	expect_equal(shared->clock_flags, RING3_CLOCK_STABLE);
	expect(!(shared->clock_version & 1) && !shared->clock_reserved && !shared->clock_reserved2);
	for (unsigned i = sizeof(*shared) / 8; i < PAGE_SIZE / 8; i++)
		expect_equal(((volatile uint64_t *)shared)[i], 0, "behind the structure: word %u", i);
	steal = shared->steal_ns;
	time_delay_us(300000);
	expect(shared->steal_ns >= steal, "time is not given back");
}

void test_main(void)
{
	uint64_t before;

	ring3_accept();
	shared = phys_to_virt(shared_pa = page_alloc());
	sizes();
	rate();
	time_of_day();
	before = clock_read();
	share(sizeof(*shared));
	expect(clock_read() >= before, "the clock is the machine's, not the page's");
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, 0, 0, 0, 0), 0);
}
