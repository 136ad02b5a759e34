// SPDX-License-Identifier: MIT
/*
 * The stream protocol of QEMU's -netdev stream and of passt: on a connected socket,
 * each frame behind its length, 32 bits, big-endian.
 *
 * The other side knows no offloads: what the guest leaves to the card is completed
 * here on a copy, in the output buffer itself where that will do.  A frame to be cut
 * is taken whole, its segments follow as the output buffer has room for them; until
 * the last is out, no other frame is taken.  Input is read in large pieces and
 * copied to the front-end frame by frame.  Both buffers hold bytes start .. end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/hostcall.h"
#include "base/log.h"
#include "hostio/io_stats.h"
#include "hostio/net_backend.h"
#include "hostio/net_segment.h"

#define LENGTH_BYTES	4u
#define PADDED_MAX	60u		/* a frame up to here may be padded: Ethernet's minimum less FCS */
#define ETHERTYPE_IPV4	0x0800
#define ETHERTYPE_IPV6	0x86dd
#define BUFFER_SIZE	(256 * KIB)
/* To others who care for no MTU: the fewer frames the better. */
#define LONG_FRAME_MAX	65535u
#define SOCKET_BUFFER	(1024 * 1024)	/* asked for; the host has its own limit */

/* At least one frame of any size fits, so both sides always get on. */
_Static_assert(BUFFER_SIZE >= 2 * (LENGTH_BYTES + NET_FRAME_MAX), "room for a frame");

struct buffer {
	uint8_t *bytes;
	size_t start, end;
};

struct net_stream {
	struct net net;
	int fd;
	unsigned peer;			/* NET_PEER_* */
	bool cutting;			/* segments of `frame` are still to go out */
	struct buffer in, out;
	struct net_segment segment;
	uint8_t *frame;
	const char *name;
};

static struct net_stream *stream_of(struct net *n)
{
	return container_of(n, struct net_stream, net);
}

/* ---- buffers ---- */

static size_t buffer_room(const struct buffer *b)
{
	return BUFFER_SIZE - b->end;
}

static size_t buffer_used(const struct buffer *b)
{
	return b->end - b->start;
}

static void buffer_compact(struct buffer *b)
{
	if (!b->start)
		return;
	memmove(b->bytes, b->bytes + b->start, buffer_used(b));
	b->end -= b->start;
	b->start = 0;
}

static void stream_down(struct net_stream *s, const char *why)
{
	s->out.start = s->out.end = 0;
	s->cutting = false;
	log_debug("network: %s: %s", s->name, why);
	net_down(&s->net, why);
}

/* ---- sending ---- */

