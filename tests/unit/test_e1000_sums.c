// SPDX-License-Identifier: MIT
/*
 * e1000: checksums of received frames (SDM 3.2.9, 13.4.67), and the loop, on which the
 * card's own segments and checksums come back and must be right.
 */
#include "e1000_arrivals.h"

static void setup(void)
{
	card_add();
	card_start();
	rx_offer(64);
	get(E1000_ICR);
}

static void checksums_fill(uint8_t *p, bool v6, unsigned protocol, size_t bytes)
{
	uint8_t *ip = p + 14, *l4 = ip + (v6 ? 40 : 20);
	size_t length = bytes - (size_t)(l4 - p);

	if (!v6)
		put16(ip + 10, ~reference_sum(ip, 20, 0));
	put16(l4 + (protocol == 6 ? 16 : 6), ~reference_sum(l4, length, pseudo_sum(ip, protocol, length)));
}

static uint64_t verdict(size_t bytes)
{
	unsigned head = get(E1000_RDH);

	ck_assert(arrive(bytes));
	rx_offer(1);
	return rx_descriptor(head)[1];
}

#define GOOD	(RXD_DD | RXD_EOP)

START_TEST(test_checksum_verdicts)
{
	static const size_t payloads[] = { 0, 1, 5, 18, 99, 1000, 1432 };
	bool v6 = _i & 1;
	unsigned protocol = _i & 2 ? 17 : 6, ip = v6 ? 0 : RXD_IPCS;
	uint64_t word;

	set(E1000_RXCSUM, RXCSUM_IPOFLD | RXCSUM_TUOFLD | RXCSUM_IPV6OFL | (_i & 4 ? 14 : 0));
	for (unsigned i = 0; i < array_size(payloads); i++) {
		size_t bytes = packet_make(body(), card_mac, v6, protocol, payloads[i]);
		size_t start = _i & 4 ? 14 : 0;

		checksums_fill(body(), v6, protocol, bytes);
		ck_assert(packet_is_good(body()));
		memset(body() + bytes, 0, 64);
		word = verdict(bytes);
		ck_assert_uint_eq(RX_STATUS(word), GOOD | RXD_TCPCS | ip);
		ck_assert_uint_eq(RX_ERRORS(word), 0);
		/* The packet checksum, as bytes lie in memory. */
		ck_assert_uint_eq(RX_SUM(word), (uint16_t)__builtin_bswap16((uint16_t)~reference_sum(
				  body() + start, max_u64(bytes, 60) - start, 0)));
		body()[bytes - 1] ^= 0x40;
		word = verdict(bytes);
		ck_assert_uint_eq(RX_STATUS(word), GOOD | RXD_TCPCS | ip);
		ck_assert_uint_eq(RX_ERRORS(word), RXD_TCPE);
		body()[bytes - 1] ^= 0x40;
		/* Ethernet's padding is not the packet's. */
		memset(body() + bytes, 0x99, 7);
		word = verdict(bytes + 7);
		ck_assert_uint_eq(RX_STATUS(word), GOOD | RXD_TCPCS | ip);
		ck_assert_uint_eq(RX_ERRORS(word), 0);
	}
}
END_TEST

START_TEST(test_what_has_no_verdict)
{
	size_t bytes = packet_make(body(), card_mac, false, 6, 300);

	checksums_fill(body(), false, 6, bytes);
	set(E1000_RXCSUM, 0);
	ck_assert_uint_eq(RX_STATUS(verdict(bytes)), GOOD | RXD_IXSM);
	set(E1000_RXCSUM, RXCSUM_IPOFLD);
	ck_assert_uint_eq(RX_STATUS(verdict(bytes)), GOOD | RXD_IPCS);
	body()[14 + 8]--;
	ck_assert_uint_eq(RX_ERRORS(verdict(bytes)), RXD_IPE);
	body()[14 + 8]++;
	set(E1000_RXCSUM, RXCSUM_TUOFLD);
	ck_assert_uint_eq(RX_STATUS(verdict(bytes)), GOOD | RXD_TCPCS);
	body()[14 + 6] = 0x20;			/* a fragment */
	ck_assert_uint_eq(RX_STATUS(verdict(bytes)), GOOD);
	body()[14 + 6] = 0;
	put16(body() + 16, 2000);		/* longer than the frame */
	ck_assert_uint_eq(RX_STATUS(verdict(bytes)), GOOD | RXD_IXSM);
	put16(body() + 16, 10);
	ck_assert_uint_eq(RX_STATUS(verdict(bytes)), GOOD | RXD_IXSM);
	put16(body() + 16, 21);
	ck_assert_uint_eq(RX_STATUS(verdict(bytes)), GOOD);
	packet_make(body(), card_mac, false, 6, 300);
	put16(body() + 12, 0x0806);
	ck_assert_uint_eq(RX_STATUS(verdict(bytes)), GOOD | RXD_IXSM);
	bytes = packet_make(body(), card_mac, false, 17, 300);	/* UDP without a sum */
	ck_assert_uint_eq(RX_STATUS(verdict(bytes)), GOOD);
	bytes = packet_make(body(), card_mac, true, 6, 300);
	checksums_fill(body(), true, 6, bytes);
	ck_assert_uint_eq(RX_STATUS(verdict(bytes)), GOOD | RXD_IXSM);	/* IPv6 off */
}
END_TEST

