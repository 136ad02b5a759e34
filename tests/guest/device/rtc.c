// SPDX-License-Identifier: MIT
/*
 * The clock chip: time that advances by the second, BCD and binary, 12 and 24 hours, update-ended
 * and alarm interrupts with register C's flags, CMOS memory kept.
 */
#include "test.h"
#include "time.h"
#include "trap.h"

static uint8_t get(uint8_t r)
{
	out8(0x70, r);
	return in8(0x71);
}

static void set(uint8_t r, uint8_t v)
{
	out8(0x70, r);
	out8(0x71, v);
}

static volatile uint64_t interrupts;
static volatile uint8_t flags;

static bool irq(struct trap_frame *f)
{
	(void)f;
	flags |= get(0x0c);
	interrupts++;
	pic_eoi(8);
	return true;
}

static unsigned from_bcd(uint8_t v) { return (v >> 4) * 10u + (v & 15); }
static uint8_t to_bcd(unsigned v) { return (uint8_t)(v / 10 << 4 | v % 10); }

static void settled(void)
{
	for (unsigned i = 0; i < 100000 && (get(0x0a) & 0x80); i++)
		cpu_pause();
}

void test_main(void)
{
	uint8_t b = get(0x0b);

	pic_init(1u << 8);
	trap_handler[PIC_VECTOR + 8] = irq;
	expect(get(0x0d) & 0x80, "battery is good");
	set(0x50, 0x5a);
	set(0x51, 0xa5);
	expect(get(0x50) == 0x5a && get(0x51) == 0xa5, "CMOS memory");

	set(0x0b, 0x02);		/* BCD, 24 hours */
	settled();
	unsigned second = from_bcd(get(0)), minute = from_bcd(get(2)), hour = from_bcd(get(4));

	expect(second < 60 && minute < 60 && hour < 24, "%u:%u:%u", hour, minute, second);
	expect(from_bcd(get(8)) >= 1 && from_bcd(get(8)) <= 12 && from_bcd(get(7)) >= 1 &&
	       from_bcd(get(7)) <= 31);
	set(0x0b, 0x06);		/* binary */
	settled();
	unsigned binary = get(4);

	expect(binary == hour || binary == (hour + 1) % 24, "binary %u, BCD %u", binary, hour);
	set(0x0b, 0x02);

	/* Update-ended interrupts: one a second. */
	uint64_t begin = cpu_tsc();

	set(0x0b, 0x12);
	(void)get(0x0c);
	interrupts = 0;
	expect(time_wait(&interrupts, 2, 4000), "update interrupts: %lu", interrupts);
	uint64_t ms = (cpu_tsc() - begin) / time_tsc_khz();

	expect(ms >= 900 && ms < 4000, "two updates in %lu ms", ms);
	expect_equal(flags & 0x90, 0x90, "IRQF and UF");
	set(0x0b, 0x02);
	settled();
	expect(from_bcd(get(0)) != second, "time advances");

	/* Alarm two seconds ahead, other fields do not care. */
	unsigned target = (from_bcd(get(0)) + 2) % 60;

	set(1, to_bcd(target));
	set(3, 0xff);
	set(5, 0xff);
	flags = 0;
	interrupts = 0;
	(void)get(0x0c);
	set(0x0b, 0x22);
	expect(time_wait(&interrupts, 1, 5000), "alarm");
	expect_equal(flags & 0xa0, 0xa0, "IRQF and AF");
	unsigned now = from_bcd(get(0));

	expect(now == target || now == (target + 1) % 60, "at second %u, now %u", target, now);
	expect_equal(get(0x0c) & 0x20, 0, "flags are cleared by reading");
	set(0x0b, b);
}
