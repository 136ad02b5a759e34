// SPDX-License-Identifier: MIT
/*
 * e1000: reception (SDM 3.2, 10.1.3, 13.4.22): filters, buffer sizes, frames over
 * several descriptors, VLAN tags, interrupts, and rings that no driver makes.
 */
#include "e1000_arrivals.h"

static void setup(void)
{
	card_add();
	card_start();
	rx_offer(64);
	get(E1000_ICR);
}

START_TEST(test_a_frame_arrives)
{
	size_t bytes = packet_make(body(), card_mac, false, 17, 700), got;
	uint64_t word;

	ck_assert(arrive(bytes));
	ck_assert(card_interrupts());
	ck_assert_uint_eq(get(E1000_ICR), ICR_RXT0);
	ck_assert_uint_eq(get(E1000_RDH), 1);
	word = collect(0, 2048, &got);
	ck_assert_uint_eq(got, bytes + 4);
	ck_assert(!memcmp(received, body(), bytes));
	ck_assert_uint_eq(RX_STATUS(word), RXD_DD | RXD_EOP | RXD_IXSM);
	ck_assert_uint_eq(RX_ERRORS(word) | RX_SPECIAL(word), 0);
	ck_assert_uint_eq(RX_STATUS(rx_descriptor(1)[1]), 0);
	ck_assert_uint_eq(get(E1000_GPRC), 1);
	ck_assert_uint_eq(get(E1000_TPR), 1);
	ck_assert_uint_eq(get(E1000_GORCL), bytes + 4);
	ck_assert_uint_eq(get(E1000_PRC64 + 16), 1);
	ck_assert_uint_eq(fake_net.rx, 0);
}
END_TEST

START_TEST(test_short_frames_are_padded)
{
	static const uint8_t zero[64];
	size_t got;

	memset(guest(rx_buffer(0)), 0xee, 256);
	ck_assert(arrive(packet_make(body(), card_mac, false, 17, 0)));
	collect(0, 2048, &got);
	ck_assert_uint_eq(got, 64);
	ck_assert(!memcmp(received + 42, zero, 22));
	ck_assert_uint_eq(guest(rx_buffer(0))[64], 0xee);
	/* No Ethernet header: no frame. */
	ck_assert(arrive(13));
	ck_assert_uint_eq(get(E1000_RDH), 1);
	set(E1000_RCTL, get(E1000_RCTL) | RCTL_SECRC);
	ck_assert(arrive(packet_make(body(), card_mac, false, 17, 0)));
	collect(1, 2048, &got);
	ck_assert_uint_eq(got, 60);
}
END_TEST

/* ---- filters ---- */

static bool accepts(const uint8_t mac[6])
{
	unsigned head = get(E1000_RDH);

	ck_assert(arrive(packet_make(body(), mac, false, 17, 100)));
	return get(E1000_RDH) != head;
}

START_TEST(test_addresses)
{
	static const uint8_t multicast[6] = { 1, 0, 0x5e, 0x10, 0x20, 0x33 };
	static const struct { unsigned offset, bit; } hashes[] = {
		{ 0, 0x332 }, { 1, 0x664 }, { 2, 0xcc8 }, { 3, 0x320 },
	};
	uint32_t rctl = RCTL_EN;

	ck_assert(accepts(card_mac));
	ck_assert(!accepts(other_mac));
	ck_assert(accepts(broadcast_mac));
	ck_assert(!accepts(multicast));
	set(E1000_RCTL, rctl);
	ck_assert(!accepts(broadcast_mac));
	set(E1000_RCTL, rctl | RCTL_UPE);
	ck_assert(accepts(other_mac) && !accepts(multicast));
	set(E1000_RCTL, rctl | RCTL_MPE);
	ck_assert(!accepts(other_mac) && accepts(multicast) && accepts(broadcast_mac));
	set(E1000_RCTL, rctl);
	set(E1000_RAL + 8 * 15, 0x12005452);
	set(E1000_RAL + 8 * 15 + 4, 0x5734);
	ck_assert(!accepts(other_mac));
	set(E1000_RAL + 8 * 15 + 4, RAH_AV | 0x5734);
	ck_assert(accepts(other_mac));
	set(E1000_RAL + 4, 0x5634);
	ck_assert(!accepts(card_mac));
	for (unsigned i = 0; i < array_size(hashes); i++) {
		set(E1000_RCTL, rctl | hashes[i].offset << RCTL_MO_SHIFT);
		ck_assert(!accepts(multicast));
		set(E1000_MTA + hashes[i].bit / 32 * 4, 1u << hashes[i].bit % 32);
		ck_assert(accepts(multicast));
		ck_assert(RX_STATUS(rx_descriptor(get(E1000_RDH) - 1)[1]) & RXD_PIF);
		set(E1000_MTA + hashes[i].bit / 32 * 4, 0);
	}
}
END_TEST

