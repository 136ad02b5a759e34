/* SPDX-License-Identifier: MIT */
/*
 * Running a rewritten instruction: operand in, host CPU, operand out.
 *
 * Code is written into slots of 64 bytes in turn; an op remembers its slot and
 * the age it had, so that a decoded instruction is usually written once.  The
 * slots are executable and writable, made by emulate_init() before the jail.
 *
 * One host fault is expected: #XM, when the guest has unmasked an SSE exception;
 * its signal handler hands it to emulate_native_fault(), and what the CPU then
 * left in MXCSR is what the guest sees.  Others do not occur by construction:
 * operands are in the scratch area, x87 exceptions are deferred by hardware and
 * looked for before.  Should the CPU refuse an instruction all the same, the
 * same way makes it #UD.
 */
#include "emulate/native.h"

#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/log.h"
#include "emulate/emulate.h"
#include "emulate/isa.h"

#define SLOT_SIZE	64
#define SLOTS		8192

static uint8_t *slots;
static uint32_t slot_ages[SLOTS];
static uint32_t slot_next, slot_age;
static uint8_t scratch[NATIVE_MEMORY_MAX] __attribute__((aligned(64)));
static uint8_t abort_vector;

void emulate_init(struct vcpu *vcpu)
{
	isa_init(vcpu);
	if (slots)
		return;
	slots = arena_alloc(SLOTS * SLOT_SIZE, PAGE_SIZE);
	if (mprotect(slots, SLOTS * SLOT_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC) < 0) {
		log_error("the host forbids memory that is writable and executable; allow it "
			  "(SELinux: execmem) to run ring3");
		bug_on(true);
	}
}

bool emulate_native_fault(uint64_t *host_rip, uint8_t vector)
{
	uint64_t start = (uint64_t)(uintptr_t)slots;

	if (!slots || *host_rip < start || *host_rip >= start + SLOTS * SLOT_SIZE)
		return false;
	abort_vector = vector;
	*host_rip = (uint64_t)(uintptr_t)native_abort;
	return true;
}

static const void *native_code(struct native *n)
{
	uint8_t *slot;

	if (n->slot_age && slot_ages[n->slot] == n->slot_age)
		return slots + (size_t)n->slot * SLOT_SIZE;
	n->slot = slot_next++ % SLOTS;
	n->slot_age = ++slot_age ? slot_age : ++slot_age;
	slot_ages[n->slot] = n->slot_age;
	slot = slots + (size_t)n->slot * SLOT_SIZE;
	memcpy(slot, n->code, n->length);
	return slot;
}

/* The host executes with the guest's registers, which stay as they are until committed. */
static bool native_execute(struct vcpu *vcpu, struct native *n)
{
	memcpy(native_frame.regs, vcpu->regs, sizeof(vcpu->regs));
	if (n->stack != OP_NO_REG)
		native_frame.regs[n->stack] = vcpu->regs[REG_RSP];
	if (n->base != OP_NO_REG)
		native_frame.regs[n->base] = (uint64_t)(uintptr_t)scratch;
	native_frame.flags = (vcpu->rflags & RFLAGS_ARITH) | RFLAGS_FIXED | RFLAGS_IF;
	native_frame.code = native_code(n);
	native_enter();
	if (likely(!native_frame.aborted))
		return true;
	if (abort_vector == VEC_GP)
		vcpu_raise_error(vcpu, VEC_GP, 0);
	else if (abort_vector == VEC_XM && (vcpu->cr4 & CR4_OSXMMEXCPT))
		vcpu_raise(vcpu, VEC_XM);
	else
		vcpu_raise(vcpu, VEC_UD);
	return false;
}

/*
 * A masked load must not fault on what the mask leaves out.  Elements that
 * cannot be read are found by trying; whether the instruction uses one, by
 * running it with two different values there: no difference, no use.  Slow, and
 * only reached where an operand crosses into a page that faults.
 */
struct probe_state {
	uint64_t regs[REG_COUNT], flags;
	uint8_t xsave[VCPU_XSAVE_SIZE] __attribute__((aligned(64)));
};

/* Run from the present state; the result is in *out and the state as before. */
static bool probe_run(struct vcpu *vcpu, struct native *n, struct probe_state *out)
{
	static struct probe_state before;

	memcpy(before.xsave, vcpu->xsave, sizeof(before.xsave));
	fpu_to_registers(vcpu);
	if (!native_execute(vcpu, n)) {
		fpu_to_memory(vcpu);
		return false;
	}
	fpu_to_memory(vcpu);
	memcpy(out->xsave, vcpu->xsave, sizeof(out->xsave));
	memcpy(out->regs, native_frame.regs, sizeof(out->regs));
	out->flags = native_frame.flags;
	memcpy(vcpu->xsave, before.xsave, sizeof(before.xsave));
	return true;
}