/* Give the host what it takes; what it does not, stays. */
static void stream_push(struct net_stream *s)
{
	struct buffer *b = &s->out;
	long r;

	while (buffer_used(b)) {
		io_stats.calls++;
		r = hostcall6(SYS_sendto, s->fd, (long)(b->bytes + b->start),
			      (long)buffer_used(b), MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
		if (r == -EINTR)
			continue;
		if (r == -EAGAIN)
			break;
		if (r <= 0) {
			stream_down(s, "the other side closed the connection");
			return;
		}
		b->start += (size_t)r;
	}
	if (b->start == b->end)
		b->start = b->end = 0;
}

/* A place for `bytes` in the output, behind their length; NULL: no room. */
static uint8_t *stream_place(struct net_stream *s, size_t bytes)
{
	struct buffer *b = &s->out;
	uint32_t length = htonl((uint32_t)bytes);
	uint8_t *at;

	if (buffer_room(b) < LENGTH_BYTES + bytes) {
		stream_push(s);
		buffer_compact(b);
		if (buffer_room(b) < LENGTH_BYTES + bytes)
			return NULL;
	}
	at = b->bytes + b->end;
	memcpy(at, &length, LENGTH_BYTES);
	b->end += LENGTH_BYTES + bytes;
	return at + LENGTH_BYTES;
}

/* Take back the last place. */
static void stream_unplace(struct net_stream *s, size_t bytes)
{
	s->out.end -= LENGTH_BYTES + bytes;
	s->net.dropped++;
}

/* How long the frame is without what only fills it up to Ethernet's minimum. */
static size_t frame_exact(const uint8_t *frame, size_t length)
{
	unsigned type = frame[12] * 256u + frame[13];
	size_t exact = length;

	if (length > PADDED_MAX || length < 34)
		return length;
	if (type == ETHERTYPE_IPV4)
		exact = 14 + frame[16] * 256u + frame[17];
	else if (type == ETHERTYPE_IPV6)
		exact = 54 + frame[18] * 256u + frame[19];
	return exact < NET_FRAME_MIN ? length : min_u64(exact, length);
}

static void stream_trim(struct net_stream *s, uint8_t *frame, size_t length)
{
	uint32_t exact = htonl((uint32_t)frame_exact(frame, length));

	s->out.end -= length - ntohl(exact);
	memcpy(frame - LENGTH_BYTES, &exact, LENGTH_BYTES);
}

/* Segments while there is room; true: all of them are out. */
static bool stream_cut(struct net_stream *s)
{
	size_t bytes;
	uint8_t *to;

	while (s->cutting) {
		bytes = net_segment_size(&s->segment);
		if (!bytes) {
			s->cutting = false;
			break;
		}
		to = stream_place(s, bytes);
		if (!to)
			return !s->net.up;
		net_segment_next(&s->segment, to);
	}
	return true;
}

static bool stream_send(struct net *n, const struct iovec *iov, unsigned count, size_t bytes)
{
	struct net_stream *s = stream_of(n);
	struct virtio_net_hdr_v1 header;
	size_t length = bytes - NET_HEADER;
	uint8_t *to;

	if (!stream_cut(s))
		return false;
	net_gather((uint8_t *)&header, iov, count, 0, NET_HEADER);
	if (net_segment_wanted(&header)) {
		net_gather(s->frame, iov, count, NET_HEADER, length);
		s->cutting = net_segment_begin(&s->segment, &header, s->frame, length);
		if (!s->cutting)
			n->dropped++;
		else if (s->peer & NET_PEER_LONG)
			net_segment_widen(&s->segment, LONG_FRAME_MAX);
		stream_cut(s);
		return true;
	}
	to = stream_place(s, length);
	if (!to)
		return !n->up;
	net_gather(to, iov, count, NET_HEADER, length);
	if (!net_checksum_complete(&header, to, length))
		stream_unplace(s, length);
	else if (s->peer & NET_PEER_EXACT)
		stream_trim(s, to, length);
	return true;
}

static void stream_flush(struct net *n)
{
	struct net_stream *s = stream_of(n);

	stream_cut(s);
	stream_push(s);
	/* Only a full socket leaves something behind. */
	n->half_sent = n->up && (s->cutting || buffer_used(&s->out));
}

static bool stream_writable(struct net *n)
{
	struct net_stream *s = stream_of(n);

	stream_flush(n);
	buffer_compact(&s->out);
	return n->up && !s->cutting &&
	       buffer_room(&s->out) >= LENGTH_BYTES + NET_FRAME_MAX;
}

/* ---- receiving ---- */

/* One frame to the front-end; false: there is no room for one now. */
static bool stream_hand_out(struct net_stream *s, const uint8_t *frame, size_t length)
{
	struct virtio_net_hdr_v1 header = { 0 };
	struct iovec iov[NET_ROOM_IOVECS];
	struct net *n = &s->net;
	unsigned count;

	if (!n->running || length < NET_FRAME_MIN) {
		n->dropped++;
		return true;
	}
	count = net_client_room(n, iov);
	if (!count)
		return false;
	if (net_iov_bytes(iov, count) < NET_HEADER + length) {
		n->dropped++;
		return true;
	}
	if (s->peer & NET_PEER_TRUSTED && n->rx & NET_RX_CSUM)
		header.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	net_scatter(iov, count, 0, &header, NET_HEADER);
	net_scatter(iov, count, NET_HEADER, frame, length);
	net_received(n, NET_HEADER + length);
	return true;
}

/* Whole frames from the input buffer; false: stopped for want of room, or the link broke. */
static bool stream_parse(struct net_stream *s, unsigned *frames)
{
	struct buffer *b = &s->in;
	uint32_t length;

	while (buffer_used(b) >= LENGTH_BYTES) {
		memcpy(&length, b->bytes + b->start, LENGTH_BYTES);
		length = ntohl(length);
		if (length > NET_FRAME_MAX) {
			stream_down(s, "the other side sent a frame of impossible length");
			return false;
		}
		if (buffer_used(b) < LENGTH_BYTES + length)
			break;
		if (!stream_hand_out(s, b->bytes + b->start + LENGTH_BYTES, length))
			return false;
		b->start += LENGTH_BYTES + length;
		++*frames;
	}
	if (b->start == b->end)
		b->start = b->end = 0;
	return true;
}

static void stream_receive(struct net *n)
{
	struct net_stream *s = stream_of(n);
	struct buffer *b = &s->in;
	unsigned frames = 0;
	long r;

	while (stream_parse(s, &frames)) {
		if (frames >= NET_BATCH_MAX) {
			net_watch_again(n);
			break;
		}
		if (buffer_room(b) < BUFFER_SIZE / 2)
			buffer_compact(b);
		io_stats.calls++;
		r = hostcall6(SYS_recvfrom, s->fd, (long)(b->bytes + b->end),
			      (long)buffer_room(b), MSG_DONTWAIT, 0, 0);
		if (r == -EINTR)
			continue;
		if (r == -EAGAIN)
			break;
		if (r <= 0) {
			stream_down(s, "the other side closed the connection");
			break;
		}
		b->end += (size_t)r;
	}
	if (frames && n->running && n->up)
		n->client->batch_end(n->device);
}

static const struct net_ops stream_ops = {
	.send = stream_send,
	.flush = stream_flush,
	.receive = stream_receive,
	.writable = stream_writable,
};

/* ---- start-up ---- */

struct net *net_stream_new(int fd, const char *name, unsigned peer)
{
	struct net_stream *s = arena_alloc(sizeof(*s), 64);
	int size = SOCKET_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	s->fd = fd;
	s->name = name;
	s->peer = peer;
	s->in.bytes = arena_alloc(BUFFER_SIZE, 64);
	s->out.bytes = arena_alloc(BUFFER_SIZE, 64);
	s->frame = arena_alloc(NET_FRAME_MAX, 64);
	net_init(&s->net, &stream_ops, fd);
	/* Also before a driver listens: nobody's sending shall stop because our guest boots. */
	s->net.paused = false;
	net_watch(&s->net);
	return &s->net;
}

static int stream_connect(int fd, const void *address, socklen_t size, const char *where)
{
	if (fd >= 0 && connect(fd, address, size) == 0)
		return fd;
	log_error("cannot connect to \"%s\": %s; start what listens there first "
		  "(passt, qemu -netdev stream,server=on)", where, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static int stream_connect_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!*path || strlen(path) >= sizeof(address.sun_path)) {
		log_error("\"%s\" is not the path of a socket (at most %zu characters)", path,
			  sizeof(address.sun_path) - 1);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	return stream_connect(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), &address,
			      sizeof(address), path);
}

/* ADDRESS:PORT, numbers only: names would need what a static executable has not. */
static int stream_connect_tcp(const char *where)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	const char *colon = strrchr(where, ':');
	char host[INET_ADDRSTRLEN], *end = NULL;
	size_t length = colon ? (size_t)(colon - where) : sizeof(host);
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
	int fd, on = 1;

	if (length < sizeof(host)) {
		memcpy(host, where, length);
		host[length] = 0;
	}
	if (length >= sizeof(host) || inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
	    !port || port > 65535 || *end) {
		log_error("\"tcp:%s\" is not tcp:ADDRESS:PORT, an IPv4 address and a number", where);
		return -1;
	}
	address.sin_port = htons((uint16_t)port);
	fd = stream_connect(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), &address,
			    sizeof(address), where);
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

struct net *net_stream_open(const char *where)
{
	int fd;

	if (!where)
		where = "";
	fd = strncmp(where, "tcp:", 4) ? stream_connect_unix(where) : stream_connect_tcp(where + 4);
	return fd < 0 ? NULL : net_stream_new(fd, where, 0);
}
