/* SPDX-License-Identifier: MIT */
/*
 * The 8254 interval timer (Intel data sheet 231164) and system control port B.
 *
 * A channel is its reload value and the moment when counting began; counts and
 * output levels are computed from the clock when somebody asks.  Only channel 0
 * is wired to an interrupt, so only it has a timer.  Channel 2's gate and output
 * are bits of port 0x61: kernels calibrate the TSC with them, polling in a tight
 * loop, which is why nothing here is more than arithmetic.
 *
 * Where the host did not let us run for several periods, the ticks that came too
 * late are owed: each is sent when the one before it was taken, so that a kernel
 * that counts ticks, as Linux does before it trusts any clock, sees them all.
 *
 * Modes 0 and 4 count once, 1 and 5 once after a rising gate, 2 and 3 for ever.
 * Periods shorter than PERIOD_MIN are stretched on the interrupt side only.
 */
#include "device/pit.h"

#include "base/clock.h"
#include "device/irq.h"
#include "machine/bus.h"
#include "machine/timer.h"

#define NS_PER_S	1000000000UL
#define PERIOD_MIN	20000UL		/* ns between interrupts of channel 0 */
#define OWED_MAX	64u		/* ticks; and none at all to a guest whose period is */
#define OWED_PERIOD	500000UL	/* shorter than this: it would get nothing done */

enum access { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };

struct channel {
	uint64_t start;			/* clock_ns() when `reload` was loaded */
	uint32_t reload;		/* 1..65536 (10000 in BCD) */
	uint16_t latched;
	uint16_t paused;		/* count at which a low gate stopped it */
	uint8_t status;			/* latched status */
	uint8_t low;			/* first byte of a two-byte write */
	uint8_t mode, access;
	uint8_t latch_bytes;		/* bytes of `latched` still to be read */
	bool status_latched, bcd, gate;
	bool counting;			/* loaded, and not waiting for a gate or a byte */
	bool write_high, read_high;	/* the second byte is next */
};

static struct {
	struct channel channel[3];
	struct timer timer;		/* channel 0 */
	uint64_t period;		/* number of the period that ends when it expires */
	unsigned owed;
	bool speaker;
} pit;

static uint64_t ticks_since(uint64_t start, uint64_t now)
{
	/* 2^64 / PIT_HZ ns are hours: 128-bit to be right for ever. */
	return now <= start ? 0 : (uint64_t)((unsigned __int128)(now - start) * PIT_HZ / NS_PER_S);
}

/* The first moment at which ticks_since(start) is n. */
static uint64_t tick_time(uint64_t start, uint64_t n)
{
	return start + (uint64_t)(((unsigned __int128)n * NS_PER_S + PIT_HZ - 1) / PIT_HZ);
}

