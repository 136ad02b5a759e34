// SPDX-License-Identifier: MIT
/*
 * The I/O engines: what they promise in hostio/io.h, each test for each engine and,
 * of io_uring, for what older kernels would offer.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/layout.h"
#include "base/log.h"
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

static void start_plain(int i)
{
	io_uring_first_mode = engines[i].first_mode;
	ck_assert_int_eq(arena_init(), 0);
	ck_assert_int_eq(io_start(engines[i].choice), 0);
	ck_assert_str_eq(io_engine_name(), engines[i].name);
}

static void start(int i)
{
	file_fd = file_make();
	file = io_add_file(file_fd);
	ck_assert_int_ge(file, 0);
	start_plain(i);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

/* ---- requests ---- */

struct test_request {
	struct io_request io;
	struct iovec iov;
	unsigned calls;
	long result;
};

static unsigned calls;

static void finished(struct io_request *io)
{
	struct test_request *r = (struct test_request *)io;

	r->calls++;
	calls++;
}

static void done(struct io_request *io, long result)
{
	((struct test_request *)io)->result = result;
	finished(io);
}

static struct test_request *request(enum io_op op, void *data, size_t length, uint64_t offset)
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

static void wait_for(const unsigned *count, unsigned number)
{
	uint64_t end = now_ns() + 10 * SECOND;

	while (*count < number) {
		ck_assert_uint_lt(now_ns(), end);
		if (!io_poll())
			io_wait(SECOND, NULL, 0);
	}
}

static long result_of(struct test_request *r)
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

static unsigned chain_left;

static void chain(struct io_request *io, long result)
{
	ck_assert_int_eq(result, (long)io->iov->iov_len);
	if (!chain_left)
		return;
	chain_left--;
	io_queue(io);
}

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

/* ---- waiting ---- */

START_TEST(wait_times_out)
{
	uint64_t begin, took;

	start_plain(_i);
	io_poll();
	begin = now_ns();
	io_wait(30 * MS, NULL, 0);
	took = now_ns() - begin;
	ck_assert_uint_ge(took, 29 * MS);
	ck_assert_uint_lt(took, SECOND);
	begin = now_ns();
	io_wait(0, NULL, 0);
	ck_assert_uint_lt(now_ns() - begin, SECOND);
	ck_assert(!io_poll());
}
END_TEST

/* Does io_wait(100 ms) end at once? */
static bool wakes(const int *fds, unsigned n)
{
	uint64_t begin = now_ns();

	io_poll();
	io_wait(100 * MS, fds, n);
	io_poll();
	return now_ns() - begin < 50 * MS;
}

/* The end of a wait may be for something of before: the second one counts. */
static bool wakes_settled(const int *fds, unsigned n)
{
	if (wakes(fds, n))
		return wakes(fds, n);
	return false;
}

START_TEST(wait_for_descriptors)
{
	int a[2], b[2];
	char c;

	start_plain(_i);
	ck_assert_int_eq(pipe(a), 0);
	ck_assert_int_eq(pipe(b), 0);
	const int fds[2] = { a[0], b[0] }, swapped[2] = { b[0], a[0] };

	ck_assert(!wakes(fds, 2));
	ck_assert_int_eq(write(b[1], "x", 1), 1);
	for (unsigned i = 0; i < 5; i++)
		ck_assert(wakes(fds, 2));		/* as long as it is not read */
	ck_assert(wakes(swapped, 2));
	ck_assert(!wakes_settled(fds, 1));		/* not asked for */
	ck_assert(!wakes_settled(NULL, 0));
	ck_assert(wakes(fds, 2));
	ck_assert_int_eq(read(b[0], &c, 1), 1);
	ck_assert(!wakes_settled(fds, 2));
	ck_assert_int_eq(write(a[1], "x", 1), 1);
	ck_assert(wakes(fds, 1));
	ck_assert_int_eq(read(a[0], &c, 1), 1);
	close(b[1]);					/* end of file is input */
	ck_assert(wakes(fds, 2));
	ck_assert(!wakes_settled(fds, 1));
}
END_TEST

/* A new descriptor by the number of one that was closed. */
START_TEST(descriptors_come_again)
{
	int p[2], first = -1;

	start_plain(_i);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(pipe(p), 0);
		if (i)
			ck_assert_int_eq(p[0], first);
		first = p[0];
		ck_assert(!wakes_settled(p, 1));
		ck_assert_int_eq(write(p[1], "x", 1), 1);
		ck_assert(wakes(p, 1));
		io_forget(p[0]);
		close(p[0]);
		close(p[1]);
	}
}
END_TEST

