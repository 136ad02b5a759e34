// SPDX-License-Identifier: MIT
/*
 * The arithmetic flags and DF survive everything that may lie between the instruction that made
 * them and the one that reads them: every kind of branch, CLI, STI, PUSHF, POPF, stack changes,
 * segment and CR reads, loads and stores in both halves, taken faults.
 */
#include "page.h"
#include "test.h"
#include "trap.h"

#define ALL	(FLAG_ARITH | FLAG_DF)

static uint64_t memory[4];
static uint64_t user_va;

#define BETWEEN(insns)							\
	for (unsigned i = 0; i < 128; i++) {				\
		uint64_t want = (i & 1 ? FLAG_CF : 0) | (i & 2 ? FLAG_PF : 0) | \
			(i & 4 ? FLAG_AF : 0) | (i & 8 ? FLAG_ZF : 0) | (i & 16 ? FLAG_SF : 0) | \
			(i & 32 ? FLAG_OF : 0) | (i & 64 ? FLAG_DF : 0), got; \
									\
		__asm__ volatile("pushf; andq %3, (%%rsp); or %1, (%%rsp); popf\n" \
				 insns "\npushf; cld; pop %0"		\
				 : "=&r"(got) : "r"(want), "r"(memory), "e"(~(int)ALL), "r"(user_va) \
				 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "memory", "cc"); \
		got &= ALL;						\
		if (got != want) {					\
			expect_equal(got, want, "%s", insns);		\
			break;						\
		}							\
	}

static bool skip_ud2(struct trap_frame *f)
{
	f->rip += 2;
	return true;
}

static bool resume(struct trap_frame *f)
{
	(void)f;
	return true;
}

void test_main(void)
{
	user_va = 0x40400000;
	page_map(user_va, page_alloc(), PTE_P | PTE_W | PTE_U);
	trap_handler[UD] = skip_ud2;
	trap_handler[BP] = resume;
	trap_handler[0x30] = resume;

	BETWEEN("nop");
	BETWEEN("jmp 1f; 1:");
	BETWEEN("call 1f; jmp 2f; 1: ret; 2:");
	BETWEEN("lea 1f(%%rip), %%rax; jmp *%%rax; 1:");
	BETWEEN("lea 1f(%%rip), %%rax; call *%%rax; jmp 2f; 1: ret $0; 2:");
	BETWEEN("lea 1f(%%rip), %%rax; mov %%rax, (%2); call *(%2); jmp 2f; 1: ret; 2:");
	BETWEEN("lea 1f(%%rip), %%rax; push %%rax; ret; 1:");
	BETWEEN("jz 1f; 1: jc 2f; 2: jo 3f; 3: js 4f; 4: jp 5f; 5: jl 6f; 6: ja 7f; 7:");
	BETWEEN("mov $3, %%ecx; 1: loop 1b");
	BETWEEN("xor $0, %%ecx; pushf; popf; pushf; andq %3, (%%rsp); or %1, (%%rsp); popf; jrcxz 1f; 1:");
	BETWEEN("cli");
	BETWEEN("sti; cli");
	BETWEEN("sti; nop; cli");
	BETWEEN("pushf; popf");
	BETWEEN("pushf; pop %%rax; push %%rax; popf");
	BETWEEN("push %%rsp; pop %%rax; lea -8(%%rsp), %%rsp; lea 8(%%rsp), %%rsp");
	BETWEEN("mov %%rsp, %%rax; mov %%rax, %%rsp");
	BETWEEN("push %%rbp; mov %%rsp, %%rbp; leave");
	BETWEEN("mov %%cr0, %%rax; mov %%cr2, %%rax; mov %%cr3, %%rax; mov %%cr4, %%rax; mov %%cr8, %%rax");
	BETWEEN("mov %%cr3, %%rax; mov %%rax, %%cr3");
	BETWEEN("mov %%ds, %%eax; mov %%eax, %%ds");
	BETWEEN("mov $0xc0000080, %%ecx; rdmsr; wrmsr");
	BETWEEN("mov $0xc0000101, %%ecx; rdmsr; wrmsr");
	BETWEEN("xor %%eax, %%eax; pushf; popf; pushf; andq %3, (%%rsp); or %1, (%%rsp); popf; cpuid");
	BETWEEN("swapgs; swapgs");
	BETWEEN("sgdt -64(%%rsp); lgdt -64(%%rsp); sidt -64(%%rsp); lidt -64(%%rsp)");
	BETWEEN("invlpg (%2)");
	BETWEEN("clts; smsw %%ax; lmsw %%ax");
	BETWEEN("rdtsc");
	BETWEEN("in $0x61, %%al; out %%al, $0x80");
	BETWEEN("mov (%2), %%rax; mov %%rax, 8(%2); mov (%4), %%rax; mov %%rax, 8(%4)");
	BETWEEN("mov memory(%%rip), %%rax; mov %%rax, memory+8(%%rip)");
	BETWEEN("push (%2); pop (%4); push (%4); pop (%2)");
	BETWEEN("mov %2, %%rdi; mov $3, %%ecx; rep stosb");
	BETWEEN("mov %4, %%rdi; mov %2, %%rsi; mov $3, %%ecx; cld; rep movsb;"
		"pushf; andq %3, (%%rsp); or %1, (%%rsp); popf");
	BETWEEN("xchg %%rax, (%2); xchg %%rax, (%4)");
	BETWEEN("movups (%2), %%xmm0; movups %%xmm0, (%4)");
	BETWEEN("ud2");
	BETWEEN("int3");
	BETWEEN("int $0x30");
	BETWEEN("mov %%rsp, %%rax; push $0x18; push %%rax; pushf; push $0x10; lea 1f(%%rip), %%rax; push %%rax; iretq; 1:");
	BETWEEN("mfence; lfence; sfence; pause; endbr64; prefetchnta (%2)");
	BETWEEN("bswap %%eax; not %%rax; movzbl %%al, %%ecx; cmovz %%rax, %%rcx; setc %%al; lea 5(%%rax,%%rcx,4), %%rdx");
	__asm__ volatile("" :: "m"(memory));
}