static size_t tagged_make(const uint8_t *mac, uint16_t tag, size_t payload)
{
	size_t bytes = packet_make(body(), mac, false, 17, payload);

	memmove(body() + 16, body() + 12, bytes - 12);
	put16(body() + 12, 0x8100);
	put16(body() + 14, tag);
	return bytes + 4;
}

START_TEST(test_vlan_filter)
{
	unsigned head = get(E1000_RDH);

	set(E1000_RCTL, RCTL_EN | RCTL_VFE);
	ck_assert(arrive(tagged_make(card_mac, 0x0123, 100)));
	ck_assert_uint_eq(get(E1000_RDH), head);
	set(E1000_VFTA + 0x123 / 32 * 4, 1u << 0x123 % 32);
	ck_assert(arrive(tagged_make(card_mac, 0xe123, 100)));
	ck_assert_uint_eq(get(E1000_RDH), head + 1);
	set(E1000_RCTL, RCTL_EN | RCTL_VFE | RCTL_CFIEN);
	ck_assert(arrive(tagged_make(card_mac, 0x1123, 100)));
	ck_assert_uint_eq(get(E1000_RDH), head + 1);
	ck_assert(accepts(card_mac));		/* without a tag */
}
END_TEST

START_TEST(test_tag_is_taken_out)
{
	static const size_t payloads[] = { 0, 20, 100, 300, 466, 467, 468, 469, 470, 471, 472, 473,
					   474, 1000 };
	uint8_t plain[2048];
	size_t bytes, got;
	unsigned first = 0;

	set(E1000_CTRL, CTRL_SLU | CTRL_VME);
	set(E1000_RCTL, RCTL_EN | 2 << RCTL_BSIZE_SHIFT);	/* 512 bytes: over pieces, too */
	for (unsigned i = 0; i < array_size(payloads); i++) {
		uint64_t word;

		memset(plain, 0, sizeof(plain));
		bytes = packet_make(plain, card_mac, false, 17, payloads[i]);
		ck_assert(arrive(tagged_make(card_mac, 0x6123, payloads[i])));
		word = collect(first, 512, &got);
		ck_assert(RX_STATUS(word) & RXD_VP);
		ck_assert_uint_eq(RX_SPECIAL(word), 0x6123);
		ck_assert_uint_eq(got, max_u64(bytes, 56) + 4);
		ck_assert(!memcmp(received, plain, max_u64(bytes, 56)));
		first = get(E1000_RDH);
	}
	set(E1000_CTRL, CTRL_SLU);
	ck_assert(arrive(tagged_make(card_mac, 0x6123, 100)));
	ck_assert(!(RX_STATUS(rx_descriptor(first)[1]) & RXD_VP));
	ck_assert_uint_eq(get16(guest(rx_buffer(first)) + 12), 0x8100);
}
END_TEST

/* ---- sizes ---- */

START_TEST(test_buffer_sizes)
{
	static const struct { uint32_t rctl; unsigned size; } sizes[] = {
		{ 0, 2048 }, { 1 << 16, 1024 }, { 2 << 16, 512 }, { 3 << 16, 256 },
		{ RCTL_BSEX | 1 << 16, 16384 }, { RCTL_BSEX | 2 << 16, 8192 },
		{ RCTL_BSEX | 3 << 16, 4096 },
	};
	static const size_t payloads[] = { 100, 205, 206, 210, 211, 1000, 2000, 4046, 4050, 9000, 16338 };
	size_t got;

	for (unsigned i = 0; i < array_size(sizes); i++) {
		set(E1000_RCTL, RCTL_EN | RCTL_LPE | sizes[i].rctl);
		for (unsigned n = 0; n < array_size(payloads); n++) {
			size_t bytes = packet_make(body(), card_mac, false, 17, payloads[n]);
			unsigned first = get(E1000_RDH);

			ck_assert(arrive(bytes));
			collect(first, sizes[i].size, &got);
			ck_assert_uint_eq(got, bytes + 4);
			ck_assert(!memcmp(received, body(), bytes));
			ck_assert_uint_eq((get(E1000_RDH) - first) % CARD_RING,
					  (got + sizes[i].size - 1) / sizes[i].size);
			rx_offer((get(E1000_RDH) - first) % CARD_RING);
		}
	}
}
END_TEST

