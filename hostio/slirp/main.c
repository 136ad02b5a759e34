// SPDX-License-Identifier: MIT
/*
 * ring3-slirp: user-mode networking by libslirp, for hosts without a recent passt.
 *
 *	ring3-slirp FD [tcp|udp:[HOSTADDR]:PORT-[GUESTADDR]:PORT]...
 *
 * FD is a connected socket with the stream protocol (hostio/net_stream.c); the
 * process goes into the background once the ports are bound, and ends when the
 * socket is closed.  A program of its own because libslirp is a shared library, and
 * because what parses a guest's packets shall not be able to touch its machine.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <slirp/libslirp.h>

#include "base/types.h"
#include "hostio/background.h"
#include "hostio/confine.h"

#define LENGTH_BYTES	4u
#define FRAME_MAX	(65535u + 14 + 4)
#define IN_SIZE		(256 * KIB)
#define OUT_SIZE	(1 * MIB)
/* libslirp forgets the guest's MSS while it connects and sends as much as this allows.  It takes frames
 * of any length. */
#define MTU		1500
#define MRU		65520
#define TIMERS_MAX	16u
#define NOBODY		65534

struct slirp_timer {
	SlirpTimerCb run;
	void *data;
	int64_t at;			/* ms; < 0: not set */
	bool used;
};

static struct {
	int fd;
	bool ended;
	Slirp *slirp;
	struct slirp_timer timers[TIMERS_MAX];
	struct pollfd *fds;
	size_t fds_used, fds_size;
	size_t in_used, out_start, out_end;
	uint8_t in[IN_SIZE], out[OUT_SIZE];
} helper;

static _Noreturn void fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/* ---- what libslirp asks for ---- */

