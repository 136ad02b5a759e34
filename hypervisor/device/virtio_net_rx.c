// SPDX-License-Identifier: MIT
/*
 * Reception (virtio 1.2, 5.1.6.3, 5.1.6.4): the back-end writes frames straight into
 * the driver's buffers.
 *
 * With mergeable buffers a frame may run over many chains.  Chains are taken ahead,
 * as many as a frame is likely to need, and kept until frames fill them: for
 * a frame only the iovecs of the room go to the back-end, and the chains used are
 * pushed.  Behind the room lies the overflow, so that no frame is ever cut short: of
 * one that is longer than the room, the tail is copied from there into more
 * chains, and the next rooms are larger.  If the driver has no more chains for now,
 * the frame is pending, and nothing else is received, until it gives some.
 *
 * Without mergeable buffers a frame that does not fit its one chain is dropped.
 *
 *	chains kept:	| chain 0  | chain 1  | chain 2  |        | overflow ...
 *	frame:		|hdr............................tail......|
 *
 * The driver kicks only when there was no chain at all for the back-end.  What is
 * in the buffers belongs to nobody until virtio_complete().
 */
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "base/arena.h"
#include "device/virtio_net_parts.h"

#define FRAME_ROOM	(NET_HEADER + NET_FRAME_MAX)
#define SMALL_ROOM	(NET_HEADER + ETH_HLEN + 4u + ETH_DATA_LEN)	/* with a VLAN tag */
#define SMALL_FRAMES	256u	/* in a row make the room small again */
#define HEAD		(NET_HEADER + ETH_HLEN + 4u)	/* what is looked at: to the VLAN tag's end */

static struct virtqueue *rx_queue(struct virtio_net *n)
{
	return &n->v.queue[VIRTIO_NET_RX];
}

void virtio_net_rx_init(struct virtio_net *n)
{
	n->rx.overflow = arena_alloc(FRAME_ROOM, 64);
}

/* What frames may need, as far as the driver said. */
static uint64_t rx_frame_max(const struct virtio_net *n)
{
	return n->rx_flags & (NET_RX_TSO4 | NET_RX_TSO6) ? FRAME_ROOM : SMALL_ROOM;
}

/* ---- the chains kept, as one run of bytes ---- */

static void rx_compact(struct virtio_net_rx *rx)
{
	memmove(rx->chain, rx->chain + rx->chain_first, rx->chain_count * sizeof(rx->chain[0]));
	memmove(rx->iov, rx->iov + rx->iov_first, rx->iov_count * sizeof(rx->iov[0]));
	rx->chain_first = rx->iov_first = 0;
}

static bool rx_wants_more(const struct virtio_net *n)
{
	const struct virtio_net_rx *rx = &n->rx;

	if (!n->mergeable)
		return !rx->chain_count;
	return rx->held < rx->target && rx->iov_count <= VIRTQUEUE_SIZE_MAX &&
	       rx->chain_count < VIRTQUEUE_SIZE_MAX;
}

/* Take chains up to the target, or what there is. */
static void rx_fill(struct virtio_net *n)
{
	struct virtio_net_rx *rx = &n->rx;
	struct virtqueue *q = rx_queue(n);

	while (rx_wants_more(n)) {
		struct virtqueue_chain chain = { .max = VIRTQUEUE_SIZE_MAX };
		unsigned at;

		if (rx->iov_first + rx->iov_count > array_size(rx->iov) - VIRTQUEUE_SIZE_MAX ||
		    rx->chain_first + rx->chain_count == array_size(rx->chain))
			rx_compact(rx);
		chain.iov = &rx->iov[rx->iov_first + rx->iov_count];
		if (!virtqueue_take(q, &chain))
			break;
		if (chain.out || chain.in_bytes < NET_HEADER) {
			virtio_break(&n->v, "gave a receive buffer that cannot hold a frame's header");
			return;
		}
		at = rx->chain_first + rx->chain_count++;
		rx->chain[at].head = chain.head;
		rx->chain[at].parts = (uint16_t)chain.in;
		rx->chain[at].bytes = chain.in_bytes;
		rx->iov_count += chain.in;
		rx->held += chain.in_bytes;
	}
	if (q->broken)
		virtio_break(&n->v, "put something impossible into the receive queue");
}