static bool periodic(const struct channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

static uint32_t modulus(const struct channel *c)
{
	return c->bcd ? 10000 : 65536;
}

static uint32_t count_now(const struct channel *c, uint64_t now)
{
	uint64_t ticks;

	if (!c->counting)
		return c->paused;
	ticks = ticks_since(c->start, now);
	if (c->mode == 2)
		return (uint32_t)(c->reload - ticks % c->reload);
	if (c->mode == 3)	/* by twos, twice per period; even counts only */
		return (uint32_t)(c->reload - 2 * ticks % c->reload) & ~1u;
	/* After the terminal count it goes on below zero, modulo its width. */
	return (uint32_t)((c->reload + modulus(c) - ticks % modulus(c)) % modulus(c));
}

static bool output_now(const struct channel *c, uint64_t now)
{
	uint64_t ticks = ticks_since(c->start, now);

	switch (c->mode) {
	case 0:
		return c->counting && ticks >= c->reload;
	case 1:
		return !c->counting || ticks >= c->reload;
	case 2:
		return !c->counting || ticks % c->reload != c->reload - 1;
	case 3:
		return !c->counting || ticks % c->reload < (c->reload + 1) / 2;
	default:
		return !c->counting || ticks != c->reload;
	}
}

static uint16_t encode(const struct channel *c, uint32_t count)
{
	if (!c->bcd)
		return (uint16_t)count;
	return (uint16_t)(count % 10 | count / 10 % 10 << 4 | count / 100 % 10 << 8 |
			  count / 1000 % 10 << 12);
}

static uint32_t decode(const struct channel *c, uint16_t raw)
{
	uint32_t count = raw;

	if (c->bcd)
		count = (raw & 15u) + (raw >> 4 & 15u) * 10 + (raw >> 8 & 15u) * 100 +
			(raw >> 12) * 1000u;
	return count ? count : modulus(c);
}

/* ---- channel 0's interrupt ---- */

static void interrupt_schedule(uint64_t now)
{
	const struct channel *c = &pit.channel[0];
	uint64_t due;

	if (!c->counting) {
		timer_cancel(&pit.timer);
		return;
	}
	if (periodic(c)) {
		uint64_t periods = ticks_since(c->start, now) / c->reload + 1;

		pit.period = periods;
		due = tick_time(c->start, periods * c->reload);
	} else {
		due = tick_time(c->start, c->reload);
		if (due <= now) {
			timer_cancel(&pit.timer);
			return;
		}
	}
	timer_arm(&pit.timer, due);
}

static void line_pulse(void)
{
	irq_set(IRQ_GSI_PIT, false);
	irq_set(IRQ_GSI_PIT, true);
}

void pit_interrupt_taken(void)
{
	if (likely(!pit.owed) || irq_waits(IRQ_GSI_PIT))
		return;
	pit.owed--;
	line_pulse();
}

static void interrupt_owe(const struct channel *c, uint64_t now)
{
	uint64_t late = ticks_since(c->start, now) / c->reload - pit.period;

	if (tick_time(0, c->reload) >= OWED_PERIOD)
		pit.owed = (unsigned)min_u64(pit.owed + late, OWED_MAX);
}

static void interrupt_fire(void *device)
{
	struct channel *c = &pit.channel[0];
	uint64_t now = clock_ns();

	(void)device;
	line_pulse();
	/* In mode 0 the output stays high: the line falls with the next programming. */
	if (!periodic(c))
		return;
	interrupt_owe(c, now);
	interrupt_schedule(max_u64(now, pit.timer.deadline));
	if (pit.timer.deadline < now + PERIOD_MIN)
		timer_arm(&pit.timer, now + PERIOD_MIN);
}

/* ---- programming ---- */

static void load(unsigned n, uint16_t raw)
{
	struct channel *c = &pit.channel[n];
	uint64_t now = clock_ns();

	c->reload = decode(c, raw);
	/* Mode 3 with 1 and mode 2 with 1 are illegal; 2 is the least that means anything. */
	if (periodic(c) && c->reload < 2)
		c->reload = 2;
	c->start = now;
	c->paused = encode(c, c->reload);
	c->counting = c->mode != 1 && c->mode != 5 && c->gate;
	if (n == 0) {
		pit.owed = 0;
		irq_set(IRQ_GSI_PIT, false);
		interrupt_schedule(now);
	}
}

static void latch_count(struct channel *c, uint64_t now)
{
	if (c->latch_bytes)
		return;
	c->latched = encode(c, count_now(c, now));
	c->latch_bytes = c->access == ACCESS_BOTH ? 2 : 1;
	c->read_high = c->access == ACCESS_HIGH;
}

static void latch_status(struct channel *c, uint64_t now)
{
	if (c->status_latched)
		return;
	/* Bit 6, "null count": a count is half written and not loaded. */
	c->status = (uint8_t)(output_now(c, now) << 7 | c->write_high << 6 | c->access << 4 |
			      c->mode << 1 | c->bcd);
	c->status_latched = true;
}

static void control_write(uint8_t value)
{
	unsigned n = value >> 6;
	uint64_t now = clock_ns();

	if (n == 3) {		/* read-back */
		for (unsigned i = 0; i < 3; i++) {
			if (!(value >> (i + 1) & 1))
				continue;
			if (!(value & 0x20))
				latch_count(&pit.channel[i], now);
			if (!(value & 0x10))
				latch_status(&pit.channel[i], now);
		}
		return;
	}

	struct channel *c = &pit.channel[n];
	unsigned access = value >> 4 & 3;

	if (access == ACCESS_LATCH) {
		latch_count(c, now);
		return;
	}
	c->access = (uint8_t)access;
	c->mode = value >> 1 & 7;
	if (c->mode > 5)
		c->mode -= 4;	/* bit 2 is "don't care" for modes 2 and 3 */
	c->bcd = value & 1;
	c->latch_bytes = 0;
	c->status_latched = false;
	c->write_high = c->read_high = false;
	c->counting = false;
	c->paused = 0;
	if (n == 0) {
		timer_cancel(&pit.timer);
		pit.owed = 0;
		irq_set(IRQ_GSI_PIT, false);
	}
}

static void count_write(unsigned n, uint8_t value)
{
	struct channel *c = &pit.channel[n];

	switch (c->access) {
	case ACCESS_LOW:
		load(n, value);
		break;
	case ACCESS_HIGH:
		load(n, (uint16_t)(value << 8));
		break;
	default:
		if (!c->write_high) {
			c->low = value;
			c->write_high = true;
			/* Mode 0: the first byte stops the count. */
			if (c->mode == 0) {
				c->counting = false;
				if (n == 0)
					timer_cancel(&pit.timer);
			}
		} else {
			c->write_high = false;
			load(n, (uint16_t)(value << 8 | c->low));
		}
		break;
	}
}

static uint8_t count_read(struct channel *c)
{
	uint16_t value;
	bool high;

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	value = c->latch_bytes ? c->latched : encode(c, count_now(c, clock_ns()));
	switch (c->access) {
	case ACCESS_LOW:
		high = false;
		break;
	case ACCESS_HIGH:
		high = true;
		break;
	default:
		high = c->read_high;
		c->read_high = !c->read_high;
		break;
	}
	if (c->latch_bytes)
		c->latch_bytes--;
	return (uint8_t)(high ? value >> 8 : value);
}

static uint64_t port_read(void *device, uint64_t offset, unsigned size)
{
	(void)device;
	(void)size;
	return offset == 3 ? 0xff : count_read(&pit.channel[offset]);
}

static void port_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	(void)size;
	if (offset == 3)
		control_write((uint8_t)value);
	else
		count_write((unsigned)offset, (uint8_t)value);
}

