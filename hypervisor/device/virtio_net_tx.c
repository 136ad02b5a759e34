// SPDX-License-Identifier: MIT
/*
 * Transmission (virtio 1.2, 5.1.6.2): frames go to the back-end where they lie in
 * guest memory, their header included.
 *
 * The header is looked at, and replaced by one of ours where the driver wrote what
 * it did not negotiate, or a length that cannot be.  The back-end has done with a
 * frame when net_send() returns, so a chain goes back at once.  While the back-end
 * has no room, the chain stays in the queue and kicks are not asked for.
 *
 * The interrupt, if the driver wants one, is put off: all that it can do with it is
 * free memory, which most drivers do anyway when they receive or send the next time.
 * It comes when it is LATE_NS old and still news, or after LATE_FRAMES frames.
 */
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "base/clock.h"
#include "device/virtio_net_parts.h"

#define LATE_SLACK_NS	400000u
#define LATE_NS		100000u		/* well below the millisecond that TCP keeps in flight */
#define LATE_FRAMES	64u

/* One more in front for a header of ours.  Used within one call only. */
static struct iovec tx_iov[VIRTQUEUE_SIZE_MAX + 1];

static bool gso_negotiated(const struct virtio *v, uint8_t gso_type)
{
	switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return true;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return virtio_has(v, VIRTIO_NET_F_HOST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return virtio_has(v, VIRTIO_NET_F_HOST_TSO6);
	default:
		return false;
	}
}

/* Copy the header out of the chain: where it begins may be anywhere in the first parts. */
static void header_read(const struct virtqueue_chain *chain, struct virtio_net_hdr_v1 *header)
{
	uint8_t *to = (uint8_t *)header;
	size_t left = NET_HEADER;

	for (const struct iovec *part = chain->iov; left; part++) {
		size_t n = min_u64(part->iov_len, left);

		memcpy(to, part->iov_base, n);
		to += n;
		left -= n;
	}
}

/* Put `header` in front of the chain's frame: parts from `*first` on; their number. */
static unsigned header_replace(struct virtqueue_chain *chain, struct virtio_net_hdr_v1 *header,
			       struct iovec **first)
{
	unsigned i = 0;
	size_t left = NET_HEADER;

	while (left && chain->iov[i].iov_len <= left)
		left -= chain->iov[i++].iov_len;
	if (left) {
		chain->iov[i].iov_base = (uint8_t *)chain->iov[i].iov_base + left;
		chain->iov[i].iov_len -= left;
	}
	*first = &chain->iov[(int)i - 1];	/* tx_iov has one in front */
	(*first)->iov_base = header;
	(*first)->iov_len = NET_HEADER;
	return chain->out - i + 1;
}

/* Only what was negotiated is heeded (5.1.6.2.2); false: such a frame cannot be sent. */
static bool header_clean(const struct virtio *v, struct virtio_net_hdr_v1 *header, uint64_t frame)
{
	header->flags &= virtio_has(v, VIRTIO_NET_F_CSUM) ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0;
	header->num_buffers = 0;
	if (!gso_negotiated(v, header->gso_type))
		return false;
	if (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
		if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || !header->gso_size)
			return false;
	} else {
		header->gso_type = VIRTIO_NET_HDR_GSO_NONE;
		header->gso_size = 0;
	}
	/* "MUST NOT rely on hdr_len to be correct": nobody behind us shall be misled by it. */
	if (header->hdr_len > frame)
		header->hdr_len = (uint16_t)frame;
	if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) {
		header->csum_start = 0;
		header->csum_offset = 0;
	} else if (header->csum_start + header->csum_offset + 2u > frame) {
		return false;
	}
	return true;
}

