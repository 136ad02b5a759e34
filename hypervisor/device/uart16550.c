/* SPDX-License-Identifier: MIT */
/*
 * 16550A serial ports.
 *
 * The receiver is a 16-byte FIFO (one byte with FIFOs off); "character time-out"
 * is reported at once when there are bytes below the trigger level.  The
 * transmitter empties instantly into a buffer of this file, so that a guest that
 * prints byte by byte, polling or by interrupt, costs one host write per line or
 * more.  The break signal passes through the FIFO as a zero byte with its flag.
 */
#include "device/uart16550.h"

#include <errno.h>

#include "base/clock.h"
#include "machine/bus.h"
#include "machine/irq.h"
#include "machine/timer.h"

#define FIFO_SIZE	16
#define OUT_SIZE	4096
#define POLLS		8	/* so often in a row nobody asks only whether the transmitter is empty */
#define SETTLE		1000000UL	/* ns; drivers may clear the FIFO once more when they have begun */
#define OUT_DELAY	4000000UL	/* ns a byte waits at most while the guest is busy */

enum { R_DATA, R_IER, R_IIR, R_LCR, R_MCR, R_LSR, R_MSR, R_SCRATCH };

#define IER_RECEIVE	0x01
#define IER_TRANSMIT	0x02
#define IER_LINE	0x04
#define IER_MODEM	0x08
#define IIR_NONE	0x01
#define IIR_MODEM	0x00
#define IIR_TRANSMIT	0x02
#define IIR_RECEIVE	0x04
#define IIR_LINE	0x06
#define IIR_TIMEOUT	0x0c
#define FCR_ENABLE	0x01
#define FCR_CLEAR_RX	0x02
#define LCR_DLAB	0x80
#define MCR_OUT2	0x08		/* in a PC: the interrupt line is connected */
#define MCR_LOOP	0x10
#define LSR_DATA	0x01
#define LSR_OVERRUN	0x02
#define LSR_BREAK	0x10
#define LSR_EMPTY	0x60		/* THRE and TEMT */
#define MSR_CTS		0x10
#define MSR_DSR		0x20
#define MSR_DCD		0x80

struct uart {
	struct uart_backend *backend;	/* NULL: no such port */
	unsigned gsi;
	uint8_t ier, fcr, lcr, mcr, msr_delta, scratch;
	uint8_t lsr_errors;		/* sticky until LSR is read */
	uint16_t divisor;
	bool transmit_interrupt;	/* THR became empty, and nobody has noticed yet */
	bool asserted;			/* the interrupt line, as last told */
	unsigned polls;			/* LSR was read in vain so often since the last output */
	bool settled;			/* has listened for a while */
	struct timer settle;
	uint8_t fifo[FIFO_SIZE];
	unsigned fifo_head, fifo_count;
	struct timer timer;
	size_t out_count;
	uint8_t out[OUT_SIZE];
};

static struct uart uarts[UART_COUNT];

/* ---- interrupts ---- */

static unsigned trigger(const struct uart *u)
{
	static const uint8_t levels[4] = { 1, 4, 8, 14 };

	return u->fcr & FCR_ENABLE ? levels[u->fcr >> 6] : 1;
}

static uint8_t interrupt_id(const struct uart *u)
{
	if ((u->ier & IER_LINE) && u->lsr_errors)
		return IIR_LINE;
	if ((u->ier & IER_RECEIVE) && u->fifo_count)
		return u->fifo_count >= trigger(u) ? IIR_RECEIVE : IIR_TIMEOUT;
	if ((u->ier & IER_TRANSMIT) && u->transmit_interrupt)
		return IIR_TRANSMIT;
	if ((u->ier & IER_MODEM) && u->msr_delta)
		return IIR_MODEM;
	return IIR_NONE;
}

static void update(struct uart *u)
{
	bool asserted = interrupt_id(u) != IIR_NONE;

	if (asserted == u->asserted)
		return;
	u->asserted = asserted;
	irq_set(u->gsi, asserted);
}

/* ---- transmitter ---- */

static void flush(struct uart *u)
{
	size_t n = u->out_count;

	if (!n)
		return;
	u->out_count = 0;
	timer_cancel(&u->timer);
	u->backend->write(u->backend->context, u->out, n);
}

static void flush_late(void *device)
{
	flush(device);
}

