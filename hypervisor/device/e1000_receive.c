// SPDX-License-Identifier: MIT
/*
 * The receive ring (SDM 3.2): the back-end puts a frame straight into the buffers of
 * the next descriptors; then it is decided whether the frame is for this card, and
 * only if so are the descriptors written back and RDH moves.
 *
 * Room is offered for the longest frame, so a frame never waits half received.
 * Behind it lies memory of the card's own, where what is too long ends unseen; the
 * same stands in for buffers outside RAM.
 *
 * The FCS that the driver sees (unless RCTL.SECRC) is zero: the host's frames have
 * none, and computing one costs as much as all the rest.
 */
#include "device/e1000_device.h"

#include <string.h>

#include "memory/ram.h"

void e1000_receive_reset(struct e1000 *d)
{
	d->rx.pieces = 0;
	d->rx.starved = true;
	d->rx.got = false;
	net_stop(d->net);
	e1000_transmit_wait(d);		/* which that has forgotten */
}

void e1000_receive_wake(struct e1000 *d)
{
	if (!d->rx.starved || !(*e1000_reg(d, E1000_RCTL) & RCTL_EN))
		return;
	d->rx.starved = false;
	net_room(d->net);
}

static uint32_t buffer_bytes(uint32_t rctl)
{
	uint32_t bytes = 2048u >> (rctl >> RCTL_BSIZE_SHIFT & 3);

	/* 13.4.22: sixteen times as much; with 00 that is reserved. */
	return rctl & RCTL_BSEX && bytes != 2048 ? bytes * 16 : bytes;
}

static uint32_t frame_max(uint32_t rctl)
{
	return rctl & RCTL_LPE ? E1000_LONG_MAX : E1000_FRAME_MAX;
}

unsigned e1000_room(void *device, struct iovec *iov, unsigned max)
{
	struct e1000 *d = device;
	struct e1000_rx *rx = &d->rx;
	struct e1000_ring ring = e1000_ring(d, E1000_RDBAL);
	uint32_t rctl = *e1000_reg(d, E1000_RCTL);
	unsigned need, available, n = 0;

	rx->pieces = 0;
	rx->starved = true;
	if (!(rctl & RCTL_EN) || !ring.at || !pci_bus_master(&d->pci))
		return 0;
	rx->buffer_bytes = buffer_bytes(rctl);
	available = (ring.tail + ring.count - ring.head) % ring.count;
	need = (frame_max(rctl) + rx->buffer_bytes - 1) / rx->buffer_bytes;
	/* A ring that is too small for the longest frame is used as it is. */
	if (need > ring.count - 1)
		need = ring.count - 1;
	if (!available || available < need || max < need + 2)
		return 0;
	rx->starved = false;
	rx->head = ring.head;
	rx->count = ring.count;
	iov[n++] = (struct iovec){ &rx->offload, sizeof(rx->offload) };
	for (unsigned i = 0; i < need; i++) {
		uint64_t *descriptor = ring.at + 2ul * ((ring.head + i) % ring.count);
		uint64_t address = ((volatile uint64_t *)descriptor)[0];
		void *buffer = ram_dma(GPA(address), rx->buffer_bytes);

		rx->report[i] = descriptor + 1;
		rx->piece[i] = (struct iovec){ buffer ? buffer : rx->sink, rx->buffer_bytes };
		iov[n++] = rx->piece[i];
	}
	rx->pieces = need;
	iov[n++] = (struct iovec){ rx->sink, NET_FRAME_MAX };
	return n;
}

/* The back-end has written to guest RAM, whatever comes of the frame. */
static void note_written(struct e1000_rx *rx, size_t bytes)
{
	for (unsigned i = 0; i < rx->pieces && bytes; i++) {
		size_t n = min_u64(bytes, rx->piece[i].iov_len);

		if (rx->piece[i].iov_base != rx->sink)
			ram_dma_pointer_written(rx->piece[i].iov_base, n);
		bytes -= n;
	}
}

/* Take out the 4 bytes behind the addresses; what follows moves up, over all pieces. */
static void tag_strip(struct e1000_rx *rx, size_t bytes)
{
	size_t left = bytes - 12;

	for (unsigned i = 0; i < rx->pieces && left; i++) {
		uint8_t *p = (uint8_t *)rx->piece[i].iov_base + (i ? 0 : 12);
		size_t n = min_u64(rx->piece[i].iov_len - (i ? 0 : 12), left);

		if (n > E1000_VLAN)
			memmove(p, p + E1000_VLAN, n - E1000_VLAN);
		left -= n;
		if (n >= E1000_VLAN && i + 1 < rx->pieces)
			memcpy(p + n - E1000_VLAN, rx->piece[i + 1].iov_base, E1000_VLAN);
	}
}

/* 3.2.3: all but the last say only how much they hold. */
static void write_back(struct e1000 *d, size_t bytes, uint32_t verdict, uint32_t status, uint16_t tag)
{
	struct e1000_rx *rx = &d->rx;
	unsigned i = 0;

	do {
		uint64_t n = min_u64(bytes, rx->buffer_bytes);
		uint64_t word = n | (uint64_t)(verdict & 0xffff0000) | (uint64_t)tag << 48;

		bytes -= n;
		word |= (uint64_t)(RXD_DD | (status & RXD_VP)) << 32;
		if (!bytes)
			word |= (uint64_t)(RXD_EOP | status | (verdict & 0xffff)) << 32;
		*rx->report[i] = word;
		ram_dma_pointer_written((const void *)rx->report[i], sizeof(word));
	} while (++i < rx->pieces && bytes);
	*e1000_reg(d, E1000_RDH) = (rx->head + i) % rx->count;
}

