/* SPDX-License-Identifier: MIT */
/*
 * The block back-end over an engine that shortens, refuses and reorders: what it asks of
 * the host, and what it makes of the answers.  Alignments that this host's disks may
 * not have (4096-byte sectors) are set by hand.
 */
#include "block_fakes.h"

/* ---- limits of the window ---- */

START_TEST(beyond_the_window_is_refused)
{
	static const struct { uint64_t offset, length; } bad[] = {
		{ WINDOW_SIZE, 512 }, { WINDOW_SIZE - 512, 1024 }, { WINDOW_SIZE + 512, 512 },
		{ 0xfffffffffffffe00, 512 }, { 0xfffffffffffffe00, 1024 }, { 0, WINDOW_SIZE + 512 },
		{ 512, 0xfffffffffffffe00 }, { 1, 512 }, { 0, 513 }, { 511, 1 },
	};
	static const enum block_op ops[] = { BLOCK_READ, BLOCK_WRITE, BLOCK_DISCARD, BLOCK_WRITE_ZEROES };
	static uint8_t after[FILE_SIZE];
	struct block *b = disk();

	for (unsigned op = 0; op < array_size(ops); op++)
		for (unsigned i = 0; i < array_size(bad); i++)
			ck_assert_int_eq(run(b, ops[op], bad[i].offset, memory, bad[i].length), -EINVAL);
	ck_assert_int_eq(pread(file, after, FILE_SIZE, 0), FILE_SIZE);
	ck_assert_mem_eq(after, before, FILE_SIZE);
	for (unsigned op = 0; op < IO_OPS; op++)
		ck_assert_uint_eq(fake_io_calls[op], 0);
	ck_assert_int_eq(run(b, BLOCK_READ, WINDOW_SIZE - 512, memory, 512), 0);
	ck_assert_mem_eq(memory, before + WINDOW + WINDOW_SIZE - 512, 512);
}
END_TEST

START_TEST(iovecs_that_are_not_the_length_are_refused)
{
	struct request q = { .iov = { { memory, 512 }, { memory, 512 } }, .r = { .iov_count = 2 } };
	struct block *b = disk();

	submit(b, &q, BLOCK_WRITE, 0, 512);
	fake_io_run();
	ck_assert_int_eq(q.error, -EINVAL);
	q.r.iov_count = 0;
	submit(b, &q, BLOCK_READ, 0, 0);
	fake_io_run();
	ck_assert_int_eq(q.error, -EINVAL);
	q.r.iov_count = IO_IOV_MAX + 1;
	submit(b, &q, BLOCK_READ, 0, 512);
	fake_io_run();
	ck_assert_int_eq(q.error, -EINVAL);
}
END_TEST

START_TEST(read_only_refuses_writes)
{
	struct block *b = disk_open((struct block_config){ .readonly = true });

	ck_assert(block_readonly(b));
	ck_assert(!block_can_discard(b));
	ck_assert_int_eq(run(b, BLOCK_WRITE, 0, memory, 512), -EROFS);
	ck_assert_int_eq(run(b, BLOCK_WRITE_ZEROES, 0, NULL, 512), -EROFS);
	ck_assert_int_eq(run(b, BLOCK_DISCARD, 0, NULL, 512), -EROFS);
	ck_assert_int_eq(run(b, BLOCK_READ, 0, memory, FILE_SIZE), 0);
	ck_assert_mem_eq(memory, before, FILE_SIZE);
	ck_assert_int_eq(run(b, BLOCK_FLUSH, 0, NULL, 0), 0);
	ck_assert_uint_eq(fake_io_calls[IO_WRITE] + fake_io_calls[IO_ALLOCATE], 0);
}
END_TEST

/* ---- what the host refuses ---- */

static int fail_error;
static enum io_op fail_op;

static long refuse(struct io_request *r)
{
	return r->op == fail_op ? fail_error : 1;
}