START_TEST(files_are_always_ready)
{
	int fd = file_make(), null = open("/dev/null", O_RDONLY);

	start_plain(_i);
	ck_assert(wakes(&fd, 1));
	ck_assert(wakes(&fd, 1));
	ck_assert(wakes(&null, 1));
	ck_assert(!wakes_settled(NULL, 0));
}
END_TEST

static void ignore(int signal)
{
	(void)signal;
}

START_TEST(wait_ends_by_a_signal)
{
	const struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	const struct itimerval soon = { .it_value = { .tv_usec = 30000 } };
	uint64_t begin;

	start_plain(_i);
	io_poll();
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	begin = now_ns();
	ck_assert_int_eq(setitimer(ITIMER_REAL, &soon, NULL), 0);
	io_wait(UINT64_MAX, NULL, 0);
	ck_assert_uint_ge(now_ns() - begin, 29 * MS);
}
END_TEST

/* A wait with nothing but a request to end it; not for /dev/null, but a slow one. */
START_TEST(wait_ends_by_a_request)
{
	static char data[1 << 19];
	struct test_request *r;
	uint64_t begin;

	start(_i);
	io_poll();
	for (unsigned i = 0; i < 50; i++) {
		r = request(IO_WRITE, data, sizeof(data), 0);
		begin = now_ns();
		io_queue(&r->io);	/* the wait flushes */
		while (!r->calls) {
			io_wait(10 * SECOND, NULL, 0);
			io_poll();
		}
		ck_assert_uint_lt(now_ns() - begin, 9 * SECOND);
		ck_assert_int_eq(r->result, sizeof(data));
	}
}
END_TEST

/* ---- watches ---- */

struct test_watch {
	struct io_watch io;
	unsigned calls, bytes;
	short events;			/* of the last call */
	bool pause, lazy;
};

