// SPDX-License-Identifier: MIT
/*
 * Checksums and TCP segmentation in software.
 *
 * Segments carry the frame's headers with lengths, IPv4 identification, sequence
 * number and flags adapted: CWR only in the first, FIN and PSH only in the last,
 * as RFC 3168 and the stacks' own software segmentation have it.
 */
#include "hostio/net_segment.h"

#include <string.h>

#define ETHERTYPE_IPV4	0x0800
#define ETHERTYPE_IPV6	0x86dd
#define ETHERTYPE_VLAN	0x8100
#define ETHERTYPE_QINQ	0x88a8
#define VLAN_TAGS_MAX	2

#define PROTOCOL_TCP	6
#define IPV6_HOP	0
#define IPV6_ROUTING	43
#define IPV6_OPTIONS	60
#define IPV6_HEADERS_MAX 8

#define TCP_FIN		0x01
#define TCP_PSH		0x08
#define TCP_CWR		0x80

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint64_t add64(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);	/* the carry comes back in at the bottom */
}

uint64_t net_checksum_add(uint64_t sum, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t a = sum, b = 0, word[4] = { 0 };

	for (; n >= 32; n -= 32, p += 32) {
		memcpy(word, p, 32);
		a = add64(a, word[0]);
		b = add64(b, word[1]);
		a = add64(a, word[2]);
		b = add64(b, word[3]);
	}
	memset(word, 0, sizeof(word));
	memcpy(word, p, n);
	for (unsigned i = 0; i < 4; i++)
		a = add64(a, word[i]);
	return add64(a, b);
}

uint16_t net_checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

bool net_checksum_complete(const struct virtio_net_hdr_v1 *h, uint8_t *frame, size_t length)
{
	size_t start = h->csum_start, at = start + h->csum_offset;
	uint16_t check;

	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return true;
	if (at + 2 > length)
		return false;
	check = net_checksum_fold(net_checksum_add(0, frame + start, length - start));
	if (!check)
		check = 0xffff;		/* the same number; 0 means none to UDP */
	memcpy(frame + at, &check, 2);
	return true;
}

/* ---- headers ---- */

/* A sum of network-order values that are known as numbers. */
static uint64_t pseudo_value(uint32_t v)
{
	return __builtin_bswap32(v);
}

static bool parse_ipv4(struct net_segment *s)
{
	const uint8_t *ip = s->frame + s->l3;
	unsigned bytes;

	if (s->length < s->l3 + 20u || ip[0] >> 4 != 4)
		return false;
	bytes = (ip[0] & 15u) * 4;
	if (bytes < 20 || ip[9] != PROTOCOL_TCP || get16(ip + 6) & 0x3fff)
		return false;
	s->l4 = s->l3 + bytes;
	s->pseudo = net_checksum_add(pseudo_value(PROTOCOL_TCP), ip + 12, 8);
	return true;
}

/* The destination of the pseudo header: the last one of a routing header (RFC 8200, 8.1). */
static const uint8_t *ipv6_final(const uint8_t *routing, unsigned bytes)
{
	unsigned addresses = (bytes - 8) / 16;

	if (!addresses)
		return NULL;
	switch (routing[2]) {
	case 0:
		return routing + 8 + 16 * (addresses - 1);
	case 2: case 4:			/* mobility; segment routing keeps them in reverse */
		return routing + 8;
	default:
		return NULL;
	}
}

static bool parse_ipv6(struct net_segment *s)
{
	const uint8_t *ip = s->frame + s->l3, *to = ip + 24, *header;
	unsigned at = s->l3 + 40, next, bytes;

	if (s->length < at || ip[0] >> 4 != 6)
		return false;
	next = ip[6];
	for (unsigned i = 0; next != PROTOCOL_TCP; i++) {
		if (next != IPV6_HOP && next != IPV6_ROUTING && next != IPV6_OPTIONS)
			return false;
		if (i == IPV6_HEADERS_MAX || s->length < at + 8)
			return false;
		header = s->frame + at;
		bytes = (header[1] + 1u) * 8;
		if (s->length < at + bytes)
			return false;
		if (next == IPV6_ROUTING && header[3])
			to = ipv6_final(header, bytes);
		if (!to)
			return false;
		next = header[0];
		at += bytes;
	}
	s->l4 = at;
	s->pseudo = net_checksum_add(pseudo_value(PROTOCOL_TCP), ip + 8, 16);
	s->pseudo = net_checksum_add(s->pseudo, to, 16);
	return true;
}

