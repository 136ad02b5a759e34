/* SPDX-License-Identifier: MIT */
/*
 * The debugger's breakpoints and watchpoints: a list that the translator and
 * the interpreter consult.  Guest memory is never modified.
 *
 * Addresses are guest-virtual and hold in every address space.  While there is
 * a watchpoint everything is interpreted.  One for writes watches for change:
 * its bytes are compared after every instruction, so that writes by any way are
 * seen (other mappings, devices).  Those for reads and for any access are told
 * by memory/access.h what instructions touch; they do not notice anything while
 * the guest's own data breakpoints, which use the same, are enabled.
 */
#ifndef RING3_DEBUG_BREAKPOINTS_H
#define RING3_DEBUG_BREAKPOINTS_H

#include "base/types.h"
#include "machine/vcpu.h"

#define BREAKPOINTS_MAX		64
#define WATCHPOINTS_MAX		16
#define WATCHPOINT_LENGTH_MAX	8

struct breakpoint {
	gva_t at;
	bool hardware;		/* only for what gdb is told: both work the same */
};

struct breakpoints {
	unsigned count;
	struct breakpoint list[BREAKPOINTS_MAX];
};

extern struct breakpoints breakpoints;

/* Blocks that contain this address and executable mappings of its page must go; by trap/. */
extern void (*gdb_breakpoints_changed)(gva_t at);

/* 0; -EEXIST when it is there already (fine); -ENOSPC. */
int breakpoint_insert(gva_t at, bool hardware);
/* 0; -ENOENT. */
int breakpoint_remove(gva_t at, bool hardware);
const struct breakpoint *breakpoint_find(gva_t at);
void breakpoints_clear(void);	/* watchpoints too */

enum watch_type { WATCH_WRITE = 2, WATCH_READ = 3, WATCH_ACCESS = 4 };	/* as in gdb's Z packets */

/* 0; -EINVAL: length; -ENOSPC.  Takes the present value as the one to compare with. */
int watchpoint_insert(struct vcpu *vcpu, gva_t at, unsigned length, enum watch_type type);
int watchpoint_remove(gva_t at, unsigned length, enum watch_type type);
bool watchpoints_any(void);
/* Before each instruction: see what it touches. */
void watchpoints_begin(void);
/* Behind it: was anything watched hit?  *at and *type: which. */
bool watchpoints_check(struct vcpu *vcpu, gva_t *at, enum watch_type *type);
/* Forget changes made while stopped (by the debugger itself). */
void watchpoints_refresh(struct vcpu *vcpu);

static inline bool gdb_breakpoint_at(gva_t rip)
{
	return unlikely(breakpoints.count) && breakpoint_find(rip);
}

/* Is there one in [page, page + 4 KiB)? */
bool gdb_breakpoint_in_page(gva_t page);

#endif
