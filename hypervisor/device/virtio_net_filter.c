// SPDX-License-Identifier: MIT
/*
 * Which received frames the driver wants: modes, MAC addresses, VLANs (virtio 1.2,
 * 5.1.6.5.1 to 5.1.6.5.3).  The tables are filled by virtio_net_control.c.
 *
 * A driver that did not take CTRL_RX cannot say, not even which multicast groups
 * it has joined: it gets everything.
 */
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "device/virtio_net_parts.h"

void virtio_net_filter_reset(struct virtio_net *n)
{
	memset(&n->filter, 0, sizeof(n->filter));
	n->filter.all = !virtio_has(&n->v, VIRTIO_NET_F_CTRL_RX);
	n->filter.vlans = virtio_has(&n->v, VIRTIO_NET_F_CTRL_VLAN);
}

static bool table_has(const uint8_t (*table)[6], unsigned entries, const uint8_t *mac)
{
	for (unsigned i = 0; i < entries; i++)
		if (!memcmp(table[i], mac, 6))
			return true;
	return false;
}

static bool is_broadcast(const uint8_t *mac)
{
	return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

/* A tag of VLAN 0 only carries a priority. */
static bool vlan_is_unwanted(const struct virtio_net_filter *f, const uint8_t *frame,
			     unsigned length)
{
	unsigned id;

	if (length < 16 || (frame[12] << 8 | frame[13]) != ETH_P_8021Q)
		return false;
	id = (unsigned)(frame[14] & 15) << 8 | frame[15];
	return id && !(f->vlan[id / 64] >> (id % 64) & 1);
}

bool virtio_net_filter_accepts(const struct virtio_net *n, const uint8_t *frame, unsigned length)
{
	const struct virtio_net_filter *f = &n->filter;

	if (f->promiscuous)
		return true;
	if (f->vlans && vlan_is_unwanted(f, frame, length))
		return false;
	if (f->all)
		return true;
	if (!(frame[0] & 1)) {
		if (f->no_unicast)
			return false;
		return f->all_unicast || f->unicast_overflow || !memcmp(frame, n->mac, 6) ||
		       table_has(f->unicast, f->unicasts, frame);
	}
	if (is_broadcast(frame))
		return !f->no_broadcast;
	if (f->no_multicast)
		return false;
	return f->all_multicast || f->multicast_overflow ||
	       table_has(f->multicast, f->multicasts, frame);
}
