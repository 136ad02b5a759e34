// SPDX-License-Identifier: MIT
/*
 * The switch as a process, with clients on its socket: what goes where, what a slow
 * or hostile port can do to others, its beginning and end; and its table alone.
 */
#include "suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostio/switch.h"
#include "hostio/switch_table.h"

#define NAME	"test"

static char folder[64];

static void switch_begin(void)
{
	int lock, listener, status;
	pid_t pid;

	strcpy(folder, "/tmp/ring3-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", folder, 1), 0);
	lock = switch_lock(NAME, true);
	ck_assert_int_ge(lock, 0);
	listener = switch_listen(NAME);
	ck_assert_int_ge(listener, 0);
	pid = fork();
	if (pid == 0) {
		close(lock);
		_exit(switch_run(NAME, listener));
	}
	/* Its first process ends once it is ready. */
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(listener);
	close(lock);
}

static void socket_path(char *path, size_t size)
{
	ck_assert_int_eq(switch_path(NAME, ".sock", path, size), 0);
}

static bool switch_there(void)
{
	char path[108];

	socket_path(path, sizeof(path));
	return access(path, F_OK) == 0;
}

static void switch_end(void)
{
	char path[108];

	for (unsigned i = 0; i < 100 && switch_there(); i++)
		usleep(100000);
	ck_assert(!switch_there());
	ck_assert_int_eq(switch_path(NAME, ".lock", path, sizeof(path)), 0);
	unlink(path);
	*strrchr(path, '/') = 0;
	rmdir(path);
	rmdir(folder);
}

static int port_open(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 5 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	socket_path(address.sun_path, sizeof(address.sun_path));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
	return fd;
}

/* A frame of n bytes between made-up addresses 02::to and 02::from; to 255: broadcast. */
static void frame_send(int fd, uint8_t to, uint8_t from, size_t n, uint8_t mark)
{
	static uint8_t bytes[70000];
	uint32_t length = htonl((uint32_t)n);

	memcpy(bytes, &length, 4);
	memset(bytes + 4, mark, n);
	memset(bytes + 4, to == 255 ? 255 : 0, 6);
	memset(bytes + 10, 0, 6);
	if (to != 255) {
		bytes[4] = 2;
		bytes[9] = to;
	}
	bytes[10] = 2;
	bytes[15] = from;
	ck_assert_int_eq(send(fd, bytes, 4 + n, MSG_NOSIGNAL), (ssize_t)(4 + n));
}

/* The next frame of a port has n bytes, ending with mark. */
static void frame_expect(int fd, size_t n, uint8_t mark)
{
	static uint8_t bytes[70000];
	uint32_t length;

	ck_assert_int_eq(recv(fd, &length, 4, MSG_WAITALL), 4);
	ck_assert_uint_eq(ntohl(length), n);
	ck_assert_int_eq(recv(fd, bytes, n, MSG_WAITALL), (ssize_t)n);
	ck_assert_uint_eq(bytes[n - 1], mark);
}

static bool quiet(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 100) == 0;
}

static bool closed(int fd)
{
	char c;

	return recv(fd, &c, 1, 0) <= 0 && errno != EAGAIN;
}

START_TEST(frames_go_where_they_belong)
{
	int a, b, c;

	switch_begin();
	a = port_open();
	b = port_open();
	c = port_open();
	frame_send(a, 2, 1, 60, 10);		/* nobody knows 2: everywhere but back */
	frame_expect(b, 60, 10);
	frame_expect(c, 60, 10);
	frame_send(b, 1, 2, 61, 11);		/* 1 is known by now */
	frame_expect(a, 61, 11);
	frame_send(a, 2, 1, 62, 12);
	frame_expect(b, 62, 12);
	frame_send(c, 255, 3, 63, 13);
	frame_expect(a, 63, 13);
	frame_expect(b, 63, 13);
	frame_send(a, 1, 1, 64, 14);		/* to itself: nowhere */
	frame_send(a, 2, 1, 65553, 15);		/* the largest */
	frame_expect(b, 65553, 15);
	ck_assert(quiet(a) && quiet(b) && quiet(c));
	frame_send(c, 255, 1, 60, 16);		/* 1 has moved to c */
	frame_expect(a, 60, 16);
	frame_expect(b, 60, 16);
	frame_send(b, 1, 2, 60, 17);
	frame_expect(c, 60, 17);
	close(c);				/* and is gone: everywhere again */
	usleep(100000);
	frame_send(b, 1, 2, 60, 18);
	frame_expect(a, 60, 18);
	close(a);
	close(b);
	switch_end();
}
END_TEST