static bool masked_load_run(struct vcpu *vcpu, struct native *n, gva_t addr)
{
	static struct probe_state with, without;
	unsigned step = n->element ? n->element : 1;
	bool readable[NATIVE_MEMORY_MAX];

	memset(scratch, 0, sizeof(scratch));
	for (unsigned i = 0; i < n->memory; i += step)
		readable[i] = mem_read(vcpu, GVA(addr.v + i), scratch + i, step);
	vcpu->exception.valid = false;
	fpu_to_memory(vcpu);
	if (!probe_run(vcpu, n, &without))
		return false;
	for (unsigned i = 0; i < n->memory; i += step) {
		if (readable[i])
			continue;
		memset(scratch + i, 0x3c, step);
		if (!probe_run(vcpu, n, &with))
			return false;
		if (memcmp(with.xsave, without.xsave, sizeof(with.xsave)) || with.flags != without.flags)
			return mem_read(vcpu, GVA(addr.v + i), scratch + i, step);
		memset(scratch + i, 0, step);
	}
	memcpy(vcpu->xsave, without.xsave, sizeof(without.xsave));
	memcpy(native_frame.regs, without.regs, sizeof(without.regs));
	native_frame.flags = without.flags;
	return true;
}

/*
 * A masked store writes only what the mask selects: run it onto two different
 * backgrounds; bytes that come out equal were written.
 */
static bool masked_store_run(struct vcpu *vcpu, struct native *n, gva_t addr)
{
	uint8_t first[NATIVE_MEMORY_MAX];
	unsigned len = n->memory;

	memset(scratch, 0x00, len);
	if (!native_execute(vcpu, n))
		return false;
	memcpy(first, scratch, len);
	memset(scratch, 0xff, len);
	if (!native_execute(vcpu, n))
		return false;
	for (int pass = 0; pass < 2; pass++) {
		for (unsigned i = 0, end; i < len; i = end) {
			for (end = i; end < len && first[end] == scratch[end]; end++)
				;
			if (end == i) {
				end++;
				continue;
			}
			if (pass ? !mem_write(vcpu, GVA(addr.v + i), scratch + i, end - i)
				 : !mem_probe_write(vcpu, GVA(addr.v + i), end - i)) {
				/* The operand's address, if that is in the faulting page. */
				if (vcpu->exception.vector == VEC_PF &&
				    !((vcpu->exception.cr2 ^ addr.v) & PAGE_MASK))
					vcpu->exception.cr2 = addr.v;
				return false;
			}
		}
	}
	return true;
}

static bool native_memory_run(struct vcpu *vcpu, const struct op *op, struct native *n)
{
	gva_t addr;

	/* Alignment is judged before canonicality (#GP even on the stack segment). */
	if (n->align > 1 && ((op_offset(vcpu, op) + segment_base(vcpu, op->seg)) & (n->align - 1u))) {
		vcpu_raise_error(vcpu, VEC_GP, 0);
		return false;
	}
	if (n->flags & NATIVE_MASKED) {
		/* Elements left out may even be outside the address space. */
		if (op->mode != DECODE_64) {
			if (!op_linear(vcpu, op, 1, n->flags & NATIVE_WRITE, &addr))
				return false;
		} else {
			addr = GVA(op_offset(vcpu, op) + segment_base(vcpu, op->seg));
		}
		if (n->flags & NATIVE_WRITE)
			return masked_store_run(vcpu, n, addr);
		if (!mem_read(vcpu, addr, scratch, n->memory))
			return masked_load_run(vcpu, n, addr);
		return native_execute(vcpu, n);
	}
	if (!op_linear(vcpu, op, n->memory, n->flags & NATIVE_WRITE, &addr))
		return false;
	if ((n->flags & NATIVE_READ) && !mem_read(vcpu, addr, scratch, n->memory))
		return false;
	/* Checked before, because running may pop the x87 stack. */
	if ((n->flags & NATIVE_WRITE) && !mem_probe_write(vcpu, addr, n->memory))
		return false;
	if (!native_execute(vcpu, n))
		return false;
	return !(n->flags & NATIVE_WRITE) || mem_write(vcpu, addr, scratch, n->memory);
}

/* Registers and flags of the frame into the vCPU. */
static void native_commit(struct vcpu *vcpu, const struct native *n)
{
	uint64_t rsp = vcpu->regs[REG_RSP];
	uint64_t base = n->base != OP_NO_REG ? vcpu->regs[n->base] : 0;
	uint64_t stack = n->stack != OP_NO_REG ? vcpu->regs[n->stack] : 0;

	memcpy(vcpu->regs, native_frame.regs, sizeof(vcpu->regs));
	vcpu->regs[REG_RSP] = rsp;
	if (n->base != OP_NO_REG)
		vcpu->regs[n->base] = base;
	if (n->stack != OP_NO_REG) {
		vcpu->regs[REG_RSP] = native_frame.regs[n->stack];
		vcpu->regs[n->stack] = stack;
	}
	vcpu->rflags = (vcpu->rflags & ~(uint64_t)RFLAGS_ARITH) | (native_frame.flags & RFLAGS_ARITH);
}

enum emulate_result op_native(struct vcpu *vcpu, const struct op *op)
{
	/* The slot is a cache inside an otherwise constant op. */
	struct native *n = (struct native *)(uintptr_t)&op->native;
	bool ok;

	if (unlikely(!slots))
		emulate_init(vcpu);
	if (!fpu_allowed(vcpu, n->flags))
		return EMULATE_EXCEPTION;
	if (n->flags & NATIVE_SIMD)
		fpu_begin(vcpu);
	ok = n->memory ? native_memory_run(vcpu, op, n) : native_execute(vcpu, n);
	if (ok)
		native_commit(vcpu, n);
	if (n->flags & NATIVE_SIMD)
		fpu_end(vcpu);
	return ok ? op_done(vcpu, op) : EMULATE_EXCEPTION;
}
