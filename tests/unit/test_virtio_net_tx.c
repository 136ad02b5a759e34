// SPDX-License-Identifier: MIT
/*
 * virtio-net: transmission (virtio 1.2, 5.1.6.2), one test for each requirement of the
 * device, any layout of chains, and a back-end without room.
 */
#include "net_card.h"

#define LATE	200000	/* ns: any interrupt that was put off has come */

static void setup(void)
{
	card_add();
}

/* A frame with its header in guest memory; `bytes` in all. */
static uint64_t frame_at(const struct virtio_net_hdr_v1 *header, size_t payload, size_t *bytes)
{
	uint64_t at;

	*bytes = frame_make(frame, other_mac, payload, 3);
	if (header)
		memcpy(frame, header, NET_HEADER);
	at = guest_alloc(*bytes);
	memcpy(guest(at), frame, *bytes);
	return at;
}

static void send(const struct virtio_net_hdr_v1 *header, size_t payload)
{
	size_t bytes;
	uint64_t at = frame_at(header, payload, &bytes);

	driver_offer_out(TXQ, at, (uint32_t)bytes);
	driver_kick(TXQ);
}

static const struct virtio_net_hdr_v1 *sent_header(void)
{
	return (const struct virtio_net_hdr_v1 *)fake_net.frame;
}

START_TEST(test_5_1_6_2_plain_frame)
{
	uint32_t id, len;

	ck_assert(driver_start(ALL, 16));
	send(NULL, 46);
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert_uint_eq(fake_net.bytes, NET_HEADER + 60);
	ck_assert(!memcmp(fake_net.frame, frame, fake_net.bytes));
	ck_assert_uint_eq(fake_net.flushes, 1);
	ck_assert(driver_used(TXQ, &id, &len));
	ck_assert_uint_eq(len, 0);	/* 2.7.8.2: nothing was written */
	fake_sleep(LATE);
	ck_assert_uint_eq(irqs[TXQ], 1);
}
END_TEST

/* 2.7.4.1: "The device MUST NOT make assumptions about the particular arrangement of descriptors." */
START_TEST(test_any_layout)
{
	static const uint32_t cuts[][4] = {
		{ 12, 60, 0, 0 }, { 10, 2, 60, 0 }, { 1, 1, 1, 69 }, { 12, 14, 46, 0 },
		{ 13, 59, 0, 0 }, { 26, 46, 0, 0 }, { 72, 0, 0, 0 }, { 5, 40, 20, 7 },
	};
	/* As it is, and with a header that is replaced. */
	static const struct virtio_net_hdr_v1 headers[] = { { 0 }, { .flags = 0xf0 } };
	size_t bytes;

	ck_assert(driver_start(ALL, 16));
	for (unsigned h = 0; h < 2; h++)
		for (unsigned i = 0; i < array_size(cuts); i++) {
			uint64_t at = frame_at(&headers[h], 46, &bytes), to = guest_alloc(1024);
			struct driver_part parts[4];
			unsigned n = 0;

			for (uint32_t done = 0; done < bytes; n++) {
				/* Apart, so that they are not one piece of memory. */
				memcpy(guest(to + n * 200), guest(at + done), cuts[i][n]);
				parts[n] = (struct driver_part){ to + n * 200, cuts[i][n], false };
				done += cuts[i][n];
			}
			driver_offer(TXQ, parts, n);
			driver_kick(TXQ);
			ck_assert_uint_eq(fake_net.sent, h * array_size(cuts) + i + 1);
			frame[0] = 0;
			ck_assert_uint_eq(fake_net.bytes, bytes);
			ck_assert_msg(!memcmp(fake_net.frame, frame, bytes), "layout %u %u", h, i);
			ck_assert_uint_eq(*(uint8_t *)guest(parts[0].addr), headers[h].flags);
		}
}
END_TEST

