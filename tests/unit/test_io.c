// SPDX-License-Identifier: MIT
/*
 * The I/O engines: requests and their completion as hostio/io.h promises them, each
 * test for each engine and, of io_uring, for what older kernels offer.
 */
#include "io_engines.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

START_TEST(reads_and_writes)
{
	static char out[8192], in[8192], check[8192];

	start(_i);
	memset(out, 'x', sizeof(out));
	ck_assert_int_eq(result_of(request(IO_WRITE, out, sizeof(out), 4096)), sizeof(out));
	ck_assert_int_eq(pread(file_fd, check, sizeof(check), 4096), sizeof(check));
	ck_assert_mem_eq(check, out, sizeof(out));
	ck_assert_int_eq(result_of(request(IO_READ, in, sizeof(in), 4096)), sizeof(in));
	ck_assert_mem_eq(in, out, sizeof(out));
	ck_assert_int_eq(result_of(request(IO_SYNC, NULL, 0, 0)), 0);
}
END_TEST

START_TEST(many_pieces)
{
	static char out[IO_IOV_MAX * 7], in[IO_IOV_MAX * 7];
	static struct iovec iov[IO_IOV_MAX];
	struct test_request *r;

	start(_i);
	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 256);
	for (unsigned i = 0; i < IO_IOV_MAX; i++)
		iov[i] = (struct iovec){ out + 7 * i, 7 };
	r = request(IO_WRITE, NULL, sizeof(out), 513);
	r->io.iov = iov;
	r->io.iov_count = IO_IOV_MAX;
	ck_assert_int_eq(result_of(r), sizeof(out));
	ck_assert_int_eq(pread(file_fd, in, sizeof(in), 513), sizeof(in));
	ck_assert_mem_eq(in, out, sizeof(out));
	memset(in, 0, sizeof(in));
	for (unsigned i = 0; i < IO_IOV_MAX; i++)
		iov[i] = (struct iovec){ in + 7 * i, 7 };
	r = request(IO_READ, NULL, sizeof(in), 513);
	r->io.iov = iov;
	r->io.iov_count = IO_IOV_MAX;
	ck_assert_int_eq(result_of(r), sizeof(in));
	ck_assert_mem_eq(in, out, sizeof(out));
}
END_TEST

START_TEST(allocates)
{
	struct stat st;
	struct test_request *r;

	start(_i);
	r = request(IO_ALLOCATE, NULL, 1 << 16, 1 << 16);
	ck_assert_int_eq(result_of(r), 0);
	ck_assert_int_eq(fstat(file_fd, &st), 0);
	ck_assert_int_ge(st.st_blocks * 512, 1 << 16);
	r->calls = 0;
	r->io.mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	ck_assert_int_eq(result_of(r), 0);
	ck_assert_int_eq(fstat(file_fd, &st), 0);
	ck_assert_int_lt(st.st_blocks * 512, 1 << 16);
	ck_assert_int_eq(st.st_size, FILE_SIZE);
}
END_TEST

START_TEST(ends_of_files)
{
	static char data[8192];

	start(_i);
	ck_assert_int_eq(result_of(request(IO_READ, data, 8192, FILE_SIZE - 100)), 100);
	ck_assert_int_eq(result_of(request(IO_READ, data, 8192, FILE_SIZE)), 0);
	ck_assert_int_eq(result_of(request(IO_READ, data, 8192, FILE_SIZE + 4096)), 0);
}
END_TEST

START_TEST(errors_are_the_hosts)
{
	static char data[4096];
	int read_only = io_add_file(open("/dev/null", O_RDONLY));
	int full = io_add_file(open("/dev/full", O_WRONLY));
	struct test_request *r;
	int good;

	start(_i);
	good = file;
	file = read_only;
	ck_assert_int_eq(result_of(request(IO_WRITE, data, 4096, 0)), -EBADF);
	file = full;
	ck_assert_int_eq(result_of(request(IO_WRITE, data, 4096, 0)), -ENOSPC);
	file = good;
	ck_assert_int_eq(result_of(request(IO_READ, (void *)0x1000, 4096, 0)), -EFAULT);
	r = request(IO_ALLOCATE, NULL, 4096, 0);
	r->io.mode = 0x4000;
	ck_assert_int_eq(result_of(r), -EOPNOTSUPP);
	ck_assert_int_eq(result_of(request(IO_READ, data, 4096, 1ull << 63)), -EINVAL);
}
END_TEST

/* The user's limit of file sizes is an error like others (the signal is ignored, cli/supervise.c). */
START_TEST(file_size_limit)
{
	const struct rlimit limit = { 8192, 8192 };
	static char data[4096];

	start(_i);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(result_of(request(IO_WRITE, data, sizeof(data), 4096)), sizeof(data));
	ck_assert_int_eq(result_of(request(IO_WRITE, data, sizeof(data), 8192)), -EFBIG);
	ck_assert_int_eq(result_of(request(IO_READ, data, sizeof(data), 8192)), sizeof(data));
}
END_TEST

/* More than any ring holds, one page each; then read back. */
START_TEST(thousands_in_flight)
{
	enum { NUMBER = 5000, SIZE = 16 };
	static struct test_request *r[NUMBER];
	uint64_t value[2];

	start(_i);
	for (int write = 1; write >= 0; write--) {
		calls = 0;
		for (unsigned i = 0; i < NUMBER; i++) {
			uint64_t *data = arena_alloc(SIZE, 8);

			if (write)
				data[0] = data[1] = i * 0x9e3779b97f4a7c15ull;
			r[i] = request(write ? IO_WRITE : IO_READ, data, SIZE, i * SIZE);
			io_queue(&r[i]->io);
		}
		ck_assert_uint_eq(io_in_flight(), NUMBER);
		io_flush();
		ck_assert_uint_eq(calls, 0);
		wait_for(&calls, NUMBER);
		ck_assert_uint_eq(io_in_flight(), 0);
		for (unsigned i = 0; i < NUMBER; i++) {
			ck_assert_uint_eq(r[i]->calls, 1);
			ck_assert_int_eq(r[i]->result, SIZE);
			memcpy(value, r[i]->iov.iov_base, SIZE);
			ck_assert_uint_eq(value[0], i * 0x9e3779b97f4a7c15ull);
			ck_assert_uint_eq(value[1], value[0]);
		}
	}
}
END_TEST

