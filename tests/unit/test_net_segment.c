// SPDX-License-Identifier: MIT
/*
 * Checksums and TCP segmentation in software, judged by a second implementation that
 * adds 16-bit words one at a time and reads every segment as its receiver would:
 * all header shapes, all that must be refused.
 */
#include "suite.h"

#include <string.h>

#include "hostio/net_segment.h"

#define FRAME_MAX	66000u

/* What a frame is made of. */
struct shape {
	unsigned vlans, ip_options, tcp_options;	/* options in bytes */
	bool ipv6;
	uint8_t extensions[4];				/* next-header values, 0 ends ("hop" is 255) */
};

static uint8_t frame[FRAME_MAX], out[FRAME_MAX];
static unsigned l3, l4, headers;
static size_t length;

static unsigned get16(const uint8_t *p) { return p[0] * 256u + p[1]; }
static uint32_t get32(const uint8_t *p) { return get16(p) * 65536u + get16(p + 2); }
static void put16(uint8_t *p, unsigned v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }

/* RFC 1071, to the letter. */
static unsigned sum16(unsigned long sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : p[i] * 256ul;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)sum;
}

static unsigned extension_put(unsigned at, uint8_t kind, uint8_t next)
{
	uint8_t *p = frame + at;

	p[0] = next;
	if (kind == 43) {		/* routing, type 0, two addresses, one to go */
		p[1] = 4;
		p[2] = 0;
		p[3] = 1;
		for (unsigned i = 0; i < 32; i++)
			p[8 + i] = (uint8_t)(0x30 + i);
		return at + 40;
	}
	p[1] = 1;			/* options: PadN */
	p[2] = 1;
	p[3] = 12;
	return at + 16;
}

static uint8_t extension_number(uint8_t kind) { return kind == 255 ? 0 : kind; }

static void frame_make(const struct shape *s, size_t payload)
{
	unsigned at = 12, n = 0;

	memset(frame, 0x5a, sizeof(frame));
	for (unsigned i = 0; i < s->vlans; i++, at += 4) {
		put16(frame + at, i + 1 < s->vlans ? 0x88a8 : 0x8100);
		put16(frame + at + 2, 7 + i);
	}
	put16(frame + at, s->ipv6 ? 0x86dd : 0x0800);
	l3 = at + 2;
	memset(frame + l3, 0, 40);
	if (s->ipv6) {
		at = l3 + 40;
		while (n < 4 && s->extensions[n])
			n++;
		for (unsigned i = 0; i < n; i++)
			at = extension_put(at, s->extensions[i],
					   i + 1 < n ? extension_number(s->extensions[i + 1]) : 6);
		frame[l3] = 0x60;
		frame[l3 + 6] = n ? extension_number(s->extensions[0]) : 6;
		frame[l3 + 7] = 64;
		for (unsigned i = 0; i < 32; i++)
			frame[l3 + 8 + i] = (uint8_t)(0xa0 + i * 3);
		l4 = at;
	} else {
		frame[l3] = (uint8_t)(0x45 + s->ip_options / 4);
		put16(frame + l3 + 4, 0xfffe);		/* identification: wraps */
		frame[l3 + 6] = 0x40;			/* do not fragment */
		frame[l3 + 8] = 64;
		frame[l3 + 9] = 6;
		for (unsigned i = 0; i < 8; i++)
			frame[l3 + 12 + i] = (uint8_t)(0xc0 + i * 5);
		memset(frame + l3 + 20, 1, s->ip_options);
		l4 = l3 + 20 + s->ip_options;
	}
	put16(frame + l4, 1234);
	put16(frame + l4 + 2, 80);
	memset(frame + l4 + 4, 0xff, 4);		/* sequence number: wraps */
	frame[l4 + 12] = (uint8_t)((5 + s->tcp_options / 4) << 4);
	frame[l4 + 13] = 0x99;				/* CWR ACK PSH FIN */
	memset(frame + l4 + 20, 1, s->tcp_options);
	headers = l4 + 20 + s->tcp_options;
	for (size_t i = 0; i < payload; i++)
		frame[headers + i] = (uint8_t)(i * 31 + i / 256);
	length = headers + payload;
}

static struct virtio_net_hdr_v1 header_make(bool ipv6, unsigned size)
{
	return (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = (ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4) |
			    VIRTIO_NET_HDR_GSO_ECN,
		.gso_size = (uint16_t)size, .hdr_len = 1, .csum_start = 0xffff,
	};
}

