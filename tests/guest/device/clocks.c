// SPDX-License-Identifier: MIT
/*
 * Clocks against each other: PIT counters read back by latch and by status, port 0x61's gate,
 * speaker and refresh bits, the ACPI timer, the LAPIC counter and the TSC run at their rates, none
 * goes backwards.
 */
#include "page.h"
#include "runtime.h"
#include "test.h"
#include "time.h"
#include "trap.h"

static unsigned pit_latched(unsigned channel)
{
	out8(0x43, (uint8_t)(channel << 6));
	unsigned low = in8((uint16_t)(0x40 + channel));

	return low | (unsigned)in8((uint16_t)(0x40 + channel)) << 8;
}

static void pit(void)
{
	uint8_t status;
	unsigned a, b;

	/* Channel 2, mode 2, full period, gate on. */
	out8(0x61, (in8(0x61) & 0xfc) | 1);
	out8(0x43, 0xb4);
	out8(0x42, 0);
	out8(0x42, 0);
	time_delay_us(2000);
	a = pit_latched(2);
	time_delay_us(10000);
	b = pit_latched(2);
	unsigned ticks = (a - b) & 0xffff;

	expect(ticks > 11931 * 9 / 10 && ticks < 11931 * 3, "10 ms are %u ticks", ticks);
	/* The gate stops it. */
	out8(0x61, in8(0x61) & 0xfc);
	a = pit_latched(2);
	time_delay_us(3000);
	b = pit_latched(2);
	expect_but_tcg("counts on", a == b, "gate off: %u %u", a, b);
	/* A latched count stays until it is read. */
	out8(0x61, (in8(0x61) & 0xfc) | 1);
	out8(0x43, 0x80);
	time_delay_us(1000);
	a = in8(0x42);
	a |= (unsigned)in8(0x42) << 8;
	b = pit_latched(2);
	expect(((a - b) & 0xffff) >= 900, "latched before the wait: %u %u", a, b);
	/* Read-back: status and mode. */
	out8(0x43, 0xe8);		/* status of channel 2 */
	status = in8(0x42);
	expect_equal(status & 0x3f, 0x34, "mode 2, low then high byte");
	/* Mode 0: output rises when run down; port 0x61 bit 5 shows it. */
	out8(0x43, 0xb0);
	out8(0x42, 0xff);
	out8(0x42, 0x0f);
	expect(!(in8(0x61) & 0x20), "output low");
	time_delay_us(10000);
	expect(in8(0x61) & 0x20, "output high");
	out8(0x43, 0xe8);
	expect(in8(0x42) & 0x80, "status shows the output");
	/* Bit 4 toggles with refresh. */
	unsigned toggles = 0, last = in8(0x61) & 0x10;

	for (unsigned i = 0; i < 100000 && toggles < 10; i++) {
		unsigned now = in8(0x61) & 0x10;

		toggles += now != last;
		last = now;
	}
	expect(toggles >= 10, "refresh bit: %u", toggles);
}

/* PM timer port from the FADT. */
static uint16_t pm_timer_port(void)
{
	const uint8_t *rsdp = NULL;

	for (uint64_t pa = 0xe0000; pa < 0x100000 && !rsdp; pa += 16)
		if (!memcmp(phys_to_virt(pa), "RSD PTR ", 8))
			rsdp = phys_to_virt(pa);
	if (!rsdp)
		return 0;
	bool wide = rsdp[15] >= 2;
	uint64_t sdt = wide ? *(const uint64_t *)(rsdp + 24) : *(const uint32_t *)(rsdp + 16);

	if (!sdt || sdt >= 1ul << 30)
		return 0;
	const uint8_t *t = phys_to_virt(sdt);
	uint32_t length = *(const uint32_t *)(t + 4);

	for (uint32_t o = 36; o < length; o += wide ? 8 : 4) {
		uint64_t pa = wide ? *(const uint64_t *)(t + o) : *(const uint32_t *)(t + o);
		const uint8_t *e = phys_to_virt(pa);

		if (!memcmp(e, "FACP", 4))
			return (uint16_t)*(const uint32_t *)(e + 76);
	}
	return 0;
}

static void pm_timer(void)
{
	uint16_t port = pm_timer_port();

	if (!port) {
		print("no ACPI timer found\n");
		return;
	}
	print("ACPI timer at %x\n", port);
	/* TSC before and after each reading: a busy host may stop us between any two. */
	uint64_t t0 = cpu_tsc();
	uint32_t begin = in32(port) & 0xffffff, last = begin;
	uint64_t t1 = cpu_tsc();

	for (unsigned i = 0; i < 2000; i++) {
		uint32_t now = in32(port) & 0xffffff;

		if (((now - last) & 0xffffff) > 0x7fffff) {
			expect(false, "went back: %x after %x", now, last);
			break;
		}
		last = now;
	}
	time_delay_us(20000);
	uint64_t t2 = cpu_tsc();
	uint64_t ticks = (in32(port) - begin) & 0xffffff;
	uint64_t t3 = cpu_tsc(), khz = time_tsc_khz();
	uint64_t least = (t2 - t1) / khz * 3579, most = ((t3 - t0) / khz + 1) * 3580;

	expect(ticks >= least * 8 / 10 && ticks <= most * 12 / 10, "%lu ticks, expected %lu to %lu", ticks,
	       least, most);
}

/* Counter and TSC at one moment: of some readings the one least disturbed. */
static uint32_t lapic_sample(uint64_t *tsc)
{
	uint64_t narrow = ~0ul;
	uint32_t count = 0;

	for (unsigned i = 0; i < 20; i++) {
		uint64_t begin = cpu_tsc();
		uint32_t c = lapic_read(LAPIC_CURRENT);
		uint64_t width = cpu_tsc() - begin;

		if (width < narrow) {
			narrow = width;
			count = c;
			*tsc = begin + width / 2;
		}
	}
	return count;
}

static void lapic_counter(void)
{
	lapic_enable();
	for (unsigned divide = 0; divide < 2; divide++) {
		uint64_t ta, tb, tc;

		lapic_write(LAPIC_DIVIDE, divide ? 0xb : 0x3);	/* by 1, by 16 */
		lapic_write(LAPIC_TIMER, 0x10000);
		lapic_write(LAPIC_INITIAL, ~0u);
		uint32_t a = lapic_sample(&ta), b, c;

		time_delay_us(5000);
		b = lapic_sample(&tb);
		time_delay_us(5000);
		c = lapic_sample(&tc);
		expect(a > b && b > c, "counts down: %u %u %u", a, b, c);
		uint64_t first = (uint64_t)(a - b) * 1000000 / (tb - ta);
		uint64_t second = (uint64_t)(b - c) * 1000000 / (tc - tb);

		expect(first < second * 5 / 4 && second < first * 5 / 4, "evenly: %lu and %lu in a million TSC ticks", first,
		       second);
	}
	lapic_timer_stop();
}

void test_main(void)
{
	print("TSC %lu kHz\n", time_tsc_khz());
	pit();
	pm_timer();
	lapic_counter();
}
