// SPDX-License-Identifier: MIT
/*
 * The GDB session: socket, stopping and continuing; see gdb.h for how the vCPU
 * loop uses it.  Framing is gdbproto.c's, commands are gdbcommand.c's.
 *
 * The client is trusted with the guest, not with the engine: whatever bytes it
 * sends, the stub answers with an error or drops the connection.
 */
#include "debug/gdb.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hostcall.h"
#include "base/log.h"
#include "debug/gdbcommand.h"
#include "hostio/io.h"
#include "machine/machine.h"
#include "machine/timer.h"

#define SEND_PATIENCE_MS	5000
#define WAIT_SLICE_MS		200	/* how soon machine.stop is noticed */
#define POLL_PERIOD_NS		50000000	/* how soon ^C or a new client is */

static struct {
	int listener, client;		/* -1: none */
	bool running;			/* it waits for a stop reply */
	bool stepping;
	bool poll_due;			/* the poll timer expired */
	struct timer poll_timer;
	size_t input_at, input_length;
	uint8_t input[1024];
} session = { .listener = -1, .client = -1 };

void (*gdb_fpu_fetch)(struct vcpu *vcpu);
void (*gdb_idle)(void);

/* A timer, because the jail leaves no way to ask for SIGIO on an accepted socket. */
static void poll_expired(void *device)
{
	(void)device;
	session.poll_due = true;
	timer_arm(&session.poll_timer, clock_ns() + POLL_PERIOD_NS);
}

static void poll_start(void)
{
	if (!session.poll_timer.expired)
		timer_init(&session.poll_timer, poll_expired, NULL);
	poll_expired(NULL);
}

int gdb_init(unsigned port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd, one = 1, error;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		error = errno;
		log_error("gdb: no socket: %s", strerror(error));
		return -error;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Inherited by the accepted socket: request and reply alternate, delay hurts. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1)) {
		error = errno;
		close(fd);
		log_error("gdb: cannot listen on 127.0.0.1:%u: %s; choose another port", port,
			  strerror(error));
		return -error;
	}
	session.listener = fd;
	poll_start();
	return 0;
}

bool gdb_active(void)
{
	return session.client >= 0;
}

bool gdb_stepping(void)
{
	return session.stepping;
}

bool gdb_watching(void)
{
	return watchpoints_any();
}

static void idle(void)
{
	if (gdb_idle)
		gdb_idle();
}

static bool descriptor_ready(int fd, short events, int timeout_ms)
{
	struct pollfd poll = { .fd = fd, .events = events };
	struct timespec wait = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	return hostcall6(SYS_ppoll, (long)&poll, 1, (long)&wait, 0, 0, 0) > 0;
}

int gdb_poll_fd(void)
{
	return session.client >= 0 ? session.client : session.listener;
}

bool gdb_poll(void)
{
	if (likely(!session.poll_due))
		return false;
	session.poll_due = false;
	return gdb_poll_fd() >= 0 && descriptor_ready(gdb_poll_fd(), POLLIN, 0);
}

static void client_start(int fd)
{
	session.client = fd;
	session.running = session.stepping = false;
	gdb_talk.no_ack = gdb_talk.swbreak = false;
	session.input_at = session.input_length = 0;
	gdb_talk.parser = (struct gdb_parser){ .state = GDB_IDLE };
}

void gdb_attach(int fd)
{
	client_start(fd);
	poll_start();
}

static void client_drop(void)
{
	if (session.client >= 0) {
		io_forget(session.client);
		hostcall1(SYS_close, session.client);
	}
	session.client = -1;
	session.running = session.stepping = false;
	breakpoints_clear();
}

/* wait: until somebody comes or the machine ends. */
static bool client_accept(bool wait)
{
	if (session.listener < 0)
		return false;
	do {
		long fd;

		if (!descriptor_ready(session.listener, POLLIN, wait ? WAIT_SLICE_MS : 0)) {
			idle();
			continue;
		}
		fd = hostcall6(SYS_accept4, session.listener, 0, 0, SOCK_CLOEXEC, 0, 0);
		if (fd >= 0) {
			client_start((int)fd);
			return true;
		}
	} while (wait && machine.stop == MACHINE_RUNNING);
	return false;
}

/* A client that does not read is dropped, rather than stopping the machine for good. */
static void client_send(const char *text, size_t length)
{
	while (length && session.client >= 0) {
		long n = hostcall6(SYS_sendto, session.client, (long)text, (long)length,
				   MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);

		if (n > 0) {
			text += n;
			length -= (size_t)n;
		} else if (n == -EAGAIN) {
			if (!descriptor_ready(session.client, POLLOUT, SEND_PATIENCE_MS))
				client_drop();
		} else if (n != -EINTR) {
			client_drop();
		}
	}
}

