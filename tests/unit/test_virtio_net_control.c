// SPDX-License-Identifier: MIT
/*
 * virtio-net: the control queue and what its commands do to reception (virtio 1.2,
 * 5.1.6.5), one test for each requirement of the device.
 */
#include "net_card.h"

#define OK	VIRTIO_NET_OK
#define ERR	VIRTIO_NET_ERR

static const uint8_t on[1] = { 1 }, off[1] = { 0 };
static const uint8_t group_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };

static void setup(void)
{
	card_add();
}

static void start(uint64_t features)
{
	ck_assert(driver_start(features, 64));
	card_buffers(30, 2048);
}

static uint8_t rx_mode(uint8_t command, const uint8_t *value)
{
	return card_command(VIRTIO_NET_CTRL_RX, command, value, 1);
}

/* le32 count, addresses, le32 count, addresses. */
static uint8_t mac_table(uint32_t unicasts, const uint8_t *unicast, uint32_t multicasts,
			 const uint8_t *multicast)
{
	uint8_t data[4096];
	uint32_t n = 0;

	memcpy(data, &unicasts, 4);
	n = 4;
	for (uint32_t i = 0; i < unicasts; i++, n += 6)
		memcpy(data + n, unicast, 6);
	memcpy(data + n, &multicasts, 4);
	n += 4;
	for (uint32_t i = 0; i < multicasts; i++, n += 6)
		memcpy(data + n, multicast, 6);
	return card_command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data, n);
}

static bool accepts_vlan(unsigned tag)
{
	uint32_t id, len;
	size_t bytes = frame_make(frame, card_mac, 60, 1);

	frame[NET_HEADER + 12] = 0x81;
	frame[NET_HEADER + 13] = 0;
	frame[NET_HEADER + 14] = (uint8_t)(tag >> 8);
	frame[NET_HEADER + 15] = (uint8_t)tag;
	ck_assert(net_give(frame, bytes));
	net_batch_end();
	return driver_used(RXQ, &id, &len);
}

/* 5.1.6.5.1.1: "VIRTIO_NET_CTRL_RX_PROMISC turns promiscuous mode on and off." */
START_TEST(test_5_1_6_5_1_1_promiscuous)
{
	start(ALL);
	ck_assert(!card_accepts(other_mac));
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_PROMISC, on), OK);
	ck_assert(card_accepts(other_mac));
	ck_assert(card_accepts(multicast_mac));
	ck_assert(accepts_vlan(77));
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_PROMISC, off), OK);
	ck_assert(!card_accepts(other_mac));
}
END_TEST

/* 5.1.6.5.1.1: "This SHOULD take effect even if one of the other modes ... is on." */
START_TEST(test_5_1_6_5_1_1_promiscuous_over_others)
{
	start(ALL);
	for (uint8_t mode = VIRTIO_NET_CTRL_RX_ALLMULTI; mode <= VIRTIO_NET_CTRL_RX_NOBCAST; mode++)
		ck_assert_uint_eq(rx_mode(mode, on), OK);
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_PROMISC, on), OK);
	ck_assert(card_accepts(card_mac));
	ck_assert(card_accepts(other_mac));
	ck_assert(card_accepts(multicast_mac));
	ck_assert(card_accepts(broadcast_mac));
}
END_TEST

/* 5.1.6.5.1.1: ALLMULTI "SHOULD allow all incoming multicast packets". */
START_TEST(test_5_1_6_5_1_1_all_multicast)
{
	start(ALL);
	ck_assert(!card_accepts(multicast_mac));
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_ALLMULTI, on), OK);
	ck_assert(card_accepts(multicast_mac));
	ck_assert(!card_accepts(other_mac));
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_ALLMULTI, off), OK);
	ck_assert(!card_accepts(multicast_mac));
}
END_TEST

/* 5.1.6.5.1.1: ALLUNI "SHOULD allow all incoming unicast packets". */
START_TEST(test_5_1_6_5_1_1_all_unicast)
{
	start(ALL);
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_ALLUNI, on), OK);
	ck_assert(card_accepts(other_mac));
	ck_assert(!card_accepts(multicast_mac));
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_ALLUNI, off), OK);
	ck_assert(!card_accepts(other_mac));
}
END_TEST

