// SPDX-License-Identifier: MIT
/*
 * virtio-net: reception (virtio 1.2, 5.1.6.3, 5.1.6.4), one test for each requirement of
 * the device; merging of buffers, frames that do not fit, want of buffers.
 */
#include "net_card.h"

static void setup(void)
{
	card_add();
}

static const struct virtio_net_hdr_v1 *header_at(uint64_t gpa)
{
	return guest(gpa);
}

/* A frame to the card; what was given is in `frame`. */
static bool give(size_t payload, uint8_t seed)
{
	size_t bytes = frame_make(frame, card_mac, payload, seed);
	bool taken = net_give(frame, bytes);

	if (taken)
		net_batch_end();
	return taken;
}

static bool give_header(const struct virtio_net_hdr_v1 *header, size_t payload)
{
	size_t bytes = frame_make(frame, card_mac, payload, 9);
	uint32_t id, len;

	memcpy(frame, header, NET_HEADER);
	ck_assert(net_give(frame, bytes));
	net_batch_end();
	return driver_used(RXQ, &id, &len);
}

START_TEST(test_5_1_6_4_one_frame)
{
	uint64_t at;
	uint32_t id, len;

	ck_assert(driver_start(ALL, 16));
	at = card_buffers(4, 2048);
	ck_assert(give(46, 1));
	ck_assert(driver_used(RXQ, &id, &len));
	ck_assert_uint_eq(id, 0);
	ck_assert_uint_eq(len, NET_HEADER + 60);
	ck_assert_uint_eq(irqs[RXQ], 1);
	ck_assert(!memcmp(guest(at + NET_HEADER), frame + NET_HEADER, 60));
	ck_assert(give(100, 2));
	ck_assert(driver_used(RXQ, &id, &len));
	ck_assert_uint_eq(id, 1);
	ck_assert(!memcmp(guest(at + 2048 + NET_HEADER), frame + NET_HEADER, 114));
}
END_TEST

/* 5.1.6.3.2, 5.1.6.4.1: without MRG_RXBUF "num_buffers MUST be 1" and "only a single descriptor". */
START_TEST(test_5_1_6_4_1_not_mergeable)
{
	uint64_t at;
	uint32_t id, len;

	ck_assert(driver_start(ALL & ~F(MRG_RXBUF), 16));
	at = card_buffers(3, 2048);
	ck_assert(give(46, 1));
	ck_assert_uint_eq(header_at(at)->num_buffers, 1);
	/* One that needs more than one buffer is dropped, and the next one received. */
	ck_assert(give(4000, 2));
	ck_assert_uint_eq(driver_used_count(RXQ), 1);
	ck_assert(give(46, 3));
	ck_assert(driver_used(RXQ, &id, &len));
	ck_assert(driver_used(RXQ, &id, &len));
	ck_assert_uint_eq(id, 1);
	ck_assert(!memcmp(guest(at + 2048 + NET_HEADER), frame + NET_HEADER, 60));
	ck_assert_uint_eq(card()->count.rx_too_long, 1);
	/* To the last byte. */
	ck_assert(give(2048 - NET_HEADER - 14, 4));
	ck_assert(driver_used(RXQ, &id, &len));
	ck_assert_uint_eq(len, 2048);
}
END_TEST

/* 5.1.6.3.2: "num_buffers to the number of descriptors used"; 5.1.6.4.1: "all buffers but the last
 * completely". */