static void ready(struct io_watch *io, short events)
{
	struct test_watch *w = (struct test_watch *)io;
	char buffer[64];
	ssize_t n;

	w->calls++;
	w->events = events;
	if (w->pause)
		io_watch_set(io, 0);
	if (w->lazy || w->pause)
		return;
	while ((n = recv(io->fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		w->bytes += (unsigned)n;
}

static struct test_watch *watch_fd(int fd, short events)
{
	struct test_watch *w = arena_alloc(sizeof(*w), 8);

	*w = (struct test_watch){ .io = { .fd = fd, .events = events, .ready = ready } };
	io_watch_add(&w->io);
	return w;
}

static int pair[2];
static struct test_watch *watched;

/* Bit 0 of the loop: a watch of the start, or a late one. */
#define WATCH_VARIANTS	(2 * (int)array_size(engines))

static void start_watching(int i, short events)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	ck_assert_int_eq(arena_init(), 0);
	if (!(i & 1))
		watched = watch_fd(pair[0], events);
	start_plain(i / 2);
	if (i & 1)
		watched = watch_fd(pair[0], events);
}

static void settle(void)
{
	for (unsigned i = 0; i < 4; i++) {
		io_wait(10 * MS, NULL, 0);
		io_poll();
	}
}

static void wait_for_bytes(unsigned bytes)
{
	wait_for(&watched->bytes, bytes);
	ck_assert_uint_eq(watched->bytes, bytes);
}

START_TEST(watch_reports)
{
	start_watching(_i, POLLIN);
	ck_assert(io_watching());
	settle();
	ck_assert_uint_eq(watched->calls, 0);
	for (unsigned i = 1; i <= 300; i++) {
		ck_assert_int_eq(send(pair[1], "abc", 3, 0), 3);
		wait_for_bytes(3 * i);
		ck_assert(watched->events & POLLIN);
	}
}
END_TEST

START_TEST(watch_shows_as_pending)
{
	uint64_t end = now_ns() + 5 * SECOND;

	start_watching(_i, POLLIN);
	settle();
	ck_assert(!io_pending());
	ck_assert_int_eq(send(pair[1], "abc", 3, 0), 3);
	while (!io_pending())
		ck_assert_uint_lt(now_ns(), end);
	while (!watched->calls) {
		ck_assert_uint_lt(now_ns(), end);
		io_poll();
	}
	ck_assert_uint_eq(watched->bytes, 3);
}
END_TEST

/* What came before the watch did. */
START_TEST(watch_of_what_is_ready)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	ck_assert_int_eq(send(pair[1], "abc", 3, 0), 3);
	ck_assert_int_eq(arena_init(), 0);
	if (!(_i & 1))
		watched = watch_fd(pair[0], POLLIN);
	start_plain(_i / 2);
	if (_i & 1)
		watched = watch_fd(pair[0], POLLIN);
	wait_for_bytes(3);
}
END_TEST

START_TEST(watch_paused)
{
	unsigned seen;

	start_watching(_i, POLLIN);
	io_poll();
	watched->pause = true;
	ck_assert_int_eq(send(pair[1], "abc", 3, 0), 3);
	wait_for(&watched->calls, 1);
	ck_assert(!io_watching());
	ck_assert_int_eq(send(pair[1], "def", 3, 0), 3);
	settle();
	ck_assert_int_eq(send(pair[1], "ghi", 3, 0), 3);
	settle();
	ck_assert_uint_eq(watched->calls, 1);
	ck_assert(!wakes_settled(NULL, 0));
	/* All of it is there to be told again. */
	watched->pause = false;
	io_watch_set(&watched->io, POLLIN);
	wait_for_bytes(9);
	/* Paused and set again with nothing between: what is unread is told. */
	watched->lazy = true;
	ck_assert_int_eq(send(pair[1], "jkl", 3, 0), 3);
	seen = watched->calls;
	wait_for(&watched->calls, seen + 1);
	io_watch_set(&watched->io, 0);
	io_watch_set(&watched->io, POLLIN);
	watched->lazy = false;
	wait_for_bytes(12);
	/* And what is read is not. */
	settle();
	seen = watched->calls;
	io_watch_set(&watched->io, 0);
	io_watch_set(&watched->io, POLLIN);
	settle();
	ck_assert_uint_eq(watched->bytes, 12);
	ck_assert_uint_eq(watched->calls, seen);
}
END_TEST

/* Room to write: told when there is some, and only while asked for. */
START_TEST(watch_of_room)
{
	static char bytes[4096];
	unsigned seen, sent = 0;
	ssize_t n;

	start_watching(_i, POLLIN);
	settle();
	ck_assert_uint_eq(watched->calls, 0);
	while ((n = send(pair[0], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		sent += (unsigned)n;
	io_watch_set(&watched->io, POLLIN | POLLOUT);
	settle();
	ck_assert_uint_eq(watched->calls, 0);
	ck_assert(!wakes_settled(NULL, 0));
	while (recv(pair[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	wait_for(&watched->calls, 1);
	ck_assert(watched->events & POLLOUT);
	io_watch_set(&watched->io, POLLIN);
	settle();
	seen = watched->calls;
	for (unsigned i = 0; i < 5; i++) {		/* room comes and goes: no matter */
		ck_assert_int_gt(send(pair[0], bytes, 100, MSG_DONTWAIT), 0);
		ck_assert_int_gt(recv(pair[1], bytes, 100, MSG_DONTWAIT), 0);
		settle();
	}
	ck_assert_uint_eq(watched->calls, seen);
	ck_assert_int_eq(send(pair[1], "abc", 3, 0), 3);
	wait_for_bytes(3);
	/* Asked for again while there is room: told. */
	seen = watched->calls;
	io_watch_set(&watched->io, POLLIN | POLLOUT);
	wait_for(&watched->calls, seen + 1);
	ck_assert(watched->events & POLLOUT);
}
END_TEST

/* The other side goes: told, and then no storm. */
START_TEST(watch_hangs_up)
{
	unsigned seen;

	start_watching(_i, POLLIN);
	io_poll();
	close(pair[1]);
	wait_for(&watched->calls, 1);
	ck_assert(watched->events & POLLHUP);
	settle();
	settle();
	settle();
	seen = watched->calls;
	ck_assert_uint_lt(seen, 20);
	ck_assert(!wakes_settled(NULL, 0));
	ck_assert_uint_eq(watched->calls, seen);
}
END_TEST

/* Traffic while others do I/O: nothing is lost. */
START_TEST(watch_and_requests)
{
	static char data[4096];
	struct test_request *r;

	file_fd = file_make();
	file = io_add_file(file_fd);
	start_watching(_i, POLLIN);
	r = request(IO_READ, data, sizeof(data), 0);
	r->io.done = chain;
	chain_left = 3000;
	io_queue(&r->io);
	for (unsigned i = 1; i <= 1000; i++) {
		ck_assert_int_eq(send(pair[1], "abc", 3, 0), 3);
		if (i % 3 == 0)
			io_drain();
		if (i % 7 == 0)
			io_wait(MS, NULL, 0);
		io_poll();
		if (i % 50 == 0)
			wait_for_bytes(3 * i);
	}
	io_drain();
	wait_for_bytes(3000);
	ck_assert_uint_eq(chain_left, 0);
}
END_TEST

/* ---- what the host allows ---- */

static long submit_raw(struct io_uring *ring)
{
	__atomic_store_n(ring->sq.ktail, ring->sq.sqe_tail, __ATOMIC_RELEASE);
	return syscall(SYS_io_uring_enter, ring->ring_fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
}

/* What a hostile engine might put into its ring: refused by the host, one by one. */
START_TEST(ring_is_restricted)
{
	static char data[64];
	struct io_uring *ring = io_uring_ring();
	struct io_uring_sqe *sqe;
	unsigned head;

	start(_i);
	for (int op = 0; op < 64; op++) {
		bool known = op == IORING_OP_READ || op == IORING_OP_READV || op == IORING_OP_WRITE ||
			     op == IORING_OP_WRITEV || op == IORING_OP_FSYNC ||
			     op == IORING_OP_FALLOCATE || op == IORING_OP_POLL_ADD ||
			     op == IORING_OP_POLL_REMOVE;

		for (int fixed = 0; fixed < 2; fixed++) {
			sqe = io_uring_get_sqe(ring);
			ck_assert_ptr_nonnull(sqe);
			io_uring_prep_rw(op, sqe, fixed ? file : file_fd, data, 1, 0);
			if (op == IORING_OP_READV || op == IORING_OP_WRITEV)
				sqe->len = 0;
			if (op == IORING_OP_POLL_ADD || op == IORING_OP_FSYNC)
				sqe->len = sqe->addr = 0, sqe->poll32_events = op == IORING_OP_POLL_ADD;
			sqe->flags = fixed ? IOSQE_FIXED_FILE : 0;
			ck_assert_int_eq(submit_raw(ring), 1);
			head = *ring->cq.khead;
			ck_assert_uint_eq(*ring->cq.ktail - head, 1);
			if (known && fixed)
				ck_assert_int_ne(ring->cq.cqes[head & ring->cq.ring_mask].res, -EACCES);
			else	/* (beyond the last operation: -EINVAL) */
				ck_assert(ring->cq.cqes[head & ring->cq.ring_mask].res == -EACCES ||
					  (op >= IORING_OP_LAST &&
					   ring->cq.cqes[head & ring->cq.ring_mask].res == -EINVAL));
			__atomic_store_n(ring->cq.khead, head + 1, __ATOMIC_RELEASE);
		}
	}
	/* Other flags with an operation that is allowed. */
	for (unsigned flag = IOSQE_IO_DRAIN; flag < 256; flag *= 2) {
		sqe = io_uring_get_sqe(ring);
		io_uring_prep_read(sqe, file, data, 1, 0);
		sqe->flags = (uint8_t)(IOSQE_FIXED_FILE | flag);
		ck_assert_int_eq(submit_raw(ring), 1);
		head = *ring->cq.khead;
		ck_assert_int_lt(ring->cq.cqes[head & ring->cq.ring_mask].res, 0);
		__atomic_store_n(ring->cq.khead, head + 1, __ATOMIC_RELEASE);
	}
	for (unsigned op = 0; op < 40; op++)
		ck_assert_int_lt(io_uring_register(ring->ring_fd, op, &file_fd, 1), 0);
	ck_assert_int_eq(io_uring_register_files_update(ring, 0, &file_fd, 1), -EACCES);
	ck_assert_int_eq(result_of(request(IO_READ, data, sizeof(data), 0)), sizeof(data));
}
END_TEST

/* The memory that has to outlive everything above 8 TiB. */
START_TEST(ring_lies_low)
{
	struct io_uring *ring = io_uring_ring();

	start_plain(_i);
	ck_assert_uint_lt((uint64_t)ring->sq.ring_ptr + ring->sq.ring_sz, LAYOUT_GUEST_HIGH);
	ck_assert_uint_lt((uint64_t)ring->sq.sqes + (1 << 20), LAYOUT_GUEST_HIGH);
	ck_assert_uint_lt((uint64_t)io_signal.tail, LAYOUT_GUEST_HIGH);
}
END_TEST

static void refuse_ring(uint32_t answer)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { array_size(code), code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* Default container profiles; kernels without it. */
START_TEST(threads_where_refused)
{
	static const int answers[] = { EPERM, ENOSYS };
	static char data[64];

	refuse_ring((uint32_t)answers[_i]);
	ck_assert_int_eq(arena_init(), 0);
	file_fd = file_make();
	file = io_add_file(file_fd);
	ck_assert_int_eq(io_start(IO_URING), -answers[_i]);
	ck_assert_ptr_null(io_engine_name());
	ck_assert_int_eq(io_start(IO_AUTO), 0);
	ck_assert_str_eq(io_engine_name(), "threads");
	ck_assert_int_eq(result_of(request(IO_READ, data, sizeof(data), 0)), sizeof(data));
}
END_TEST

/* For who may lock little memory, a small ring; none at all, threads. */
START_TEST(any_user)
{
	static const struct {
		rlim_t locked;
		unsigned entries;
	} users[] = { { 8 << 20, 128 }, { 64 << 10, 128 }, { 16 << 10, 32 }, { 0, 0 } };
	const struct rlimit limit = { users[_i].locked, users[_i].locked };
	static char data[64];
	struct test_request *r[2000];

	file_fd = file_make();
	file = io_add_file(file_fd);
	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (getuid() == 0)
		ck_assert_int_eq(setuid(65534), 0);
	ck_assert_int_eq(arena_init(), 0);
	ck_assert_int_eq(io_start(IO_AUTO), 0);
	/* (Kernels of 5.12 to 6.13 do not count it, and the user may have other rings.) */
	if (users[_i].entries > 32)
		ck_assert_str_eq(io_engine_name(), "io_uring");
	for (unsigned i = 0; i < array_size(r); i++) {
		r[i] = request(IO_READ, data, sizeof(data), i);
		io_queue(&r[i]->io);
	}
	io_drain();
	ck_assert_uint_eq(calls, array_size(r));
	for (unsigned i = 0; i < array_size(r); i++)
		ck_assert_int_eq(r[i]->result, sizeof(data));
}
END_TEST

static volatile int signalled_thread;

static void note_thread(int signal)
{
	(void)signal;
	signalled_thread = (int)syscall(SYS_gettid);
}

/* Signals to the process are the vCPU thread's, however long it takes to come to them. */
START_TEST(signals_are_not_the_workers)
{
	const struct sigaction action = { .sa_handler = note_thread };
	sigset_t set, old;

	start(_i);
	ck_assert_int_eq(sigaction(SIGTERM, &action, NULL), 0);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, &old);
	kill(getpid(), SIGTERM);
	usleep(50000);
	ck_assert_int_eq(signalled_thread, 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	ck_assert_int_eq(signalled_thread, getpid());
	ck_assert(!sigismember(&old, SIGTERM));
}
END_TEST

int main(void)
{
	const struct {
		const TTest *test;
		int variants;
	} tests[] = {
		{ reads_and_writes, array_size(engines) },
		{ many_pieces, array_size(engines) },
		{ allocates, array_size(engines) },
		{ ends_of_files, array_size(engines) },
		{ errors_are_the_hosts, array_size(engines) },
		{ thousands_in_flight, array_size(engines) },
		{ callbacks_queue_more, array_size(engines) },
		{ drain_and_batches, array_size(engines) },
		{ complete_later, array_size(engines) },
		{ pending_shows_completions, array_size(engines) },
		{ wait_times_out, array_size(engines) },
		{ wait_for_descriptors, array_size(engines) },
		{ descriptors_come_again, array_size(engines) },
		{ files_are_always_ready, array_size(engines) },
		{ wait_ends_by_a_signal, array_size(engines) },
		{ wait_ends_by_a_request, array_size(engines) },
		{ ring_is_restricted, array_size(engines) - 1 },
		{ ring_lies_low, array_size(engines) - 1 },
		{ threads_where_refused, 2 },
		{ any_user, 4 },
		{ signals_are_not_the_workers, array_size(engines) },
		{ watch_reports, WATCH_VARIANTS },
		{ watch_shows_as_pending, WATCH_VARIANTS },
		{ watch_of_what_is_ready, WATCH_VARIANTS },
		{ watch_paused, WATCH_VARIANTS },
		{ watch_of_room, WATCH_VARIANTS },
		{ watch_hangs_up, WATCH_VARIANTS },
		{ watch_and_requests, WATCH_VARIANTS },
	};
	Suite *suite = suite_create("io");
	TCase *tc = tcase_create("io");

	tcase_set_timeout(tc, 20);
	for (unsigned i = 0; i < array_size(tests); i++)
		tcase_add_loop_test(tc, tests[i].test, 0, tests[i].variants);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
