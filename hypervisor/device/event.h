/* SPDX-License-Identifier: MIT */
/*
 * Events of the hypercall ABI (docs/abi.md): bits in the page that the vCPU shares
 * with ring3, and one interrupt vector for all of them.
 *
 * Devices signal, irq.c delivers, hypercall/ sets up.  The page is guest memory: the
 * guest may write anything there at any time, which loses it its own events.
 */
#ifndef RING3_DEVICE_EVENT_H
#define RING3_DEVICE_EVENT_H

#include "base/types.h"

/* An event came: number < RING3_EVENTS. */
void event_signal(unsigned event);

/* The page's guest-physical address (RAM, 4 KiB aligned), or 0: none. */
void event_set_page(uint64_t page);
void event_set_vector(uint8_t vector);		/* 0: no interrupts */
void event_mask(unsigned event, bool masked);
void event_retry(void);

/* Is an unmasked event pending, whether the guest is willing or not? */
bool event_waits(void);

/* For irq.c: is there an event to interrupt for, with the guest willing?  Tells the guest if it
 * is not.  event_take(): its vector; the interrupt is delivered then. */
bool event_pending(void);
uint8_t event_take(void);

#endif
