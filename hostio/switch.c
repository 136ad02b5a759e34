// SPDX-License-Identifier: MIT
/*
 * A learning switch in one process: machines are ports, known addresses are sent to
 * one port, all others (and broadcasts and multicasts) to every other port.
 *
 * A port has one input buffer and one output buffer.  What does not fit the output
 * of a slow machine is dropped, so nobody waits for it.  A port that breaks the
 * protocol is closed; what its frames hold is never interpreted beyond the two
 * addresses, and it can make the switch remember but a number of those.
 *
 * Ordinary libc code: this never runs in the kernel world.  In its own jail it can
 * read and write sockets it has, accept, and remove its socket file when it ends.
 */
#include "hostio/switch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "hostio/background.h"
#include "hostio/confine.h"
#include "hostio/switch_table.h"

#define PORTS_MAX	64u
#define FRAME_MIN	14u
#define FRAME_MAX	(65535u + 14 + 4)
#define LENGTH_BYTES	4u
#define INPUT_SIZE	(128 * KIB)
#define OUTPUT_SIZE	(512 * KIB)
#define GRACE_MS	2000		/* from the last machine's end to the switch's */

_Static_assert(INPUT_SIZE >= LENGTH_BYTES + FRAME_MAX, "a frame fits");

struct port {
	int fd;				/* -1: free */
	size_t in_used;
	size_t out_start, out_end;
	uint64_t dropped;
	uint8_t *in, *out;		/* of malloc, kept for the next machine */
};

static struct port ports[PORTS_MAX];
static struct switch_table table;

static uint64_t seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

static unsigned ports_open(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PORTS_MAX; i++)
		n += ports[i].fd >= 0;
	return n;
}

static void port_close(unsigned i)
{
	close(ports[i].fd);
	ports[i].fd = -1;
	switch_table_forget(&table, i);
}

/* false: nobody waits. */
static bool port_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct port *p = NULL;

	if (fd < 0)
		return false;
	for (unsigned i = 0; i < PORTS_MAX && !p; i++) {
		if (ports[i].fd < 0)
			p = &ports[i];
	}
	if (p && !p->in) {
		p->in = malloc(INPUT_SIZE);
		p->out = malloc(OUTPUT_SIZE);
	}
	if (!p || !p->in || !p->out) {
		close(fd);
		return true;
	}
	p->fd = fd;
	p->in_used = p->out_start = p->out_end = 0;
	return true;
}

/* ---- output ---- */

