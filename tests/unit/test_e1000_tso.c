// SPDX-License-Identifier: MIT
/*
 * e1000: TCP and UDP segmentation (SDM 3.5): super-frames as the back-end gets them,
 * cut where they are too large, interrupted where it is full, refused where headers
 * make no sense.
 */
#include "e1000_card.h"

static uint8_t packet[E1000_TX_BYTES + 64];
static uint8_t taken[E1000_TX_BYTES + 64];	/* payloads, one after the other */
static size_t taken_bytes, frames, frame_max, frame_bytes;
static bool bad;

static void setup(void)
{
	card_add();
	card_start();
}

/* Its descriptors, with a tag, of pages that do not continue each other. */
static void put_packet(size_t bytes, unsigned options)
{
	for (size_t at = 0; at < bytes; at += 4096) {
		size_t n = min_u64(4096, bytes - at), where = at + at / 4096 * 64;

		tx_put(tx_data(packet + at, n, where), n | TX_DATA | TX_COMMAND(TXD_TSE | TXD_VLE) |
		       TX_OPTIONS(options) | (at + n == bytes ? TX_LAST : 0) | 5ull << 48);
	}
}

static void send_tso(bool v6, unsigned protocol, size_t payload, uint16_t mss)
{
	size_t bytes = packet_make(packet, other_mac, v6, protocol, payload);

	/* As the Linux driver prepares it: lengths 0, a pseudo-header sum without length. */
	put16(packet_checksum(packet, v6, protocol), pseudo_sum(packet + 14, protocol, 0));
	put16(packet + 14 + (v6 ? 4 : 2), 0);
	tx_context_for(TXD_TSE, v6, protocol, mss);
	put_packet(bytes, TXD_POPTS_TXSM | (v6 ? 0 : TXD_POPTS_IXSM));
	packet_make(packet, other_mac, v6, protocol, payload);
	tx_kick();
}

