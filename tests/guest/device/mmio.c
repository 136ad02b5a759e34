// SPDX-License-Identifier: MIT
/*
 * Device memory by every kind of instruction, at CPL0 in both halves and at CPL3: loads with sign
 * and zero extension, read-modify-write, exchange, compare, push and pop, string moves, SSE, stack
 * and call through it; addresses nobody claims read as ones and swallow writes; ROM-like and
 * beyond-RAM addresses in page tables are no reason to die.
 */
#include "test.h"
#include "time.h"
#include "user.h"

#define LAPIC_PA	0xfee00000ul
#define NOWHERE		0xfd123000ul

user_program(u_read, "mov (%rdi), %eax; mov %eax, (%rsi); mov (%rsi), %ebx; syscall");

static void shapes(uint64_t at)
{
	uint64_t v = 0, version = lapic_read(LAPIC_VERSION);
	uint64_t tpr = at + LAPIC_TPR;

	__asm__ volatile("mov (%1), %k0" : "=r"(v) : "r"(at + LAPIC_VERSION));
	expect_equal(v, version);
	__asm__ volatile("movl $0x20, (%0)" :: "r"(tpr) : "memory");
	expect_equal(lapic_read(LAPIC_TPR), 0x20);
	__asm__ volatile("orl $0x10, (%0)" :: "r"(tpr) : "memory", "cc");
	expect_equal(lapic_read(LAPIC_TPR), 0x30);
	__asm__ volatile("addl %k1, (%0)" :: "r"(tpr), "r"(0x10ul) : "memory", "cc");
	expect_equal(lapic_read(LAPIC_TPR), 0x40);
	v = 0x50;
	__asm__ volatile("xchg %k0, (%1)" : "+r"(v) : "r"(tpr) : "memory");
	expect(v == 0x40 && lapic_read(LAPIC_TPR) == 0x50);
	v = 0x50;
	__asm__ volatile("lock cmpxchg %k2, (%1)" : "+a"(v) : "r"(tpr), "r"(0x60ul) : "memory", "cc");
	expect_equal(lapic_read(LAPIC_TPR), 0x60);
	uint8_t equal;

	__asm__ volatile("cmpl $0x60, (%1); sete %0" : "=q"(equal) : "r"(tpr) : "cc");
	expect(equal, "CMP");
	__asm__ volatile("testl $0x40, (%1); setnz %0" : "=q"(equal) : "r"(tpr) : "cc");
	expect(equal, "TEST");
	__asm__ volatile("incl (%0); decl (%0); notl (%0); notl (%0)" :: "r"(tpr) : "memory", "cc");
	expect_equal(lapic_read(LAPIC_TPR) & 0xff, 0x60);
	__asm__ volatile("mov (%1), %%ecx; add (%1), %%ecx; mov %%rcx, %0" : "=r"(v) : "r"(tpr) : "rcx", "cc");
	expect_equal(v, 0xc0);
	uint32_t buf[4] = { 0x70, 0, 0, 0 };
	uint64_t si = (uint64_t)buf, di = tpr, cx = 1;

	__asm__ volatile("rep movsl" : "+S"(si), "+D"(di), "+c"(cx) :: "memory");
	expect(lapic_read(LAPIC_TPR) == 0x70 && di == tpr + 4 && cx == 0, "MOVS to a device");
	si = tpr, di = (uint64_t)&buf[1], cx = 1;
	__asm__ volatile("rep movsl" : "+S"(si), "+D"(di), "+c"(cx) :: "memory");
	expect_equal(buf[1], 0x70, "MOVS from a device");
	si = tpr;
	__asm__ volatile("lodsl; mov %%rax, %0" : "=r"(v), "+S"(si) :: "rax", "memory");
	expect_equal(v, 0x70);
	di = tpr;
	__asm__ volatile("stosl" : "+D"(di) : "a"(0x10) : "memory");
	expect_equal(lapic_read(LAPIC_TPR), 0x10);
	__asm__ volatile("movd (%1), %%xmm0; movd %%xmm0, %k0" : "=r"(v) : "r"(tpr));
	expect_equal((uint32_t)v, 0x10);
	__asm__ volatile("movd %0, %%xmm0; movd %%xmm0, (%1)" :: "r"(0x20), "r"(tpr) : "memory");
	expect_equal(lapic_read(LAPIC_TPR), 0x20);
	__asm__ volatile("movnti %k0, (%1)" :: "r"(0ul), "r"(tpr) : "memory");
	expect_equal(lapic_read(LAPIC_TPR), 0);
	/* Sites that alternate between a device and memory. */
	uint64_t page = page_alloc();
	volatile uint32_t *cells[2] = { (uint32_t *)(at + LAPIC_TPR), phys_to_virt(page) };

	for (uint32_t i = 0; i < 40; i++) {
		volatile uint32_t *c = cells[i & 1];

		*c = i & 0xf0;
		expect_equal(*c, i & 0xf0, "alternating");
	}
	lapic_write(LAPIC_TPR, 0);
}

static void nowhere(uint64_t at)
{
	uint64_t v;

	__asm__ volatile("mov (%1), %0" : "=r"(v) : "r"(at));
	expect_but_tcg("reads zero", v == ~0ul, "unclaimed memory reads as %lx", v);
	__asm__ volatile("mov %0, (%1); lock addq $1, (%1); xchg %0, 8(%1); rep stosb"
			 : "+r"(v), "+D"(at) : "1"(at), "c"(64), "a"(1) : "memory", "cc");
	__asm__ volatile("movups (%0), %%xmm0; movups %%xmm0, 3(%0); fildll (%0); fstp %%st(0)" :: "r"(at) : "memory");
	__asm__ volatile("cmpxchg16b (%0)" :: "r"((at + 15) & ~15ul), "a"(0), "d"(0), "b"(0), "c"(0) : "memory", "cc");
	__asm__ volatile("push (%0); pop (%0)" :: "r"(at) : "memory");
}

void test_main(void)
{
	user_init();
	lapic_enable();
	page_map(TEST_BASE, LAPIC_PA, PTE_P | PTE_W | PTE_PCD);
	page_map(USER_FREE, LAPIC_PA, PTE_P | PTE_W | PTE_U | PTE_PCD);
	page_map(TEST_BASE + 0x10000, NOWHERE, PTE_P | PTE_W);
	page_map(USER_FREE + 0x10000, NOWHERE, PTE_P | PTE_W | PTE_U);
	for (unsigned i = 0; i < 3; i++) {
		shapes(TEST_BASE);
		shapes(USER_FREE);
	}
	shapes((uint64_t)phys_to_virt(LAPIC_PA));
	nowhere(TEST_BASE + 0x10000);
	nowhere(USER_FREE + 0x10000);
	/* Beyond RAM, as high as addresses go in 36 bits. */
	page_map(TEST_BASE + 0x20000, 0xff0000000ul, PTE_P | PTE_W);
	nowhere(TEST_BASE + 0x20000);
	for (unsigned i = 0; i < 3; i++) {
		lapic_write(LAPIC_TPR, 0);
		expect_equal(user_run(u_read, USER_FREE + LAPIC_VERSION, USER_FREE + LAPIC_TPR, 0),
			     TRAP_SYSCALL);
		expect_equal((uint32_t)user_frame.rax, lapic_read(LAPIC_VERSION), "CPL3 reads a device");
		expect_equal((uint32_t)user_frame.rbx, lapic_read(LAPIC_TPR), "CPL3 writes a device");
		expect_equal(lapic_read(LAPIC_TPR), lapic_read(LAPIC_VERSION) & 0xff);
	}
	lapic_write(LAPIC_TPR, 0);
}