START_TEST(test_indirect_descriptors)
{
	struct driver_desc *table;
	uint64_t at, t;
	size_t bytes;

	ck_assert(driver_start(dev->offered & ~BIT(VIRTIO_F_EVENT_IDX), 16));
	at = frame_at(NULL, 3000, &bytes);
	t = guest_alloc(32);
	table = guest(t);
	table[0] = (struct driver_desc){ at, 12, D_NEXT, 1 };
	table[1] = (struct driver_desc){ at + 12, (uint32_t)bytes - 12, 0, 0 };
	*driver_desc(TXQ, 0) = (struct driver_desc){ t, 32, D_INDIRECT, 0 };
	driver_make_available(TXQ, 0);
	driver_kick(TXQ);
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert(!memcmp(fake_net.frame, frame, bytes));
}
END_TEST

/* Zero copy: a plain frame goes on from where it lies, header included. */
START_TEST(test_frame_is_not_copied)
{
	ck_assert(driver_start(ALL, 16));
	send(NULL, 1486);
	ck_assert_uint_eq(fake_net.sent_iovs, 1);
}
END_TEST

/* 5.1.6.2.2: "The device MUST ignore flag bits that it does not recognize." */
START_TEST(test_5_1_6_2_2_unknown_flags)
{
	const struct virtio_net_hdr_v1 header = { .flags = 0xfe };

	ck_assert(driver_start(ALL, 16));
	send(&header, 46);
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert_uint_eq(sent_header()->flags, 0);
}
END_TEST

/* 5.1.6.2.2: without NEEDS_CSUM "the device MUST NOT use the csum_start and csum_offset". */
START_TEST(test_5_1_6_2_2_no_needs_csum)
{
	const struct virtio_net_hdr_v1 header = { .csum_start = 0xffff, .csum_offset = 0xffff };

	ck_assert(driver_start(ALL, 16));
	send(&header, 46);
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert_uint_eq(sent_header()->csum_start, 0);
	ck_assert_uint_eq(sent_header()->csum_offset, 0);
	ck_assert(!memcmp(fake_net.frame + NET_HEADER, frame + NET_HEADER, 60));
}
END_TEST

START_TEST(test_5_1_6_2_partial_checksum)
{
	const struct virtio_net_hdr_v1 header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16,
	};
	struct virtio_net_hdr_v1 beyond = header;

	ck_assert(driver_start(ALL, 16));
	send(&header, 46);
	ck_assert(!memcmp(sent_header(), &header, NET_HEADER));
	/* The checksum's place lies beyond the frame: it cannot be sent. */
	beyond.csum_offset = 60 - 34 - 1;
	send(&beyond, 46);
	ck_assert_uint_eq(fake_net.sent, 1);
	beyond.csum_offset = 60 - 34 - 2;
	send(&beyond, 46);
	ck_assert_uint_eq(fake_net.sent, 2);
	beyond.csum_start = 0xffff;
	beyond.csum_offset = 0xffff;
	send(&beyond, 46);
	ck_assert_uint_eq(fake_net.sent, 2);
	ck_assert_uint_eq(driver_used_count(TXQ), 4);
}
END_TEST

/* 5.1.6.2.2: "The device MUST NOT rely on hdr_len to be correct." */
START_TEST(test_5_1_6_2_2_hdr_len_is_a_hint)
{
	static const uint16_t lengths[] = { 0, 1, 54, 60, 61, 0x7fff, 0xffff };

	ck_assert(driver_start(ALL, 16));
	for (unsigned i = 0; i < array_size(lengths); i++) {
		const struct virtio_net_hdr_v1 header = {
			.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16,
			.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1448,
			.hdr_len = lengths[i],
		};

		send(&header, 46);
		ck_assert_uint_eq(fake_net.sent, i + 1);
		ck_assert_uint_le(sent_header()->hdr_len, 60);
		ck_assert(!memcmp(fake_net.frame + NET_HEADER, frame + NET_HEADER, 60));
	}
}
END_TEST

