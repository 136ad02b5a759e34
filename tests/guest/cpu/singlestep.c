// SPDX-License-Identifier: MIT
/*
 * RFLAGS.TF: a #DB behind every instruction, at CPL0 and CPL3, in every kind of code: branches,
 * calls, string iterations, PUSHF that stores TF, POPF and IRETQ that set it, MOV SS that delays
 * it, SYSCALL that masks it, an INT that hides it; DR6.BS is set.
 */
#include "test.h"
#include "user.h"

#define STEPS	64

static uint64_t rip[STEPS];
static unsigned count;
static uint64_t stop_at;

static bool step(struct trap_frame *f)
{
	uint64_t dr6 = dr6_read();

	expect(dr6 & (1u << 14), "DR6.BS: %lx", dr6);
	dr6_write(0xffff0ff0);
	if (count < STEPS)
		rip[count] = f->rip;
	count++;
	if (f->rip == stop_at || count > 200)
		f->rflags &= ~FLAG_TF;
	return true;
}

/* Labels s0..s9 inside the text are the expected stops, in order. */
#define STEPPED(name, setup, text)					\
	extern char name##_end[];					\
	void name(void);						\
	__asm__(".text\n.globl " #name "\n" #name ":\n push %rbx; push %rbp\n" setup \
		"\npushf; orl $0x100, (%rsp); popf\n" text "\n.globl " #name "_end\n" #name "_end: nop\n" \
		"pop %rbp; pop %rbx; ret")

STEPPED(plain, "", "nop; nop; xor %eax, %eax; inc %eax; lea (%rax,%rax), %rcx");
STEPPED(branches, "mov $2, %ecx", "1: dec %ecx; jnz 1b; jmp 2f; ud2; 2: call 3f; jmp 4f; 3: ret; 4: nop");
STEPPED(indirect, "lea 5f(%rip), %rbx", "call *%rbx; jmp 6f; 5: push %rax; pop %rax; ret; 6: nop");
STEPPED(strings, "sub $64, %rsp; mov %rsp, %rdi; mov $3, %ecx; xor %eax, %eax", "rep stosb; add $64, %rsp");
STEPPED(flags, "", "pushf; pop %rax; cli; push %rax; popf");
STEPPED(stack, "mov %ss, %eax", "mov %eax, %ss; nop; nop");
STEPPED(special, "", "mov %cr0, %rax; rdtsc; swapgs; swapgs; xor %eax, %eax; cpuid; nop");
STEPPED(inside, "", "int $0x40; nop");

user_program(u_steps, "pushf; orl $0x100, (%rsp); popf; u_s0: nop; mov $2, %ecx; 1: dec %ecx; jnz 1b; xor %eax, %eax;"
	     "cpuid; pushf; pop %rax; push %rax; and $~0x100, %eax; push %rax; popf; int $0x80");
user_program(u_syscall, "pushf; orl $0x100, (%rsp); popf; nop; syscall; nop; nop");

static unsigned run(void (*f)(void), const char *end)
{
	count = 0;
	stop_at = (uint64_t)end;
	f();
	expect_equal(rip[count - 1 < STEPS ? count - 1 : 0], stop_at, "ends where it should");
	return count;
}

static bool nothing(struct trap_frame *f)
{
	expect(!(trap_last.handler_flags & FLAG_TF), "TF is clear in a handler");
	expect(f->rflags & FLAG_TF);
	return true;
}

void test_main(void)
{
	trap_handler[DB] = step;
	trap_handler[0x40] = nothing;
	/* The POPF that sets TF is not itself stepped: the instruction behind it is the first. */
	expect_equal(run(plain, plain_end), 5);
	expect_equal(run(branches, branches_end), 9);
	expect_equal(run(indirect, indirect_end), 6);
	unsigned n = run(strings, strings_end);

	expect(n == 4, "REP STOSB stops after each of 3 iterations: %u", n);
	expect_equal(run(flags, flags_end), 5);
	n = run(stack, stack_end);
	expect(n == 2, "MOV SS delays: %u", n);
	expect_equal(run(special, special_end), 7);
	/* IRETQ brings TF back: one more instruction is executed before the trap. */
	expect_equal(run(inside, inside_end), 1);

	user_init();
	count = 0;
	stop_at = 0;
	expect_equal(user_run(u_steps, 0, 0, 0), 0x80);
	expect_equal(count, 14, "CPL3");
	expect_equal(rip[0], user_address(u_steps) + 10, "first stop: %lx", rip[0]);
	count = 0;
	expect_equal(user_run(u_syscall, 0, 0, 0), TRAP_SYSCALL);
	expect(count >= 1 && count <= 2, "SYSCALL masks TF: %u", count);
	expect(user_frame.rflags & FLAG_TF, "R11 has TF");
}
