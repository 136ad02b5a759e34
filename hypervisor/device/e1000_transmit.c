// SPDX-License-Identifier: MIT
/*
 * The transmit ring (SDM 3.3, 3.4): descriptors from TDH to TDT are gathered into
 * frames, frames are sent by e1000_offload.c, and descriptors that asked for it are
 * written back once their frame is gone.
 *
 * Data stays in guest RAM (the DMA view) until it is sent.  A frame whose end is not
 * in the ring yet, or that lies in very many pieces, is copied together, so that its
 * descriptors can be given back: a driver may wait for them.
 *
 * One call works on what lies in the ring now: the guest does not run meanwhile, so
 * it is bounded by the ring's length.  While the back-end has no room nothing moves,
 * and STATUS.TXOFF says so, as when a link partner paused the card.
 */
#include "device/e1000_device.h"

#include <string.h>

#include "memory/ram.h"

struct e1000_ring e1000_ring(struct e1000 *d, unsigned base)
{
	const uint32_t *reg = e1000_reg(d, base);	/* BAL, BAH, LEN, -, H, -, T */
	struct e1000_ring ring = { .count = reg[2] / 16, .head = reg[4], .tail = reg[6] };

	if (ring.count && ring.head < ring.count && ring.tail < ring.count)
		ring.at = ram_dma(GPA(reg[0] | (uint64_t)reg[1] << 32), ring.count * 16ul);
	return ring;
}

static void frame_reset(struct e1000_tx_frame *f)
{
	f->pieces = 0;
	f->bytes = 0;
	f->begun = false;
	f->bad = false;
	f->sent = 0;
	f->reports = 0;
	f->report_now = false;
}

void e1000_transmit_reset(struct e1000 *d)
{
	frame_reset(&d->tx.frame);
	d->tx.blocked = false;
	d->tx.report = false;
	d->tx.report_now = false;
}

static void write_back(struct e1000 *d)
{
	struct e1000_tx_frame *f = &d->tx.frame;

	if (!f->reports)
		return;
	d->tx.report = true;
	d->tx.report_now |= f->report_now;
	for (unsigned i = 0; i < f->reports; i++) {
		*f->report[i] |= TXD_DD;
		ram_dma_pointer_written((const void *)f->report[i], sizeof(uint64_t));
	}
	f->reports = 0;
	f->report_now = false;
}

/* Give the descriptors back before the frame is complete. */
static void stage(struct e1000 *d)
{
	struct e1000_tx_frame *f = &d->tx.frame;
	uint8_t *to = d->tx.staged;

	for (unsigned i = 0; i < f->pieces && !f->bad; i++) {
		if (f->piece[i].iov_base != to)
			memcpy(to, f->piece[i].iov_base, f->piece[i].iov_len);
		to += f->piece[i].iov_len;
	}
	f->piece[0] = (struct iovec){ d->tx.staged, f->bad ? 0 : f->bytes };
	f->pieces = f->pieces ? 1 : 0;
	write_back(d);
}

static void add_data(struct e1000 *d, uint64_t address, uint32_t bytes)
{
	struct e1000_tx_frame *f = &d->tx.frame;
	struct iovec *last = NULL;
	uint8_t *data;

	if (!bytes || f->bad)
		return;
	data = ram_dma(GPA(address), bytes);
	if (!data || f->bytes + bytes > E1000_TX_BYTES) {
		f->bad = true;
		return;
	}
	if (f->pieces == E1000_TX_PIECES)
		stage(d);
	if (f->pieces)
		last = &f->piece[f->pieces - 1];
	if (last && (uint8_t *)last->iov_base + last->iov_len == data)
		last->iov_len += bytes;
	else
		f->piece[f->pieces++] = (struct iovec){ data, bytes };
	f->bytes += bytes;
}

/* 3.3.6: what is asked for a packet stands in its first data descriptor. */
static void begin(struct e1000 *d, uint64_t high)
{
	struct e1000_tx_frame *f = &d->tx.frame;
	uint32_t command = TXD_COMMAND(high);

	if (f->begun)
		return;
	f->begun = true;
	if (command & TXD_DEXT) {
		f->segment = command & TXD_TSE;
		f->ip_checksum = TXD_POPTS(high) & TXD_POPTS_IXSM;
		f->checksum = TXD_POPTS(high) & TXD_POPTS_TXSM;
		f->context = f->segment ? d->tx.tso_context : d->tx.context;
	} else {
		f->segment = false;
		f->ip_checksum = false;
		f->checksum = command & TXD_IC;
		f->context = (struct e1000_context){ .tucss = (uint8_t)TXD_CSS(high),
						     .tucso = (uint8_t)TXD_CSO(high), .tcp = true };
	}
}

