/* SPDX-License-Identifier: MIT */
/*
 * Two 8259A interrupt controllers, cascaded on input 2 (Intel 8259A data sheet),
 * and their edge/level registers at 0x4d0/0x4d1 (PIIX, ICH).
 *
 * Fully nested and special fully nested mode, rotation, automatic EOI, special
 * mask, poll.  The request latch keeps an edge until acknowledged or until the
 * line falls (the 8259A wants it high until INTA: if not, the spurious IRQ 7).
 * Called by irq.c; tells the CPU side by vcpu_kick() when the output rises.
 */
#include "device/pic.h"

#include "device/lapic.h"
#include "device/irq.h"
#include "machine/bus.h"

#define ICW1_ICW4	0x01
#define ICW1_SINGLE	0x02
#define ICW1_INIT	0x10
#define ICW4_AEOI	0x02
#define ICW4_SFNM	0x10
#define OCW3		0x08
#define CASCADE		2

struct pic {
	uint8_t lines;			/* inputs now */
	uint8_t irr, isr, imr;
	uint8_t elcr, elcr_writable;
	uint8_t base;			/* vector of input 0 */
	uint8_t lowest;			/* input of lowest priority; rotation moves it */
	uint8_t init_step;		/* 0: ready, else the ICW expected: 2..4 */
	bool icw4, single, auto_eoi, rotate_aeoi, nested, special_mask, poll, read_isr;
};

static struct pic pics[2];
static bool output;

/* Position in the priority order, 0 highest. */
static unsigned rank(const struct pic *p, unsigned irq)
{
	return (irq - p->lowest - 1u) & 7;
}

/* The highest of a set in the current order, or -1. */
static int first(const struct pic *p, uint8_t set)
{
	for (unsigned i = 1; set && i <= 8; i++) {
		unsigned irq = (p->lowest + i) & 7;

		if (set >> irq & 1)
			return (int)irq;
	}
	return -1;
}

/* The input this controller would signal, or -1. */
static int request(const struct pic *p)
{
	int irq = first(p, p->irr & (uint8_t)~p->imr);
	uint8_t blocking = p->isr;

	if (irq < 0)
		return -1;
	if (p->special_mask)
		blocking &= (uint8_t)~p->imr;
	/* The slave must be able to interrupt its own handler's master entry. */
	if (p->nested && p == &pics[0])
		blocking &= (uint8_t)~(1u << CASCADE);

	int current = first(p, blocking);

	if (current >= 0 && rank(p, (unsigned)irq) >= rank(p, (unsigned)current))
		return -1;
	return irq;
}

static void line(struct pic *p, unsigned irq, bool asserted)
{
	uint8_t bit = (uint8_t)(1u << irq);

	if (asserted) {
		if ((p->elcr & bit) || !(p->lines & bit))
			p->irr |= bit;
		p->lines |= bit;
	} else {
		p->irr &= (uint8_t)~bit;
		p->lines &= (uint8_t)~bit;
	}
}

static void update(void)
{
	bool before = output;

	/* The cascade is a level: the slave's output, whatever latched. */
	if (request(&pics[1]) >= 0) {
		pics[0].irr |= 1u << CASCADE;
		pics[0].lines |= 1u << CASCADE;
	} else {
		pics[0].irr &= (uint8_t)~(1u << CASCADE);
		pics[0].lines &= (uint8_t)~(1u << CASCADE);
	}
	output = request(&pics[0]) >= 0;
	if (output && !before)
		lapic_lint0_edge();
	if (output && lapic_accepts_extint())
		vcpu_kick();
}

void pic_set(unsigned irq, bool asserted)
{
	if (irq >= 16 || irq == CASCADE)
		return;
	line(&pics[irq / 8], irq & 7, asserted);
	update();
}

bool pic_waits(unsigned irq)
{
	const struct pic *p = &pics[irq >> 3 & 1];

	return irq < 16 && (p->irr & (uint8_t)~p->imr & 1u << (irq & 7));
}

bool pic_output(void)
{
	return output;
}

static void acknowledge(struct pic *p, unsigned irq)
{
	uint8_t bit = (uint8_t)(1u << irq);

	if (!p->auto_eoi)
		p->isr |= bit;
	else if (p->rotate_aeoi)
		p->lowest = (uint8_t)irq;
	/* An edge is consumed; a level stays requested while asserted. */
	if (!(p->elcr & bit))
		p->irr &= (uint8_t)~bit;
}

