// SPDX-License-Identifier: MIT
/*
 * User-mode networking: the guest's frames become system calls of an ordinary
 * process, which needs no privilege: passt, if it is not too old, or ring3-slirp
 * (hostio/slirp/), both at the other end of a socket with the stream protocol.
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

#define HELPER_BUFFER	(8 * 1024 * 1024)	/* asked for; the host has its own limit */
/* The oldest passt that was seen to keep its connections under load (docs/decisions/0006-network.md). */
#define PASST_SOUND	20250503u

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

struct user {
	const char **hostfwd;
	struct forward forwards[FORWARDS_MAX];
	unsigned number;
};

struct helper {
	const char *name;
	unsigned peer;		/* NET_PEER_* */
	/* As net_child_run(). */
	int (*start)(struct user *u, int fd, char *said, size_t size);
};

static int start_passt(struct user *u, int fd, char *said, size_t size)
{
	char *argv[16 + 2 * FORWARDS_MAX] = {
		"passt", "-q", "--fd", NUMBER(NET_CHILD_FD), "-a", "10.0.2.15", "-n", "24",
		"-g", "10.0.2.2", "--dns-forward", "10.0.2.3",
	};
	unsigned n = 12;

	for (unsigned i = 0; i < u->number; i++) {
		argv[n++] = u->forwards[i].udp ? "-u" : "-t";
		argv[n++] = u->forwards[i].passt;
	}
	return net_child_run("passt", argv, fd, said, size);
}

static int start_slirp(struct user *u, int fd, char *said, size_t size)
{
	static const char *const places[] = { "ring3-slirp", "../libexec/ring3/ring3-slirp" };
	char *argv[4 + FORWARDS_MAX] = { "ring3-slirp", NUMBER(NET_CHILD_FD) };
	char path[4096];
	int status = 127;

	for (unsigned i = 0; i < u->number; i++)
		argv[2 + i] = (char *)u->hostfwd[i];
	for (unsigned i = 0; i < array_size(places) && status == 127; i++) {
		if (net_child_beside(places[i], path, sizeof(path)) == 0)
			status = net_child_run(path, argv, fd, said, size);
	}
	return status;
}

/*
 * passt drops what its own socket does not take at once; long frames would make that dear.
 * It goes by the length of the frame where IP's would count.
 */
static const struct helper helpers[] = {
	{ "passt", NET_PEER_TRUSTED | NET_PEER_EXACT, start_passt },
	{ "ring3-slirp", NET_PEER_TRUSTED | NET_PEER_LONG, start_slirp },
};

/* Of which day passt is, as year, month and day in one number; 0: it does not say, or is not there. */
static unsigned passt_date(void)
{
	FILE *f = popen("exec passt --version 2>/dev/null", "re");
	char line[128] = "";
	unsigned year, month, day;

	if (!f)
		return 0;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	pclose(f);
	/* "passt 0.0~git20250503.587980c-2", "passt 2025_05_03.587980c" */
	for (const char *p = line; *p; p++) {
		if ((sscanf(p, "%4u_%2u_%2u", &year, &month, &day) == 3 ||
		     sscanf(p, "%4u%2u%2u", &year, &month, &day) == 3) &&
		    year >= 2000 && month >= 1 && month <= 12 && day >= 1 && day <= 31)
			return year * 10000 + month * 100 + day;
	}
	return 0;
}

/* A socket with the first helper that starts at its other end, or -1.  *peer: NET_PEER_* of it. */
static int user_start(struct user *u, unsigned *peer)
{
	bool sound = passt_date() >= PASST_SOUND;
	const struct helper *order[] = { &helpers[!sound], &helpers[sound] };
	char said[array_size(order)][256];
	int pair[2], status[array_size(order)], room = HELPER_BUFFER;
	unsigned i;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		log_error("cannot make a socket for --net user: %s", strerror(errno));
		return -1;
	}
	/* All the room that the host gives: what passt cannot send at once is lost. */
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	for (i = 0; i < array_size(order); i++) {
		status[i] = order[i]->start(u, pair[1], said[i], sizeof(said[i]));
		if (status[i] == 0)
			break;
	}
	close(pair[1]);
	if (i < array_size(order)) {
		if (i && status[0] != 127)
			log_info("%s does not start (%s); using %s", order[0]->name, said[0], order[1]->name);
		if (!sound && order[i] == &helpers[0])
			log_warn("an old passt, such as this may be, loses connections under load; "
				 "ring3-slirp, built where libslirp-dev is installed, does not");
		*peer = order[i]->peer;
		return pair[0];
	}
	close(pair[0]);
	if (status[0] == 127 && status[1] == 127) {
		log_error("--net user needs passt (apt-get install passt), or ring3-slirp beside ring3 "
			  "(built where libslirp-dev is installed)");
	} else if (status[0] == 127 || status[1] == 127) {
		bool second = status[0] == 127;

		log_error("%s does not start: %s; there is no %s to take its place", order[second]->name,
			  said[second], order[!second]->name);
	} else {
		log_error("%s does not start: %s; nor does %s: %s", order[0]->name, said[0],
			  order[1]->name, said[1]);
	}
	return -1;
}

struct net *net_user_open(const char **hostfwd)
{
	struct user u = { .hostfwd = hostfwd };
	unsigned peer;
	int fd;

	for (; hostfwd && hostfwd[u.number]; u.number++) {
		const char *text = hostfwd[u.number];

		if (u.number == FORWARDS_MAX) {
			log_error("at most %u hostfwd for one network card", FORWARDS_MAX);
			return NULL;
		}
		if (!forward_parse(&u.forwards[u.number], text)) {
			log_error("hostfwd=%s is not tcp:[ADDRESS]:PORT-[ADDRESS]:PORT or udp:...", text);
			return NULL;
		}
		if (!forward_check(&u.forwards[u.number], text))
			return NULL;
	}
	fd = user_start(&u, &peer);
	return fd < 0 ? NULL : net_stream_new(fd, "user", peer);
}