START_TEST(test_5_1_6_4_1_merging)
{
	static const size_t payloads[] = { 0, 1000 - 26, 1000 - 25, 2500, 3000 - 26, 3000 - 25, 9000 };

	for (unsigned i = 0; i < array_size(payloads); i++) {
		size_t bytes = NET_HEADER + 14 + payloads[i], rest = bytes;
		unsigned buffers = (unsigned)((bytes + 999) / 1000);
		uint32_t id, len;
		uint64_t at;

		ck_assert(driver_start(ALL, 64));
		at = card_buffers(20, 1000);
		ck_assert(give(payloads[i], (uint8_t)i));
		ck_assert_uint_eq(driver_used_count(RXQ), buffers);
		ck_assert_uint_eq(header_at(at)->num_buffers, buffers);
		for (unsigned b = 0; b < buffers; b++) {
			ck_assert(driver_used(RXQ, &id, &len));
			ck_assert_uint_eq(id, b);
			ck_assert_uint_eq(len, rest > 1000 ? 1000 : rest);
			rest -= len;
		}
		ck_assert(!memcmp(guest(at + NET_HEADER), frame + NET_HEADER, bytes - NET_HEADER));
		/* The buffers behind it are free for the next. */
		ck_assert(give(46, 1));
		ck_assert(driver_used(RXQ, &id, &len));
		ck_assert_uint_eq(id, buffers);
	}
}
END_TEST

/* Buffers of many parts, of which some are as small as can be. */
START_TEST(test_scattered_buffers)
{
	uint64_t at;
	uint32_t id, len;
	uint8_t got[2000];
	size_t n = 0;

	ck_assert(driver_start(ALL, 64));
	at = guest_alloc(8192);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t to = at + i * 2048;

		driver_offer(RXQ, (struct driver_part[]){
			{ to, 1, true }, { to + 10, 10, true }, { to + 30, 1, true },
			{ to + 40, 300, true } }, 4);
	}
	driver_kick(RXQ);
	ck_assert(give(600, 5));
	ck_assert_uint_eq(driver_used_count(RXQ), 3);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(driver_used(RXQ, &id, &len));
		memcpy(got + n, guest(at + i * 2048), 1);
		memcpy(got + n + 1, guest(at + i * 2048 + 10), 10);
		memcpy(got + n + 11, guest(at + i * 2048 + 30), 1);
		memcpy(got + n + 12, guest(at + i * 2048 + 40), 300);
		n += 312;
	}
	ck_assert(!memcmp(got + NET_HEADER, frame + NET_HEADER, 614));
	ck_assert_uint_eq(got[10], 3);
}
END_TEST

/* 5.1.6.4.1: "MUST use all buffers used by a single receive packet together": none is shown before all
 * are, nor before the batch's end. */
START_TEST(test_5_1_6_4_1_all_together)
{
	size_t bytes = frame_make(frame, card_mac, 5000, 1);

	ck_assert(driver_start(ALL, 64));
	card_buffers(20, 1000);
	ck_assert(net_give(frame, bytes));
	ck_assert_uint_eq(driver_used_count(RXQ), 0);
	net_batch_end();
	ck_assert_uint_eq(driver_used_count(RXQ), 6);
	ck_assert_uint_eq(irqs[RXQ], 1);
}
END_TEST

START_TEST(test_batch_is_one_interrupt)
{
	ck_assert(driver_start(ALL, 64));
	card_buffers(32, 2048);
	for (unsigned i = 0; i < 20; i++)
		ck_assert(net_give(frame, frame_make(frame, card_mac, 46, 1)));
	net_batch_end();
	ck_assert_uint_eq(irqs[RXQ], 1);
	ck_assert_uint_eq(driver_used_count(RXQ), 20);
	net_batch_end();
	ck_assert_uint_eq(irqs[RXQ], 1);
}
END_TEST

/* 5.1.6.4.1: "If VIRTIO_NET_F_GUEST_CSUM is not negotiated, the device MUST set flags to zero". */
START_TEST(test_5_1_6_4_1_no_guest_csum)
{
	const struct virtio_net_hdr_v1 valid = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	const struct virtio_net_hdr_v1 needs = { .flags = 1, .csum_start = 34, .csum_offset = 6 };
	uint64_t at;

	ck_assert(driver_start(F(MRG_RXBUF), 16));
	at = card_buffers(4, 2048);
	ck_assert(give_header(&valid, 46));
	ck_assert_uint_eq(header_at(at)->flags, 0);
	/* A frame whose checksum is not done cannot be received at all. */
	ck_assert(!give_header(&needs, 46));
}
END_TEST

