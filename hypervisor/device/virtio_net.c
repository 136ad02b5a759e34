// SPDX-License-Identifier: MIT
/*
 * virtio-net (virtio 1.2, 5.1): what is offered, what was accepted, configuration
 * space, start and reset.  The work is done by virtio_net_rx.c, _tx.c, _control.c and
 * _filter.c; struct virtio_net (virtio_net_parts.h) is what they share.
 *
 * Offloads of frames to send are always offered: where the network cannot take them,
 * the back-end completes checksums and cuts segments, and the guest leaves for
 * 64 KiB once instead of 45 times.  Offloads of received frames are offered where the
 * back-end passes them on.  One pair of queues; no MTU (back-ends have none to
 * state), no announcements (nothing migrates), no RSS, no coalescing.
 */
#include "device/virtio_net.h"

#include <linux/virtio_net.h>
#include <string.h>

#include "base/arena.h"
#include "device/virtio_net_parts.h"
#include "device/virtio_pv.h"

#define NET_QUEUE_SIZE	256u
#define NET_SPEED	10000u		/* Mbit/s; nominal */
#define NET_DUPLEX_FULL	1u

#define FEATURE(name)	(1UL << VIRTIO_NET_F_##name)

#define OFFERED (FEATURE(MAC) | FEATURE(STATUS) | FEATURE(SPEED_DUPLEX) | FEATURE(MRG_RXBUF) |	\
		 FEATURE(CSUM) | FEATURE(HOST_TSO4) | FEATURE(HOST_TSO6) | FEATURE(HOST_ECN) |	\
		 FEATURE(CTRL_VQ) | FEATURE(CTRL_RX) | FEATURE(CTRL_RX_EXTRA) |			\
		 FEATURE(CTRL_VLAN) | FEATURE(CTRL_MAC_ADDR))
#define OFFERED_PASSING (FEATURE(GUEST_CSUM) | FEATURE(GUEST_TSO4) | FEATURE(GUEST_TSO6) |	\
			 FEATURE(GUEST_ECN) | FEATURE(CTRL_GUEST_OFFLOADS))

/* 5.1.3.1: who takes `feature` takes one of `requires` too. */
static const struct {
	uint64_t feature, requires;
} requirements[] = {
	{ FEATURE(GUEST_TSO4), FEATURE(GUEST_CSUM) },
	{ FEATURE(GUEST_TSO6), FEATURE(GUEST_CSUM) },
	{ FEATURE(GUEST_ECN), FEATURE(GUEST_TSO4) | FEATURE(GUEST_TSO6) },
	{ FEATURE(HOST_TSO4), FEATURE(CSUM) },
	{ FEATURE(HOST_TSO6), FEATURE(CSUM) },
	{ FEATURE(HOST_ECN), FEATURE(HOST_TSO4) | FEATURE(HOST_TSO6) },
	{ FEATURE(CTRL_RX), FEATURE(CTRL_VQ) },
	{ FEATURE(CTRL_VLAN), FEATURE(CTRL_VQ) },
	{ FEATURE(CTRL_MAC_ADDR), FEATURE(CTRL_VQ) },
};

static struct virtio_net *net_of(struct virtio *v)
{
	return container_of(v, struct virtio_net, v);
}

static bool net_check_features(struct virtio *v, uint64_t features)
{
	(void)v;
	for (unsigned i = 0; i < array_size(requirements); i++)
		if (features & requirements[i].feature && !(features & requirements[i].requires))
			return false;
	return true;
}

/* Segments need checksums, whatever the driver asks for. */
void virtio_net_set_offloads(struct virtio_net *n, uint64_t features)
{
	n->rx_flags = 0;
	if (features & FEATURE(GUEST_CSUM)) {
		n->rx_flags = NET_RX_CSUM;
		if (features & FEATURE(GUEST_TSO4))
			n->rx_flags |= NET_RX_TSO4;
		if (features & FEATURE(GUEST_TSO6))
			n->rx_flags |= NET_RX_TSO6;
		if (features & FEATURE(GUEST_ECN))
			n->rx_flags |= NET_RX_ECN;
	}
	net_set_rx(n->net, n->rx_flags);
	virtio_net_rx_retarget(n);
}