/* Copy to (or from) `offset` of the bytes kept; they are there. */
static void rx_copy(const struct virtio_net_rx *rx, uint64_t offset, uint8_t *bytes, size_t count,
		    bool to_guest)
{
	const struct iovec *part = &rx->iov[rx->iov_first];

	while (count) {
		size_t n;

		if (offset >= part->iov_len) {
			offset -= part++->iov_len;
			continue;
		}
		n = min_u64(part->iov_len - offset, count);
		if (to_guest)
			memcpy((uint8_t *)part->iov_base + offset, bytes, n);
		else
			memcpy(bytes, (uint8_t *)part->iov_base + offset, n);
		bytes += n;
		count -= n;
		offset = 0;
		part++;
	}
}

/* The first chain, `written` bytes of it used, goes back to the driver. */
static void rx_push(struct virtio_net *n, uint64_t written)
{
	struct virtio_net_rx *rx = &n->rx;
	struct virtqueue_chain chain = {
		.head = rx->chain[rx->chain_first].head,
		.in = rx->chain[rx->chain_first].parts,
		.in_bytes = rx->chain[rx->chain_first].bytes,
		.iov = &rx->iov[rx->iov_first],
	};

	virtqueue_push(rx_queue(n), &chain, (uint32_t)written);
	rx->chain_first++;
	rx->chain_count--;
	rx->iov_first += chain.in;
	rx->iov_count -= chain.in;
	rx->held -= chain.in_bytes;
}

/* ---- frames ---- */

static bool gso_wanted(unsigned rx_flags, uint8_t gso_type)
{
	if (gso_type & VIRTIO_NET_HDR_GSO_ECN && !(rx_flags & NET_RX_ECN))
		return false;
	switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return rx_flags & NET_RX_TSO4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return rx_flags & NET_RX_TSO6;
	default:
		return false;
	}
}

/*
 * Make the header what the driver may see (5.1.6.4.1).  false: the frame cannot be received: it
 * is one of before the driver changed its offloads, or comes from a peer that tries us.
 */
static bool header_clean(unsigned rx_flags, struct virtio_net_hdr_v1 *header, uint64_t frame)
{
	if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM &&
	    (!(rx_flags & NET_RX_CSUM) ||
	     header->csum_start + header->csum_offset + 2u > frame))
		return false;
	header->flags &= rx_flags & NET_RX_CSUM ?
		VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID : 0;
	if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return true;
	return gso_wanted(rx_flags, header->gso_type) && header->gso_size &&
	       header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
}

/* All `bytes` of a frame are in the chains kept: give them to the driver, or use them again. */
static void rx_finish(struct virtio_net *n, uint64_t bytes)
{
	struct virtio_net_rx *rx = &n->rx;
	union {
		struct virtio_net_hdr_v1 header;
		uint8_t bytes[HEAD];
	} head;
	unsigned known = (unsigned)min_u64(bytes, HEAD), chains = 0;

	rx_copy(rx, 0, head.bytes, known, false);
	if (!header_clean(n->rx_flags, &head.header, bytes - NET_HEADER)) {
		n->count.rx_bad++;
		return;
	}
	if (!virtio_net_filter_accepts(n, head.bytes + NET_HEADER, known - NET_HEADER)) {
		n->count.rx_filtered++;
		return;
	}
	for (uint64_t sum = 0; sum < bytes; chains++)
		sum += rx->chain[rx->chain_first + chains].bytes;
	head.header.num_buffers = (uint16_t)chains;
	rx_copy(rx, 0, head.bytes, NET_HEADER, true);
	for (uint64_t left = bytes; left;) {
		uint64_t part = min_u64(left, rx->chain[rx->chain_first].bytes);

		rx_push(n, part);
		left -= part;
	}
	rx->pushed = true;
	n->count.rx_frames++;
}

/*
 * A frame reaches into the overflow: get chains for the tail.  true: done with it, it was received
 * or dropped.
 */
static bool rx_finish_long(struct virtio_net *n, uint64_t bytes)
{
	struct virtio_net_rx *rx = &n->rx;

	if (n->mergeable) {
		rx->target = bytes > SMALL_ROOM ? max_u64(rx_frame_max(n), bytes) : SMALL_ROOM;
		rx_fill(n);
	}
	if (!virtio_running(&n->v))
		return true;
	if (bytes > rx->held) {
		if (n->mergeable && rx->iov_count <= VIRTQUEUE_SIZE_MAX &&
		    rx->chain_count < rx_queue(n)->size)
			return false;
		n->count.rx_too_long++;
		return true;
	}
	rx_copy(rx, rx->room, rx->overflow, bytes - rx->room, true);
	rx_finish(n, bytes);
	return true;
}

