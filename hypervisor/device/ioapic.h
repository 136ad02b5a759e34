/* SPDX-License-Identifier: MIT */
/* The I/O APIC (82093AA, version 0x20 with its EOI register): 24 pins. */
#ifndef RING3_DEVICE_IOAPIC_H
#define RING3_DEVICE_IOAPIC_H

#include "base/types.h"

#define IOAPIC_BASE	0xfec00000UL
#define IOAPIC_ID	1
#define IOAPIC_PINS	24

int ioapic_init(void);
void ioapic_set(unsigned pin, bool asserted);
/* Is an edge of this pin on its way to the CPU, in the local APIC's IRR? */
bool ioapic_waits(unsigned pin);
/* The local APIC ended a level-triggered interrupt of this vector. */
void ioapic_eoi(uint8_t vector);

#endif
