// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending (virtio 1.2, 5.1.6.2).
 *
 * A packet takes one slot: one descriptor, if it is linear and has head room for its header,
 * else a table of parts that belongs to the slot.  Slots are a stack, so that those last used,
 * which caches know, are used next.
 *
 * ring3 has mostly sent a packet when the kick returns.  So the ring is looked at after each
 * kick, and what is done is freed there and then: no interrupt, no timer, and the socket has its
 * memory back at once.  Only if something is left (the network behind has no room) an interrupt
 * is asked for, and NAPI does the rest.
 *
 * One kick tells of as many packets as there are: of those that the stack announces by
 * xmit_more, and of those that are sent while this CPU is in a receive poll (acknowledgements,
 * forwarded packets, answers), whose kick comes at the poll's end.
 *
 * All here runs under the transmit queue's lock, the poll included.
 */
#include "pvnet.h"

#include <linux/virtio_net.h>

static struct netdev_queue *tx_queue(const struct pvnet_tx *tx)
{
	return netdev_get_tx_queue(tx->pn->dev, 0);
}

static bool tx_outstanding(const struct pvnet_tx *tx)
{
	return tx->free_count != tx->ring->entries;
}

/* Free what the device is done with, and let the stack go on. */
static void tx_reclaim(struct pvnet_tx *tx, int budget)
{
	struct netdev_queue *queue = tx_queue(tx);
	unsigned int packets = 0, bytes = 0;
	int slot;
	u32 none;

	while ((slot = pvring_next(tx->ring, &none)) >= 0) {
		struct sk_buff *skb = tx->skb[slot];

		tx->skb[slot] = NULL;
		tx->free[tx->free_count++] = slot;
		packets++;
		bytes += skb->len;
		napi_consume_skb(skb, budget);
	}
	if (unlikely(slot == -EIO))
		pvnet_broken(tx->pn);
	if (!packets)
		return;
	tx->stats.packets += packets;
	tx->stats.bytes += bytes;
	netdev_tx_completed_queue(queue, packets, bytes);
	if (unlikely(netif_tx_queue_stopped(queue)) && !tx->ring->broken)
		netif_tx_wake_queue(queue);
}

/* Have an interrupt come for what is outstanding; false: look again. */
static bool tx_arm(struct pvnet_tx *tx)
{
	tx->armed = true;
	return pvring_rearm_late(tx->ring);
}

static void tx_kick(struct pvnet_tx *tx, int budget)
{
	tx->owed = false;
	if (pvring_publish(tx->ring) || unlikely(tx->kick_failed)) {
		int error = pvring_notify(tx->ring);

		tx->kick_failed = error;
		tx->stats.kicks++;
		if (unlikely(error)) {
			tx->stats.kick_errors++;
			pvnet_nudge(tx->pn);
		}
	}
	tx_reclaim(tx, budget);
	if (unlikely(tx_outstanding(tx)) && !tx->armed && !tx_arm(tx))
		napi_schedule(&tx->napi);
}

void pvnet_tx_flush(struct pvnet_tx *tx)
{
	struct netdev_queue *queue = tx_queue(tx);

	WRITE_ONCE(tx->holder, -1);
	/* Whoever set it on this CPU is seen; others kick themselves. */
	if (!READ_ONCE(tx->owed))
		return;
	__netif_tx_lock(queue, smp_processor_id());
	if (tx->owed && tx->pn->up)
		tx_kick(tx, 1);
	__netif_tx_unlock(queue);
}

/* One part of the table at `part`; the one after it. */
static struct vring_desc *tx_part(struct vring_desc *part, const struct vring_desc *table,
				  phys_addr_t addr, u32 length)
{
	pvring_desc_set(part, addr, length, VRING_DESC_F_NEXT, part - table + 1);
	return part + 1;
}

/* Put a packet into the ring.  0 or -errno: it cannot be sent. */
static int tx_put(struct pvnet_tx *tx, unsigned int slot, struct sk_buff *skb)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	struct vring_desc *table, *part;
	struct virtio_net_hdr_v1 *header;
	bool pushed = !skb_header_cloned(skb) && skb_headroom(skb) >= PVNET_HEADER &&
		      IS_ALIGNED((unsigned long)skb->data, __alignof__(*header));
	unsigned int i;

	BUILD_BUG_ON(sizeof(*header) > sizeof(skb->cb));
	header = pushed ? (void *)skb->data - PVNET_HEADER : (void *)skb->cb;
	/* Offsets count from the frame, so the header is not made part of the skb. */
	if (unlikely(virtio_net_hdr_from_skb(skb, (struct virtio_net_hdr *)header, true, false, 0)))
		return -EPROTO;
	header->num_buffers = 0;
	if (pushed && !info->nr_frags) {
		pvring_put(tx->ring, slot, virt_to_phys(header), skb->len + PVNET_HEADER, 0);
		return 0;
	}
	table = &tx->tables[slot * PVNET_TX_PARTS];
	part = table;
	if (pushed) {
		part = tx_part(part, table, virt_to_phys(header), skb_headlen(skb) + PVNET_HEADER);
	} else {
		part = tx_part(part, table, virt_to_phys(header), PVNET_HEADER);
		if (skb_headlen(skb))
			part = tx_part(part, table, virt_to_phys(skb->data), skb_headlen(skb));
	}
	for (i = 0; i < info->nr_frags; i++) {
		const skb_frag_t *frag = &info->frags[i];

		part = tx_part(part, table, page_to_phys(skb_frag_page(frag)) + skb_frag_off(frag),
			       skb_frag_size(frag));
	}
	part[-1].flags = 0;
	pvring_put(tx->ring, slot, virt_to_phys(table), (part - table) * sizeof(*part),
		   VRING_DESC_F_INDIRECT);
	return 0;
}