int pic_acknowledge(void)
{
	int irq = request(&pics[0]);
	int vector;

	if (irq < 0)
		return pics[0].base + 7;	/* spurious: no ISR bit */
	if (irq == CASCADE && !pics[0].single) {
		int second = request(&pics[1]);

		vector = pics[1].base + (second < 0 ? 7 : second);
		if (second >= 0)
			acknowledge(&pics[1], (unsigned)second);
	} else {
		vector = pics[0].base + irq;
	}
	acknowledge(&pics[0], (unsigned)irq);
	update();
	return vector;
}

static void init_start(struct pic *p, uint8_t icw1)
{
	uint8_t elcr = p->elcr, writable = p->elcr_writable, lines = p->lines;

	*p = (struct pic){ .elcr = elcr, .elcr_writable = writable, .lines = lines,
			   .lowest = 7, .init_step = 2 };
	p->irr = lines & elcr;		/* the edge sense is cleared, levels remain */
	p->icw4 = icw1 & ICW1_ICW4;
	p->single = icw1 & ICW1_SINGLE;
}

static void ocw2(struct pic *p, uint8_t value)
{
	unsigned command = value >> 5;
	bool rotate = command & 4, specific = command & 2, end = command & 1;
	int irq = value & 7;

	if (command == 0 || command == 4) {
		p->rotate_aeoi = rotate;
		return;
	}
	if (command == 2)
		return;
	if (end) {
		if (!specific) {
			uint8_t set = p->isr;

			/* In special mask mode masked ones cannot be meant. */
			if (p->special_mask)
				set &= (uint8_t)~p->imr;
			irq = first(p, set);
		}
		if (irq < 0)
			return;
		p->isr &= (uint8_t)~(1u << irq);
	}
	if (rotate)
		p->lowest = (uint8_t)irq;
}

static void command_write(struct pic *p, uint8_t value)
{
	if (value & ICW1_INIT) {
		init_start(p, value);
	} else if (value & OCW3) {
		if (value & 0x02)
			p->read_isr = value & 1;
		if (value & 0x40)
			p->special_mask = value & 0x20;
		p->poll = value & 0x04;
	} else {
		ocw2(p, value);
	}
}

static void data_write(struct pic *p, uint8_t value)
{
	switch (p->init_step) {
	case 0:
		p->imr = value;
		break;
	case 2:
		p->base = value & 0xf8;
		p->init_step = p->single ? (p->icw4 ? 4 : 0) : 3;
		break;
	case 3:			/* the cascade wiring is fixed */
		p->init_step = p->icw4 ? 4 : 0;
		break;
	case 4:
		p->auto_eoi = value & ICW4_AEOI;
		p->nested = value & ICW4_SFNM;
		p->init_step = 0;
		break;
	}
}

static void port_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct pic *p = device;

	(void)size;
	if (offset)
		data_write(p, (uint8_t)value);
	else
		command_write(p, (uint8_t)value);
	update();
}

static uint64_t port_read(void *device, uint64_t offset, unsigned size)
{
	struct pic *p = device;

	(void)size;
	if (p->poll) {
		int irq = request(p);

		p->poll = false;
		if (irq < 0)
			return 0;
		acknowledge(p, (unsigned)irq);
		update();
		return 0x80 | (unsigned)irq;
	}
	if (offset)
		return p->imr;
	return p->read_isr ? p->isr : p->irr;
}

static uint64_t elcr_read(void *device, uint64_t offset, unsigned size)
{
	(void)device;
	(void)size;
	return pics[offset].elcr;
}

static void elcr_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	(void)size;
	pics[offset].elcr = (uint8_t)value & pics[offset].elcr_writable;
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write, .width = 1 };
static const struct bus_ops elcr_ops = { .read = elcr_read, .write = elcr_write, .width = 1 };

int pic_init(void)
{
	/* 0, 1, 2, 8 and 13 are edge by the chip set's definition. */
	pics[0] = (struct pic){ .lowest = 7, .imr = 0xff, .base = 0x08, .elcr_writable = 0xf8 };
	pics[1] = (struct pic){ .lowest = 7, .imr = 0xff, .base = 0x70, .elcr_writable = 0xde };
	output = false;

	int error = bus_add_pio(0x20, 2, &port_ops, &pics[0], "pic");
	if (!error)
		error = bus_add_pio(0xa0, 2, &port_ops, &pics[1], "pic2");
	if (!error)
		error = bus_add_pio(0x4d0, 2, &elcr_ops, NULL, "elcr");
	return error;
}
