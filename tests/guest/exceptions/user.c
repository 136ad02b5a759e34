// SPDX-License-Identifier: MIT
/*
 * Exceptions at CPL3: vector, error code with the user bit, exact registers and RIP, stack switch
 * to TSS.RSP0, privilege of INT n by the gate's DPL, and privileged instructions refused.
 */
#include "test.h"
#include "user.h"

#define INSN(name, text) user_program(name, text "\n" #name "_end: syscall");

INSN(u_ud2, "ud2")
INSN(u_int3, "int3")
INSN(u_int80, "int $0x80")
INSN(u_int81, "int $0x81")
INSN(u_int4, "int $4")
INSN(u_div, "xor %edx, %edx; xor %ecx, %ecx; div %ecx")
INSN(u_hlt, "hlt")
INSN(u_cli, "cli")
INSN(u_sti, "sti")
INSN(u_in, "in $0x61, %al")
INSN(u_out, "out %al, $0x80")
INSN(u_lgdt, "lgdt (%rsp)")
INSN(u_cr0, "mov %cr0, %rax")
INSN(u_cr3, "mov %rax, %cr3")
INSN(u_dr7, "mov %dr7, %rax")
INSN(u_wrmsr, "wrmsr")
INSN(u_rdmsr, "rdmsr")
INSN(u_invlpg, "invlpg (%rsp)")
INSN(u_wbinvd, "wbinvd")
INSN(u_clts, "clts")
INSN(u_swapgs, "swapgs")
INSN(u_sysret, "sysretq")
INSN(u_ltr, "ltr %ax")
INSN(u_load, "mov (%rdi), %rax")
INSN(u_store, "mov %rax, (%rdi)")
INSN(u_add, "addq $1, (%rdi)")
INSN(u_jump, "jmp *%rdi")
INSN(u_push, "mov %rdi, %rsp; push %rax")
INSN(u_kernel_ss, "mov $0x18, %eax; mov %eax, %ss")
INSN(u_kernel_ds, "mov $0x18, %eax; mov %eax, %ds")
INSN(u_aligned, "movaps 8(%rsp), %xmm0")
INSN(u_alignment_check, "pushf; orl $0x40000, (%rsp); popf; mov 1(%rsp), %rax")
INSN(u_icebp, ".byte 0xf1")
INSN(u_fwait, "fninit; movw $0x037b, -8(%rsp); fldcw -8(%rsp); fld1; fldz; fdivrp; fwait")
INSN(u_divss, "movl $0x1d80, -8(%rsp); ldmxcsr -8(%rsp); xorps %xmm0, %xmm0; mov $0x3f800000, %eax;"
	      "movd %eax, %xmm1; divss %xmm0, %xmm1")

static void run(const char *what, const char *code, uint64_t arg, int vector, uint64_t error)
{
	int got = user_run(code, arg, 0, 0);

	expect(got == vector, "%s: vector %d, expected %d", what, got, vector);
	if (got != vector || got == TRAP_SYSCALL)
		return;
	expect_equal(trap_last.error, error, "%s: error code", what);
	expect_equal(trap_last.cs, USER_CS, "%s", what);
	expect_equal(trap_last.ss, USER_DS, "%s", what);
	expect_equal(trap_last.handler_rsp, (tss.rsp[0] & ~15ul) - (vector == DF || (vector >= TS &&
		     vector <= PF) || vector == AC ? 48 : 40), "%s: stack of the handler", what);
}

#define RUN(name, arg, vector, error) run(#name, name, arg, vector, error)

static void privileged(void)
{
	RUN(u_hlt, 0, GP, 0);
	RUN(u_cli, 0, GP, 0);
	RUN(u_sti, 0, GP, 0);
	RUN(u_in, 0, GP, 0);
	RUN(u_out, 0, GP, 0);
	RUN(u_lgdt, 0, GP, 0);
	RUN(u_cr0, 0, GP, 0);
	RUN(u_cr3, 0, GP, 0);
	RUN(u_dr7, 0, GP, 0);
	RUN(u_rdmsr, 0, GP, 0);
	RUN(u_wrmsr, 0, GP, 0);
	RUN(u_invlpg, 0, GP, 0);
	RUN(u_wbinvd, 0, GP, 0);
	RUN(u_clts, 0, GP, 0);
	RUN(u_swapgs, 0, GP, 0);
	RUN(u_sysret, 0, GP, 0);
	RUN(u_ltr, 0, GP, 0);
	RUN(u_kernel_ss, 0, GP, KERNEL_DS);
	RUN(u_kernel_ds, 0, GP, KERNEL_DS);
	RUN(u_int81, 0, GP, trap_gate_error(0x81));
}

static void memory(void)
{
	uint64_t kernel = (uint64_t)&user_frame, free = USER_FREE, hole = 0x0000900000000000ul;

	RUN(u_load, kernel, PF, PF_P | PF_U);
	expect_equal(trap_last.cr2, kernel);
	RUN(u_store, kernel, PF, PF_P | PF_U | PF_W);
	RUN(u_jump, kernel, PF, PF_P | PF_U | PF_I);
	expect_equal(trap_last.rip, kernel);
	RUN(u_load, free + 123, PF, PF_U);
	expect_equal(trap_last.cr2, free + 123);
	expect_equal(user_frame.rip, user_address(u_load));
	RUN(u_store, free, PF, PF_U | PF_W);
	RUN(u_jump, free + 8, PF, PF_U | PF_I);
	expect_equal(trap_last.rip, free + 8);
	RUN(u_jump, USER_DATA, PF, PF_P | PF_U | PF_I);
	RUN(u_store, USER_TEXT, PF, PF_P | PF_U | PF_W);
	RUN(u_load, hole, GP, 0);
	RUN(u_push, free + 16, PF, PF_U | PF_W);
	expect_equal(trap_last.cr2, free + 8);
	expect_equal(user_frame.rsp, free + 16);
	if (!test_on_tcg())	/* never #SS for an address */
		RUN(u_push, hole, SS, 0);
	RUN(u_jump, hole, GP, 0);
	RUN(u_aligned, 0, GP, 0);
}

void test_main(void)
{
	user_init();
	trap_set_dpl(BP, 3);
	trap_set_dpl(OF, 3);

	RUN(u_ud2, 0, UD, 0);
	expect_equal(user_frame.rip, user_address(u_ud2));
	RUN(u_int3, 0, BP, 0);
	expect_equal(user_frame.rip, user_address(u_int3) + 1);
	RUN(u_int80, 0, 0x80, 0);
	expect_equal(user_frame.rip, user_address(u_int80) + 2);
	RUN(u_int4, 0, OF, 0);
	RUN(u_div, 0, DE, 0);
	expect_equal(user_frame.rip, user_address(u_div) + 4);
	RUN(u_fwait, 0, MF, 0);
	if (!test_on_tcg()) {	/* ICEBP is #UD there, and it knows no #XM */
		RUN(u_icebp, 0, DB, 0);
		RUN(u_divss, 0, XM, 0);
	}
	privileged();
	memory();

	cr0_write(cr0_read() | CR0_AM);
	if (!test_on_tcg())	/* no #AC */
		RUN(u_alignment_check, 0, AC, 0);
	cr0_write(cr0_read() & ~CR0_AM);
	RUN(u_alignment_check, 0, TRAP_SYSCALL, 0);
	trap_set_dpl(BP, 0);
	RUN(u_int3, 0, GP, trap_gate_error(BP));
	cr0_write(cr0_read() | CR0_TS);
	RUN(u_divss, 0, NM, 0);
	cr0_write(cr0_read() & ~CR0_TS);
}
