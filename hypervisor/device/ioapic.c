/* SPDX-License-Identifier: MIT */
/*
 * The I/O APIC: 24 pins to interrupt messages.
 *
 * An edge pin sends on 0 -> 1, and an edge while masked is lost, as on the
 * 82093AA.  A level pin sends while asserted, unmasked and not already in service
 * (remote IRR); the local APIC's EOI for that vector clears remote IRR, and a pin
 * still asserted sends again.  Called by irq.c (pins), lapic.c (EOI) and the bus.
 */
#include "device/ioapic.h"

#include "device/lapic.h"
#include "machine/bus.h"

#define WINDOW_SELECT	0x00
#define WINDOW_DATA	0x10
#define WINDOW_EOI	0x40
#define WINDOW_SIZE	0x100

#define REG_ID		0x00
#define REG_VERSION	0x01
#define REG_ARBITRATION	0x02
#define REG_ENTRIES	0x10
#define VERSION		((IOAPIC_PINS - 1) << 16 | 0x20)

#define ENTRY_LOGICAL	(1UL << 11)
#define ENTRY_STATUS	(1UL << 12)
#define ENTRY_REMOTE	(1UL << 14)
#define ENTRY_LEVEL	(1UL << 15)
#define ENTRY_MASKED	(1UL << 16)
#define ENTRY_READONLY	(ENTRY_STATUS | ENTRY_REMOTE)
#define ENTRY_KNOWN	0xff0000000001ffffUL

static struct {
	uint32_t select, id;
	uint32_t lines;			/* pins asserted now */
	uint64_t entry[IOAPIC_PINS];
} ioapic;

static void send(unsigned pin)
{
	uint64_t e = ioapic.entry[pin];

	lapic_message((unsigned)(e >> 56), e & ENTRY_LOGICAL, (e >> 8) & 7, e & 0xff,
		      e & ENTRY_LEVEL);
}

static void service_level(unsigned pin)
{
	uint64_t e = ioapic.entry[pin];

	if (!(e & ENTRY_LEVEL) || (e & (ENTRY_MASKED | ENTRY_REMOTE)) ||
	    !(ioapic.lines >> pin & 1))
		return;
	/* Only fixed and lowest-priority interrupts are ended by EOI. */
	if (((e >> 8) & 7) <= LAPIC_LOWEST)
		ioapic.entry[pin] |= ENTRY_REMOTE;
	send(pin);
}

bool ioapic_waits(unsigned pin)
{
	uint64_t e = pin < IOAPIC_PINS ? ioapic.entry[pin] : ENTRY_MASKED;

	return !(e & ENTRY_MASKED) && lapic_requested(e & 0xff);
}

void ioapic_set(unsigned pin, bool asserted)
{
	uint32_t bit = 1u << pin;
	bool was = ioapic.lines & bit;

	if (was == asserted)
		return;
	ioapic.lines ^= bit;
	if (!asserted)
		return;
	if (ioapic.entry[pin] & ENTRY_LEVEL)
		service_level(pin);
	else if (!(ioapic.entry[pin] & ENTRY_MASKED))
		send(pin);
}

void ioapic_eoi(uint8_t vector)
{
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t e = ioapic.entry[pin];

		if ((e & 0xff) != vector || !(e & ENTRY_LEVEL) || !(e & ENTRY_REMOTE))
			continue;
		ioapic.entry[pin] &= ~ENTRY_REMOTE;
		service_level(pin);
	}
}

static uint32_t register_read(uint32_t reg)
{
	switch (reg) {
	case REG_ID:
	case REG_ARBITRATION:
		return ioapic.id << 24;
	case REG_VERSION:
		return VERSION;
	}
	if (reg < REG_ENTRIES || reg >= REG_ENTRIES + 2 * IOAPIC_PINS)
		return 0;
	return (uint32_t)(ioapic.entry[(reg - REG_ENTRIES) / 2] >> ((reg & 1) * 32));
}

static void entry_write(unsigned pin, bool high, uint32_t value)
{
	uint64_t e = ioapic.entry[pin];

	if (high)
		e = (e & UINT32_MAX) | (uint64_t)value << 32;
	else
		e = (e & ~(uint64_t)UINT32_MAX) | (value & ~ENTRY_READONLY) | (e & ENTRY_REMOTE);
	e &= ENTRY_KNOWN;
	/* Becoming edge-triggered clears remote IRR: software's way to end a stuck one. */
	if (!(e & ENTRY_LEVEL))
		e &= ~ENTRY_REMOTE;
	ioapic.entry[pin] = e;
	service_level(pin);
}

static uint64_t window_read(void *device, uint64_t offset, unsigned size)
{
	(void)device;
	(void)size;
	switch (offset) {
	case WINDOW_SELECT:
		return ioapic.select;
	case WINDOW_DATA:
		return register_read(ioapic.select);
	}
	return 0;
}

static void window_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	(void)size;
	switch (offset) {
	case WINDOW_SELECT:
		ioapic.select = value & 0xff;
		break;
	case WINDOW_DATA:
		if (ioapic.select == REG_ID)
			ioapic.id = (value >> 24) & 15;
		else if (ioapic.select >= REG_ENTRIES &&
			 ioapic.select < REG_ENTRIES + 2 * IOAPIC_PINS)
			entry_write((ioapic.select - REG_ENTRIES) / 2, ioapic.select & 1,
				    (uint32_t)value);
		break;
	case WINDOW_EOI:
		ioapic_eoi(value & 0xff);
		break;
	}
}

static const struct bus_ops window_ops = {
	.read = window_read, .write = window_write, .width = 4,
};

int ioapic_init(void)
{
	ioapic.select = 0;
	ioapic.lines = 0;
	ioapic.id = IOAPIC_ID;
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic.entry[pin] = ENTRY_MASKED;
	return bus_add_mmio(GPA(IOAPIC_BASE), WINDOW_SIZE, &window_ops, &ioapic, "ioapic");
}