/* Sums over pieces of odd lengths are those of the whole. */
START_TEST(test_sums_over_pieces)
{
	struct iovec piece[40];
	unsigned n = 0;

	for (size_t i = 0; i < 3000; i++)
		frame[i] = (uint8_t)(i * 31 + (i >> 7));
	for (size_t at = 0; at < 3000; n++) {
		size_t part = min_u64((n * 37) % 150, 3000 - at);

		piece[n] = (struct iovec){ frame + at, part };
		at += part;
	}
	for (size_t from = 0; from < 400; from += 7)
		for (size_t bytes = 0; bytes < 2600; bytes += 113)
			ck_assert_uint_eq(e1000_fold(e1000_sum(piece, n, from, bytes)) % 0xffff,
					  __builtin_bswap16((uint16_t)reference_sum(frame + from, bytes, 0))
					  % 0xffff);
}
END_TEST

/* ---- the loop ---- */

static void loop_on(void)
{
	set(E1000_MDIC, MDIC_WRITE | 1u << 21 | 0x4140);
}

START_TEST(test_loop_back)
{
	size_t bytes = packet_make(frame, broadcast_mac, false, 17, 900), got;

	loop_on();
	fake_net.client->link(fake_net.device, false);
	tx_put(tx_data(frame, bytes, 0), bytes | TX_LAST);
	tx_kick();
	ck_assert_uint_eq(fake_net.sent, 0);
	collect(0, 2048, &got);
	ck_assert_uint_eq(got, bytes + 4);
	ck_assert(!memcmp(received, frame, bytes));
	ck_assert(card_interrupts());
	ck_assert(get(E1000_ICR) & ICR_RXT0);
}
END_TEST

/* Segments and checksums made by the card alone, seen as any receiver sees them. */
START_TEST(test_segments_on_the_loop)
{
	bool v6 = _i & 1;
	unsigned protocol = _i & 2 ? 17 : 6, header = (v6 ? 54 : 34) + (protocol == 6 ? 20 : 8);
	size_t bytes = packet_make(frame, broadcast_mac, v6, protocol, 10000), at = 0, got;
	struct tx_context c = {
		.ipcss = 14, .ipcso = 24, .ipcse = 33, .tucss = v6 ? 54 : 34,
		.tucso = (uint8_t)((v6 ? 54 : 34) + (protocol == 6 ? 16 : 6)), .header = (uint8_t)header,
		.mss = 1399, .command = (uint8_t)(TXD_TSE | (protocol == 6 ? TXD_TUCMD_TCP : 0) |
						  (v6 ? 0 : TXD_TUCMD_IP)),
	};

	loop_on();
	set(E1000_RXCSUM, RXCSUM_IPOFLD | RXCSUM_TUOFLD | RXCSUM_IPV6OFL);
	put16(frame + c.tucso, pseudo_sum(frame + 14, protocol, 0));
	tx_context(&c);
	tx_put(tx_data(frame, bytes, 0), bytes | TX_DATA | TX_COMMAND(TXD_TSE) | TX_LAST |
	       TX_OPTIONS(TXD_POPTS_TXSM | (v6 ? 0 : TXD_POPTS_IXSM)));
	tx_kick();
	for (unsigned i = 0; i < 8; i++) {
		uint64_t word = collect(i, 2048, &got);

		ck_assert_uint_eq(RX_STATUS(word), GOOD | RXD_TCPCS | (v6 ? 0 : RXD_IPCS));
		ck_assert_uint_eq(RX_ERRORS(word), 0);
		ck_assert(packet_is_good(received));
		ck_assert(!memcmp(received + header, frame + header + at, got - 4 - header));
		if (protocol == 6) {
			ck_assert_uint_eq(get16(received + c.tucss + 6), (0xf000 + at) & 0xffff);
			ck_assert_uint_eq(received[c.tucss + 13], i == 7 ? 0x19 : 0x10);
		}
		at += got - 4 - header;
	}
	ck_assert_uint_eq(at, 10000);
	ck_assert_uint_eq(get(E1000_RDH), 8);
}
END_TEST

START_TEST(test_loop_without_room)
{
	size_t bytes = packet_make(frame, broadcast_mac, false, 17, 900);

	loop_on();
	for (unsigned i = 0; i < 70; i++) {
		tx_put(tx_data(frame, bytes, 0), bytes | TX_LAST);
		tx_kick();
		ck_assert(tx_done(1));
	}
	ck_assert_uint_eq(get(E1000_MPC), 6);
	ck_assert(get(E1000_ICR) & ICR_RXO);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("e1000_sums");
	TCase *t = tcase_create("sums");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, test_checksum_verdicts, 0, 8);
	tcase_add_test(t, test_what_has_no_verdict);
	tcase_add_test(t, test_sums_over_pieces);
	tcase_add_test(t, test_loop_back);
	tcase_add_loop_test(t, test_segments_on_the_loop, 0, 4);
	tcase_add_test(t, test_loop_without_room);
	suite_add_tcase(s, t);
	return suite_run(s);
}
