/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk and its queues: requests in any framing, broken ones, batches, resets,
 * what is in flight (virtio 1.2, chapter 2 and 5.2.6).
 */
#include "virtio_blk_driver.h"

/* ---- 2.7.4.2: "The device MUST NOT make assumptions about the particular arrangement of
 * descriptors." ---- */

/* Cut `length` bytes at guest address `at` into n parts. */
static unsigned cut(struct driver_part *parts, uint64_t at, uint32_t length, unsigned n, bool in)
{
	unsigned i = 0;

	while (length) {
		uint32_t part = i + 1 < n ? length / (n - i) : length;

		if (!part)
			part = 1;
		parts[i++] = (struct driver_part){ at, part, in };
		at += part + 64;	/* apart, or they would be merged again */
		length -= part;
	}
	return i;
}

/* Bytes in the parts of one direction, in order. */
static void parts_copy(const struct driver_part *parts, unsigned n, bool in, void *linear, bool to_guest)
{
	uint8_t *p = linear;

	for (unsigned i = 0; i < n; i++) {
		if (parts[i].in != in)
			continue;
		if (to_guest)
			memcpy(guest(parts[i].addr), p, parts[i].len);
		else
			memcpy(p, guest(parts[i].addr), parts[i].len);
		p += parts[i].len;
	}
}

