/* SPDX-License-Identifier: MIT */
/*
 * Host signals of the kernel world.
 *
 * A fault in generated code has a host address that stands for a guest address
 * and a program counter that stands for a guest state; both are put right here.
 * If a vTLB fill settles it, the access is retried in place; otherwise the
 * handler returns into translate_leave, so that the vCPU loop goes on with
 * ordinary stacks and the SIMD state as it was.
 *
 * A fault anywhere else is ring3's own bug: say all that is known, and end.
 */
#include "trap/signal.h"

#include <linux/signal.h>
#include <string.h>

#include "base/hostcall.h"
#include "base/log.h"
#include "debug/dump.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "emulate/fault.h"
#include "machine/irq.h"
#include "machine/machine.h"
#include "memory/vtlb.h"
#include "translate/translate.h"
#include "world/world.h"

enum signal_outcome signal_outcome;

static struct vcpu *signal_vcpu;
static volatile bool signal_nested;

/* entry.S */
void signal_entry(int sig, siginfo_t *info, void *context);
void signal_return(void);
bool signal_dispatch(int sig, siginfo_t *info, void *context);

/*
 * struct sigcontext (asm/sigcontext.h).  The kernel's headers are used instead of
 * libc's: <ucontext.h> has a REG_RAX of its own, in another order.
 */
struct frame_regs {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip;
	uint64_t eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
};

#define UC_MCONTEXT	40	/* in struct ucontext: flags, link, stack_t before it */

static void copy_registers(struct vcpu *vcpu, const struct frame_regs *f)
{
	const uint64_t in_order[REG_COUNT] = {
		f->rax, f->rcx, f->rdx, f->rbx, f->rsp, f->rbp, f->rsi, f->rdi,
		f->r8, f->r9, f->r10, f->r11, f->r12, f->r13, f->r14, f->r15,
	};

	memcpy(vcpu->regs, in_order, sizeof(in_order));
	vcpu->fast.host_flags = f->eflags;
}

static bool leave(struct frame_regs *f)
{
	f->rip = (uint64_t)(uintptr_t)translate_leave;
	return false;
}

static bool in_resume(uint64_t pc)
{
	return pc >= (uintptr_t)translate_resume_begin && pc < (uintptr_t)translate_resume_end;
}

/* Attention wanted: stop generated code where it is. */
static bool interrupt(struct frame_regs *f)
{
	struct vcpu *vcpu = signal_vcpu;

	if (in_resume(f->rip))
		return leave(f);
	if (fixup_critical(f->rip)) {
		f->eflags |= RFLAGS_TF;
		return true;
	}
	if (f->rip < LAYOUT_CACHE || f->rip >= LAYOUT_CACHE + LAYOUT_CACHE_SIZE)
		return true;
	copy_registers(vcpu, f);
	fixup_state(vcpu, f->rip);
	stats.exit_kick++;
	trace_exit(TRACE_K_INTERRUPTED, vcpu->rip, f->rip, vcpu->fast.kick);
	return leave(f);
}

static bool fault(int sig, struct frame_regs *f)
{
	struct vcpu *vcpu = signal_vcpu;
	uint64_t pc = f->rip;
	bool generated = pc >= LAYOUT_CACHE && pc < LAYOUT_CACHE + LAYOUT_CACHE_SIZE;

	if (!generated && emulate_native_fault(&f->rip, (uint8_t)f->trapno))
		return true;
	if (generated)
		copy_registers(vcpu, f);
	if (!generated || !fixup_state(vcpu, pc) || signal_nested) {
		log_error("fault in the engine: signal %d, trap %lu, error %lx, at %lx, address %lx, "
			  "rsp %lx", sig, f->trapno, f->err, pc, f->cr2, f->rsp);
		if (signal_nested)
			hostcall1(SYS_exit_group, 134);
		signal_nested = true;
		debug_dump_engine(pc, f->rbp);
		debug_dump_all(vcpu, "fault in the engine");
		machine_stop(MACHINE_ERROR, 0, "fault in the engine");
		hostcall1(SYS_exit_group, 1);
	}
	stats.exit_fault++;
	trace_exit(TRACE_K_HOST_FAULT, vcpu->rip, f->cr2, f->trapno << 32 | f->err);
	signal_nested = true;
	switch (f->trapno) {
	case VEC_PF: {
		gva_t addr = GVA(f->cr2 - vcpu->fast.delta);
		bool same_half = !(f->cr2 >> 47) &&
				 addr.v >> 63 == (vcpu->fast.delta == DELTA_HIGH);
		/* Across the halves, what the guest means is not where the host looked. */
		enum vtlb_result r = same_half ? vtlb_fill_kernel(vcpu, addr, f->err & PF_W) :
						 VTLB_INTERPRET;

		if (r == VTLB_FILLED) {
			signal_nested = false;
			return true;
		}
		signal_outcome = r == VTLB_INTERPRET ? SIGNAL_DEMOTE :
				 r == VTLB_CODE ? SIGNAL_INTERPRET : SIGNAL_NONE;
		break;
	}
	case VEC_DE: case VEC_MF: case VEC_XM: case VEC_OF: case VEC_BR:
		vcpu_raise(vcpu, (enum vcpu_vector)f->trapno);
		signal_outcome = SIGNAL_NONE;
		break;
	default:
		/* Not canonical (#GP, #SS), alignment, or unknown to the host: interpreting the
		 * instruction finds out what the guest should see. */
		signal_outcome = SIGNAL_DEMOTE;
	}
	signal_nested = false;
	return leave(f);
}

bool signal_dispatch(int sig, siginfo_t *info, void *context)
{
	struct frame_regs *f = (struct frame_regs *)((char *)context + UC_MCONTEXT);

	(void)info;
	switch (sig) {
	case SIGTRAP:
		if (f->trapno == VEC_DB && (f->eflags & RFLAGS_TF)) {
			/* interrupt() had it step out of a critical place. */
			f->eflags &= ~(uint64_t)RFLAGS_TF;
			return interrupt(f);
		}
		return fault(sig, f);
	case SIGSEGV: case SIGBUS: case SIGILL: case SIGFPE:
		return fault(sig, f);
	case SIGCHLD:
		worlds_check();
		break;
	case SIGTERM:
		machine_stop(MACHINE_QUIT, 0, "SIGTERM");
		break;
	default:
		break;
	}
	vcpu_kick();
	return interrupt(f);
}

static int install(int sig)
{
	struct sigaction sa = {
		.sa_handler = (__sighandler_t)(void *)signal_entry,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTORER,
		.sa_restorer = signal_return,
	};
	const unsigned long faults = 1ul << (SIGSEGV - 1) | 1ul << (SIGBUS - 1) | 1ul << (SIGILL - 1) |
				     1ul << (SIGFPE - 1) | 1ul << (SIGTRAP - 1);

	sa.sa_mask = ~faults;
	return (int)hostcall6(SYS_rt_sigaction, sig, (long)&sa, 0, sizeof(sa.sa_mask), 0, 0);
}

int signal_init(struct vcpu *vcpu, void *altstack, size_t size)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP,
				       SIGALRM, SIGCHLD, SIGTERM, SIGIO };
	stack_t stack = { .ss_sp = altstack, .ss_size = size };
	long r;

	signal_vcpu = vcpu;
	r = hostcall2(SYS_sigaltstack, (long)&stack, 0);
	for (unsigned i = 0; i < array_size(signals) && r == 0; i++)
		r = install(signals[i]);
	if (r < 0)
		log_error("cannot install signal handlers (error %ld)", -r);
	return (int)r;
}
