/* SPDX-License-Identifier: MIT */
/*
 * What the kinds of network back-end have in common, for net*.c only.  A kind embeds
 * struct net in memory of the arena; net.c calls its operations.
 */
#ifndef RING3_HOSTIO_NET_BACKEND_H
#define RING3_HOSTIO_NET_BACKEND_H

#include <linux/virtio_net.h>

#include "hostio/net.h"

#define NET_FRAME_MIN	14u	/* an Ethernet header */
#define NET_ROOM_IOVECS	256u
/* Frames taken from the host in one go before the guest gets its turn again. */
#define NET_BATCH_MAX	512u

struct net_ops {
	bool passes_offloads;
	/* As net_send(), with `bytes` within the limits. */
	bool (*send)(struct net *n, const struct iovec *iov, unsigned count, size_t bytes);
	void (*flush)(struct net *n);				/* NULL: nothing to do */
	/* Hand out what has come while there is room; n->running or not. */
	void (*receive)(struct net *n);
	/* The descriptor takes more: finish what is half sent; true: send() will take a frame. */
	bool (*writable)(struct net *n);
	void (*set_rx)(struct net *n, unsigned rx_flags);	/* NULL: nothing to do */
	void (*start)(struct net *n);				/* before the first receive() */
	void (*stop)(struct net *n);
};

struct net {
	const struct net_ops *ops;
	const struct net_client *client;
	void *device;
	void (*again)(void *device);	/* of net_wait() */
	struct io_watch watch;		/* fd -1: none */
	bool up;
	bool running;			/* between the first net_room() and net_stop() */
	bool paused;			/* nothing is to be received */
	bool half_sent;			/* of the kind's: call writable() when that is so */
	unsigned rx;			/* NET_RX_* */
	bool said;			/* a lasting trouble of this link */
	uint64_t dropped;		/* frames, either way */
};

/* Fill in; fd -1: none to watch. */
void net_init(struct net *n, const struct net_ops *ops, int fd);
/* Watch for what is of interest now: after a change of running, paused, half_sent, again, up. */
void net_watch(struct net *n);
/* The same, reporting once more what is ready already: when receive() stopped early. */
void net_watch_again(struct net *n);
/* The other side is gone, for good. */
void net_down(struct net *n, const char *why);

/* Room for one frame of `bytes` (header included) at the front-end: iovecs, or 0. */
unsigned net_client_room(struct net *n, struct iovec *iov);

/* A frame of `bytes` (header included) lies in the room: counts, and tells the front-end. */
void net_received(struct net *n, size_t bytes);

/* Copy between iovecs, from their byte `skip` on, and a buffer; the iovecs hold as much. */
void net_gather(uint8_t *to, const struct iovec *iov, unsigned count, size_t skip, size_t bytes);
void net_scatter(const struct iovec *iov, unsigned count, size_t skip, const void *from, size_t bytes);
size_t net_iov_bytes(const struct iovec *iov, unsigned count);

/* Kinds: NULL after one sentence. */
struct net *net_tap_open(const char *name);
struct net *net_stream_open(const char *where);
struct net *net_user_open(const char **hostfwd);
struct net *net_switch_open(const char *name);

/* A link of the stream protocol on a connected socket, which it then owns. */
#define NET_PEER_TRUSTED (1u << 0)	/* a helper of ours: checksums of what it sends are good */
#define NET_PEER_LONG	(1u << 1)	/* takes frames of any length, whatever the guest's MTU */
#define NET_PEER_EXACT	(1u << 2)	/* takes a short IP frame's padding for data */
struct net *net_stream_new(int fd, const char *name, unsigned peer);

#endif
