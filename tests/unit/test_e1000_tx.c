// SPDX-License-Identifier: MIT
/*
 * e1000: transmission (SDM 3.3, 3.4, 9.2): every kind of descriptor, what the
 * back-end gets for it byte by byte, when descriptors are given back, and rings that
 * no driver makes.
 */
#include "e1000_card.h"

static uint8_t packet[65536];

static void setup(void)
{
	card_add();
	card_start();
}

static void send_legacy(const void *data, size_t bytes, uint64_t high)
{
	tx_put(tx_data(data, bytes, 0), bytes | TX_LAST | high);
	tx_kick();
}

START_TEST(test_legacy)
{
	size_t bytes = packet_make(packet, broadcast_mac, false, 17, 1000);

	send_legacy(packet, bytes, 0);
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert_uint_eq(sent_bytes(), bytes);
	ck_assert(!memcmp(sent(), packet, bytes));
	ck_assert_uint_eq(sent_offload()->flags | sent_offload()->gso_type, 0);
	ck_assert_uint_eq(fake_net.sent_iovs, 2);	/* nothing was copied */
	ck_assert_uint_eq(fake_net.flushes, 1);
	ck_assert(tx_done(1));
	ck_assert_uint_eq(get(E1000_TDH), 1);
	ck_assert(card_interrupts());
	ck_assert_uint_eq(get(E1000_ICR), ICR_TXDW | ICR_TXQE | ICR_TXD_LOW);
	ck_assert_uint_eq(get(E1000_GPTC), 1);
	ck_assert_uint_eq(get(E1000_BPTC), 1);
	ck_assert_uint_eq(get(E1000_GOTCL), bytes + 4);
	ck_assert_uint_eq(get(E1000_TPT), 1);
	ck_assert_uint_eq(get(E1000_PTC64 + 20), 1);
}
END_TEST

START_TEST(test_short_frames_are_padded)
{
	static const uint8_t zero[60];
	size_t bytes = packet_make(packet, other_mac, false, 17, 0);

	send_legacy(packet, bytes, 0);
	ck_assert_uint_eq(sent_bytes(), 60);
	ck_assert(!memcmp(sent(), packet, bytes) && !memcmp(sent() + bytes, zero, 60 - bytes));
	ck_assert_uint_eq(get(E1000_PTC64), 1);
	ck_assert_uint_eq(get(E1000_GOTCL), 64);
	set(E1000_TCTL, TCTL_EN);
	send_legacy(packet, bytes, 0);
	ck_assert_uint_eq(sent_bytes(), bytes);
	/* Less than an Ethernet header is no frame, but is done with. */
	send_legacy(packet, 13, 0);
	ck_assert_uint_eq(fake_net.sent, 2);
	ck_assert(tx_done(1));
}
END_TEST

START_TEST(test_frame_over_many_descriptors)
{
	size_t bytes = packet_make(packet, other_mac, false, 6, 1400), at = 0;

	/* Scattered, of all lengths, with empty ones between. */
	for (unsigned i = 1; at < bytes; i++) {
		size_t n = min_u64(i * 3 % 100, bytes - at);
		uint64_t where = tx_data(packet + at, n, 5000 + i * 128);

		at += n;
		tx_put(where, n | (i & 1 ? TX_DATA : 0) | (at == bytes ? TX_LAST : 0));
	}
	tx_kick();
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert_uint_eq(sent_bytes(), bytes);
	ck_assert(!memcmp(sent(), packet, bytes));
	ck_assert(tx_done(1) && !tx_done(2));		/* only where RS says so */
}
END_TEST

/* Contiguous pieces become one iovec: with large frames that is what counts. */
START_TEST(test_neighbours_are_joined)
{
	size_t bytes = packet_make(packet, other_mac, false, 6, 8000);
	uint64_t at = tx_data(packet, bytes, 0);

	for (size_t n = 0; n < bytes; n += 1000)
		tx_put(at + n, min_u64(1000, bytes - n) | TX_DATA | (n + 1000 >= bytes ? TX_LAST : 0));
	tx_kick();
	ck_assert_uint_eq(fake_net.sent_iovs, 2);
	ck_assert(!memcmp(sent(), packet, bytes));
}
END_TEST