/* false: the back-end has no room. */
static bool frame_send(struct virtio_net *n, struct virtqueue_chain *chain)
{
	uint64_t frame = chain->out_bytes - NET_HEADER;
	struct virtio_net_hdr_v1 header, clean;
	struct iovec *iov = chain->iov;
	unsigned iov_count = chain->out;

	header_read(chain, &header);
	clean = header;
	if (chain->out_bytes < NET_HEADER + ETH_HLEN || frame > NET_FRAME_MAX ||
	    !header_clean(&n->v, &clean, frame)) {
		n->count.tx_bad++;
		return true;
	}
	if (memcmp(&clean, &header, sizeof(clean)))
		iov_count = header_replace(chain, &clean, &iov);
	if (iov_count > IO_IOV_MAX) {
		n->count.tx_bad++;
		return true;
	}
	if (!net_send(n->net, iov, iov_count, chain->out_bytes))
		return false;
	n->count.tx_frames++;
	return true;
}

/* ---- the queue ---- */

static void interrupt_now(struct virtio_net *n)
{
	n->tx.owed = false;
	n->tx.unsignalled = 0;
	n->v.transport->interrupt(&n->v, VIRTIO_NET_TX);
}

static void delay_begin(struct virtio_net *n)
{
	n->tx.late_index = n->v.queue[VIRTIO_NET_TX].used_index;
	timer_arm(&n->tx.late, clock_ns() + LATE_NS);
}

static void delay_over(void *device)
{
	struct virtio_net *n = device;
	struct virtqueue *q = &n->v.queue[VIRTIO_NET_TX];

	if (!n->tx.owed || !virtio_running(&n->v))
		return;
	if (virtqueue_unseen_at(q, n->tx.late_index)) {
		interrupt_now(n);
		return;
	}
	/* The driver looks by itself.  What came since is not that late yet. */
	n->tx.unsignalled = 0;
	n->tx.owed = virtqueue_unseen(q);
	if (n->tx.owed)
		delay_begin(n);
}

/* Show what was given back. */
static void tx_publish(struct virtio_net *n)
{
	if (!virtio_running(&n->v) || !virtqueue_publish(&n->v.queue[VIRTIO_NET_TX]))
		return;
	n->tx.owed = true;
	if (n->tx.unsignalled >= LATE_FRAMES)
		interrupt_now(n);
	else if (n->tx.late.index < 0)
		delay_begin(n);
}

static void tx_again(void *device);

static void tx_run(struct virtio_net *n)
{
	struct virtqueue *q = &n->v.queue[VIRTIO_NET_TX];
	struct virtqueue_chain chain = { .iov = tx_iov + 1, .max = VIRTQUEUE_SIZE_MAX };

	while (virtqueue_take(q, &chain)) {
		if (chain.in || chain.out_bytes < NET_HEADER) {
			virtio_break(&n->v, "sent a frame without a header, or in writable memory");
			break;
		}
		if (!frame_send(n, &chain)) {
			virtqueue_untake(q, 1);
			n->tx.waiting = true;
			break;
		}
		virtqueue_push(q, &chain, 0);
		n->tx.unsignalled++;
	}
	net_flush(n->net);
	tx_publish(n);
	if (n->tx.waiting) {
		virtqueue_disable_notify(q);
		net_wait(n->net, tx_again);
	} else {
		virtqueue_enable_notify(q);	/* nothing came meanwhile: the guest stood still */
	}
}

/* The back-end has room again.  (It may be one who was asked before a reset.) */
static void tx_again(void *device)
{
	struct virtio_net *n = device;

	if (!n->tx.waiting || !virtio_running(&n->v))
		return;
	n->tx.waiting = false;
	tx_run(n);
}

void virtio_net_tx_notify(struct virtio_net *n)
{
	if (!n->tx.waiting)
		tx_run(n);
}

void virtio_net_tx_init(struct virtio_net *n)
{
	timer_init(&n->tx.late, delay_over, n);
	n->tx.late.slack = LATE_SLACK_NS;
}

void virtio_net_tx_forget(struct virtio_net *n)
{
	n->tx.waiting = n->tx.owed = false;
	n->tx.unsignalled = 0;
	timer_cancel(&n->tx.late);
}
