// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receiving (virtio 1.2, 5.1.6.3, 5.1.6.4).
 *
 * A buffer is laid out such that an skb can be built around it: head room, of which the device's
 * header is the end, the frame, room for skb_shared_info.
 *
 *	data	| head room | header | frame ...            | shared info |
 *	          PVNET_PAD - header  ^ what the device gets ^
 *
 * With mergeable buffers a frame may run over several; those behind the first become fragments.
 * How large buffers are follows the frames that come: as many as fit into a page of 32 KiB if
 * they are as large as those were lately, from one MTU up to the whole page.
 *
 * Small frames, small to their buffer as well, are copied, and the buffer goes back into the
 * ring as it is: that is cheaper than another, and sockets do not hold 32 KiB for 100 bytes.
 *
 * All here runs in the ring's NAPI, or while that is disabled.
 */
#include "pvnet.h"

#include <linux/virtio_net.h>

#define PVNET_PAD	NET_SKB_PAD	/* head room, header included */
#define PVNET_TAIL	SKB_DATA_ALIGN(sizeof(struct skb_shared_info))
#define PVNET_OVERHEAD	(PVNET_PAD + PVNET_TAIL)
#define PVNET_PAGE	32768u		/* what page_frag_alloc() cuts up */
#define PVNET_POSTED	(2u << 20)	/* bytes that are enough for the device */
#define PVNET_WEIGHT	8u		/* of the moving average */

/* Bytes of a buffer that are the device's: header and frame. */
static u32 rx_room(u32 size)
{
	return size - PVNET_OVERHEAD + PVNET_HEADER;
}

static struct virtio_net_hdr_v1 *rx_header(const struct pvnet_buffer *buffer)
{
	return buffer->data + PVNET_PAD - PVNET_HEADER;
}

unsigned int pvnet_rx_mtu_max(bool mergeable)
{
	return mergeable ? ETH_MAX_MTU : PAGE_SIZE - PVNET_OVERHEAD - VLAN_ETH_HLEN;
}

/* The smallest buffers: a whole frame, if frames cannot be merged.  Multiples of cache lines. */
static unsigned int rx_size_min(const struct pvnet *pn)
{
	unsigned int mtu = pn->mergeable ? ETH_DATA_LEN : max_t(unsigned int, ETH_DATA_LEN, pn->dev->mtu);

	return ALIGN(PVNET_OVERHEAD + VLAN_ETH_HLEN + mtu, SMP_CACHE_BYTES);
}

static unsigned int rx_size(const struct pvnet_rx *rx)
{
	unsigned int least = rx_size_min(rx->pn), size = PVNET_OVERHEAD + rx->typical / PVNET_WEIGHT;

	if (!rx->pn->mergeable || size <= least)
		return least;
	if (size >= PVNET_PAGE)
		return PVNET_PAGE;
	return ALIGN_DOWN(PVNET_PAGE / (PVNET_PAGE / size), SMP_CACHE_BYTES);
}

/* ---- buffers ---- */

static void rx_post(struct pvnet_rx *rx, unsigned int slot)
{
	const struct pvnet_buffer *buffer = &rx->buffer[slot];

	pvring_put(rx->ring, slot, virt_to_phys(rx_header(buffer)), rx_room(buffer->size),
		   VRING_DESC_F_WRITE);
}

static void *rx_alloc(struct pvnet_rx *rx, gfp_t gfp)
{
	void *data = page_frag_alloc(&rx->frags, rx->size, gfp | __GFP_NOWARN);
	unsigned int least;

	if (likely(data))
		return data;
	/* Memory is in pieces: perhaps there is a page. */
	rx->stats.alloc_errors++;
	least = rx_size_min(rx->pn);
	if (rx->size > least) {
		rx->size = least;
		data = page_frag_alloc(&rx->frags, least, gfp | __GFP_NOWARN);
	}
	return data;
}

static void rx_kick(struct pvnet_rx *rx)
{
	int error;

	if (!pvring_publish(rx->ring) && likely(!rx->kick_failed))
		return;
	error = pvring_notify(rx->ring);
	rx->kick_failed = error;
	rx->stats.kicks++;
	if (unlikely(error)) {
		rx->stats.kick_errors++;
		pvnet_nudge(rx->pn);
	}
}

