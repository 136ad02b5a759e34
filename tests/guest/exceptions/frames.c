// SPDX-License-Identifier: MIT
/*
 * What an exception pushes and changes at CPL0: the frame is 16-byte aligned below any RSP, holds
 * that RSP and the exact flags, every register survives; an interrupt gate clears IF, a trap gate
 * does not; an IST gate takes its stack, nested ones too; IRETQ restores all of it.
 */
#include "page.h"
#include "test.h"
#include "trap.h"

static struct trap_frame seen;

static bool note(struct trap_frame *f)
{
	seen = *f;
	return true;
}

static void alignment(void)
{
	static uint8_t stack[4096] __attribute__((aligned(16)));

	for (uint64_t skew = 0; skew < 16; skew++) {
		uint64_t top = (uint64_t)stack + 2048 + skew, after;

		__asm__ volatile("mov %%rsp, %%rbx; mov %1, %%rsp; int3; mov %%rsp, %0; mov %%rbx, %%rsp"
				 : "=&r"(after) : "r"(top) : "rbx", "memory", "cc");
		expect_equal(seen.rsp, top, "RSP in the frame, skew %lu", skew);
		expect_equal(after, top, "RSP after IRETQ, skew %lu", skew);
		expect_equal(trap_last.handler_rsp, ((top & ~15ul) - 40), "frame address, skew %lu", skew);
	}
}

static void flags(void)
{
	static const uint64_t patterns[] = {
		0, FLAG_CF, FLAG_ARITH, FLAG_DF, FLAG_DF | FLAG_ZF | FLAG_OF, FLAG_AC, FLAG_ID,
		FLAG_ID | FLAG_AC | FLAG_DF | FLAG_CF, FLAG_IOPL, FLAG_NT, FLAG_NT | FLAG_ARITH,
	};

	for (unsigned i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		uint64_t want = patterns[i] | 2, got;

		__asm__ volatile("push %1; popf; int3; pushf; pop %0; push $2; popf"
				 : "=&r"(got) : "r"(want) : "memory", "cc");
		expect_equal(seen.rflags, want, "in the frame");
		expect_equal(got, want, "after IRETQ");
		expect_equal(trap_last.handler_flags & (FLAG_NT | FLAG_TF | FLAG_IF | FLAG_RF), 0,
			     "in the handler");
		expect_equal(trap_last.handler_flags & (FLAG_ARITH | FLAG_DF | FLAG_AC),
			     want & (FLAG_ARITH | FLAG_DF | FLAG_AC), "kept into the handler");
	}
}

static void registers(void)
{
	uint64_t bad;

	__asm__ volatile(
		"push %%rbp\n"
		"mov $0x1111111111111111, %%rax; lea 1(%%rax), %%rcx; lea 2(%%rax), %%rdx\n"
		"lea 3(%%rax), %%rbx; lea 4(%%rax), %%rbp; lea 5(%%rax), %%rsi; lea 6(%%rax), %%rdi\n"
		"lea 7(%%rax), %%r8; lea 8(%%rax), %%r9; lea 9(%%rax), %%r10; lea 10(%%rax), %%r11\n"
		"lea 11(%%rax), %%r12; lea 12(%%rax), %%r13; lea 13(%%rax), %%r14; lea 14(%%rax), %%r15\n"
		"int3\n"
		"sub %%rax, %%rcx; sub %%rax, %%rdx; sub %%rax, %%rbx; sub %%rax, %%rbp\n"
		"sub %%rax, %%rsi; sub %%rax, %%rdi; sub %%rax, %%r8; sub %%rax, %%r9\n"
		"sub %%rax, %%r10; sub %%rax, %%r11; sub %%rax, %%r12; sub %%rax, %%r13\n"
		"sub %%rax, %%r14; sub %%rax, %%r15\n"
		"shl $1, %%rdx; add %%rdx, %%rcx; lea (%%rbx,%%rbx,2), %%rbx; add %%rbx, %%rcx\n"
		"shl $2, %%rbp; add %%rbp, %%rcx; lea (%%rsi,%%rsi,4), %%rsi; add %%rsi, %%rcx\n"
		"imul $6, %%rdi; add %%rdi, %%rcx; imul $7, %%r8; add %%r8, %%rcx\n"
		"shl $3, %%r9; add %%r9, %%rcx; imul $9, %%r10; add %%r10, %%rcx\n"
		"imul $10, %%r11; add %%r11, %%rcx; imul $11, %%r12; add %%r12, %%rcx\n"
		"imul $12, %%r13; add %%r13, %%rcx; imul $13, %%r14; add %%r14, %%rcx\n"
		"imul $14, %%r15; add %%r15, %%rcx\n"
		"pop %%rbp\n"
		: "=c"(bad) :: "rax", "rdx", "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
		"r14", "r15", "memory", "cc");
	/* 1 + 2*2 + 3*3 + ... + 14*14 */
	expect_equal(bad, 1015, "sum of weighted registers");
	expect_equal(seen.rax, 0x1111111111111111ul);
	expect_equal(seen.rbp, 0x1111111111111115ul);
	expect_equal(seen.r15, 0x111111111111111ful);
}

static void gates(void)
{
	static uint8_t ist[2][4096] __attribute__((aligned(16)));

	trap_set_gate(0x40, 0, 15, 0, 0);
	trap_handler[0x40] = note;
	__asm__ volatile("sti; int $0x40; cli" ::: "memory");
	expect(trap_last.handler_flags & FLAG_IF, "a trap gate keeps IF");
	trap_set_gate(0x40, 0, 14, 0, 0);
	__asm__ volatile("sti; int $0x40; cli" ::: "memory");
	expect(!(trap_last.handler_flags & FLAG_IF), "an interrupt gate clears IF");
	expect(seen.rflags & FLAG_IF);

	/* The second IST top is not aligned: hardware aligns. */
	tss.ist[0] = (uint64_t)ist[0] + 4096;
	tss.ist[6] = (uint64_t)ist[1] + 4089;
	trap_set_ist(0x40, 1);
	__asm__ volatile("int $0x40" ::: "memory");
	expect_equal(trap_last.handler_rsp, (uint64_t)ist[0] + 4096 - 40);
	trap_set_ist(0x40, 7);
	__asm__ volatile("int $0x40" ::: "memory");
	expect_equal(trap_last.handler_rsp, (uint64_t)ist[1] + 4080 - 40);
	trap_set_ist(0x40, 0);
	trap_set_ist(PF, 1);
	expect_equal(try_read((void *)TEST_BASE), PF);
	expect_equal(trap_last.handler_rsp, (uint64_t)ist[0] + 4096 - 48, "with an error code");
	trap_set_ist(PF, 0);
}

static bool nest(struct trap_frame *f)
{
	if (f->rax-- > 1)
		__asm__ volatile("int $0x41" :: "a"(f->rax) : "memory");
	return true;
}

void test_main(void)
{
	trap_handler[BP] = note;
	alignment();
	flags();
	registers();
	gates();

	uint64_t depth = 50;

	trap_handler[0x41] = nest;
	__asm__ volatile("int $0x41" : "+a"(depth) :: "memory");
	expect_equal(trap_count[0x41], 50, "nested 50 deep");
	expect_equal(depth, 49);
}