START_TEST(framing_is_the_drivers)
{
	static const unsigned cuts[] = { 1, 2, 3, 5, 16, 17, 40 };
	uint8_t out[HEADER + 2048], in[2049];
	struct driver_part parts[100];
	unsigned n;
	uint32_t id;

	start(USUAL);
	for (unsigned i = 0; i < array_size(cuts); i++) {
		struct virtio_blk_outhdr h = { .type = VIRTIO_BLK_T_OUT, .sector = 64 };

		for (unsigned k = 0; k < 2048; k++)
			out[HEADER + k] = (uint8_t)(k * 3 + i);
		memcpy(out, &h, HEADER);
		/* Header and data in cuts that know nothing of where one ends. */
		n = cut(parts, DATA, sizeof(out), cuts[i], false);
		parts[n++] = (struct driver_part){ DATA + MIB, 1, true };
		parts_copy(parts, n, false, out, true);
		*(uint8_t *)guest(DATA + MIB) = 0xff;
		driver_offer(0, parts, n);
		driver_kick(0);
		fake_io_run();
		ck_assert(driver_used(0, &id, &used_length));
		ck_assert_uint_eq(*(uint8_t *)guest(DATA + MIB), VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(used_length, 1);
		memcpy(content + 64 * 512, out + HEADER, 2048);
		disk_is(content);

		/* Data and status in cuts, behind a header in cuts. */
		h.type = VIRTIO_BLK_T_IN;
		n = cut(parts, DATA, HEADER, cuts[array_size(cuts) - 1 - i], false);
		parts_copy(parts, n, false, &h, true);
		n += cut(parts + n, DATA + MIB, sizeof(in), cuts[i], true);
		memset(in, 0xee, sizeof(in));
		parts_copy(parts, n, true, in, true);
		driver_offer(0, parts, n);
		driver_kick(0);
		fake_io_run();
		ck_assert(driver_used(0, &id, &used_length));
		parts_copy(parts, n, true, in, false);
		ck_assert_mem_eq(in, out + HEADER, 2048);
		ck_assert_uint_eq(in[2048], VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(used_length, 2049);
	}
}
END_TEST

START_TEST(range_lists_and_ids_in_pieces)
{
	struct virtio_blk_outhdr h = { .type = VIRTIO_BLK_T_WRITE_ZEROES };
	struct virtio_blk_discard_write_zeroes r[2] = { { 5, 1, 0 }, { 9, 2, 1 } };
	uint8_t out[HEADER + sizeof(r)], in[21];
	struct driver_part parts[64];
	uint32_t id;
	unsigned n;

	start(USUAL);
	memcpy(out, &h, HEADER);
	memcpy(out + HEADER, r, sizeof(r));
	n = cut(parts, DATA, sizeof(out), 7, false);
	parts_copy(parts, n, false, out, true);
	parts[n++] = (struct driver_part){ DATA + MIB, 1, true };
	driver_offer(0, parts, n);
	driver_kick(0);
	fake_io_run();
	ck_assert(driver_used(0, &id, &used_length));
	ck_assert_uint_eq(*(uint8_t *)guest(DATA + MIB), VIRTIO_BLK_S_OK);
	memset(content + 5 * 512, 0, 512);
	memset(content + 9 * 512, 0, 1024);
	disk_is(content);

	h.type = VIRTIO_BLK_T_GET_ID;
	n = cut(parts, DATA, HEADER, 3, false);
	parts_copy(parts, n, false, &h, true);
	n += cut(parts + n, DATA + MIB, sizeof(in), 6, true);
	driver_offer(0, parts, n);
	driver_kick(0);
	ck_assert(driver_used(0, &id, &used_length));
	parts_copy(parts, n, true, in, false);
	ck_assert_mem_eq(in, serial, 20);
	ck_assert_uint_eq(in[20], VIRTIO_BLK_S_OK);
}
END_TEST

/* The longest chains that seg_max allows, indirect. */
START_TEST(seg_max_segments)
{
	struct driver_desc *table;
	uint64_t at;
	unsigned n, i;
	uint32_t id;

	start(USUAL | BIT(VIRTIO_F_INDIRECT_DESC));
	n = config_get().seg_max;
	header_write(VIRTIO_BLK_T_IN, 3);
	at = guest_alloc((n + 2) * sizeof(*table));
	table = guest(at);
	for (i = 0; i <= n + 1; i++)
		table[i] = (struct driver_desc){ DATA + i * 8192, 512, D_NEXT | D_WRITE, (uint16_t)(i + 1) };
	table[0] = (struct driver_desc){ last.header, HEADER, D_NEXT, 1 };
	table[n + 1] = (struct driver_desc){ last.status, 1, D_WRITE, 0 };
	*driver_desc(0, 0) = (struct driver_desc){ at, (n + 2) * 16, D_INDIRECT, 0 };
	driver_make_available(0, 0);
	driver_kick(0);
	fake_io_run();
	ck_assert(driver_used(0, &id, &used_length));
	ck_assert_uint_eq(status(), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(used_length, n * 512 + 1);
	for (i = 0; i < n; i++)
		ck_assert_mem_eq(guest(DATA + (i + 1) * 8192), content + (3 + i) * 512, 512);
}
END_TEST

/* ---- drivers that break the rules ---- */

START_TEST(short_headers_are_errors)
{
	uint32_t id;

	start(USUAL);
	for (uint32_t length = 0; length < HEADER; length++) {
		struct driver_part parts[2];
		unsigned n = 0;

		header_write(VIRTIO_BLK_T_OUT, 0);
		if (length)
			parts[n++] = (struct driver_part){ last.header, length, false };
		parts[n++] = (struct driver_part){ last.status, 1, true };
		driver_offer(0, parts, n);
		driver_kick(0);
		ck_assert(driver_used(0, &id, &used_length));
		ck_assert_uint_eq(status(), VIRTIO_BLK_S_IOERR);
	}
	ck_assert(!(dev->status & S_NEEDS_RESET));
}
END_TEST

START_TEST(no_room_for_the_status_breaks_the_device)
{
	uint32_t id;

	start(USUAL);
	header_write(VIRTIO_BLK_T_OUT, 0);
	driver_offer_out(0, last.header, HEADER);
	driver_kick(0);
	ck_assert(dev->status & S_NEEDS_RESET);
	ck_assert(!driver_used(0, &id, &used_length));
	ck_assert_uint_eq(config_irqs, 1);
	/* And a reset makes it well. */
	start(USUAL);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
}
END_TEST

/* Data in the part of the other direction is no data. */
START_TEST(data_the_wrong_way_round)
{
	struct driver_part parts[3];
	uint32_t id;

	start(USUAL);
	header_write(VIRTIO_BLK_T_OUT, 0);
	parts[0] = (struct driver_part){ last.header, HEADER, false };
	parts[1] = (struct driver_part){ DATA, 512, true };
	parts[2] = (struct driver_part){ last.status, 1, true };
	driver_offer(0, parts, 3);
	driver_kick(0);
	fake_io_run();
	ck_assert(driver_used(0, &id, &used_length));
	ck_assert_uint_eq(fake_io_calls[IO_WRITE], 0);
	/* 2.7.5.2: "A device MUST NOT write to a device-readable buffer". */
	memset(data(), 0xee, 512);
	header_write(VIRTIO_BLK_T_IN, 0);
	parts[0].addr = last.header;
	parts[1].in = false;
	parts[2].addr = last.status;
	driver_offer(0, parts, 3);
	driver_kick(0);
	fake_io_run();
	ck_assert(driver_used(0, &id, &used_length));
	for (unsigned i = 0; i < 512; i++)
		ck_assert_uint_eq(((uint8_t *)data())[i], 0xee);
	disk_is(content);
}
END_TEST

/* The header is looked at once: what changes behind it does not matter. */
static long header_changes(struct io_request *r)
{
	struct virtio_blk_outhdr h = { .type = VIRTIO_BLK_T_OUT, .sector = 1ull << 50 };

	(void)r;
	memcpy(guest(last.header), &h, HEADER);
	return 1;
}

START_TEST(headers_that_change_meanwhile)
{
	start(USUAL);
	fake_io_hook = header_changes;
	ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 7, DATA, 512), VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(data(), content + 7 * 512, 512);
	disk_is(content);
}
END_TEST

/* ---- batches, queues, resets ---- */

START_TEST(one_flush_per_kick_one_interrupt_per_batch)
{
	uint32_t id, length;

	start(USUAL);
	for (unsigned i = 0; i < 16; i++)
		offer(0, VIRTIO_BLK_T_IN, i, DATA + i * 512, 512);
	driver_kick(0);
	ck_assert_uint_eq(fake_io_flushed, 1);
	ck_assert_uint_eq(fake_io_queued, 16);
	/* The data alone goes to the host, as it lies in memory. */
	for (unsigned i = 0; i < 16; i++) {
		ck_assert_uint_eq(fake_io_queue[i].r->iov_count, 1);
		ck_assert_ptr_eq(fake_io_queue[i].r->iov->iov_base, ram_dma(GPA(DATA + i * 512), 512));
	}
	ck_assert(!driver_used(0, &id, &length));
	ck_assert_uint_eq(irqs[0], 0);
	io_poll();
	ck_assert_uint_eq(driver_used_count(0), 16);
	ck_assert_uint_eq(irqs[0], 1);
	ck_assert_mem_eq(data(), content, 16 * 512);
	io_poll();
	ck_assert_uint_eq(irqs[0], 1);
}
END_TEST

/* ---- while much is in flight: neither kicks nor interrupts for each ---- */

static void offer_read(unsigned i)
{
	offer(0, VIRTIO_BLK_T_IN, i, DATA + i * 512, 512);
}

static bool kick_wanted(void)
{
	const uint16_t *event = guest(dq[0].used + 4 + 8 * QUEUE), *avail = guest(dq[0].avail);

	return *event == avail[1];		/* at the next chain */
}

static void start_reads(unsigned n)
{
	start(USUAL | BIT(VIRTIO_F_EVENT_IDX));
	fake_io_one = true;
	for (unsigned i = 0; i < n; i++)
		offer_read(i);
	driver_kick(0);
	ck_assert_uint_eq(fake_io_queued, n);
}

START_TEST(a_single_request_is_told_at_once)
{
	for (unsigned i = 0; i < 5; i++) {
		start_reads(1);
		ck_assert(io_poll());
		ck_assert_uint_eq(irqs[0], i + 1);
		ck_assert(kick_wanted());
	}
	ck_assert_uint_ge(timers_next(), fake_now + 1000000);
}
END_TEST

/* It has seen all, and waits for the next. */
static void driver_sees(void)
{
	uint16_t *avail = guest(dq[0].avail);
	uint32_t id, length;

	while (driver_used(0, &id, &length))
		;
	avail[2 + QUEUE] = dq[0].seen;
}

START_TEST(interrupts_are_put_off_while_busy)
{
	start_reads(20);
	for (unsigned i = 0; i < 7; i++)
		io_poll();
	ck_assert_uint_eq(driver_used_count(0), 7);	/* to be seen by who looks */
	ck_assert_uint_eq(irqs[0], 0);
	io_poll();
	ck_assert_uint_eq(irqs[0], 1);			/* eight are worth it */
	driver_sees();
	io_poll();
	ck_assert_uint_eq(irqs[0], 1);
	fake_sleep(200000);
	ck_assert_uint_eq(irqs[0], 2);			/* or time */
	driver_sees();
	io_poll();
	io_idle();
	ck_assert_uint_eq(irqs[0], 3);			/* or the guest's waiting */
	io_idle();
	fake_sleep(200000);
	ck_assert_uint_eq(irqs[0], 3);
	fake_io_run();
	ck_assert_uint_eq(driver_used_count(0), 11);
}
END_TEST

/* What the driver has seen meanwhile is no news. */
START_TEST(interrupts_that_are_no_news_are_dropped)
{
	start_reads(20);
	for (unsigned i = 0; i < 3; i++)
		io_poll();
	driver_sees();
	fake_sleep(200000);
	ck_assert_uint_eq(irqs[0], 0);
	io_poll();
	fake_sleep(200000);
	ck_assert_uint_eq(irqs[0], 1);
}
END_TEST

START_TEST(kicks_are_not_asked_for_while_busy)
{
	start_reads(16);
	ck_assert(!kick_wanted());
	offer_read(16);					/* seen at the next completion */
	io_poll();
	ck_assert_uint_eq(fake_io_queued, 16);
	offer_read(17);					/* when the guest waits */
	io_idle();
	ck_assert_uint_eq(fake_io_queued, 17);
	offer_read(18);					/* or soon, whatever the others do */
	fake_sleep(10000000);
	ck_assert_uint_eq(fake_io_queued, 18);
	fake_io_run();
	ck_assert_uint_eq(driver_used_count(0), 19);
	ck_assert(kick_wanted());
	/* And nothing goes on ticking. */
	fake_sleep(20000000);
	ck_assert_uint_eq(timers_next(), TIMER_NEVER);
}
END_TEST

/* Bus mastering off and on again while requests are in flight: nothing is forgotten. */
START_TEST(suspended_while_busy)
{
	start_reads(16);
	dev->suspended = true;
	offer_read(16);
	fake_io_one = false;
	io_poll();
	fake_sleep(300000);
	ck_assert_uint_eq(driver_used_count(0), 0);
	ck_assert_uint_eq(irqs[0], 0);
	dev->suspended = false;
	fake_sleep(30000000);
	io_poll();
	fake_sleep(300000);
	ck_assert_uint_eq(driver_used_count(0), 17);
	ck_assert_uint_ge(irqs[0], 1);
}
END_TEST

/* A guest that has something else to do, but gives one request at a time: after a few vain
 * delays it is told at once again, but for a try now and then. */
START_TEST(vain_delays_end)
{
	unsigned late = 0;

	start_reads(16);
	fake_io_run();
	fake_io_one = true;
	for (unsigned i = 0; i < 500; i++) {
		unsigned before = irqs[0];

		driver_sees();
		heap = DRIVER_HEAP + 65536;
		offer_read(i % 32);
		driver_kick(0);
		ck_assert(io_poll());
		late += irqs[0] == before;
		fake_sleep(120000);
		ck_assert_uint_eq(irqs[0], before + 1);
	}
	ck_assert_uint_le(late, 8 + 500 / 64 + 1);
}
END_TEST

/* 2.7.7.2, 2.7.10.1: with event indices as without, and with more requests than fit the queue. */
START_TEST(requests_without_end)
{
	static const uint64_t features[] = { 0, BIT(VIRTIO_F_EVENT_IDX), BIT(VIRTIO_F_INDIRECT_DESC) };

	for (unsigned f = 0; f < array_size(features); f++) {
		unsigned in_flight = 0, done = 0, sent = 0;
		uint32_t id, length;
		uint64_t mark;

		start(USUAL | features[f]);
		fake_io_one = true;
		mark = heap;
		while (done < 2000) {
			uint16_t *avail = guest(dq[0].avail);
			const uint16_t *event = guest(dq[0].used + 4 + 8 * QUEUE);
			const uint16_t *flags = guest(dq[0].used);
			uint16_t before = avail[1];

			for (; in_flight < QUEUE / 3 && sent < 2000; in_flight++, sent++) {
				heap = mark + sent % QUEUE * 256;
				offer(0, VIRTIO_BLK_T_IN, sent % 1000, DATA + sent % QUEUE * 512, 512);
			}
			/* Only as the device asked to be notified. */
			if (features[f] & BIT(VIRTIO_F_EVENT_IDX)
			    ? (uint16_t)(avail[1] - *event - 1) < (uint16_t)(avail[1] - before)
			    : !(*flags & 1))
				driver_kick(0);
			/* (And it wants to be interrupted at the next.) */
			avail[2 + QUEUE] = dq[0].seen;
			ck_assert(io_poll());
			while (driver_used(0, &id, &length)) {
				ck_assert_uint_eq(length, 513);
				in_flight--;
				done++;
			}
		}
		fake_io_one = false;
	}
}
END_TEST

/* A reset while requests are in flight: they are over when it returns, and nothing is told to a
 * driver that has gone. */
START_TEST(reset_in_flight)
{
	uint32_t id, length;
	unsigned irq;

	start(USUAL);
	for (unsigned i = 0; i < 16; i++)
		offer(0, i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_FLUSH, i, DATA + i * 512, i % 2 ? 512 : 0);
	driver_kick(0);
	ck_assert_uint_eq(fake_io_queued, 16);
	irq = irqs[0];
	virtio_write_status(dev, 0);
	ck_assert_uint_eq(fake_io_queued, 0);
	ck_assert_uint_eq(disk->in_flight, 0);
	ck_assert(!driver_used(0, &id, &length));
	ck_assert_uint_eq(status(), 0xff);
	ck_assert_uint_eq(irqs[0], irq);
	start(USUAL);
	for (unsigned i = 0; i < 300; i++)
		ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, i, DATA, 512), VIRTIO_BLK_S_OK);
}
END_TEST