/* ---- port 0x61: bit 0 gate 2, 1 speaker, 4 refresh toggle, 5 output 2 ---- */

static void gate_set(struct channel *c, bool gate)
{
	uint64_t now = clock_ns();

	if (gate == c->gate)
		return;
	c->gate = gate;
	if (gate) {
		if (!c->reload)
			return;
		/* A rising gate restarts all modes but 0 and 4, which go on. */
		if (c->mode == 0 || c->mode == 4) {
			uint32_t left = decode(c, c->paused);

			c->start = now - (tick_time(0, c->reload) - tick_time(0, left));
		} else {
			c->start = now;
		}
		c->counting = true;
	} else if (c->mode != 1 && c->mode != 5 && c->counting) {
		c->paused = encode(c, count_now(c, now));
		c->counting = false;
	}
}

static uint64_t control_b_read(void *device, uint64_t offset, unsigned size)
{
	uint64_t now = clock_ns();

	(void)device;
	(void)offset;
	(void)size;
	/* The refresh request toggles every 15.085 us. */
	return (uint64_t)pit.channel[2].gate | (uint64_t)pit.speaker << 1 |
	       (now / 15085 & 1) << 4 | (uint64_t)output_now(&pit.channel[2], now) << 5;
}

static void control_b_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	(void)offset;
	(void)size;
	pit.speaker = value & 2;
	gate_set(&pit.channel[2], value & 1);
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write, .width = 1 };
static const struct bus_ops control_b_ops = {
	.read = control_b_read, .write = control_b_write, .width = 1,
};

int pit_init(void)
{
	uint64_t now = clock_ns();

	timer_init(&pit.timer, interrupt_fire, NULL);
	for (unsigned i = 0; i < 3; i++)
		pit.channel[i] = (struct channel){
			.start = now, .reload = 65536, .mode = 3, .access = ACCESS_BOTH,
			.gate = i != 2,
		};
	/* Firmware's legacy: channel 0 ticks at 18.2 Hz, behind a masked 8259. */
	pit.channel[0].counting = true;

	int error = bus_add_pio(0x40, 4, &port_ops, &pit, "pit");
	if (!error)
		error = bus_add_pio(0x61, 1, &control_b_ops, &pit, "port61");
	return error;
}
