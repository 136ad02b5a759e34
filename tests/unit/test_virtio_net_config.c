// SPDX-License-Identifier: MIT
/*
 * virtio-net: features and configuration space (virtio 1.2, 5.1.3, 5.1.4), one test for
 * each requirement of the device; and of those features that are not offered, that they
 * are not.
 */
#include "net_card.h"

static void setup(void)
{
	card_add();
}

START_TEST(test_5_1_1_and_5_1_2_identity_and_queues)
{
	ck_assert_uint_eq(dev->ops->type, 1);
	ck_assert_uint_eq(dev->queue_count, 3);	/* receiveq1, transmitq1, controlq */
}
END_TEST

START_TEST(test_5_1_3_what_is_offered)
{
	const uint64_t always = F(MAC) | F(STATUS) | F(CSUM) | F(HOST_TSO4) | F(HOST_TSO6) |
				F(HOST_ECN) | F(MRG_RXBUF) | F(CTRL_VQ) | F(CTRL_RX) |
				F(CTRL_RX_EXTRA) | F(CTRL_VLAN) | F(CTRL_MAC_ADDR) |
				F(SPEED_DUPLEX);
	const uint64_t passing = F(GUEST_CSUM) | F(GUEST_TSO4) | F(GUEST_TSO6) | F(GUEST_ECN) |
				 F(CTRL_GUEST_OFFLOADS);
	const uint64_t ring = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_EVENT_IDX) |
			      BIT(VIRTIO_F_INDIRECT_DESC);

	ck_assert_uint_eq(dev->offered, always | passing | ring);
	fake_net.passes = false;
	card_add();
	ck_assert_uint_eq(dev->offered, always | ring);
}
END_TEST

/* The requirements of these features (5.1.4.1, 5.1.6.4, 5.1.6.5.4 to 5.1.6.5.8) are met by not
 * offering them. */
START_TEST(test_5_1_3_what_is_not_offered)
{
	static const unsigned bits[] = {
		VIRTIO_NET_F_MTU, VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_HOST_UFO,
		VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_MQ, VIRTIO_NET_F_RSS,
		VIRTIO_NET_F_HASH_REPORT, VIRTIO_NET_F_RSC_EXT, VIRTIO_NET_F_STANDBY,
		VIRTIO_NET_F_GSO, 50 /* DEVICE_STATS */, 51 /* HASH_TUNNEL */,
		52 /* VQ_NOTF_COAL */, 53 /* NOTF_COAL */, 54, 55 /* GUEST_USO */,
		56 /* HOST_USO */, 59 /* GUEST_HDRLEN */, 41, 42 /* GUEST_RSC */,
	};

	for (unsigned i = 0; i < array_size(bits); i++) {
		ck_assert_msg(!(dev->offered & BIT(bits[i])), "bit %u", bits[i]);
		ck_assert_msg(!driver_negotiate(BIT(bits[i])), "bit %u taken", bits[i]);
	}
}
END_TEST

/* 5.1.3.1, with 2.2.2: FEATURES_OK is refused where a feature lacks one that it requires. */
START_TEST(test_5_1_3_1_dependencies)
{
	static const struct { uint64_t without, with; } cases[] = {
		{ F(GUEST_TSO4), F(GUEST_CSUM) },
		{ F(GUEST_TSO6), F(GUEST_CSUM) },
		{ F(GUEST_ECN) | F(GUEST_CSUM), F(GUEST_TSO4) },
		{ F(GUEST_ECN) | F(GUEST_CSUM), F(GUEST_TSO6) },
		{ F(HOST_TSO4), F(CSUM) },
		{ F(HOST_TSO6), F(CSUM) },
		{ F(HOST_ECN) | F(CSUM), F(HOST_TSO4) },
		{ F(HOST_ECN) | F(CSUM), F(HOST_TSO6) },
		{ F(CTRL_RX), F(CTRL_VQ) },
		{ F(CTRL_VLAN), F(CTRL_VQ) },
		{ F(CTRL_MAC_ADDR), F(CTRL_VQ) },
	};

	for (unsigned i = 0; i < array_size(cases); i++) {
		ck_assert_msg(!driver_negotiate(cases[i].without), "case %u", i);
		ck_assert_msg(driver_negotiate(cases[i].without | cases[i].with), "case %u", i);
	}
}
END_TEST

/* 5.1.5: "A truly minimal driver would only accept VIRTIO_NET_F_MAC and ignore everything else." */
START_TEST(test_5_1_5_minimal_and_full_driver)
{
	ck_assert(driver_negotiate(0));
	ck_assert(driver_negotiate(F(MAC)));
	ck_assert(driver_negotiate(dev->offered));
}
END_TEST

START_TEST(test_5_1_4_mac)
{
	for (unsigned i = 0; i < 6; i++)
		ck_assert_uint_eq(card_config(i, 1), card_mac[i]);
	ck_assert_uint_eq(card_config(0, 4), 0x12005452);
	ck_assert_uint_eq(card_config(4, 2), 0x5634);
}
END_TEST

START_TEST(test_5_1_4_status_is_the_link)
{
	ck_assert(driver_start(ALL, 16));
	ck_assert_uint_eq(card_config(6, 2), VIRTIO_NET_S_LINK_UP);
	fake_net.down = true;
	fake_net.client->link(fake_net.device, false);
	ck_assert_uint_eq(card_config(6, 2), 0);
	ck_assert_uint_eq(config_irqs, 1);
	fake_net.down = false;
	fake_net.client->link(fake_net.device, true);
	ck_assert_uint_eq(card_config(6, 2), VIRTIO_NET_S_LINK_UP);
	ck_assert_uint_eq(config_irqs, 2);
}
END_TEST

