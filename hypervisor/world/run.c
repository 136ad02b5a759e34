// SPDX-License-Identifier: MIT
/*
 * One stay of guest code in a user world: put the vCPU's state into the control
 * area, pass the baton, and make an exit of what comes back.
 *
 * What comes back is the word of a possibly hostile program about itself.  Each
 * value is read once; those that this process could stumble over (bases, RIP)
 * are made canonical.
 */
#include <errno.h>
#include <linux/audit.h>
#include <string.h>

#include "base/log.h"
#include "machine/machine.h"
#include "patch/patch.h"
#include "world/area.h"
#include "world/hostsignal.h"
#include "world/site.h"

#define HOST_CS64	0x33
#define HOST_CS32	0x23
#define HOST_SS		0x2b

#define FLAGS_USER	(RFLAGS_ARITH | RFLAGS_DF | RFLAGS_TF | RFLAGS_AC | RFLAGS_NT | RFLAGS_RF | RFLAGS_ID)

#define CALL_URETPROBE	335
#define VSYSCALL_START	0xffffffffff600000ul
#define VSYSCALL_END	0xffffffffff601000ul

extern const uint8_t stub_start[], stub_fast_rsp[], stub_fast_saved[];

static uint64_t canonical(uint64_t v)
{
	return (uint64_t)((int64_t)(v << 16) >> 16);
}

static bool in_stub(uint64_t rip)
{
	return world_reserved(rip, 1);
}

static bool in_vsyscall(uint64_t rip)
{
	return rip >= VSYSCALL_START && rip < VSYSCALL_END;
}

/* Most registers are as the world left them: do not take their cache lines away from it. */
static void put(volatile uint64_t *to, uint64_t value)
{
	if (*to != value)
		*to = value;
}

static void run_prepare(struct world *w, struct vcpu *vcpu, uint32_t *command)
{
	struct world_area *area = w->area;
	uint64_t fs = canonical(vcpu->seg[SEG_FS].base), gs = canonical(vcpu->fast.gs_base[0]);
	uint64_t rflags = (vcpu->rflags & FLAGS_USER) | RFLAGS_FIXED | RFLAGS_IF;

	/* First: it may speak with the world, which then notes its bases in the area. */
	fpu_enter(w, vcpu, command);
	if (!(vcpu->cr0 & CR0_AM))
		rflags &= ~(uint64_t)RFLAGS_AC;
	for (unsigned i = 0; i < REG_COUNT; i++)
		put(&area->regs[i], vcpu->regs[i]);
	put(&area->rip, vcpu->rip);
	put(&area->rsp, vcpu->regs[REG_RSP]);
	put(&area->rflags, rflags);
	put(&area->ss, HOST_SS);
	if (vcpu_64bit_code(vcpu)) {
		put(&area->cs, HOST_CS64);
	} else {
		put(&area->cs, HOST_CS32);
		*command |= CMD_COMPAT | CMD_BASES | CMD_IRET;
	}
	if (rflags & (RFLAGS_TF | RFLAGS_RF))
		*command |= CMD_IRET;
	if (fs != w->fs_base || gs != w->gs_base)
		*command |= CMD_BASES;
	if (*command & CMD_BASES) {
		area->fs_base = fs;
		area->gs_base = gs;
	}
}

static void flags_take(struct vcpu *vcpu, uint64_t rflags)
{
	uint64_t mask = FLAGS_USER;

	if (!(vcpu->cr0 & CR0_AM))
		mask &= ~(uint64_t)RFLAGS_AC;
	vcpu->rflags = (vcpu->rflags & ~mask) | (rflags & mask) | RFLAGS_FIXED;
}

/* A far jump can change between the host's two code segments, which are Linux guests' as well. */
static void cs_take(struct vcpu *vcpu, uint16_t cs)
{
	struct vcpu_segment *seg = &vcpu->seg[SEG_CS];
	bool wide = cs != HOST_CS32;

	if (wide == vcpu_64bit_code(vcpu))
		return;
	seg->selector = wide ? HOST_CS64 : HOST_CS32;
	seg->attr &= (uint16_t)~(SEG_ATTR_L | SEG_ATTR_DB);
	seg->attr |= wide ? SEG_ATTR_L : SEG_ATTR_DB;
	seg->base = 0;
	seg->limit = 0xffffffff;
}

static void bases_take(struct world *w, struct vcpu *vcpu)
{
	w->fs_base = canonical(w->area->fs_base);
	w->gs_base = canonical(w->area->gs_base);
	if (!vcpu_64bit_code(vcpu))
		return;		/* 32-bit code cannot change them */
	vcpu->seg[SEG_FS].base = w->fs_base;
	vcpu->fast.gs_base[0] = w->gs_base;
}