/* Whoever looks only, and never waits, gets all of them, too. */
START_TEST(looking_is_enough)
{
	enum { NUMBER = 5000 };
	static uint64_t data[NUMBER];
	uint64_t end = now_ns() + 30 * SECOND;

	start(_i);
	for (unsigned i = 0; i < NUMBER; i++)
		io_queue(&request(IO_READ, &data[i], sizeof(data[i]), i)->io);
	io_flush();
	while (calls < NUMBER) {
		ck_assert_uint_lt(now_ns(), end);
		if (io_pending() || io_overdue())
			io_poll();
	}
	/* One by one beside others: kept back, but not for long. */
	calls = 0;
	for (unsigned i = 0; i < 40; i++)
		io_queue(&request(IO_READ, &data[i], sizeof(data[i]), i)->io);
	io_flush();
	io_queue(&request(IO_READ, data, sizeof(data[0]), 0)->io);
	io_flush();
	while (calls < 41) {
		ck_assert_uint_lt(now_ns(), end);
		if (io_pending() || io_overdue())
			io_poll();
	}
}
END_TEST

START_TEST(callbacks_queue_more)
{
	static char data[512];
	struct test_request *r;

	start(_i);
	chain_left = 500;
	for (unsigned i = 0; i < 3; i++) {
		r = request(IO_READ, data, sizeof(data), 512 * i);
		r->io.done = chain;
		io_queue(&r->io);
	}
	io_drain();
	ck_assert_uint_eq(chain_left, 0);
	ck_assert_uint_eq(io_in_flight(), 0);
}
END_TEST

static unsigned batch_calls;

static void batch_ended(struct io_batch *b)
{
	(void)b;
	batch_calls++;
}

START_TEST(drain_and_batches)
{
	static struct io_batch batch = { .end = batch_ended };
	static char data[512];

	start(_i);
	io_batch_add(&batch);
	io_drain();
	io_poll();
	ck_assert_uint_eq(batch_calls, 0);
	calls = 0;
	for (unsigned i = 0; i < 100; i++)
		io_queue(&request(i % 10 ? IO_READ : IO_SYNC, data, sizeof(data), 512 * i)->io);
	io_drain();
	ck_assert_uint_eq(calls, 100);
	ck_assert_uint_eq(io_in_flight(), 0);
	/* Told at the next look, which is pending. */
	ck_assert(io_pending());
	ck_assert(io_poll());
	ck_assert_uint_eq(batch_calls, 1);
	ck_assert(!io_poll());
	ck_assert_uint_eq(batch_calls, 1);
}
END_TEST

START_TEST(complete_later)
{
	struct test_request *r;
	uint64_t begin = now_ns();

	start_plain(_i);
	r = request(IO_READ, NULL, 0, 0);
	io_poll();
	ck_assert(!io_pending());
	io_complete_later(&r->io, -EROFS);
	ck_assert_uint_eq(r->calls, 0);
	ck_assert_uint_eq(io_in_flight(), 1);
	ck_assert(io_pending());
	io_wait(10 * SECOND, NULL, 0);
	ck_assert_uint_lt(now_ns() - begin, SECOND);
	ck_assert(io_poll());
	ck_assert_uint_eq(r->calls, 1);
	ck_assert_int_eq(r->result, -EROFS);
	ck_assert(!io_pending());
	ck_assert(!io_poll());
}
END_TEST

START_TEST(pending_shows_completions)
{
	static char data[4096];
	struct test_request *r;
	uint64_t end;

	start(_i);
	io_poll();
	ck_assert(!io_pending());
	r = request(IO_SYNC, data, sizeof(data), 0);
	io_queue(&r->io);
	io_flush();
	end = now_ns() + 5 * SECOND;
	while (!io_pending())			/* without a call */
		ck_assert_uint_lt(now_ns(), end);
	ck_assert_uint_eq(r->calls, 0);
	while (!r->calls) {			/* its mark may be ahead of itself */
		ck_assert_uint_lt(now_ns(), end);
		io_poll();
	}
	ck_assert(!io_pending());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("io");
	TCase *tc = tcase_create("io");

	tcase_set_timeout(tc, 60);	/* hosts that are guests may stand still for a while */
	tcase_add_loop_test(tc, reads_and_writes, 0, ENGINES);
	tcase_add_loop_test(tc, many_pieces, 0, ENGINES);
	tcase_add_loop_test(tc, allocates, 0, ENGINES);
	tcase_add_loop_test(tc, ends_of_files, 0, ENGINES);
	tcase_add_loop_test(tc, errors_are_the_hosts, 0, ENGINES);
	tcase_add_loop_test(tc, file_size_limit, 0, ENGINES);
	tcase_add_loop_test(tc, thousands_in_flight, 0, ENGINES);
	tcase_add_loop_test(tc, looking_is_enough, 0, ENGINES);
	tcase_add_loop_test(tc, callbacks_queue_more, 0, ENGINES);
	tcase_add_loop_test(tc, drain_and_batches, 0, ENGINES);
	tcase_add_loop_test(tc, complete_later, 0, ENGINES);
	tcase_add_loop_test(tc, pending_shows_completions, 0, ENGINES);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
