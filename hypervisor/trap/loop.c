/* SPDX-License-Identifier: MIT */
/*
 * THE LOOP: what waits for attention, then guest code, again and again.
 *
 *	attention	back-ends, timers, console, debugger	attend()
 *	exception	one found by the last instruction	deliver_exception()
 *	interrupt	if IF is set and no shadow		deliver_interrupt()
 *	CPL3		directly, in a user world		user_run()
 *	CPL0, 64-bit	generated code				translate_enter()
 *	anything else	interpreted				interpret_step()
 *
 * `fast.kick` is set by signal handlers and devices; it is cleared before the
 * sources are looked at, so nothing that comes later is missed.
 */
#include "trap/loop.h"

#include "base/clock.h"
#include "base/log.h"
#include "debug/dump.h"
#include "debug/gdb.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "device/event.h"
#include "device/platform.h"
#include "emulate/deliver.h"
#include "hostio/console.h"
#include "hostio/io.h"
#include "machine/attention.h"
#include "machine/irq.h"
#include "machine/machine.h"
#include "machine/timer.h"
#include "memory/access.h"
#include "memory/vtlb.h"
#include "trap/adapt.h"
#include "trap/debugregs.h"
#include "trap/interpret.h"
#include "trap/signal.h"
#include "trap/user.h"
#include "trap/wait.h"
#include "translate/translate.h"

#define CONSOLE_NS	1000000u

void vcpu_kick(void)
{
	((struct vcpu *)LAYOUT_VCPU)->fast.kick = 1;
}

static void debugger(struct vcpu *vcpu, enum gdb_stop_reason reason)
{
	switch (gdb_stop(vcpu, reason)) {
	case GDB_KILL:
		machine_stop(MACHINE_QUIT, 0, "gdb");
		break;
	case GDB_CONTINUE: case GDB_STEP: case GDB_DETACH:
		break;
	}
}

static void attend(struct vcpu *vcpu)
{
	static uint64_t console_seen;
	uint64_t now;
	bool busy;

	vcpu->fast.kick = 0;
	busy = io_poll();
	now = clock_ns();
	timers_run(now);
	adapt_again(now);
	platform_poll();
	if (irq_take_nmi())
		vcpu->nmi_pending = true;
	/* A system call each: not with every packet. */
	if (!busy || now - console_seen > CONSOLE_NS) {
		console_seen = now;
		console_poll();
	}
	if (machine.config.gdb_port && gdb_poll())
		debugger(vcpu, GDB_STOP_INTERRUPT);
}

static void triple_fault(struct vcpu *vcpu)
{
	if (machine.config.gdb_port)
		debugger(vcpu, GDB_STOP_FAULT);
	debug_dump_all(vcpu, "triple fault");
	machine_stop(MACHINE_TRIPLE_FAULT, 0, NULL);
}

/* HLT, or the call `halt`: until something comes. */
static void wait_for_interrupt(struct vcpu *vcpu)
{
	if (vcpu->halted == VCPU_HALT_PENDING) {
		/* What the guest does not let in ends the wait, too; it looks itself. */
		if (irq_pending() || event_waits()) {
			vcpu->halted = VCPU_RUNS;
			return;
		}
	} else if (!(vcpu->rflags & RFLAGS_IF) && !vcpu->nmi_pending) {
		if (machine.config.gdb_port)
			debugger(vcpu, GDB_STOP_FAULT);
		debug_dump_all(vcpu, "HLT with interrupts off");
		machine_stop(MACHINE_HUNG, 0, "it waits for an interrupt with interrupts off");
		return;
	}
	platform_flush();
	stats.halts++;
	trace_exit(TRACE_K_HALT, vcpu->rip, vcpu->rflags, timers_next());
	stats_time(STATS_IDLE);
	wait_halted(vcpu);
	stats_time(STATS_ENGINE);
}

