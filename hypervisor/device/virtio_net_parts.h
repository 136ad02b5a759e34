/* SPDX-License-Identifier: MIT */
/*
 * The network card's inside, shared by virtio_net*.c and their tests only.
 *
 * One pair of queues is offered; what belongs to a pair lies in struct
 * virtio_net_rx and _tx, so that more pairs are more of these.
 */
#ifndef RING3_DEVICE_VIRTIO_NET_PARTS_H
#define RING3_DEVICE_VIRTIO_NET_PARTS_H

#include "device/virtio.h"
#include "hostio/net.h"
#include "machine/timer.h"

enum { VIRTIO_NET_RX, VIRTIO_NET_TX, VIRTIO_NET_CONTROL, VIRTIO_NET_QUEUES };

/*
 * Receiving.  Chains are taken from the queue ahead of the frames and kept, in the order taken,
 * so that each is read once; their memory, end to end, is the room that the back-end fills.
 */
struct virtio_net_rx {
	struct { uint16_t head, parts; uint64_t bytes; } chain[VIRTQUEUE_SIZE_MAX];
	struct iovec iov[2 * VIRTQUEUE_SIZE_MAX];
	unsigned chain_first, chain_count, iov_first, iov_count;
	uint64_t held;			/* bytes in the chains kept */
	uint64_t target;		/* bytes to keep: what frames needed lately */
	uint64_t room;			/* bytes offered last, all in chains kept */
	uint64_t pending;		/* a frame of so many bytes waits for more chains; 0: none */
	uint8_t *overflow;		/* takes what goes beyond the room */
	unsigned small;			/* small frames since the last large one */
	bool starved;			/* too few chains for anything: the next kick is waited for */
	bool pushed;			/* frames since the last interrupt */
};

struct virtio_net_tx {
	bool waiting;			/* for room in the back-end */
	bool owed;			/* an interrupt was put off */
	unsigned unsignalled;		/* frames given back since the last one */
	struct timer late;		/* ends the delay */
	uint16_t late_index;		/* used_index when it began */
};

#define VIRTIO_NET_MACS		64u

/* Which frames the driver wants (5.1.6.5.1 to 5.1.6.5.3). */
struct virtio_net_filter {
	bool all;			/* the driver has no way to say: no filter */
	bool vlans;			/* tagged frames: those in `vlan` only */
	bool promiscuous, all_multicast, all_unicast;
	bool no_multicast, no_unicast, no_broadcast;
	bool unicast_overflow, multicast_overflow;	/* table too small: accept all */
	unsigned unicasts, multicasts;
	uint8_t unicast[VIRTIO_NET_MACS][6], multicast[VIRTIO_NET_MACS][6];
	uint64_t vlan[4096 / 64];
};

struct virtio_net {
	struct virtio v;
	struct net *net;
	uint8_t mac[6];			/* in use; the driver may set it */
	uint8_t configured_mac[6];
	bool mergeable;
	unsigned rx_flags;		/* NET_RX_*: what received frames may carry now */
	struct virtio_net_filter filter;
	struct virtio_net_rx rx;
	struct virtio_net_tx tx;
	struct {
		uint64_t rx_frames, rx_filtered, rx_bad, rx_too_long, tx_frames, tx_bad;
	} count;
};

/* virtio_net.c: which of the negotiated receive offloads (feature bits) are on. */
void virtio_net_set_offloads(struct virtio_net *n, uint64_t features);

/* virtio_net_rx.c */
extern const struct net_client virtio_net_client;
void virtio_net_rx_init(struct virtio_net *n);
void virtio_net_rx_start(struct virtio_net *n);		/* features are known */
void virtio_net_rx_forget(struct virtio_net *n);	/* reset: the chains are no longer ours */
void virtio_net_rx_notify(struct virtio_net *n);
void virtio_net_rx_retarget(struct virtio_net *n);	/* rx_flags changed */

/* virtio_net_tx.c */
void virtio_net_tx_init(struct virtio_net *n);
void virtio_net_tx_notify(struct virtio_net *n);
void virtio_net_tx_forget(struct virtio_net *n);

/* virtio_net_filter.c */
void virtio_net_filter_reset(struct virtio_net *n);	/* features are known */
/* frame: its first `length` bytes, at least 18 or all that there is (14 or more). */
bool virtio_net_filter_accepts(const struct virtio_net *n, const uint8_t *frame, unsigned length);

/* virtio_net_control.c */
void virtio_net_control_notify(struct virtio_net *n);

#endif
