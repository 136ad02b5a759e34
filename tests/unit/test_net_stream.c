// SPDX-License-Identifier: MIT
/*
 * Network back-ends on sockets: the stream protocol, torn at every byte; what a peer
 * may do to it; partial writes; null.  io_watch is played by the test: net_turn()
 * reports what is ready.
 */
#include "log_fakes.h"
#include "suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "hostio/net_backend.h"

#define ROOM	(NET_HEADER + NET_FRAME_MAX)

static struct io_watch *watches[8];
static unsigned watches_number;

void io_watch_add(struct io_watch *w) { watches[watches_number++] = w; }
void io_watch_set(struct io_watch *w, short events) { w->events = events; }

/* A front-end: takes `room` frames, in pieces of `piece` bytes. */
static struct device {
	struct net *net;
	unsigned room, piece;
	unsigned frames, batches, links, again;
	uint8_t place[ROOM + 16];
	uint8_t last[ROOM];
	size_t last_bytes, bytes;
} device;

static unsigned device_room(void *d, struct iovec *iov, unsigned max)
{
	struct device *dev = d;
	unsigned n = 0;

	if (!dev->room)
		return 0;
	for (size_t at = 0; at < ROOM && n < max; at += dev->piece)
		iov[n++] = (struct iovec){ dev->place + at, min_u64(dev->piece, ROOM - at) };
	return n;
}

static void device_received(void *d, size_t bytes)
{
	struct device *dev = d;

	memcpy(dev->last, dev->place, bytes);
	dev->last_bytes = bytes;
	dev->bytes += bytes - NET_HEADER;
	dev->frames++;
	dev->room--;
}

static void device_batch_end(void *d) { ((struct device *)d)->batches++; }
static void device_link(void *d, bool up) { (void)up; ((struct device *)d)->links++; }
static void device_again(void *d) { ((struct device *)d)->again++; }

static const struct net_client client = {
	.room = device_room, .received = device_received, .batch_end = device_batch_end,
	.link = device_link,
};

/* Once round: what is ready is told. */
static void net_turn(void)
{
	for (unsigned i = 0; i < watches_number; i++) {
		struct pollfd p = { .fd = watches[i]->fd, .events = watches[i]->events };

		if (p.events && poll(&p, 1, 0) > 0)
			watches[i]->ready(watches[i], p.revents);
	}
}

static int pair[2];

