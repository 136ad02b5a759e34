// SPDX-License-Identifier: MIT
/*
 * A kernel reads selectors and bases: every width, every register, flags untouched; WRFSBASE and
 * WRGSBASE of values that are canonical and not; all of it #UD while CR4.FSGSBASE is clear, also where it
 * worked a moment ago.
 */
#include "test.h"
#include "trap.h"

#define CR4_FSGSBASE	(1ul << 16)
#define FLAGS		0x8d5	/* OF, SF, ZF, AF, PF, CF */

#define SELECTOR(sreg)								\
	do {									\
		uint64_t wide = ~0ul, narrow = ~0ul, other = ~0ul;		\
		uint32_t memory = 0;						\
										\
		__asm__ volatile("mov %%" sreg ", %0" : "=r"(wide));		\
		__asm__ volatile("mov %%" sreg ", %w0" : "+r"(narrow));		\
		__asm__ volatile("mov %%" sreg ", %%r11d; mov %%r11, %0" : "=r"(other) :: "r11"); \
		__asm__ volatile("mov %%" sreg ", %0" : "=m"(*(uint16_t *)&memory)); \
		expect_equal(wide, memory, sreg ", 64 bits");			\
		expect_equal(narrow, (~0ul & ~0xfffful) | memory, sreg ", 16 bits"); \
		expect_equal(other, memory, sreg ", 32 bits");			\
	} while (0)

static void selectors(void)
{
	SELECTOR("cs");
	SELECTOR("ss");
	SELECTOR("ds");
	SELECTOR("es");
	SELECTOR("fs");
	SELECTOR("gs");
}

static int write_fs(uint64_t v)
{
	return TRY("wrfsbase %0", :: "r"(v) : "memory");
}

static int read_fs(uint64_t *v)
{
	return TRY("rdfsbase %0", : "=r"(*v) :: "memory");
}

static int read_gs(uint64_t *v)
{
	return TRY("rdgsbase %0", : "=r"(*v) :: "memory");
}

static void bases(void)
{
	static const uint64_t good[] = {
		0, 1, 0x7fffffffffff, 0x00007f0012345678, 0xffff800000000000, ~0ul, 0xffffffff80000000,
	};
	static const uint64_t bad[] = { 0x800000000000, 0xffff7fffffffffff, 1ul << 63, 0x1000000000000 };
	uint64_t v, flags, rcx, rdx, before;
	uint32_t half;

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		expect_equal(write_fs(good[i]), TRAP_NONE);
		expect_equal(read_fs(&v), TRAP_NONE);
		expect_equal(v, good[i]);
		expect_equal(msr_read(MSR_FS_BASE), good[i], "the register behind it");
		__asm__ volatile("rdfsbase %0" : "=r"(half));
		expect_equal(half, (uint32_t)good[i], "32 bits");
		/* Nothing else changes. */
		__asm__ volatile("push %5; popf; mov $0x1111, %%ecx; mov $0x2222, %%edx; wrfsbase %4; pushf; pop %0;"
				 "mov %%rcx, %1; mov %%rdx, %2; mov %4, %3"
				 : "=&r"(flags), "=&r"(rcx), "=&r"(rdx), "=&r"(before)
				 : "r"(good[i]), "r"(FLAGS | 2ul) : "rcx", "rdx", "cc");
		expect_equal(flags & FLAGS, FLAGS);
		expect(rcx == 0x1111 && rdx == 0x2222 && before == good[i], "registers");
		__asm__ volatile("mov %0, %%rcx; wrfsbase %%rcx" :: "r"(good[i] ^ 0x10) : "rcx");
		expect_equal(msr_read(MSR_FS_BASE), good[i] ^ 0x10, "by RCX");
		__asm__ volatile("mov %0, %%r9; wrfsbase %%r9d" :: "r"(good[i]) : "r9");
		expect_equal(msr_read(MSR_FS_BASE), (uint32_t)good[i], "32 bits of R9");
	}
	expect_equal(write_fs(0x1234), TRAP_NONE);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		expect_equal(write_fs(bad[i]), GP, "%lx", bad[i]);
		expect_equal(msr_read(MSR_FS_BASE), 0x1234, "not written");
	}
	msr_write(MSR_FS_BASE, 0xffff888000001000);
	expect_equal(read_fs(&v), TRAP_NONE);
	expect_equal(v, 0xffff888000001000, "written by WRMSR");
	expect_equal(read_gs(&v), TRAP_NONE);
	expect_equal(v, msr_read(MSR_GS_BASE));
}

/* What context switches do: another GS base while this one is put away, or in its place. */
static void gs_written(void)
{
	static const uint64_t good[] = { 0, 1, 0x7fffffffffff, 0x00007f0012345678, 0xffff800000000000, ~0ul };
	static uint64_t word = 0x5ca1ab1e;
	uint64_t own = msr_read(MSR_GS_BASE), other = msr_read(MSR_KERNEL_GS_BASE), v, flags, rcx;

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		__asm__ volatile("push %3; popf; mov $0x1111, %%ecx; swapgs; wrgsbase %2; swapgs; pushf; pop %0;"
				 "mov %%rcx, %1"
				 : "=&r"(flags), "=&r"(rcx) : "r"(good[i]), "r"(FLAGS | 2ul) : "rcx", "cc");
		expect_equal(flags & FLAGS, FLAGS);
		expect_equal(rcx, 0x1111);
		expect_equal(msr_read(MSR_KERNEL_GS_BASE), good[i]);
		expect_equal(msr_read(MSR_GS_BASE), own);
		__asm__ volatile("wrgsbase %1; rdgsbase %0" : "=r"(v) : "r"(good[i]));
		expect_equal(v, good[i]);
		expect_equal(msr_read(MSR_GS_BASE), good[i]);
		__asm__ volatile("wrgsbase %1; mov %%gs:0, %0" : "=r"(v) : "r"(&word));
		expect_equal(v, word, "through a base of this half, after %lx", good[i]);
		msr_write(MSR_GS_BASE, own);
	}
	expect_equal(TRY("wrgsbase %0", :: "r"(0x800000000000) : "memory"), GP);
	expect_equal(msr_read(MSR_GS_BASE), own, "not written");
	msr_write(MSR_KERNEL_GS_BASE, other);
}

void test_main(void)
{
	uint64_t v;

	selectors();
	if (!cpu_has_fsgsbase())
		test_skip("no FSGSBASE");
	for (unsigned i = 0; i < 3; i++) {
		cr4_write(cr4_read() & ~CR4_FSGSBASE);
		expect_equal(write_fs(1), UD);
		expect_equal(read_fs(&v), UD);
		expect_equal(read_gs(&v), UD);
		cr4_write(cr4_read() | CR4_FSGSBASE);
		bases();
		gs_written();
	}
}