/* 5.1.6.4.1: NEEDS_CSUM and DATA_VALID where GUEST_CSUM was negotiated; no other flag ever
 * (RSC_INFO MUST NOT be set without RSC_EXT). */
START_TEST(test_5_1_6_4_1_flags)
{
	const struct virtio_net_hdr_v1 header = {
		.flags = 0xff, .csum_start = 34, .csum_offset = 6,
	};
	struct virtio_net_hdr_v1 beyond = header;
	uint64_t at;

	ck_assert(driver_start(F(MRG_RXBUF) | F(GUEST_CSUM), 16));
	at = card_buffers(4, 2048);
	ck_assert(give_header(&header, 46));
	ck_assert_uint_eq(header_at(at)->flags,
			  VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID);
	ck_assert_uint_eq(header_at(at)->csum_start, 34);
	ck_assert_uint_eq(header_at(at)->csum_offset, 6);
	/* csum_start and csum_offset MUST be such that the checksum lies in the frame. */
	beyond.csum_start = 59;
	ck_assert(!give_header(&beyond, 46));
}
END_TEST

/* 5.1.6.4.1: gso_type only as negotiated: GUEST_TSO4, GUEST_TSO6, GUEST_ECN, never UDP or UDP_L4. */
START_TEST(test_5_1_6_4_1_gso_types)
{
	const uint64_t c = F(MRG_RXBUF) | F(GUEST_CSUM);
	const uint64_t tso4 = c | F(GUEST_TSO4), tso6 = c | F(GUEST_TSO6);
	const struct { uint64_t features; uint8_t gso; bool good; } cases[] = {
		{ c, 1, false }, { c, 4, false }, { c, 3, false }, { c, 5, false },
		{ tso4, 1, true }, { tso4, 4, false }, { tso4, 0x81, false },
		{ tso6, 4, true }, { tso6, 1, false }, { tso6, 0x84, false },
		{ tso4 | F(GUEST_ECN), 0x81, true }, { tso6 | F(GUEST_ECN), 0x84, true },
		{ tso4 | tso6 | F(GUEST_ECN), 3, false }, { tso4 | tso6, 5, false },
		{ tso4 | tso6, 2, false }, { tso4, 0, true },
	};

	for (unsigned i = 0; i < array_size(cases); i++) {
		const struct virtio_net_hdr_v1 header = {
			.flags = 1, .csum_start = 34, .csum_offset = 16,
			.gso_type = cases[i].gso, .gso_size = 1448, .hdr_len = 54,
		};
		uint64_t at;

		ck_assert(driver_start(cases[i].features, 64));
		at = card_buffers(8, 2048);
		ck_assert_msg(give_header(&header, 3000) == cases[i].good, "case %u", i);
		if (cases[i].good) {
			ck_assert_uint_eq(header_at(at)->gso_type, cases[i].gso);
			ck_assert_uint_eq(header_at(at)->gso_size, 1448);
			ck_assert_uint_eq(header_at(at)->hdr_len, 54);
		}
	}
}
END_TEST

/* 5.1.6.4.1: with a gso_type "the device MUST also set NEEDS_CSUM" and "MUST set gso_size". */
START_TEST(test_5_1_6_4_1_gso_needs_csum_and_size)
{
	const struct virtio_net_hdr_v1 no_csum = { .gso_type = 1, .gso_size = 1448 };
	const struct virtio_net_hdr_v1 no_size = {
		.flags = 1, .csum_start = 34, .csum_offset = 16, .gso_type = 1,
	};

	ck_assert(driver_start(ALL, 64));
	card_buffers(8, 2048);
	ck_assert(!give_header(&no_csum, 3000));
	ck_assert(!give_header(&no_size, 3000));
	ck_assert_uint_eq(card()->count.rx_bad, 2);
}
END_TEST

