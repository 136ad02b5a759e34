// SPDX-License-Identifier: MIT
/*
 * Every form of memory operand reaches the right bytes: RSP, RBP, R12, R13 bases, scaled indexes,
 * absolute, RIP-relative with immediates behind, moffs64, FS and GS with kernel and user bases,
 * address-size prefixes, sums that wrap around 2^64, the first and the last page; SSE, XLAT,
 * CMPXCHG16B, BT with a bit string, and operands crossing pages.
 */
#include "page.h"
#include "test.h"
#include "trap.h"

uint64_t memory[64] __attribute__((aligned(64)));

#define LOAD(want, insns, ...)						\
	do {								\
		uint64_t value_;						\
		__asm__ volatile("xor %%eax, %%eax\n" insns : "=&a"(value_) : __VA_ARGS__ \
				 : "rcx", "rdx", "rsi", "rdi", "r12", "r13", "memory", "cc"); \
		expect_equal(value_, (want), "%s", insns);		\
	} while (0)

static void fill(void)
{
	for (uint64_t i = 0; i < 64; i++)
		memory[i] = 0x1000 + i;
}

static void bases(void)
{
	fill();
	LOAD(0x1003, "mov %1, %%r12; mov 24(%%r12), %%rax", "r"(memory));
	LOAD(0x1003, "mov %1, %%r13; mov 24(%%r13), %%rax", "r"(memory));
	LOAD(0x1000, "mov %1, %%r13; mov (%%r13), %%rax", "r"(memory));
	LOAD(0x1005, "mov %1, %%r13; mov $5, %%r12d; mov (%%r13,%%r12,8), %%rax", "r"(memory));
	LOAD(0x1006, "mov $12, %%ecx; mov (%1,%%rcx,4), %%rax", "r"(memory));
	LOAD(0x1001, "mov $-7, %%rcx; mov 64(%1,%%rcx,8), %%rax", "r"(memory));
	LOAD(0x1009, "mov $9, %%ecx; mov memory(,%%rcx,8), %%rax", "i"(0));
	LOAD(0x1004, "mov memory+32, %%rax", "i"(0));
	LOAD(0x100a, "mov memory+80(%%rip), %%rax", "i"(0));
	LOAD(0x1002, "mov %1, %%rcx; push %%rbp; mov %%rcx, %%rbp; mov 16(%%rbp), %%rax; pop %%rbp", "r"(memory));
	LOAD(0x1007, "mov %1, %%rcx; push %%rbp; mov $7, %%ebp; mov (%%rcx,%%rbp,8), %%rax; pop %%rbp", "r"(memory));
	LOAD(0x55, "push $0x55; mov (%%rsp), %%rax; pop %%rcx", "i"(0));
	LOAD(0x66, "push $0x66; push $0x55; mov $1, %%ecx; mov (%%rsp,%%rcx,8), %%rax; pop %%rcx; pop %%rcx", "i"(0));
	LOAD(0x66, "push $0x66; lea (%%rsp), %%rcx; mov (%%rcx), %%rax; pop %%rcx", "i"(0));
	LOAD(0x77, "push %%rbp; mov %%rsp, %%rbp; push $0x77; mov -8(%%rbp), %%rax; leave", "i"(0));
	LOAD(0x12, "push $0x10; addq $2, (%%rsp); pop %%rax", "i"(0));
	LOAD(8, "lea memory(%%rip), %%rcx; lea memory+8(%%rip), %%rax; sub %%rcx, %%rax", "i"(0));
	LOAD(0, "lea memory(%%rip), %%rcx; mov $memory, %%rax; sub %%rcx, %%rax", "i"(0));
	LOAD(0, "movabs $memory, %%rcx; lea memory(%%rip), %%rax; sub %%rcx, %%rax", "i"(0));
}

