/* SPDX-License-Identifier: MIT */
/*
 * Exits of user worlds: system calls, page faults, exceptions, planted traps.
 *
 * What a world reports is what a program could have made happen anyway, so it
 * is taken at its word only where the guest's own tables confirm it: a page
 * fault is walked again, privileged instructions are interpreted.
 */
#include "trap/user.h"

#include "debug/breakpoints.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "decode/decode.h"
#include "emulate/deliver.h"
#include "emulate/emulate.h"
#include "machine/machine.h"
#include "memory/vtlb.h"
#include "memory/walk.h"
#include "memory/ram.h"
#include "patch/patch.h"
#include "trap/adapt.h"
#include "trap/interpret.h"
#include "world/world.h"

#define STAY	256u	/* instructions interpreted before a page is looked at again */

/* A page that may not execute (yet): interpret while it lasts, a world switch apiece is dear. */
static void interpret_page(struct vcpu *vcpu)
{
	uint64_t page = vcpu->rip & PAGE_MASK;

	for (unsigned n = 0; n < STAY && !gdb_breakpoint_at(GVA(vcpu->rip)); n++) {
		interpret_step(vcpu);
		if (vcpu->exception.valid || vcpu->cpl != 3 || vcpu->fast.kick || machine.stop ||
		    (vcpu->rip & PAGE_MASK) != page || (vcpu->rflags & RFLAGS_TF))
			return;
	}
}

/* A planted trap: interpret its instruction, and on to those close behind. */
static void interpret_traps(struct vcpu *vcpu)
{
	uint64_t start = vcpu->rip, end = start;
	struct walk w;

	if (!walk_translate(vcpu, GVA(start), WALK_EXEC | WALK_USER | WALK_PROBE, &w))
		end = (start & PAGE_MASK) + patch_traps_end(GPA(w.gpa.v & PAGE_MASK), start % PAGE_SIZE);
	for (unsigned n = 0; n < STAY; n++) {
		interpret_step(vcpu);
		if (vcpu->exception.valid || vcpu->cpl != 3 || vcpu->fast.kick || machine.stop ||
		    vcpu->rip < start || vcpu->rip > end || (vcpu->rflags & RFLAGS_TF) ||
		    gdb_breakpoint_at(GVA(vcpu->rip)))
			return;
	}
}

/*
 * The guest's #PF handler usually makes the page present and returns to the
 * same instruction: then it is mapped before that runs, which saves the second
 * host fault.
 */
static struct {
	bool valid;
	uint64_t rip, root;
	gva_t addr;
	unsigned access;
} expected;

static void fill_expected(struct vcpu *vcpu)
{
	struct walk w;

	if (!expected.valid)
		return;
	expected.valid = false;
	if (vcpu->rip != expected.rip || (vcpu->cr3 & CR3_ADDR_MASK) != expected.root)
		return;
	/* Still refused?  Then the retry shall find out. */
	if (walk_translate(vcpu, expected.addr, expected.access | WALK_USER | WALK_PROBE, &w))
		return;
	vtlb_fill_user(vcpu, expected.addr, expected.access);
}

static void expect_fill(struct vcpu *vcpu, const struct world_exit *exit, unsigned access)
{
	expected.valid = true;
	expected.rip = vcpu->rip;
	expected.root = vcpu->cr3 & CR3_ADDR_MASK;
	expected.addr = GVA(exit->address);
	expected.access = access;
}

/*
 * A page is mapped writable or executable, never both, so an instruction that
 * writes to the page it lies in would fault for ever: now for the write, now for
 * the fetch.  Through another mapping of the page that shows only when it comes
 * back for the write, having faulted for the fetch in between.
 */
static bool writes_own_page(const struct vcpu *vcpu, uint64_t addr, unsigned access)
{
	static uint64_t rip, page;
	static bool bounced;
	uint64_t last = vcpu->rip + INSN_MAX - 1;
	bool again;

	if (access == WALK_EXEC)
		bounced = vcpu->rip == rip;
	if (access != WALK_WRITE)
		return false;
	if ((addr & PAGE_MASK) == (vcpu->rip & PAGE_MASK) || (addr & PAGE_MASK) == (last & PAGE_MASK))
		return true;
	again = bounced && vcpu->rip == rip && (addr & PAGE_MASK) == page;
	rip = vcpu->rip;
	page = addr & PAGE_MASK;
	bounced = false;
	return again;
}