static void port_push(unsigned i)
{
	struct port *p = &ports[i];
	ssize_t r;

	while (p->fd >= 0 && p->out_start < p->out_end) {
		r = send(p->fd, p->out + p->out_start, p->out_end - p->out_start,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			return;
		if (r <= 0)
			port_close(i);
		else
			p->out_start += (size_t)r;
	}
	p->out_start = p->out_end = 0;
}

/* `bytes` with their length before them. */
static void port_put(unsigned i, const uint8_t *bytes, size_t n)
{
	struct port *p = &ports[i];

	if (OUTPUT_SIZE - p->out_end < n) {
		port_push(i);
		if (p->fd < 0)
			return;
		memmove(p->out, p->out + p->out_start, p->out_end - p->out_start);
		p->out_end -= p->out_start;
		p->out_start = 0;
	}
	if (OUTPUT_SIZE - p->out_end < n) {
		p->dropped++;
		return;
	}
	memcpy(p->out + p->out_end, bytes, n);
	p->out_end += n;
}

/* ---- input ---- */

static void frame_forward(unsigned from, const uint8_t *bytes, size_t n, uint64_t now)
{
	const uint8_t *frame = bytes + LENGTH_BYTES;
	int to;

	switch_table_learn(&table, frame + 6, from, now);
	to = switch_table_find(&table, frame, now);
	if (to >= 0) {
		if ((unsigned)to != from)
			port_put((unsigned)to, bytes, n);
		return;
	}
	for (unsigned i = 0; i < PORTS_MAX; i++) {
		if (i != from && ports[i].fd >= 0)
			port_put(i, bytes, n);
	}
}

/* Whole frames at the front of the input; false: the port broke the protocol. */
static bool port_parse(unsigned i, uint64_t now)
{
	struct port *p = &ports[i];
	size_t at = 0;
	uint32_t length;

	while (p->in_used - at >= LENGTH_BYTES) {
		memcpy(&length, p->in + at, LENGTH_BYTES);
		length = ntohl(length);
		if (length > FRAME_MAX)
			return false;
		if (p->in_used - at < LENGTH_BYTES + length)
			break;
		if (length >= FRAME_MIN)
			frame_forward(i, p->in + at, LENGTH_BYTES + length, now);
		at += LENGTH_BYTES + length;
	}
	memmove(p->in, p->in + at, p->in_used - at);
	p->in_used -= at;
	return true;
}

/* One read for each turn, so that all ports get theirs. */
static void port_read(unsigned i, uint64_t now)
{
	struct port *p = &ports[i];
	ssize_t r = recv(p->fd, p->in + p->in_used, INPUT_SIZE - p->in_used, MSG_DONTWAIT);

	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (r > 0)
		p->in_used += (size_t)r;
	if (r <= 0 || !port_parse(i, now))
		port_close(i);
}

/* ---- life ---- */

/* Sleep until something is to be done, then do it; false: nothing came for timeout_ms. */
static bool switch_turn(int listener, int timeout_ms)
{
	struct pollfd fds[PORTS_MAX + 1];
	uint64_t now;

	for (unsigned i = 0; i < PORTS_MAX; i++) {
		fds[i] = (struct pollfd){ .fd = ports[i].fd, .events = POLLIN };
		if (ports[i].fd >= 0 && ports[i].out_start < ports[i].out_end)
			fds[i].events |= POLLOUT;
	}
	fds[PORTS_MAX] = (struct pollfd){ .fd = listener, .events = POLLIN };
	if (poll(fds, PORTS_MAX + 1, timeout_ms) <= 0)
		return false;
	now = seconds_now();
	/* Who connected before a frame was sent gets it. */
	while (fds[PORTS_MAX].revents && port_accept(listener))
		;
	for (unsigned i = 0; i < PORTS_MAX; i++) {
		if (fds[i].revents & (POLLIN | POLLERR | POLLHUP) && ports[i].fd == fds[i].fd)
			port_read(i, now);
	}
	for (unsigned i = 0; i < PORTS_MAX; i++)
		port_push(i);
	return true;
}

/*
 * Nobody is connected.  With the lock nobody is about to connect either, except who waits at the
 * listening socket already.  true: the socket is gone, and so may we be.
 */
static bool switch_may_end(int listener, int lock, const char *path)
{
	bool end;

	if (flock(lock, LOCK_EX | LOCK_NB) < 0)
		return false;
	while (port_accept(listener))
		;
	end = !ports_open();
	if (end)
		unlink(path);
	flock(lock, LOCK_UN);
	return end;
}

int switch_run(const char *name, int listener)
{
	static const int calls[] = {
		SYS_poll, SYS_ppoll, SYS_accept4, SYS_recvfrom, SYS_sendto, SYS_close, SYS_write,
		SYS_flock, SYS_unlink, SYS_clock_gettime, SYS_dup2,
		SYS_brk, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise,
		SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit, SYS_exit_group,
	};
	char path[108];
	int lock, error;

	for (unsigned i = 0; i < PORTS_MAX; i++)
		ports[i].fd = -1;
	/* Open only: whoever started us holds it. */
	if (switch_path(name, ".lock", path, sizeof(path)))
		return 1;
	lock = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (lock < 0 || switch_path(name, ".sock", path, sizeof(path))) {
		log_error("cannot open the lock of the switch \"%s\": %s", name, strerror(errno));
		return 1;
	}
	error = background_begin();
	if (!error)
		error = confine(calls, array_size(calls));
	if (error) {
		log_error("the switch \"%s\" cannot go into the background: %s", name,
			  strerror(-error));
		return 1;
	}
	background_ready();
	for (;;) {
		if (!switch_turn(listener, ports_open() ? -1 : GRACE_MS) && !ports_open() &&
		    switch_may_end(listener, lock, path))
			return 0;
	}
}