START_TEST(test_5_1_6_2_segmentation)
{
	struct virtio_net_hdr_v1 header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1448, .hdr_len = 54,
	};

	ck_assert(driver_start(ALL, 16));
	send(&header, 65535 - 14 + 14);
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert(!memcmp(fake_net.frame, frame, fake_net.bytes));
	header.gso_type = VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN;
	send(&header, 20000);
	ck_assert_uint_eq(fake_net.sent, 2);
	ck_assert_uint_eq(sent_header()->gso_type,
			  VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN);
}
END_TEST

/* 5.1.6.2.1 demands of drivers what these frames lack: they are dropped, the card lives on. */
START_TEST(test_5_1_6_2_1_what_cannot_be_sent)
{
	static const struct virtio_net_hdr_v1 headers[] = {
		{ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1448 },	/* no NEEDS_CSUM */
		{ .flags = 1, .csum_start = 34, .csum_offset = 16,
		  .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 },			/* no gso_size */
		{ .flags = 1, .csum_start = 34, .csum_offset = 6,
		  .gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 1448 },	/* not offered */
		{ .flags = 1, .csum_start = 34, .csum_offset = 6, .gso_type = 5, .gso_size = 9 },
		{ .flags = 1, .csum_start = 34, .csum_offset = 16, .gso_type = 0x7f, .gso_size = 9 },
	};

	ck_assert(driver_start(ALL, 16));
	for (unsigned i = 0; i < array_size(headers); i++) {
		send(&headers[i], 3000);
		ck_assert_msg(!fake_net.sent, "header %u", i);
		ck_assert_uint_eq(driver_used_count(TXQ), i + 1);
	}
	send(NULL, 46);
	ck_assert_uint_eq(fake_net.sent, 1);
}
END_TEST

/* Offloads that the driver did not accept are not done for it. */
START_TEST(test_5_1_6_2_1_not_negotiated)
{
	const struct virtio_net_hdr_v1 csum = { .flags = 1, .csum_start = 34, .csum_offset = 16 };
	const struct virtio_net_hdr_v1 tso6 = {
		.flags = 1, .csum_start = 34, .csum_offset = 16,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV6, .gso_size = 1448,
	};

	ck_assert(driver_start(F(MAC), 16));
	send(&csum, 46);
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert_uint_eq(sent_header()->flags, 0);
	ck_assert(driver_start(F(CSUM) | F(HOST_TSO4), 16));
	send(&tso6, 3000);
	ck_assert_uint_eq(fake_net.sent, 1);
}
END_TEST

START_TEST(test_sizes)
{
	ck_assert(driver_start(ALL, 16));
	send(NULL, 0);				/* an Ethernet header alone */
	ck_assert_uint_eq(fake_net.sent, 1);
	send(NULL, NET_FRAME_MAX - 14);
	ck_assert_uint_eq(fake_net.sent, 2);
	send(NULL, NET_FRAME_MAX - 13);
	ck_assert_uint_eq(fake_net.sent, 2);
	driver_offer_out(TXQ, guest_alloc(64), NET_HEADER + 13);
	driver_kick(TXQ);
	ck_assert_uint_eq(fake_net.sent, 2);
	ck_assert_uint_eq(driver_used_count(TXQ), 4);
	ck_assert(virtio_running(dev));
}
END_TEST

/* A batch: one flush, one interrupt, all in order. */
START_TEST(test_batch)
{
	uint32_t id, len;
	size_t bytes;

	ck_assert(driver_start(ALL, 64));
	for (unsigned i = 0; i < 40; i++) {
		uint64_t at = frame_at(NULL, 46 + i, &bytes);

		driver_offer_out(TXQ, at, (uint32_t)bytes);
	}
	driver_kick(TXQ);
	ck_assert_uint_eq(fake_net.sent, 40);
	ck_assert_uint_eq(fake_net.flushes, 1);
	fake_sleep(LATE);
	ck_assert_uint_eq(irqs[TXQ], 1);
	for (unsigned i = 0; i < 40; i++) {
		ck_assert(driver_used(TXQ, &id, &len));
		ck_assert_uint_eq(id, i);
	}
}
END_TEST

