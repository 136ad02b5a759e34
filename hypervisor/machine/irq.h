/* SPDX-License-Identifier: MIT */
/*
 * Interrupts between devices and the vCPU loop.
 *
 * Devices raise global system interrupts (GSI 0..23: the IOAPIC's pins; 0..15
 * reach the 8259 pair as well, with ISA's GSI 2 for the timer overridden as the
 * MADT says) or send messages.  The vCPU loop asks for what is deliverable.
 */
#ifndef RING3_MACHINE_IRQ_H
#define RING3_MACHINE_IRQ_H

#include "base/types.h"
#include "machine/vcpu.h"

/* Device side.  Level as on the wire: asserted or not; edge pins act on 0 -> 1. */
void irq_set(unsigned gsi, bool asserted);
void irq_pulse(unsigned gsi);
/* Message-signalled: address and data as written by the device (SDM vol. 3, 11.11). */
void irq_message(uint64_t address, uint32_t data);

/*
 * CPU side.  irq_pending(): is there one whose priority exceeds TPR/PPR (LAPIC)
 * or an ExtINT of the 8259?  Ignores RFLAGS.IF.  irq_acknowledge(): take it:
 * IRR -> ISR; returns its vector, or -1 if it went away.
 */
bool irq_pending(void);
int irq_acknowledge(void);
/* Was an NMI sent since the last call?  The loop sets vcpu->nmi_pending. */
bool irq_take_nmi(void);

/* Implemented by trap/: something became pending; sets vcpu.fast.kick.  Any context. */
void vcpu_kick(void);

/* Local APIC registers reached by other ways than MMIO; implemented by device/lapic.c. */
uint64_t lapic_get_base(void);				/* IA32_APIC_BASE */
int lapic_set_base(uint64_t value);			/* -1: #GP */
uint64_t lapic_get_tpr(void);				/* as CR8: 0..15 */
void lapic_set_tpr(uint64_t cr8);
uint64_t lapic_get_tsc_deadline(void);
void lapic_set_tsc_deadline(uint64_t tsc);
int lapic_x2apic_read(uint32_t msr, uint64_t *value);	/* 0x800..0x8ff; -1: #GP */
int lapic_x2apic_write(uint32_t msr, uint64_t value);

#endif
