// SPDX-License-Identifier: MIT
/*
 * SYSCALL and SYSRET: RCX, R11, SFMASK, CS and SS by STAR, RSP untouched, every register kept both
 * ways, TF and RF rules, EFER.SCE; swapgs and the GS and FS bases across them; many in a row.
 */
#include "test.h"
#include "user.h"

user_program(u_syscall, "syscall; u_syscall_after: syscall");
user_program(u_loop, "1: syscall; dec %rbx; jnz 1b; int $0x80");
user_program(u_bases, "mov %fs:(0), %rax; mov %gs:(0), %rbx; syscall");
user_program(u_registers,
	"mov $1, %rax; mov $3, %rdx; mov $4, %rbx; mov $5, %rbp; mov $6, %rsi; mov $7, %rdi; mov $8, %r8\n"
	"mov $9, %r9; mov $10, %r10; mov $12, %r12; mov $13, %r13; mov $14, %r14; mov $15, %r15\n"
	"syscall\n"
	"lea (%rax,%rdx), %rax; add %rbx, %rax; add %rbp, %rax; add %rsi, %rax; add %rdi, %rax; add %r8, %rax\n"
	"add %r9, %rax; add %r10, %rax; add %r12, %rax; add %r13, %rax; add %r14, %rax; add %r15, %rax\n"
	"int $0x80");

static uint64_t calls;

static bool resume(struct trap_frame *f)
{
	(void)f;
	calls++;
	return true;
}

static void registers(void)
{
	static const uint64_t flags[] = {
		2, 0x8d7, 0x8d7 | FLAG_DF, FLAG_ID | 2, FLAG_AC | 2, FLAG_IF | 2, FLAG_NT | 2,
	};

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		user_prepare(user_address(u_syscall));
		user_frame.rflags = flags[i] | 2;
		user_frame.rsp = 0x1234567887654321ul & 0x7fffffffffff;	/* SYSCALL does not touch it */
		expect_equal(user_enter(), TRAP_SYSCALL);
		expect_equal(user_frame.rip, user_address(u_syscall) + 2, "RCX");
		expect_equal(user_frame.rflags, flags[i] | 2, "R11");
		expect_equal(user_frame.rsp, 0x1234567887654321ul & 0x7fffffffffff);
		expect_equal(trap_last.handler_flags & (FLAG_IF | FLAG_DF | FLAG_TF | FLAG_AC | FLAG_NT), 0,
			     "SFMASK");
		expect_but_tcg("arithmetic flags are lost", (trap_last.handler_flags & (FLAG_ARITH | FLAG_ID)) ==
			       (flags[i] & (FLAG_ARITH | FLAG_ID)), "outside SFMASK");
	}
	user_syscall = resume;
	expect_equal(user_run(u_registers, 0, 0, 0), 0x80);
	expect_equal(user_frame.rax, 1 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 12 + 13 + 14 + 15);

	calls = 0;
	user_prepare(user_address(u_loop));
	user_frame.rbx = test_option("rounds", 5000);
	expect_equal(user_enter(), 0x80);
	expect_equal(calls, test_option("rounds", 5000));
	expect_equal(trap_last.cs, USER_CS, "CS after SYSRET");
	expect_equal(trap_last.ss, USER_DS, "SS after SYSRET");
	user_syscall = 0;
}

static bool change(struct trap_frame *f)
{
	f->rflags = 0x8d7 | FLAG_DF | FLAG_ID | FLAG_IF;
	f->rip = user_address(u_syscall) + 2;
	user_syscall = 0;
	return true;
}

static void sysret(void)
{
	user_syscall = change;
	expect_equal(user_run(u_syscall, 0, 0, 0), TRAP_SYSCALL);
	expect_equal(user_frame.rip, user_address(u_syscall) + 4);
	expect_equal(user_frame.rflags, 0x8d7 | FLAG_DF | FLAG_ID | FLAG_IF, "R11 to RFLAGS");
}

static void bases(void)
{
	uint64_t *data = (uint64_t *)user_data;

	data[0] = 0x1111;
	data[1] = 0x2222;
	data[2] = 0x3333;
	msr_write(MSR_FS_BASE, USER_DATA);
	msr_write(MSR_GS_BASE, USER_DATA + 8);
	msr_write(MSR_KERNEL_GS_BASE, USER_DATA + 16);
	expect_equal(user_run(u_bases, 0, 0, 0), TRAP_SYSCALL);
	expect(user_frame.rax == 0x1111 && user_frame.rbx == 0x2222, "%lx %lx", user_frame.rax,
	       user_frame.rbx);
	__asm__ volatile("swapgs" ::: "memory");
	expect_equal(msr_read(MSR_GS_BASE), USER_DATA + 16);
	expect_equal(msr_read(MSR_KERNEL_GS_BASE), USER_DATA + 8);
	expect_equal(user_run(u_bases, 0, 0, 0), TRAP_SYSCALL);
	expect(user_frame.rax == 0x1111 && user_frame.rbx == 0x3333, "after swapgs: %lx %lx",
	       user_frame.rax, user_frame.rbx);
	/* A change while other user code ran before. */
	for (unsigned i = 0; i < 20; i++) {
		msr_write(MSR_GS_BASE, USER_DATA + 8 * (i % 3));
		msr_write(MSR_FS_BASE, USER_DATA + 8 * ((i + 1) % 3));
		expect_equal(user_run(u_bases, 0, 0, 0), TRAP_SYSCALL);
		expect_equal(user_frame.rbx, data[i % 3]);
		expect_equal(user_frame.rax, data[(i + 1) % 3]);
	}
	if (cpu_has_fsgsbase()) {
		uint64_t v;

		cr4_write(cr4_read() | CR4_FSGSBASE);
		__asm__ volatile("wrgsbase %1; rdgsbase %0" : "=r"(v) : "r"(USER_DATA + 16));
		expect_equal(v, USER_DATA + 16);
		expect_equal(msr_read(MSR_GS_BASE), USER_DATA + 16);
		__asm__ volatile("wrfsbase %1; rdfsbase %0" : "=r"(v) : "r"(USER_DATA + 8));
		expect_equal(v, USER_DATA + 8);
		expect_equal(user_run(u_bases, 0, 0, 0), TRAP_SYSCALL);
		expect(user_frame.rax == 0x2222 && user_frame.rbx == 0x3333);
		cr4_write(cr4_read() & ~CR4_FSGSBASE);
		expect_equal(TRY("rdgsbase %0", : "=r"(v) :: "memory"), UD, "without CR4.FSGSBASE");
	}
}

void test_main(void)
{
	user_init();
	registers();
	sysret();
	bases();

	msr_write(MSR_EFER, msr_read(MSR_EFER) & ~EFER_SCE);
	expect_equal(user_run(u_syscall, 0, 0, 0), UD, "without EFER.SCE");
	expect_equal(user_frame.rip, user_address(u_syscall));
	expect_equal(TRY("sysretq", ::: "memory"), UD, "without EFER.SCE");
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE);
	expect_equal(user_run(u_syscall, 0, 0, 0), TRAP_SYSCALL);
}
