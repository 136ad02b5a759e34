/* SPDX-License-Identifier: MIT */
/*
 * The PC: all devices, made in the order in which they need each other.
 */
#ifndef RING3_DEVICE_PLATFORM_H
#define RING3_DEVICE_PLATFORM_H

#include "device/uart16550.h"
#include "machine/machine.h"

/*
 * Create every device and register it on the bus; before the jail, after
 * clock_init().  com1: what is at the other end of the first serial port.
 * 0 or -errno.
 */
int platform_init(struct uart_backend *com1, const struct machine_config *config);
/*
 * Housekeeping, whenever the loop attends to something: every few seconds our clock,
 * and the guest's paravirtual one, are made to follow the host's slewing.
 */
void platform_poll(void);
/* Hand out buffered console output: before the CPU waits (HLT) and before the end. */
void platform_flush(void);

#endif