/* ---- giving back ---- */

START_TEST(test_half_a_frame_is_given_back)
{
	size_t bytes = packet_make(packet, other_mac, false, 6, 900);

	tx_put(tx_data(packet, 100, 0), 100 | TX_DATA | TX_COMMAND(TXD_RS));
	tx_kick();
	ck_assert_uint_eq(fake_net.sent, 0);
	ck_assert(tx_done(1));
	ck_assert_uint_eq(get(E1000_TDH), 1);
	memset(guest(CARD_TX_DATA), 0xee, 100);		/* the driver may use it again */
	tx_put(tx_data(packet + 100, bytes - 100, 4096), (bytes - 100) | TX_DATA | TX_LAST);
	tx_kick();
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert(!memcmp(sent(), packet, bytes));
}
END_TEST

START_TEST(test_frame_longer_than_the_ring)
{
	size_t bytes = packet_make(packet, other_mac, false, 6, 59000), at = 0;

	while (at < bytes) {
		size_t n = min_u64(61, bytes - at);

		tx_put(tx_data(packet + at, n, tx_tail * 128), n | TX_DATA | TX_COMMAND(TXD_RS) |
		       (at + n == bytes ? TX_LAST : 0));
		at += n;
		if (tx_tail % 200 == 0)
			tx_kick();
	}
	tx_kick();
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert_uint_eq(sent_bytes(), bytes);
	ck_assert(!memcmp(sent(), packet, bytes));
}
END_TEST

START_TEST(test_more_pieces_than_are_kept)
{
	set(E1000_TDLEN, 4096 * 16);
	for (unsigned i = 0; i < 4000; i++) {
		uint64_t *d = (uint64_t *)guest(CARD_TX_RING + i * 16);

		packet[i] = (uint8_t)(i * 13 + (i >> 8));
		d[0] = tx_data(packet + i, 1, i * 2);
		d[1] = 1 | TX_DATA | TX_COMMAND(TXD_RS) | (i == 3999 ? TX_LAST : 0);
	}
	set(E1000_TDT, 4000);
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert_uint_eq(sent_bytes(), 4000);
	ck_assert(!memcmp(sent(), packet, 4000));
	for (unsigned i = 0; i < 4000; i++)
		ck_assert(((uint64_t *)guest(CARD_TX_RING + i * 16))[1] & TXD_DD);
}
END_TEST

START_TEST(test_interrupt_delay)
{
	size_t bytes = packet_make(packet, other_mac, false, 6, 100);

	set(E1000_TIDV, 8);
	set(E1000_TADV, 32);
	for (unsigned i = 0; i < 6; i++) {
		send_legacy(packet, bytes, TX_COMMAND(TXD_IDE));
		ck_assert(tx_done(1));
		ck_assert(!card_interrupts());
		fake_sleep(6000);	/* before 8.2 us have passed: from anew */
	}
	ck_assert(card_interrupts());	/* but 32.8 us at most */
	get(E1000_ICR);
	fake_sleep(100000);
	get(E1000_ICR);
	send_legacy(packet, bytes, TX_COMMAND(TXD_IDE));
	fake_sleep(8000);
	ck_assert(!card_interrupts());
	fake_sleep(200);
	ck_assert(card_interrupts());
	get(E1000_ICR);
	send_legacy(packet, bytes, TX_COMMAND(TXD_IDE));
	set(E1000_TIDV, 8 | RDTR_FPD);
	ck_assert(card_interrupts());
	get(E1000_ICR);
	send_legacy(packet, bytes, 0);	/* without IDE */
	ck_assert(card_interrupts());
}
END_TEST