/* 5.1.6.5.1.1: NOMULTI, "even if ALLMULTI is on", "SHOULD NOT apply to broadcast packets". */
START_TEST(test_5_1_6_5_1_1_no_multicast)
{
	start(ALL);
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_ALLMULTI, on), OK);
	ck_assert_uint_eq(mac_table(0, NULL, 1, multicast_mac), OK);
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_NOMULTI, on), OK);
	ck_assert(!card_accepts(multicast_mac));
	ck_assert(card_accepts(broadcast_mac));
	ck_assert(card_accepts(card_mac));
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_NOMULTI, off), OK);
	ck_assert(card_accepts(multicast_mac));
}
END_TEST

/* 5.1.6.5.1.1: NOUNI, "even if ALLUNI is on". */
START_TEST(test_5_1_6_5_1_1_no_unicast)
{
	start(ALL);
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_ALLUNI, on), OK);
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_NOUNI, on), OK);
	ck_assert(!card_accepts(card_mac));
	ck_assert(!card_accepts(other_mac));
	ck_assert(card_accepts(broadcast_mac));
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_NOUNI, off), OK);
	ck_assert(card_accepts(card_mac));
}
END_TEST

/* 5.1.6.5.1.1: NOBCAST, "even if ALLMULTI is on". */
START_TEST(test_5_1_6_5_1_1_no_broadcast)
{
	start(ALL);
	ck_assert(card_accepts(broadcast_mac));
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_ALLMULTI, on), OK);
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_NOBCAST, on), OK);
	ck_assert(!card_accepts(broadcast_mac));
	ck_assert(card_accepts(multicast_mac));
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_NOBCAST, off), OK);
	ck_assert(card_accepts(broadcast_mac));
}
END_TEST

/* "containing 0 (off) or 1 (on)": nothing else, and one byte. */
START_TEST(test_5_1_6_5_1_values)
{
	static const uint8_t two[1] = { 2 };

	start(ALL);
	for (uint8_t mode = 0; mode <= VIRTIO_NET_CTRL_RX_NOBCAST; mode++) {
		ck_assert_uint_eq(rx_mode(mode, two), ERR);
		ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_RX, mode, on, 0), ERR);
		ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_RX, mode, "\1\1", 2), ERR);
	}
	ck_assert(!card_accepts(other_mac));
	ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_NOBCAST + 1, on), ERR);
	ck_assert_uint_eq(rx_mode(0xff, on), ERR);
}
END_TEST

/* 5.1.6.5.2.1: "The device MUST have an empty MAC filtering table on reset." */
START_TEST(test_5_1_6_5_2_1_empty_on_reset)
{
	start(ALL);
	ck_assert_uint_eq(mac_table(1, other_mac, 1, multicast_mac), OK);
	ck_assert(card_accepts(other_mac));
	start(ALL);
	ck_assert(!card_accepts(other_mac));
	ck_assert(!card_accepts(multicast_mac));
	ck_assert(card_accepts(card_mac));
}
END_TEST

/* 5.1.6.5.2.1: "MUST update the MAC filtering table before it consumes the command"; and replaces it. */
START_TEST(test_5_1_6_5_2_1_table)
{
	start(ALL);
	ck_assert_uint_eq(mac_table(1, other_mac, 1, multicast_mac), OK);
	ck_assert(card_accepts(other_mac));
	ck_assert(card_accepts(multicast_mac));
	ck_assert(!card_accepts(group_mac));
	ck_assert_uint_eq(mac_table(0, NULL, 1, group_mac), OK);
	ck_assert(!card_accepts(other_mac));
	ck_assert(!card_accepts(multicast_mac));
	ck_assert(card_accepts(group_mac));
	ck_assert_uint_eq(mac_table(0, NULL, 0, NULL), OK);
	ck_assert(!card_accepts(group_mac));
	ck_assert(card_accepts(card_mac));
}
END_TEST

