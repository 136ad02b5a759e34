/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the ring3 platform tell each other; drivers have <asm/ring3.h>.
 *
 * ring3.c calls the others' init functions once at boot, from the hypervisor hook of
 * setup_arch(): interrupts are off, there is no allocator yet, and the shared page, if the
 * feature is there, is known to ring3.  Each looks at ring3_has() for itself.
 */
#ifndef _X86_KERNEL_RING3_H
#define _X86_KERNEL_RING3_H

#include <asm/ring3.h>

void ring3_event_init(void);
void ring3_time_init(void);
void ring3_mmu_init(void);

/* A call that a feature needs at boot failed: it is used no more, nor what needs it. */
void ring3_give_up(unsigned int feature, const char *call, long error);

/* The timer's event came: called by ring3_event.c with interrupts off. */
void ring3_timer_event(void);

/* What clocksource_default_clock() returns elsewhere. */
extern struct clocksource clocksource_jiffies;

/* arch/x86/mm/tlb.c: ranges of more pages are flushed by flushing everything. */
extern unsigned long tlb_single_page_flush_ceiling;

#endif
