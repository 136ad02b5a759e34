// SPDX-License-Identifier: MIT
/*
 * The GDB session: socket, commands, stopping and continuing; see gdb.h for how
 * the vCPU loop uses it.  Framing is gdbproto.c's, registers are gdbregs.c's,
 * `monitor` is gdbmonitor.c's.
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

#include "base/hostcall.h"
#include "base/log.h"
#include "debug/gdbmonitor.h"
#include "debug/gdbproto.h"
#include "debug/gdbregs.h"
#include "machine/machine.h"
#include "memory/access.h"

#define MEMORY_MAX	(GDB_PACKET_MAX / 2 - 16)	/* bytes per m/M/X, as hex in one packet */
#define SEND_PATIENCE_MS	5000
#define WAIT_SLICE_MS		200	/* how soon machine.stop is noticed */

#define SIGNAL_INT	2
#define SIGNAL_TRAP	5
#define SIGNAL_SEGV	11

/* What a command leaves to be done. */
enum verdict { VERDICT_REPLY, VERDICT_SILENT, VERDICT_RESUME };

static struct {
	int listener, client;		/* -1: none */
	bool no_ack;			/* QStartNoAckMode was agreed */
	bool swbreak;			/* the client knows the stop reason of that name */
	bool running;			/* it waits for a stop reply */
	bool stepping;
	enum gdb_stop_reason reason;	/* of the present stop */
	gva_t watch_address;
	enum gdb_action action;		/* with VERDICT_RESUME */
	size_t input_at, input_length;
	uint8_t input[1024];
	struct gdb_parser parser;
	struct gdb_reply reply;
} session = { .listener = -1, .client = -1 };

void (*gdb_fpu_fetch)(struct vcpu *vcpu);

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
		log_error("gdb: no socket (error %d)", error);
		return -error;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Inherited by the accepted socket: request and reply alternate, delay hurts. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1)) {
		error = errno;
		close(fd);
		log_error("gdb: cannot listen on 127.0.0.1:%u (error %d); choose another port",
			  port, error);
		return -error;
	}
	session.listener = fd;
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

int gdb_poll_fd(void)
{
	return session.client >= 0 ? session.client : session.listener;
}

static bool descriptor_ready(int fd, short events, int timeout_ms)
{
	struct pollfd poll = { .fd = fd, .events = events };
	struct timespec wait = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	return hostcall6(SYS_ppoll, (long)&poll, 1, (long)&wait, 0, 0, 0) > 0;
}

bool gdb_poll(void)
{
	return gdb_poll_fd() >= 0 && descriptor_ready(gdb_poll_fd(), POLLIN, 0);
}

static void client_start(int fd)
{
	session.client = fd;
	session.no_ack = session.swbreak = session.running = session.stepping = false;
	session.input_at = session.input_length = 0;
	session.parser = (struct gdb_parser){ .state = GDB_IDLE };
}

void gdb_attach(int fd)
{
	client_start(fd);
}

