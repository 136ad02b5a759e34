// SPDX-License-Identifier: MIT
/*
 * Network back-ends: what the kinds have in common.
 *
 * The state of a link: up until its other side goes away; running while the
 * front-end has a driver that takes frames.  Which events of the descriptor are of
 * interest follows from that and from who waits for room (net_watch()).
 */
#include "hostio/net.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "hostio/io_stats.h"
#include "hostio/net_backend.h"

static void net_ready(struct io_watch *w, short events)
{
	struct net *n = container_of(w, struct net, watch);

	if ((n->half_sent || n->again) && n->up && (events & (POLLOUT | POLLERR | POLLHUP)) &&
	    n->ops->writable(n)) {
		void (*again)(void *device) = n->again;

		n->again = NULL;
		if (again)
			again(n->device);
	}
	if (n->up && !n->paused && (events & (POLLIN | POLLERR | POLLHUP)))
		n->ops->receive(n);
	net_watch(n);
}

void net_init(struct net *n, const struct net_ops *ops, int fd)
{
	n->ops = ops;
	n->watch = (struct io_watch){ .fd = fd, .ready = net_ready };
	n->up = true;
	n->paused = true;
	if (fd >= 0)
		io_watch_add(&n->watch);
}

void net_watch(struct net *n)
{
	short events = 0;

	if (n->watch.fd < 0)
		return;
	if (n->up && !n->paused)
		events |= POLLIN;
	if (n->up && (n->half_sent || n->again))
		events |= POLLOUT;
	if (events != n->watch.events)
		io_watch_set(&n->watch, events);
}

void net_watch_again(struct net *n)
{
	if (n->watch.events)
		io_watch_set(&n->watch, 0);
	net_watch(n);
}

void net_down(struct net *n, const char *why)
{
	void (*again)(void *device) = n->again;

	if (!n->up)
		return;
	n->up = false;
	n->half_sent = false;
	n->again = NULL;
	net_watch(n);
	log_warn("network: %s; the card is without a link from now on", why);
	if (!n->client)
		return;
	n->client->link(n->device, false);
	n->client->batch_end(n->device);
	if (again)
		again(n->device);	/* what is sent from now on vanishes */
}

unsigned net_client_room(struct net *n, struct iovec *iov)
{
	return n->running ? n->client->room(n->device, iov, NET_ROOM_IOVECS) : 0;
}

size_t net_iov_bytes(const struct iovec *iov, unsigned count)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += iov[i].iov_len;
	return bytes;
}

/* Where byte `skip` lies: NULL beyond the end; else what follows it in one piece. */
static uint8_t *iov_at(const struct iovec **iov, unsigned *count, size_t *skip, size_t *bytes)
{
	for (; *count; ++*iov, --*count) {
		if (*skip < (*iov)->iov_len) {
			*bytes = (*iov)->iov_len - *skip;
			return (uint8_t *)(*iov)->iov_base + *skip;
		}
		*skip -= (*iov)->iov_len;
	}
	return NULL;
}

void net_gather(uint8_t *to, const struct iovec *iov, unsigned count, size_t skip, size_t bytes)
{
	const uint8_t *at;
	size_t n;

	while (bytes && (at = iov_at(&iov, &count, &skip, &n))) {
		n = min_u64(n, bytes);
		memcpy(to, at, n);
		to += n;
		skip += n;
		bytes -= n;
	}
}

void net_scatter(const struct iovec *iov, unsigned count, size_t skip, const void *from, size_t bytes)
{
	const uint8_t *p = from;
	uint8_t *at;
	size_t n;

	while (bytes && (at = iov_at(&iov, &count, &skip, &n))) {
		n = min_u64(n, bytes);
		memcpy(at, p, n);
		p += n;
		skip += n;
		bytes -= n;
	}
}

/* ---- nothing at all ---- */

static bool null_send(struct net *n, const struct iovec *iov, unsigned count, size_t bytes)
{
	(void)n;
	(void)iov;
	(void)count;
	(void)bytes;
	return true;
}

static void null_receive(struct net *n)
{
	(void)n;
}

static bool null_writable(struct net *n)
{
	(void)n;
	return true;
}

static const struct net_ops null_ops = {
	.passes_offloads = true,
	.send = null_send,
	.receive = null_receive,
	.writable = null_writable,
};

static struct net *null_open(void)
{
	struct net *n = arena_alloc(sizeof(*n), 64);

	net_init(n, &null_ops, -1);
	return n;
}

/* ---- the interface ---- */

struct net *net_open(const struct net_config *config)
{
	switch (config->kind) {
	case NET_TAP:
		return net_tap_open(config->where);
	case NET_USER:
		return net_user_open(config->hostfwd);
	case NET_SOCKET:
		return net_stream_open(config->where);
	case NET_SWITCH:
		return net_switch_open(config->where);
	case NET_NULL:
		return null_open();
	}
	return NULL;
}

void net_attach(struct net *n, const struct net_client *client, void *device)
{
	n->client = client;
	n->device = device;
}

bool net_passes_offloads(const struct net *n)
{
	return n->ops->passes_offloads;
}

bool net_link(const struct net *n)
{
	return n->up;
}

bool net_send(struct net *n, const struct iovec *iov, unsigned iov_count, size_t bytes)
{
	if (!n->up || bytes < NET_HEADER + NET_FRAME_MIN || bytes > NET_HEADER + NET_FRAME_MAX) {
		n->dropped++;
		return true;
	}
	if (!n->ops->send(n, iov, iov_count, bytes))
		return false;
	io_stats.frames_sent++;
	io_stats.frame_bytes += bytes - NET_HEADER;
	return true;
}

void net_received(struct net *n, size_t bytes)
{
	io_stats.frames_received++;
	io_stats.frame_bytes += bytes - NET_HEADER;
	n->client->received(n->device, bytes);
}

void net_wait(struct net *n, void (*again)(void *device))
{
	n->again = again;
	net_watch(n);
}

void net_flush(struct net *n)
{
	if (n->up && n->ops->flush)
		n->ops->flush(n);
	net_watch(n);
}

void net_room(struct net *n)
{
	if (!n->running) {
		n->running = true;
		n->paused = false;
		if (n->up && n->ops->start)
			n->ops->start(n);
		net_watch(n);
	}
	if (n->up)
		n->ops->receive(n);
	net_watch(n);
}

void net_set_rx(struct net *n, unsigned rx_flags)
{
	n->rx = rx_flags;
	if (n->up && n->ops->set_rx)
		n->ops->set_rx(n, rx_flags);
}

void net_stop(struct net *n)
{
	n->running = false;
	n->again = NULL;
	if (n->ops->stop)
		n->ops->stop(n);
	net_watch(n);
}
