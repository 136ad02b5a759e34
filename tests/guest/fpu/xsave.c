// SPDX-License-Identifier: MIT
/*
 * FXSAVE, XSAVE, XSAVEOPT, XSAVEC and XRSTOR in the kernel, to kernel and user memory: what is
 * saved comes back, header and XCR0 rules hold, sizes agree with CPUID leaf 13, bad operands fault.
 */
#include "page.h"
#include "runtime.h"
#include "test.h"
#include "trap.h"

static uint8_t *area;

static void set(uint64_t v)
{
	__asm__ volatile("vmovq %0, %%xmm1; vinsertf128 $1, %%xmm1, %%ymm1, %%ymm1; vmovq %1, %%xmm9"
			 :: "r"(v), "r"(~v));
}

static void check(uint64_t v, const char *what)
{
	uint64_t a, b, c;

	__asm__ volatile("vmovq %%xmm1, %0; vextractf128 $1, %%ymm1, %%xmm2; vmovq %%xmm2, %1; vmovq %%xmm9, %2"
			 : "=r"(a), "=r"(b), "=r"(c));
	expect(a == v && b == v && c == ~v, "%s: %lx %lx %lx", what, a, b, c);
}

static void clear(void)
{
	__asm__ volatile("vzeroall");
}

#define XINSN(insn, ptr, mask) \
	__asm__ volatile(insn " (%0)" :: "r"(ptr), "a"((uint32_t)(mask)), "d"(0) : "memory")

static void round_trips(uint8_t *at)
{
	struct cpuid extra = cpuid(13, 1);

	memset(at, 0, 4096);
	set(0x1111);
	XINSN("xsave64", at, 7);
	clear();
	XINSN("xrstor64", at, 7);
	check(0x1111, "xsave64");
	expect_equal(*(uint64_t *)(at + 512) & 6, 6, "XSTATE_BV");
	expect_equal(*(uint64_t *)(at + 160 + 16), 0x1111, "XMM1 in its place");
	expect_equal(*(uint64_t *)(at + cpuid(13, 2).ebx + 16), 0x1111, "YMM1 high where CPUID says");

	set(0x2222);
	XINSN("xsave", at, 7);
	clear();
	XINSN("xrstor", at, 7);
	check(0x2222, "xsave");
	if (extra.eax & 1) {
		set(0x3333);
		XINSN("xsaveopt64", at, 7);
		clear();
		XINSN("xrstor64", at, 7);
		check(0x3333, "xsaveopt64");
	}
	if (extra.eax & 2) {
		memset(at, 0, 4096);
		set(0x4444);
		XINSN("xsavec64", at, 7);
		clear();
		XINSN("xrstor64", at, 7);
		check(0x4444, "xsavec64");
		expect_equal(*(uint64_t *)(at + 520), 1ul << 63 | 7, "XCOMP_BV");
		memset(at, 0, 4096);
	}
	/* Only what is asked for: SSE without AVX keeps the high halves. */
	set(0x5555);
	XINSN("xsave64", at, 7);
	set(0x6666);
	XINSN("xrstor64", at, 2);
	uint64_t low, high;

	__asm__ volatile("vmovq %%xmm1, %0; vextractf128 $1, %%ymm1, %%xmm2; vmovq %%xmm2, %1"
			 : "=r"(low), "=r"(high));
	expect(low == 0x5555 && high == 0x6666, "partial: %lx %lx", low, high);
	/* A clear XSTATE_BV bit means initial state. */
	*(uint64_t *)(at + 512) = 0;
	XINSN("xrstor64", at, 7);
	__asm__ volatile("vmovq %%xmm1, %0" : "=r"(low));
	expect_equal(low, 0, "initial state");
	set(0x7777);
	__asm__ volatile("fxsave64 (%0)" :: "r"(at) : "memory");
	clear();
	__asm__ volatile("fxrstor64 (%0)" :: "r"(at) : "memory");
	__asm__ volatile("vmovq %%xmm1, %0; vmovq %%xmm9, %1" : "=r"(low), "=r"(high));
	expect(low == 0x7777 && high == ~0x7777ul, "fxsave64");
}

void test_main(void)
{
	uint64_t user = 0x40400000, pa = page_alloc();

	area = phys_to_virt(page_alloc());
	if (!cpu_has_xsave() || !cpu_has_avx())
		test_skip("no XSAVE or no AVX");
	expect_equal(TRY("xsave (%0)", :: "r"(area), "a"(7), "d"(0) : "memory"), UD, "without OSXSAVE");
	cr4_write(cr4_read() | CR4_OSXSAVE);
	expect(cpuid(1, 0).ecx & (1u << 27), "CPUID shows OSXSAVE");
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	expect_equal(lo | (uint64_t)hi << 32, 1, "XCR0 at reset");
	expect_equal(TRY("xsetbv", :: "c"(0), "a"(4), "d"(0) : "memory"), GP, "AVX without SSE");
	expect_equal(TRY("xsetbv", :: "c"(0), "a"(6), "d"(0) : "memory"), GP, "x87 cannot be off");
	expect_equal(TRY("xsetbv", :: "c"(1), "a"(7), "d"(0) : "memory"), GP, "no XCR1");
	__asm__ volatile("xsetbv" :: "c"(0), "a"(7), "d"(0));
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	expect_equal(lo, 7);
	expect_equal(cpuid(13, 0).ebx, 576 + 256, "size of what is enabled");
	expect(cpuid(13, 0).ecx >= 832 && (cpuid(13, 0).eax & 7) == 7);

	round_trips(area);
	page_map(user, pa, PTE_P | PTE_W | PTE_U);
	round_trips((uint8_t *)user);
	/* Faults: misaligned, on a missing page, a bad header. */
	expect_but_tcg("does not check", TRY("xsave64 (%0)", :: "r"(area + 8), "a"(7), "d"(0) : "memory") == GP,
		       "misaligned");
	expect_equal(TRY("xsave64 (%0)", :: "r"(TEST_BASE), "a"(7), "d"(0) : "memory"), PF);
	expect_equal(TRY("xrstor64 (%0)", :: "r"(user + 0x10000), "a"(7), "d"(0) : "memory"), PF);
	page_map(user, pa, PTE_P | PTE_U);
	cpu_invlpg(user);
	expect_equal(TRY("xsave64 (%0)", :: "r"(user), "a"(7), "d"(0) : "memory"), PF, "read-only");
	expect_equal(trap_last.error, PF_P | PF_W);
	XINSN("xsave64", area, 7);
	*(uint64_t *)(area + 512) = 1ul << 40;
	expect_equal(TRY("xrstor64 (%0)", :: "r"(area), "a"(7), "d"(0) : "memory"), GP, "reserved XSTATE_BV bit");
	memset(area, 0, 1024);
	*(uint32_t *)(area + 24) = 0xffffffff;
	expect_but_tcg("does not check", TRY("fxrstor64 (%0)", :: "r"(area) : "memory") == GP, "reserved MXCSR bits");
}