static void output(struct uart *u, uint8_t byte)
{
	u->out[u->out_count++] = byte;
	if (u->out_count == OUT_SIZE)
		flush(u);
	else if (u->out_count == 1)
		timer_arm(&u->timer, clock_ns() + OUT_DELAY);
}

void uart_print(unsigned index, const uint8_t *bytes, size_t n)
{
	struct uart *u = &uarts[index];

	for (size_t i = 0; u->backend && i < n; i++)
		output(u, bytes[i]);
}

void uart_flush(void)
{
	for (unsigned i = 0; i < UART_COUNT; i++)
		if (uarts[i].backend)
			flush(&uarts[i]);
}

/* ---- receiver ---- */

static unsigned capacity(const struct uart *u)
{
	return u->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static void fifo_put(struct uart *u, uint8_t byte)
{
	if (u->fifo_count >= capacity(u)) {
		u->lsr_errors |= LSR_OVERRUN;
		return;
	}
	u->fifo[(u->fifo_head + u->fifo_count++) % FIFO_SIZE] = byte;
}

static uint8_t fifo_get(struct uart *u)
{
	uint8_t byte;

	if (!u->fifo_count)
		return 0;
	byte = u->fifo[u->fifo_head];
	u->fifo_head = (u->fifo_head + 1) % FIFO_SIZE;
	u->fifo_count--;
	return byte;
}

size_t uart_room(unsigned index)
{
	const struct uart *u;

	if (index >= UART_COUNT)
		return 0;
	u = &uarts[index];
	if (!u->backend || (u->mcr & MCR_LOOP))
		return 0;
	return u->fifo_count < capacity(u) ? capacity(u) - u->fifo_count : 0;
}

/* Probing drivers set IER's bits to see whether they stay, but connect no line. */
static bool listens(const struct uart *u)
{
	return ((u->ier & IER_RECEIVE) && (u->mcr & MCR_OUT2)) || u->polls >= POLLS;
}

bool uart_listens(unsigned index)
{
	return index < UART_COUNT && uarts[index].settled;
}

static void offer_room(struct uart *u)
{
	if (u->backend->drained && !(u->mcr & MCR_LOOP))
		u->backend->drained(u->backend->context);
}

static void settled(void *device)
{
	struct uart *u = device;

	u->settled = true;
	offer_room(u);
}

/* Something changed that listens() looks at. */
static void settle(struct uart *u)
{
	if (!listens(u)) {
		u->settled = false;
		timer_cancel(&u->settle);
	} else if (!u->settled && u->settle.index < 0) {
		timer_arm(&u->settle, clock_ns() + SETTLE);
	}
}

/* Only what passes POLLS makes a difference. */
static void polls_set(struct uart *u, unsigned polls)
{
	bool changed = (u->polls >= POLLS) != (polls >= POLLS);

	u->polls = polls;
	if (changed)
		settle(u);
}

size_t uart_receive(unsigned index, const uint8_t *bytes, size_t n)
{
	size_t taken = min_u64(n, uart_room(index));

	for (size_t i = 0; i < taken; i++)
		fifo_put(&uarts[index], bytes[i]);
	if (taken)
		update(&uarts[index]);
	return taken;
}

void uart_break(unsigned index)
{
	struct uart *u;

	if (!uart_room(index))
		return;
	u = &uarts[index];
	fifo_put(u, 0);
	u->lsr_errors |= LSR_BREAK;
	update(u);
}

/* ---- registers ---- */

static uint8_t modem_status(const struct uart *u)
{
	uint8_t lines = MSR_CTS | MSR_DSR | MSR_DCD;

	/* Looped: RTS, DTR, OUT1, OUT2 come back as CTS, DSR, RI, DCD. */
	if (u->mcr & MCR_LOOP)
		lines = (uint8_t)((u->mcr & 0x02) << 3 | (u->mcr & 0x01) << 5 |
				  (u->mcr & 0x0c) << 4);
	return lines;
}

static void data_write(struct uart *u, uint8_t byte)
{
	/* Filling THR ends its interrupt, emptying it makes a new one: an edge. */
	u->transmit_interrupt = false;
	update(u);
	u->transmit_interrupt = true;
	polls_set(u, 0);
	if (u->mcr & MCR_LOOP) {
		fifo_put(u, byte);
		return;
	}
	output(u, byte);
}

static void fcr_write(struct uart *u, uint8_t value)
{
	/* Switching FIFOs on or off clears them. */
	if ((value & FCR_CLEAR_RX) || ((value ^ u->fcr) & FCR_ENABLE)) {
		u->fifo_count = 0;
		u->fifo_head = 0;
	}
	u->fcr = value & FCR_ENABLE ? value & 0xc9 : 0;
}

static void mcr_write(struct uart *u, uint8_t value)
{
	uint8_t before = modem_status(u), after;

	u->mcr = value & 0x1f;
	settle(u);
	after = modem_status(u);
	u->msr_delta |= (before ^ after) >> 4 & 0x0b;
	if ((before & ~after) & 0x40)
		u->msr_delta |= 0x04;		/* RI: trailing edge */
}

static void ier_write(struct uart *u, uint8_t value)
{
	/* Enabling it while the transmitter is empty interrupts at once. */
	if (~u->ier & value & IER_TRANSMIT)
		u->transmit_interrupt = true;
	u->ier = value & 0x0f;
	settle(u);
}

static void register_write(void *device, uint64_t offset, unsigned size, uint64_t wide)
{
	struct uart *u = device;
	uint8_t value = (uint8_t)wide;

	(void)size;
	switch (offset) {
	case R_DATA:
		if (u->lcr & LCR_DLAB)
			u->divisor = (uint16_t)((u->divisor & 0xff00) | value);
		else
			data_write(u, value);
		break;
	case R_IER:
		if (u->lcr & LCR_DLAB)
			u->divisor = (uint16_t)((u->divisor & 0xff) | value << 8);
		else
			ier_write(u, value);
		break;
	case R_IIR:
		fcr_write(u, value);
		break;
	case R_LCR:
		u->lcr = value;
		break;
	case R_MCR:
		mcr_write(u, value);
		break;
	case R_SCRATCH:
		u->scratch = value;
		break;
	default:
		break;
	}
	update(u);
}

static uint8_t data_read(struct uart *u)
{
	bool had = u->fifo_count;
	uint8_t byte = fifo_get(u);

	if (had && !u->fifo_count)
		offer_room(u);
	return byte;
}

static uint64_t register_read(void *device, uint64_t offset, unsigned size)
{
	struct uart *u = device;
	uint8_t value = 0xff;

	(void)size;
	switch (offset) {
	case R_DATA:
		value = u->lcr & LCR_DLAB ? u->divisor & 0xff : data_read(u);
		break;
	case R_IER:
		value = u->lcr & LCR_DLAB ? (uint8_t)(u->divisor >> 8) : u->ier;
		break;
	case R_IIR:
		value = interrupt_id(u);
		/* Reading it is what ends the transmitter's interrupt. */
		if (value == IIR_TRANSMIT)
			u->transmit_interrupt = false;
		if (u->fcr & FCR_ENABLE)
			value |= 0xc0;
		break;
	case R_LCR:
		return u->lcr;
	case R_MCR:
		return u->mcr;
	case R_LSR:
		if (!u->fifo_count && u->polls < POLLS)
			polls_set(u, u->polls + 1);
		value = LSR_EMPTY | u->lsr_errors | (u->fifo_count ? LSR_DATA : 0);
		if (!u->lsr_errors)
			return value;
		u->lsr_errors = 0;
		break;
	case R_MSR:
		value = modem_status(u) | u->msr_delta;
		u->msr_delta = 0;
		break;
	case R_SCRATCH:
		return u->scratch;
	}
	update(u);
	return value;
}

static const struct bus_ops uart_ops = {
	.read = register_read, .write = register_write, .width = 1,
};

int uart_init(unsigned index, uint16_t port, unsigned gsi, struct uart_backend *backend)
{
	static const char *const names[UART_COUNT] = { "com1", "com2", "com3", "com4" };

	if (index >= UART_COUNT || !backend)
		return -EINVAL;

	struct uart *u = &uarts[index];

	*u = (struct uart){ .backend = backend, .gsi = gsi, .divisor = 1, .lcr = 0x03 };
	timer_init(&u->timer, flush_late, u);
	timer_init(&u->settle, settled, u);
	return bus_add_pio(port, 8, &uart_ops, u, names[index]);
}