void gdb_reply_send(void)
{
	gdb_reply_end(&gdb_talk.reply);
	client_send(gdb_talk.reply.text, gdb_talk.reply.length);
}

/* Have at least one byte of input.  false: none within the time, or the client is gone. */
static bool input_fill(int timeout_ms)
{
	long n;

	if (session.input_at < session.input_length)
		return true;
	if (session.client < 0 || !descriptor_ready(session.client, POLLIN, timeout_ms))
		return false;
	n = hostcall6(SYS_recvfrom, session.client, (long)session.input, sizeof(session.input),
		      MSG_DONTWAIT, 0, 0);
	if (n <= 0) {
		if (n != -EINTR && n != -EAGAIN)
			client_drop();
		return false;
	}
	session.input_at = 0;
	session.input_length = (size_t)n;
	return true;
}

static enum gdb_verdict byte_serve(struct vcpu *vcpu, uint8_t byte)
{
	enum gdb_verdict verdict;

	switch (gdb_parser_byte(&gdb_talk.parser, byte)) {
	case GDB_EVENT_PACKET:
		if (!gdb_talk.no_ack)
			client_send("+", 1);
		gdb_reply_begin(&gdb_talk.reply);
		verdict = gdb_command(vcpu);
		if (verdict == GDB_VERDICT_REPLY)
			gdb_reply_send();
		return verdict;
	case GDB_EVENT_BAD:
		client_send("-", 1);
		break;
	case GDB_EVENT_NAK:
		if (gdb_talk.reply.length)
			client_send(gdb_talk.reply.text, gdb_talk.reply.length);
		break;
	case GDB_EVENT_INTERRUPT:	/* stopped already */
	case GDB_EVENT_ACK:
	case GDB_EVENT_NONE:
		break;
	}
	return GDB_VERDICT_SILENT;
}

static enum gdb_action session_serve(struct vcpu *vcpu)
{
	while (session.client >= 0) {
		if (machine.stop != MACHINE_RUNNING)
			return GDB_CONTINUE;
		if (!input_fill(WAIT_SLICE_MS)) {
			idle();
			continue;
		}
		if (byte_serve(vcpu, session.input[session.input_at++]) != GDB_VERDICT_RESUME)
			continue;
		session.running = true;
		session.stepping = gdb_talk.action == GDB_STEP;
		if (gdb_talk.action == GDB_DETACH || gdb_talk.action == GDB_KILL)
			client_drop();
		return gdb_talk.action;
	}
	return GDB_DETACH;	/* it hung up */
}

/* While the guest runs, does the input mean stop?  Anything but ^C alone is looked at stopped. */
static bool session_interrupted(void)
{
	while (input_fill(0)) {
		uint8_t byte = session.input[session.input_at];

		if (byte == 3)
			session.input_at++;
		if (byte != '+' && byte != '-')
			return true;
		session.input_at++;
	}
	return false;
}

enum gdb_action gdb_stop(struct vcpu *vcpu, enum gdb_stop_reason reason)
{
	session.stepping = false;
	if (session.client < 0) {
		if (reason != GDB_STOP_START && reason != GDB_STOP_INTERRUPT)
			return GDB_CONTINUE;
		if (!client_accept(reason == GDB_STOP_START))
			return GDB_CONTINUE;
	} else if (reason == GDB_STOP_INTERRUPT && session.running && !session_interrupted()) {
		return session.client < 0 ? GDB_DETACH : GDB_CONTINUE;
	}
	gdb_talk.reason = reason;
	if (session.running) {
		session.running = false;
		gdb_reply_begin(&gdb_talk.reply);
		gdb_reply_stop();
		gdb_reply_send();
	}
	return session_serve(vcpu);
}

enum gdb_stop_reason gdb_stopped_after(struct vcpu *vcpu)
{
	if (watchpoints_any() && watchpoints_check(vcpu, &gdb_talk.watch_address, &gdb_talk.watch_type))
		return GDB_STOP_WATCH;
	return session.stepping ? GDB_STOP_STEP : GDB_STOP_NONE;
}

void gdb_exit(int status)
{
	if (session.client < 0)
		return;
	gdb_reply_begin(&gdb_talk.reply);
	gdb_reply_format(&gdb_talk.reply, "W%02x", (unsigned)status & 0xff);
	gdb_reply_send();
	client_drop();
}
