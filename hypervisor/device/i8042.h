/* SPDX-License-Identifier: MIT */
/* The PC's keyboard controller, without a keyboard: reset and A20; and port 0x92. */
#ifndef RING3_DEVICE_I8042_H
#define RING3_DEVICE_I8042_H

int i8042_init(void);
int port92_init(void);

#endif
