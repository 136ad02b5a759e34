// SPDX-License-Identifier: MIT
/*
 * User-mode networking: the guest's frames become system calls of an ordinary
 * process, which needs no privilege: passt, or ring3-slirp (hostio/slirp/), both at
 * the other end of a socket with the stream protocol.
 *
 * The guest's network is the same with either: 10.0.2.15/24 by DHCP, the gateway
 * 10.0.2.2 stands for the host's own loopback, 10.0.2.3 for its name server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "hostio/net_backend.h"
#include "hostio/net_child.h"

#define FORWARDS_MAX	64u
#define BUSY_MS		1000	/* how long ports may still belong to a machine that just ended */

#define TEXT(x)		#x
#define NUMBER(x)	TEXT(x)

struct forward {
	bool udp;
	struct sockaddr_in host;
	unsigned guest_port;
	char passt[INET_ADDRSTRLEN + 16];	/* the same in passt's words */
};

/* ---- "tcp|udp:[HOSTADDR]:PORT-[GUESTADDR]:PORT" ---- */

/* [ADDRESS]:PORT up to `end`. */
static bool parse_place(const char *from, const char *end, struct in_addr *address, unsigned *port)
{
	const char *colon = memchr(from, ':', (size_t)(end - from));
	char text[INET_ADDRSTRLEN] = "";
	char *rest;
	unsigned long number;

	address->s_addr = INADDR_ANY;
	if (!colon || (size_t)(colon - from) >= sizeof(text) || colon[1] < '0' || colon[1] > '9')
		return false;
	memcpy(text, from, (size_t)(colon - from));
	if (*text && inet_pton(AF_INET, text, address) != 1)
		return false;
	number = strtoul(colon + 1, &rest, 10);
	*port = (unsigned)number;
	return rest == end && number >= 1 && number <= 65535;
}

static bool forward_parse(struct forward *f, const char *text)
{
	const char *minus = strchr(text, '-');
	struct in_addr guest;
	char address[INET_ADDRSTRLEN];
	unsigned port;

	f->udp = !strncmp(text, "udp:", 4);
	if (!minus || (!f->udp && strncmp(text, "tcp:", 4)) ||
	    !parse_place(text + 4, minus, &f->host.sin_addr, &port) ||
	    !parse_place(minus + 1, text + strlen(text), &guest, &f->guest_port))
		return false;
	f->host.sin_family = AF_INET;
	f->host.sin_port = htons((uint16_t)port);
	inet_ntop(AF_INET, &f->host.sin_addr, address, sizeof(address));
	if (f->host.sin_addr.s_addr == INADDR_ANY)
		snprintf(f->passt, sizeof(f->passt), "%u:%u", port, f->guest_port);
	else
		snprintf(f->passt, sizeof(f->passt), "%s/%u:%u", address, port, f->guest_port);
	return true;
}

/* Could the helper bind it?  passt goes on without a port that it does not get. */
static int forward_try(const struct forward *f)
{
	int fd = socket(AF_INET, (f->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	int error = 0, on = 1;

	if (fd < 0)
		return -errno;
	if (!f->udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&f->host, sizeof(f->host)) < 0 ||
	    (!f->udp && listen(fd, 1) < 0))
		error = -errno;
	close(fd);
	return error;
}

static bool forward_check(const struct forward *f, const char *text)
{
	int error = forward_try(f);

	for (int ms = 0; error == -EADDRINUSE && ms < BUSY_MS; ms += 20) {
		poll(NULL, 0, 20);
		error = forward_try(f);
	}
	if (error == -EACCES)
		log_error("hostfwd=%s: ports below 1024 need privileges", text);
	else if (error)
		log_error("hostfwd=%s: cannot listen there: %s", text, strerror(-error));
	return !error;
}

/* ---- helpers ---- */

static int user_start_passt(int fd, struct forward *forwards, unsigned number, char *said, size_t size)
{
	char *argv[16 + 2 * FORWARDS_MAX] = {
		"passt", "-q", "--fd", NUMBER(NET_CHILD_FD), "-a", "10.0.2.15", "-n", "24",
		"-g", "10.0.2.2", "--dns-forward", "10.0.2.3",
	};
	unsigned n = 12;

	for (unsigned i = 0; i < number; i++) {
		argv[n++] = forwards[i].udp ? "-u" : "-t";
		argv[n++] = forwards[i].passt;
	}
	return net_child_run("passt", argv, fd, said, size);
}

static int user_start_slirp(int fd, const char **hostfwd, unsigned number, char *said, size_t size)
{
	static const char *const places[] = { "ring3-slirp", "../libexec/ring3/ring3-slirp" };
	char *argv[4 + FORWARDS_MAX] = { "ring3-slirp", NUMBER(NET_CHILD_FD) };
	char path[4096];
	int status = 127;

	for (unsigned i = 0; i < number; i++)
		argv[2 + i] = (char *)hostfwd[i];
	for (unsigned i = 0; i < array_size(places) && status == 127; i++) {
		if (net_child_beside(places[i], path, sizeof(path)) == 0)
			status = net_child_run(path, argv, fd, said, size);
	}
	return status;
}

/* A helper at the other end of a new socket; our end, or -1.  *peer: NET_PEER_* of it. */
static int user_start(const char **hostfwd, struct forward *forwards, unsigned number, unsigned *peer)
{
	char passt_said[256], slirp_said[256];
	int pair[2], passt, slirp;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		log_error("cannot make a socket for --net user: %s", strerror(errno));
		return -1;
	}
	passt = user_start_passt(pair[1], forwards, number, passt_said, sizeof(passt_said));
	slirp = passt;
	if (passt)
		slirp = user_start_slirp(pair[1], hostfwd, number, slirp_said, sizeof(slirp_said));
	close(pair[1]);
	if (slirp == 0) {
		if (passt != 0 && passt != 127)
			log_info("passt does not start (%s); using libslirp", passt_said);
		/* passt drops what its own socket does not take at once; long frames make that dear.
		 * It goes by the length of the frame where IP's would count. */
		*peer = NET_PEER_TRUSTED | (passt ? NET_PEER_LONG : NET_PEER_EXACT);
		return pair[0];
	}
	close(pair[0]);
	if (passt == 127 && slirp == 127)
		log_error("--net user needs passt (apt-get install passt), or ring3-slirp beside ring3 "
			  "(built where libslirp-dev is installed)");
	else if (slirp == 127)
		log_error("passt does not start: %s; no ring3-slirp beside ring3 to take its place "
			  "(built where libslirp-dev is installed)", passt_said);
	else
		log_error("ring3-slirp does not start: %s", slirp_said);
	return -1;
}

struct net *net_user_open(const char **hostfwd)
{
	struct forward forwards[FORWARDS_MAX] = { 0 };
	unsigned number = 0, peer;
	int fd;

	for (; hostfwd && hostfwd[number]; number++) {
		if (number == FORWARDS_MAX) {
			log_error("at most %u hostfwd for one network card", FORWARDS_MAX);
			return NULL;
		}
		if (!forward_parse(&forwards[number], hostfwd[number])) {
			log_error("hostfwd=%s is not tcp:[ADDRESS]:PORT-[ADDRESS]:PORT or udp:...",
				  hostfwd[number]);
			return NULL;
		}
		if (!forward_check(&forwards[number], hostfwd[number]))
			return NULL;
	}
	fd = user_start(hostfwd, forwards, number, &peer);
	return fd < 0 ? NULL : net_stream_new(fd, "user", peer);
}