bool pvnet_rx_fill(struct pvnet_rx *rx, gfp_t gfp)
{
	rx->size = rx_size(rx);
	while (rx->free_count && rx->posted < PVNET_POSTED) {
		void *data = rx_alloc(rx, gfp);
		unsigned int slot;

		if (unlikely(!data))
			break;
		slot = rx->free[--rx->free_count];
		rx->buffer[slot] = (struct pvnet_buffer){ .data = data, .size = rx->size };
		rx->posted += rx->size;
		rx_post(rx, slot);
	}
	return rx->posted;
}

/* The device has done with a slot, and its buffer is somebody else's. */
static void rx_release(struct pvnet_rx *rx, unsigned int slot)
{
	rx->posted -= rx->buffer[slot].size;
	rx->buffer[slot].data = NULL;
	rx->free[rx->free_count++] = slot;
}

/* ---- frames ---- */

static struct sk_buff *rx_copy(struct pvnet_rx *rx, unsigned int slot, unsigned int length)
{
	const struct pvnet_buffer *buffer = &rx->buffer[slot];
	struct sk_buff *skb = napi_alloc_skb(&rx->napi, length);

	if (unlikely(!skb))
		return NULL;
	skb_put_data(skb, buffer->data + PVNET_PAD, length);
	rx->stats.copied++;
	return skb;
}

static struct sk_buff *rx_build(struct pvnet_rx *rx, unsigned int slot, unsigned int length)
{
	const struct pvnet_buffer *buffer = &rx->buffer[slot];
	struct sk_buff *skb = napi_build_skb(buffer->data, buffer->size);

	if (unlikely(!skb))
		return NULL;
	skb_reserve(skb, PVNET_PAD);
	__skb_put(skb, length);
	return skb;
}

/* The buffer as the last fragment of what `*last` is, which is skb or the end of its list. */
static bool rx_append(struct sk_buff *skb, struct sk_buff **last, const struct pvnet_buffer *buffer,
		      unsigned int length)
{
	struct page *page = virt_to_head_page(buffer->data);
	struct sk_buff *to = *last;
	unsigned int i = skb_shinfo(to)->nr_frags;

	if (unlikely(i == MAX_SKB_FRAGS)) {
		to = alloc_skb(0, GFP_ATOMIC);
		if (unlikely(!to))
			return false;
		if (*last == skb)
			skb_shinfo(skb)->frag_list = to;
		else
			(*last)->next = to;
		*last = to;
		skb->truesize += to->truesize;
		i = 0;
	}
	skb_add_rx_frag(to, i, page,
			(void *)rx_header(buffer) - page_address(page), length, buffer->size);
	if (to != skb) {
		skb->len += length;
		skb->data_len += length;
		skb->truesize += buffer->size;
	}
	return true;
}

/* The other buffers of a frame, of which skb is the first; NULL: only dropped. */
static struct sk_buff *rx_merge(struct pvnet_rx *rx, struct sk_buff *skb, unsigned int buffers)
{
	struct sk_buff *last = skb;

	while (--buffers) {
		u32 length;
		int slot = pvring_next(rx->ring, &length);

		if (unlikely(slot < 0)) {
			if (slot == -EAGAIN)
				pvring_break(rx->ring, "used fewer buffers for a frame than it says");
			break;
		}
		if (unlikely(!length || length > rx_room(rx->buffer[slot].size))) {
			rx->stats.length_errors++;
			dev_kfree_skb_any(skb);
			skb = NULL;
		} else if (skb && unlikely(!rx_append(skb, &last, &rx->buffer[slot], length))) {
			rx->stats.drops++;
			dev_kfree_skb_any(skb);
			skb = NULL;
		} else if (skb) {
			rx_release(rx, slot);
			continue;
		}
		rx_post(rx, slot);
	}
	if (unlikely(buffers && skb)) {
		dev_kfree_skb_any(skb);
		skb = NULL;
	}
	rx->stats.merged++;
	return skb;
}

/* To the stack: an skb that begins with the frame's Ethernet header. */
static void rx_deliver(struct pvnet_rx *rx, struct sk_buff *skb, const struct virtio_net_hdr_v1 *header)
{
	if (header->flags & VIRTIO_NET_HDR_F_DATA_VALID)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	if ((header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM || header->gso_type) &&
	    unlikely(virtio_net_hdr_to_skb(skb, (const struct virtio_net_hdr *)header, true))) {
		rx->stats.header_errors++;
		dev_kfree_skb_any(skb);
		return;
	}
	rx->stats.packets++;
	rx->stats.bytes += skb->len;
	skb->protocol = eth_type_trans(skb, rx->pn->dev);
	napi_gro_receive(&rx->napi, skb);
}

