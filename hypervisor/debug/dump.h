/* SPDX-License-Identifier: MIT */
/*
 * The guest's state in words, for reports about guests that hang, triple-fault
 * or meet a bug of ours, and for gdb's monitor commands.
 *
 * Reads guest memory by the side-effect-free calls only, so that it may be
 * called at any time, also on a vCPU whose state makes no sense.
 */
#ifndef RING3_DEBUG_DUMP_H
#define RING3_DEBUG_DUMP_H

#include "base/types.h"
#include "debug/report.h"
#include "machine/vcpu.h"

/*
 * Remember the vCPU and install bug_hook, so that bug_on() dumps the trace and
 * this vCPU.  Called by trap/ (or cli/) once the vCPU exists.
 */
void debug_init(struct vcpu *vcpu);

/* Registers, segments, control registers, code at RIP, stack, page walks; to standard error. */
void debug_dump_vcpu(struct vcpu *vcpu);
/* The same after the last 64 trace records and a heading: for whoever ends the machine. */
void debug_dump_all(struct vcpu *vcpu, const char *why);

/* Where the engine is: return addresses by frame pointers, for addr2line -e build/ring3. */
void debug_dump_engine(uint64_t rip, uint64_t rbp);

/* The parts, for any report. */
void dump_registers(struct report *report, struct vcpu *vcpu);
void dump_code(struct report *report, struct vcpu *vcpu, gva_t at, unsigned instructions);
void dump_stack(struct report *report, struct vcpu *vcpu);
/* Every level's entry on the way from CR3 to the page, without setting A/D bits. */
void dump_walk(struct report *report, struct vcpu *vcpu, gva_t addr);

#endif
