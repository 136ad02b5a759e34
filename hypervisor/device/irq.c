/* SPDX-License-Identifier: MIT */
/*
 * The wires between devices, interrupt controllers and the CPU.
 *
 * A global system interrupt is an IOAPIC pin; the ISA ones also go to the 8259
 * pair, where the timer's pin 2 is IRQ 0 (and IRQ 2 is the cascade).  Towards the
 * CPU the local APIC's own interrupts go before the 8259's, which come in as
 * ExtINT; before both go the events of the hypercall ABI.  Holds no state but the NMI flip-flop.
 */
#include "device/irq.h"

#include "debug/trace.h"
#include "device/event.h"
#include "device/ioapic.h"
#include "device/lapic.h"
#include "device/pic.h"
#include "device/pit.h"

static bool nmi_sent;

void irq_set(unsigned gsi, bool asserted)
{
	trace_exit(TRACE_K_IRQ_SET, 0, gsi, asserted);
	if (gsi == IRQ_GSI_PIT)
		pic_set(0, asserted);
	else if (gsi != 0 && gsi < 16)
		pic_set(gsi, asserted);
	if (gsi < IOAPIC_PINS)
		ioapic_set(gsi, asserted);
}

bool irq_waits(unsigned gsi)
{
	return ioapic_waits(gsi) || pic_waits(gsi == IRQ_GSI_PIT ? 0 : gsi);
}

void irq_pulse(unsigned gsi)
{
	irq_set(gsi, true);
	irq_set(gsi, false);
}

void irq_message(uint64_t address, uint32_t data)
{
	if (address >> 20 != 0xfee)
		return;
	lapic_message((address >> 12) & 0xff, address & 4, (data >> 8) & 7, data & 0xff,
		      data & (1u << 15));
}

bool irq_pending(void)
{
	return event_pending() || lapic_pending() >= 0 || (pic_output() && lapic_accepts_extint());
}

int irq_acknowledge(void)
{
	int vector;

	if (event_pending())
		return event_take();
	vector = lapic_acknowledge();
	if (vector < 0 && pic_output() && lapic_accepts_extint())
		vector = pic_acknowledge();
	if (vector >= 0)
		pit_interrupt_taken();
	return vector;
}

void irq_nmi(void)
{
	nmi_sent = true;
	vcpu_kick();
}

bool irq_take_nmi(void)
{
	bool was = nmi_sent;

	nmi_sent = false;
	return was;
}
