/* SPDX-License-Identifier: MIT */
/* The 8254 interval timer at 0x40..0x43 and its gate and speaker port 0x61. */
#ifndef RING3_DEVICE_PIT_H
#define RING3_DEVICE_PIT_H

#define PIT_HZ	1193182UL

int pit_init(void);
/* The CPU took some interrupt: there is room for a tick that is owed. */
void pit_interrupt_taken(void);

#endif