/* The largest frame there is, into buffers of a page, in one go and byte for byte. */
START_TEST(test_largest_frame)
{
	size_t bytes = NET_HEADER + NET_FRAME_MAX;
	uint64_t at;

	ck_assert(driver_start(ALL, 64));
	at = card_buffers(40, 4096);
	ck_assert(give(NET_FRAME_MAX - 14, 7));
	ck_assert_uint_eq(driver_used_count(RXQ), (bytes + 4095) / 4096);
	ck_assert(!memcmp(guest(at + NET_HEADER), frame + NET_HEADER, bytes - NET_HEADER));
	ck_assert_uint_eq(card()->rx.room >= bytes, 1);
}
END_TEST

/* 5.1.6.3: no buffers, no reading; the kick brings it back. */
START_TEST(test_no_buffers)
{
	unsigned rooms;

	ck_assert(driver_start(ALL, 16));
	ck_assert(!give(46, 1));
	rooms = fake_net.rooms;
	card_buffers(1, 2048);
	ck_assert_uint_eq(fake_net.rooms, rooms + 1);
	ck_assert(give(46, 1));
	ck_assert(!give(46, 1));
	card_buffers(1, 2048);
	ck_assert_uint_eq(fake_net.rooms, rooms + 2);
	ck_assert(give(46, 1));
	ck_assert_uint_eq(driver_used_count(RXQ), 2);
}
END_TEST

/* 2.7.10: kicks are asked for only while there is nothing to receive into. */
START_TEST(test_2_7_10_kicks_only_when_starved)
{
	const uint16_t *flags;

	ck_assert(driver_start(ALL, 16));
	flags = guest(dq[RXQ].used);
	card_buffers(2, 2048);
	ck_assert_uint_eq(*flags & 1, 0);
	ck_assert(give(46, 1));
	ck_assert_uint_eq(*flags & 1, 1);
	ck_assert(give(46, 1));
	ck_assert_uint_eq(*flags & 1, 1);
	ck_assert(!give(46, 1));
	ck_assert_uint_eq(*flags & 1, 0);
}
END_TEST

/* A frame that began in too few buffers is finished when the driver gives more, tail and all. */
START_TEST(test_frame_waits_for_buffers)
{
	uint64_t a, b;
	size_t bytes;

	ck_assert(driver_start(ALL, 64));
	a = card_buffers(3, 1000);
	bytes = frame_make(frame, card_mac, 4500, 3);
	ck_assert(net_give(frame, bytes));
	net_batch_end();
	ck_assert_uint_eq(driver_used_count(RXQ), 0);
	ck_assert(!net_give(frame, bytes));
	b = card_buffers(1, 1000);		/* still not enough */
	ck_assert_uint_eq(driver_used_count(RXQ), 0);
	ck_assert_uint_eq(b, a + 3008);
	b = card_buffers(4, 1000);
	ck_assert_uint_eq(driver_used_count(RXQ), 5);
	ck_assert_uint_eq(irqs[RXQ], 1);
	ck_assert_uint_eq(header_at(a)->num_buffers, 5);
	ck_assert(!memcmp(guest(a + NET_HEADER), frame + NET_HEADER, 3000 - NET_HEADER));
	ck_assert(!memcmp(guest(a + 3008), frame + 3000, 1000));
	ck_assert(!memcmp(guest(b), frame + 4000, bytes - 4000));
	ck_assert(give(46, 1));
	ck_assert_uint_eq(driver_used_count(RXQ), 6);
}
END_TEST