START_TEST(errors_are_passed_on_and_said_once)
{
	static const struct { enum block_op op; enum io_op io; int error; const char *text; } cases[] = {
		{ BLOCK_WRITE, IO_WRITE, -ENOSPC, "write error at byte 4096: no space left on device" },
		{ BLOCK_WRITE, IO_WRITE, -EIO, "write error at byte 4096: input/output error" },
		{ BLOCK_READ, IO_READ, -EIO, "read error at byte 4096: input/output error" },
		{ BLOCK_READ, IO_READ, -EREMOTEIO, "read error at byte 4096: remote I/O error" },
		{ BLOCK_READ, IO_READ, -133, "read error at byte 4096: error 133" },
		{ BLOCK_DISCARD, IO_ALLOCATE, -EIO, "discard error at byte 4096: input/output error" },
	};
	struct block *b = disk();

	fake_io_hook = refuse;
	for (unsigned i = 0; i < array_size(cases); i++) {
		fail_op = cases[i].io;
		fail_error = cases[i].error;
		for (unsigned twice = 0; twice < 2; twice++)
			ck_assert_int_eq(run(b, cases[i].op, 4096, memory, 512), cases[i].error);
		ck_assert_uint_eq(said_count, i + 1);
		ck_assert_ptr_nonnull(strstr(said, cases[i].text));
		ck_assert_ptr_nonnull(strstr(said, path));
	}
	/* And it lives on. */
	fake_io_hook = NULL;
	ck_assert_int_eq(run(b, BLOCK_READ, 4096, memory, 512), 0);
	ck_assert_int_eq(run(b, BLOCK_WRITE, 4096, memory, 512), 0);
}
END_TEST

/* The page cache forgets data whose write-back failed: a later flush must not say all is well. */
START_TEST(a_failed_flush_of_the_cache_fails_for_good)
{
	struct block *b = disk();

	ck_assert_int_eq(run(b, BLOCK_FLUSH, 0, NULL, 0), 0);
	fake_io_hook = refuse;
	fail_op = IO_SYNC;
	fail_error = -EIO;
	ck_assert_int_eq(run(b, BLOCK_FLUSH, 0, NULL, 0), -EIO);
	fake_io_hook = NULL;
	ck_assert_int_eq(run(b, BLOCK_FLUSH, 0, NULL, 0), -EIO);
	ck_assert_int_eq(run(b, BLOCK_READ, 0, memory, 512), 0);
	/* Without it there is nothing that could be forgotten. */
	b = disk();
	b->cached = false;
	fake_io_hook = refuse;
	ck_assert_int_eq(run(b, BLOCK_FLUSH, 0, NULL, 0), -EIO);
	fake_io_hook = NULL;
	ck_assert_int_eq(run(b, BLOCK_FLUSH, 0, NULL, 0), 0);
}
END_TEST

START_TEST(a_truncated_file_is_an_error)
{
	for (unsigned strict = 0; strict < 2; strict++) {
		struct block *b = strict ? strict_disk(4096, 4096) : disk();

		ck_assert_int_eq(ftruncate(file, WINDOW + 8192 + (strict ? 0 : 1024)), 0);
		said_count = 0;
		ck_assert_int_eq(run(b, BLOCK_READ, 4096, memory, 4096), 0);
		ck_assert_int_eq(run(b, BLOCK_READ, 4096, memory, 8192), -EIO);
		ck_assert_int_eq(run(b, BLOCK_READ, 65536, memory, 512), -EIO);
		ck_assert_uint_eq(said_count, 1);
		ck_assert_ptr_nonnull(strstr(said, "has become shorter"));
		/* Half a block cannot be merged into what is not there. */
		if (strict)
			ck_assert_int_eq(run(b, BLOCK_WRITE, 65536, memory, 512), -EIO);
	}
}
END_TEST

static unsigned interruptions;

static long interrupt(struct io_request *r)
{
	(void)r;
	return interruptions && interruptions-- % 2 ? -EINTR : 1;
}

START_TEST(interrupted_calls_are_repeated)
{
	struct block *b = strict_disk(4096, 4096);

	fake_io_hook = interrupt;
	interruptions = 20;
	ck_assert_int_eq(run(b, BLOCK_WRITE, 512, memory, 8192), 0);
	ck_assert_int_eq(run(b, BLOCK_READ, 512, memory + 3, 8192), 0);
	ck_assert_int_eq(run(b, BLOCK_FLUSH, 0, NULL, 0), 0);
	ck_assert_int_eq(run(b, BLOCK_WRITE_ZEROES, 0, NULL, 65536), 0);
	ck_assert_uint_lt(interruptions, 15);
}
END_TEST

