// SPDX-License-Identifier: MIT
/*
 * Fuzzes segmentation and checksums in software with hostile headers and frames.
 * Properties: nothing outside the frame and the announced size of a segment is read
 * or written (buffers end at a page that is not there); segments end; their payloads
 * together are the frame's; each one's TCP checksum is right; refused is refused
 * before anything is written.
 *
 * Input: the 12 bytes of a virtio_net_hdr_v1, then the frame.  With bit 7 of the flags
 * the frame is what differs (by exclusive or) from sound headers.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/types.h"
#include "hostio/net_segment.h"

#define FRAME_MAX	65553u
#define AREA		(20 * PAGE_SIZE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t ipv4[] = {
	[12] = 0x81, [15] = 1, [16] = 8, [18] = 0x45, [27] = 6, [50] = 0x50, [51] = 0x99,
}, ipv6[] = {
	[12] = 0x86, [13] = 0xdd, [14] = 0x60, [20] = 60, [54] = 43, [55] = 0, [62] = 6, [63] = 2,
	[64] = 4, [65] = 1, [98] = 0x50, [99] = 0x99,
};

/* AREA bytes with nothing behind. */
static uint8_t *area_make(void)
{
	uint8_t *p = mmap(NULL, AREA + PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + AREA, PAGE_SIZE, PROT_NONE))
		abort();
	return p;
}

static void check(bool good)
{
	if (!good)
		abort();
}

/* The sum of an IPv4 segment's TCP and pseudo header, 16 bits at a time. */
static unsigned tcp_sum(const struct net_segment *s, const uint8_t *p, size_t n)
{
	unsigned long sum = 6 + (n - s->l4);

	for (size_t i = s->l3 + 12; i < s->l3 + 20u; i += 2)
		sum += p[i] * 256ul + p[i + 1];
	for (size_t i = s->l4; i < n; i++)
		sum += (i - s->l4) % 2 ? p[i] : p[i] * 256ul;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *in, *out;
	struct virtio_net_hdr_v1 h;
	struct net_segment s;
	uint8_t *frame, *to;
	size_t n, at;

	if (!in) {
		in = area_make();
		out = area_make();
	}
	if (size < sizeof(h))
		return 0;
	memcpy(&h, data, sizeof(h));
	n = min_u64(size - sizeof(h), FRAME_MAX);
	frame = in + AREA - n;
	memcpy(frame, data + sizeof(h), n);
	if (h.flags & 0x80) {
		bool six = h.gso_type & VIRTIO_NET_HDR_GSO_TCPV6 & ~VIRTIO_NET_HDR_GSO_TCPV4;
		const uint8_t *sound = six ? ipv6 : ipv4;

		for (size_t i = 0; i < n && i < (six ? sizeof(ipv6) : sizeof(ipv4)); i++)
			frame[i] ^= sound[i];
	}
	if (net_segment_begin(&s, &h, frame, n)) {
		at = s.headers;
		check(s.headers <= NET_SEGMENT_HEADERS);
		while ((size = net_segment_size(&s))) {
			check(size <= s.headers + (size_t)h.gso_size && size <= n);
			to = out + AREA - size;
			net_segment_next(&s, to);
			check(!memcmp(to + s.headers, frame + at, size - s.headers));
			check(s.ipv6 || tcp_sum(&s, to, size) == 0xffff);
			at += size - s.headers;
		}
		check(at == n);
	}
	if (n)
		net_checksum_complete(&h, frame, n);
	return 0;
}