/* 13.4.22: the threshold is crossed by the descriptor that leaves just so many. */
static void threshold_check(struct e1000 *d, unsigned before)
{
	struct e1000_ring ring = e1000_ring(d, E1000_RDBAL);
	uint32_t rctl = *e1000_reg(d, E1000_RCTL);
	unsigned least, now;

	if (!ring.count)
		return;
	least = ring.count >> (1 + (rctl >> RCTL_RDMTS_SHIFT & 3));
	now = (ring.tail + ring.count - ring.head) % ring.count;
	before = (ring.tail + ring.count - before) % ring.count;
	if (now <= least && before > least)
		e1000_cause(d, ICR_RXDMT0);
}

static bool accept(struct e1000 *d, const uint8_t head[18], uint32_t *status, uint16_t *tag)
{
	bool inexact, tagged = (unsigned)(head[12] << 8 | head[13]) == *e1000_reg(d, E1000_VET);

	*tag = tagged ? (uint16_t)(head[14] << 8 | head[15]) : 0;
	*status = 0;
	if (!e1000_filter(d, head, &inexact) || (tagged && !e1000_filter_vlan(d, *tag)))
		return false;
	if (inexact)
		*status |= RXD_PIF;
	if (tagged && *e1000_reg(d, E1000_CTRL) & CTRL_VME)
		*status |= RXD_VP;
	else
		*tag = 0;
	return true;
}

static void deliver(struct e1000 *d, size_t bytes)
{
	struct e1000_rx *rx = &d->rx;
	uint32_t rctl = *e1000_reg(d, E1000_RCTL), status, verdict;
	size_t fcs = rctl & RCTL_SECRC ? 0 : E1000_FCS, room = (size_t)rx->pieces * rx->buffer_bytes;
	uint8_t head[18], *first = rx->piece[0].iov_base;
	uint16_t tag;
	unsigned before = rx->head;

	/* A buffer holds 256 bytes at least. */
	if (bytes < E1000_FRAME_MIN) {
		memset(first + bytes, 0, E1000_FRAME_MIN - bytes);
		bytes = E1000_FRAME_MIN;
	}
	memcpy(head, first, sizeof(head));
	if (!accept(d, head, &status, &tag))
		return;
	if (bytes + E1000_FCS > frame_max(rctl) || bytes + fcs > room) {
		e1000_count(d, bytes + E1000_FCS > frame_max(rctl) ? E1000_ROC : E1000_MPC, 1);
		return;
	}
	e1000_count_received(d, head, (uint32_t)bytes + E1000_FCS);
	if (status & RXD_VP) {
		tag_strip(rx, bytes);
		bytes -= E1000_VLAN;
	}
	verdict = e1000_verify(rx->piece, rx->pieces, bytes, *e1000_reg(d, E1000_RXCSUM));
	if (fcs) {
		struct iovec end[E1000_RX_PIECES];
		unsigned n = e1000_slice(end, rx->piece, rx->pieces, bytes, fcs);

		for (unsigned i = 0; i < n; i++)
			memset(end[i].iov_base, 0, end[i].iov_len);
	}
	write_back(d, bytes + fcs, verdict, status, tag);
	threshold_check(d, before);
	if (bytes + fcs <= *e1000_reg(d, E1000_RSRPD))
		e1000_cause(d, ICR_SRPD);
	rx->got = true;
}

void e1000_received(void *device, size_t bytes)
{
	struct e1000 *d = device;
	size_t padded;

	/* A reset may have come between the offer and this. */
	if (!d->rx.pieces || bytes < NET_HEADER)
		return;
	bytes -= NET_HEADER;
	padded = max_u64(bytes, E1000_FRAME_MIN) + E1000_FCS;
	e1000_count(d, E1000_TPR, 1);
	e1000_count_octets(d, E1000_TORL, padded);
	if (bytes >= 14)
		deliver(d, bytes);
	note_written(&d->rx, padded);
	d->rx.pieces = 0;
}

void e1000_batch_end(void *device)
{
	struct e1000 *d = device;

	if (d->rx.got)
		e1000_delay_start(d, &d->rx_delay, *e1000_reg(d, E1000_RDTR),
				  *e1000_reg(d, E1000_RADV));
	d->rx.got = false;
	e1000_interrupt_update(d);
}

void e1000_loop_back(struct e1000 *d, const struct iovec *iov, unsigned count, size_t bytes)
{
	struct iovec room[E1000_RX_PIECES + 2];
	unsigned n = e1000_room(d, room, array_size(room));
	size_t done = 0;

	if (!n) {
		e1000_count(d, E1000_MPC, 1);
		e1000_cause(d, ICR_RXO);
		return;
	}
	for (unsigned i = 0; i < n && done < bytes; i++) {
		size_t part = min_u64(room[i].iov_len, bytes - done);

		e1000_gather(room[i].iov_base, iov, count, done, part);
		done += part;
	}
	e1000_received(d, done);
	e1000_batch_end(d);
}
