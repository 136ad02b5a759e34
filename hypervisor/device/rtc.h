/* SPDX-License-Identifier: MIT */
/* The MC146818 real-time clock with its CMOS memory, at 0x70/0x71; IRQ 8. */
#ifndef RING3_DEVICE_RTC_H
#define RING3_DEVICE_RTC_H

#include "base/types.h"

#define RTC_CENTURY	0x32	/* where the FADT says the century is */

/* low, high: RAM below and above 4 GiB, for the size bytes that firmware leaves. */
int rtc_init(uint64_t low, uint64_t high);

#endif
