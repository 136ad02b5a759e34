// SPDX-License-Identifier: MIT
/*
 * Faults while delivering faults (SDM vol. 3, table 6-5): a page fault on a bad stack, a page
 * fault through a bad gate and a contributory pair each become #DF with error code 0 on its IST
 * stack; a benign first exception followed by a fault delivers the second fault alone.
 */
#include "page.h"
#include "test.h"
#include "trap.h"

static uint8_t stack[4096] __attribute__((aligned(16)));
static uint64_t resume_rip, resume_rsp;

static bool double_fault(struct trap_frame *f)
{
	f->rip = resume_rip;
	f->rsp = resume_rsp;
	return true;
}

/* Run `insns` expecting the machine to come back through a handler that uses resume_*. */
#define RESUMABLE(insns, ...)						\
	__asm__ volatile("lea 9f(%%rip), %%rax; mov %%rax, resume_rip(%%rip);" \
			 "mov %%rsp, resume_rsp(%%rip);" insns "; 9: "	\
			 __VA_ARGS__)

static void check(const char *what, unsigned vector, uint64_t error)
{
	expect_equal(trap_last.vector, vector, "%s", what);
	expect_equal(trap_last.error, error, "%s: error code", what);
	trap_last.vector = TRAP_NONE;
}

static uint64_t saved;

static void gate_break(unsigned vector)
{
	saved = idt[vector].low;
	idt[vector].low &= ~(1ul << 47);
}

static void gate_mend(unsigned vector)
{
	idt[vector].low = saved;
}

void test_main(void)
{
	uint64_t bad_stack = TEST_BASE + 0x100000;

	__asm__ volatile("" :: "r"(&resume_rip), "r"(&resume_rsp));
	tss.ist[0] = (uint64_t)stack + sizeof(stack);
	trap_set_ist(DF, 1);
	trap_handler[DF] = double_fault;

	RESUMABLE("mov %0, %%rsp; push %%rax", :: "r"(bad_stack) : "rax", "memory");
	check("push on an unmapped stack", DF, 0);
	expect_equal(trap_last.handler_rsp, (uint64_t)stack + sizeof(stack) - 48);
	expect_equal(trap_last.rsp, bad_stack, "the faulting push did not move RSP");
	expect(cr2_read() < bad_stack && cr2_read() >= bad_stack - 48, "CR2 is %lx", cr2_read());

	gate_break(PF);
	RESUMABLE("mov (%0), %%rax", :: "r"(TEST_BASE) : "rax", "memory");
	check("#PF through a not-present gate", DF, 0);
	gate_mend(PF);

	gate_break(GP);
	RESUMABLE("mov (%0), %%rax", :: "r"(1ul << 62) : "rax", "memory");
	check("#GP through a not-present gate", DF, 0);
	gate_mend(GP);

	gate_break(DE);
	RESUMABLE("xor %%eax, %%eax; div %%eax", ::: "rax", "rdx", "memory");
	check("#DE through a not-present gate", DF, 0);
	gate_mend(DE);

	/* #UD is benign: the #NP of its gate is delivered as such. */
	trap_handler[NP] = double_fault;
	gate_break(UD);
	RESUMABLE("ud2", ::: "rax", "memory");
	/* EXT: found while delivering something that is no software interrupt.  Not under TCG. */
	check("#UD through a not-present gate", NP, trap_gate_error(UD) | !test_on_tcg());
	gate_mend(UD);

	/* A gate whose handler cannot be fetched: the fault comes after delivery, alone. */
	trap_handler[PF] = double_fault;
	trap_set_gate(UD, TEST_BASE + 0x5000, 14, 0, 0);
	RESUMABLE("ud2", ::: "rax", "memory");
	check("handler of #UD not mapped", PF, PF_I);
	expect_equal(trap_last.rip, TEST_BASE + 0x5000);
	trap_set_gate(UD, 0, 14, 0, 0);
}
