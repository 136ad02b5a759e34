/* SPDX-License-Identifier: MIT */
/*
 * What tests of the I/O engines share: the engines, a file, requests, waiting with
 * an end.  Each test runs in a process of its own.
 */
#ifndef RING3_TESTS_IO_ENGINES_H
#define RING3_TESTS_IO_ENGINES_H

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "hostio/io.h"
#include "hostio/io_engine.h"
#include "suite.h"

#define MS		1000000ull
#define SECOND		(1000 * MS)
#define FILE_SIZE	(1 << 20)

static const struct engine {
	enum io_engine choice;
	unsigned first_mode;
	const char *name;
} engines[] = {
	{ IO_URING, 0, "io_uring" },
	{ IO_URING, 1, "io_uring" },
	{ IO_URING, 2, "io_uring" },
	{ IO_THREADS, 0, "threads" },
};

#define ENGINES	((int)array_size(engines))
#define RINGS	(ENGINES - 1)

static int file = -1;		/* number */
static int file_fd = -1;

static int file_make(void)
{
	char path[] = "/tmp/ring3-test-io-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(ftruncate(fd, FILE_SIZE), 0);
	return fd;
}

static inline void start_plain(int i)
{
	io_uring_first_mode = engines[i].first_mode;
	ck_assert_int_eq(clock_init(), 0);
	ck_assert_int_eq(arena_init(), 0);
	ck_assert_int_eq(io_start(engines[i].choice), 0);
	ck_assert_str_eq(io_engine_name(), engines[i].name);
}

static inline void start(int i)
{
	file_fd = file_make();
	file = io_add_file(file_fd);
	ck_assert_int_ge(file, 0);
	start_plain(i);
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

struct test_request {
	struct io_request io;
	struct iovec iov;
	unsigned calls;
	long result;
};

static unsigned calls;

static inline void finished(struct io_request *io)
{
	struct test_request *r = (struct test_request *)io;

	r->calls++;
	calls++;
}

static inline void done(struct io_request *io, long result)
{
	((struct test_request *)io)->result = result;
	finished(io);
}

static inline struct test_request *request(enum io_op op, void *data, size_t length, uint64_t offset)
{
	struct test_request *r = arena_alloc(sizeof(*r), 8);

	*r = (struct test_request){
		.io = { .op = op, .file = file, .iov_count = 1, .offset = offset, .length = length,
			.done = done },
		.iov = { data, length },
	};
	r->io.iov = &r->iov;
	return r;
}

static inline void wait_for(const unsigned *count, unsigned number)
{
	uint64_t end = now_ns() + 10 * SECOND;

	while (*count < number) {
		ck_assert_uint_lt(now_ns(), end);
		if (!io_poll())
			io_wait(SECOND, NULL, 0);
	}
}

static inline long result_of(struct test_request *r)
{
	io_queue(&r->io);
	ck_assert_uint_eq(io_in_flight(), 1);
	io_flush();
	ck_assert_uint_eq(r->calls, 0);
	wait_for(&r->calls, 1);
	ck_assert_uint_eq(r->calls, 1);
	ck_assert_uint_eq(io_in_flight(), 0);
	return r->result;
}

static unsigned chain_left;

static inline void chain(struct io_request *io, long result)
{
	ck_assert_int_eq(result, (long)io->iov->iov_len);
	if (!chain_left)
		return;
	chain_left--;
	io_queue(io);
}

/* Does io_wait(100 ms) end at once? */
static inline bool wakes(const int *fds, unsigned n)
{
	uint64_t begin = now_ns();

	io_poll();
	io_wait(100 * MS, fds, n);
	io_poll();
	return now_ns() - begin < 50 * MS;
}

/* The end of a wait may be for something of before: the second one counts. */
static inline bool wakes_settled(const int *fds, unsigned n)
{
	if (wakes(fds, n))
		return wakes(fds, n);
	return false;
}

#endif