START_TEST(test_long_frames)
{
	size_t bytes = packet_make(body(), card_mac, false, 17, 1519 - 42);

	ck_assert_uint_eq(bytes, 1519);
	ck_assert(arrive(bytes));
	ck_assert_uint_eq(get(E1000_RDH), 0);
	ck_assert_uint_eq(get(E1000_ROC), 1);
	ck_assert(arrive(bytes - 1));
	ck_assert_uint_eq(get(E1000_RDH), 1);
	set(E1000_RCTL, RCTL_EN | RCTL_LPE);
	ck_assert(arrive(bytes));
	ck_assert_uint_eq(get(E1000_RDH), 2);
	ck_assert(arrive(NET_FRAME_MAX));
	ck_assert_uint_eq(get(E1000_RDH), 2);
	ck_assert_uint_eq(get(E1000_ROC), 1);
}
END_TEST

/* ---- room ---- */

START_TEST(test_room_comes_and_goes)
{
	unsigned rooms;

	for (unsigned i = 0; i < 64; i++)
		ck_assert(accepts(card_mac));
	ck_assert_uint_eq(get(E1000_RDH), get(E1000_RDT));
	ck_assert(!arrive(100));
	rooms = fake_net.rooms;
	rx_offer(1);
	ck_assert_uint_eq(fake_net.rooms, rooms + 1);
	ck_assert(accepts(card_mac));
	ck_assert(!arrive(100));
	rx_offer(4);
	rx_offer(4);
	ck_assert_uint_eq(fake_net.rooms, rooms + 2);	/* only when somebody waits */
	set(E1000_RCTL, 0);
	ck_assert(!fake_net.running);
	ck_assert(!arrive(100));
	set(E1000_RCTL, RCTL_EN);
	ck_assert(fake_net.running);
	ck_assert(accepts(card_mac));
	pci_config_write(card_pci, 4, 2, 3);
	ck_assert(!arrive(100));
	pci_config_write(card_pci, 4, 2, 7);
	ck_assert(accepts(card_mac));
}
END_TEST

START_TEST(test_long_frames_wait_for_enough_buffers)
{
	set(E1000_RCTL, 0);
	set(E1000_RDH, 0);
	set(E1000_RDT, 7);
	set(E1000_RCTL, RCTL_EN | RCTL_LPE);
	ck_assert(!arrive(100));
	set(E1000_RDT, 8);
	ck_assert(accepts(card_mac));
	/* A ring that never has so many is used as it is. */
	set(E1000_RCTL, 0);
	set(E1000_RDLEN, 8 * 16);
	set(E1000_RDH, 0);
	set(E1000_RDT, 7);
	set(E1000_RCTL, RCTL_EN | RCTL_LPE);
	ck_assert(arrive(packet_make(body(), card_mac, false, 17, 15000)));
	ck_assert_uint_eq(get(E1000_RDH), 0);
	ck_assert_uint_eq(get(E1000_MPC), 1);
	ck_assert(arrive(packet_make(body(), card_mac, false, 17, 14000)));
	ck_assert_uint_eq(get(E1000_RDH), 7);
}
END_TEST

START_TEST(test_reset_between_room_and_frame)
{
	struct iovec iov[256];

	ck_assert_uint_gt(fake_net.client->room(fake_net.device, iov, 256), 0);
	set(E1000_CTRL, CTRL_RST);
	fake_net.client->received(fake_net.device, NET_HEADER + 100);
	ck_assert_uint_eq(RX_STATUS(rx_descriptor(0)[1]), 0);
}
END_TEST

/* ---- interrupts ---- */

START_TEST(test_receive_delay)
{
	set(E1000_RDTR, 10);
	set(E1000_RADV, 30);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert(accepts(card_mac));
		ck_assert(!card_interrupts());
		fake_sleep(8000);
	}
	ck_assert(card_interrupts());
	get(E1000_ICR);
	fake_sleep(100000);
	get(E1000_ICR);
	ck_assert(accepts(card_mac));
	fake_sleep(10300);
	ck_assert(card_interrupts());
	get(E1000_ICR);
	ck_assert(accepts(card_mac));
	set(E1000_RDTR, 10 | RDTR_FPD);
	ck_assert(card_interrupts());
}
END_TEST

START_TEST(test_one_interrupt_for_a_batch)
{
	size_t bytes = packet_make(body(), card_mac, false, 17, 100);
	unsigned before = irq_edges;

	for (unsigned i = 0; i < 10; i++)
		ck_assert(net_give(frame, NET_HEADER + bytes));
	ck_assert(!card_interrupts());
	net_batch_end();
	ck_assert(card_interrupts());
	ck_assert_uint_eq(irq_edges, before + 1);
	get(E1000_ICR);
	ck_assert(!accepts(other_mac));
	ck_assert(!card_interrupts());		/* for others' frames there is none */
}
END_TEST