START_TEST(hostile_ports)
{
	uint8_t bad[64] = { 0x7f, 0xff, 0xff, 0xff };
	int a, b, c;

	switch_begin();
	a = port_open();
	b = port_open();
	c = port_open();
	ck_assert_int_eq(send(c, bad, sizeof(bad), 0), sizeof(bad));
	ck_assert(closed(c));
	/* Frames without a whole header, and none: nothing comes of them. */
	memset(bad, 0, sizeof(bad));
	bad[3] = 13;
	ck_assert_int_eq(send(a, bad, 17, 0), 17);
	bad[3] = 0;
	ck_assert_int_eq(send(a, bad, 4, 0), 4);
	/* Addresses that are none: groups and zero as sources. */
	bad[3] = 14;
	ck_assert_int_eq(send(a, bad, 18, 0), 18);
	memset(bad + 4, 255, 12);
	ck_assert_int_eq(send(a, bad, 18, 0), 18);
	frame_expect(b, 14, 0);
	frame_expect(b, 14, 0);
	/* Half a frame, then the end. */
	ck_assert_int_eq(send(a, bad, 9, 0), 9);
	close(a);
	a = port_open();
	frame_send(a, 255, 1, 60, 20);
	frame_expect(b, 60, 20);
	ck_assert(quiet(b));
	close(a);
	close(b);
	close(c);
	switch_end();
}
END_TEST

START_TEST(slow_ports_hold_up_nobody)
{
	int a, b, slow;

	switch_begin();
	a = port_open();
	b = port_open();
	slow = port_open();
	frame_send(b, 255, 2, 60, 1);
	frame_expect(a, 60, 1);
	for (unsigned i = 0; i < 4000; i++) {	/* 6 MB for everybody */
		frame_send(a, 255, 1, 1514, (uint8_t)i);
		frame_expect(b, 1514, (uint8_t)i);
	}
	frame_expect(slow, 60, 1);
	frame_expect(slow, 1514, 0);		/* what it gets is whole frames, in order */
	frame_expect(slow, 1514, 1);
	close(slow);
	close(a);
	close(b);
	switch_end();
}
END_TEST

START_TEST(limited_number_of_ports)
{
	int fds[80];
	unsigned open = 0;

	switch_begin();
	for (unsigned i = 0; i < 80; i++) {
		fds[i] = port_open();
		usleep(2000);
	}
	for (unsigned i = 0; i < 80; i++)
		open += quiet(fds[i]);
	ck_assert_uint_eq(open, 64);
	for (unsigned i = 0; i < 80; i++)
		close(fds[i]);
	switch_end();
}
END_TEST

START_TEST(one_more_machine_keeps_it)
{
	int a, b;

	switch_begin();
	a = port_open();
	close(a);
	usleep(100000);		/* less than its grace */
	a = port_open();
	usleep(2500000);		/* more */
	b = port_open();
	frame_send(a, 255, 1, 60, 3);
	frame_expect(b, 60, 3);
	close(a);
	close(b);
	switch_end();
}
END_TEST

