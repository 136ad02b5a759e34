// SPDX-License-Identifier: MIT
/*
 * The control queue (virtio 1.2, 5.1.6.5): class, command and data in the readable
 * part of a chain, one byte of answer in the writable one.
 *
 * Commands are read by a cursor over the chain's parts, once, however long the
 * driver made them; every length is checked against what is there.  A command of a
 * feature that was not negotiated, or unknown, or of a wrong length, changes nothing
 * and is answered VIRTIO_NET_ERR.
 */
#include <linux/virtio_net.h>
#include <string.h>

#include "device/virtio_net_parts.h"

struct cursor {
	const struct iovec *part;
	size_t offset;			/* in *part */
	uint64_t left;			/* bytes behind the cursor */
};

static struct iovec control_iov[VIRTQUEUE_SIZE_MAX];

/* to may be NULL: only step over. */
static bool cursor_read(struct cursor *c, void *to, uint64_t bytes)
{
	uint8_t *out = to;

	if (bytes > c->left)
		return false;
	c->left -= bytes;
	while (bytes) {
		size_t n = min_u64(c->part->iov_len - c->offset, bytes);

		if (out) {
			memcpy(out, (const uint8_t *)c->part->iov_base + c->offset, n);
			out += n;
		}
		bytes -= n;
		c->offset += n;
		if (c->offset == c->part->iov_len) {
			c->part++;
			c->offset = 0;
		}
	}
	return true;
}

/* The command's whole data. */
static bool cursor_read_all(struct cursor *c, void *to, uint64_t bytes)
{
	return c->left == bytes && cursor_read(c, to, bytes);
}

static bool rx_mode(struct virtio_net *n, uint8_t command, struct cursor *c)
{
	struct virtio_net_filter *f = &n->filter;
	bool *const modes[] = {
		[VIRTIO_NET_CTRL_RX_PROMISC] = &f->promiscuous,
		[VIRTIO_NET_CTRL_RX_ALLMULTI] = &f->all_multicast,
		[VIRTIO_NET_CTRL_RX_ALLUNI] = &f->all_unicast,
		[VIRTIO_NET_CTRL_RX_NOMULTI] = &f->no_multicast,
		[VIRTIO_NET_CTRL_RX_NOUNI] = &f->no_unicast,
		[VIRTIO_NET_CTRL_RX_NOBCAST] = &f->no_broadcast,
	};
	unsigned feature = command <= VIRTIO_NET_CTRL_RX_ALLMULTI ? VIRTIO_NET_F_CTRL_RX :
								   VIRTIO_NET_F_CTRL_RX_EXTRA;
	uint8_t on;

	if (command >= array_size(modes) || !virtio_has(&n->v, feature) ||
	    !cursor_read_all(c, &on, 1) || on > 1)
		return false;
	*modes[command] = on;
	return true;
}

/* One of the two tables; more addresses than we keep are all accepted. */
static bool mac_table_read(struct cursor *c, uint8_t (*table)[6], unsigned *entries, bool *overflow)
{
	uint32_t count;
	uint64_t bytes;

	if (!cursor_read(c, &count, sizeof(count)))
		return false;
	bytes = (uint64_t)count * 6;
	*overflow = count > VIRTIO_NET_MACS;
	*entries = *overflow ? 0 : count;
	return cursor_read(c, *overflow ? NULL : table, bytes);
}

static bool mac_table_set(struct virtio_net *n, struct cursor *c)
{
	struct virtio_net_filter next = n->filter;

	if (!virtio_has(&n->v, VIRTIO_NET_F_CTRL_RX) ||
	    !mac_table_read(c, next.unicast, &next.unicasts, &next.unicast_overflow) ||
	    !mac_table_read(c, next.multicast, &next.multicasts, &next.multicast_overflow) ||
	    c->left)
		return false;
	n->filter = next;
	return true;
}

static bool mac_address_set(struct virtio_net *n, struct cursor *c)
{
	uint8_t mac[6];

	if (!virtio_has(&n->v, VIRTIO_NET_F_CTRL_MAC_ADDR) ||
	    !cursor_read_all(c, mac, sizeof(mac)) || mac[0] & 1)
		return false;
	memcpy(n->mac, mac, sizeof(mac));
	n->v.config_stale = true;
	return true;
}

static bool vlan_change(struct virtio_net *n, uint8_t command, struct cursor *c)
{
	uint16_t id;
	uint64_t bit;

	if (command > VIRTIO_NET_CTRL_VLAN_DEL || !virtio_has(&n->v, VIRTIO_NET_F_CTRL_VLAN) ||
	    !cursor_read_all(c, &id, sizeof(id)) || id >= 4096)
		return false;
	bit = 1UL << (id % 64);
	if (command == VIRTIO_NET_CTRL_VLAN_ADD)
		n->filter.vlan[id / 64] |= bit;
	else
		n->filter.vlan[id / 64] &= ~bit;
	return true;
}

static bool offloads_set(struct virtio_net *n, struct cursor *c)
{
	const uint64_t all = 1UL << VIRTIO_NET_F_GUEST_CSUM | 1UL << VIRTIO_NET_F_GUEST_TSO4 |
			     1UL << VIRTIO_NET_F_GUEST_TSO6 | 1UL << VIRTIO_NET_F_GUEST_ECN;
	uint64_t offloads;

	if (!virtio_has(&n->v, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
	    !cursor_read_all(c, &offloads, sizeof(offloads)) ||
	    offloads & ~(n->v.features & all))
		return false;
	virtio_net_set_offloads(n, offloads);
	return true;
}

static bool command_run(struct virtio_net *n, struct cursor *c)
{
	uint8_t head[2];	/* class, command */

	if (!cursor_read(c, head, sizeof(head)))
		return false;
	switch (head[0]) {
	case VIRTIO_NET_CTRL_RX:
		return rx_mode(n, head[1], c);
	case VIRTIO_NET_CTRL_MAC:
		if (head[1] == VIRTIO_NET_CTRL_MAC_TABLE_SET)
			return mac_table_set(n, c);
		return head[1] == VIRTIO_NET_CTRL_MAC_ADDR_SET && mac_address_set(n, c);
	case VIRTIO_NET_CTRL_VLAN:
		return vlan_change(n, head[1], c);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return head[1] == VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET && offloads_set(n, c);
	default:
		return false;
	}
}

void virtio_net_control_notify(struct virtio_net *n)
{
	struct virtqueue *q = &n->v.queue[VIRTIO_NET_CONTROL];
	struct virtqueue_chain chain = { .iov = control_iov, .max = array_size(control_iov) };

	while (virtqueue_take(q, &chain)) {
		struct cursor c = { chain.iov, 0, chain.out_bytes };
		const struct iovec *ack = chain.iov + chain.out;

		if (!chain.in_bytes) {
			virtio_break(&n->v, "gave a command without room for its answer");
			return;
		}
		*(uint8_t *)ack->iov_base = command_run(n, &c) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
		virtqueue_push(q, &chain, 1);
	}
	virtio_complete(&n->v, VIRTIO_NET_CONTROL);
	virtqueue_enable_notify(q);
}