/* ---- bounce buffers run out ---- */

START_TEST(more_bounced_requests_than_buffers)
{
	static struct request q[100];
	static uint8_t buffers[100][1025];
	struct block *b = strict_disk(4096, 4096);

	for (unsigned i = 0; i < 100; i++) {
		q[i].iov[0] = (struct iovec){ buffers[i] + 1, 1024 };
		q[i].r.iov_count = 1;
		submit(b, &q[i], BLOCK_READ, i * 1536, 1024);
	}
	fake_io_run();
	for (unsigned i = 0; i < 100; i++) {
		ck_assert(q[i].done && !q[i].error);
		ck_assert_mem_eq(buffers[i] + 1, before + WINDOW + i * 1536, 1024);
	}
}
END_TEST

/* ---- rates ---- */

static uint64_t armed;

static void arm(void *timer, uint64_t deadline_ns)
{
	ck_assert_ptr_eq(timer, &armed);
	armed = deadline_ns;
}

/* How many of endless requests start within a second. */
static unsigned in_a_second(struct block_config config, uint64_t length)
{
	static struct request q[20000];
	struct block *b;
	unsigned n = 0, started = 0;
	uint64_t end = now + 1000000000;

	b = disk_open(config);
	ck_assert(block_limited(b));
	block_set_alarm(b, arm, &armed);
	armed = 0;
	for (; n < array_size(q) && n < 64; n++) {
		q[n].iov[0] = (struct iovec){ memory, length };
		q[n].r.iov_count = 1;
		submit(b, &q[n], BLOCK_READ, 0, length);
	}
	while (n < array_size(q)) {
		fake_io_run();
		for (; started < n && q[started].done; started++) {
			q[n].iov[0] = (struct iovec){ memory, length };
			q[n].r.iov_count = 1;
			submit(b, &q[n++], BLOCK_READ, 0, length);
			ck_assert_uint_lt(n, array_size(q));
		}
		if (!armed)
			continue;
		ck_assert_uint_gt(armed, now);
		if (armed > end)
			break;
		now = armed;
		armed = 0;
		block_alarm_expired(b);
	}
	/* Flushes pass; and what is held back ends with a reset. */
	ck_assert_int_eq(b->in_flight > 0, 1);
	block_drain(b);
	ck_assert_uint_eq(b->in_flight, 0);
	ck_assert_int_eq(q[n - 1].error, -ECANCELED);
	return started;
}

START_TEST(limits)
{
	unsigned n = in_a_second((struct block_config){ .iops = 1000 }, 512);

	ck_assert_uint_ge(n, 1000);
	ck_assert_uint_le(n, 1000 + 50 + 2);		/* and what the bucket held */
	n = in_a_second((struct block_config){ .bps = 8 * MIB }, 8192);
	ck_assert_uint_ge(n, 1024);
	ck_assert_uint_le(n, 1024 + 52 + 2);
	n = in_a_second((struct block_config){ .bps = 64 * KIB }, 128 * KIB);
	ck_assert_uint_ge(n, 1);
	ck_assert_uint_le(n, 2);
	n = in_a_second((struct block_config){ .iops = 100, .bps = 8 * MIB }, 8192);
	ck_assert_uint_ge(n, 100);
	ck_assert_uint_le(n, 107);
}
END_TEST

/* What was not used lately may come at once, but not more than a short time's worth; and what is
 * held back starts in the order it came. */
