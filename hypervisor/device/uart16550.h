/* SPDX-License-Identifier: MIT */
/*
 * 16550A serial ports (National Semiconductor PC16550D).
 *
 * Output is collected and handed to the back-end in pieces: when the buffer is
 * full, at uart_flush(), or a few milliseconds after the first byte.  Transmission
 * itself takes no time: the transmitter is always empty again when asked.
 */
#ifndef RING3_DEVICE_UART16550_H
#define RING3_DEVICE_UART16550_H

#include "base/types.h"

#define UART_COUNT	4

/* Where the bytes go; supplied by the console, called on the vCPU thread. */
struct uart_backend {
	/* Takes all of them (waits or drops as it sees fit). */
	void (*write)(void *context, const uint8_t *bytes, size_t n);
	/* The guest read the last byte, or begins to listen: there is room.  May be NULL. */
	void (*drained)(void *context);
	void *context;
};

/* 0, or the error of bus_add_pio(); -EINVAL: no such index.  Keeps the pointer. */
int uart_init(unsigned index, uint16_t port, unsigned gsi, struct uart_backend *backend);
/* Bytes arrive on the line: returns how many found room in the receive FIFO. */
size_t uart_receive(unsigned index, const uint8_t *bytes, size_t n);
size_t uart_room(unsigned index);
/*
 * Does the guest look for input: by interrupt, or by asking for it again and again?  Drivers clear
 * the FIFO when they start, and what came before would be lost.
 */
bool uart_listens(unsigned index);
/* The line's break condition (a debugger's or SysRq's attention signal). */
void uart_break(unsigned index);
/* Output of somebody else's, in order with the port's and collected like it. */
void uart_print(unsigned index, const uint8_t *bytes, size_t n);
/* Hand everything buffered to the back-ends; the loop calls it before it waits. */
void uart_flush(void);

#endif
