/* SPDX-License-Identifier: MIT */
/*
 * Network back-end: frames to and from a tap device, a stream socket (the protocol
 * of QEMU's -netdev stream and of passt), the switch that the machines of one user
 * share, user-mode networking (passt or libslirp, processes of their own), or
 * nothing (null).
 *
 * Every frame is preceded by a struct virtio_net_hdr_v1 (virtio 1.2, 5.1.6), 12 bytes:
 * a back-end that can (tap) passes offloads through; for the others the back-end
 * completes checksums and cuts segments itself, so front-ends may always send with
 * them.  Received frames carry only what the front-end said it can take.
 */
#ifndef RING3_HOSTIO_NET_H
#define RING3_HOSTIO_NET_H

#include "hostio/config.h"
#include "hostio/io.h"

#define NET_HEADER	12u	/* sizeof(struct virtio_net_hdr_v1) */
#define NET_FRAME_MAX	(65535u + 14 + 4)	/* behind the header */

/* What a front-end takes in received frames (virtio-net feature bits of the same names). */
#define NET_RX_CSUM	(1u << 0)	/* GUEST_CSUM: partial checksums, DATA_VALID */
#define NET_RX_TSO4	(1u << 1)
#define NET_RX_TSO6	(1u << 2)
#define NET_RX_ECN	(1u << 3)
#define NET_RX_UFO	(1u << 4)

struct net_client {
	/*
	 * Where the next frame may go, header first: fills at most `max` iovecs of writable memory
	 * and returns their number; 0: no room now, net_room() will follow.  Nothing is taken
	 * before received() says how much of it was used: the next call offers the same again.
	 * Room is for the largest frame that may come with the NET_RX_* set (a larger one is cut
	 * off or lost).  num_buffers of the header is the front-end's to fill in.
	 */
	unsigned (*room)(void *device, struct iovec *iov, unsigned max);
	/* `bytes` (header included) of the room offered last hold a frame. */
	void (*received)(void *device, size_t bytes);
	/* After a batch of received(): time for an interrupt.  Also when the link goes up or down. */
	void (*batch_end)(void *device);
	void (*link)(void *device, bool up);
};

struct net;

/* Start-up.  NULL after one sentence that names the thing and says what to do. */
struct net *net_open(const struct net_config *config);
void net_attach(struct net *n, const struct net_client *client, void *device);

/* Can frames with offloads be passed on as they are?  (For statistics and the front-end's offer.) */
bool net_passes_offloads(const struct net *n);
bool net_link(const struct net *n);

/*
 * In the jail.  Send one frame, header first; takes it at once (copied or written when it
 * returns).  false: no room, the frame was not taken: see net_wait().  Checksums and TCP
 * segmentation (GSO_TCPV4, TCPV6, ECN) may be left to it; a frame or header that makes no sense
 * vanishes.  Where a frame is to be cut, its checksum field and hdr_len need not be right for
 * sockets, but must be for taps: the sum of the pseudo header with the length, as virtio has it.
 */
bool net_send(struct net *n, const struct iovec *iov, unsigned iov_count, size_t bytes);
/* After net_send() said false: call `again` once there is room (from io_poll()). */
void net_wait(struct net *n, void (*again)(void *device));
/* End of a batch of net_send(). */
void net_flush(struct net *n);
/* The front-end can take frames again, or for the first time (net_set_rx() before).  What waits
 * already is handed out before it returns: room(), received(), batch_end() are called inside. */
void net_room(struct net *n);
void net_set_rx(struct net *n, unsigned rx_flags);
/* Stop handing out frames (device reset); frames that come meanwhile are dropped. */
void net_stop(struct net *n);

#endif