START_TEST(test_back_end_without_room)
{
	size_t bytes = packet_make(packet, other_mac, false, 6, 100);

	fake_net.full = true;
	send_legacy(packet, bytes, 0);
	ck_assert(!tx_done(1));
	ck_assert(!card_interrupts());
	ck_assert(get(E1000_STATUS) & STATUS_TXOFF);
	ck_assert_ptr_nonnull(fake_net.again);
	packet[20] ^= 1;
	tx_put(tx_data(packet, bytes, 2048), bytes | TX_LAST);
	tx_kick();
	fake_net.full = false;
	fake_net.again(fake_net.device);
	ck_assert_uint_eq(fake_net.sent, 2);
	ck_assert(!memcmp(sent(), packet, bytes));
	ck_assert(tx_done(1) && tx_done(2));
	ck_assert(card_interrupts());
	ck_assert(!(get(E1000_STATUS) & STATUS_TXOFF));
	/* The receiver being switched off does not matter (net_stop() forgets who waits). */
	fake_net.full = true;
	send_legacy(packet, bytes, 0);
	fake_net.again = NULL;
	set(E1000_RCTL, 0);
	ck_assert_ptr_nonnull(fake_net.again);
	fake_net.full = false;
	fake_net.again(fake_net.device);
	ck_assert_uint_eq(fake_net.sent, 3);
	/* A reset forgets what waits, whoever calls later. */
	fake_net.full = true;
	send_legacy(packet, bytes, 0);
	set(E1000_CTRL, CTRL_RST);
	fake_net.full = false;
	fake_net.again(fake_net.device);
	ck_assert_uint_eq(fake_net.sent, 3);
	ck_assert(!tx_done(1));
}
END_TEST

/* ---- checksums ---- */

