// SPDX-License-Identifier: MIT
/*
 * A tap device of the host's: frames go between guest memory and the host's kernel
 * without a copy of ours, with the offload header of virtio (IFF_VNET_HDR, 12 bytes).
 *
 * Best made beforehand for the user (ip tuntap add), whom it belongs to then; one
 * that does not exist is made on the fly where that is allowed, and goes away with
 * the machine.  What the host may hand us is set while the guest runs, in the jail:
 * TUNSETOFFLOAD (world/jail.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/hostcall.h"
#include "base/log.h"
#include "hostio/calls.h"
#include "hostio/io_stats.h"
#include "hostio/net_backend.h"

#define STALE_MAX	4096u	/* longest queue of a tap that is emptied at the start */

struct net_tap {
	struct net net;
	int fd;
	unsigned offloads;		/* TUN_F_*, as the host was told */
};

static struct net_tap *tap_of(struct net *n)
{
	return container_of(n, struct net_tap, net);
}

/* ---- in the jail ---- */

static void tap_say(struct net *n, const char *what, long error)
{
	if (!n->said)
		log_warn("network: the host does not %s (error %ld); is the interface up?", what,
			 -error);
	n->said = true;
}

static bool tap_send(struct net *n, const struct iovec *iov, unsigned count, size_t bytes)
{
	long r;

	(void)bytes;
	do {
		io_stats.calls++;
		r = hostcall3(SYS_writev, tap_of(n)->fd, (long)iov, count);
	} while (r == -EINTR);
	if (r >= 0)
		return true;
	if (r == -EAGAIN)
		return false;
	n->dropped++;
	/* -EINVAL: a header that makes no sense, the guest's fault. */
	if (r != -EINVAL)
		tap_say(n, "take frames", r);
	return true;
}

static void tap_receive(struct net *n)
{
	struct iovec iov[NET_ROOM_IOVECS];
	unsigned frames = 0, count;
	long r;

	while (frames < NET_BATCH_MAX) {
		count = net_client_room(n, iov);
		if (!count)
			break;
		io_stats.calls++;
		r = hostcall3(SYS_readv, tap_of(n)->fd, (long)iov, count);
		if (r <= 0) {
			if (r == -EINTR)
				continue;
			if (r != -EAGAIN)
				tap_say(n, "give frames", r);
			break;
		}
		frames++;
		if ((size_t)r >= NET_HEADER + NET_FRAME_MIN)
			net_received(n, (size_t)r);
	}
	if (frames)
		n->client->batch_end(n->device);
	if (frames == NET_BATCH_MAX)
		net_watch_again(n);
}

static bool tap_writable(struct net *n)
{
	(void)n;
	return true;
}

static void tap_set_rx(struct net *n, unsigned rx)
{
	struct net_tap *t = tap_of(n);
	unsigned offloads = 0;
	long r;

	if (rx & NET_RX_CSUM) {
		offloads |= TUN_F_CSUM;
		offloads |= rx & NET_RX_TSO4 ? TUN_F_TSO4 : 0;
		offloads |= rx & NET_RX_TSO6 ? TUN_F_TSO6 : 0;
		if (rx & NET_RX_ECN && offloads & (TUN_F_TSO4 | TUN_F_TSO6))
			offloads |= TUN_F_TSO_ECN;
		offloads |= rx & NET_RX_UFO ? TUN_F_UFO : 0;
	}
	if (offloads == t->offloads)
		return;
	r = hostcall3(SYS_ioctl, t->fd, TUNSETOFFLOAD, offloads);
	if (r == -EINVAL) {	/* hosts without UFO */
		offloads &= ~(unsigned)TUN_F_UFO;
		r = hostcall3(SYS_ioctl, t->fd, TUNSETOFFLOAD, offloads);
	}
	if (r < 0)
		log_warn("network: the host does not set a tap's offloads (error %ld)", -r);
	else
		t->offloads = offloads;
}

/* Frames that came while nobody listened: as with a card that was off, they are lost. */
static void tap_start(struct net *n)
{
	uint8_t scrap[64];

	for (unsigned i = 0; i < STALE_MAX; i++) {
		if (hostcall3(SYS_read, tap_of(n)->fd, (long)scrap, sizeof(scrap)) <= 0)
			break;
		n->dropped++;
	}
}

static void tap_stop(struct net *n)
{
	n->paused = true;
}

static const struct net_ops tap_ops = {
	.passes_offloads = true,
	.send = tap_send,
	.receive = tap_receive,
	.writable = tap_writable,
	.set_rx = tap_set_rx,
	.start = tap_start,
	.stop = tap_stop,
};

/* ---- start-up ---- */

static void tap_refused_open(int error)
{
	if (error == ENOENT || error == ENODEV || error == ENXIO)
		log_error("this host has no /dev/net/tun, which tap= needs (modprobe tun); "
			  "--net user works without");
	else if (error == EACCES || error == EPERM)
		log_error("no permission to open /dev/net/tun, which tap= needs "
			  "(as root: chmod 666 /dev/net/tun); --net user works without");
	else
		log_error("cannot open /dev/net/tun: %s", strerror(error));
}

static void tap_refused_name(const char *name, int error)
{
	unsigned who = geteuid();

	if (error == EPERM && !if_nametoindex(name))
		log_error("there is no network interface \"%s\"; as root, make it: "
			  "ip tuntap add mode tap user %u name %s && ip link set %s up",
			  name, who, name, name);
	else if (error == EPERM)
		log_error("the tap \"%s\" belongs to another user; as root, make it again: "
			  "ip tuntap add mode tap user %u name %s", name, who, name);
	else if (error == EBUSY)
		log_error("the tap \"%s\" is in use by another program", name);
	else if (error == EINVAL)
		log_error("the network interface \"%s\" is not a tap device of one queue "
			  "(ip tuntap add mode tap)", name);
	else
		log_error("cannot use the tap \"%s\": %s", name, strerror(error));
}

static bool tap_name_good(const char *name)
{
	return name && *name && strlen(name) < IFNAMSIZ && !strpbrk(name, "/%: \t\n");
}

static int tap_attach(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), size = NET_HEADER;
	bool there;

	if (fd < 0) {
		tap_refused_open(errno);
		return -1;
	}
	there = if_nametoindex(name) != 0;
	memcpy(request.ifr_name, name, strlen(name));
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		tap_refused_name(name, errno);
	} else if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 || ioctl(fd, TUNSETOFFLOAD, 0) < 0) {
		log_error("the tap \"%s\" cannot carry offload headers: %s", name, strerror(errno));
	} else {
		if (!there)
			log_info("the tap \"%s\" was made for this machine; as root: "
				 "ip link set %s up", name, name);
		return fd;
	}
	close(fd);
	return -1;
}

struct net *net_tap_open(const char *name)
{
	struct net_tap *t;
	int fd;

	if (!tap_name_good(name)) {
		log_error("\"%s\" cannot be the name of a tap device", name ? name : "");
		return NULL;
	}
	fd = tap_attach(name);
	if (fd < 0)
		return NULL;
	t = arena_alloc(sizeof(*t), 64);
	t->fd = fd;
	calls_allow(SYS_readv, fd);
	calls_allow(SYS_writev, fd);
	net_init(&t->net, &tap_ops, fd);
	return &t->net;
}
