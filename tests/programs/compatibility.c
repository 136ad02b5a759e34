// SPDX-License-Identifier: MIT
/*
 * Compatibility mode entered from and left to 64-bit code by far call, far jump
 * and IRETQ; the alignment-check flag.
 */
#include <sched.h>
#include <sys/mman.h>

#include "fault.h"

/* A 32-bit routine at a low address: add, and the size of its pushes. */
static void compatibility_mode(void)
{
	unsigned char *low = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	static const unsigned char code[] = {
		0x89, 0xe2, /* mov edx, esp */
		0x50,	    /* push eax */
		0x29, 0xe2, /* sub edx, esp: 4 in 32-bit mode */
		0x58,	    /* pop eax */
		0x40,	    /* inc eax (REX in 64-bit mode) */
		0x01, 0xd0, /* add eax, edx */
		0xcb,	    /* lret */
	};
	int wrong = 0;

	memcpy(low, code, sizeof(code));
	for (unsigned i = 0; i < 500; i++) {
		static struct {
			uint32_t offset;
			uint16_t selector;
		} __attribute__((packed)) far;
		uint32_t result;

		far.offset = (uint32_t)(uintptr_t)low;
		far.selector = 0x23;

		__asm__ volatile("mov %%rsp, %%r12\n"
				 "lea 8000(%2), %%rsp\n"
				 "lcall *(%3)\n"
				 "mov %%r12, %%rsp"
				 : "=a"(result)
				 : "0"(i), "r"((uintptr_t)low), "r"(&far)
				 : "r12", "rdx", "memory", "cc");
		wrong += result != i + 5;
		if (i % 50 == 0)
			sched_yield();
	}
	expect_equal(wrong, 0, "compatibility mode entered and left");
	munmap(low, 8192);
}

/* IRETQ to 32-bit code, a far return out of it. */
static void by_iret(void)
{
	unsigned char *low = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	static const unsigned char code[] = { 0x40, 0x40, 0x40, 0xcb }; /* inc eax, three times; lret */
	int wrong = 0;

	memcpy(low, code, sizeof(code));
	for (uint32_t i = 0; i < 500; i++) {
		uint32_t result;

		__asm__ volatile("mov %%rsp, %%r12\n"
				 "lea 8000(%2), %%rcx\n"
				 "lea 1f(%%rip), %%rdx\n"
				 "movl %%edx, (%%rcx)\n" /* where the far return goes */
				 "movl $0x33, 4(%%rcx)\n"
				 "push $0x2b; push %%rcx; pushfq; push $0x23; push %2\n"
				 "iretq\n"
				 "1: mov %%r12, %%rsp"
				 : "=a"(result)
				 : "0"(i), "r"((uintptr_t)low)
				 : "r12", "rcx", "rdx", "memory", "cc");
		wrong += result != i + 3;
	}
	expect_equal(wrong, 0, "by IRETQ and far return");
	/* A fault inside shows the 32-bit code segment. */
	low[0] = 0x0f, low[1] = 0x0b;
	volatile uintptr_t at = (uintptr_t)low;
	FAULT("ud2 in compatibility mode", ADDRESS_RIP, {
		static struct {
			uint32_t offset;
			uint16_t selector;
		} __attribute__((packed)) far;

		far.offset = (uint32_t)at;
		far.selector = 0x23;
		__asm__ volatile("ljmp *(%0)" : : "r"(&far));
	});
	munmap(low, 8192);
}

/* IRETQ within 64-bit code: registers, flags and stack come from the frame. */
static void iret_same_mode(void)
{
	uint64_t flags, stack_moved;

	__asm__ volatile(
		"mov %%rsp, %%r12; mov %%ss, %%eax; push %%rax; lea -512(%%rsp), %%rax; push %%rax; pushq $0xcd7;"
		"mov %%cs, %%eax; push %%rax; lea 1f(%%rip), %%rax; push %%rax; iretq; 1: pushfq; pop %0; cld;"
		"mov %%r12, %1; sub %%rsp, %1; mov %%r12, %%rsp"
		: "=&r"(flags), "=&r"(stack_moved)
		:
		: "rax", "r12", "memory", "cc");
	printf("flags %llx, stack moved %llu\n", (unsigned long long)flags,
	       (unsigned long long)stack_moved);
}

static void alignment(void)
{
	static long words[4] __attribute__((aligned(64)));

	base = (uintptr_t)words;
	FAULT("misaligned with AC", ADDRESS_NONE,
	      __asm__ volatile(
		      "pushfq; orq $0x40000, (%%rsp); popfq; mov 1(%0), %%rax; pushfq; andq $~0x40000, (%%rsp); popfq"
		      :
		      : "r"(words)
		      : "rax", "memory", "cc"));
	__asm__ volatile("pushfq; andq $~0x40000, (%%rsp); popfq" : : : "memory", "cc");
	long value;

	__asm__ volatile(
		"pushfq; orq $0x40000, (%%rsp); popfq; mov 8(%1), %0; pushfq; andq $~0x40000, (%%rsp); popfq"
		: "=r"(value)
		: "r"(words)
		: "memory", "cc");
	expect_equal(value, 0, "aligned with AC");
	/* A system call with AC set: the kernel's accesses are not checked, the flag is ours still. */
	long result;
	uint64_t flags;

	__asm__ volatile(
		"pushfq; orq $0x40000, (%%rsp); popfq; mov $39, %%eax; syscall; pushfq; pop %1; pushfq;"
		"andq $~0x40000, (%%rsp); popfq"
		: "=&a"(result), "=r"(flags)
		:
		: "rcx", "r11", "memory", "cc");
	expect(result == getpid() && (flags >> 18 & 1), "system call with AC");
}

int main(void)
{
	fault_catch();
	compatibility_mode();
	by_iret();
	iret_same_mode();
	alignment();
	return check_result();
}
