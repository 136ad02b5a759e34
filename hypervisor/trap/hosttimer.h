/* SPDX-License-Identifier: MIT */
/*
 * The host timer behind machine/timer.h: one POSIX timer whose SIGALRM asks for
 * the vCPU loop's attention when the earliest device timer is due.
 */
#ifndef RING3_TRAP_HOSTTIMER_H
#define RING3_TRAP_HOSTTIMER_H

#include "base/types.h"

/*
 * Create it and install timers_changed.  On the vCPU's own thread, after
 * clock_init() and signal_init(), before the jail (which must allow
 * timer_settime).  0 or -errno, said.
 */
int hosttimer_init(void);
/* How often the host was asked to change it. */
uint64_t hosttimer_programmed(void);

#endif
