/* SPDX-License-Identifier: MIT */
/*
 * One command of GDB's protocol: what it does and what is answered.  Called by
 * gdb.c with the machine stopped.
 */
#ifndef RING3_DEBUG_GDBCOMMAND_H
#define RING3_DEBUG_GDBCOMMAND_H

#include "debug/gdb.h"
#include "debug/gdbproto.h"

/* What is left to do after a command. */
enum gdb_verdict {
	GDB_VERDICT_REPLY,	/* send gdb_talk.reply */
	GDB_VERDICT_SILENT,	/* nothing: it was sent, or there is none */
	GDB_VERDICT_RESUME,	/* let the guest run: gdb_talk.action */
};

/* What commands and the session share. */
struct gdb_talk {
	bool no_ack;			/* QStartNoAckMode was agreed */
	bool swbreak;			/* the client knows the stop reason of that name */
	enum gdb_stop_reason reason;	/* of the present stop */
	gva_t watch_address;
	enum watch_type watch_type;
	enum gdb_action action;
	struct gdb_parser parser;
	struct gdb_reply reply;
};
extern struct gdb_talk gdb_talk;

/* Run the command in gdb_talk.parser.packet; gdb_talk.reply is begun. */
enum gdb_verdict gdb_command(struct vcpu *vcpu);
/* Append the stop reply for gdb_talk.reason. */
void gdb_reply_stop(void);

/* gdb.c's: end gdb_talk.reply and send it. */
void gdb_reply_send(void);

#endif