static void rx_frame(struct pvnet_rx *rx, unsigned int slot, u32 length)
{
	u32 size = rx->buffer[slot].size;
	struct virtio_net_hdr_v1 header;
	unsigned int buffers;
	struct sk_buff *skb;

	if (unlikely(length < PVNET_HEADER + ETH_HLEN || length > rx_room(size))) {
		rx->stats.length_errors++;
		rx_post(rx, slot);
		return;
	}
	header = *rx_header(&rx->buffer[slot]);
	buffers = rx->pn->mergeable ? pv_to_cpu16((__force __virtio16)header.num_buffers) : 1;
	length -= PVNET_HEADER;
	if (buffers == 1 && length <= max(rx->pn->copybreak, size / 8)) {
		skb = rx_copy(rx, slot, length);
		rx_post(rx, slot);
	} else {
		skb = rx_build(rx, slot, length);
		if (likely(skb))
			rx_release(rx, slot);
		else
			rx_post(rx, slot);
	}
	if (unlikely(!skb))
		rx->stats.drops++;
	if (buffers > 1)
		skb = rx_merge(rx, skb, buffers);
	if (unlikely(!skb))
		return;
	if (skb->len > PVNET_COPYBREAK)
		rx->typical += skb->len - rx->typical / PVNET_WEIGHT;
	rx_deliver(rx, skb, &header);
}

int pvnet_rx_poll(struct napi_struct *napi, int budget)
{
	struct pvnet_rx *rx = container_of(napi, struct pvnet_rx, napi);
	struct pvnet_tx *tx = &rx->pn->tx;
	int slot = -EAGAIN, done = 0;
	bool again = false;
	u32 length;

	WRITE_ONCE(tx->holder, smp_processor_id());
	rx->stats.polls++;
	while (done < budget && (slot = pvring_next(rx->ring, &length)) >= 0) {
		rx_frame(rx, slot, length);
		done++;
	}
	if (unlikely(rx->ring->broken)) {
		pvnet_broken(rx->pn);
	} else if (likely(budget)) {
		if (unlikely(!pvnet_rx_fill(rx, GFP_ATOMIC)))
			pvnet_nudge(rx->pn);
		rx_kick(rx);
	}
	/* This is what delivers, at the latest; what that sends is held, too. */
	if (done < budget && napi_complete_done(napi, done))
		again = !pvring_rearm(rx->ring);
	pvnet_tx_flush(tx);
	if (unlikely(again))
		napi_schedule(napi);
	return done;
}

static irqreturn_t rx_interrupt(int irq, void *data)
{
	struct pvnet_rx *rx = data;

	rx->stats.interrupts++;
	pvring_disarm(rx->ring);
	napi_schedule_irqoff(&rx->napi);
	return IRQ_HANDLED;
}

/* ---- life ---- */

void pvnet_rx_empty(struct pvnet_rx *rx)
{
	unsigned int slot;

	for (slot = 0; slot < rx->ring->entries; slot++) {
		if (rx->buffer[slot].data)
			page_frag_free(rx->buffer[slot].data);
		rx->buffer[slot].data = NULL;
		/* The first taken is the lowest. */
		rx->free[slot] = rx->ring->entries - 1 - slot;
	}
	rx->free_count = rx->ring->entries;
	rx->posted = 0;
	rx->kick_failed = false;
	if (rx->frags.va)
		__page_frag_cache_drain(virt_to_head_page(rx->frags.va), rx->frags.pagecnt_bias);
	rx->frags.va = NULL;
}

void pvnet_rx_destroy(struct pvnet_rx *rx)
{
	pvring_destroy(rx->ring);
	kvfree(rx->buffer);
	kvfree(rx->free);
	rx->ring = NULL;
}

int pvnet_rx_create(struct pvnet_rx *rx, unsigned int entries)
{
	const struct pvring_config config = {
		.index = PVNET_QUEUE_RX, .entries = entries, .handler = rx_interrupt,
		.name = rx->name, .data = rx,
	};
	struct pvring *ring = pvring_create(rx->pn->pdev, &config);

	if (IS_ERR(ring))
		return PTR_ERR(ring);
	rx->ring = ring;
	rx->buffer = kvcalloc(ring->entries, sizeof(*rx->buffer), GFP_KERNEL);
	rx->free = kvcalloc(ring->entries, sizeof(*rx->free), GFP_KERNEL);
	if (rx->buffer && rx->free)
		return 0;
	pvnet_rx_destroy(rx);
	return -ENOMEM;
}
