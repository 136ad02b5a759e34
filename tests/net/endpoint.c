// SPDX-License-Identifier: MIT
/*
 * Both ends of the network tests, in guests and on the host.
 *
 *	endpoint serve PORT			echo TCP connections and UDP datagrams
 *	endpoint tcp ADDRESS PORT BYTES		send random bytes, compare what comes back
 *	endpoint udp ADDRESS PORT FROM TO STEP	a datagram of each size, until it comes back
 *
 * Prints one line that begins with "tcp ok" or "udp ok", or says what is wrong and
 * ends with status 1.  Every byte is compared, so no checksum's word is taken.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define QUIET_MS	60000	/* a connection on which nothing moves for so long is stuck */
#define ANSWER_MS	200
#define TRIES		50

static uint8_t buffer[1 << 16];

static void fail(const char *what)
{
	printf("failed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Byte streams of one seed, in whatever pieces they are asked for. */
struct stream {
	uint64_t state, word;
	unsigned left;
};

static uint8_t stream_byte(struct stream *s)
{
	if (!s->left) {
		s->word = next(&s->state);
		s->left = 8;
	}
	s->left--;
	s->word = s->word << 8 | s->word >> 56;
	return (uint8_t)s->word;
}

static struct sockaddr_in place(const char *address, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
		fail(address);
	return a;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- serve ---- */

static void echo_tcp(int fd)
{
	ssize_t n, done, r;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		for (done = 0; done < n; done += r) {
			r = write(fd, buffer + done, (size_t)(n - done));
			if (r <= 0)
				_exit(1);
		}
	}
	_exit(0);
}

static int serve(const char *port)
{
	struct sockaddr_in a = place("0.0.0.0", port), from;
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), on = 1, fd;
	struct pollfd fds[2] = { { .fd = tcp, .events = POLLIN }, { .fd = udp, .events = POLLIN } };
	socklen_t size;
	ssize_t n;

	signal(SIGCHLD, SIG_IGN);
	setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(tcp, (struct sockaddr *)&a, sizeof(a)) || listen(tcp, 16) ||
	    bind(udp, (struct sockaddr *)&a, sizeof(a)))
		fail("bind");
	printf("serving\n");
	fflush(stdout);
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents) {
			fd = accept(tcp, NULL, NULL);
			if (fd >= 0 && fork() == 0)
				echo_tcp(fd);
			if (fd >= 0)
				close(fd);
		}
		size = sizeof(from);
		if (fds[1].revents &&
		    (n = recvfrom(udp, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &size)) >= 0)
			sendto(udp, buffer, (size_t)n, 0, (struct sockaddr *)&from, size);
	}
	return 1;
}

/* ---- tcp ---- */

static void tcp_check(struct stream *s, const uint8_t *p, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != stream_byte(s)) {
			printf("failed: byte %zu of the connection is wrong\n", at + i);
			exit(1);
		}
	}
}

static int tcp(struct sockaddr_in a, size_t bytes)
{
	struct stream out = { .state = 88172645463325252ull }, in = out;
	size_t sent = 0, got = 0, have = 0, used = 0;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	static uint8_t piece[1 << 16];
	double start = now();
	ssize_t r;

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		fail("connect");
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (got < bytes) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (sent < bytes)
			p.events |= POLLOUT;
		if (poll(&p, 1, QUIET_MS) <= 0) {
			errno = ETIMEDOUT;
			fail("the connection is stuck");
		}
		if (p.revents & POLLOUT) {
			if (used == have) {
				have = bytes - sent < sizeof(piece) ? bytes - sent : sizeof(piece);
				for (used = 0; used < have; used++)
					piece[used] = stream_byte(&out);
				used = 0;
			}
			r = write(fd, piece + used, have - used);
			if (r > 0) {
				used += (size_t)r;
				sent += (size_t)r;
			}
		}
		if (p.revents & (POLLIN | POLLERR | POLLHUP)) {
			r = read(fd, buffer, sizeof(buffer));
			if (r == 0 || (r < 0 && errno != EAGAIN))
				fail("the connection broke");
			if (r > 0) {
				tcp_check(&in, buffer, (size_t)r, got);
				got += (size_t)r;
			}
		}
	}
	printf("tcp ok %zu bytes there and back, %.1f MB/s\n", bytes,
	       2 * (double)bytes / 1e6 / (now() - start));
	return 0;
}

/* ---- udp ---- */

static void udp_fill(uint8_t *p, unsigned size)
{
	struct stream s = { .state = 0x9e3779b97f4a7c15ull + size };

	for (unsigned i = 0; i < size; i++)
		p[i] = stream_byte(&s);
}

/* The datagram of `size` comes back as it was; late ones of other sizes are passed over. */
static int udp_one(int fd, unsigned size)
{
	static uint8_t sent[1 << 16];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	udp_fill(sent, size);
	for (unsigned i = 0; i < TRIES; i++) {
		if (send(fd, sent, size, 0) != (ssize_t)size && errno != ECONNREFUSED)
			fail("send");
		while (poll(&p, 1, ANSWER_MS) > 0) {
			n = recv(fd, buffer, sizeof(buffer), 0);
			if (n == (ssize_t)size && !memcmp(buffer, sent, size))
				return 1;
			if (n == (ssize_t)size) {
				printf("failed: a datagram of %u bytes came back changed\n", size);
				exit(1);
			}
		}
	}
	return 0;
}

static int udp(struct sockaddr_in a, unsigned from, unsigned to, unsigned step)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned number = 0;

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		fail("connect");
	for (unsigned size = from; size <= to; size += step, number++) {
		if (!udp_one(fd, size)) {
			printf("failed: a datagram of %u bytes never came back\n", size);
			return 1;
		}
	}
	printf("udp ok %u sizes\n", number);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "tcp"))
		return tcp(place(argv[2], argv[3]), strtoul(argv[4], NULL, 0));
	if (argc == 7 && !strcmp(argv[1], "udp"))
		return udp(place(argv[2], argv[3]), (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]),
			   (unsigned)atoi(argv[6]));
	printf("failed: usage: endpoint serve|tcp|udp ...\n");
	return 1;
}