static void client_drop(void)
{
	if (session.client >= 0)
		hostcall1(SYS_close, session.client);
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

		if (!descriptor_ready(session.listener, POLLIN, wait ? WAIT_SLICE_MS : 0))
			continue;
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

static void reply_send(void)
{
	gdb_reply_end(&session.reply);
	client_send(session.reply.text, session.reply.length);
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

/* ---- single commands; p points behind the command's own letters ---- */

static void reply_ok(void)
{
	gdb_reply_text(&session.reply, "OK");
}

static void reply_error(unsigned code)
{
	gdb_reply_format(&session.reply, "E%02x", code);
}

static void reply_stop(void)
{
	struct gdb_reply *r = &session.reply;

	switch (session.reason) {
	case GDB_STOP_START:
	case GDB_STOP_INTERRUPT:
		gdb_reply_format(r, "T%02xthread:1;", SIGNAL_INT);
		break;
	case GDB_STOP_FAULT:
		gdb_reply_format(r, "T%02xthread:1;", SIGNAL_SEGV);
		break;
	case GDB_STOP_WATCH:
		gdb_reply_format(r, "T%02xthread:1;watch:%lx;", SIGNAL_TRAP,
				 session.watch_address.v);
		break;
	case GDB_STOP_BREAKPOINT:
		gdb_reply_format(r, "T%02xthread:1;%s", SIGNAL_TRAP,
				 session.swbreak ? "swbreak:;" : "");
		break;
	default:
		gdb_reply_format(r, "T%02xthread:1;", SIGNAL_TRAP);
	}
}

static void reply_register(struct vcpu *vcpu, unsigned nr)
{
	uint8_t value[GDB_REGISTER_MAX];

	if (gdb_register_read(vcpu, nr, value)) {
		gdb_reply_hex(&session.reply, value, gdb_register_bytes(nr));
		return;
	}
	for (unsigned i = 0; i < gdb_register_bytes(nr); i++)
		gdb_reply_text(&session.reply, "xx");
}

static void registers_read(struct vcpu *vcpu)
{
	for (unsigned nr = 0; nr < gdb_register_general(); nr++)
		reply_register(vcpu, nr);
}

static void registers_write(struct vcpu *vcpu, const char *p)
{
	uint8_t value[GDB_REGISTER_MAX];

	for (unsigned nr = 0; nr < gdb_register_general(); nr++) {
		/* Unavailable registers come back as they were sent. */
		if (*p == 'x') {
			for (unsigned i = 0; i < 2 * gdb_register_bytes(nr); i++)
				if (!gdb_take_char(&p, 'x'))
					return reply_error(EINVAL);
			continue;
		}
		if (!gdb_take_bytes(&p, value, gdb_register_bytes(nr)))
			return reply_error(EINVAL);
		if (!gdb_register_write(vcpu, nr, value))
			return reply_error(EPERM);
	}
	reply_ok();
}

static void register_read(struct vcpu *vcpu, const char *p)
{
	uint64_t nr;

	if (!gdb_take_hex(&p, &nr) || nr >= gdb_register_count())
		return reply_error(EINVAL);
	reply_register(vcpu, (unsigned)nr);
}

static void register_write(struct vcpu *vcpu, const char *p)
{
	uint8_t value[GDB_REGISTER_MAX];
	uint64_t nr;

	if (!gdb_take_hex(&p, &nr) || nr >= gdb_register_count() || !gdb_take_char(&p, '=') ||
	    !gdb_take_bytes(&p, value, gdb_register_bytes((unsigned)nr)))
		return reply_error(EINVAL);
	if (!gdb_register_write(vcpu, (unsigned)nr, value))
		return reply_error(EPERM);
	reply_ok();
}

static bool take_range(const char **p, gva_t *addr, uint64_t *length)
{
	return gdb_take_hex(p, &addr->v) && gdb_take_char(p, ',') && gdb_take_hex(p, length);
}

static void memory_read(struct vcpu *vcpu, const char *p)
{
	uint8_t buf[MEMORY_MAX];
	uint64_t length;
	gva_t addr;
	size_t got;

	if (!take_range(&p, &addr, &length) || *p)
		return reply_error(EINVAL);
	length = min_u64(length, sizeof(buf));
	got = access_debug_read(vcpu, addr, buf, length);
	if (length && !got)
		return reply_error(EFAULT);
	gdb_reply_hex(&session.reply, buf, got);
}

static void memory_store(struct vcpu *vcpu, gva_t addr, const void *buf, uint64_t length)
{
	if (access_debug_write(vcpu, addr, buf, length) != length)
		return reply_error(EFAULT);
	watchpoints_refresh(vcpu);
	reply_ok();
}

static void memory_write_hex(struct vcpu *vcpu, const char *p)
{
	uint8_t buf[MEMORY_MAX];
	uint64_t length;
	gva_t addr;

	if (!take_range(&p, &addr, &length) || !gdb_take_char(&p, ':') || length > sizeof(buf) ||
	    !gdb_take_bytes(&p, buf, length) || *p)
		return reply_error(EINVAL);
	memory_store(vcpu, addr, buf, length);
}

static void memory_write_binary(struct vcpu *vcpu, const char *p)
{
	const char *end = session.parser.packet + session.parser.length;
	uint64_t length;
	gva_t addr;

	if (!take_range(&p, &addr, &length) || !gdb_take_char(&p, ':') ||
	    length != (uint64_t)(end - p))
		return reply_error(EINVAL);
	memory_store(vcpu, addr, p, length);
}

/* Z and z: type,addr,kind. */
static void point_change(struct vcpu *vcpu, const char *p, bool insert)
{
	uint64_t type, kind;
	gva_t addr;
	int ret;

	if (!gdb_take_hex(&p, &type) || !gdb_take_char(&p, ',') || !take_range(&p, &addr, &kind))
		return reply_error(EINVAL);
	switch (type) {
	case 0:
	case 1:
		ret = insert ? breakpoint_insert(addr, type == 1) : breakpoint_remove(addr, type == 1);
		break;
	case 2:
		ret = insert ? watchpoint_insert(vcpu, addr, (unsigned)min_u64(kind, 255)) :
			       watchpoint_remove(addr, (unsigned)min_u64(kind, 255));
		break;
	default:
		return;		/* reads are not watched: "not supported" */
	}
	if (ret && ret != -EEXIST && ret != -ENOENT)
		return reply_error((unsigned)-ret);
	reply_ok();
}

static enum verdict resume(enum gdb_action action)
{
	session.action = action;
	return VERDICT_RESUME;
}

/* c, s with an optional address; C, S with a signal to ignore before it. */
static enum verdict resume_at(struct vcpu *vcpu, const char *p, enum gdb_action action, bool signal)
{
	uint64_t value;

	if (signal) {
		if (!gdb_take_hex(&p, &value))
			goto malformed;
		if (*p && !gdb_take_char(&p, ';'))
			goto malformed;
	}
	if (*p) {
		if (!gdb_take_hex(&p, &value) || *p)
			goto malformed;
		vcpu->rip = value;
	}
	return resume(action);
malformed:
	reply_error(EINVAL);
	return VERDICT_REPLY;
}

/* There is one thread, so the first action is the one that applies. */
static enum verdict verbose_continue(const char *p)
{
	switch (*p) {
	case 'c':
	case 'C':
		return resume(GDB_CONTINUE);
	case 's':
	case 'S':
		return resume(GDB_STEP);
	default:
		reply_error(EINVAL);
		return VERDICT_REPLY;
	}
}

static enum verdict command_verbose(const char *p)
{
	if (!strcmp(p, "Cont?")) {
		gdb_reply_text(&session.reply, "vCont;c;C;s;S");
	} else if (gdb_take_prefix(&p, "Cont;")) {
		return verbose_continue(p);
	} else if (gdb_take_prefix(&p, "Kill")) {
		reply_ok();
		reply_send();
		return resume(GDB_KILL);
	}
	return VERDICT_REPLY;
}

/* Console output of a monitor command: one O packet per line. */
static void monitor_line(struct report *report, const char *text)
{
	(void)report;
	gdb_reply_begin(&session.reply);
	gdb_reply_text(&session.reply, "O");
	gdb_reply_hex(&session.reply, text, strlen(text));
	gdb_reply_hex(&session.reply, "\n", 1);
	reply_send();
}

static void query_monitor(struct vcpu *vcpu, const char *p)
{
	struct report report = { .line = monitor_line };
	char command[128];
	size_t length = strlen(p) / 2;

	if (length >= sizeof(command) || !gdb_take_bytes(&p, command, length) || *p)
		return reply_error(EINVAL);
	command[length] = '\0';
	gdb_monitor(&report, vcpu, command);
	gdb_reply_begin(&session.reply);
	reply_ok();
}

static void query_target_xml(const char *p)
{
	char part[GDB_PACKET_MAX / 2];
	uint64_t offset, length;
	size_t got;

	if (!gdb_take_hex(&p, &offset) || !gdb_take_char(&p, ',') || !gdb_take_hex(&p, &length))
		return reply_error(EINVAL);
	got = gdb_target_xml(offset, part, min_u64(length, sizeof(part)));
	gdb_reply_text(&session.reply, got ? "m" : "l");
	gdb_reply_binary(&session.reply, part, got);
}

static bool text_contains(const char *text, const char *part)
{
	for (; *text; text++) {
		const char *at = text;

		if (gdb_take_prefix(&at, part))
			return true;
	}
	return false;
}

static void command_query(struct vcpu *vcpu, const char *p)
{
	struct gdb_reply *r = &session.reply;

	if (gdb_take_prefix(&p, "Supported")) {
		session.swbreak = text_contains(p, "swbreak+");
		gdb_reply_format(r, "PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;"
				 "vContSupported+;swbreak+;hwbreak+", GDB_PACKET_MAX);
	} else if (gdb_take_prefix(&p, "Xfer:features:read:target.xml:")) {
		query_target_xml(p);
	} else if (gdb_take_prefix(&p, "Rcmd,")) {
		query_monitor(vcpu, p);
	} else if (!strcmp(p, "C")) {
		gdb_reply_text(r, "QC1");
	} else if (!strcmp(p, "fThreadInfo")) {
		gdb_reply_text(r, "m1");
	} else if (!strcmp(p, "sThreadInfo")) {
		gdb_reply_text(r, "l");
	} else if (gdb_take_prefix(&p, "ThreadExtraInfo,")) {
		const char *text = vcpu->halted ? "vCPU 0, halted" : "vCPU 0";

		gdb_reply_hex(r, text, strlen(text));
	} else if (gdb_take_prefix(&p, "Attached")) {
		gdb_reply_text(r, "1");
	} else if (gdb_take_prefix(&p, "Symbol:")) {
		reply_ok();
	}
}

/* One packet.  The reply is begun; an empty one means "not supported". */
static enum verdict command_run(struct vcpu *vcpu, const char *p)
{
	switch (*p++) {
	case '?':
		reply_stop();
		break;
	case 'g':
		registers_read(vcpu);
		break;
	case 'G':
		registers_write(vcpu, p);
		break;
	case 'p':
		register_read(vcpu, p);
		break;
	case 'P':
		register_write(vcpu, p);
		break;
	case 'm':
		memory_read(vcpu, p);
		break;
	case 'M':
		memory_write_hex(vcpu, p);
		break;
	case 'X':
		memory_write_binary(vcpu, p);
		break;
	case 'Z':
	case 'z':
		point_change(vcpu, p, p[-1] == 'Z');
		break;
	case 'c':
	case 'C':
		return resume_at(vcpu, p, GDB_CONTINUE, p[-1] == 'C');
	case 's':
	case 'S':
		return resume_at(vcpu, p, GDB_STEP, p[-1] == 'S');
	case 'v':
		return command_verbose(p);
	case 'q':
		command_query(vcpu, p);
		break;
	case 'Q':
		if (strcmp(p, "StartNoAckMode"))
			break;
		reply_ok();
		reply_send();	/* acknowledged still; from the next packet on not */
		session.no_ack = true;
		return VERDICT_SILENT;
	case 'H':
	case 'T':
		reply_ok();
		break;
	case 'D':
		reply_ok();
		reply_send();
		return resume(GDB_DETACH);
	case 'k':
		return resume(GDB_KILL);
	}
	return VERDICT_REPLY;
}

static enum verdict byte_serve(struct vcpu *vcpu, uint8_t byte)
{
	enum verdict verdict;

	switch (gdb_parser_byte(&session.parser, byte)) {
	case GDB_EVENT_PACKET:
		if (!session.no_ack)
			client_send("+", 1);
		gdb_reply_begin(&session.reply);
		verdict = command_run(vcpu, session.parser.packet);
		if (verdict == VERDICT_REPLY)
			reply_send();
		return verdict;
	case GDB_EVENT_BAD:
		client_send("-", 1);
		break;
	case GDB_EVENT_NAK:
		if (session.reply.length)
			client_send(session.reply.text, session.reply.length);
		break;
	case GDB_EVENT_INTERRUPT:	/* stopped already */
	case GDB_EVENT_ACK:
	case GDB_EVENT_NONE:
		break;
	}
	return VERDICT_SILENT;
}

static enum gdb_action session_serve(struct vcpu *vcpu)
{
	while (session.client >= 0) {
		if (machine.stop != MACHINE_RUNNING)
			return GDB_CONTINUE;
		if (!input_fill(WAIT_SLICE_MS))
			continue;
		if (byte_serve(vcpu, session.input[session.input_at++]) != VERDICT_RESUME)
			continue;
		session.running = true;
		session.stepping = session.action == GDB_STEP;
		if (session.action == GDB_DETACH || session.action == GDB_KILL)
			client_drop();
		return session.action;
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
	session.reason = reason;
	if (session.running) {
		session.running = false;
		gdb_reply_begin(&session.reply);
		reply_stop();
		reply_send();
	}
	return session_serve(vcpu);
}

enum gdb_stop_reason gdb_stopped_after(struct vcpu *vcpu)
{
	if (watchpoints_any() && watchpoints_check(vcpu, &session.watch_address))
		return GDB_STOP_WATCH;
	if (session.stepping)
		return GDB_STOP_STEP;
	return gdb_breakpoint_at(GVA(vcpu->rip)) ? GDB_STOP_BREAKPOINT : GDB_STOP_NONE;
}

void gdb_exit(int status)
{
	if (session.client < 0)
		return;
	gdb_reply_begin(&session.reply);
	gdb_reply_format(&session.reply, "W%02x", (unsigned)status & 0xff);
	reply_send();
	client_drop();
}