/* 5.1.6.5.2, note: given too many addresses it may accept all, never fewer than asked for. */
START_TEST(test_5_1_6_5_2_large_tables)
{
	start(ALL);
	ck_assert_uint_eq(mac_table(VIRTIO_NET_MACS, group_mac, VIRTIO_NET_MACS, group_mac), OK);
	ck_assert(!card_accepts(other_mac));
	ck_assert(!card_accepts(multicast_mac));
	ck_assert_uint_eq(mac_table(300, other_mac, 0, NULL), OK);
	ck_assert(card_accepts(other_mac));
	ck_assert(!card_accepts(multicast_mac));
	ck_assert_uint_eq(mac_table(0, NULL, 300, group_mac), OK);
	ck_assert(!card_accepts(other_mac));
	ck_assert(card_accepts(multicast_mac));
	ck_assert(card_accepts(group_mac));
	ck_assert_uint_eq(mac_table(0, NULL, 0, NULL), OK);
	ck_assert(!card_accepts(multicast_mac));
}
END_TEST

/* Tables whose counts are not what is there change nothing. */
START_TEST(test_5_1_6_5_2_malformed_tables)
{
	static const uint32_t counts[] = { 2, 3, 1000, 0x2aaaaaab, 0x7fffffff, 0xffffffff };
	uint8_t data[64] = { 0 };

	start(ALL);
	ck_assert_uint_eq(mac_table(1, other_mac, 0, NULL), OK);
	for (unsigned i = 0; i < array_size(counts); i++) {
		memcpy(data, &counts[i], 4);
		for (uint32_t n = 0; n <= 16; n++)
			ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_MAC,
						       VIRTIO_NET_CTRL_MAC_TABLE_SET, data, n), ERR);
	}
	memset(data, 0, sizeof(data));
	for (unsigned i = 0; i < array_size(counts); i++) {
		memcpy(data + 4, &counts[i], 4);
		ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
					       data, 14), ERR);
	}
	memset(data, 0, sizeof(data));
	ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
				       data, 9), ERR);
	ck_assert(card_accepts(other_mac));
	ck_assert(!card_accepts(group_mac));
}
END_TEST

/* 5.1.6.5.2.1: "MUST update mac in config space before it consumes the MAC_ADDR_SET command". */
START_TEST(test_5_1_6_5_2_1_address)
{
	start(ALL);
	ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET,
				       other_mac, 6), OK);
	for (unsigned i = 0; i < 6; i++)
		ck_assert_uint_eq(card_config(i, 1), other_mac[i]);
	ck_assert(card_accepts(other_mac));
	ck_assert(!card_accepts(card_mac));
	ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET,
				       multicast_mac, 6), ERR);
	for (uint32_t n = 0; n < 12; n++)
		if (n != 6)
			ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_MAC,
						       VIRTIO_NET_CTRL_MAC_ADDR_SET,
						       "\2\0\0\0\0\0\0\0\0\0\0\0", n), ERR);
	ck_assert_uint_eq(card_config(5, 1), other_mac[5]);
	/* A reset brings back the one that the card was made with. */
	start(ALL);
	ck_assert_uint_eq(card_config(5, 1), card_mac[5]);
	ck_assert(card_accepts(card_mac));
}
END_TEST

/* 5.1.6.5.2.1: "SHOULD drop incoming packets which have a destination MAC which matches neither". */
START_TEST(test_5_1_6_5_2_1_others_are_dropped)
{
	start(ALL);
	ck_assert(!card_accepts(other_mac));
	ck_assert_uint_eq(card()->count.rx_filtered, 1);
	ck_assert(card_accepts(card_mac));
}
END_TEST

/* Who did not take CTRL_RX could not ask for multicast: gets all. */
START_TEST(test_no_ctrl_rx_no_filter)
{
	start(F(MAC) | F(MRG_RXBUF));
	ck_assert(card_accepts(multicast_mac));
	ck_assert(card_accepts(other_mac));
	ck_assert(accepts_vlan(77));
}
END_TEST

