// SPDX-License-Identifier: MIT
/*
 * A user program owns nothing but its pages: jumps, loads and stores to every part of the lower
 * half that is not mapped are page faults with the exact CR2, whatever the machine keeps there;
 * every system call number, however odd its arguments, arrives in the guest kernel; and the
 * program still runs afterwards.
 */
#include "test.h"
#include "user.h"

user_program(u_jump, "jmp *%rdi");
user_program(u_load, "mov (%rdi), %rax; syscall");
user_program(u_store, "mov %rax, (%rdi); syscall");
user_program(u_call, "mov %rdi, %rax; mov %rsi, %rdi; mov %rsi, %rsp; syscall");
user_program(u_alive, "mov $0x1234, %eax; int $0x80");

static void probe(uint64_t at)
{
	int got = user_run(u_jump, at, 0, 0);

	if (got != PF || trap_last.cr2 != at || trap_last.error != (PF_U | PF_I) || trap_last.rip != at)
		expect(false, "jump to %lx: vector %d error %lx cr2 %lx rip %lx", at, got, trap_last.error,
		       trap_last.cr2, trap_last.rip);
	got = user_run(u_load, at, 0, 0);
	if (got != PF || trap_last.cr2 != at || trap_last.error != PF_U)
		expect(false, "load from %lx: vector %d error %lx cr2 %lx", at, got, trap_last.error, trap_last.cr2);
	got = user_run(u_store, at, 0, 0);
	if (got != PF || trap_last.cr2 != at || trap_last.error != (PF_U | PF_W))
		expect(false, "store to %lx: vector %d error %lx cr2 %lx", at, got, trap_last.error, trap_last.cr2);
}

void test_main(void)
{
	uint64_t top = 0x00007ffffffff000ul;

	user_init();
	/* Coarse over everything, fine at the ends and round powers of two. */
	for (uint64_t at = 0x100000000ul; at < top; at += 0x8000000000ul - 0x1000)
		probe(at);
	for (uint64_t at = top - 0x200000; at <= top; at += 0x1000)
		probe(at);
	for (unsigned bit = 33; bit < 47; bit++)
		for (int64_t d = -2; d < 3; d++)
			probe((1ul << bit) + (uint64_t)(d * 4096));
	for (uint64_t at = 0x50000000; at < 0x60000000; at += 0x100000)
		probe(at + 0x123);
	if (GUEST_BASE)
		for (uint64_t at = 0; at < 0x40000; at += 0x1000)
			probe(at);

	for (uint64_t n = 0; n < 600; n++) {
		expect_equal(user_run(u_call, n, USER_DATA + n, 0), TRAP_SYSCALL, "number %lu", n);
		expect_equal(user_frame.rax, n);
		expect_equal(user_frame.rdi, USER_DATA + n);
	}
	expect_equal(user_run(u_call, ~0ul, 0, 0), TRAP_SYSCALL);
	expect_equal(user_run(u_call, 0x40000000, 0xffffffffffffffff, 0), TRAP_SYSCALL, "x32 number, bad stack");
	expect_equal(user_run(u_alive, 0, 0, 0), 0x80);
	expect_equal(user_frame.rax, 0x1234);
}
