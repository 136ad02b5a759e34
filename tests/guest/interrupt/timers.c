// SPDX-License-Identifier: MIT
/*
 * Interrupts from every timer: PIT through the 8259 pair, PIT through the IOAPIC, LAPIC one-shot,
 * periodic and TSC-deadline; HLT wakes; masking, EOI and the interrupt flag are obeyed; the rates
 * are those asked for.
 */
#include "test.h"
#include "time.h"
#include "trap.h"

static volatile uint64_t ticks;

static bool pit_tick(struct trap_frame *f)
{
	(void)f;
	ticks++;
	pic_eoi(0);
	return true;
}

static bool lapic_tick(struct trap_frame *f)
{
	(void)f;
	ticks++;
	lapic_eoi();
	return true;
}

static void rate(const char *what, uint64_t got, uint64_t want)
{
	/*
	 * Hosts are busy: late is forgiven, early or lost for good is not.  Machines may make up
	 * for ticks that nobody could take.
	 */
	expect(got <= want + want / 4 + 2, "%s: %lu interrupts, expected %lu", what, got, want);
	expect(got >= want / 20, "%s: %lu interrupts, expected %lu", what, got, want);
}

static void pit_by_pic(void)
{
	pic_init(1);
	trap_handler[PIC_VECTOR] = pit_tick;
	uint64_t begin = cpu_tsc();

	pit_periodic(PIT_HZ / 1000);
	ticks = 0;
	time_delay_us(5000);
	expect_equal(ticks, 0, "IF is clear");
	expect(time_wait(&ticks, 40, 2000), "PIT through the PIC: %lu", ticks);
	rate("PIT", ticks, (cpu_tsc() - begin) / time_tsc_khz());
	out8(0x21, 0xff);
	ticks = 0;
	expect(!time_wait(&ticks, 2, 10), "masked in the PIC");
	out8(0x21, 0xfe);
	/* HLT waits for it. */
	ticks = 0;
	for (unsigned i = 0; i < 5; i++)
		__asm__ volatile("sti; hlt; cli" ::: "memory");
	expect(ticks >= 5, "woken from HLT by %lu ticks", ticks);
	out8(0x21, 0xff);
}

static void pit_by_ioapic(void)
{
	trap_handler[0x60] = lapic_tick;
	ioapic_route(2, 0x60);
	pit_periodic(PIT_HZ / 1000);
	ticks = 0;
	expect(time_wait(&ticks, 40, 2000), "PIT through the IOAPIC: %lu", ticks);
	ioapic_route(2, 0x10060);
	(void)time_wait(&ticks, ~0ul, 2);
	ticks = 0;
	expect(!time_wait(&ticks, 1, 10), "masked in the IOAPIC");
	pit_stop();
}

static void lapic(void)
{
	uint64_t begin, khz = time_tsc_khz();

	trap_handler[0x61] = lapic_tick;
	lapic_write(LAPIC_DIVIDE, 0xb);
	lapic_write(LAPIC_TIMER, 0x61);
	ticks = 0;
	lapic_write(LAPIC_INITIAL, 100000);
	expect(time_wait(&ticks, 1, 1000), "one-shot");
	expect(!time_wait(&ticks, 2, 10), "one-shot fires once");
	expect_equal(lapic_read(LAPIC_CURRENT), 0, "run down");

	lapic_write(LAPIC_TIMER, 0x61 | 1u << 17);
	ticks = 0;
	lapic_write(LAPIC_INITIAL, 1000000);
	expect(time_wait(&ticks, 5, 1000), "periodic");
	uint32_t a = lapic_read(LAPIC_CURRENT);
	expect(a <= 1000000);
	lapic_write(LAPIC_TIMER, 0x61 | 1u << 17 | 0x10000);
	(void)time_wait(&ticks, ~0ul, 3);
	ticks = 0;
	expect(!time_wait(&ticks, 1, 10), "masked");
	lapic_timer_stop();

	if (!cpu_has_tsc_deadline()) {
		print("no TSC deadline\n");
		return;
	}
	lapic_write(LAPIC_TIMER, 0x61 | 2u << 17);
	__asm__ volatile("mfence" ::: "memory");
	for (unsigned i = 0; i < 10; i++) {
		ticks = 0;
		begin = cpu_tsc();
		msr_write(MSR_TSC_DEADLINE, begin + khz);
		expect(time_wait(&ticks, 1, 1000), "deadline");
		expect(cpu_tsc() >= begin + khz, "not before its time");
		expect_equal(msr_read(MSR_TSC_DEADLINE), 0, "disarmed when it fired");
	}
	ticks = 0;
	msr_write(MSR_TSC_DEADLINE, cpu_tsc() + 2 * khz);
	msr_write(MSR_TSC_DEADLINE, 0);
	expect(!time_wait(&ticks, 1, 6), "disarmed");
	ticks = 0;
	msr_write(MSR_TSC_DEADLINE, 1);
	expect(time_wait(&ticks, 1, 1000), "a deadline in the past fires at once");
	ticks = 0;
	msr_write(MSR_TSC_DEADLINE, cpu_tsc() + khz);
	__asm__ volatile("sti; hlt; cli" ::: "memory");
	expect_equal(ticks, 1, "woken from HLT");
}

void test_main(void)
{
	(void)time_tsc_khz();
	pit_by_pic();
	lapic_enable();
	pit_by_ioapic();
	lapic();
}