/* Is there still a frame in the way? */
static bool rx_is_blocked(struct virtio_net *n)
{
	struct virtio_net_rx *rx = &n->rx;

	if (rx->pending && rx_finish_long(n, rx->pending))
		rx->pending = 0;
	return rx->pending;
}

/* ---- the back-end's calls ---- */

/* Nothing can be received before the driver gives more chains: have it say when.  false: it did. */
static bool rx_wait_for_chains(struct virtio_net *n)
{
	n->rx.starved = true;
	return !virtqueue_enable_notify(rx_queue(n));
}

static void rx_batch_end(void *device)
{
	struct virtio_net *n = device;

	if (!n->rx.pushed)
		return;
	n->rx.pushed = false;
	if (virtio_running(&n->v))
		virtio_complete(&n->v, VIRTIO_NET_RX);
}

static unsigned rx_room(void *device, struct iovec *iov, unsigned max)
{
	struct virtio_net *n = device;
	struct virtio_net_rx *rx = &n->rx;
	unsigned parts, limit = max - 1;	/* the last for the overflow */

	if (!virtio_running(&n->v) || !rx_queue(n)->enabled || max < 2) {
		rx->starved = true;
		return 0;
	}
	if (rx->pending) {
		while (rx_is_blocked(n))
			if (rx_wait_for_chains(n))
				return 0;
		rx_batch_end(n);	/* shown even if no other frame follows it */
	}
	for (rx_fill(n); !rx->chain_count; rx_fill(n))
		if (!virtio_running(&n->v) || rx_wait_for_chains(n))
			return 0;
	if (!virtio_running(&n->v))
		return 0;
	if (rx->starved) {
		rx->starved = false;
		virtqueue_disable_notify(rx_queue(n));
	}
	rx->room = 0;
	for (parts = 0; parts < rx->iov_count && parts < limit && rx->room < rx->target; parts++) {
		iov[parts] = rx->iov[rx->iov_first + parts];
		rx->room += iov[parts].iov_len;
	}
	if (rx->room < FRAME_ROOM) {
		iov[parts].iov_base = rx->overflow;
		iov[parts++].iov_len = FRAME_ROOM - rx->room;
	}
	return parts;
}

static void rx_received(void *device, size_t bytes)
{
	struct virtio_net *n = device;
	struct virtio_net_rx *rx = &n->rx;

	if (!virtio_running(&n->v) || !rx->chain_count)
		return;
	if (bytes < NET_HEADER + ETH_HLEN || bytes > FRAME_ROOM) {
		n->count.rx_bad++;
		return;
	}
	if (bytes > SMALL_ROOM) {
		rx->small = 0;
	} else if (++rx->small == SMALL_FRAMES) {
		rx->target = SMALL_ROOM;
	}
	if (bytes <= rx->room)
		rx_finish(n, bytes);
	else if (!rx_finish_long(n, bytes))
		rx->pending = bytes;
}

static void rx_link(void *device, bool up)
{
	struct virtio_net *n = device;

	(void)up;	/* config_read() asks */
	if (virtio_has(&n->v, VIRTIO_NET_F_STATUS))
		virtio_config_changed(&n->v);
}

const struct net_client virtio_net_client = {
	.room = rx_room,
	.received = rx_received,
	.batch_end = rx_batch_end,
	.link = rx_link,
};

/* ---- the driver's ---- */

void virtio_net_rx_retarget(struct virtio_net *n)
{
	n->rx.target = rx_frame_max(n);
	n->rx.small = 0;
}

void virtio_net_rx_forget(struct virtio_net *n)
{
	struct virtio_net_rx *rx = &n->rx;

	rx->chain_first = rx->chain_count = rx->iov_first = rx->iov_count = 0;
	rx->held = rx->room = rx->pending = 0;
	rx->starved = rx->pushed = false;
}

void virtio_net_rx_start(struct virtio_net *n)
{
	virtio_net_rx_forget(n);
	virtio_net_rx_retarget(n);
	n->rx.starved = true;
	net_room(n->net);
}

void virtio_net_rx_notify(struct virtio_net *n)
{
	if (!n->rx.starved)
		return;
	while (rx_is_blocked(n))
		if (rx_wait_for_chains(n))
			return;
	net_room(n->net);
	rx_batch_end(n);	/* for a frame that was pending */
}