static void relative(void)
{
	fill();
	__asm__ volatile("movq $-5, memory(%%rip); movl $0x11223344, memory+8(%%rip); movb $9, memory+16(%%rip);"
			 "movw $0x7777, memory+24(%%rip); addq $6, memory(%%rip); cmpq $1, memory(%%rip);"
			 "sete memory+32(%%rip); shlq $4, memory+40(%%rip); testb $1, memory+16(%%rip);"
			 "setnz memory+48(%%rip); imul $3, memory+56(%%rip), %%rax; mov %%rax, memory+56(%%rip);"
			 "lock incq memory+64(%%rip); push memory+72(%%rip); pop memory+80(%%rip);"
			 "shld $4, %%rax, memory+96(%%rip);"
			 "movups memory+104(%%rip), %%xmm0; movaps %%xmm0, memory+128(%%rip)"
			 ::: "rax", "memory", "cc");
	expect_equal(memory[0], 1);
	expect_equal(memory[1], 0x11223344);
	expect_equal(memory[2], 0x1009);
	expect_equal(memory[3], 0x7777);
	expect_equal(memory[4], 0x1001);
	expect_equal(memory[5], 0x10050);
	expect_equal(memory[6], 0x1001);
	expect_equal(memory[7], 0x3015);
	expect_equal(memory[8], 0x1009);
	expect_equal(memory[10], 0x1009);
	expect_equal(memory[12], 0x100c0);
	expect(memory[16] == 0x100d && memory[17] == 0x100e);
	__asm__ volatile("btsq $63, memory+88(%%rip)" ::: "memory", "cc");
	expect_but_tcg("sets the bit elsewhere", memory[11] == 0x800000000000100bul, "BTS imm, RIP-relative");
	LOAD(1, "lea 1f(%%rip), %%rcx; mov %%rcx, memory(%%rip); call *memory(%%rip); jmp 2f; 1: inc %%eax; ret; 2:",
	     "i"(0));
	LOAD(2, "lea 1f(%%rip), %%rcx; mov %%rcx, memory(%%rip); jmp *memory(%%rip); ud2; 1: mov $2, %%eax", "i"(0));
	fill();
	LOAD(0x1002, "movabs memory+16, %%rax", "i"(0));
	LOAD(0x02, "movabs memory+16, %%al", "i"(0));
	LOAD(0x1002, "movabs memory+16, %%eax", "i"(0));
	LOAD(0x1002, "movabs memory+16, %%ax", "i"(0));
	LOAD(0x77, "mov $0x77, %%eax; movabs %%rax, memory+24; mov memory+24(%%rip), %%rax", "i"(0));
	LOAD(0x1078, "mov $0x78, %%al; movabs %%al, memory+32; mov memory+32(%%rip), %%rax", "i"(0));
}