static void net_start(struct virtio *v)
{
	struct virtio_net *n = net_of(v);

	n->mergeable = virtio_has(v, VIRTIO_NET_F_MRG_RXBUF);
	virtio_net_filter_reset(n);
	virtio_net_set_offloads(n, v->features);
	virtio_net_rx_start(n);
}

static void net_reset(struct virtio *v)
{
	struct virtio_net *n = net_of(v);

	net_stop(n->net);
	virtio_net_rx_forget(n);
	virtio_net_tx_forget(n);
	memcpy(n->mac, n->configured_mac, sizeof(n->mac));
	n->rx_flags = 0;
}

/* Frames that come meanwhile are lost, as without buffers; the first kick of the new queue goes on. */
static void net_queue_reset(struct virtio *v, unsigned q)
{
	struct virtio_net *n = net_of(v);

	if (q == VIRTIO_NET_RX) {
		net_stop(n->net);
		virtio_net_rx_forget(n);
		n->rx.starved = true;
	} else if (q == VIRTIO_NET_TX) {
		virtio_net_tx_forget(n);
	}
}

static void net_notify(struct virtio *v, unsigned q)
{
	struct virtio_net *n = net_of(v);

	switch (q) {
	case VIRTIO_NET_RX:
		virtio_net_rx_notify(n);
		break;
	case VIRTIO_NET_TX:
		virtio_net_tx_notify(n);
		break;
	case VIRTIO_NET_CONTROL:
		if (virtio_has(v, VIRTIO_NET_F_CTRL_VQ))
			virtio_net_control_notify(n);
		break;
	}
}

/* 5.1.4.  Fields of features that are not offered read as 0. */
static uint64_t net_config_read(struct virtio *v, unsigned offset, unsigned size)
{
	struct virtio_net *n = net_of(v);
	struct virtio_net_config config = {
		.status = net_link(n->net) ? VIRTIO_NET_S_LINK_UP : 0,
		.speed = NET_SPEED,
		.duplex = NET_DUPLEX_FULL,
	};
	uint64_t value = 0;

	memcpy(config.mac, n->mac, sizeof(config.mac));
	memcpy(&value, (const uint8_t *)&config + offset, size);
	return value;
}

/* "All of the device configuration fields are read-only for the driver." */
static void net_config_write(struct virtio *v, unsigned offset, unsigned size, uint64_t value)
{
	(void)v;
	(void)offset;
	(void)size;
	(void)value;
}

static const struct virtio_ops net_ops = {
	.type = 1,
	.name = "virtio-net",
	.notify = net_notify,
	.start = net_start,
	.reset = net_reset,
	.queue_reset = net_queue_reset,
	.config_size = sizeof(struct virtio_net_config),
	.config_read = net_config_read,
	.config_write = net_config_write,
	.check_features = net_check_features,
};

int virtio_net_add(const struct machine_net *config, struct net *backend)
{
	struct virtio_net *n = arena_alloc(sizeof(*n), 64);
	uint64_t features = OFFERED;

	n->net = backend;
	memcpy(n->configured_mac, config->mac, sizeof(n->configured_mac));
	memcpy(n->mac, config->mac, sizeof(n->mac));
	if (net_passes_offloads(backend))
		features |= OFFERED_PASSING;
	virtio_net_rx_init(n);
	virtio_net_tx_init(n);
	virtio_init(&n->v, &net_ops, features, VIRTIO_NET_QUEUES, NET_QUEUE_SIZE);
	net_attach(backend, &virtio_net_client, n);
	return config->device == NET_DEVICE_PV ? virtio_pv_add(&n->v) : virtio_pci_add(&n->v);
}