START_TEST(test_few_descriptors_left)
{
	set(E1000_RCTL, RCTL_EN | 1 << RCTL_RDMTS_SHIFT);	/* a quarter: 64 */
	rx_offer(2);
	get(E1000_ICR);
	ck_assert(accepts(card_mac));
	ck_assert_uint_eq(get(E1000_ICR), ICR_RXT0);
	ck_assert(accepts(card_mac));
	ck_assert_uint_eq(get(E1000_ICR), ICR_RXT0 | ICR_RXDMT0);
	ck_assert(accepts(card_mac));
	ck_assert_uint_eq(get(E1000_ICR), ICR_RXT0);
	set(E1000_RSRPD, 146);
	ck_assert(arrive(packet_make(body(), card_mac, false, 17, 100)));
	ck_assert_uint_eq(get(E1000_ICR), ICR_RXT0 | ICR_SRPD);
}
END_TEST

/* ---- what no driver does ---- */

START_TEST(test_buffers_outside_ram)
{
	static const uint64_t addresses[] = { CARD_RAM, CARD_RAM - 100, ~0ull, 1ull << 63, 0xfee00000 };
	size_t bytes = packet_make(body(), card_mac, false, 17, 1000);

	for (unsigned i = 0; i < array_size(addresses); i++)
		rx_descriptor(i)[0] = addresses[i];
	for (unsigned i = 0; i < array_size(addresses); i++) {
		ck_assert(arrive(bytes));
		ck_assert(RX_STATUS(rx_descriptor(i)[1]) & RXD_DD);
	}
	ck_assert(arrive(bytes));
	ck_assert(!memcmp(guest(rx_buffer(array_size(addresses))), body(), bytes));
}
END_TEST

START_TEST(test_impossible_rings)
{
	static const uint32_t rows[][4] = {
		{ CARD_RX_RING, 0, 0, 5 }, { CARD_RX_RING, 4096, 0, 256 }, { CARD_RX_RING, 4096, 300, 5 },
		{ CARD_RAM, 4096, 0, 5 }, { CARD_RAM - 16, 4096, 0, 5 }, { 0xfffffff0, 0xfff80, 0, 5 },
	};

	for (unsigned i = 0; i < array_size(rows); i++) {
		set(E1000_RDBAL, rows[i][0]);
		set(E1000_RDLEN, rows[i][1]);
		set(E1000_RDH, rows[i][2]);
		set(E1000_RDT, rows[i][3]);
		ck_assert(!arrive(100));
	}
}
END_TEST

static unsigned dropped;

static void code_dropped(gpa_t page)
{
	ram_mark_code(page, false);
	dropped++;
}

START_TEST(test_code_under_a_buffer_is_dropped)
{
	ram_code_written = code_dropped;
	ram_mark_code(GPA(rx_buffer(0) & PAGE_MASK), true);
	ram_mark_code(GPA(CARD_RX_RING), true);
	ck_assert(accepts(card_mac));
	ck_assert_uint_eq(dropped, 2);
	/* Even if the frame is not for the card: it has been written. */
	ram_mark_code(GPA(rx_buffer(1) & PAGE_MASK), true);
	ck_assert(!accepts(other_mac));
	ck_assert_uint_eq(dropped, 3);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("e1000_rx");
	TCase *t = tcase_create("receive");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_a_frame_arrives);
	tcase_add_test(t, test_short_frames_are_padded);
	tcase_add_test(t, test_addresses);
	tcase_add_test(t, test_vlan_filter);
	tcase_add_test(t, test_tag_is_taken_out);
	tcase_add_test(t, test_buffer_sizes);
	tcase_add_test(t, test_long_frames);
	tcase_add_test(t, test_room_comes_and_goes);
	tcase_add_test(t, test_long_frames_wait_for_enough_buffers);
	tcase_add_test(t, test_reset_between_room_and_frame);
	tcase_add_test(t, test_receive_delay);
	tcase_add_test(t, test_one_interrupt_for_a_batch);
	tcase_add_test(t, test_few_descriptors_left);
	tcase_add_test(t, test_buffers_outside_ram);
	tcase_add_test(t, test_impossible_rings);
	tcase_add_test(t, test_code_under_a_buffer_is_dropped);
	suite_add_tcase(s, t);
	return suite_run(s);
}