/* The same where the driver gives buffers little by little, and kicks only when asked to (2.7.10). */
START_TEST(test_frame_waits_for_kicks_asked_for)
{
	uint16_t *avail_event;
	size_t bytes;

	ck_assert(driver_start(dev->offered, 64));
	avail_event = guest(dq[RXQ].used + 4 + 8 * 64);
	card_buffers(3, 1000);
	bytes = frame_make(frame, card_mac, 6500, 3);
	ck_assert(net_give(frame, bytes));
	net_batch_end();
	ck_assert(!net_give(frame, bytes));
	for (uint16_t n = 3; n < 7; n++) {
		ck_assert_uint_eq(driver_used_count(RXQ), 0);
		ck_assert_uint_eq(*avail_event, n);
		card_buffers(1, 1000);
	}
	ck_assert_uint_eq(driver_used_count(RXQ), 7);
	ck_assert(!give(46, 1));
	ck_assert_uint_eq(*avail_event, 7);
}
END_TEST

/* Buffers are there before the kick, and the back-end comes by: the frame that waited is shown. */
START_TEST(test_frame_that_waited_is_shown_at_once)
{
	struct iovec iov[8];
	uint64_t at;

	ck_assert(driver_start(ALL, 64));
	card_buffers(3, 1000);
	ck_assert(net_give(frame, frame_make(frame, card_mac, 4500, 3)));
	net_batch_end();
	ck_assert(!net_give(frame, 100));
	at = guest_alloc(4000);
	for (unsigned i = 0; i < 4; i++)
		driver_offer_in(RXQ, at + i * 1000, 1000);
	ck_assert_uint_gt(fake_net.client->room(fake_net.device, iov, 8), 0);
	ck_assert_uint_eq(driver_used_count(RXQ), 5);
	ck_assert_uint_eq(irqs[RXQ], 1);
}
END_TEST

/* A frame that waited is gone with a reset. */
START_TEST(test_reset_while_a_frame_waits)
{
	ck_assert(driver_start(ALL, 64));
	card_buffers(3, 1000);
	ck_assert(net_give(frame, frame_make(frame, card_mac, 4500, 3)));
	ck_assert(driver_start(ALL, 64));
	card_buffers(10, 1000);
	ck_assert_uint_eq(driver_used_count(RXQ), 0);
	ck_assert(give(46, 1));
	ck_assert_uint_eq(driver_used_count(RXQ), 1);
}
END_TEST

/* More than the whole queue holds: dropped, and the card goes on. */
START_TEST(test_frame_that_never_fits)
{
	ck_assert(driver_start(ALL, 4));
	card_buffers(4, 1000);
	ck_assert(give(9000, 1));
	ck_assert_uint_eq(driver_used_count(RXQ), 0);
	ck_assert(give(46, 1));
	ck_assert_uint_eq(driver_used_count(RXQ), 1);
	ck_assert_uint_eq(card()->count.rx_too_long, 1);
}
END_TEST

/* Large after small and back, byte for byte: the room adapts. */
START_TEST(test_sizes_mixed)
{
	uint32_t id, len;
	uint64_t at;

	ck_assert(driver_start(ALL, 128));
	at = card_buffers(128, 1024);
	for (unsigned i = 0; i < 2000; i++) {
		size_t payload = i % 700 == 699 ? 65000 : i % 50 == 3 ? 9000 : 40 + i % 900, n;
		uint8_t first = 0;
		size_t done = 0;

		ck_assert(net_give(frame, frame_make(frame, card_mac, payload, (uint8_t)i)));
		net_batch_end();
		ck_assert_msg(driver_used_count(RXQ), "frame %u", i);
		memset(frame, 0, NET_HEADER);
		while (driver_used(RXQ, &id, &len)) {
			uint8_t *p = guest(at + id * 1024ul);

			if (!first++) {
				n = header_at(at + id * 1024ul)->num_buffers;
				memset(p, 0, NET_HEADER);
			}
			ck_assert_msg(!memcmp(p, frame + done, len), "frame %u at %zu", i, done);
			done += len;
			driver_offer_in(RXQ, at + id * 1024ul, 1024);
		}
		ck_assert_uint_eq(n, first);
		ck_assert_uint_eq(done, payload + 26);
		driver_kick(RXQ);
	}
}
END_TEST

