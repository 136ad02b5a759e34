// SPDX-License-Identifier: MIT
/*
 * Every way to go somewhere else: direct and indirect jumps and calls through registers and
 * memory (RSP-relative too), RET imm, stack-pointer games, call/pop, retpoline thunks, far
 * transfers through memory, LOOP and JRCXZ, deep recursion and unbalanced returns.
 */
#include "page.h"
#include "test.h"
#include "trap.h"

#define RUN(want, insns, ...)						\
	do {								\
		uint64_t rax_ = 0, rsp_before_, rsp_after_;		\
		__asm__ volatile("mov %%rsp, %1; xor %%eax, %%eax\n" insns "\nmov %%rsp, %2" \
			: "=&a"(rax_), "=&b"(rsp_before_), "=&r"(rsp_after_) : __VA_ARGS__ \
			: "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc"); \
		expect_equal(rax_, (want), "%s", insns);		\
		expect_equal(rsp_after_, rsp_before_, "RSP after %s", insns); \
	} while (0)

#define AFTER	"jmp 9f\n1: inc %%rax; ret\n9:"

static void near(void)
{
	RUN(1, "call 1f\n" AFTER);
	RUN(2, "call 1f; call 1f\n" AFTER);
	RUN(1, "lea 1f(%%rip), %%rcx; call *%%rcx\n" AFTER);
	RUN(1, "lea 1f(%%rip), %%r11; call *%%r11\n" AFTER);
	RUN(1, "lea 1f(%%rip), %%rcx; push %%rcx; call *(%%rsp); pop %%rcx\n" AFTER);
	RUN(1, "lea 1f(%%rip), %%rcx; mov %%rcx, -64(%%rsp); call *-64(%%rsp)\n" AFTER);
	RUN(1, "lea 1f(%%rip), %%rcx; mov %%rcx, -64(%%rsp); mov $-8, %%rdx; call *(%%rsp,%%rdx,8)\n" AFTER);
	RUN(1, "lea 1f(%%rip), %%rcx; push 9f(%%rip); movq %%rcx, (%%rsp); call *(%%rsp); add $8, %%rsp\n" AFTER);
	RUN(5, "lea 1f(%%rip), %%rcx; jmp *%%rcx; ud2; 1: mov $5, %%eax");
	RUN(6, "lea 1f(%%rip), %%rcx; push %%rcx; jmp *(%%rsp); ud2; 1: mov $6, %%eax; pop %%rcx");
	RUN(7, "lea 1f(%%rip), %%rcx; push %%rcx; ret; ud2; 1: mov $7, %%eax");
	RUN(8, "push $1; push $2; push $3; call 1f; jmp 2f; 1: mov $8, %%eax; ret $24; 2:");
	RUN(0, "call 1f; 1: lea 1b(%%rip), %%rcx; pop %%rdx; sub %%rcx, %%rdx; mov %%rdx, %%rax");
	/* retpoline */
	RUN(9, "lea 3f(%%rip), %%r11; call 1f; 2: pause; lfence; jmp 2b; 1: mov %%r11, (%%rsp); ret; 3: mov $9, %%eax");
	/* a return to where nobody called from, a call never returned from */
	RUN(3, "lea 2f(%%rip), %%rcx; call 1f; ud2; 1: mov %%rcx, (%%rsp); ret; 2: mov $3, %%eax");
	RUN(4, "call 1f; ud2; 1: add $8, %%rsp; mov $4, %%eax");
	/* call through a register that the call's own push or an odd operand changes */
	RUN(1, "lea 1f(%%rip), %%rcx; xchg %%rcx, %%rdi; call *%%rdi\n" AFTER);
	/* the target is read before the return address is written over it */
	RUN(1, "lea 1f(%%rip), %%rcx; mov %%rcx, -8(%%rsp); call *-8(%%rsp)\n" AFTER);
}