/* Who did not take STATUS is not interrupted for it. */
START_TEST(test_5_1_4_no_status_no_interrupt)
{
	ck_assert(driver_start(F(MAC), 16));
	fake_net.client->link(fake_net.device, false);
	ck_assert_uint_eq(config_irqs, 0);
}
END_TEST

/* 4.1.4.3.1: the generation changes with the configuration. */
START_TEST(test_generation_changes)
{
	uint8_t before;

	ck_assert(driver_start(ALL, 16));
	card_config(0, 1);
	before = dev->config_generation;
	card_config(0, 1);
	ck_assert_uint_eq(dev->config_generation, before);
	fake_net.client->link(fake_net.device, false);
	card_config(0, 1);
	ck_assert_uint_ne(dev->config_generation, before);
	before = dev->config_generation;
	ck_assert_uint_eq(card_command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET,
				       other_mac, 6), 0);
	card_config(0, 1);
	ck_assert_uint_ne(dev->config_generation, before);
}
END_TEST

/* "speed MUST contain the device speed, in units of 1 MBit per second, 0 to 0x7fffffff, or
 * 0xffffffff"; "duplex MUST have the values" 0, 1 or 0xff; neither changes while the link is up. */
START_TEST(test_5_1_4_1_speed_and_duplex)
{
	uint32_t speed = (uint32_t)card_config(12, 4);
	uint8_t duplex = (uint8_t)card_config(16, 1);

	ck_assert(speed <= 0x7fffffff || speed == 0xffffffff);
	ck_assert(speed);
	ck_assert(duplex == 0 || duplex == 1 || duplex == 0xff);
	ck_assert(driver_start(ALL, 16));
	fake_net.client->link(fake_net.device, true);
	ck_assert_uint_eq(card_config(12, 4), speed);
	ck_assert_uint_eq(card_config(16, 1), duplex);
}
END_TEST

/* Fields of features that are not offered: max_virtqueue_pairs, mtu, rss_*, supported_*. */
START_TEST(test_5_1_4_other_fields_are_zero)
{
	ck_assert_uint_eq(card_config(8, 2), 0);
	ck_assert_uint_eq(card_config(10, 2), 0);
	for (unsigned i = 17; i < dev->ops->config_size; i++)
		ck_assert_uint_eq(card_config(i, 1), 0);
}
END_TEST

/* 5.1.4: "All of the device configuration fields are read-only for the driver." */
START_TEST(test_5_1_4_read_only)
{
	uint64_t before[4];

	for (unsigned i = 0; i < 4; i++)
		before[i] = card_config(i * 4, 4);
	for (unsigned i = 0; i + 4 <= dev->ops->config_size; i += 4)
		virtio_config_write(dev, i, 4, 0x11223344);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(card_config(i * 4, 4), before[i]);
}
END_TEST

/* Any width at any place gives the same bytes. */
START_TEST(test_config_widths)
{
	for (unsigned size = 1; size <= 8; size *= 2)
		for (unsigned at = 0; at + size <= dev->ops->config_size; at++) {
			uint64_t value = card_config(at, size);

			for (unsigned i = 0; i < size; i++)
				ck_assert_uint_eq(value >> (8 * i) & 0xff, card_config(at + i, 1));
			if (size < 8)
				ck_assert_uint_eq(value >> (8 * size), 0);
		}
}
END_TEST

/* What the back-end may hand out follows from the features. */
START_TEST(test_5_1_5_receive_offloads_follow_features)
{
	static const struct { uint64_t features; unsigned rx; } cases[] = {
		{ 0, 0 },
		{ F(GUEST_CSUM), NET_RX_CSUM },
		{ F(GUEST_CSUM) | F(GUEST_TSO4), NET_RX_CSUM | NET_RX_TSO4 },
		{ F(GUEST_CSUM) | F(GUEST_TSO6), NET_RX_CSUM | NET_RX_TSO6 },
		{ F(GUEST_CSUM) | F(GUEST_TSO6) | F(GUEST_ECN),
		  NET_RX_CSUM | NET_RX_TSO6 | NET_RX_ECN },
	};

	for (unsigned i = 0; i < array_size(cases); i++) {
		fake_net.rx = ~0u;
		ck_assert(driver_start(cases[i].features, 16));
		ck_assert_uint_eq(fake_net.rx, cases[i].rx);
		ck_assert(fake_net.running);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio_net_config");
	TCase *tc = tcase_create("config");

	if (driver_ram())
		return EXIT_FAILURE;
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_5_1_1_and_5_1_2_identity_and_queues);
	tcase_add_test(tc, test_5_1_3_what_is_offered);
	tcase_add_test(tc, test_5_1_3_what_is_not_offered);
	tcase_add_test(tc, test_5_1_3_1_dependencies);
	tcase_add_test(tc, test_5_1_5_minimal_and_full_driver);
	tcase_add_test(tc, test_5_1_4_mac);
	tcase_add_test(tc, test_5_1_4_status_is_the_link);
	tcase_add_test(tc, test_5_1_4_no_status_no_interrupt);
	tcase_add_test(tc, test_generation_changes);
	tcase_add_test(tc, test_5_1_4_1_speed_and_duplex);
	tcase_add_test(tc, test_5_1_4_other_fields_are_zero);
	tcase_add_test(tc, test_5_1_4_read_only);
	tcase_add_test(tc, test_config_widths);
	tcase_add_test(tc, test_5_1_5_receive_offloads_follow_features);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