/* A back-end that takes few iovecs at a time. */
START_TEST(test_few_iovecs)
{
	uint64_t at;

	for (fake_net.iov_max = 2; fake_net.iov_max < 12; fake_net.iov_max++) {
		ck_assert(driver_start(ALL, 128));
		at = card_buffers(20, 512);
		ck_assert(give(5000, (uint8_t)fake_net.iov_max));
		ck_assert_uint_eq(driver_used_count(RXQ), 10);
		ck_assert(!memcmp(guest(at + NET_HEADER), frame + NET_HEADER, 5014));
	}
}
END_TEST

START_TEST(test_runts)
{
	ck_assert(driver_start(ALL, 16));
	card_buffers(2, 2048);
	frame_make(frame, card_mac, 46, 1);
	ck_assert(net_give(frame, NET_HEADER + 13));
	net_batch_end();
	ck_assert_uint_eq(driver_used_count(RXQ), 0);
	ck_assert(net_give(frame, NET_HEADER + 14));
	net_batch_end();
	ck_assert_uint_eq(driver_used_count(RXQ), 1);
}
END_TEST

/* 2.4.2.1: after a reset nothing is written to buffers that the driver gave before. */
START_TEST(test_reset_forgets_buffers)
{
	uint64_t at;
	unsigned stops;

	ck_assert(driver_start(ALL, 16));
	at = card_buffers(4, 2048);
	ck_assert(give(46, 1));
	memset(guest(at), 0, 4 * 2048);
	stops = fake_net.stops;
	virtio_write_status(dev, 0);
	ck_assert_uint_eq(fake_net.stops, stops + 1);
	ck_assert(!give(46, 1));
	fake_net.running = true;		/* even of a back-end that goes on asking */
	ck_assert(!give(46, 1));
	ck_assert(driver_start(ALL, 16));
	ck_assert(!give(46, 1));
	for (unsigned i = 0; i < 4 * 2048; i++)
		ck_assert_uint_eq(*(uint8_t *)guest(at + i), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio_net_rx");
	TCase *tc = tcase_create("rx");

	if (driver_ram())
		return EXIT_FAILURE;
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_5_1_6_4_one_frame);
	tcase_add_test(tc, test_5_1_6_4_1_not_mergeable);
	tcase_add_test(tc, test_5_1_6_4_1_merging);
	tcase_add_test(tc, test_scattered_buffers);
	tcase_add_test(tc, test_5_1_6_4_1_all_together);
	tcase_add_test(tc, test_batch_is_one_interrupt);
	tcase_add_test(tc, test_5_1_6_4_1_no_guest_csum);
	tcase_add_test(tc, test_5_1_6_4_1_flags);
	tcase_add_test(tc, test_5_1_6_4_1_gso_types);
	tcase_add_test(tc, test_5_1_6_4_1_gso_needs_csum_and_size);
	tcase_add_test(tc, test_largest_frame);
	tcase_add_test(tc, test_no_buffers);
	tcase_add_test(tc, test_2_7_10_kicks_only_when_starved);
	tcase_add_test(tc, test_frame_waits_for_buffers);
	tcase_add_test(tc, test_frame_waits_for_kicks_asked_for);
	tcase_add_test(tc, test_frame_that_waited_is_shown_at_once);
	tcase_add_test(tc, test_reset_while_a_frame_waits);
	tcase_add_test(tc, test_frame_that_never_fits);
	tcase_add_test(tc, test_sizes_mixed);
	tcase_add_test(tc, test_few_iovecs);
	tcase_add_test(tc, test_runts);
	tcase_add_test(tc, test_reset_forgets_buffers);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