/* The segment in out[0..n) as its receiver sees it. */
static void segment_check(const struct shape *s, size_t n, unsigned index, size_t at, size_t payload,
			  bool last)
{
	const uint8_t *ip = out + l3, *tcp = out + l4;
	unsigned long pseudo = 6 + (n - l4);

	ck_assert_uint_eq(n, headers + payload);
	ck_assert_int_eq(memcmp(out, frame, l3), 0);
	if (s->ipv6) {
		const uint8_t *to = ip + 24;

		ck_assert_uint_eq(get16(ip + 4), n - l3 - 40);
		for (unsigned i = 0, h = l3 + 40; i < 4 && s->extensions[i]; i++) {
			if (s->extensions[i] == 43)
				to = out + h + 24;
			h += s->extensions[i] == 43 ? 40 : 16;
		}
		pseudo += sum16(0, ip + 8, 16) + sum16(0, to, 16);
	} else {
		ck_assert_uint_eq(get16(ip + 2), n - l3);
		ck_assert_uint_eq(get16(ip + 4), (0xfffe + index) & 0xffff);
		ck_assert_uint_eq(sum16(0, ip, l4 - l3), 0xffff);
		pseudo += sum16(0, ip + 12, 8);
	}
	ck_assert_uint_eq(sum16(pseudo, tcp, n - l4), 0xffff);
	ck_assert_uint_eq(get32(tcp + 4), (uint32_t)(0xffffffff + at));
	ck_assert_uint_eq(tcp[13], 0x10u | (index ? 0 : 0x80) | (last ? 9 : 0));
	ck_assert_int_eq(memcmp(tcp + 20, frame + l4 + 20, headers - l4 - 20), 0);
	ck_assert_int_eq(memcmp(out + headers, frame + headers + at, payload), 0);
}

static void cut_and_check(const struct shape *s, size_t payload, unsigned size)
{
	struct virtio_net_hdr_v1 h = header_make(s->ipv6, size);
	struct net_segment cut;
	unsigned index = 0;
	size_t n, at = 0;

	frame_make(s, payload);
	ck_assert(net_segment_begin(&cut, &h, frame, length));
	while ((n = net_segment_size(&cut))) {
		size_t part = payload - at < size ? payload - at : size;

		memset(out, 0xee, sizeof(out));
		net_segment_next(&cut, out);
		segment_check(s, n, index, at, part, at + part == payload);
		ck_assert_uint_eq(out[n], 0xee);
		at += part;
		index++;
	}
	ck_assert_uint_eq(at, payload);
	ck_assert_uint_eq(index, payload ? (payload + size - 1) / size : 1);
}

START_TEST(shapes)
{
	static const struct shape shapes[] = {
		{ 0 },
		{ .vlans = 1 },
		{ .vlans = 2 },
		{ .ip_options = 4 },
		{ .ip_options = 40, .tcp_options = 40 },
		{ .tcp_options = 12 },
		{ .ipv6 = true },
		{ .ipv6 = true, .vlans = 1, .tcp_options = 20 },
		{ .ipv6 = true, .extensions = { 255 } },
		{ .ipv6 = true, .extensions = { 60, 43 } },
		{ .ipv6 = true, .extensions = { 255, 43, 60 }, .tcp_options = 12 },
	};
	static const unsigned payloads[] = { 0, 1, 2, 1447, 1448, 1449, 2896, 14481, 64000 };

	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		for (unsigned p = 0; p < sizeof(payloads) / sizeof(payloads[0]); p++) {
			cut_and_check(&shapes[i], payloads[p], 1448);
			cut_and_check(&shapes[i], payloads[p], 536);
			cut_and_check(&shapes[i], payloads[p], 60000);
		}
		cut_and_check(&shapes[i], 100, 1);
		cut_and_check(&shapes[i], 101, 7);
	}
}
END_TEST

static bool refused(unsigned gso_type, unsigned size, size_t n)
{
	struct virtio_net_hdr_v1 h = { .gso_type = (uint8_t)gso_type, .gso_size = (uint16_t)size };
	struct net_segment cut;

	return !net_segment_begin(&cut, &h, frame, n);
}

START_TEST(truncated)
{
	static const struct shape shapes[] = {
		{ 0 }, { .vlans = 2, .ip_options = 40, .tcp_options = 40 },
		{ .ipv6 = true, .extensions = { 255, 43, 60 }, .tcp_options = 40 },
	};

	for (unsigned i = 0; i < 3; i++) {
		unsigned type = shapes[i].ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;

		frame_make(&shapes[i], 3000);
		for (size_t n = 0; n < headers; n++)
			ck_assert(refused(type, 1448, n));
		ck_assert(!refused(type, 1448, headers));
	}
}
END_TEST

