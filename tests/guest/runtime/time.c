// SPDX-License-Identifier: MIT
/*
 * Clocks and interrupt controllers.  Port and register numbers as in the 8254, 8259A and
 * 82093AA data sheets and SDM vol. 3, chapter 11.
 */
#include "time.h"

#include "page.h"
#include "test.h"

#define LAPIC_BASE	0xfee00000ul
#define IOAPIC_BASE	0xfec00000ul

struct sample { uint64_t tsc, width; unsigned count; };

/* A PIT count with the TSC around it. */
static struct sample sample_take(void)
{
	struct sample s;

	s.tsc = cpu_tsc();
	out8(0x43, 0x80);
	s.count = in8(0x42);
	s.count |= (unsigned)in8(0x42) << 8;
	s.width = cpu_tsc() - s.tsc;
	s.tsc += s.width / 2;
	return s;
}

/* Who is stopped by a busy host while it reads learns nothing: of some, the narrowest. */
static struct sample sample_best(void)
{
	struct sample best = sample_take();

	for (unsigned i = 0; i < 20; i++) {
		struct sample s = sample_take();

		if (s.width < best.width)
			best = s;
	}
	return best;
}

uint64_t time_tsc_khz(void)
{
	static uint64_t khz;
	uint64_t found[5];

	if (khz)
		return khz;
	/* Channel 2, mode 2, 55 ms a round: two samples within one, some 10 ms apart. */
	out8(0x61, (in8(0x61) & ~2u) | 1);
	out8(0x43, 0xb4);
	out8(0x42, 0);
	out8(0x42, 0);
	for (unsigned n = 0; n < 5; n++) {
		struct sample a = sample_best(), b;
		unsigned ticks;

		do {
			b = sample_best();
			ticks = (a.count - b.count) & 0xffff;
		} while (ticks < 12000);
		found[n] = (b.tsc - a.tsc) * (PIT_HZ / 1000) / ticks;
		/* Sorted: more than a round between the two is too much, never too little. */
		for (unsigned i = n; i && found[i] < found[i - 1]; i--) {
			uint64_t t = found[i];

			found[i] = found[i - 1];
			found[i - 1] = t;
		}
	}
	khz = found[1] ? found[1] : 1;
	return khz;
}

void time_delay_us(uint64_t us)
{
	uint64_t end = cpu_tsc() + us * time_tsc_khz() / 1000;

	while (cpu_tsc() < end)
		cpu_pause();
}

bool time_wait(volatile uint64_t *counter, uint64_t value, uint64_t ms)
{
	uint64_t end = cpu_tsc() + ms * time_tsc_khz();

	cpu_sti();
	while (*counter < value && cpu_tsc() < end)
		cpu_pause();
	cpu_cli();
	return *counter >= value;
}

void pic_init(uint16_t enabled)
{
	out8(0x20, 0x11);
	out8(0xa0, 0x11);
	out8(0x21, PIC_VECTOR);
	out8(0xa1, PIC_VECTOR + 8);
	out8(0x21, 4);
	out8(0xa1, 2);
	out8(0x21, 1);
	out8(0xa1, 1);
	if (enabled >> 8)
		enabled |= 4;
	out8(0x21, (uint8_t)~enabled);
	out8(0xa1, (uint8_t)(~enabled >> 8));
}

void pic_eoi(unsigned irq)
{
	if (irq >= 8)
		out8(0xa0, 0x20);
	out8(0x20, 0x20);
}

void pit_periodic(uint16_t divisor)
{
	out8(0x43, 0x34);
	out8(0x40, (uint8_t)divisor);
	out8(0x40, (uint8_t)(divisor >> 8));
}

void pit_stop(void)
{
	out8(0x43, 0x30);	/* mode 0, never loaded: output stays low */
}

uint32_t lapic_read(unsigned reg)
{
	return *(volatile uint32_t *)phys_to_virt(LAPIC_BASE + reg);
}

void lapic_write(unsigned reg, uint32_t v)
{
	*(volatile uint32_t *)phys_to_virt(LAPIC_BASE + reg) = v;
}

void lapic_enable(void)
{
	msr_write(MSR_APIC_BASE, LAPIC_BASE | 1u << 11 | (msr_read(MSR_APIC_BASE) & (1u << 8)));
	lapic_write(LAPIC_SVR, 0x1ff);
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_LINT0, 0x10000);
	lapic_write(LAPIC_LINT1, 0x10000);
	lapic_write(LAPIC_TIMER, 0x10000);
}

void lapic_eoi(void)
{
	lapic_write(LAPIC_EOI, 0);
}

bool lapic_bit(unsigned bank, unsigned vector)
{
	return lapic_read(bank + vector / 32 * 16) >> (vector % 32) & 1;
}

/* Counter ticks (divided by one) of a TSC millisecond. */
static uint64_t lapic_counter_khz(void)
{
	static uint64_t khz;

	if (!khz) {
		lapic_write(LAPIC_DIVIDE, 0xb);
		lapic_write(LAPIC_TIMER, 0x10000);
		lapic_write(LAPIC_INITIAL, ~0u);
		uint32_t begin = lapic_read(LAPIC_CURRENT);

		time_delay_us(5000);
		khz = (begin - lapic_read(LAPIC_CURRENT)) / 5;
		lapic_write(LAPIC_INITIAL, 0);
		if (!khz)
			khz = 1;
	}
	return khz;
}

void lapic_timer_in(unsigned vector, uint64_t ticks)
{
	if (cpu_has_tsc_deadline()) {
		lapic_write(LAPIC_TIMER, 2u << 17 | vector);
		__asm__ volatile("mfence" ::: "memory");
		msr_write(MSR_TSC_DEADLINE, cpu_tsc() + ticks);
	} else {
		uint64_t n = ticks * lapic_counter_khz() / time_tsc_khz();

		lapic_write(LAPIC_DIVIDE, 0xb);
		lapic_write(LAPIC_TIMER, vector);
		lapic_write(LAPIC_INITIAL, n ? (uint32_t)n : 1);
	}
}

void lapic_timer_stop(void)
{
	if (cpu_has_tsc_deadline())
		msr_write(MSR_TSC_DEADLINE, 0);
	lapic_write(LAPIC_TIMER, 0x10000);
	lapic_write(LAPIC_INITIAL, 0);
}

uint32_t ioapic_read(unsigned reg)
{
	volatile uint32_t *io = phys_to_virt(IOAPIC_BASE);

	io[0] = reg;
	return io[4];
}

void ioapic_write(unsigned reg, uint32_t v)
{
	volatile uint32_t *io = phys_to_virt(IOAPIC_BASE);

	io[0] = reg;
	io[4] = v;
}

void ioapic_route(unsigned pin, uint64_t entry)
{
	ioapic_write(0x10 + pin * 2, 0x10000);
	ioapic_write(0x11 + pin * 2, (uint32_t)(entry >> 32));
	ioapic_write(0x10 + pin * 2, (uint32_t)entry);
}