netdev_tx_t pvnet_tx_start(struct sk_buff *skb, struct net_device *dev)
{
	struct pvnet *pn = netdev_priv(dev);
	struct pvnet_tx *tx = &pn->tx;
	struct netdev_queue *queue = netdev_get_tx_queue(dev, 0);
	bool more = netdev_xmit_more();
	unsigned int slot;

	/* It is stopped when there is none, but others wake queues, too. */
	if (unlikely(!tx->free_count)) {
		netif_tx_stop_queue(queue);
		return NETDEV_TX_BUSY;
	}
	skb_tx_timestamp(skb);
	slot = tx->free[tx->free_count - 1];
	if (unlikely(tx_put(tx, slot, skb))) {
		tx->stats.drops++;
		dev_kfree_skb_any(skb);
		if (!more)
			tx_kick(tx, 0);
		return NETDEV_TX_OK;
	}
	tx->skb[slot] = skb;
	tx->free_count--;
	if (unlikely(!tx->free_count)) {
		netif_tx_stop_queue(queue);
		tx->stats.stops++;
	}
	if (!__netdev_tx_sent_queue(queue, skb->len, more))
		return NETDEV_TX_OK;
	if (READ_ONCE(tx->holder) == smp_processor_id() && !netif_xmit_stopped(queue)) {
		WRITE_ONCE(tx->owed, true);
		tx->stats.deferred++;
		return NETDEV_TX_OK;
	}
	/* With interrupts off this is netpoll, which may be within anything. */
	tx_kick(tx, !irqs_disabled());
	return NETDEV_TX_OK;
}

int pvnet_tx_poll(struct napi_struct *napi, int budget)
{
	struct pvnet_tx *tx = container_of(napi, struct pvnet_tx, napi);
	struct netdev_queue *queue = tx_queue(tx);
	bool again = false;

	__netif_tx_lock(queue, smp_processor_id());
	tx->stats.polls++;
	tx->armed = false;
	/* Not tx_kick(): it would schedule this. */
	if (unlikely(tx->kick_failed)) {
		tx->kick_failed = pvring_notify(tx->ring);
		if (tx->kick_failed)
			pvnet_nudge(tx->pn);
	}
	tx_reclaim(tx, budget);
	if (tx_outstanding(tx) && !tx->ring->broken)
		again = !tx_arm(tx);
	__netif_tx_unlock(queue);
	if (again)
		return budget;
	napi_complete_done(napi, 0);
	return 0;
}

static irqreturn_t tx_interrupt(int irq, void *data)
{
	struct pvnet_tx *tx = data;

	tx->stats.interrupts++;
	pvring_disarm(tx->ring);
	napi_schedule_irqoff(&tx->napi);
	return IRQ_HANDLED;
}

void pvnet_tx_open(struct pvnet_tx *tx)
{
	unsigned int slot;

	tx->owed = false;
	tx->armed = false;
	tx->kick_failed = false;
	for (slot = 0; slot < tx->ring->entries; slot++)
		tx->free[slot] = slot;
	tx->free_count = tx->ring->entries;
	netif_tx_wake_queue(tx_queue(tx));
}

void pvnet_tx_empty(struct pvnet_tx *tx)
{
	unsigned int slot;

	tx->free_count = 0;
	for (slot = 0; slot < tx->ring->entries; slot++) {
		dev_kfree_skb_any(tx->skb[slot]);
		tx->skb[slot] = NULL;
	}
	netdev_tx_reset_queue(tx_queue(tx));
}

void pvnet_tx_destroy(struct pvnet_tx *tx)
{
	pvring_destroy(tx->ring);
	kvfree(tx->skb);
	kvfree(tx->free);
	kfree(tx->tables);
	tx->ring = NULL;
}

int pvnet_tx_create(struct pvnet_tx *tx, unsigned int entries)
{
	const struct pvring_config config = {
		.index = PVNET_QUEUE_TX, .entries = entries, .handler = tx_interrupt,
		.name = tx->name, .data = tx,
	};
	struct pvring *ring = pvring_create(tx->pn->pdev, &config);

	if (IS_ERR(ring))
		return PTR_ERR(ring);
	tx->ring = ring;
	tx->skb = kvcalloc(ring->entries, sizeof(*tx->skb), GFP_KERNEL);
	tx->free = kvcalloc(ring->entries, sizeof(*tx->free), GFP_KERNEL);
	/* The device reads these: physically contiguous. */
	tx->tables = kcalloc(ring->entries * PVNET_TX_PARTS, sizeof(*tx->tables), GFP_KERNEL);
	if (tx->skb && tx->free && tx->tables)
		return 0;
	pvnet_tx_destroy(tx);
	return -ENOMEM;
}
