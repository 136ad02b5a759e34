// SPDX-License-Identifier: MIT
/*
 * virtio-net against drivers that break the rules: the card stops and asks for a reset
 * (virtio 1.2, 2.1.2), touches no memory then, and works again after it.
 */
#include "net_card.h"

static void setup(void)
{
	card_add();
}

/* After `break_it` the card is stopped: nothing moves any more; a reset mends it. */
static void expect_stopped(void)
{
	unsigned sent = fake_net.sent;
	uint32_t id, len;
	size_t bytes;
	uint64_t at;

	ck_assert(dev->status & S_NEEDS_RESET);
	ck_assert_uint_ge(config_irqs, 1);
	at = card_buffers(1, 2048);
	bytes = frame_make(frame, card_mac, 46, 1);
	ck_assert(!net_give(frame, bytes));
	net_batch_end();
	driver_offer_out(TXQ, at, 100);
	driver_kick(TXQ);
	ck_assert_uint_eq(fake_net.sent, sent);
	ck_assert(driver_start(ALL, 16));
	at = card_buffers(2, 2048);
	ck_assert(net_give(frame, frame_make(frame, card_mac, 46, 1)));
	net_batch_end();
	ck_assert(driver_used(RXQ, &id, &len));
	memcpy(guest(at + 2048), frame, bytes);
	driver_offer_out(TXQ, at + 2048, (uint32_t)bytes);
	driver_kick(TXQ);
	ck_assert_uint_eq(fake_net.sent, sent + 1);
}

START_TEST(test_receive_buffers)
{
	const struct driver_part bad[] = {
		{ DRIVER_HEAP, 2048, false },		/* readable */
		{ DRIVER_HEAP, NET_HEADER - 1, true },	/* shorter than a header */
		{ DRIVER_HEAP, 0, true },
		{ DRIVER_RAM - 100, 2048, true },	/* beyond RAM */
		{ 0xfee00000, 2048, true },
		{ ~0ul - 100, 2048, true },
	};

	for (unsigned i = 0; i < array_size(bad); i++) {
		config_irqs = 0;
		ck_assert(driver_start(ALL, 16));
		driver_offer(RXQ, &bad[i], 1);
		driver_kick(RXQ);
		ck_assert(!net_give(frame, frame_make(frame, card_mac, 46, 1)));
		expect_stopped();
	}
}
END_TEST

START_TEST(test_receive_buffer_with_readable_part)
{
	ck_assert(driver_start(ALL, 16));
	driver_offer(RXQ, (struct driver_part[]){ { DRIVER_HEAP, 100, false },
						  { DRIVER_HEAP, 2048, true } }, 2);
	driver_kick(RXQ);
	ck_assert(!net_give(frame, frame_make(frame, card_mac, 46, 1)));
	expect_stopped();
}
END_TEST

/* The bad one comes behind good ones: found while a frame is already in some of them. */
START_TEST(test_receive_buffers_in_the_middle)
{
	size_t bytes = frame_make(frame, card_mac, 3000, 1);

	ck_assert(driver_start(ALL & ~F(GUEST_TSO4) & ~F(GUEST_TSO6) & ~F(GUEST_ECN), 16));
	card_buffers(2, 1000);
	driver_offer_in(RXQ, DRIVER_RAM - 100, 2048);
	net_give(frame, bytes);
	net_batch_end();
	ck_assert_uint_eq(driver_used_count(RXQ), 0);
	expect_stopped();
}
END_TEST

START_TEST(test_frames_to_send)
{
	const struct driver_part bad[] = {
		{ DRIVER_HEAP, 100, true },		/* writable */
		{ DRIVER_HEAP, NET_HEADER - 1, false },
		{ DRIVER_HEAP, 0, false },
		{ DRIVER_RAM - 100, 2048, false },
		{ ~0ul - 100, 2048, false },
	};

	for (unsigned i = 0; i < array_size(bad); i++) {
		config_irqs = 0;
		ck_assert(driver_start(ALL, 16));
		driver_offer(TXQ, &bad[i], 1);
		driver_kick(TXQ);
		ck_assert_uint_eq(fake_net.sent, 0);
		fake_net.sent = 0;
		expect_stopped();
		fake_net.sent = 0;
	}
}
END_TEST

START_TEST(test_frame_to_send_with_writable_part)
{
	ck_assert(driver_start(ALL, 16));
	driver_offer(TXQ, (struct driver_part[]){ { DRIVER_HEAP, 100, false },
						  { DRIVER_HEAP, 100, true } }, 2);
	driver_kick(TXQ);
	ck_assert_uint_eq(fake_net.sent, 0);
	expect_stopped();
}
END_TEST

/* A chain that is a circle; an index that ran away; a head beyond the table. */
START_TEST(test_rings)
{
	for (unsigned q = 0; q < 3; q++)
		for (unsigned kind = 0; kind < 3; kind++) {
			config_irqs = 0;
			fake_net.sent = 0;
			ck_assert(driver_start(ALL, 16));
			*driver_desc(q, 0) = (struct driver_desc){
				DRIVER_HEAP, 64, (uint16_t)(D_NEXT | (q ? 0 : D_WRITE)), 0 };
			driver_make_available(q, kind == 2 ? 16 : 0);
			if (kind == 1)
				*(uint16_t *)guest(dq[q].avail + 2) = 17;
			driver_kick(q);
			net_give(frame, frame_make(frame, card_mac, 46, 1));
			expect_stopped();
		}
}
END_TEST