START_TEST(bursts_and_order)
{
	static struct request q[200];
	struct block *b = disk_open((struct block_config){ .iops = 1000 });
	unsigned n = 0;

	block_set_alarm(b, arm, &armed);
	for (unsigned i = 0; i < array_size(q); i++) {
		q[i].iov[0] = (struct iovec){ memory, 512 };
		q[i].r.iov_count = 1;
		submit(b, &q[i], BLOCK_READ, 0, 512);
	}
	fake_io_run();
	while (n < array_size(q) && q[n].done)
		n++;
	ck_assert_uint_ge(n, 10);
	ck_assert_uint_le(n, 100);
	/* Time for one more has passed, when another comes: it does not pass the others. */
	now += 2000000;
	memset(&q[0], 0, sizeof(q[0]));
	q[0].iov[0] = (struct iovec){ memory, 512 };
	q[0].r.iov_count = 1;
	submit(b, &q[0], BLOCK_READ, 0, 512);
	fake_io_run();
	ck_assert(!q[0].done);
	block_alarm_expired(b);
	fake_io_run();
	ck_assert(q[n].done && !q[array_size(q) - 1].done && !q[0].done);
}
END_TEST

/* A write that has to be alone gets its turn, however many others come. */
START_TEST(merging_writes_do_not_starve)
{
	static uint8_t buffers[8][4096] __attribute__((aligned(4096)));
	static struct request q[8], merging = { .iov = { { memory, 512 } }, .r = { .iov_count = 1 } };
	struct block *b = strict_disk(4096, 4096);

	fake_io_one = true;
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 8; i++) {
			if (round && !q[i].done)
				continue;
			q[i].iov[0] = (struct iovec){ buffers[i], 4096 };
			q[i].r.iov_count = 1;
			submit(b, &q[i], BLOCK_WRITE, i * 4096, 4096);
		}
		if (!round)
			submit(b, &merging, BLOCK_WRITE, 65536, 512);
		io_poll();
	}
	ck_assert(merging.done);
}
END_TEST

START_TEST(a_flush_is_not_held_back)
{
	struct block *b = disk_open((struct block_config){ .iops = 1 });
	struct request read[2] = { { .iov = { { memory, 512 } }, .r = { .iov_count = 1 } } }, flush = { 0 };

	read[1] = read[0];
	block_set_alarm(b, arm, &armed);
	submit(b, &read[0], BLOCK_READ, 0, 512);
	submit(b, &read[1], BLOCK_READ, 0, 512);
	submit(b, &flush, BLOCK_FLUSH, 0, 0);
	fake_io_run();
	ck_assert(read[0].done && !read[1].done && flush.done);
	ck_assert_int_eq(flush.error, 0);
}
END_TEST

/* ---- null ---- */

START_TEST(null_disk)
{
	struct block_config config = { .null_size = MIB };
	struct block *b = block_open(&config);

	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(block_size(b), MIB);
	memset(memory, 0x5a, 512);
	ck_assert_int_eq(run(b, BLOCK_READ, 0, memory, 512), 0);
	ck_assert_int_eq(memory[17], 0x5a);
	ck_assert_int_eq(run(b, BLOCK_WRITE, MIB - 512, memory, 512), 0);
	ck_assert_int_eq(run(b, BLOCK_FLUSH, 0, NULL, 0), 0);
	ck_assert_int_eq(run(b, BLOCK_READ, MIB, memory, 512), -EINVAL);
	ck_assert_uint_eq(fake_io_files, 0);
	config.null_size = 513;
	ck_assert_ptr_null(block_open(&config));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("block_pieces");
	TCase *t = tcase_create("block_pieces");

	tcase_add_test(t, beyond_the_window_is_refused);
	tcase_add_test(t, iovecs_that_are_not_the_length_are_refused);
	tcase_add_test(t, read_only_refuses_writes);
	tcase_add_test(t, errors_are_passed_on_and_said_once);
	tcase_add_test(t, a_failed_flush_of_the_cache_fails_for_good);
	tcase_add_test(t, a_truncated_file_is_an_error);
	tcase_add_test(t, interrupted_calls_are_repeated);
	tcase_add_test(t, more_bounced_requests_than_buffers);
	tcase_add_test(t, limits);
	tcase_add_test(t, bursts_and_order);
	tcase_add_test(t, merging_writes_do_not_starve);
	tcase_add_test(t, a_flush_is_not_held_back);
	tcase_add_test(t, null_disk);
	suite_add_tcase(s, t);
	return suite_run(s);
}
