// SPDX-License-Identifier: MIT
/*
 * The I/O engines: waiting, and watching descriptors.
 */
#include "io_engines.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

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
#define WATCH_VARIANTS	(2 * ENGINES)

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
	unsigned seen;

	start_watching(_i, POLLIN);
	settle();
	ck_assert_uint_eq(watched->calls, 0);
	while (send(pair[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
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

/* A watch begun, paused and begun again while a request takes long, by one who never waits. */
START_TEST(watch_beside_a_slow_request)
{
	uint64_t end = now_ns() + 30 * SECOND;
	struct test_request *r;
	char byte;
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	file = io_add_file(p[0]);
	start_watching(_i, 0);
	r = request(IO_READ, &byte, 1, 0);
	io_queue(&r->io);
	io_flush();
	for (unsigned i = 1; i <= 20; i++) {
		ck_assert_int_eq(send(pair[1], "abc", 3, 0), 3);
		io_watch_set(&watched->io, POLLIN);
		while (watched->bytes < 3 * i) {
			ck_assert_uint_lt(now_ns(), end);
			if (io_pending())
				io_poll();
		}
		io_watch_set(&watched->io, 0);
	}
	ck_assert_uint_eq(io_in_flight(), 1);
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	wait_for(&r->calls, 1);
	ck_assert_int_eq(r->result, 1);
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

int main(void)
{
	Suite *suite = suite_create("io-wait");
	TCase *tc = tcase_create("io-wait");

	tcase_set_timeout(tc, 60);	/* hosts that are guests may stand still for a while */
	tcase_add_loop_test(tc, wait_times_out, 0, ENGINES);
	tcase_add_loop_test(tc, wait_for_descriptors, 0, ENGINES);
	tcase_add_loop_test(tc, descriptors_come_again, 0, ENGINES);
	tcase_add_loop_test(tc, files_are_always_ready, 0, ENGINES);
	tcase_add_loop_test(tc, wait_ends_by_a_signal, 0, ENGINES);
	tcase_add_loop_test(tc, wait_ends_by_a_request, 0, ENGINES);
	tcase_add_loop_test(tc, watch_reports, 0, WATCH_VARIANTS);
	tcase_add_loop_test(tc, watch_shows_as_pending, 0, WATCH_VARIANTS);
	tcase_add_loop_test(tc, watch_of_what_is_ready, 0, WATCH_VARIANTS);
	tcase_add_loop_test(tc, watch_paused, 0, WATCH_VARIANTS);
	tcase_add_loop_test(tc, watch_of_room, 0, WATCH_VARIANTS);
	tcase_add_loop_test(tc, watch_hangs_up, 0, WATCH_VARIANTS);
	tcase_add_loop_test(tc, watch_beside_a_slow_request, 0, 2 * RINGS);
	tcase_add_loop_test(tc, watch_and_requests, 0, WATCH_VARIANTS);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