static void segments(void)
{
	uint64_t user = 0x40400000, pa = page_alloc();

	page_map(user, pa, PTE_P | PTE_W | PTE_U);
	for (unsigned pass = 0; pass < 4; pass++) {
		uint64_t base = pass & 1 ? user : (uint64_t)memory;
		uint64_t *p = pass & 1 ? phys_to_virt(pa) : memory;

		for (uint64_t i = 0; i < 64; i++)
			p[i] = 0x2000 + i;
		msr_write(MSR_GS_BASE, base + 64);
		msr_write(MSR_FS_BASE, base + 128);
		LOAD(0x2009, "mov %%gs:8, %%rax", "i"(0));
		LOAD(0x2007, "mov $-8, %%rcx; mov %%gs:(%%rcx), %%rax", "i"(0));
		LOAD(0x2006, "mov $1, %%ecx; mov %%gs:-24(,%%rcx,8), %%rax", "i"(0));
		LOAD(0x2011, "mov %%fs:8, %%rax", "i"(0));
		LOAD(0x200f, "mov $-8, %%rcx; mov %%fs:(%%rcx), %%rax", "i"(0));
		LOAD(0x2012, "mov %%fs:8, %%rcx; incq %%fs:8; mov %%fs:8, %%rax", "i"(0));
		LOAD(0x200a, "push %%gs:16; pop %%rax", "i"(0));
		LOAD(0x200a, "push %%gs:16; pop %%gs:24; mov %%gs:24, %%rax", "i"(0));
		LOAD(0x2000, "mov $0x2008, %%eax; mov $0x2000, %%ecx; lock cmpxchg %%rcx, %%gs:0; mov %%gs:0, %%rax", "i"(0));
		LOAD(0x100, "mov $0x100, %%ecx; xchg %%rcx, %%gs:40; mov %%gs:40, %%rax", "i"(0));
		LOAD(0x101, "addq $1, %%gs:40; mov %%gs:40, %%rax", "i"(0));
		LOAD(1, "cmpq $0x101, %%gs:40; sete %%al", "i"(0));
		LOAD(1, "lea 1f(%%rip), %%rcx; mov %%rcx, %%gs:48; call *%%gs:48; jmp 2f; 1: inc %%eax; ret; 2:", "i"(0));
		LOAD(0x200f, "mov $56, %%esi; lodsq %%gs:(%%rsi), %%rax", "i"(0));
		LOAD(0x2010, "mov $56, %%esi; lea memory+256(%%rip), %%rdi; mov $2, %%ecx; rep movsq %%gs:(%%rsi), (%%rdi);"
		     "mov memory+264(%%rip), %%rax", "i"(0));
		LOAD(8, ".byte 0x65; lea 8, %%rax", "i"(0));
		/* As the kernel's per-CPU variables are: RIP-relative, base the difference. */
		msr_write(MSR_GS_BASE, base - (uint64_t)memory);
		LOAD(0x2003, "mov %%gs:memory+24(%%rip), %%rax", "i"(0));
		LOAD(0x2004, "incl %%gs:memory+24(%%rip); mov %%gs:memory+24(%%rip), %%rax", "i"(0));
		LOAD(0x2004, "mov %%gs:memory+24, %%rax", "i"(0));
		LOAD(0x2004, "movabs %%gs:memory+24, %%rax", "i"(0));
	}
	expect_equal(TRY("mov %%gs:(%0), %%rax", :: "r"(1ul << 47) : "rax", "memory"), GP);
	msr_write(MSR_GS_BASE, 0);
	msr_write(MSR_FS_BASE, 0);
}

static void edges(void)
{
	uint64_t user = 0x40500000, pa = page_alloc();
	uint64_t *p = phys_to_virt(pa), top = -PAGE_SIZE;

	for (uint64_t i = 0; i < 512; i++)
		p[i] = 0x3000 + i;
	page_map(user, pa, PTE_P | PTE_W | PTE_U);
	page_map(top, pa, PTE_P | PTE_W);
	LOAD(0x3002, "mov 16(%k1), %%rax", "r"(user));
	LOAD(0x3002, "movabs $0x1234567800000000, %%rcx; or %1, %%rcx; mov 16(%%ecx), %%rax", "r"(user));
	LOAD(0x40500010, "movabs $0x1234567800000000, %%rcx; or %1, %%rcx; lea 16(%%ecx), %%rax", "r"(user));
	LOAD(0x3001, "lea 0x100000(%1), %%rcx; mov -0xffff8(%%ecx), %%rax", "r"(user));
	/* Around the top: -8, by a sum that wraps, by an absolute displacement. */
	LOAD(0x31ff, "mov $8, %%ecx; mov -16(%%rcx), %%rax", "i"(0));
	LOAD(0x31fe, "mov $-16, %%rcx; mov (%%rcx), %%rax", "i"(0));
	LOAD(0x31ff, "mov -8, %%rax", "i"(0));
	LOAD(0x3000, "mov $0x1000, %%ecx; mov -0x2000(%%rcx), %%rax", "i"(0));
	LOAD(0x31ff, "mov $-1, %%rcx; mov (,%%rcx,8), %%rax", "i"(0));
	LOAD(0x77, "movq $0x77, -8; mov -8, %%rax", "i"(0));
	page_map(top, 0, 0);
	cpu_invlpg(top);
	/* The first page, and nothing there. */
	for (unsigned pass = 0; pass < 3; pass++) {
		expect_equal(try_read((void *)0x50000000), PF);
		expect_equal(trap_last.cr2, 0x50000000);
	}
#if GUEST_BASE
	expect_equal(try_read((void *)0), PF, "null pointer");
	expect_equal(trap_last.cr2, 0);
	expect_equal(try_write((void *)0x18), PF, "null pointer");
	expect_equal(trap_last.cr2, 0x18);
	page_map(0, pa, PTE_P | PTE_W);
	LOAD(0x3005, "xor %%ecx, %%ecx; mov 40(%%rcx), %%rax", "i"(0));
	LOAD(0x3005, "mov 40, %%rax", "i"(0));
	page_map(0, 0, 0);
	cpu_invlpg(0);
#endif
	uint64_t last = 0x00007ffffffff000ul;

	page_map(last, pa, PTE_P | PTE_W | PTE_U);
	LOAD(0x31fe, "mov 0xff0(%1), %%rax", "r"(last));
	expect_equal(TRY("mov 0xffc(%0), %%rax", :: "r"(last) : "rax", "memory"), GP, "crosses into the hole");
	expect_equal(TRY("mov (%0), %%rax", :: "r"(last + 0x1000) : "rax", "memory"), GP);
	page_map(last, 0, 0);
	cpu_invlpg(last);
	expect_equal(TRY("mov (%0), %%rax", :: "r"(0xffff800000000000ul) : "rax", "memory"), PF);
	expect_equal(trap_last.cr2, 0xffff800000000000ul);
	expect_equal(TRY("mov -8(%0), %%rax", :: "r"(0xffff800000000000ul) : "rax", "memory"), GP);
}