/* 3.1.1, 2.1.2: "The device MUST NOT consume buffers or send any used buffer notifications to the
 * driver before DRIVER_OK." */
START_TEST(nothing_before_driver_ok)
{
	ck_assert(driver_negotiate(USUAL));
	driver_queue_setup(0, QUEUE);
	offer(0, VIRTIO_BLK_T_IN, 0, DATA, 512);
	driver_kick(0);
	fake_io_run();
	ck_assert_uint_eq(status(), 0xff);
	driver_ok();
	fake_io_run();
	ck_assert_uint_eq(status(), VIRTIO_BLK_S_OK);
}
END_TEST

/* "N=1 if VIRTIO_BLK_F_MQ is not negotiated, otherwise N is set by num_queues." (5.2.2) */
START_TEST(several_queues)
{
	uint32_t id, length;

	ck_assert(dev->offered & F(MQ));
	start(USUAL | F(MQ));
	ck_assert_uint_eq(config_get().num_queues, 4);
	for (unsigned q = 0; q < 4; q++) {
		offer(q, VIRTIO_BLK_T_IN, q, DATA + q * 512, 512);
		driver_kick(q);
	}
	fake_io_run();
	for (unsigned q = 0; q < 4; q++) {
		ck_assert_uint_eq(irqs[q], 1);
		ck_assert(driver_used(q, &id, &length));
		ck_assert(!driver_used(q, &id, &length));
	}
	ck_assert_mem_eq(data(), content, 2048);
}
END_TEST

