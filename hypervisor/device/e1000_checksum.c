// SPDX-License-Identifier: MIT
/*
 * Sums over frames that lie in pieces: the internet checksum (RFC 1071) for sending
 * and for the verdict on received frames (SDM 3.2.9), the Ethernet FCS.
 *
 * Sums are of 16-bit words as they lie in memory, so no byte order matters.  The
 * memory may be the guest's: lengths are read once.
 */
#include "device/e1000_device.h"

#include <string.h>

#define ETHERTYPE_IP4	0x0800
#define ETHERTYPE_IP6	0x86dd
#define PROTOCOL_TCP	6
#define PROTOCOL_UDP	17

/* Both loads are of whatever alignment. */
struct any64 { uint64_t v; } __attribute__((packed));

static uint64_t sum_carry(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

static uint64_t sum_bytes(const uint8_t *p, size_t bytes)
{
	uint64_t sum = 0, last = 0;

	for (; bytes >= 32; p += 32, bytes -= 32) {
		const struct any64 *w = (const struct any64 *)p;

		sum = sum_carry(sum, w[0].v);
		sum = sum_carry(sum, w[1].v);
		sum = sum_carry(sum, w[2].v);
		sum = sum_carry(sum, w[3].v);
	}
	for (; bytes >= 8; p += 8, bytes -= 8)
		sum = sum_carry(sum, ((const struct any64 *)p)->v);
	memcpy(&last, p, bytes);
	return sum_carry(sum, last);
}

uint16_t e1000_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint64_t e1000_sum(const struct iovec *piece, unsigned pieces, size_t from, size_t bytes)
{
	uint64_t sum = 0;
	bool odd = false;

	for (; pieces && bytes; piece++, pieces--) {
		size_t n;
		uint64_t part;

		if (from >= piece->iov_len) {
			from -= piece->iov_len;
			continue;
		}
		n = min_u64(piece->iov_len - from, bytes);
		part = e1000_fold(sum_bytes((const uint8_t *)piece->iov_base + from, n));
		/* A piece that begins in the middle of a word counts with its bytes swapped. */
		sum += odd ? (part >> 8 | part << 8) & 0xffff : part;
		odd ^= n & 1;
		bytes -= n;
		from = 0;
	}
	return sum;
}

void e1000_gather(void *to, const struct iovec *piece, unsigned pieces, size_t from, size_t bytes)
{
	uint8_t *p = to;

	for (; pieces && bytes; piece++, pieces--) {
		size_t n;

		if (from >= piece->iov_len) {
			from -= piece->iov_len;
			continue;
		}
		n = min_u64(piece->iov_len - from, bytes);
		memcpy(p, (const uint8_t *)piece->iov_base + from, n);
		p += n;
		bytes -= n;
		from = 0;
	}
	memset(p, 0, bytes);
}

unsigned e1000_slice(struct iovec *to, const struct iovec *piece, unsigned pieces, size_t from,
		     size_t bytes)
{
	unsigned count = 0;

	for (; pieces && bytes; piece++, pieces--) {
		if (from >= piece->iov_len) {
			from -= piece->iov_len;
			continue;
		}
		to[count].iov_base = (uint8_t *)piece->iov_base + from;
		to[count].iov_len = min_u64(piece->iov_len - from, bytes);
		bytes -= to[count++].iov_len;
		from = 0;
	}
	return count;
}

uint32_t e1000_crc(const struct iovec *piece, unsigned pieces, size_t bytes)
{
	uint32_t crc = ~0u;

	for (; pieces && bytes; piece++, pieces--) {
		size_t n = min_u64(piece->iov_len, bytes);

		bytes -= n;
		for (const uint8_t *p = piece->iov_base; n; n--) {
			crc ^= *p++;
			for (unsigned bit = 0; bit < 8; bit++)
				crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
		}
	}
	return ~crc;
}

/* ---- received frames ---- */

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* As a 16-bit word of the sum. */
static uint16_t word_of(unsigned value)
{
	return (uint16_t)(value << 8 | (value >> 8 & 0xff));
}

/* Where the parts of the frame lie; protocol 0: nothing that has a checksum for us. */
struct layout {
	size_t ip, payload, end;
	uint8_t protocol;
	bool ip4;
	uint64_t pseudo;		/* addresses */
};

static bool layout_ip4(struct layout *l, const uint8_t *ip, size_t room)
{
	size_t header = (ip[0] & 15) * 4u, total = be16(ip + 2);

	if (room < 20 || ip[0] >> 4 != 4 || header < 20 || total < header)
		return false;
	l->ip4 = true;
	l->payload = l->ip + header;
	l->end = l->ip + total;
	/* Fragments carry no checksum of their own. */
	l->protocol = be16(ip + 6) & 0x3fff ? 0 : ip[9];
	l->pseudo = e1000_fold(sum_bytes(ip + 12, 8));
	return true;
}

static bool layout_ip6(struct layout *l, const uint8_t *ip, size_t room)
{
	if (room < 40 || ip[0] >> 4 != 6)
		return false;
	l->payload = l->ip + 40;
	l->end = l->payload + be16(ip + 4);
	l->protocol = ip[6];
	l->pseudo = e1000_fold(sum_bytes(ip + 8, 32));
	return true;
}

/* One pass over the frame serves the packet checksum and TCP's or UDP's. */
uint32_t e1000_verify(const struct iovec *piece, unsigned pieces, size_t bytes, uint32_t rxcsum)
{
	uint8_t head[14 + E1000_VLAN + 60] = { 0 };
	size_t known = min_u64(bytes, sizeof(head)), start = min_u64(rxcsum & RXCSUM_PCSS, bytes);
	struct layout l = { .ip = 14 };
	uint16_t type, checksum = 0;
	uint64_t sum, all;
	uint32_t status = 0, errors = 0;
	bool ok;

	e1000_gather(head, piece, pieces, 0, known);
	all = e1000_sum(piece, pieces, start, bytes - start);
	type = be16(head + 12);
	if (type == 0x8100) {
		l.ip += E1000_VLAN;
		type = be16(head + 16);
	}
	sum = (uint64_t)(uint16_t)~e1000_fold(all) << 16;
	ok = known > l.ip && (type == ETHERTYPE_IP4 ? layout_ip4(&l, head + l.ip, known - l.ip) :
			      type == ETHERTYPE_IP6 && rxcsum & RXCSUM_IPV6OFL &&
			      layout_ip6(&l, head + l.ip, known - l.ip));
	if (!(rxcsum & (RXCSUM_IPOFLD | RXCSUM_TUOFLD)) || !ok || l.end > bytes)
		return (uint32_t)sum | RXD_IXSM;
	if (l.ip4 && rxcsum & RXCSUM_IPOFLD && l.payload <= known) {
		status |= RXD_IPCS;
		if (e1000_fold(sum_bytes(head + l.ip, l.payload - l.ip)) != 0xffff)
			errors |= RXD_IPE;
	}
	if (!(rxcsum & RXCSUM_TUOFLD) || l.payload > l.end)
		return (uint32_t)sum | status | errors << 8;
	if (l.protocol == PROTOCOL_UDP && l.end - l.payload >= 8)
		e1000_gather(&checksum, piece, pieces, l.payload + 6, 2);
	if (checksum || (l.protocol == PROTOCOL_TCP && l.end - l.payload >= 20)) {
		uint64_t part;

		/* Ethernet's padding and the headers before are taken out of the sum again. */
		if (start <= l.payload && !(start & 1) && l.end == bytes)
			part = all + (uint16_t)~e1000_fold(e1000_sum(piece, pieces, start,
								     l.payload - start));
		else
			part = e1000_sum(piece, pieces, l.payload, l.end - l.payload);
		part += l.pseudo + word_of(l.protocol) + word_of((unsigned)(l.end - l.payload));
		status |= RXD_TCPCS;
		if (e1000_fold(part) != 0xffff)
			errors |= RXD_TCPE;
	}
	return (uint32_t)sum | status | errors << 8;
}