START_TEST(test_tso_goes_out_whole)
{
	bool v6 = _i & 1, tagged = _i & 2;
	size_t header = v6 ? 74 : 54, tag = tagged ? 4 : 0;
	uint8_t copy[128], *ip = copy + 14;

	if (tagged)
		set(E1000_CTRL, CTRL_SLU | CTRL_VME);
	send_tso(v6, 6, 20000, 1448);
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert_uint_eq(sent_bytes(), header + tag + 20000);
	ck_assert_uint_eq(sent_offload()->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	ck_assert_uint_eq(sent_offload()->gso_type, v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
	ck_assert_uint_eq(sent_offload()->gso_size, 1448);
	ck_assert_uint_eq(sent_offload()->hdr_len, header + tag);
	ck_assert_uint_eq(sent_offload()->csum_start, header + tag - 20);
	ck_assert_uint_eq(sent_offload()->csum_offset, 16);
	memcpy(copy, sent(), 12);
	memcpy(copy + 12, sent() + 12 + tag, header - 12);
	/* The headers are those of one large packet, with the pseudo-header's sum in place. */
	if (!v6)
		ck_assert_uint_eq(reference_sum(ip, 20, 0), 0xffff);
	ck_assert_uint_eq(get16(packet_checksum(copy, v6, 6)), pseudo_sum(ip, 6, 20020));
	put16(packet_checksum(copy, v6, 6), 0);
	if (!v6)
		put16(ip + 10, 0);
	ck_assert(!memcmp(copy, packet, header));
	ck_assert(!memcmp(sent() + header + tag, packet + header, 20000));
	ck_assert(tx_done(1));
	ck_assert_uint_eq(get(E1000_TSCTC), 1);
	ck_assert_uint_eq(get(E1000_GPTC), 14);
	ck_assert_uint_eq(get(E1000_GOTCL), 14 * (header + tag + 4) + 20000);
}
END_TEST

START_TEST(test_tso_of_one_segment)
{
	send_tso(false, 6, 1448, 1448);
	ck_assert_uint_eq(sent_offload()->gso_type | sent_offload()->gso_size, 0);
	ck_assert_uint_eq(sent_offload()->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	ck_assert_uint_eq(get16(sent() + 50), pseudo_sum(sent() + 14, 6, 1468));
	ck_assert_uint_eq(get16(sent() + 16), 1488);
	ck_assert_uint_eq(sent()[47], 0x19);
}
END_TEST

static void measure(const uint8_t *p, size_t bytes)
{
	(void)p;
	frame_max = max_u64(frame_max, bytes);
	frame_bytes += bytes - NET_HEADER;
	frames++;
}

/* Notes the payload of each frame, and whether its headers follow those before. */
static void take(const uint8_t *p, size_t bytes)
{
	const uint8_t *ip = p + NET_HEADER + 14, *l4;
	bool v6 = ip[0] >> 4 == 6;
	size_t upper, length = bytes - NET_HEADER - 14;
	uint32_t sequence;

	l4 = ip + (v6 ? 40 : 20);
	upper = (v6 ? ip[6] : ip[9]) == 6 ? 20 : 8;
	if (v6)
		bad |= get16(ip + 4) != length - 40;
	else
		bad |= get16(ip + 2) != length || reference_sum(ip, 20, 0) != 0xffff;
	length -= (size_t)(l4 - ip) + upper;
	if (upper == 20) {
		sequence = (uint32_t)get16(l4 + 4) << 16 | get16(l4 + 6);
		bad |= sequence != (uint32_t)(0xfffff000 + taken_bytes);
		bad |= get16(l4 + 16) != pseudo_sum(ip, 6, length + 20);
	} else {
		bad |= get16(l4 + 4) != length + 8;
	}
	if (!v6 && upper == 8)
		bad |= get16(ip + 4) != ((0xfffe + frames) & 0xffff);
	memcpy(taken + taken_bytes, l4 + upper, length);
	taken_bytes += length;
	measure(p, bytes);
}

START_TEST(test_tso_larger_than_an_ip_packet)
{
	bool v6 = _i;
	size_t header = v6 ? 74 : 54;

	fake_net.each = take;
	send_tso(v6, 6, 200000, 1448);
	ck_assert(!bad);
	ck_assert_uint_eq(taken_bytes, 200000);
	ck_assert(!memcmp(taken, packet + header, taken_bytes));
	ck_assert_uint_eq(frames, 4);
	ck_assert_uint_le(frame_max, NET_HEADER + NET_FRAME_MAX);
	ck_assert_uint_eq(sent()[header - 7], 0x19);	/* FIN and PSH in the last one only */
	ck_assert_uint_eq(get(E1000_TSCTC), 1);
	ck_assert_uint_eq(get(E1000_GPTC), 139);
	if (!v6)
		ck_assert_uint_eq(get16(sent() + 18), (0xfffe + 135) & 0xffff);
}
END_TEST

/* What stands before the IP header is no reason for frames that no back-end takes. */
START_TEST(test_tso_behind_a_long_link_header)
{
	struct tx_context c = { .ipcss = 114, .ipcso = 124, .ipcse = 133, .tucss = 134, .tucso = 150,
				.header = 154, .mss = 100,
				.command = TXD_TSE | TXD_TUCMD_TCP | TXD_TUCMD_IP };
	size_t bytes = packet_make(packet, other_mac, false, 6, 200000);

	memmove(packet + c.ipcss, packet + 14, bytes - 14);
	memset(packet + 14, 0, c.ipcss - 14u);
	bytes += c.ipcss - 14u;
	put16(packet + c.tucso, pseudo_sum(packet + c.ipcss, 6, 0));
	set(E1000_CTRL, CTRL_SLU | CTRL_VME);
	fake_net.each = measure;
	tx_context(&c);
	put_packet(bytes, TXD_POPTS_TXSM | TXD_POPTS_IXSM);
	tx_kick();
	ck_assert_uint_eq(frames, 4);
	ck_assert_uint_eq(frame_bytes, 200000 + 4 * (c.header + 4u));
	ck_assert_uint_le(frame_max, NET_HEADER + NET_FRAME_MAX);
}
END_TEST

START_TEST(test_back_end_fills_up_within_a_super_frame)
{
	unsigned waits = 0;

	fake_net.each = take;
	fake_net.full = true;
	send_tso(false, 6, 200000, 1448);
	while (!tx_done(1)) {
		ck_assert_ptr_nonnull(fake_net.again);
		fake_net.full = ++waits & 1;
		fake_net.again(fake_net.device);
		ck_assert_uint_lt(waits, 20);
	}
	ck_assert(!bad);
	ck_assert_uint_eq(taken_bytes, 200000);
	ck_assert(!memcmp(taken, packet + 54, taken_bytes));
}
END_TEST

START_TEST(test_udp_segments)
{
	fake_net.each = take;
	send_tso(_i, 17, 10000, 1400);
	ck_assert(!bad);
	ck_assert_uint_eq(frames, 8);
	ck_assert_uint_eq(taken_bytes, 10000);
	ck_assert(!memcmp(taken, packet + (_i ? 62 : 42), taken_bytes));
}
END_TEST

START_TEST(test_impossible_segmentation)
{
	static const struct tx_context good = {
		.ipcss = 14, .ipcso = 24, .ipcse = 33, .tucss = 34, .tucso = 50, .header = 54,
		.mss = 1000, .command = TXD_TSE | TXD_TUCMD_TCP | TXD_TUCMD_IP,
	};
	struct tx_context c = good;
	size_t bytes = packet_make(packet, other_mac, false, 6, 3000);

	for (unsigned i = 0; i < 10; i++) {
		c = good;
		switch (i) {
		case 0: c.mss = 0; break;
		case 1: c.mss = 65535; break;
		case 2: c.header = 0; break;
		case 3: c.header = 53; break;
		case 4: c.tucss = 20; break;
		case 5: c.tucso = 53; break;
		case 6: c.tucso = 30; break;
		case 7: c.ipcso = 53; break;
		case 8: c.ipcss = 0; break;
		case 9: c.ipcss = 30; break;
		}
		tx_context(&c);
		tx_put(tx_data(packet, bytes, 0), bytes | TX_DATA | TX_COMMAND(TXD_TSE) | TX_LAST |
		       TX_OPTIONS(3));
		tx_kick();
		ck_assert_uint_eq(fake_net.sent, 0);
		ck_assert(tx_done(1));
		ck_assert_uint_eq(get(E1000_TSCTFC), 1);
	}
	/* Less than its own headers. */
	c = good;
	tx_context(&c);
	tx_put(tx_data(packet, 53, 0), 53 | TX_DATA | TX_COMMAND(TXD_TSE) | TX_LAST | TX_OPTIONS(3));
	tx_kick();
	ck_assert_uint_eq(get(E1000_TSCTFC), 1);
	tx_context(&good);
	tx_put(tx_data(packet, bytes, 0), bytes | TX_DATA | TX_COMMAND(TXD_TSE) | TX_LAST | TX_OPTIONS(3));
	tx_kick();
	ck_assert_uint_eq(fake_net.sent, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("e1000_tso");
	TCase *t = tcase_create("segmentation");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, test_tso_goes_out_whole, 0, 4);
	tcase_add_test(t, test_tso_of_one_segment);
	tcase_add_loop_test(t, test_tso_larger_than_an_ip_packet, 0, 2);
	tcase_add_test(t, test_tso_behind_a_long_link_header);
	tcase_add_test(t, test_back_end_fills_up_within_a_super_frame);
	tcase_add_loop_test(t, test_udp_segments, 0, 2);
	tcase_add_test(t, test_impossible_segmentation);
	suite_add_tcase(s, t);
	return suite_run(s);
}
