/* SPDX-License-Identifier: MIT */
/*
 * The local APIC of the one processor (SDM vol. 3, chapter 11), as xAPIC page
 * at IA32_APIC_BASE and as x2APIC registers.  What the CPU reaches by MSR or CR8
 * is declared in machine/irq.h.
 */
#ifndef RING3_DEVICE_LAPIC_H
#define RING3_DEVICE_LAPIC_H

#include "base/types.h"

#define LAPIC_DEFAULT_BASE	0xfee00000UL
#define LAPIC_TIMER_HZ		1000000000UL	/* before the divider; CPUID 0x15 must agree */

/* Delivery modes, as encoded in LVT, ICR, IOAPIC entries and MSI data. */
enum lapic_mode {
	LAPIC_FIXED = 0, LAPIC_LOWEST = 1, LAPIC_SMI = 2, LAPIC_NMI = 4, LAPIC_INIT = 5,
	LAPIC_STARTUP = 6, LAPIC_EXTINT = 7,
};

/* Reset state, then what firmware leaves behind (virtual wire, LINT1 = NMI). */
int lapic_init(void);

/* An interrupt message on the bus; ignored when the destination is not this processor. */
void lapic_message(unsigned destination, bool logical, enum lapic_mode mode, uint8_t vector,
		   bool level);

/* Would the 8259's request reach the CPU (LINT0 = ExtINT, or the APIC disabled)? */
bool lapic_accepts_extint(void);
/* LINT0 in another mode than ExtINT: the 8259's output rose. */
void lapic_lint0_edge(void);

/* Is this vector in IRR? */
bool lapic_requested(uint8_t vector);
/* Highest deliverable vector or -1; acknowledge: IRR -> ISR. */
int lapic_pending(void);
int lapic_acknowledge(void);

#endif