static void frame_take(struct vcpu *vcpu, const volatile struct world_frame *f)
{
	vcpu->regs[REG_RAX] = f->rax;
	vcpu->regs[REG_RCX] = f->rcx;
	vcpu->regs[REG_RDX] = f->rdx;
	vcpu->regs[REG_RBX] = f->rbx;
	vcpu->regs[REG_RSP] = f->rsp;
	vcpu->regs[REG_RBP] = f->rbp;
	vcpu->regs[REG_RSI] = f->rsi;
	vcpu->regs[REG_RDI] = f->rdi;
	vcpu->regs[REG_R8] = f->r8;
	vcpu->regs[REG_R9] = f->r9;
	vcpu->regs[REG_R10] = f->r10;
	vcpu->regs[REG_R11] = f->r11;
	vcpu->regs[REG_R12] = f->r12;
	vcpu->regs[REG_R13] = f->r13;
	vcpu->regs[REG_R14] = f->r14;
	vcpu->regs[REG_R15] = f->r15;
	vcpu->rip = canonical(f->rip);
	flags_take(vcpu, f->rflags);
	cs_take(vcpu, f->cs);
}

static void exit_fault(struct world_exit *exit, uint8_t vector, uint32_t error, uint64_t address)
{
	exit->reason = WORLD_EXIT_FAULT;
	exit->vector = vector;
	exit->error = error;
	exit->address = address;
}

/* Executing where the stub is: for the guest nothing is there. */
static void exit_nothing_there(struct vcpu *vcpu, struct world_exit *exit)
{
	exit_fault(exit, VEC_PF, PF_U | PF_I, vcpu->rip);
}

/*
 * SYSCALL sets RCX and R11.  On the host IF is set and IOPL zero; R11 shows the
 * guest's.
 */
static void exit_syscall(struct vcpu *vcpu, struct world_exit *exit)
{
	vcpu->regs[REG_RCX] = vcpu->rip;
	vcpu->regs[REG_R11] = vcpu->rflags & ~(uint64_t)RFLAGS_RF;
	exit->reason = WORLD_EXIT_SYSCALL;
}

static void decode_sigsys(struct vcpu *vcpu, const volatile struct world_frame *f,
			  struct world_exit *exit)
{
	uint64_t from = f->si_call_addr;

	if (in_vsyscall(from)) {
		/* The host has emulated the RET of its vsyscall page already. */
		vcpu->rip = from;
		vcpu->regs[REG_RSP] -= 8;
		exit_fault(exit, VEC_PF, PF_P | PF_U | PF_I, from);
	} else if (in_stub(from)) {
		vcpu->rip = from - 2;
		exit_nothing_there(vcpu, exit);
	} else if (f->si_arch == AUDIT_ARCH_X86_64) {
		exit_syscall(vcpu, exit);
		exit->trapped = true;
	} else {
		exit->reason = WORLD_EXIT_INT;
		exit->vector = 0x80;
	}
}

static void decode_trap(struct vcpu *vcpu, const volatile struct world_frame *f,
			struct world_exit *exit)
{
	unsigned site, offset;
	uint64_t trapno = f->trapno;

	if (trapno == VEC_DB && site_find(vcpu->rip, &site, &offset)) {
		/* Single-stepped into a site: step what is there by interpretation. */
		vcpu->rip = site_guest(site, offset);
		exit->reason = WORLD_EXIT_PATCH;
		return;
	} else if (in_stub(vcpu->rip)) {
		exit_nothing_there(vcpu, exit);
		return;
	}
	exit_fault(exit, trapno == VEC_BP ? VEC_BP : VEC_DB, 0, 0);	/* INT3: RIP behind it */
}

/* The kick hit guest code, or a trampoline's way to the point where all is saved. */
static void decode_kick(struct world *w, struct vcpu *vcpu, struct world_exit *exit)
{
	uint64_t fast_rsp = STUB_TEXT + (uint64_t)(stub_fast_rsp - stub_start);
	uint64_t fast_saved = STUB_TEXT + (uint64_t)(stub_fast_saved - stub_start);
	unsigned site, offset;

	exit->reason = WORLD_EXIT_INTERRUPTED;
	if (site_find(vcpu->rip, &site, &offset)) {
		vcpu->rip = site_guest(site, offset);
	} else if (vcpu->rip >= STUB_TEXT && vcpu->rip < fast_saved) {
		if (vcpu->rip >= fast_rsp)
			vcpu->regs[REG_RSP] = w->area->rsp;
		vcpu->rip = canonical(vcpu->regs[REG_RCX] - 2);
	}
	if (in_stub(vcpu->rip))
		exit_nothing_there(vcpu, exit);
}