/* 5.1.6.5.3.1: without CTRL_VLAN "MUST accept all VLAN tagged packets". */
START_TEST(test_5_1_6_5_3_1_not_negotiated)
{
	start(ALL & ~F(CTRL_VLAN));
	ck_assert(accepts_vlan(1));
	ck_assert(accepts_vlan(4095));
}
END_TEST

/* 5.1.6.5.3.1: "MUST accept all ... whose VLAN tag is present"; "SHOULD drop all ... absent". */
START_TEST(test_5_1_6_5_3_1_filter)
{
	const uint16_t ids[] = { 1, 63, 64, 100, 4095 };

	start(ALL);
	ck_assert(!accepts_vlan(100));
	for (unsigned i = 0; i < array_size(ids); i++) {
		ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD,
					       &ids[i], 2), OK);
		ck_assert(accepts_vlan(ids[i]));
		ck_assert(accepts_vlan(0xe000 | ids[i]));	/* with a priority */
		ck_assert(!accepts_vlan(ids[i] ^ 2));
		ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL,
					       &ids[i], 2), OK);
		ck_assert(!accepts_vlan(ids[i]));
	}
	ck_assert(accepts_vlan(0xe000));	/* a priority alone */
	ck_assert(card_accepts(card_mac));
}
END_TEST

/* 5.1.6.5.3: "the device starts with an empty VLAN filter table." */
START_TEST(test_5_1_6_5_3_empty_on_reset)
{
	const uint16_t id = 5;

	start(ALL);
	ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, &id, 2), OK);
	ck_assert(accepts_vlan(5));
	start(ALL);
	ck_assert(!accepts_vlan(5));
}
END_TEST

START_TEST(test_5_1_6_5_3_malformed)
{
	const uint16_t beyond = 4096, id = 5;

	start(ALL);
	ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_VLAN, 0, &beyond, 2), ERR);
	ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_VLAN, 0, "\xff\xff", 2), ERR);
	ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_VLAN, 0, &id, 1), ERR);
	ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_VLAN, 0, "\5\0\0\0", 4), ERR);
	ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_VLAN, 2, &id, 2), ERR);
	ck_assert(!accepts_vlan(5));
}
END_TEST

/* 5.1.6.5.7: offloads of the negotiated features only, all at once. */
START_TEST(test_5_1_6_5_7_offloads)
{
	const uint64_t all = F(GUEST_CSUM) | F(GUEST_TSO4) | F(GUEST_TSO6) | F(GUEST_ECN);
	const uint64_t csum = F(GUEST_CSUM), tso_alone = F(GUEST_TSO4), none = 0;
	const uint64_t bad[] = { F(CSUM), F(GUEST_UFO), all | BIT(63), ~0ull, BIT(54) };

	start(ALL);
	ck_assert_uint_eq(fake_net.rx, NET_RX_CSUM | NET_RX_TSO4 | NET_RX_TSO6 | NET_RX_ECN);
	ck_assert_uint_eq(card_command(5, 0, &csum, 8), OK);
	ck_assert_uint_eq(fake_net.rx, NET_RX_CSUM);
	ck_assert_uint_eq(card_command(5, 0, &none, 8), OK);
	ck_assert_uint_eq(fake_net.rx, 0);
	/* Segments cannot do without checksums (5.1.3.1). */
	ck_assert_uint_eq(card_command(5, 0, &tso_alone, 8), OK);
	ck_assert_uint_eq(fake_net.rx, 0);
	ck_assert_uint_eq(card_command(5, 0, &all, 8), OK);
	ck_assert_uint_eq(fake_net.rx, NET_RX_CSUM | NET_RX_TSO4 | NET_RX_TSO6 | NET_RX_ECN);
	for (unsigned i = 0; i < array_size(bad); i++)
		ck_assert_uint_eq(card_command(5, 0, &bad[i], 8), ERR);
	ck_assert_uint_eq(card_command(5, 0, &csum, 7), ERR);
	ck_assert_uint_eq(card_command(5, 1, &csum, 8), ERR);
	ck_assert_uint_eq(fake_net.rx, NET_RX_CSUM | NET_RX_TSO4 | NET_RX_TSO6 | NET_RX_ECN);
	start(F(GUEST_CSUM) | F(CTRL_VQ) | F(CTRL_GUEST_OFFLOADS));
	ck_assert_uint_eq(card_command(5, 0, &all, 8), ERR);
	ck_assert_uint_eq(fake_net.rx, NET_RX_CSUM);
}
END_TEST