/* 2.7.7.2: no interrupt where the driver does not want one. */
START_TEST(test_2_7_7_interrupts_suppressed)
{
	ck_assert(driver_start(ALL, 16));
	*(uint16_t *)guest(dq[TXQ].avail) = 1;
	send(NULL, 46);
	fake_sleep(LATE);
	ck_assert_uint_eq(irqs[TXQ], 0);
	ck_assert(driver_start(dev->offered, 16));
	*(uint16_t *)guest(dq[TXQ].avail + 4 + 2 * 16) = 2;	/* used_event: after the third */
	send(NULL, 46);
	send(NULL, 46);
	fake_sleep(LATE);
	ck_assert_uint_eq(irqs[TXQ], 0);
	send(NULL, 46);
	fake_sleep(LATE);
	ck_assert_uint_eq(irqs[TXQ], 1);
}
END_TEST

/* Interrupts are put off, and together: one for what was sent meanwhile. */
START_TEST(test_interrupt_is_late)
{
	ck_assert(driver_start(ALL, 128));
	for (unsigned i = 0; i < 10; i++)
		send(NULL, 46);
	ck_assert_uint_eq(irqs[TXQ], 0);
	ck_assert_uint_eq(driver_used_count(TXQ), 10);
	fake_sleep(LATE);
	ck_assert_uint_eq(irqs[TXQ], 1);
	fake_sleep(10 * LATE);
	ck_assert_uint_eq(irqs[TXQ], 1);
	for (unsigned i = 0; i < 100; i++)
		send(NULL, 46);
	ck_assert_uint_eq(irqs[TXQ], 2);	/* many: not late at all */
	fake_sleep(LATE);
	ck_assert_uint_eq(irqs[TXQ], 3);
}
END_TEST

/* A driver that has seen all by then is left alone; one that looks, but not lately, is not for long. */
START_TEST(test_interrupt_is_no_news)
{
	uint16_t *used_event;

	ck_assert(driver_start(dev->offered, 16));
	used_event = guest(dq[TXQ].avail + 4 + 2 * 16);
	*used_event = 0;
	send(NULL, 46);
	*used_event = 1;
	fake_sleep(LATE);
	ck_assert_uint_eq(irqs[TXQ], 0);
	send(NULL, 46);
	*used_event = 2;
	send(NULL, 46);			/* event passed again */
	fake_sleep(LATE / 2);		/* the first one's delay is over, not the second's */
	ck_assert_uint_eq(irqs[TXQ], 0);
	fake_sleep(LATE / 2);
	ck_assert_uint_eq(irqs[TXQ], 1);
	fake_sleep(10 * LATE);
	ck_assert_uint_eq(irqs[TXQ], 1);
}
END_TEST

START_TEST(test_reset_before_the_late_interrupt)
{
	ck_assert(driver_start(ALL, 16));
	send(NULL, 46);
	virtio_write_status(dev, 0);
	fake_sleep(LATE);
	ck_assert_uint_eq(irqs[TXQ], 0);
}
END_TEST

/* 2.7.10: with event indices the next kick is asked for. */
START_TEST(test_2_7_10_next_kick)
{
	ck_assert(driver_start(dev->offered, 16));
	for (unsigned i = 1; i < 40; i++) {
		send(NULL, 46);
		ck_assert_uint_eq(*(uint16_t *)guest(dq[TXQ].used + 4 + 8 * 16), i);
	}
}
END_TEST