START_TEST(test_checksum_by_the_back_end)
{
	bool v6 = _i & 1;
	unsigned protocol = _i & 2 ? 17 : 6;
	size_t bytes = packet_make(packet, other_mac, v6, protocol, 777);
	size_t l4 = bytes - 14 - (v6 ? 40 : 20);

	put16(packet_checksum(packet, v6, protocol), pseudo_sum(packet + 14, protocol, l4));
	tx_context_for(0, v6, protocol, 0);
	tx_put(tx_data(packet, bytes, 0), bytes | TX_DATA | TX_LAST | TX_OPTIONS(TXD_POPTS_TXSM));
	tx_kick();
	ck_assert_uint_eq(sent_offload()->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	ck_assert_uint_eq(sent_offload()->csum_start, bytes - l4);
	ck_assert_uint_eq(sent_offload()->csum_offset, protocol == 6 ? 16 : 6);
	ck_assert_uint_eq(sent_offload()->gso_type, 0);
	ck_assert_uint_eq(fake_net.sent_iovs, 2);
	ck_assert(!memcmp(sent(), packet, bytes));
}
END_TEST

START_TEST(test_legacy_checksum)
{
	size_t bytes = packet_make(packet, other_mac, false, 6, 200);

	put16(packet_checksum(packet, false, 6), pseudo_sum(packet + 14, 6, bytes - 34));
	send_legacy(packet, bytes, TX_COMMAND(TXD_IC) | 50ull << 16 | 34ull << 40);
	ck_assert_uint_eq(sent_offload()->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	ck_assert_uint_eq(sent_offload()->csum_start, 34);
	ck_assert_uint_eq(sent_offload()->csum_offset, 16);
	/* Offsets outside the frame insert nothing. */
	send_legacy(packet, 64, TX_COMMAND(TXD_IC) | 63ull << 16 | 34ull << 40);
	ck_assert_uint_eq(sent_offload()->flags, 0);
	ck_assert(!memcmp(sent(), packet, 64));
	send_legacy(packet, 64, TX_COMMAND(TXD_IC) | 50ull << 16 | 64ull << 40);
	ck_assert_uint_eq(sent_offload()->flags, 0);
}
END_TEST

/* The card's own work: the IP header's sum, and one over a part of the frame. */
START_TEST(test_checksum_by_the_card)
{
	struct tx_context c = { .ipcss = 14, .ipcso = 24, .ipcse = 33, .tucss = 34, .tucso = 50,
				.tucse = 233, .command = TXD_TUCMD_TCP | TXD_TUCMD_IP };
	size_t bytes = packet_make(packet, other_mac, false, 6, 180);
	uint64_t high = TX_DATA | TX_OPTIONS(TXD_POPTS_TXSM | TXD_POPTS_IXSM);

	put16(packet + 50, pseudo_sum(packet + 14, 6, 200));
	memset(packet + bytes, 0x77, 40);		/* a trailer that is not summed */
	tx_context(&c);
	tx_put(tx_data(packet, 45, 0), 45 | high);
	tx_put(tx_data(packet + 45, 6, 64), 6 | high);
	tx_put(tx_data(packet + 51, 133, 333), 133 | high);
	tx_put(tx_data(packet + 184, bytes + 40 - 184, 1000), (bytes + 40 - 184) | high | TX_LAST);
	tx_kick();
	ck_assert_uint_eq(sent_offload()->flags, 0);
	ck_assert_uint_eq(sent_bytes(), bytes + 40);
	ck_assert(packet_is_good(sent()));
	ck_assert(!memcmp(sent() + bytes, packet + bytes, 40));
	ck_assert(!memcmp(guest(CARD_TX_DATA), packet, 45));	/* the driver's copy is its own */
}
END_TEST

START_TEST(test_frame_with_its_own_fcs)
{
	size_t bytes = packet_make(packet, other_mac, false, 17, 100);
	struct iovec all = { packet, bytes };
	uint32_t fcs = e1000_crc(&all, 1, bytes);
	struct iovec check = { (void *)"123456789", 9 };

	ck_assert_uint_eq(e1000_crc(&check, 1, 9), 0xcbf43926);
	memcpy(packet + bytes, &fcs, 4);
	tx_put(tx_data(packet, bytes + 4, 0), (bytes + 4) | TX_COMMAND(TXD_EOP | TXD_RS));
	tx_kick();
	ck_assert_uint_eq(sent_bytes(), bytes);
	packet[bytes] ^= 1;
	tx_put(tx_data(packet, bytes + 4, 0), (bytes + 4) | TX_COMMAND(TXD_EOP | TXD_RS));
	tx_kick();
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert(tx_done(1));
}
END_TEST

/* ---- VLAN ---- */

START_TEST(test_tag_is_inserted)
{
	size_t bytes = packet_make(packet, other_mac, false, 6, 500);
	uint64_t special = 0x2064ull << 48;

	set(E1000_CTRL, CTRL_SLU | CTRL_VME);
	put16(packet_checksum(packet, false, 6), pseudo_sum(packet + 14, 6, bytes - 34));
	tx_context_for(0, false, 6, 0);
	tx_put(tx_data(packet, bytes, 0), bytes | TX_DATA | TX_LAST | TX_COMMAND(TXD_VLE) |
	       TX_OPTIONS(TXD_POPTS_TXSM) | special);
	tx_kick();
	ck_assert_uint_eq(sent_bytes(), bytes + 4);
	ck_assert(!memcmp(sent(), packet, 12));
	ck_assert_uint_eq(get16(sent() + 12), 0x8100);
	ck_assert_uint_eq(get16(sent() + 14), 0x2064);
	ck_assert(!memcmp(sent() + 16, packet + 12, bytes - 12));
	ck_assert_uint_eq(sent_offload()->csum_start, 38);
	ck_assert_uint_eq(sent_offload()->csum_offset, 16);
	set(E1000_CTRL, CTRL_SLU);
	send_legacy(packet, bytes, TX_COMMAND(TXD_VLE) | special);
	ck_assert_uint_eq(sent_bytes(), bytes);
}
END_TEST

/* ---- what no driver does ---- */

START_TEST(test_data_outside_ram)
{
	static const uint64_t addresses[] = { CARD_RAM, CARD_RAM - 10, ~0ull, ~0ull - 5, 1ull << 63,
					      0xfee00000, RAM_HIGH_BASE };

	for (unsigned i = 0; i < array_size(addresses); i++) {
		tx_put(CARD_TX_DATA, 100 | TX_DATA);
		tx_put(addresses[i], 100 | TX_DATA);
		tx_put(CARD_TX_DATA, 100 | TX_DATA | TX_LAST);
		tx_kick();
		ck_assert_uint_eq(fake_net.sent, 0);
		ck_assert(tx_done(1));
	}
	/* The card lives on. */
	send_legacy(packet, packet_make(packet, other_mac, false, 17, 100), 0);
	ck_assert_uint_eq(fake_net.sent, 1);
}
END_TEST

START_TEST(test_impossible_rings)
{
	static const uint32_t rows[][4] = {	/* base, length, head, tail */
		{ CARD_TX_RING, 0, 0, 5 }, { CARD_TX_RING, 4096, 0, 256 }, { CARD_TX_RING, 4096, 256, 5 },
		{ CARD_TX_RING, 4096, 0xffff, 0xfffe }, { CARD_RAM, 4096, 0, 5 },
		{ CARD_RAM - 4080, 4096, 0, 5 }, { 0xfffffff0, 0xfff80, 0, 5 },
	};

	for (unsigned i = 0; i < array_size(rows); i++) {
		set(E1000_TDBAL, rows[i][0]);
		set(E1000_TDLEN, rows[i][1]);
		set(E1000_TDH, rows[i][2]);
		set(E1000_TDT, rows[i][3]);
		ck_assert_uint_eq(fake_net.sent, 0);
		ck_assert_uint_eq(get(E1000_TDH), rows[i][2]);
	}
	set(E1000_TDBAL, CARD_TX_RING);
	set(E1000_TDLEN, 4096);
	set(E1000_TDH, 0);
	send_legacy(packet, packet_make(packet, other_mac, false, 17, 100), 0);
	ck_assert_uint_eq(fake_net.sent, 1);
}
END_TEST

START_TEST(test_frame_without_end)
{
	/* 1 MiB a descriptor, over and over: it is dropped, and descriptors come back. */
	for (unsigned i = 0; i < 2000; i++) {
		tx_put(CARD_TX_DATA, 0xfffff | TX_DATA | TX_COMMAND(TXD_RS));
		tx_kick();
		ck_assert(tx_done(1));
	}
	tx_put(CARD_TX_DATA, 100 | TX_DATA | TX_LAST);
	tx_kick();
	ck_assert_uint_eq(fake_net.sent, 0);
	send_legacy(packet, packet_make(packet, other_mac, false, 17, 100), 0);
	ck_assert_uint_eq(fake_net.sent, 1);
}
END_TEST

START_TEST(test_nothing_moves_while_it_must_not)
{
	size_t bytes = packet_make(packet, other_mac, false, 17, 100);

	set(E1000_TCTL, 0);
	send_legacy(packet, bytes, 0);
	ck_assert_uint_eq(fake_net.sent, 0);
	set(E1000_TCTL, TCTL_EN);
	ck_assert_uint_eq(fake_net.sent, 1);
	pci_config_write(card_pci, 4, 2, 3);
	send_legacy(packet, bytes, 0);
	ck_assert_uint_eq(fake_net.sent, 1);
	pci_config_write(card_pci, 4, 2, 7);
	ck_assert_uint_eq(fake_net.sent, 2);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("e1000_tx");
	TCase *t = tcase_create("transmit");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_legacy);
	tcase_add_test(t, test_short_frames_are_padded);
	tcase_add_test(t, test_frame_over_many_descriptors);
	tcase_add_test(t, test_neighbours_are_joined);
	tcase_add_test(t, test_half_a_frame_is_given_back);
	tcase_add_test(t, test_frame_longer_than_the_ring);
	tcase_add_test(t, test_more_pieces_than_are_kept);
	tcase_add_test(t, test_interrupt_delay);
	tcase_add_test(t, test_back_end_without_room);
	tcase_add_loop_test(t, test_checksum_by_the_back_end, 0, 4);
	tcase_add_test(t, test_legacy_checksum);
	tcase_add_test(t, test_checksum_by_the_card);
	tcase_add_test(t, test_frame_with_its_own_fcs);
	tcase_add_test(t, test_tag_is_inserted);
	tcase_add_test(t, test_data_outside_ram);
	tcase_add_test(t, test_impossible_rings);
	tcase_add_test(t, test_frame_without_end);
	tcase_add_test(t, test_nothing_moves_while_it_must_not);
	suite_add_tcase(s, t);
	return suite_run(s);
}