/* A frame with what was turned off since is not received. */
START_TEST(test_5_1_6_5_7_late_frames)
{
	const struct virtio_net_hdr_v1 header = { .flags = 1, .csum_start = 34, .csum_offset = 6 };
	const uint64_t none = 0;
	size_t bytes;

	start(ALL);
	bytes = frame_make(frame, card_mac, 60, 1);
	memcpy(frame, &header, NET_HEADER);
	ck_assert_uint_eq(card_command(5, 0, &none, 8), OK);
	ck_assert(net_give(frame, bytes));
	net_batch_end();
	ck_assert_uint_eq(driver_used_count(RXQ), 0);
}
END_TEST

/* Commands of features that were not negotiated, or are not offered, or that nobody knows:
 * 5.1.6.5.4 (announce), .5 and .6 (multiqueue, RSS), .8 (coalescing), statistics. */
START_TEST(test_5_1_6_5_unknown_commands)
{
	uint8_t data[64] = { 1 };

	start(ALL);
	for (unsigned family = 0; family < 256; family++)
		for (unsigned command = 0; command < 8; command++) {
			bool known = family < 3 || family == 5;

			if (!known)
				ck_assert_uint_eq(card_command((uint8_t)family, (uint8_t)command,
							       data, 2), ERR);
		}
	start(F(CTRL_VQ));
	for (unsigned family = 0; family < 8; family++)
		for (unsigned command = 0; command < 6; command++)
			for (uint32_t n = 0; n < 16; n++)
				ck_assert_uint_eq(card_command((uint8_t)family, (uint8_t)command,
							       data, n), ERR);
}
END_TEST

/* CTRL_RX alone knows two modes, CTRL_RX_EXTRA four more. */
START_TEST(test_5_1_6_5_1_extra_modes_need_their_feature)
{
	start(F(CTRL_VQ) | F(CTRL_RX));
	for (uint8_t mode = 0; mode < 6; mode++)
		ck_assert_uint_eq(rx_mode(mode, on), mode < 2 ? OK : ERR);
}
END_TEST

/* Every layout of a command; only the first byte of the answer is written. */
START_TEST(test_5_1_6_5_layouts)
{
	uint64_t at;
	uint32_t id, len;

	start(ALL);
	at = guest_alloc(4096);
	memcpy(guest(at), "\0\0\1", 3);
	memset(guest(at + 100), 0xee, 16);
	driver_offer(CTRLQ, (struct driver_part[]){ { at, 3, false }, { at + 100, 8, true } }, 2);
	driver_kick(CTRLQ);
	ck_assert(driver_used(CTRLQ, &id, &len));
	ck_assert_uint_eq(len, 1);
	ck_assert(!memcmp(guest(at + 100), "\0\xee\xee\xee", 4));
	ck_assert(card_accepts(other_mac));
	/* Byte by byte, and the answer behind an empty part. */
	memcpy(guest(at + 200), "\0\0\0\0\0\0", 6);
	*(uint8_t *)guest(at + 100) = 0xee;
	driver_offer(CTRLQ, (struct driver_part[]){
		{ at + 200, 1, false }, { at + 202, 1, false }, { at + 204, 1, false },
		{ at + 300, 0, true }, { at + 100, 1, true } }, 5);
	driver_kick(CTRLQ);
	ck_assert(driver_used(CTRLQ, &id, &len));
	ck_assert_uint_eq(*(uint8_t *)guest(at + 100), OK);
	ck_assert(!card_accepts(other_mac));
	/* Too short to name a command. */
	driver_offer(CTRLQ, (struct driver_part[]){ { at, 1, false }, { at + 100, 1, true } }, 2);
	driver_kick(CTRLQ);
	ck_assert(driver_used(CTRLQ, &id, &len));
	ck_assert_uint_eq(*(uint8_t *)guest(at + 100), ERR);
	/* No command at all. */
	driver_offer_in(CTRLQ, at + 100, 1);
	driver_kick(CTRLQ);
	ck_assert(driver_used(CTRLQ, &id, &len));
	ck_assert_uint_eq(*(uint8_t *)guest(at + 100), ERR);
	ck_assert(virtio_running(dev));
	/* Nowhere to answer to: the device gives up (2.1.2). */
	driver_offer_out(CTRLQ, at, 3);
	driver_kick(CTRLQ);
	ck_assert(dev->status & S_NEEDS_RESET);
}
END_TEST

