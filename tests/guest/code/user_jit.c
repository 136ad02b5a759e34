// SPDX-License-Identifier: MIT
/*
 * User code that changes: a CPL3 program rewrites its own code page in place and through an
 * alias; the kernel rewrites it through the direct map; write and execute permission alternate
 * as mprotect does; the page is remapped; code runs across two pages of which one changes.
 */
#include "runtime.h"
#include "test.h"
#include "user.h"

#define JIT	USER_FREE
#define ALIAS	(USER_FREE + 0x10000)

/* rdi: code, rsi: where to write, rdx: rounds.  Each round writes `mov $i, %eax; ret` and calls it. */
user_program(u_jit,
	"xor %r8d, %r8d; xor %ecx, %ecx\n"
	"1: movb $0xb8, (%rsi); mov %ecx, 1(%rsi); movb $0xc3, 5(%rsi)\n"
	"xor %eax, %eax; mov %rcx, %r9; mov %rdx, %r10; cpuid; mov %r9, %rcx; mov %r10, %rdx\n"
	"call *%rdi\n"
	"cmp %eax, %ecx; jne 2f\n"
	"inc %r8; inc %ecx; cmp %edx, %ecx; jb 1b\n"
	"2: syscall");
/* Calls the code and returns what it returned. */
user_program(u_call, "call *%rdi; syscall");
user_program(u_poke, "mov %esi, 1(%rdi); syscall");

static uint64_t pa[3];

static void emit(uint8_t *at, uint32_t value)
{
	at[0] = 0xb8;
	memcpy(at + 1, &value, 4);
	at[5] = 0xc3;
}

static void call(uint64_t at, uint32_t want, const char *what)
{
	expect_equal(user_run(u_call, at, 0, 0), TRAP_SYSCALL, "%s", what);
	expect_equal((uint32_t)user_frame.rax, want, "%s", what);
}

void test_main(void)
{
	uint64_t rwx = PTE_P | PTE_W | PTE_U;

	user_init();
	for (unsigned i = 0; i < 3; i++)
		pa[i] = page_alloc();
	page_map(JIT, pa[0], rwx);
	page_map(JIT + 0x1000, pa[1], rwx);
	page_map(ALIAS, pa[0], rwx | PTE_NX);

	expect_equal(user_run(u_jit, JIT, JIT, 200), TRAP_SYSCALL);
	expect_equal(user_frame.r8, 200, "rewritten in place");
	expect_equal(user_run(u_jit, JIT, ALIAS, 200), TRAP_SYSCALL);
	expect_equal(user_frame.r8, 200, "rewritten through an alias");
	expect_equal(user_run(u_jit, JIT + 0xffd, JIT + 0xffd, 50), TRAP_SYSCALL);
	expect_equal(user_frame.r8, 50, "across two pages");

	for (uint32_t i = 0; i < 30; i++) {
		emit(phys_to_virt(pa[0]), 500 + i);
		call(JIT, 500 + i, "written by the kernel");
	}

	/* W^X, as mprotect drives it. */
	for (uint32_t i = 0; i < 30; i++) {
		page_map(JIT, pa[0], PTE_P | PTE_W | PTE_U | PTE_NX);
		cpu_invlpg(JIT);
		expect_equal(user_run(u_call, JIT, 0, 0), PF);
		expect_equal(trap_last.error, PF_P | PF_U | PF_I);
		expect_equal(user_run(u_poke, JIT, i + 900, 0), TRAP_SYSCALL);
		page_map(JIT, pa[0], PTE_P | PTE_U);
		cpu_invlpg(JIT);
		call(JIT, i + 900, "after W^X");
		expect_equal(user_run(u_poke, JIT, 1, 0), PF);
		expect_equal(trap_last.error, PF_P | PF_W | PF_U);
	}

	/* Remapped to another page, and the old one reused elsewhere. */
	emit(phys_to_virt(pa[0]), 1);
	emit(phys_to_virt(pa[2]), 2);
	for (unsigned i = 0; i < 20; i++) {
		page_map(JIT, pa[i & 1 ? 2 : 0], PTE_P | PTE_U);
		cpu_invlpg(JIT);
		call(JIT, i & 1 ? 2 : 1, "remapped");
	}

	/* An instruction across two pages; the second is exchanged. */
	page_map(JIT, pa[0], rwx);
	cpu_invlpg(JIT);
	emit((uint8_t *)phys_to_virt(pa[0]) + 0xffe, 0);	/* bytes beyond the page are elsewhere */
	for (unsigned i = 0; i < 20; i++) {
		uint8_t *tail = phys_to_virt(pa[1 + (i & 1)]);

		tail[0] = (uint8_t)i;
		tail[1] = tail[2] = 0;
		tail[3] = 0xc3;
		page_map(JIT + 0x1000, pa[1 + (i & 1)], rwx);
		cpu_invlpg(JIT + 0x1000);
		call(JIT + 0xffe, (uint32_t)i << 8, "second page exchanged");
	}
}