/* Buffers that overlap each other, the rings, or the frame's own header: harmless. */
START_TEST(test_overlapping)
{
	ck_assert(driver_start(ALL, 16));
	for (unsigned i = 0; i < 4; i++)
		driver_offer_in(RXQ, DRIVER_HEAP + 3 * MIB, 1000);
	driver_kick(RXQ);
	/* The frame's end lies over its header, which decides what becomes of it. */
	memset(frame, 0, sizeof(frame));
	ck_assert(net_give(frame, 3526));
	net_batch_end();
	ck_assert(driver_used_count(RXQ) == 0 || driver_used_count(RXQ) == 4);
	ck_assert(virtio_running(dev));
	/* The queue's own memory: whatever the driver gets of it, we stay whole. */
	driver_offer_in(RXQ, dq[RXQ].desc, 4096);
	driver_kick(RXQ);
	net_give(frame, frame_make(frame, card_mac, 1500, 1));
	net_batch_end();
	driver_offer_out(TXQ, dq[TXQ].desc, 4096);
	driver_kick(TXQ);
	ck_assert(driver_start(ALL, 16));
	ck_assert(virtio_running(dev));
}
END_TEST

/* More parts than a system call takes, once a header of ours stands in front. */
START_TEST(test_very_many_parts)
{
	struct driver_desc *table;
	uint64_t t, data;

	ck_assert(driver_start(ALL | BIT(VIRTIO_F_INDIRECT_DESC), 16));
	t = guest_alloc(16 * 1024);
	data = guest_alloc(64 * 1024);
	*(uint8_t *)guest(data) = 0xf0;		/* flags: the header is replaced */
	table = guest(t);
	for (unsigned i = 0; i < 1024; i++)
		table[i] = (struct driver_desc){ data + i * 32, i ? 1 : 20,
						 i < 1023 ? D_NEXT : 0, (uint16_t)(i + 1) };
	*driver_desc(TXQ, 0) = (struct driver_desc){ t, 16 * 1024, D_INDIRECT, 0 };
	driver_make_available(TXQ, 0);
	driver_kick(TXQ);
	ck_assert_uint_eq(driver_used_count(TXQ), 1);
	ck_assert_uint_eq(fake_net.sent, 0);
	ck_assert(virtio_running(dev));
	*(uint8_t *)guest(data) = 0;
	driver_make_available(TXQ, 0);
	driver_kick(TXQ);
	ck_assert_uint_eq(fake_net.sent, 1);
}
END_TEST

/* 4.1.4 with PCI's bus mastering: while the transport has taken the device off, nothing is touched. */
START_TEST(test_suspended)
{
	uint64_t at;

	ck_assert(driver_start(ALL, 16));
	at = card_buffers(4, 2048);
	dev->suspended = true;
	ck_assert(!net_give(frame, frame_make(frame, card_mac, 46, 1)));
	driver_offer_out(TXQ, at, 100);
	driver_kick(TXQ);
	ck_assert_uint_eq(fake_net.sent, 0);
	dev->suspended = false;
	virtio_resume(dev);
	ck_assert_uint_eq(fake_net.sent, 1);
	ck_assert(net_give(frame, frame_make(frame, card_mac, 46, 1)));
}
END_TEST

/* Commands to a card that is not set up, in any order. */
START_TEST(test_not_set_up)
{
	for (unsigned q = 0; q < VIRTIO_QUEUES_MAX; q++)
		driver_kick(q);
	ck_assert(!net_give(frame, frame_make(frame, card_mac, 46, 1)));
	net_batch_end();
	fake_net.running = true;
	ck_assert(!net_give(frame, frame_make(frame, card_mac, 46, 1)));
	fake_net.client->link(fake_net.device, false);
	/* DRIVER_OK without a single queue. */
	ck_assert(driver_negotiate(ALL));
	driver_ok();
	ck_assert(!net_give(frame, frame_make(frame, card_mac, 46, 1)));
	for (unsigned q = 0; q < VIRTIO_QUEUES_MAX; q++)
		driver_kick(q);
	ck_assert_uint_eq(irqs[RXQ] + irqs[TXQ] + irqs[CTRLQ], 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio_net_hostile");
	TCase *tc = tcase_create("hostile");

	if (driver_ram())
		return EXIT_FAILURE;
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_receive_buffers);
	tcase_add_test(tc, test_receive_buffer_with_readable_part);
	tcase_add_test(tc, test_receive_buffers_in_the_middle);
	tcase_add_test(tc, test_frames_to_send);
	tcase_add_test(tc, test_frame_to_send_with_writable_part);
	tcase_add_test(tc, test_rings);
	tcase_add_test(tc, test_overlapping);
	tcase_add_test(tc, test_very_many_parts);
	tcase_add_test(tc, test_suspended);
	tcase_add_test(tc, test_not_set_up);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