START_TEST(unsound)
{
	const struct shape plain = { 0 }, six = { .ipv6 = true, .extensions = { 60 } };

	frame_make(&plain, 3000);
	ck_assert(!refused(VIRTIO_NET_HDR_GSO_TCPV4, 1000, length));
	ck_assert(refused(VIRTIO_NET_HDR_GSO_TCPV4, 0, length));
	ck_assert(refused(VIRTIO_NET_HDR_GSO_TCPV6, 1000, length));
	ck_assert(refused(VIRTIO_NET_HDR_GSO_UDP, 1000, length));
	ck_assert(refused(VIRTIO_NET_HDR_GSO_ECN, 1000, length));
	ck_assert(refused(2, 1000, length));
	ck_assert(refused(0x41, 1000, length));
	frame[l3] = 0x44;			/* header shorter than a header */
	ck_assert(refused(VIRTIO_NET_HDR_GSO_TCPV4, 1000, length));
	frame[l3] = 0x65;
	ck_assert(refused(VIRTIO_NET_HDR_GSO_TCPV4, 1000, length));
	frame_make(&plain, 3000);
	frame[l3 + 9] = 17;
	ck_assert(refused(VIRTIO_NET_HDR_GSO_TCPV4, 1000, length));
	frame_make(&plain, 3000);
	frame[l3 + 6] = 0x20;			/* more fragments */
	ck_assert(refused(VIRTIO_NET_HDR_GSO_TCPV4, 1000, length));
	frame_make(&plain, 3000);
	frame[l3 + 7] = 1;			/* a later fragment */
	ck_assert(refused(VIRTIO_NET_HDR_GSO_TCPV4, 1000, length));
	frame_make(&plain, 3000);
	frame[l4 + 12] = 0x40;
	ck_assert(refused(VIRTIO_NET_HDR_GSO_TCPV4, 1000, length));
	frame_make(&plain, 65535);		/* one segment that no length field can tell */
	ck_assert(refused(VIRTIO_NET_HDR_GSO_TCPV4, 65535, length));
	ck_assert(!refused(VIRTIO_NET_HDR_GSO_TCPV4, 1448, length));

	frame_make(&six, 3000);
	ck_assert(!refused(VIRTIO_NET_HDR_GSO_TCPV6, 1000, length));
	frame[l3 + 40] = 44;			/* a fragment header */
	ck_assert(refused(VIRTIO_NET_HDR_GSO_TCPV6, 1000, length));
	frame[l3 + 40] = 60;			/* headers without end */
	memset(frame + l3 + 40, 60, 600);
	for (unsigned i = l3 + 40; i < l3 + 600; i += 8)
		frame[i + 1] = 0;
	ck_assert(refused(VIRTIO_NET_HDR_GSO_TCPV6, 1000, length));
	frame_make(&six, 3000);
	frame[l3 + 41] = 255;			/* 2 KiB of options: longer than we copy about */
	frame[l3 + 40 + 2048 + 12] = 0x50;
	ck_assert(refused(VIRTIO_NET_HDR_GSO_TCPV6, 1000, length));
}
END_TEST

START_TEST(partial_checksums)
{
	struct virtio_net_hdr_v1 h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };

	for (unsigned n = 16; n < 1600; n++) {
		for (unsigned i = 0; i < n; i++)
			frame[i] = (uint8_t)(i * 97 + n);
		h.csum_start = (uint16_t)(n % 13);
		h.csum_offset = (uint16_t)(n % 2 ? 0 : 2);
		ck_assert(net_checksum_complete(&h, frame, n));
		/* With what stood in the field as part of the sum, it holds the complement now. */
		unsigned at = h.csum_start + h.csum_offset;
		unsigned got = get16(frame + at);

		for (unsigned i = 0; i < n; i++)
			frame[i] = (uint8_t)(i * 97 + n);
		ck_assert_uint_eq(got, (~sum16(0, frame + h.csum_start, n - h.csum_start)) & 0xffff);
	}
}
END_TEST

START_TEST(partial_checksums_at_the_edges)
{
	struct virtio_net_hdr_v1 h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };

	memset(frame, 0xff, 100);
	h.csum_start = 90;
	h.csum_offset = 8;
	ck_assert(net_checksum_complete(&h, frame, 100));
	ck_assert_uint_eq(get16(frame + 98), 0xffff);	/* never 0, which means none */
	h.csum_offset = 9;
	ck_assert(!net_checksum_complete(&h, frame, 100));
	h.csum_start = 0xffff;
	h.csum_offset = 0xffff;
	ck_assert(!net_checksum_complete(&h, frame, 100));
	h.csum_offset = 0;
	ck_assert(!net_checksum_complete(&h, frame, 100));
	ck_assert(!net_checksum_complete(&h, frame, 0));
	h.flags = 0;
	ck_assert(net_checksum_complete(&h, frame, 100));	/* nothing was asked for */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_segment");
	TCase *tests = tcase_create("net_segment");

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, shapes);
	tcase_add_test(tests, truncated);
	tcase_add_test(tests, unsound);
	tcase_add_test(tests, partial_checksums);
	tcase_add_test(tests, partial_checksums_at_the_edges);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