static void stack_pointer(void)
{
	RUN(0, "push %%rsp; pop %%rcx; sub %%rsp, %%rcx; mov %%rcx, %%rax");
	RUN(0, "mov %%rsp, %%rcx; push %%rcx; pop %%rsp; mov %%rsp, %%rax; sub %%rcx, %%rax");
	RUN(0, "mov %%rsp, %%rcx; push %%rsp; mov (%%rsp), %%rdx; pop %%r8; sub %%rcx, %%rdx; mov %%rdx, %%rax");
	RUN(16, "mov %%rsp, %%rcx; lea -16(%%rsp), %%rsp; sub %%rsp, %%rcx; lea 16(%%rsp), %%rsp; mov %%rcx, %%rax");
	RUN(0, "mov %%rsp, %%rcx; lea -256(%%rsp), %%rdx; xchg %%rsp, %%rdx; sub %%rdx, %%rcx; xchg %%rdx, %%rsp; mov %%rcx, %%rax");
	RUN(8, "sub $32, %%rsp; mov %%rsp, %%rcx; add $32, %%rsp; mov %%rsp, %%rdx; sub %%rcx, %%rdx; shr $2, %%edx; mov %%edx, %%eax");
	RUN(0, "mov %%rsp, %%rcx; and $-4096, %%rsp; test $4095, %%rsp; setnz %%al; mov %%rcx, %%rsp");
	RUN(1, "mov %%rsp, %%rcx; cmp %%rsp, %%rcx; sete %%al");
	RUN(1, "mov %%rsp, -64(%%rsp); cmp %%rsp, -64(%%rsp); sete %%al");
	RUN(1, "mov %%rsp, %%rcx; sub $8, %%rsp; mov %%rcx, (%%rsp); pop %%rdx; cmp %%rdx, %%rcx; sete %%al");
	RUN(0x60, "mov %%rsp, %%r9; push %%rbp; mov %%rsp, %%r8; enter $0x60, $0; mov %%r8, %%rcx; sub $8, %%rcx;"
	    "sub %%rsp, %%rcx; mov %%rcx, %%rax; leave; pop %%rbp; mov %%r9, %%rsp");
	RUN(1, "push %%rbp; mov %%rsp, %%r8; enter $16, $3; mov -16(%%rbp), %%rcx; leave; cmp %%rsp, %%r8; sete %%al; pop %%rbp");
	RUN(1, "push %%rbp; mov %%rsp, %%rbp; sub $64, %%rsp; push $1; mov %%rbp, %%rsp; pop %%rbp; mov $1, %%eax");
	RUN(77, "movq $77, -16(%%rsp); sub $16, %%rsp; pop %%rax; pop %%rcx");
	RUN(5, "push $5; push $6; mov 8(%%rsp), %%rax; add $16, %%rsp");
	RUN(6, "push $5; push $6; pop (%%rsp); pop %%rax");
	RUN(4, "push $4; pushq (%%rsp); pop %%rax; pop %%rcx");
	RUN(0x1234, "pushw $0x1234; popw %%ax");
	RUN(1, "mov %%esp, %%ecx; mov %%rsp, %%rdx; cmp %%edx, %%ecx; sete %%al");
	RUN(1, "mov %%spl, %%cl; mov %%rsp, %%rdx; cmp %%dl, %%cl; sete %%al");
	RUN(1, "mov %%rsp, %%rcx; movq %%rsp, %%xmm0; movq %%xmm0, %%rdx; cmp %%rdx, %%rcx; sete %%al");
	RUN(3, "mov %%rsp, %%rcx; inc %%rsp; inc %%rsp; inc %%rsp; mov %%rsp, %%rax; sub %%rcx, %%rax; mov %%rcx, %%rsp");
	RUN(1, "mov %%rsp, %%rcx; imul $1, %%rsp, %%rdx; cmp %%rdx, %%rcx; sete %%al");
	RUN(1, "mov %%rsp, %%rcx; xor %%rdx, %%rdx; cmovz %%rsp, %%rdx; cmp %%rdx, %%rcx; sete %%al");
	RUN(1, "mov %%rsp, %%rcx; lea (%%rcx), %%rdx; stc; cmovc %%rdx, %%rsp; cmp %%rcx, %%rsp; sete %%al");
}