/* true: something changed, look again. */
static bool interrupts(struct vcpu *vcpu)
{
	bool window = (vcpu->rflags & RFLAGS_IF) && !vcpu->interrupt_shadow;
	int vector;

	if (vcpu->nmi_pending && !vcpu->nmi_blocked && !vcpu->interrupt_shadow) {
		vcpu->nmi_pending = false;
		vcpu->nmi_blocked = true;
		vcpu->halted = VCPU_RUNS;
		if (!deliver_interrupt(vcpu, VEC_NMI))
			triple_fault(vcpu);
		return true;
	}
	vcpu->fast.irq_waits = irq_pending();
	if (!vcpu->fast.irq_waits || !window)
		return false;
	vector = irq_acknowledge();
	if (vector < 0)
		return true;
	stats.interrupts++;
	trace_exit(TRACE_K_IRQ_TAKE, vcpu->rip, (uint64_t)vector, vcpu->rflags);
	vcpu->halted = VCPU_RUNS;
	if (!deliver_interrupt(vcpu, (uint8_t)vector))
		triple_fault(vcpu);
	return true;
}

static void run_kernel(struct vcpu *vcpu)
{
	struct block *b;

	switch (translate_block(vcpu, &b)) {
	case TRANSLATE_FAULT:
		return;
	case TRANSLATE_INTERPRET:
		interpret_step(vcpu);
		return;
	case TRANSLATE_OK:
		break;
	}
	vcpu->fast.cache_rip = b->host;
	state_enter(vcpu);
	stats.kernel_enters++;
	signal_outcome = SIGNAL_NONE;
	stats_time(STATS_KERNEL);
	translate_enter();
	stats_time(STATS_ENGINE);
	if (signal_outcome == SIGNAL_DEMOTE) {
		translate_demote(vcpu->rip);
		block_drop_holding(vcpu->rip);
	}
	if (signal_outcome != SIGNAL_NONE)
		interpret_step(vcpu);
}

static void run_guest(struct vcpu *vcpu)
{
	bool paged_64 = vcpu_long_mode(vcpu) && vcpu_64bit_code(vcpu);
	bool interpret = machine.config.engine == MACHINE_ENGINE_EMULATE || vcpu->interrupt_shadow ||
			 debugregs_active(vcpu) ||
			 (machine.config.gdb_port && (gdb_stepping() || gdb_watching()));

	if (!interpret && vcpu->cpl == 3 && vcpu_long_mode(vcpu) && !user_needs_interpreter(vcpu)) {
		user_run(vcpu);
	} else if (!interpret && vcpu->cpl == 0 && paged_64 && !(vcpu->rflags & RFLAGS_TF)) {
		run_kernel(vcpu);
	} else {
		if (machine.config.gdb_port && gdb_watching())
			watchpoints_begin();
		interpret_step(vcpu);
		if (machine.config.gdb_port) {
			enum gdb_stop_reason why = gdb_stopped_after(vcpu);

			if (why != GDB_STOP_NONE)
				debugger(vcpu, why);
		}
	}
}

/* Generated code and user worlds know breakpoints when they are made; make them again. */
static void breakpoint_changed(gva_t at)
{
	block_drop_holding(at.v);
	vtlb_user_drop_page(GVA(at.v & PAGE_MASK));
}

void loop_run(struct vcpu *vcpu)
{
	gdb_breakpoints_changed = breakpoint_changed;
	io_started = wait_watch;
	while (!machine.stop) {
		if (vcpu->fast.kick || attention_pending())
			attend(vcpu);
		if (vcpu->exception.valid) {
			trace_exit(TRACE_K_EXCEPTION, vcpu->rip, vcpu->exception.vector,
				   vcpu->exception.vector == VEC_PF ? vcpu->exception.cr2 :
								      vcpu->exception.error);
			stats.exceptions[vcpu->exception.vector & 31]++;
			if (!deliver_exception(vcpu))
				triple_fault(vcpu);
			else if (gdb_stepping())
				debugger(vcpu, GDB_STOP_STEP);
			continue;
		}
		/* Single steps are of the program, not of what interrupts it. */
		if ((!gdb_stepping() || vcpu->halted) && interrupts(vcpu))
			continue;
		if (vcpu->halted) {
			wait_for_interrupt(vcpu);
			continue;
		}
		if (gdb_breakpoint_at(GVA(vcpu->rip)) && !gdb_stepping()) {
			debugger(vcpu, GDB_STOP_BREAKPOINT);
			if (!gdb_stepping())
				continue;
		}
		wait_watch();
		run_guest(vcpu);
	}
	platform_flush();
	io_drain();		/* what the guest wrote, even if it did not wait for it */
	trace_exit(TRACE_K_STOP, vcpu->rip, machine.stop, (uint64_t)machine.stop_code);
	gdb_exit(machine.stop_code);
}
