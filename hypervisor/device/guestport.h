/* SPDX-License-Identifier: MIT */
/* Ports by which a guest tells the hypervisor something: verdicts, panics, debug text. */
#ifndef RING3_DEVICE_GUESTPORT_H
#define RING3_DEVICE_GUESTPORT_H

#include "device/uart16550.h"

#define DEBUGEXIT_PORT	0xf4
#define DEBUGCON_PORT	0xe9
#define PVPANIC_PORT	0x505

/* As QEMU's isa-debug-exit: a write ends the machine with status (value << 1) | 1. */
int debugexit_init(void);
/* As Bochs' and QEMU's debug console: bytes written appear on the backend; reads 0xe9. */
int debugcon_init(struct uart_backend *backend);
void debugcon_flush(void);
/* As QEMU's pvpanic (docs/specs/pvpanic): bit 0 panicked, bit 1 crash kernel loaded. */
int pvpanic_init(void);

#endif