bool net_segment_begin(struct net_segment *s, const struct virtio_net_hdr_v1 *h,
		       const uint8_t *frame, size_t length)
{
	unsigned at = 12, type, tcp_bytes;
	bool ok;

	*s = (struct net_segment){ .frame = frame, .length = length, .size = h->gso_size };
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:	break;
	case VIRTIO_NET_HDR_GSO_TCPV6:	s->ipv6 = true; break;
	default:			return false;
	}
	if (!s->size || length < 14)
		return false;
	type = get16(frame + at);
	for (unsigned i = 0; type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ; i++) {
		at += 4;
		if (i == VLAN_TAGS_MAX || length < at + 2)
			return false;
		type = get16(frame + at);
	}
	s->l3 = at + 2;
	if (type != (s->ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4))
		return false;
	ok = s->ipv6 ? parse_ipv6(s) : parse_ipv4(s);
	if (!ok || length < s->l4 + 20u)
		return false;
	tcp_bytes = (frame[s->l4 + 12] >> 4) * 4u;
	s->headers = s->l4 + tcp_bytes;
	if (tcp_bytes < 20 || length < s->headers || s->headers > NET_SEGMENT_HEADERS)
		return false;
	/* What a segment's IP header cannot count. */
	if (s->headers - s->l3 + min_u64(s->size, length - s->headers) > 0xffff)
		return false;
	s->next = s->headers;
	return true;
}

/* ---- cutting ---- */

void net_segment_widen(struct net_segment *s, size_t frame_max)
{
	/* Whole segments of the guest's, and an IP length that 16 bits can tell. */
	size_t payload = min_u64(frame_max - s->headers, 0xffff - (s->headers - s->l3));

	if (payload > s->size)
		s->size = (unsigned)(payload - payload % s->size);
}

static size_t segment_payload(const struct net_segment *s)
{
	return min_u64(s->size, s->length - s->next);
}

size_t net_segment_size(const struct net_segment *s)
{
	return s->done ? 0 : s->headers + segment_payload(s);
}

void net_segment_next(struct net_segment *s, uint8_t *to)
{
	size_t payload = segment_payload(s), l4_bytes = s->headers - s->l4 + payload;
	uint8_t *ip = to + s->l3, *tcp = to + s->l4;
	uint16_t check;

	memcpy(to, s->frame, s->headers);
	memcpy(to + s->headers, s->frame + s->next, payload);
	if (s->ipv6) {
		put16(ip + 4, (unsigned)(s->headers - s->l3 - 40 + payload));
	} else {
		put16(ip + 2, (unsigned)(s->headers - s->l3 + payload));
		put16(ip + 4, (get16(ip + 4) + s->index) & 0xffff);
		put16(ip + 10, 0);
		check = net_checksum_fold(net_checksum_add(0, ip, s->l4 - s->l3));
		memcpy(ip + 10, &check, 2);
	}
	put32(tcp + 4, get32(tcp + 4) + (uint32_t)(s->next - s->headers));
	if (s->index)
		tcp[13] &= (uint8_t)~TCP_CWR;
	s->index++;
	s->next += payload;
	s->done = s->next == s->length;
	if (!s->done)
		tcp[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	put16(tcp + 16, 0);
	check = net_checksum_fold(net_checksum_add(add64(s->pseudo, pseudo_value((uint32_t)l4_bytes)),
						   tcp, l4_bytes));
	memcpy(tcp + 16, &check, 2);
}
