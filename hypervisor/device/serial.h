/* SPDX-License-Identifier: MIT */
/*
 * The first serial port's other end: the console.
 */
#ifndef RING3_DEVICE_SERIAL_H
#define RING3_DEVICE_SERIAL_H

#include "device/uart16550.h"

/* Attach to the console and give the port's back-end, for platform_init(). */
struct uart_backend *serial_init(void);
/* Shown on the console after what the port wrote, and as late as that. */
void serial_print(const uint8_t *bytes, size_t n);
/* From now on the console's input goes elsewhere; as struct console_client has them. */
void serial_divert(size_t (*room)(void), void (*input)(const uint8_t *bytes, size_t n));

#endif
