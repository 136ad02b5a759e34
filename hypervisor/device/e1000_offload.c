// SPDX-License-Identifier: MIT
/*
 * One frame on its way out: what the card does with it (SDM 3.4, 3.5, 9.2): insert
 * checksums and VLAN tag, pad, cut into segments.
 *
 * The back-end takes whole super-frames and frames without checksum, described by a
 * virtio header (virtio 1.2, 5.1.6.2), so most of the work is translation:
 *
 *	e1000: context descriptor			virtio header
 *	TUCSS, TUCSO					csum_start, csum_offset
 *	HDRLEN, MSS, TUCMD.IP				hdr_len, gso_size, gso_type
 *	TCP checksum field: pseudo-header		the same with the TCP length
 *	  without length
 *	IP length and checksum 0			as if it were one large packet
 *
 * Headers that change are copied to tx->header and follow the offload header; the
 * rest is sent from where it lies.  What virtio cannot say (a checksum over part of a
 * frame, UDP segments, the card's loop) is done here.
 */
#include "device/e1000_device.h"

#include <string.h>

#define IP_PACKET_MAX	65535u
#define MSS_MIN		32u		/* a smaller one is a driver's mistake */
#define TCP_FIN_PSH	0x09u

static const uint8_t padding[E1000_FRAME_MIN];

/* One frame or super-frame under way: what follows tx->header. */
struct outgoing {
	unsigned header;		/* bytes of tx->header */
	size_t from, bytes;		/* of the frame's pieces, behind that */
	bool checksum, udp;
	unsigned start, field;		/* of the checksum, in the frame as sent */
};

static bool is_looped(struct e1000 *d)
{
	return e1000_phy_loopback(&d->phy) || *e1000_reg(d, E1000_RCTL) & RCTL_LBM;
}

static void put_be16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static unsigned get_be16(const uint8_t *p)
{
	return (unsigned)(p[0] << 8 | p[1]);
}

