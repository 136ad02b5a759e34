// SPDX-License-Identifier: MIT
/*
 * Branches with prefixes that mean nothing to them, LOOP and JRCXZ among them: an engine that
 * copies the bytes to its own processor may find that they mean something there (an operand-size
 * prefix makes AMD's cut RIP to 16 bits).
 */
#include "test.h"
#include "trap.h"

#define RUN(want, insns)						\
	do {								\
		uint64_t rax_ = 0;					\
									\
		__asm__ volatile("mov $3, %%ecx; xor %%eax, %%eax\n" insns \
				 : "=&a"(rax_) :: "rcx", "memory", "cc"); \
		expect_equal(rax_, (want), "%s", insns);		\
	} while (0)

void test_main(void)
{
	struct cpuid id = cpuid(0, 0);

	/* Prefix bytes spelled out: the assembler has opinions of its own. */
	RUN(3, "1: inc %%eax; .byte 0x2e; loop 1b");
	RUN(3, "1: inc %%eax; .byte 0x3e; loop 1b");
	RUN(3, "1: inc %%eax; .byte 0xf2; loop 1b");
	RUN(3, "1: inc %%eax; .byte 0x48; loop 1b");
	RUN(3, "1: inc %%eax; .byte 0x67; loop 1b");
	RUN(1, "xor %%ecx, %%ecx; .byte 0x2e; jrcxz 1f; ud2; 1: inc %%eax");
	RUN(1, "xor %%ecx, %%ecx; .byte 0x48; jrcxz 1f; ud2; 1: inc %%eax");
	RUN(1, "cmp %%eax, %%eax; .byte 0x2e; je 1f; ud2; 1: inc %%eax");
	RUN(1, "cmp %%eax, %%eax; .byte 0x3e, 0x0f, 0x84; .long 2; ud2; inc %%eax");
	RUN(1, ".byte 0xf2; call 1f; jmp 2f; 1: inc %%eax; .byte 0xf2; ret; 2:");
	RUN(1, ".byte 0xf3; call 1f; jmp 2f; 1: inc %%eax; .byte 0xf3; ret; 2:");
	RUN(1, "lea 1f(%%rip), %%rcx; .byte 0x3e; jmp *%%rcx; ud2; 1: inc %%eax");
	RUN(1, "lea 1f(%%rip), %%rcx; .byte 0xf2, 0x48; call *%%rcx; jmp 2f; 1: inc %%eax; ret; 2:");
	/* Ignored on Intel's only. */
	if (test_on_tcg() || id.ebx != 0x756e6547)
		return;
	RUN(3, "1: inc %%eax; .byte 0x66; loop 1b");
	RUN(1, "xor %%ecx, %%ecx; .byte 0x66; jrcxz 1f; ud2; 1: inc %%eax");
	RUN(1, "cmp %%eax, %%eax; .byte 0x66; je 1f; ud2; 1: inc %%eax");
	RUN(1, ".byte 0x66; jmp 1f; ud2; 1: inc %%eax");
}