static void decode_signal(struct world *w, struct vcpu *vcpu, struct world_exit *exit)
{
	const volatile struct world_frame *f = w->frame;
	int signo = f->si_signo, code = f->si_code;
	uint64_t trapno = f->trapno, address = f->cr2;
	uint32_t error = (uint32_t)f->error;
	unsigned site, offset;

	frame_take(vcpu, f);
	if (signo == STUB_KICK_SIGNAL || code <= 0) {	/* or sent by somebody outside */
		decode_kick(w, vcpu, exit);
		return;
	}
	if (signo == HOST_SIGSYS) {
		decode_sigsys(vcpu, f, exit);
		return;
	}
	if (signo == HOST_SIGTRAP) {
		decode_trap(vcpu, f, exit);
		return;
	}
	/* A displaced instruction faults where it was. */
	if (site_find(vcpu->rip, &site, &offset))
		vcpu->rip = site_guest(site, offset);
	if (in_stub(vcpu->rip)) {
		exit_nothing_there(vcpu, exit);
		return;
	}
	if (in_vsyscall(vcpu->rip)) {
		/* The host's emulation of the page found no stack: no fault that it would report. */
		exit_fault(exit, VEC_PF, PF_P | PF_U | PF_I, vcpu->rip);
		return;
	}
	if (signo == HOST_SIGILL && code == HOST_SI_KERNEL) {
		/* A call that hosts since 6.11 let pass every filter: uretprobe, for us invalid. */
		vcpu->regs[REG_RAX] = CALL_URETPROBE;
		exit_syscall(vcpu, exit);
		exit->trapped = true;
		return;
	}
	if (signo == HOST_SIGBUS && trapno == VEC_PF) {
		machine_stop(MACHINE_ERROR, 0, "the host has no memory left for the guest's");
		log_error("the host has no memory left for the guest's memory: give it less");
	}
	/* What patch/ plants: an invalid opcode, and HLT in 32-bit code. */
	if ((trapno == VEC_UD || (trapno == VEC_GP && !error)) && patch_planted(vcpu)) {
		exit->reason = WORLD_EXIT_PATCH;
		return;
	}
	if (trapno == VEC_PF)
		error = (error & (PF_P | PF_W | PF_I)) | PF_U;
	exit_fault(exit, trapno < 32 ? (uint8_t)trapno : VEC_GP, error,
		   trapno == VEC_PF ? address : 0);
}

static void decode_fast(struct world *w, struct vcpu *vcpu, struct world_exit *exit)
{
	const struct world_area *area = w->area;

	for (unsigned i = 0; i < REG_COUNT; i++)
		vcpu->regs[i] = area->regs[i];
	vcpu->regs[REG_RSP] = area->rsp;
	vcpu->rip = canonical(area->rip);
	flags_take(vcpu, area->rflags);
	if (in_stub(vcpu->rip))
		exit_nothing_there(vcpu, exit);
	else
		exit_syscall(vcpu, exit);
}

/* false: the world died. */
static bool run_once(struct world *w, struct vcpu *vcpu, struct world_exit *exit)
{
	uint32_t command = CMD_RUN, reason;
	bool loaded;
	int err = 0;

	if (w->queued) {
		if (!world_batch_prepare(w))
			return false;
		command |= CMD_BATCH;
	}
	loaded = !(vcpu->fpu_place == FPU_IN_USER_WORLD && vcpu->fpu_world == w);
	run_prepare(w, vcpu, &command);
	if (!baton_pass(w, command, &vcpu->fast.kick))
		return false;
	world_loose(w);
	if (command & CMD_BATCH) {
		err = world_batch_result(w);
		if (err == -EAGAIN) {
			exit->reason = WORLD_EXIT_INTERRUPTED;
			return true;
		}
	}
	if (err) {
		/* Part of the requests were not executed: nothing is certain, start afresh. */
		w->error = err;
		w->fs_base = w->gs_base = BASE_UNKNOWN;
		world_clear(w);
		exit->reason = WORLD_EXIT_INTERRUPTED;
		return true;
	}
	reason = w->area->reason;
	if (reason != REASON_FAST && reason != REASON_SIGNAL && reason != REASON_KICKED) {
		exit->reason = WORLD_EXIT_INTERRUPTED;
		w->fs_base = w->gs_base = BASE_UNKNOWN;
		if (loaded)
			return true;	/* vcpu->xsave is still what counts */
	} else {
		bases_take(w, vcpu);
		if (reason == REASON_FAST)
			decode_fast(w, vcpu, exit);
		else
			decode_signal(w, vcpu, exit);
	}
	vcpu->fpu_place = FPU_IN_USER_WORLD;
	vcpu->fpu_world = w;
	return true;
}

void world_run(struct world *w, struct vcpu *vcpu, struct world_exit *exit)
{
	*exit = (struct world_exit){ .reason = WORLD_EXIT_INTERRUPTED };
	if (vcpu->rip != canonical(vcpu->rip)) {
		exit_fault(exit, VEC_GP, 0, 0);
	} else if (in_stub(vcpu->rip)) {
		exit_nothing_there(vcpu, exit);
	} else if (!vcpu->fast.kick) {
		world_settle(w);
		/* Another's stay begins: the last one's must be over. */
		world_quiesce_except(w);
		if (!run_once(w, vcpu, exit))
			exit->reason = WORLD_EXIT_DIED;
	}
	world_stats.exits[exit->reason]++;
}