static void link_make(unsigned peer)
{
	ck_assert_int_eq(arena_init(), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	memset(&device, 0, sizeof(device));
	device.piece = 700;
	device.room = 1000000;
	device.net = net_stream_new(pair[0], "test", peer);
	net_attach(device.net, &client, &device);
	net_set_rx(device.net, NET_RX_CSUM);
	net_room(device.net);
}

static void peer_write(const void *bytes, size_t n)
{
	ck_assert_int_eq(send(pair[1], bytes, n, MSG_DONTWAIT), (ssize_t)n);
}

static size_t frame_make(uint8_t *p, size_t length, unsigned seed)
{
	uint32_t be = htonl((uint32_t)length);

	memcpy(p, &be, 4);
	for (size_t i = 0; i < length; i++)
		p[4 + i] = (uint8_t)(i * 7 + seed);
	return length + 4;
}

static void frame_check(size_t length, unsigned seed)
{
	static const uint8_t zero[NET_HEADER];

	ck_assert_uint_eq(device.last_bytes, NET_HEADER + length);
	ck_assert_int_eq(memcmp(device.last, zero, NET_HEADER), 0);
	for (size_t i = 0; i < length; i++)
		ck_assert_uint_eq(device.last[NET_HEADER + i], (uint8_t)(i * 7 + seed));
}

START_TEST(torn_at_every_byte)
{
	uint8_t bytes[300];
	size_t n = frame_make(bytes, 60, 1);

	n += frame_make(bytes + n, 77, 2);
	n += frame_make(bytes + n, 14, 3);
	link_make(0);
	for (size_t cut = 1; cut < n; cut++) {
		device.frames = 0;
		peer_write(bytes, cut);
		net_turn();
		peer_write(bytes + cut, n - cut);
		net_turn();
		ck_assert_uint_eq(device.frames, 3);
		frame_check(14, 3);
	}
	device.frames = 0;
	for (size_t i = 0; i < n; i++) {
		peer_write(bytes + i, 1);
		net_turn();
		if (i == 63)
			frame_check(60, 1);
	}
	ck_assert_uint_eq(device.frames, 3);
}
END_TEST

START_TEST(all_sizes)
{
	static uint8_t bytes[NET_FRAME_MAX + 4];

	link_make(0);
	for (size_t length = NET_FRAME_MIN; length <= NET_FRAME_MAX; length += length < 1600 ? 1 : 3001) {
		size_t n = frame_make(bytes, length, (unsigned)length);

		for (size_t at = 0; at < n;) {
			ssize_t r = send(pair[1], bytes + at, n - at, MSG_DONTWAIT);

			if (r > 0)
				at += (size_t)r;
			net_turn();
		}
		net_turn();
		frame_check(length, (unsigned)length);
	}
}
END_TEST

START_TEST(runts_and_empty_frames_vanish)
{
	uint8_t bytes[128];
	size_t n = frame_make(bytes, 0, 0);

	n += frame_make(bytes + n, 13, 0);
	n += frame_make(bytes + n, 20, 5);
	link_make(0);
	peer_write(bytes, n);
	net_turn();
	ck_assert_uint_eq(device.frames, 1);
	frame_check(20, 5);
	ck_assert(net_link(device.net));
}
END_TEST

START_TEST(impossible_length_ends_the_link)
{
	uint8_t bytes[64] = { 0x00, 0x01, 0x00, 0x11 };	/* 65553: largest is 65553 */
	struct iovec iov = { bytes, 32 };
	size_t n = frame_make(bytes + 4, 20, 5);

	ck_assert_uint_eq(NET_FRAME_MAX, 0x10011);
	bytes[3] = 0x12;
	link_make(0);
	peer_write(bytes, 4 + n);
	net_turn();
	ck_assert_uint_eq(device.frames, 0);
	ck_assert(!net_link(device.net));
	ck_assert_uint_eq(device.links, 1);
	net_turn();
	/* The machine lives: what it sends vanishes. */
	ck_assert(net_send(device.net, &iov, 1, 32));
	net_flush(device.net);
	net_room(device.net);
	ck_assert_uint_eq(device.links, 1);
}
END_TEST

START_TEST(peer_gone)
{
	uint8_t bytes[64];
	struct iovec iov = { bytes, 40 };
	size_t n = frame_make(bytes, 20, 5);

	link_make(0);
	peer_write(bytes, n);
	close(pair[1]);
	net_turn();
	ck_assert_uint_eq(device.frames, 1);	/* what it sent before still comes */
	ck_assert(!net_link(device.net));
	link_make(0);
	close(pair[1]);
	memset(bytes, 0, sizeof(bytes));
	ck_assert(net_send(device.net, &iov, 1, 40));
	net_flush(device.net);			/* EPIPE, not SIGPIPE */
	ck_assert(!net_link(device.net));
}
END_TEST

START_TEST(waits_for_room)
{
	uint8_t bytes[512];
	size_t n = 0;

	for (unsigned i = 0; i < 10; i++)
		n += frame_make(bytes + n, 20 + i, i);
	link_make(0);
	device.room = 3;
	peer_write(bytes, n);
	net_turn();
	ck_assert_uint_eq(device.frames, 3);
	frame_check(22, 2);
	net_turn();
	ck_assert_uint_eq(device.frames, 3);
	device.room = 1;
	net_room(device.net);
	ck_assert_uint_eq(device.frames, 4);
	device.room = 100;
	net_room(device.net);
	ck_assert_uint_eq(device.frames, 10);
	frame_check(29, 9);
	ck_assert_uint_eq(device.batches, 3);
}
END_TEST

START_TEST(stopped_cards_lose_frames)
{
	uint8_t bytes[64];
	size_t n = frame_make(bytes, 20, 5);

	link_make(0);
	net_stop(device.net);
	peer_write(bytes, n);
	net_turn();
	net_room(device.net);
	ck_assert_uint_eq(device.frames, 0);
	peer_write(bytes, n);
	net_turn();
	ck_assert_uint_eq(device.frames, 1);
}
END_TEST

START_TEST(checksums_of_trusted_helpers)
{
	uint8_t bytes[64];
	size_t n = frame_make(bytes, 20, 5);

	link_make(NET_PEER_TRUSTED);
	peer_write(bytes, n);
	net_turn();
	ck_assert_uint_eq(device.last[0], VIRTIO_NET_HDR_F_DATA_VALID);
	net_set_rx(device.net, 0);
	peer_write(bytes, n);
	net_turn();
	ck_assert_uint_eq(device.last[0], 0);
}
END_TEST

/* A peer that does not read: frames pile up until there is no room, none is torn or lost. */
START_TEST(full_socket)
{
	static uint8_t frame[NET_HEADER + 1514], got[8 << 20];
	struct iovec iov[3] = { { frame, 20 }, { frame + 20, 0 }, { frame + 20, sizeof(frame) - 20 } };
	unsigned sent = 0, again;
	size_t used = 0, at = 0;
	ssize_t r;

	link_make(0);
	for (;;) {
		memset(frame + NET_HEADER, (int)sent, 1514);
		if (!net_send(device.net, iov, 3, sizeof(frame)))
			break;
		sent++;
		if (sent % 4 == 0)
			net_flush(device.net);
		ck_assert_uint_lt(sent, 5000);
	}
	net_wait(device.net, device_again);
	net_turn();
	ck_assert_uint_eq(device.again, 0);
	again = 0;
	while ((r = recv(pair[1], got + used, 30000, MSG_DONTWAIT)) > 0) {
		used += (size_t)r;
		net_turn();
		if (device.again && !again) {
			memset(frame + NET_HEADER, (int)sent, 1514);
			ck_assert(net_send(device.net, iov, 3, sizeof(frame)));
			net_flush(device.net);
			sent++;
			again = 1;
		}
	}
	ck_assert_uint_eq(device.again, 1);
	ck_assert_uint_eq(used, sent * 1518);
	for (unsigned i = 0; i < sent; i++, at += 1518) {
		ck_assert_int_eq(memcmp(got + at, "\0\0\x05\xea", 4), 0);
		for (unsigned j = 0; j < 1514; j++)
			ck_assert_uint_eq(got[at + 4 + j], (uint8_t)i);
	}
}
END_TEST

START_TEST(partial_checksum_is_completed)
{
	uint8_t bytes[NET_HEADER + 64] = { VIRTIO_NET_HDR_F_NEEDS_CSUM }, got[128];
	struct iovec iov = { bytes, sizeof(bytes) };

	link_make(0);
	bytes[6] = 34;	/* csum_start */
	bytes[8] = 6;	/* csum_offset */
	bytes[NET_HEADER + 34] = 0x12;
	bytes[NET_HEADER + 35] = 0x34;
	ck_assert(net_send(device.net, &iov, 1, sizeof(bytes)));
	net_flush(device.net);
	ck_assert_int_eq(recv(pair[1], got, sizeof(got), MSG_DONTWAIT), 68);
	ck_assert_uint_eq(got[4 + 40], 0xed);
	ck_assert_uint_eq(got[4 + 41], 0xcb);
	/* Outside the frame: it vanishes. */
	bytes[6] = 63;
	ck_assert(net_send(device.net, &iov, 1, sizeof(bytes)));
	net_flush(device.net);
	ck_assert_int_eq(recv(pair[1], got, sizeof(got), MSG_DONTWAIT), -1);
}
END_TEST

/* One frame of the largest size in segments of a byte: taken whole, sent as room permits. */
START_TEST(segments_wait_for_room)
{
	static uint8_t frame[NET_HEADER + 14 + 40 + 60000], got[16 << 20];
	struct virtio_net_hdr_v1 *h = (struct virtio_net_hdr_v1 *)frame;
	uint8_t *ip = frame + NET_HEADER + 14;
	struct iovec iov = { frame, sizeof(frame) };
	size_t used = 0;
	ssize_t r;

	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	h->gso_size = 1;
	frame[NET_HEADER + 12] = 8;
	ip[0] = 0x45;
	ip[9] = 6;
	ip[20 + 12] = 0x50;
	for (unsigned i = 0; i < 60000; i++)
		ip[40 + i] = (uint8_t)(i * 13);
	link_make(0);
	ck_assert(net_send(device.net, &iov, 1, sizeof(frame)));
	ck_assert(!net_send(device.net, &iov, 1, sizeof(frame)));
	net_flush(device.net);
	while ((r = recv(pair[1], got + used, 65536, MSG_DONTWAIT)) > 0) {
		used += (size_t)r;
		net_turn();
	}
	ck_assert_uint_eq(used, 60000 * 59);
	for (unsigned i = 0; i < 60000; i++) {
		ck_assert_uint_eq(got[i * 59 + 3], 55);
		ck_assert_uint_eq(got[i * 59 + 58], (uint8_t)(i * 13));
	}
	ck_assert(net_send(device.net, &iov, 1, sizeof(frame)));
}
END_TEST

START_TEST(long_frames_for_who_takes_them)
{
	static uint8_t frame[NET_HEADER + 14 + 40 + 60000], got[65536];
	struct virtio_net_hdr_v1 *h = (struct virtio_net_hdr_v1 *)frame;
	struct iovec iov = { frame, sizeof(frame) };

	h->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	h->gso_size = 1448;
	frame[NET_HEADER + 12] = 8;
	frame[NET_HEADER + 14] = 0x45;
	frame[NET_HEADER + 23] = 6;
	frame[NET_HEADER + 46] = 0x50;
	link_make(NET_PEER_LONG);
	ck_assert(net_send(device.net, &iov, 1, sizeof(frame)));
	net_flush(device.net);
	ck_assert_int_eq(recv(pair[1], got, sizeof(got), MSG_DONTWAIT), 4 + 54 + 60000);
	ck_assert_uint_eq(got[4 + 16] * 256 + got[4 + 17], 60040);
}
END_TEST

START_TEST(padding_is_cut_for_who_takes_it_for_data)
{
	static const struct { uint8_t type[2], at, value; unsigned length, want; } cases[] = {
		{ { 8, 0 }, 17, 40, 60, 54 },		/* an IPv4 ACK, padded */
		{ { 8, 0 }, 17, 46, 60, 60 },
		{ { 8, 0 }, 17, 200, 60, 60 },		/* IP claims more than there is */
		{ { 8, 0 }, 17, 0, 60, 14 },
		{ { 8, 0 }, 17, 40, 61, 61 },		/* not for padding's sake */
		{ { 0x86, 0xdd }, 19, 0, 60, 54 },
		{ { 0x86, 0xdd }, 19, 7, 60, 60 },
		{ { 8, 6 }, 17, 1, 60, 60 },		/* ARP */
	};
	uint8_t bytes[NET_HEADER + 64], got[128];
	struct iovec iov = { bytes, 0 };

	link_make(NET_PEER_EXACT);
	for (unsigned i = 0; i < array_size(cases); i++) {
		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes + NET_HEADER + 12, cases[i].type, 2);
		bytes[NET_HEADER + cases[i].at] = cases[i].value;
		iov.iov_len = NET_HEADER + cases[i].length;
		ck_assert(net_send(device.net, &iov, 1, iov.iov_len));
		net_flush(device.net);
		ck_assert_int_eq(recv(pair[1], got, sizeof(got), MSG_DONTWAIT), 4 + cases[i].want);
		ck_assert_uint_eq(got[3], cases[i].want);
	}
}
END_TEST

