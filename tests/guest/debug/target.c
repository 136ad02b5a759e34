// SPDX-License-Identifier: MIT
/*
 * What tests/debug/run debugs: code and data with names, at CPL0 and CPL3.  Alone it is a test
 * like others; with wait=1 on the command line it loops until the debugger sets debug_release.
 */
#include "test.h"
#include "user.h"

void debug_count(uint64_t n);
extern volatile uint64_t debug_counter, debug_watched, debug_release;

volatile uint64_t debug_counter, debug_watched = 0x1111, debug_release;

user_program(debug_user,
	     "mov $0x1234, %eax\n"
	     ".globl debug_user_middle\ndebug_user_middle:\n"
	     "inc %rax\n"
	     "lea 2(%rax), %rdi\n"
	     "syscall");

__attribute__((noinline)) void debug_count(uint64_t n)
{
	debug_counter += n;
}

void test_main(void)
{
	user_init();
	for (uint64_t i = 0; i < 10; i++)
		debug_count(i);
	expect_equal(debug_counter, 45);
	if (test_option("wait", 0))
		while (!debug_release)
			;
	debug_watched = 0x2222;
	expect_equal(user_run(debug_user, 0, 0, 0), TRAP_SYSCALL);
	expect_equal(user_frame.rdi, 0x1237);
}