static void add_be32(uint8_t *p, uint32_t n)
{
	n += (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	put_be16(p, n >> 16);
	put_be16(p + 2, n & 0xffff);
}

/* The word as the sum takes it from memory. */
static uint64_t word_of(unsigned value)
{
	return (uint16_t)(value << 8 | (value >> 8 & 0xff));
}

static void insert_tag(struct e1000 *d, struct outgoing *o)
{
	struct e1000_tx *tx = &d->tx;

	memmove(tx->header + 12 + E1000_VLAN, tx->header + 12, o->header - 12);
	/* VET is on the wire as it stands, most significant byte first (13.4.12). */
	put_be16(tx->header + 12, *e1000_reg(d, E1000_VET));
	put_be16(tx->header + 14, tx->frame.tag);
	o->header += E1000_VLAN;
	o->start += E1000_VLAN;
	o->field += E1000_VLAN;
}

/* The sum over the frame as it is sent, checksum field included. */
static void complete_checksum(struct e1000 *d, const struct outgoing *o, unsigned out)
{
	struct e1000_tx *tx = &d->tx;
	size_t all = o->header + o->bytes;
	uint16_t sum = (uint16_t)~e1000_fold(e1000_sum(tx->out + 1, out - 1, o->start, all - o->start));

	if (!sum && o->udp)
		sum = 0xffff;
	memcpy(tx->header + o->field, &sum, 2);
}

/* Count what goes over the wire, in frames of `unit` payload bytes at most. */
static void count(struct e1000 *d, const uint8_t destination[6], const struct outgoing *o, size_t unit)
{
	uint32_t whole = unit ? (uint32_t)(o->bytes / unit) : 0;
	size_t rest = o->bytes - whole * unit;
	size_t least = *e1000_reg(d, E1000_TCTL) & TCTL_PSP ? E1000_FRAME_MIN : 0;

	if (whole)
		e1000_count_sent(d, destination,
				 (uint32_t)max_u64(o->header + unit, least) + E1000_FCS, whole);
	if (rest || !whole)
		e1000_count_sent(d, destination,
				 (uint32_t)max_u64(o->header + rest, least) + E1000_FCS, 1);
}

/* Assemble and hand over.  false: no room. */
static bool emit(struct e1000 *d, struct outgoing *o, size_t unit)
{
	struct e1000_tx *tx = &d->tx;
	struct e1000_tx_frame *f = &tx->frame;
	size_t bytes;
	unsigned n = 0;
	uint8_t destination[6];
	bool looped = is_looped(d);

	if (f->vlan)
		insert_tag(d, o);
	bytes = o->header + o->bytes;
	tx->out[n++] = (struct iovec){ &tx->offload, sizeof(tx->offload) };
	if (o->header)
		tx->out[n++] = (struct iovec){ tx->header, o->header };
	n += e1000_slice(tx->out + n, f->piece, f->pieces, o->from, o->bytes);
	if (o->checksum && looped) {
		complete_checksum(d, o, n);
	} else if (o->checksum) {
		tx->offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		tx->offload.csum_start = (uint16_t)o->start;
		tx->offload.csum_offset = (uint16_t)(o->field - o->start);
	}
	if (bytes < E1000_FRAME_MIN && *e1000_reg(d, E1000_TCTL) & TCTL_PSP) {
		tx->out[n++] = (struct iovec){ (void *)padding, E1000_FRAME_MIN - bytes };
		bytes = E1000_FRAME_MIN;
	}
	e1000_gather(destination, tx->out + 1, n - 1, 0, sizeof(destination));
	if (looped)
		e1000_loop_back(d, tx->out, n, sizeof(tx->offload) + bytes);
	else if (!net_send(d->net, tx->out, n, sizeof(tx->offload) + bytes))
		return false;
	tx->flush = true;
	count(d, destination, o, unit);
	return true;
}

/* ---- segmentation (3.5) ---- */

/* The headers before payload bytes sent .. sent + length (3.5.8), as of one packet. */
static void segment_header(struct e1000_tx *tx, size_t length, bool last)
{
	const struct e1000_tx_frame *f = &tx->frame;
	const struct e1000_context *c = &f->context;
	uint8_t *h = tx->header;
	unsigned upper = (unsigned)(c->header - c->tucss + length);
	uint16_t sum;

	e1000_gather(h, f->piece, f->pieces, 0, c->header);
	if (c->ipv4) {
		put_be16(h + c->ipcss + 2, (unsigned)(c->header - c->ipcss + length));
		put_be16(h + c->ipcss + 4, get_be16(h + c->ipcss + 4) + f->sent / c->mss);
	} else {
		put_be16(h + c->ipcss + 4, (unsigned)(c->header - c->ipcss - 40 + length));
	}
	if (f->ip_checksum) {
		struct iovec all = { h, c->header };
		unsigned end = c->ipcse && c->ipcse < c->header ? c->ipcse + 1u : c->header;

		sum = (uint16_t)~e1000_fold(e1000_sum(&all, 1, c->ipcss,
						      end > c->ipcss ? end - c->ipcss : 0));
		memcpy(h + c->ipcso, &sum, 2);
	}
	if (c->tcp) {
		add_be32(h + c->tucss + 4, f->sent);
		if (!last)
			h[c->tucss + 13] &= (uint8_t)~TCP_FIN_PSH;
	} else {
		put_be16(h + c->tucss + 4, upper);
	}
	if (f->checksum) {
		memcpy(&sum, h + c->tucso, 2);
		sum = e1000_fold(sum + word_of(upper));
		memcpy(h + c->tucso, &sum, 2);
	}
}

static bool segment_possible(const struct e1000_tx_frame *f)
{
	const struct e1000_context *c = &f->context;

	return c->mss >= MSS_MIN && c->header + c->mss <= IP_PACKET_MAX && f->bytes >= c->header &&
	       c->ipcss >= 14 && c->ipcss + (c->ipv4 ? 20u : 40u) <= c->tucss &&
	       c->tucss + (c->tcp ? 20u : 8u) <= c->header &&
	       (!f->ip_checksum || c->ipcso + 2u <= c->header) &&
	       (!f->checksum || (c->tucso >= c->tucss && c->tucso + 2u <= c->header));
}

static bool send_segments(struct e1000 *d)
{
	struct e1000_tx *tx = &d->tx;
	struct e1000_tx_frame *f = &tx->frame;
	const struct e1000_context *c = &f->context;
	uint32_t payload = f->bytes - c->header, most = c->mss;

	if (!segment_possible(f)) {
		e1000_count(d, E1000_TSCTFC, 1);
		return true;
	}
	/* As many at once as a frame of the back-end's holds beside a tag, which is no more than
	 * one IP packet holds, however long a link header the driver claims. */
	if (c->tcp && f->checksum && !is_looped(d))
		most = (NET_FRAME_MAX - E1000_VLAN - c->header) / c->mss * c->mss;
	do {
		uint32_t length = (uint32_t)min_u64(payload - f->sent, most);
		struct outgoing o = { .header = c->header, .from = c->header + f->sent,
				      .bytes = length, .checksum = f->checksum, .udp = !c->tcp,
				      .start = c->tucss, .field = c->tucso };

		segment_header(tx, length, f->sent + length == payload);
		tx->offload = (struct virtio_net_hdr_v1){ 0 };
		if (length > c->mss) {
			tx->offload.gso_type = c->ipv4 ? VIRTIO_NET_HDR_GSO_TCPV4 :
							 VIRTIO_NET_HDR_GSO_TCPV6;
			tx->offload.gso_size = c->mss;
			tx->offload.hdr_len = (uint16_t)(c->header + (f->vlan ? E1000_VLAN : 0));
		}
		if (!emit(d, &o, c->mss))
			return false;
		f->sent += length;
	} while (f->sent < payload);
	e1000_count(d, E1000_TSCTC, 1);
	return true;
}

/* ---- everything else ---- */

/* Sum `start` .. `end` (0: to the last byte) into the 16 bits at `field`, here. */
static void insert_checksum(struct e1000_tx *tx, unsigned start, unsigned end, unsigned field,
			    unsigned header, bool udp)
{
	const struct e1000_tx_frame *f = &tx->frame;
	struct iovec all[2 + E1000_TX_PIECES] = { { tx->header, header } };
	unsigned n = 1 + e1000_slice(all + 1, f->piece, f->pieces, header, f->bytes - header);
	size_t stop = end && end < f->bytes ? end + 1u : f->bytes;
	uint16_t sum;

	if (stop <= start)
		return;
	sum = (uint16_t)~e1000_fold(e1000_sum(all, n, start, stop - start));
	if (!sum && udp)
		sum = 0xffff;
	memcpy(tx->header + field, &sum, 2);
}

static bool send_plain(struct e1000 *d)
{
	struct e1000_tx *tx = &d->tx;
	struct e1000_tx_frame *f = &tx->frame;
	const struct e1000_context *c = &f->context;
	bool ip = f->ip_checksum && c->ipcso + 2u <= f->bytes;
	bool upper = f->checksum && c->tucss < f->bytes && c->tucso + 2u <= f->bytes;
	bool whole = upper && c->tucso >= c->tucss && (!c->tucse || c->tucse + 1u >= f->bytes);
	struct outgoing o = { .checksum = whole, .udp = !c->tcp, .start = c->tucss, .field = c->tucso };

	if (f->bytes < 14)
		return true;
	tx->offload = (struct virtio_net_hdr_v1){ 0 };
	/* What is changed here is copied; a checksum that the back-end completes is not. */
	if (f->vlan)
		o.header = 14;
	if (ip)
		o.header = (unsigned)max_u64(o.header, c->ipcso + 2u);
	if (upper && (!whole || is_looped(d)))
		o.header = (unsigned)max_u64(o.header, c->tucso + 2u);
	o.from = o.header;
	o.bytes = f->bytes - o.header;
	e1000_gather(tx->header, f->piece, f->pieces, 0, o.header);
	if (ip)
		insert_checksum(tx, c->ipcss, c->ipcse, c->ipcso, o.header, false);
	if (upper && !whole)
		insert_checksum(tx, c->tucss, c->tucse, c->tucso, o.header, !c->tcp);
	return emit(d, &o, 0);
}

/* The driver made the FCS itself: the wire has none, but would refuse a wrong one. */
static bool fcs_take(struct e1000_tx_frame *f)
{
	uint32_t fcs;

	if (f->bytes < 14 + E1000_FCS)
		return false;
	f->bytes -= E1000_FCS;
	f->fcs = false;
	e1000_gather(&fcs, f->piece, f->pieces, f->bytes, E1000_FCS);
	return fcs == e1000_crc(f->piece, f->pieces, f->bytes);
}

bool e1000_frame_send(struct e1000 *d)
{
	struct e1000_tx_frame *f = &d->tx.frame;

	if (f->bad)
		return true;
	if (f->segment)
		return send_segments(d);
	return (f->fcs && !fcs_take(f)) || send_plain(d);
}