static void user_page_fault(struct vcpu *vcpu, const struct world_exit *exit)
{
	unsigned access = exit->error & PF_I ? WALK_EXEC : exit->error & PF_W ? WALK_WRITE : WALK_READ;

	stats.user_faults++;
	if (writes_own_page(vcpu, exit->address, access)) {
		interpret_step(vcpu);
		return;
	}
	/* The host reports a fetch from a page without PROT_EXEC with the I bit, where it has NX. */
	switch (vtlb_fill_user(vcpu, GVA(exit->address), access)) {
	case VTLB_FAULT:
		expect_fill(vcpu, exit, access);
		return;
	case VTLB_FILLED: case VTLB_CODE:
		return;
	case VTLB_INTERPRET:
		break;
	}
	if (access == WALK_EXEC)
		interpret_page(vcpu);
	else
		interpret_step(vcpu);
}

static void user_fault(struct vcpu *vcpu, const struct world_exit *exit, bool stepping)
{
	switch (exit->vector) {
	case VEC_PF:
		user_page_fault(vcpu, exit);
		break;
	case VEC_GP: case VEC_SS: case VEC_UD: case VEC_NP: case VEC_TS:
		/* Privileged, sensitive or odd for the host: what is it for the guest? */
		interpret_step(vcpu);
		break;
	case VEC_DB:
		vcpu_raise(vcpu, VEC_DB);
		vcpu->exception.dr6 = stepping || (vcpu->rflags & RFLAGS_TF) ? 1u << 14 : 0;
		break;
	case VEC_BP: case VEC_OF:
		vcpu_raise(vcpu, (enum vcpu_vector)exit->vector);
		vcpu->exception.software = true;
		break;
	case VEC_AC:
		/* Hosts run with CR0.AM set, whatever the guest has. */
		if (vcpu->cr0 & CR0_AM)
			vcpu_raise_error(vcpu, VEC_AC, 0);
		else
			interpret_step(vcpu);
		break;
	default:
		vcpu_raise(vcpu, (enum vcpu_vector)exit->vector);
	}
}

static void user_syscall(struct vcpu *vcpu, const struct world_exit *exit)
{
	enum world_source source;
	uint64_t offset;
	struct walk w;

	stats.syscalls++;
	if (!(vcpu->efer & EFER_SCE)) {
		vcpu->rip -= 2;
		vcpu_raise(vcpu, VEC_UD);
		return;
	}
	trace_exit(TRACE_K_SYSCALL, vcpu->rip, vcpu->regs[REG_RAX], vcpu->regs[REG_RDI]);
	if (exit->trapped &&
	    !walk_translate(vcpu, GVA(vcpu->rip - 2), WALK_EXEC | WALK_USER | WALK_PROBE, &w) &&
	    ram_contains(w.gpa, 1) &&
	    patch_syscall_site(vcpu, GVA(vcpu->rip), GPA(w.gpa.v & PAGE_MASK), &source, &offset))
		vtlb_remap_exec(vcpu, GVA(vcpu->rip - 2), source, offset);
	deliver_syscall(vcpu, vcpu->rip);
}

/*
 * Hosts never let a program run with these, so what it would see or be refused
 * with them takes the interpreter.  Kernels of today set none for long.
 */
bool user_needs_interpreter(const struct vcpu *vcpu)
{
	return (vcpu->cr0 & (CR0_TS | CR0_EM)) || (vcpu->cr4 & CR4_TSD) ||
	       (vcpu->rflags & (RFLAGS_IF | RFLAGS_IOPL)) != RFLAGS_IF;
}

void user_run(struct vcpu *vcpu)
{
	struct world_exit exit;
	struct world *world = vtlb_world(vcpu);
	bool stepping = vcpu->rflags & RFLAGS_TF;	/* POPF may clear it: that step counts too */

	adapt_begin();
	fill_expected(vcpu);
	if (vcpu->fpu_place == FPU_IN_KERNEL_WORLD)
		fpu_to_memory(vcpu);
	stats_time(STATS_USER);
	world_run(world, vcpu, &exit);
	/* Nothing is queued now: only says whether what was has failed. */
	if (unlikely(world_sync(world)))
		vtlb_world_lost();
	stats_time(STATS_ENGINE);
	trace_exit(TRACE_K_WORLD_EXIT, vcpu->rip, exit.reason,
		   (uint64_t)exit.vector << 32 | exit.error);
	switch (exit.reason) {
	case WORLD_EXIT_SYSCALL:
		user_syscall(vcpu, &exit);
		break;
	case WORLD_EXIT_INT:
		/* RIP is behind it: step back, the interpreter checks the gate. */
		vcpu->rip -= 2;
		interpret_step(vcpu);
		break;
	case WORLD_EXIT_FAULT:
		user_fault(vcpu, &exit, stepping);
		break;
	case WORLD_EXIT_PATCH:
		interpret_traps(vcpu);
		break;
	case WORLD_EXIT_INTERRUPTED:
	case WORLD_EXIT_DIED:
		break;
	}
}
