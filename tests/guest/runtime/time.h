/* SPDX-License-Identifier: MIT */
/*
 * Clocks and interrupt controllers, as small as tests need them.
 */
#ifndef GUEST_TIME_H
#define GUEST_TIME_H

#include "cpu.h"

#define PIT_HZ		1193182u
#define PIC_VECTOR	0x20		/* pic_init(): IRQ n at PIC_VECTOR + n */

/* TSC ticks of a millisecond, measured against the PIT once. */
uint64_t time_tsc_khz(void);
void time_delay_us(uint64_t us);
/* Wait, interrupts on, until *counter >= value or ms passed. */
bool time_wait(volatile uint64_t *counter, uint64_t value, uint64_t ms);

void pic_init(uint16_t enabled_mask);	/* bit n set: IRQ n enabled */
void pic_eoi(unsigned irq);
void pit_periodic(uint16_t divisor);
void pit_stop(void);

#define LAPIC_ID	0x20
#define LAPIC_VERSION	0x30
#define LAPIC_TPR	0x80
#define LAPIC_PPR	0xa0
#define LAPIC_EOI	0xb0
#define LAPIC_SVR	0xf0
#define LAPIC_ISR	0x100
#define LAPIC_IRR	0x200
#define LAPIC_ESR	0x280
#define LAPIC_ICR	0x300
#define LAPIC_ICR_HIGH	0x310
#define LAPIC_TIMER	0x320
#define LAPIC_LINT0	0x350
#define LAPIC_LINT1	0x360
#define LAPIC_ERROR	0x370
#define LAPIC_INITIAL	0x380
#define LAPIC_CURRENT	0x390
#define LAPIC_DIVIDE	0x3e0

uint32_t lapic_read(unsigned reg);
void lapic_write(unsigned reg, uint32_t v);
void lapic_enable(void);		/* spurious vector 0xff */
void lapic_eoi(void);
bool lapic_bit(unsigned bank, unsigned vector);	/* LAPIC_ISR or LAPIC_IRR */
/* One-shot interrupt in tsc ticks, by TSC deadline where there is one, else the counter. */
void lapic_timer_in(unsigned vector, uint64_t ticks);
void lapic_timer_stop(void);

uint32_t ioapic_read(unsigned reg);
void ioapic_write(unsigned reg, uint32_t v);
void ioapic_route(unsigned pin, uint64_t entry);

#endif