/* Pages of code that a read overwrites are told before the guest can know of the data. */
static unsigned code_dropped;

static void code_written(gpa_t page)
{
	code_dropped++;
	ck_assert_uint_eq(driver_used_count(0), 0);
	ram_mark_code(page, false);
}

START_TEST(code_pages_are_dropped)
{
	start(USUAL);
	ram_code_written = code_written;
	ram_mark_code(GPA(DATA + 4096), true);
	ram_mark_code(GPA(DATA + 12288), true);		/* not touched */
	ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 0, DATA, 8192), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(code_dropped, 1);
	/* A failed one may have been written in part. */
	ram_mark_code(GPA(DATA), true);
	fake_io_hook = host_fails;
	host_error = -EIO;
	ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 0, DATA, 8192), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(code_dropped, 2);
	ck_assert(ram_is_code(GPA(DATA + 12288)));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("virtio_blk_queue");
	TCase *t = tcase_create("disk"), *queues = tcase_create("queues");

	if (driver_ram())
		return EXIT_FAILURE;
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_checked_fixture(queues, setup_queues, NULL);
	suite_add_tcase(s, t);
	suite_add_tcase(s, queues);
	tcase_add_test(t, framing_is_the_drivers);
	tcase_add_test(t, range_lists_and_ids_in_pieces);
	tcase_add_test(t, seg_max_segments);
	tcase_add_test(t, short_headers_are_errors);
	tcase_add_test(t, no_room_for_the_status_breaks_the_device);
	tcase_add_test(t, data_the_wrong_way_round);
	tcase_add_test(t, headers_that_change_meanwhile);
	tcase_add_test(t, one_flush_per_kick_one_interrupt_per_batch);
	tcase_add_test(t, a_single_request_is_told_at_once);
	tcase_add_test(t, interrupts_are_put_off_while_busy);
	tcase_add_test(t, interrupts_that_are_no_news_are_dropped);
	tcase_add_test(t, kicks_are_not_asked_for_while_busy);
	tcase_add_test(t, suspended_while_busy);
	tcase_add_test(t, vain_delays_end);
	tcase_add_test(t, requests_without_end);
	tcase_add_test(t, reset_in_flight);
	tcase_add_test(t, nothing_before_driver_ok);
	tcase_add_test(queues, several_queues);
	tcase_add_test(t, code_pages_are_dropped);
	return suite_run(s);
}