START_TEST(left_over_sockets_are_replaced)
{
	int listener;

	strcpy(folder, "/tmp/ring3-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", folder, 1), 0);
	listener = switch_listen(NAME);
	ck_assert_int_ge(listener, 0);
	close(listener);
	listener = switch_listen(NAME);
	ck_assert_int_ge(listener, 0);
	close(listener);
	/* The folder must be ours alone. */
	ck_assert_int_eq(chmod(folder, 0700), 0);
	strcat(folder, "/ring3");
	ck_assert_int_eq(chmod(folder, 0755), 0);
	ck_assert_int_lt(switch_listen(NAME), 0);
	ck_assert_int_eq(chmod(folder, 0700), 0);
	strcat(folder, "/" NAME ".sock");
	unlink(folder);
	*strrchr(folder, '/') = 0;
	ck_assert_int_eq(rmdir(folder), 0);
	/* A link to somewhere else is not a folder. */
	ck_assert_int_eq(symlink("/tmp", folder), 0);
	ck_assert_int_lt(switch_listen(NAME), 0);
	unlink(folder);
	*strrchr(folder, '/') = 0;
	rmdir(folder);
}
END_TEST

START_TEST(names)
{
	ck_assert(switch_name_good("lan"));
	ck_assert(switch_name_good("a-b_9"));
	ck_assert(!switch_name_good(NULL));
	ck_assert(!switch_name_good(""));
	ck_assert(!switch_name_good("a/b"));
	ck_assert(!switch_name_good("."));
	ck_assert(!switch_name_good(".."));
	ck_assert(!switch_name_good("a b"));
	ck_assert(!switch_name_good("123456789012345678901234567890123"));
}
END_TEST

START_TEST(table_ages)
{
	static struct switch_table t;
	uint8_t a[6] = { 2, 0, 0, 0, 0, 1 }, group[6] = { 3 };

	ck_assert_int_eq(switch_table_find(&t, a, 10), -1);
	switch_table_learn(&t, a, 5, 10);
	ck_assert_int_eq(switch_table_find(&t, a, 10 + SWITCH_AGE_S - 1), 5);
	ck_assert_int_eq(switch_table_find(&t, a, 10 + SWITCH_AGE_S), -1);
	switch_table_learn(&t, a, 6, 400);
	ck_assert_int_eq(switch_table_find(&t, a, 401), 6);
	switch_table_learn(&t, group, 6, 400);
	ck_assert_int_eq(switch_table_find(&t, group, 401), -1);
	switch_table_forget(&t, 6);
	ck_assert_int_eq(switch_table_find(&t, a, 401), -1);
}
END_TEST

/* A port that makes up a million addresses does not make the others' be forgotten. */
START_TEST(table_is_shared_fairly)
{
	static struct switch_table t;
	uint8_t a[6] = { 2 };

	for (unsigned i = 0; i < 64; i++) {
		a[5] = (uint8_t)i;
		switch_table_learn(&t, a, i % 4, 1);
	}
	a[0] = 6;
	for (unsigned i = 0; i < 1000000; i++) {
		a[3] = (uint8_t)(i >> 16);
		a[4] = (uint8_t)(i >> 8);
		a[5] = (uint8_t)i;
		switch_table_learn(&t, a, 63, 2);
	}
	memset(a, 0, sizeof(a));
	a[0] = 2;
	for (unsigned i = 0; i < 64; i++) {
		a[5] = (uint8_t)i;
		ck_assert_int_eq(switch_table_find(&t, a, 2), (int)(i % 4));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("switch");
	TCase *tests = tcase_create("switch");

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, frames_go_where_they_belong);
	tcase_add_test(tests, hostile_ports);
	tcase_add_test(tests, slow_ports_hold_up_nobody);
	tcase_add_test(tests, limited_number_of_ports);
	tcase_add_test(tests, one_more_machine_keeps_it);
	tcase_add_test(tests, left_over_sockets_are_replaced);
	tcase_add_test(tests, names);
	tcase_add_test(tests, table_ages);
	tcase_add_test(tests, table_is_shared_fairly);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