static int64_t now_ns(void *opaque)
{
	struct timespec ts;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void helper_push(void)
{
	ssize_t r;

	while (helper.out_start < helper.out_end && !helper.ended) {
		r = send(helper.fd, helper.out + helper.out_start,
			 helper.out_end - helper.out_start, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			return;
		if (r <= 0)
			helper.ended = true;
		else
			helper.out_start += (size_t)r;
	}
	helper.out_start = helper.out_end = 0;
}

/* A frame for the guest.  What it is too slow for is lost. */
static ssize_t send_packet(const void *frame, size_t n, void *opaque)
{
	uint32_t length = htonl((uint32_t)n);

	(void)opaque;
	if (OUT_SIZE - helper.out_end < LENGTH_BYTES + n) {
		helper_push();
		memmove(helper.out, helper.out + helper.out_start, helper.out_end - helper.out_start);
		helper.out_end -= helper.out_start;
		helper.out_start = 0;
	}
	if (OUT_SIZE - helper.out_end < LENGTH_BYTES + n)
		return (ssize_t)n;
	memcpy(helper.out + helper.out_end, &length, LENGTH_BYTES);
	memcpy(helper.out + helper.out_end + LENGTH_BYTES, frame, n);
	helper.out_end += LENGTH_BYTES + n;
	return (ssize_t)n;
}

static void guest_error(const char *message, void *opaque)
{
	(void)message;
	(void)opaque;
}

static void *timer_new(SlirpTimerCb run, void *data, void *opaque)
{
	(void)opaque;
	for (unsigned i = 0; i < TIMERS_MAX; i++) {
		if (!helper.timers[i].used) {
			helper.timers[i] = (struct slirp_timer){ run, data, -1, true };
			return &helper.timers[i];
		}
	}
	fail("libslirp", "more timers than expected");
}

static void timer_free(void *timer, void *opaque)
{
	(void)opaque;
	((struct slirp_timer *)timer)->used = false;
}

static void timer_mod(void *timer, int64_t at_ms, void *opaque)
{
	(void)opaque;
	((struct slirp_timer *)timer)->at = at_ms;
}

static void watch_fd(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void notify(void *opaque)
{
	(void)opaque;
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = now_ns,
	.timer_new = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = watch_fd,
	.unregister_poll_fd = watch_fd,
	.notify = notify,
};

/* ---- the loop ---- */

static int add_poll(int fd, int events, void *opaque)
{
	struct pollfd *p;

	(void)opaque;
	if (helper.fds_used == helper.fds_size) {
		helper.fds_size = helper.fds_size ? 2 * helper.fds_size : 64;
		helper.fds = realloc(helper.fds, helper.fds_size * sizeof(*helper.fds));
		if (!helper.fds)
			fail("ring3-slirp", "out of memory");
	}
	p = &helper.fds[helper.fds_used];
	*p = (struct pollfd){ .fd = fd };
	p->events = (short)((events & SLIRP_POLL_IN ? POLLIN : 0) |
			    (events & SLIRP_POLL_OUT ? POLLOUT : 0) |
			    (events & SLIRP_POLL_PRI ? POLLPRI : 0));
	return (int)helper.fds_used++;
}

static int get_revents(int i, void *opaque)
{
	short r = helper.fds[i].revents;

	(void)opaque;
	return (r & POLLIN ? SLIRP_POLL_IN : 0) | (r & POLLOUT ? SLIRP_POLL_OUT : 0) |
	       (r & POLLPRI ? SLIRP_POLL_PRI : 0) | (r & POLLERR ? SLIRP_POLL_ERR : 0) |
	       (r & POLLHUP ? SLIRP_POLL_HUP : 0);
}

/* Frames from the guest. */
static void helper_read(void)
{
	size_t at = 0;
	uint32_t length;
	ssize_t r = recv(helper.fd, helper.in + helper.in_used, IN_SIZE - helper.in_used, MSG_DONTWAIT);

	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (r <= 0) {
		helper.ended = true;
		return;
	}
	helper.in_used += (size_t)r;
	while (helper.in_used - at >= LENGTH_BYTES) {
		memcpy(&length, helper.in + at, LENGTH_BYTES);
		length = ntohl(length);
		if (length > FRAME_MAX) {
			helper.ended = true;
			return;
		}
		if (helper.in_used - at < LENGTH_BYTES + length)
			break;
		slirp_input(helper.slirp, helper.in + at + LENGTH_BYTES, (int)length);
		at += LENGTH_BYTES + length;
	}
	memmove(helper.in, helper.in + at, helper.in_used - at);
	helper.in_used -= at;
}

static void timers_run(uint32_t *timeout_ms)
{
	int64_t now = now_ns(NULL) / 1000000;

	for (unsigned i = 0; i < TIMERS_MAX; i++) {
		struct slirp_timer *t = &helper.timers[i];

		if (!t->used || t->at < 0)
			continue;
		if (t->at <= now) {
			t->at = -1;
			t->run(t->data);
			*timeout_ms = 0;
		} else if (t->at - now < *timeout_ms) {
			*timeout_ms = (uint32_t)(t->at - now);
		}
	}
}

static void helper_turn(void)
{
	uint32_t timeout = 60000;
	int n, first;

	helper.fds_used = 0;
	timers_run(&timeout);
	helper_push();
	first = add_poll(helper.fd, SLIRP_POLL_IN | (helper.out_end ? SLIRP_POLL_OUT : 0), NULL);
	slirp_pollfds_fill(helper.slirp, &timeout, add_poll, NULL);
	n = poll(helper.fds, helper.fds_used, (int)timeout);
	if (n > 0 && helper.fds[first].revents)
		helper_read();
	slirp_pollfds_poll(helper.slirp, n < 0, get_revents, NULL);
}

/* ---- start-up ---- */

/* [ADDRESS]:PORT up to the character `end`; what stands behind that, or NULL. */
static const char *parse_place(const char *p, char end, struct in_addr *address, int *port)
{
	const char *colon = strchr(p, ':');
	char text[INET_ADDRSTRLEN] = "", *rest;

	address->s_addr = 0;
	if (!colon || (size_t)(colon - p) >= sizeof(text))
		return NULL;
	memcpy(text, p, (size_t)(colon - p));
	if (*text && inet_pton(AF_INET, text, address) != 1)
		return NULL;
	*port = (int)strtoul(colon + 1, &rest, 10);
	return *rest == end ? rest + 1 : NULL;
}

static void forward(const char *text)
{
	struct in_addr host, guest;
	int host_port = 0, guest_port = 0;
	const char *p = NULL;

	if (!strncmp(text, "tcp:", 4) || !strncmp(text, "udp:", 4))
		p = parse_place(text + 4, '-', &host, &host_port);
	if (!p || !parse_place(p, 0, &guest, &guest_port))
		fail(text, "not tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT");
	if (slirp_add_hostfwd(helper.slirp, *text == 'u', host, host_port, guest, guest_port) < 0)
		fail(text, strerror(errno));
}

static void slirp_begin(void)
{
	SlirpConfig config = {
		.version = 1,
		.in_enabled = true,
		.in6_enabled = true,
		.vprefix_len = 64,
		.vhostname = "ring3",
		.if_mtu = MTU,
		.if_mru = MRU,
	};

	inet_pton(AF_INET, "10.0.2.0", &config.vnetwork);
	inet_pton(AF_INET, "255.255.255.0", &config.vnetmask);
	inet_pton(AF_INET, "10.0.2.2", &config.vhost);
	inet_pton(AF_INET, "10.0.2.15", &config.vdhcp_start);
	inet_pton(AF_INET, "10.0.2.3", &config.vnameserver);
	inet_pton(AF_INET6, "fec0::", &config.vprefix_addr6);
	inet_pton(AF_INET6, "fec0::2", &config.vhost6);
	inet_pton(AF_INET6, "fec0::3", &config.vnameserver6);
	helper.slirp = slirp_new(&config, &callbacks, NULL);
	if (!helper.slirp)
		fail("libslirp", "does not start");
}

/* What sockets, memory, the clock and the list of name servers need. */
static void helper_confine(void)
{
	static const int calls[] = {
		SYS_poll, SYS_ppoll, SYS_recvfrom, SYS_sendto, SYS_recvmsg, SYS_sendmsg, SYS_read,
		SYS_write, SYS_readv, SYS_writev, SYS_socket, SYS_connect, SYS_bind, SYS_listen,
		SYS_accept, SYS_accept4, SYS_shutdown, SYS_getsockopt, SYS_setsockopt,
		SYS_getsockname, SYS_getpeername, SYS_fcntl, SYS_ioctl, SYS_close,
		SYS_clock_gettime, SYS_gettimeofday, SYS_time, SYS_getrandom, SYS_getpid,
		SYS_openat, SYS_fstat, SYS_newfstatat, SYS_stat, SYS_lseek,
		SYS_brk, SYS_mmap, SYS_mprotect, SYS_munmap, SYS_mremap, SYS_madvise, SYS_futex,
		SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_dup2, SYS_restart_syscall, SYS_exit, SYS_exit_group,
	};
	/* resolv.conf, which libslirp looks at again and again, and where it may be a link to. */
	static const char *const folders[] = {
		"/etc", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", NULL,
	};
	int error = confine_files(folders);

	if (error && error != -ENOSYS && error != -EOPNOTSUPP)
		fail("cannot confine itself to /etc", strerror(-error));
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		fail("cannot become nobody", strerror(errno));
	error = confine(calls, array_size(calls));
	/* A host without seccomp filters has no machine to connect us to either. */
	if (error)
		fail("cannot confine itself", strerror(-error));
}

int main(int argc, char **argv)
{
	if (argc < 2)
		fail("usage", "ring3-slirp FD [HOSTFWD]...; ring3 run --net user starts it");
	helper.fd = atoi(argv[1]);
	if (background_begin() < 0)
		fail("cannot go into the background", strerror(errno));
	signal(SIGPIPE, SIG_IGN);
	slirp_begin();
	for (int i = 2; i < argc; i++)
		forward(argv[i]);
	helper_confine();
	background_ready();
	while (!helper.ended)
		helper_turn();
	return 0;
}