static void various(void)
{
	static uint8_t table[256];
	uint64_t a = TEST_BASE, pa[2] = { page_alloc(), page_alloc() };

	for (unsigned i = 0; i < 256; i++)
		table[i] = (uint8_t)(255 - i);
	LOAD(250, "push %%rbx; mov %1, %%rbx; mov $5, %%al; xlat; movzbl %%al, %%eax; pop %%rbx", "r"(table));
	fill();
	LOAD(0x40, "bts %2, (%1); mov 16(%1), %%rax; and $0x40, %%eax", "r"(memory), "r"(2 * 64 + 6ul));
	LOAD(1, "bt %2, 64(%1); setc %%al", "r"(memory), "r"(-6 * 64 + 6ul));
	memory[0] = 1, memory[1] = 2;
	LOAD(1, "mov %1, %%rdi; push %%rbx; mov $1, %%eax; mov $2, %%edx; mov $7, %%ebx; mov $8, %%ecx;"
	     "lock cmpxchg16b (%%rdi); sete %%al; movzbl %%al, %%eax; pop %%rbx", "r"(memory));
	expect(memory[0] == 7 && memory[1] == 8);
	LOAD(7, "mov %1, %%rdi; lock cmpxchg16b (%%rdi)", "r"(memory));
	expect_equal(TRY("cmpxchg16b 8(%0)", :: "r"(memory), "a"(0), "d"(0), "b"(0), "c"(0) : "memory", "cc"),
		     GP, "misaligned CMPXCHG16B");
	page_map(a, pa[0], PTE_P | PTE_W);
	page_map(a + PAGE_SIZE, pa[1], PTE_P | PTE_W);
	for (unsigned o = 1; o < 16; o++) {
		uint64_t at = a + PAGE_SIZE - o;

		LOAD(0x1122334455667788ul, "movabs $0x1122334455667788, %%rcx; mov %%rcx, (%1); addq $0, (%1); mov (%1), %%rax",
		     "r"(at));
		LOAD(0x99, "movdqu (%1), %%xmm1; movdqu %%xmm1, (%1); mov $0x99, %%eax", "r"(at));
		page_map(a + PAGE_SIZE, pa[1], PTE_P);
		cpu_invlpg(a + PAGE_SIZE);
		if (o < 8) {
			expect_equal(TRY("movq $5, (%0)", :: "r"(at) : "memory"), PF, "crossing into read-only");
			expect_equal(trap_last.cr2, a + PAGE_SIZE, "CR2 is the second page");
			expect_equal(*(uint8_t *)(at), 0x88, "nothing written");
		}
		page_map(a + PAGE_SIZE, pa[1], PTE_P | PTE_W);
	}
}

void test_main(void)
{
	bases();
	relative();
	segments();
	edges();
	various();
}
