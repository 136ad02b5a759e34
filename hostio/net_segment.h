/* SPDX-License-Identifier: MIT */
/*
 * In software what network cards do for their drivers: completing a partial checksum
 * and cutting one long TCP frame into many (TSO), as a virtio_net_hdr asks for it
 * (virtio 1.2, 5.1.6.2).  For back-ends whose other side cannot.
 *
 * Headers and frames are hostile: anything that is not sound is refused.  Both must be
 * copies that the guest cannot change meanwhile.
 */
#ifndef RING3_HOSTIO_NET_SEGMENT_H
#define RING3_HOSTIO_NET_SEGMENT_H

#include <linux/virtio_net.h>

#include "base/types.h"

#define NET_SEGMENT_HEADERS	512u	/* longest Ethernet .. TCP headers of a frame that is cut */

struct net_segment {
	const uint8_t *frame;
	size_t length, next;	/* of the frame; first byte of payload not yet handed out */
	unsigned l3, l4;	/* offsets of the IP and TCP headers */
	unsigned headers;	/* bytes before the payload */
	unsigned size;		/* payload of each segment, at most */
	unsigned index;
	bool ipv6, done;
	uint64_t pseudo;	/* sum of the pseudo header without the length */
};

/* Does the header ask for cutting? */
static inline bool net_segment_wanted(const struct virtio_net_hdr_v1 *h)
{
	return h->gso_type != VIRTIO_NET_HDR_GSO_NONE;
}

/*
 * Begin to cut; the frame stays as it is until the end.  false: refused (only TCP over IPv4 and
 * IPv6, not fragmented, with VLAN tags, options and extension headers).  The checksum in the
 * frame is not looked at, nor are hdr_len and csum_*: each segment's is made anew.
 */
bool net_segment_begin(struct net_segment *s, const struct virtio_net_hdr_v1 *h,
		       const uint8_t *frame, size_t length);
/* After begin: the other side takes frames of up to frame_max bytes, whatever the link's MTU; cut as
 * little as that permits. */
void net_segment_widen(struct net_segment *s, size_t frame_max);
/* Bytes of the next segment; 0: there is none. */
size_t net_segment_size(const struct net_segment *s);
/* Write it, with net_segment_size() bytes. */
void net_segment_next(struct net_segment *s, uint8_t *to);

/* Complete the checksum that the header asks for, if it does; false: it lies outside the frame. */
bool net_checksum_complete(const struct virtio_net_hdr_v1 *h, uint8_t *frame, size_t length);

/* One's complement sum, in the host's byte order, not folded; the sum of pieces is the sum of
 * the whole when each but the last is even. */
uint64_t net_checksum_add(uint64_t sum, const void *bytes, size_t n);
uint16_t net_checksum_fold(uint64_t sum);	/* complemented: what stands in the frame */

#endif
