/* SPDX-License-Identifier: MIT */
/*
 * The clock of the hypercall ABI: ns since the machine started, as a line over the TSC that
 * the page which a CPU shares with ring3 shows (docs/abi.md), and the time stolen from the CPU.
 */
#ifndef RING3_DEVICE_PAGE_CLOCK_H
#define RING3_DEVICE_PAGE_CLOCK_H

#include "base/types.h"

/* Start-up: the clock begins. */
void page_clock_init(void);
/* The page (RAM, 4 KiB aligned) whose clock fields are to be kept, or 0: none. */
void page_clock_set(uint64_t page);
/* After clock_recalibrate(): follow it. */
void page_clock_update(void);
/* Now and then, when something else is looked at anyway: stolen time. */
void page_clock_poll(uint64_t now_ns);

/* What a guest that reads its page now has, and when (clock_ns()) that will be `ns` at the earliest. */
uint64_t page_clock_ns(void);
uint64_t page_clock_deadline(uint64_t ns);

#endif
