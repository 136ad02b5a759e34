// SPDX-License-Identifier: MIT
/*
 * Descriptors that come and go: an epoll instance stands for all of them, so that
 * the ring, whose files are registered for good, needs to know one only.
 *
 * Watches are edge-triggered and stay.  Descriptors to wait for are one-shot: told
 * once, silent until the next io_epoll_wait_for(), so that input nobody takes at the
 * moment does not keep the instance readable.
 *
 * The set is by number: who closes a descriptor that io_wait() was given says so by
 * io_forget().
 */
#include <errno.h>
#include <sys/epoll.h>

#include "base/hostcall.h"
#include "base/log.h"
#include "hostio/calls.h"
#include "hostio/io_engine.h"

#define BATCH	16

static int epoll_fd = -1;
static bool watches;
static struct waited {
	int fd;
	bool enabled;		/* not told yet */
} waited[IO_WAIT_FDS] = { { -1, false }, { -1, false } };

_Static_assert(IO_WAIT_FDS == 2, "all free");

int io_epoll_init(void)
{
	if (epoll_fd >= 0)
		return epoll_fd;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return -errno;
	calls_allow(SYS_epoll_ctl, epoll_fd);
	calls_allow(SYS_epoll_pwait, epoll_fd);
	return epoll_fd;
}

static long control(int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	return hostcall6(SYS_epoll_ctl, epoll_fd, op, fd, (long)&e, 0, 0);
}

void io_epoll_watch(struct io_watch *w)
{
	uint32_t events;

	/* Only what is asked for comes to ready(): the rest is left as it is, which is cheaper. */
	w->polled |= (uint16_t)w->events;
	events = w->polled | EPOLLET;
	if (w->armed) {
		control(EPOLL_CTL_MOD, w->fd, events, (uint64_t)w);
	} else if (w->events) {
		w->armed = control(EPOLL_CTL_ADD, w->fd, events, (uint64_t)w) == 0;
		watches = true;
	}
}

bool io_epoll_watches(void)
{
	return watches;
}

static bool among(int fd, const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (fds[i] == fd)
			return true;
	}
	return false;
}

static struct waited *waited_find(int fd)
{
	for (unsigned i = 0; i < IO_WAIT_FDS; i++) {
		if (waited[i].fd == fd)
			return &waited[i];
	}
	return NULL;
}

void io_forget(int fd)
{
	struct waited *s = fd >= 0 ? waited_find(fd) : NULL;

	if (!s)
		return;
	control(EPOLL_CTL_DEL, fd, 0, 0);
	s->fd = -1;
}

bool io_epoll_wait_for(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < IO_WAIT_FDS; i++) {
		if (waited[i].fd >= 0 && !among(waited[i].fd, fds, n))
			io_forget(waited[i].fd);
	}
	for (unsigned i = 0; i < n; i++) {
		struct waited *s = waited_find(fds[i]);
		int op = EPOLL_CTL_MOD;

		if (s && s->enabled)
			continue;
		if (!s) {
			op = EPOLL_CTL_ADD;
			s = waited_find(-1);
			if (!s)
				continue;	/* one twice, or too many */
		}
		/* A file is always ready, which epoll calls EPERM; what is closed shows when read. */
		if (control(op, fds[i], EPOLLIN | EPOLLONESHOT, 0))
			return false;
		*s = (struct waited){ fds[i], true };
	}
	return true;
}

void io_epoll_take(int timeout)
{
	struct epoll_event e[BATCH];
	long n;

	do {
		n = hostcall6(SYS_epoll_pwait, epoll_fd, (long)e, BATCH, timeout, 0, 0);
		for (long i = 0; i < n; i++) {
			if (e[i].data.u64) {
				io_found((struct io_watch *)e[i].data.u64, e[i].events);
				continue;
			}
			/* Which one does not matter: enabling it once more is harmless. */
			for (unsigned j = 0; j < IO_WAIT_FDS; j++)
				waited[j].enabled = false;
		}
		timeout = 0;
	} while (n == BATCH);
}
