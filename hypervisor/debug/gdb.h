/* SPDX-License-Identifier: MIT */
/*
 * GDB remote stub: `gdb vmlinux -ex 'target remote :PORT'`.
 *
 * One client at a time on 127.0.0.1, one thread (the vCPU).  The machine stops
 * while gdb talks; everything happens on the vCPU's thread inside gdb_stop().
 *
 * Wiring, for the vCPU loop (trap/):
 *
 *	start-up, before the jail:	gdb_init(config.gdb_port)
 *	before the first instruction:	if (config.gdb_wait) gdb_stop(vcpu, GDB_STOP_START)
 *	whenever the loop gets control:	if (gdb_poll()) gdb_stop(vcpu, GDB_STOP_INTERRUPT)
 *	while gdb_stepping():		take no interrupts, interpret one instruction, then
 *					gdb_stopped_after(vcpu) says whether to gdb_stop()
 *	while gdb_watching():		interpret everything, watchpoints_begin() before and
 *					gdb_stopped_after() behind each instruction
 *	before running guest code, unless gdb_stepping():
 *					if (gdb_breakpoint_at(rip)) gdb_stop(.., GDB_STOP_BREAKPOINT)
 *	the machine ends:		gdb_exit(status)
 *
 * Call gdb_stop() with the whole state in struct vcpu; act on what it returns.
 * The translator ends a block before an address for which gdb_breakpoint_at()
 * is true, and makes none there; user pages for which gdb_breakpoint_in_page()
 * is true are not mapped executable but interpreted.  Guest memory is never changed for a breakpoint.
 *
 * In the jail: accept4, recvfrom, sendto, ppoll, close.
 */
#ifndef RING3_DEBUG_GDB_H
#define RING3_DEBUG_GDB_H

#include "base/types.h"
#include "debug/breakpoints.h"
#include "machine/vcpu.h"

enum gdb_stop_reason {
	GDB_STOP_NONE,
	GDB_STOP_START,		/* nothing ran yet: wait for a client */
	GDB_STOP_INTERRUPT,	/* gdb_poll() said so: a client came, or sent ^C */
	GDB_STOP_BREAKPOINT,
	GDB_STOP_STEP,
	GDB_STOP_WATCH,
	GDB_STOP_FAULT,		/* triple fault, or the guest hangs: SIGSEGV to gdb */
};

enum gdb_action {
	GDB_CONTINUE,
	GDB_STEP,		/* gdb_stepping() is true until the next gdb_stop() */
	GDB_KILL,		/* end the machine: machine_stop(MACHINE_QUIT, ..) */
	GDB_DETACH,		/* the client left; breakpoints are gone; continue */
};

/* Listen on 127.0.0.1:port.  0, or -errno (said). */
int gdb_init(unsigned port);
/* Adopt a connected stream socket instead of accepting one (tests). */
void gdb_attach(int fd);

bool gdb_active(void);		/* a client is attached */
bool gdb_stepping(void);
bool gdb_watching(void);	/* some watchpoint is set */
/* Is there something for gdb_stop(GDB_STOP_INTERRUPT)?  Cheap: it looks 20 times a second, by a
 * timer of machine/timer.h, which also brings a running or halted guest back to the loop. */
bool gdb_poll(void);
/* The descriptor that it looks at, for waiting in HLT, or -1. */
int gdb_poll_fd(void);

/* After one interpreted instruction: why to stop now, or GDB_STOP_NONE. */
enum gdb_stop_reason gdb_stopped_after(struct vcpu *vcpu);

/* Talk to gdb until it lets the guest run.  Returns GDB_CONTINUE at once if there is no client
 * and the reason does not wait for one, and when machine.stop becomes set. */
enum gdb_action gdb_stop(struct vcpu *vcpu, enum gdb_stop_reason reason);

/* Tell an attached client that the machine ended with this exit status. */
void gdb_exit(int status);

/* Bring the guest's SIMD state into vcpu->xsave; installed by trap/.  Without it those
 * registers are shown as unavailable unless they are in memory already. */
extern void (*gdb_fpu_fetch)(struct vcpu *vcpu);

/* Called now and then while the guest is stopped: the user's keys still count. */
extern void (*gdb_idle)(void);

#endif
