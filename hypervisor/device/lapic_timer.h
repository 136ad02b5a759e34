/* SPDX-License-Identifier: MIT */
/*
 * The local APIC's timer (SDM vol. 3, 11.5.4): used by device/lapic.c, which owns
 * the LVT entry, and declared for nobody else.
 */
#ifndef RING3_DEVICE_LAPIC_TIMER_H
#define RING3_DEVICE_LAPIC_TIMER_H

#include "base/types.h"

enum lapic_timer_mode {		/* as in LVT bits 17 and 18; 3 is reserved: as one-shot */
	LAPIC_TIMER_ONE_SHOT, LAPIC_TIMER_PERIODIC, LAPIC_TIMER_TSC_DEADLINE,
};

/* fire: called at expiry, masked or not. */
void lapic_timer_init(void (*fire)(void));
void lapic_timer_reset(void);
void lapic_timer_set_mode(enum lapic_timer_mode mode);

uint32_t lapic_timer_initial(void);
uint32_t lapic_timer_count(void);
uint32_t lapic_timer_divide(void);
void lapic_timer_set_initial(uint32_t count);
void lapic_timer_set_divide(uint32_t configuration);

#endif