static void set_context(struct e1000 *d, uint64_t low, uint64_t high)
{
	uint32_t command = TXD_COMMAND(high);
	struct e1000_context *c = command & TXD_TSE ? &d->tx.tso_context : &d->tx.context;

	c->ipcss = (uint8_t)low;
	c->ipcso = (uint8_t)(low >> 8);
	c->ipcse = (uint16_t)(low >> 16);
	c->tucss = (uint8_t)(low >> 32);
	c->tucso = (uint8_t)(low >> 40);
	c->tucse = (uint16_t)(low >> 48);
	c->header = (uint8_t)TXD_POPTS(high);
	c->mss = TXD_SPECIAL(high);
	c->tcp = command & TXD_TUCMD_TCP;
	c->ipv4 = command & TXD_TUCMD_IP;
}

static void report_later(struct e1000 *d, uint32_t command, uint64_t *word)
{
	struct e1000_tx_frame *f = &d->tx.frame;

	if (!(command & (TXD_RS | TXD_RPS)))
		return;
	if (f->reports == E1000_TX_PIECES)
		stage(d);
	f->report[f->reports++] = word;
	f->report_now |= !(command & TXD_IDE);
}

/* The frame is complete: send it, or let it wait. */
static void finish(struct e1000 *d)
{
	struct e1000_tx *tx = &d->tx;

	tx->blocked = !e1000_frame_send(d);
	if (tx->blocked)
		return;
	write_back(d);
	frame_reset(&tx->frame);
}

static void take(struct e1000 *d, uint64_t *at)
{
	uint64_t low = ((volatile uint64_t *)at)[0], high = ((volatile uint64_t *)at)[1];
	uint32_t command = TXD_COMMAND(high);
	struct e1000_tx_frame *f = &d->tx.frame;

	report_later(d, command, at + 1);
	if (command & TXD_DEXT && TXD_DTYP(high) == TXD_DTYP_CONTEXT) {
		set_context(d, low, high);
		if (!f->begun)
			write_back(d);
		return;
	}
	begin(d, high);
	add_data(d, low, command & TXD_DEXT ? TXD_DTALEN(high) : TXD_LENGTH(high));
	if (!(command & TXD_EOP))
		return;
	f->vlan = command & TXD_VLE && *e1000_reg(d, E1000_CTRL) & CTRL_VME;
	f->tag = TXD_SPECIAL(high);
	f->fcs = !(command & TXD_IFCS);
	finish(d);
}

static void tell(struct e1000 *d)
{
	if (d->tx.report_now)
		e1000_cause(d, ICR_TXDW);
	else if (d->tx.report)
		e1000_delay_start(d, &d->tx_delay, *e1000_reg(d, E1000_TIDV),
				  *e1000_reg(d, E1000_TADV));
	d->tx.report = false;
	d->tx.report_now = false;
	e1000_interrupt_update(d);
}

static void again(void *device);

void e1000_transmit_wait(struct e1000 *d)
{
	if (d->tx.blocked)
		net_wait(d->net, again);
}

static void again(void *device)
{
	struct e1000 *d = device;

	if (!d->tx.blocked)
		return;		/* reset meanwhile */
	finish(d);
	if (d->tx.blocked)
		e1000_transmit_wait(d);
	else
		e1000_transmit(d);
}

void e1000_transmit(struct e1000 *d)
{
	struct e1000_tx *tx = &d->tx;
	struct e1000_ring ring = e1000_ring(d, E1000_TDBAL);
	unsigned head = ring.head;

	if (tx->blocked)
		return;
	if (!ring.at || !(*e1000_reg(d, E1000_TCTL) & TCTL_EN) || !pci_bus_master(&d->pci))
		ring.tail = head;
	while (head != ring.tail && !tx->blocked) {
		take(d, ring.at + 2ul * head);
		head = head + 1 == ring.count ? 0 : head + 1;
		*e1000_reg(d, E1000_TDH) = head;
	}
	if (!tx->blocked && tx->frame.begun)
		stage(d);
	if (!tx->blocked && ring.head != ring.tail)
		e1000_cause(d, ICR_TXQE | ICR_TXD_LOW);
	if (tx->flush)
		net_flush(d->net);
	tx->flush = false;
	tell(d);
	e1000_transmit_wait(d);
}