START_TEST(null_swallows)
{
	struct net_config config = { .kind = NET_NULL };
	uint8_t bytes[100] = { 0 };
	struct iovec iov = { bytes, sizeof(bytes) };
	struct net *n;

	ck_assert_int_eq(arena_init(), 0);
	n = net_open(&config);
	ck_assert_ptr_nonnull(n);
	net_attach(n, &client, &device);
	net_room(n);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert(net_send(n, &iov, 1, sizeof(bytes)));
	net_flush(n);
	net_stop(n);
}
END_TEST

START_TEST(refusals)
{
	const struct net_config configs[] = {
		{ .kind = NET_SOCKET, .where = "/nonexistent/socket" },
		{ .kind = NET_SOCKET, .where = NULL },
		{ .kind = NET_SOCKET, .where = "tcp:127.0.0.1" },
		{ .kind = NET_SOCKET, .where = "tcp:127.0.0.1:0" },
		{ .kind = NET_SOCKET, .where = "tcp:127.0.0.1:12x" },
		{ .kind = NET_SOCKET, .where = "tcp:localhost:80" },
		{ .kind = NET_SOCKET, .where = "tcp:127.0.0.1:65536" },
		{ .kind = NET_TAP, .where = "a/b" },
		{ .kind = NET_TAP, .where = "a-name-that-is-too-long" },
		{ .kind = NET_TAP, .where = "" },
		{ .kind = NET_SWITCH, .where = "../x" },
		{ .kind = NET_SWITCH, .where = "" },
		{ .kind = NET_USER, .hostfwd = (const char *[]){ "tcp::80", NULL } },
		{ .kind = NET_USER, .hostfwd = (const char *[]){ "icmp::80-:80", NULL } },
		{ .kind = NET_USER, .hostfwd = (const char *[]){ "tcp:1.2.3:80-:80", NULL } },
		{ .kind = NET_USER, .hostfwd = (const char *[]){ "tcp::0-:80", NULL } },
		{ .kind = NET_USER, .hostfwd = (const char *[]){ "tcp::80-:80x", NULL } },
		{ .kind = NET_USER, .hostfwd = (const char *[]){ "tcp::-:80", NULL } },
	};

	ck_assert_int_eq(arena_init(), 0);
	for (unsigned i = 0; i < array_size(configs); i++)
		ck_assert_ptr_null(net_open(&configs[i]));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_stream");
	TCase *tests = tcase_create("net_stream");

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, torn_at_every_byte);
	tcase_add_test(tests, all_sizes);
	tcase_add_test(tests, runts_and_empty_frames_vanish);
	tcase_add_test(tests, impossible_length_ends_the_link);
	tcase_add_test(tests, peer_gone);
	tcase_add_test(tests, waits_for_room);
	tcase_add_test(tests, stopped_cards_lose_frames);
	tcase_add_test(tests, checksums_of_trusted_helpers);
	tcase_add_test(tests, full_socket);
	tcase_add_test(tests, partial_checksum_is_completed);
	tcase_add_test(tests, segments_wait_for_room);
	tcase_add_test(tests, long_frames_for_who_takes_them);
	tcase_add_test(tests, padding_is_cut_for_who_takes_it_for_data);
	tcase_add_test(tests, null_swallows);
	tcase_add_test(tests, refusals);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