/* 2.7.10: with event indices the next kick is asked for. */
START_TEST(test_2_7_10_next_kick)
{
	ck_assert(driver_start(dev->offered, 16));
	for (unsigned i = 1; i < 40; i++) {
		ck_assert_uint_eq(rx_mode(VIRTIO_NET_CTRL_RX_PROMISC, on), OK);
		ck_assert_uint_eq(*(uint16_t *)guest(dq[CTRLQ].used + 4 + 8 * 16), i);
	}
}
END_TEST

/* 5.1.2: "controlq ... only exists if VIRTIO_NET_F_CTRL_VQ is negotiated." */
START_TEST(test_5_1_2_no_control_queue)
{
	uint32_t id, len;
	uint64_t at;

	start(F(MAC));
	at = guest_alloc(64);
	driver_offer(CTRLQ, (struct driver_part[]){ { at, 3, false }, { at + 8, 1, true } }, 2);
	driver_kick(CTRLQ);
	ck_assert(!driver_used(CTRLQ, &id, &len));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio_net_control");
	TCase *tc = tcase_create("control");

	if (driver_ram())
		return EXIT_FAILURE;
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_5_1_6_5_1_1_promiscuous);
	tcase_add_test(tc, test_5_1_6_5_1_1_promiscuous_over_others);
	tcase_add_test(tc, test_5_1_6_5_1_1_all_multicast);
	tcase_add_test(tc, test_5_1_6_5_1_1_all_unicast);
	tcase_add_test(tc, test_5_1_6_5_1_1_no_multicast);
	tcase_add_test(tc, test_5_1_6_5_1_1_no_unicast);
	tcase_add_test(tc, test_5_1_6_5_1_1_no_broadcast);
	tcase_add_test(tc, test_5_1_6_5_1_values);
	tcase_add_test(tc, test_5_1_6_5_2_1_empty_on_reset);
	tcase_add_test(tc, test_5_1_6_5_2_1_table);
	tcase_add_test(tc, test_5_1_6_5_2_large_tables);
	tcase_add_test(tc, test_5_1_6_5_2_malformed_tables);
	tcase_add_test(tc, test_5_1_6_5_2_1_address);
	tcase_add_test(tc, test_5_1_6_5_2_1_others_are_dropped);
	tcase_add_test(tc, test_no_ctrl_rx_no_filter);
	tcase_add_test(tc, test_5_1_6_5_3_1_not_negotiated);
	tcase_add_test(tc, test_5_1_6_5_3_1_filter);
	tcase_add_test(tc, test_5_1_6_5_3_empty_on_reset);
	tcase_add_test(tc, test_5_1_6_5_3_malformed);
	tcase_add_test(tc, test_5_1_6_5_7_offloads);
	tcase_add_test(tc, test_5_1_6_5_7_late_frames);
	tcase_add_test(tc, test_5_1_6_5_unknown_commands);
	tcase_add_test(tc, test_5_1_6_5_1_extra_modes_need_their_feature);
	tcase_add_test(tc, test_5_1_6_5_layouts);
	tcase_add_test(tc, test_2_7_10_next_kick);
	tcase_add_test(tc, test_5_1_2_no_control_queue);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