START_TEST(test_no_room)
{
	size_t bytes;

	ck_assert(driver_start(ALL, 16));
	fake_net.full = true;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t at = frame_at(NULL, 46 + i, &bytes);

		driver_offer_out(TXQ, at, (uint32_t)bytes);
	}
	driver_kick(TXQ);
	ck_assert_uint_eq(driver_used_count(TXQ), 0);
	ck_assert(fake_net.again != NULL);
	ck_assert_uint_eq(*(uint16_t *)guest(dq[TXQ].used) & 1, 1);	/* no kicks wanted */
	driver_kick(TXQ);
	fake_net.full = false;
	driver_kick(TXQ);		/* back-end's turn, not the driver's */
	ck_assert_uint_eq(fake_net.sent, 0);
	fake_net.again(fake_net.device);
	ck_assert_uint_eq(fake_net.sent, 3);
	ck_assert_uint_eq(driver_used_count(TXQ), 3);
	ck_assert_uint_eq(*(uint16_t *)guest(dq[TXQ].used) & 1, 0);
	send(NULL, 46);
	ck_assert_uint_eq(fake_net.sent, 4);
}
END_TEST

/* After a reset a back-end that was waited for finds nothing to do. */
START_TEST(test_reset_while_waiting)
{
	size_t bytes;
	uint64_t at;

	ck_assert(driver_start(ALL, 16));
	fake_net.full = true;
	at = frame_at(NULL, 46, &bytes);
	driver_offer_out(TXQ, at, (uint32_t)bytes);
	driver_kick(TXQ);
	virtio_write_status(dev, 0);
	fake_net.full = false;
	fake_net.again(fake_net.device);
	ck_assert_uint_eq(fake_net.sent, 0);
	ck_assert(driver_start(ALL, 16));
	at = frame_at(NULL, 46, &bytes);
	driver_offer_out(TXQ, at, (uint32_t)bytes);
	fake_net.again(fake_net.device);
	ck_assert_uint_eq(fake_net.sent, 0);
	driver_kick(TXQ);
	ck_assert_uint_eq(fake_net.sent, 1);
}
END_TEST

/* Frames of before DRIVER_OK go out with it (3.1.1: the driver may fill queues before). */
START_TEST(test_frames_before_driver_ok)
{
	size_t bytes;
	uint64_t at;

	ck_assert(driver_negotiate(ALL));
	for (unsigned q = 0; q < 3; q++)
		driver_queue_setup(q, 16);
	at = frame_at(NULL, 46, &bytes);
	driver_offer_out(TXQ, at, (uint32_t)bytes);
	driver_kick(TXQ);
	ck_assert_uint_eq(fake_net.sent, 0);
	driver_ok();
	ck_assert_uint_eq(fake_net.sent, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio_net_tx");
	TCase *tc = tcase_create("tx");

	if (driver_ram())
		return EXIT_FAILURE;
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_5_1_6_2_plain_frame);
	tcase_add_test(tc, test_any_layout);
	tcase_add_test(tc, test_indirect_descriptors);
	tcase_add_test(tc, test_frame_is_not_copied);
	tcase_add_test(tc, test_5_1_6_2_2_unknown_flags);
	tcase_add_test(tc, test_5_1_6_2_2_no_needs_csum);
	tcase_add_test(tc, test_5_1_6_2_partial_checksum);
	tcase_add_test(tc, test_5_1_6_2_2_hdr_len_is_a_hint);
	tcase_add_test(tc, test_5_1_6_2_segmentation);
	tcase_add_test(tc, test_5_1_6_2_1_what_cannot_be_sent);
	tcase_add_test(tc, test_5_1_6_2_1_not_negotiated);
	tcase_add_test(tc, test_sizes);
	tcase_add_test(tc, test_batch);
	tcase_add_test(tc, test_2_7_7_interrupts_suppressed);
	tcase_add_test(tc, test_interrupt_is_late);
	tcase_add_test(tc, test_interrupt_is_no_news);
	tcase_add_test(tc, test_reset_before_the_late_interrupt);
	tcase_add_test(tc, test_2_7_10_next_kick);
	tcase_add_test(tc, test_no_room);
	tcase_add_test(tc, test_reset_while_waiting);
	tcase_add_test(tc, test_frames_before_driver_ok);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
