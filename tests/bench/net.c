// SPDX-License-Identifier: MIT
/*
 * A TCP stream and a ping-pong, the same program on host and guest.
 *
 *	net serve PORT			serve until killed
 *	net send HOST PORT SECONDS	prints MB/s
 *	net receive HOST PORT SECONDS	prints MB/s
 *	net pingpong HOST PORT SECONDS	prints microseconds a round trip: mean, median, 99 %
 *
 * Clients say @@run on standard error when they begin.
 *
 * A connection's first byte says what the client wants: s it sends, r it receives,
 * p each byte comes back.  Bytes are counted where they arrive.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK	(256 * 1024)
#define ROUNDS	1000000

static char buffer[CHUNK];

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void no_delay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void serve_one(int fd)
{
	uint64_t total = 0;
	ssize_t n;
	char what;

	if (read(fd, &what, 1) != 1)
		return;
	switch (what) {
	case 's':
		while ((n = read(fd, buffer, CHUNK)) > 0)
			total += (uint64_t)n;
		if (write(fd, &total, sizeof(total)) < 0)
			return;
		break;
	case 'r':
		while (write(fd, buffer, CHUNK) > 0)
			;
		break;
	case 'p':
		while ((n = read(fd, buffer, CHUNK)) > 0 && write(fd, buffer, (size_t)n) == n)
			;
		break;
	default:
		break;
	}
}

static int serve(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0), c;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 8))
		fail("listen");
	signal(SIGCHLD, SIG_IGN);
	while ((c = accept(fd, NULL, NULL)) >= 0 || errno == EINTR) {
		if (c >= 0 && fork() == 0) {
			no_delay(c);
			serve_one(c);
			_exit(0);
		}
		close(c);
	}
	fail("accept");
}

static int open_to(const char *host, int port, char what)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
		fail(host);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) || write(fd, &what, 1) != 1)
		fail("connect");
	no_delay(fd);
	fputs("@@run\n", stderr);
	return fd;
}

static void client_send(int fd, double seconds)
{
	double start = now();
	uint64_t total;

	while (now() - start < seconds)
		if (write(fd, buffer, CHUNK) < 0)
			fail("write");
	shutdown(fd, SHUT_WR);
	if (recv(fd, &total, sizeof(total), MSG_WAITALL) != sizeof(total))
		fail("read");
	printf("%.1f\n", (double)total / 1e6 / (now() - start));
}

static void client_receive(int fd, double seconds)
{
	double start = now();
	uint64_t total = 0;
	ssize_t n = 1;

	while (n > 0 && now() - start < seconds) {
		n = read(fd, buffer, CHUNK);
		total += n > 0 ? (uint64_t)n : 0;
	}
	printf("%.1f\n", (double)total / 1e6 / (now() - start));
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void client_pingpong(int fd, double seconds)
{
	float *trip = malloc(ROUNDS * sizeof(*trip));
	double start = now(), before, after = start;
	size_t n = 0;

	while (after - start < seconds && n < ROUNDS) {
		before = after;
		if (write(fd, "x", 1) != 1 || read(fd, buffer, 1) != 1)
			fail("ping");
		after = now();
		trip[n++] = (float)((after - before) * 1e6);
	}
	qsort(trip, n, sizeof(*trip), by_value);
	printf("%.1f %.1f %.1f\n", (after - start) * 1e6 / (double)n, trip[n / 2], trip[n - 1 - n / 100]);
}

int main(int argc, char **argv)
{
	int fd;

	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[2]));
	if (argc != 5) {
		fprintf(stderr, "usage: net serve PORT | send|receive|pingpong HOST PORT SECONDS\n");
		return 1;
	}
	fd = open_to(argv[2], atoi(argv[3]), argv[1][0]);	/* s, r or p */
	if (!strcmp(argv[1], "send"))
		client_send(fd, atof(argv[4]));
	else if (!strcmp(argv[1], "receive"))
		client_receive(fd, atof(argv[4]));
	else
		client_pingpong(fd, atof(argv[4]));
	return 0;
}
