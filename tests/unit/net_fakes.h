/* SPDX-License-Identifier: MIT */
/*
 * A network back-end for tests of cards, which include this once: it keeps what was
 * sent, hands out what the test gives, and checks that the card keeps its side of
 * hostio/net.h.
 */
#ifndef RING3_TESTS_NET_FAKES_H
#define RING3_TESTS_NET_FAKES_H

#include <linux/virtio_net.h>

#include "suite.h"

#include <string.h>

#include "hostio/net.h"

#define FAKE_FRAME	(NET_HEADER + NET_FRAME_MAX)

static struct net {
	bool passes, down, full, running;
	unsigned rx, iov_max;		/* NET_RX_*; iovecs of a room */
	const struct net_client *client;
	void *device;
	void (*again)(void *device);
	void (*each)(const uint8_t *frame, size_t bytes);	/* called for each frame sent */
	unsigned sent, flushes, rooms, stops, sent_iovs;
	uint8_t frame[FAKE_FRAME];	/* sent last, header first */
	size_t bytes;
} fake_net = { .passes = true, .iov_max = 256 };

void net_attach(struct net *n, const struct net_client *client, void *device)
{
	n->client = client;
	n->device = device;
}

bool net_passes_offloads(const struct net *n) { return n->passes; }
bool net_link(const struct net *n) { return !n->down; }
void net_flush(struct net *n) { n->flushes++; }
void net_wait(struct net *n, void (*again)(void *device)) { n->again = again; }
void net_set_rx(struct net *n, unsigned rx_flags) { n->rx = rx_flags; }

void net_room(struct net *n)
{
	n->running = true;
	n->rooms++;
}

void net_stop(struct net *n)
{
	n->running = false;
	n->stops++;
}

bool net_send(struct net *n, const struct iovec *iov, unsigned iov_count, size_t bytes)
{
	size_t at = 0;

	if (n->full)
		return false;
	ck_assert(iov_count <= IO_IOV_MAX && bytes <= sizeof(n->frame));
	for (unsigned i = 0; i < iov_count; i++) {
		ck_assert(at + iov[i].iov_len <= bytes);
		memcpy(n->frame + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	ck_assert_uint_eq(at, bytes);
	n->bytes = bytes;
	n->sent_iovs = iov_count;
	n->sent++;
	if (n->each)
		n->each(n->frame, bytes);
	return true;
}

/* A frame arrives (header first).  false: the card has no room for any. */
static inline bool net_give(const void *frame, size_t bytes)
{
	static struct iovec iov[1024];
	struct net *n = &fake_net;
	const uint8_t *from = frame;
	size_t left = bytes;
	unsigned count;

	if (!n->running)
		return false;
	count = n->client->room(n->device, iov, n->iov_max);
	ck_assert_uint_le(count, n->iov_max);
	if (!count)
		return false;
	for (unsigned i = 0; i < count && left; i++) {
		size_t part = left < iov[i].iov_len ? left : iov[i].iov_len;

		memcpy(iov[i].iov_base, from, part);
		from += part;
		left -= part;
	}
	n->client->received(n->device, bytes);
	return true;
}

static inline void net_batch_end(void)
{
	fake_net.client->batch_end(fake_net.device);
}

/* An Ethernet frame behind a plain header: addresses, type and a pattern that `seed` chooses. */
static inline size_t frame_make(uint8_t *to, const uint8_t *destination, size_t payload, uint8_t seed)
{
	static const uint8_t source[6] = { 2, 0, 0, 0, 0, 0x99 };

	memset(to, 0, NET_HEADER);
	memcpy(to + NET_HEADER, destination, 6);
	memcpy(to + NET_HEADER + 6, source, 6);
	to[NET_HEADER + 12] = 0x08;
	to[NET_HEADER + 13] = 0x00;
	for (size_t i = 0; i < payload; i++)
		to[NET_HEADER + 14 + i] = (uint8_t)(seed + i * 7 + (i >> 8));
	return NET_HEADER + 14 + payload;
}

#endif