static void counters(void)
{
	RUN(10, "mov $10, %%ecx; 1: inc %%rax; loop 1b");
	RUN(3, "mov $10, %%ecx; 1: inc %%rax; cmp $3, %%eax; loopne 1b");
	RUN(1, "mov $10, %%ecx; 1: inc %%rax; cmp $3, %%eax; loope 1b");
	RUN(1, "xor %%ecx, %%ecx; jrcxz 1f; ud2; 1: inc %%eax");
	RUN(1, "mov $1, %%ecx; jrcxz 1f; inc %%eax; 1:");
	RUN(1, "mov $0x100000000, %%rcx; jrcxz 1f; inc %%eax; 1:");
	RUN(1, "mov $0x100000000, %%rcx; jecxz 1f; ud2; 1: inc %%eax");
	RUN(4, "mov $0x100000004, %%rcx; 1: inc %%rax; addr32 loop 1b; test %%rcx, %%rcx; jz 2f; ud2; 2:");
}

static void far(void)
{
	struct { uint64_t offset; uint16_t selector; } __attribute__((packed)) target;

	target.selector = KERNEL_CS;
	RUN(1, "lea 1f(%%rip), %%rcx; mov %%rcx, (%3); rex.w ljmp *(%3); ud2; 1: inc %%eax", "r"(&target));
	RUN(2, "lea 1f(%%rip), %%rcx; mov %%rcx, (%3); rex.w lcall *(%3); inc %%eax; jmp 2f; 1: inc %%eax; lretq; 2:",
	    "r"(&target));
	RUN(1, "push %3; lea 1f(%%rip), %%rcx; push %%rcx; lretq; ud2; 1: inc %%eax", "r"((uint64_t)KERNEL_CS));
	RUN(1, "mov %%rsp, %%rdx; push %3; push %%rdx; pushf; push %4; lea 1f(%%rip), %%rcx; push %%rcx; iretq; ud2; 1: inc %%eax",
	    "r"((uint64_t)KERNEL_DS), "r"((uint64_t)KERNEL_CS));
	/* lret imm */
	RUN(1, "push $11; push $12; push %3; lea 1f(%%rip), %%rcx; push %%rcx; lretq $16; ud2; 1: inc %%eax",
	    "r"((uint64_t)KERNEL_CS));
}

static __attribute__((noinline)) uint64_t recurse(uint64_t n)
{
	if (n == 0)
		return 0;
	return recurse(n - 1) + n + (n & 1 ? recurse(0) : 0);
}

static __attribute__((noinline)) uint64_t table_a(uint64_t x) { return x + 1; }
static __attribute__((noinline)) uint64_t table_b(uint64_t x) { return x * 3; }
static __attribute__((noinline)) uint64_t table_c(uint64_t x) { return x ^ 0x55; }
static __attribute__((noinline)) uint64_t table_d(uint64_t x) { return ~x; }

static void indirect_many(void)
{
	uint64_t (*const volatile table[4])(uint64_t) = { table_a, table_b, table_c, table_d };
	uint64_t x = 1, y = 1, seed = 12345;

	for (unsigned i = 0; i < 20000; i++) {
		seed = seed * 6364136223846793005ul + 1442695040888963407ul;
		unsigned k = seed >> 60 & 3;

		x = table[k](x);
		y = k == 0 ? y + 1 : k == 1 ? y * 3 : k == 2 ? y ^ 0x55 : ~y;
	}
	expect_equal(x, y, "20000 indirect calls");
}

/* 256 entries of 16 bytes, jumped into by number: more targets than a small cache holds. */
static void jump_table(void)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < 1024; i++) {
		uint64_t v;

		__asm__ volatile("lea 1f(%%rip), %%rcx; mov %1, %%rax; shl $4, %%eax; add %%rax, %%rcx\n"
				 "jmp *%%rcx\n"
				 ".balign 16\n1: .set n, 0; .rept 256; mov $n, %k0; jmp 2f; .balign 16;"
				 ".set n, n + 1; .endr\n2:"
				 : "=&r"(v) : "r"(i * 7 & 255) : "rax", "rcx", "cc");
		sum += v == (i * 7 & 255);
	}
	expect_equal(sum, 1024);
}

void test_main(void)
{
	near();
	stack_pointer();
	counters();
	far();
	for (unsigned i = 0; i < 20; i++)
		expect_equal(recurse(600), 600 * 601 / 2);
	indirect_many();
	jump_table();
}
