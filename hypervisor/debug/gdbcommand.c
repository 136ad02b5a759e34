// SPDX-License-Identifier: MIT
/*
 * The single commands of GDB's protocol (GDB manual, appendix E); see
 * gdbcommand.h.  In each, p points behind the command's own letters.
 *
 * A command that is not known, or asks for what is not there, leaves the reply
 * empty: that means "not supported" to gdb, which then does without.
 */
#include "debug/gdbcommand.h"

#include <errno.h>
#include <string.h>

#include "debug/gdbmonitor.h"
#include "debug/gdbregs.h"
#include "memory/access.h"

#define MEMORY_MAX	(GDB_PACKET_MAX / 2 - 16)	/* bytes per m/M/X, as hex in one packet */

#define SIGNAL_INT	2
#define SIGNAL_TRAP	5
#define SIGNAL_SEGV	11

struct gdb_talk gdb_talk;

static void reply_ok(void)
{
	gdb_reply_text(&gdb_talk.reply, "OK");
}

static void reply_error(unsigned code)
{
	gdb_reply_format(&gdb_talk.reply, "E%02x", code);
}

void gdb_reply_stop(void)
{
	struct gdb_reply *r = &gdb_talk.reply;

	switch (gdb_talk.reason) {
	case GDB_STOP_START:
	case GDB_STOP_INTERRUPT:
		gdb_reply_format(r, "T%02xthread:1;", SIGNAL_INT);
		break;
	case GDB_STOP_FAULT:
		gdb_reply_format(r, "T%02xthread:1;", SIGNAL_SEGV);
		break;
	case GDB_STOP_WATCH:
		gdb_reply_format(r, "T%02xthread:1;%swatch:%lx;", SIGNAL_TRAP,
				 gdb_talk.watch_type == WATCH_READ ? "r" :
				 gdb_talk.watch_type == WATCH_ACCESS ? "a" : "",
				 gdb_talk.watch_address.v);
		break;
	case GDB_STOP_BREAKPOINT:
		gdb_reply_format(r, "T%02xthread:1;%s", SIGNAL_TRAP,
				 gdb_talk.swbreak ? "swbreak:;" : "");
		break;
	default:
		gdb_reply_format(r, "T%02xthread:1;", SIGNAL_TRAP);
	}
}

static void reply_register(struct vcpu *vcpu, unsigned nr)
{
	uint8_t value[GDB_REGISTER_MAX];

	if (gdb_register_read(vcpu, nr, value)) {
		gdb_reply_hex(&gdb_talk.reply, value, gdb_register_bytes(nr));
		return;
	}
	for (unsigned i = 0; i < gdb_register_bytes(nr); i++)
		gdb_reply_text(&gdb_talk.reply, "xx");
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
	gdb_reply_hex(&gdb_talk.reply, buf, got);
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
	const char *end = gdb_talk.parser.packet + gdb_talk.parser.length;
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
	case WATCH_WRITE:
	case WATCH_READ:
	case WATCH_ACCESS:
		kind = min_u64(kind, 255);
		ret = insert ? watchpoint_insert(vcpu, addr, (unsigned)kind, type) :
			       watchpoint_remove(addr, (unsigned)kind, type);
		break;
	default:
		return;		/* "not supported" */
	}
	if (ret && ret != -EEXIST && ret != -ENOENT)
		return reply_error((unsigned)-ret);
	reply_ok();
}

static enum gdb_verdict resume(enum gdb_action action)
{
	gdb_talk.action = action;
	return GDB_VERDICT_RESUME;
}

/* c, s with an optional address; C, S with a signal to ignore before it. */
static enum gdb_verdict resume_at(struct vcpu *vcpu, const char *p, enum gdb_action action, bool signal)
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
	return GDB_VERDICT_REPLY;
}

/* There is one thread, so the first action is the one that applies. */
static enum gdb_verdict verbose_continue(const char *p)
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
		return GDB_VERDICT_REPLY;
	}
}

static enum gdb_verdict command_verbose(const char *p)
{
	if (!strcmp(p, "Cont?")) {
		gdb_reply_text(&gdb_talk.reply, "vCont;c;C;s;S");
	} else if (gdb_take_prefix(&p, "Cont;")) {
		return verbose_continue(p);
	} else if (gdb_take_prefix(&p, "Kill")) {
		reply_ok();
		gdb_reply_send();
		return resume(GDB_KILL);
	}
	return GDB_VERDICT_REPLY;
}

/* Console output of a monitor command: one O packet per line. */
static void monitor_line(struct report *report, const char *text)
{
	(void)report;
	gdb_reply_begin(&gdb_talk.reply);
	gdb_reply_text(&gdb_talk.reply, "O");
	gdb_reply_hex(&gdb_talk.reply, text, strlen(text));
	gdb_reply_hex(&gdb_talk.reply, "\n", 1);
	gdb_reply_send();
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
	gdb_reply_begin(&gdb_talk.reply);
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
	gdb_reply_text(&gdb_talk.reply, got ? "m" : "l");
	gdb_reply_binary(&gdb_talk.reply, part, got);
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
	struct gdb_reply *r = &gdb_talk.reply;

	if (gdb_take_prefix(&p, "Supported")) {
		gdb_talk.swbreak = text_contains(p, "swbreak+");
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
enum gdb_verdict gdb_command(struct vcpu *vcpu)
{
	const char *p = gdb_talk.parser.packet;

	switch (*p++) {
	case '?':
		gdb_reply_stop();
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
		gdb_reply_send();	/* acknowledged still; from the next packet on not */
		gdb_talk.no_ack = true;
		return GDB_VERDICT_SILENT;
	case 'H':
	case 'T':
		reply_ok();
		break;
	case 'D':
		reply_ok();
		gdb_reply_send();
		return resume(GDB_DETACH);
	case 'k':
		return resume(GDB_KILL);
	}
	return GDB_VERDICT_REPLY;
}
