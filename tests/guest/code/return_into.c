// SPDX-License-Identifier: MIT
/*
 * Code changed while it is on the call stack: a function patches, remaps or frees the code it will
 * return to, and the return executes what is there then; so do returns through many frames, after
 * exceptions taken in between, and indirect branches to code that was thrown away.
 */
#include "page.h"
#include "runtime.h"
#include "test.h"
#include "trap.h"

static uint8_t *code, *alias;
static uint64_t pa[2];

/*
 * push %rbx; call *%rdi; mov $imm, %eax; add %ebx?, ...: the immediate behind the call is what the
 * callee changes.
 */
static void emit(uint8_t *at, uint32_t value)
{
	static const uint8_t text[] = {
		0x53,				/* push %rbx */
		0xff, 0xd7,			/* call *%rdi */
		0xb8, 0, 0, 0, 0,		/* mov $0, %eax */
		0x5b,				/* pop %rbx */
		0xc3,				/* ret */
	};

	memcpy(at, text, sizeof(text));
	memcpy(at + 4, &value, 4);
}

static uint32_t next;
static unsigned how;

static bool nothing(struct trap_frame *f)
{
	(void)f;
	return true;
}

static __attribute__((noinline)) void callee(void)
{
	switch (how) {
	case 0:			/* in place */
		memcpy(code + 4, &next, 4);
		break;
	case 1:			/* through an alias */
		memcpy(alias + 4, &next, 4);
		break;
	case 2:			/* another page there */
		emit(phys_to_virt(pa[1]), next);
		page_map((uint64_t)code, pa[1], PTE_P | PTE_W);
		cpu_invlpg((uint64_t)code);
		break;
	case 3:			/* and the first one back */
		emit(phys_to_virt(pa[0]), next);
		page_map((uint64_t)code, pa[0], PTE_P | PTE_W);
		cr3_write(cr3_read());
		break;
	case 4:			/* an exception on the way */
		memcpy(alias + 4, &next, 4);
		__asm__ volatile("int3");
		break;
	default:		/* a byte that is not changed, but written */
		*(volatile uint8_t *)(code + 3) = 0xb8;
		memcpy(code + 4, &next, 4);
		break;
	}
	cpuid(0, 0);
}

static uint64_t run(uint8_t *at)
{
	uint64_t v;

	__asm__ volatile("call *%1" : "=a"(v) : "r"(at), "D"(callee)
			 : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
	return (uint32_t)v;
}

/* A chain of frames in one page, patched at the bottom. */
static uint64_t (*chain)(unsigned);

static __attribute__((noinline)) uint64_t bottom(void)
{
	/* Every level's immediate changes while all are on the stack. */
	for (unsigned i = 0; i < 16; i++)
		alias[512 + i * 16 + 6] = (uint8_t)(next + i);
	cpuid(0, 0);
	return 0;
}

static void emit_chain(void)
{
	/* level i: call level i+1 (or bottom); add $imm32, %rax; ret */
	for (unsigned i = 0; i < 16; i++) {
		uint8_t *p = alias + 512 + i * 16;

		p[0] = 0xe8;
		int32_t rel = i < 15 ? 16 - 5 : 256 - 5 - 0;

		memcpy(p + 1, &rel, 4);
		memcpy(p + 5, "\x83\xc0\x00\xc3", 4);	/* add $imm8, %eax; ret -- imm at +7 */
		p[5] = 0x04;				/* add $imm8, %al */
		p[6] = 0;
		p[7] = 0xc3;
	}
	/* behind the chain: mov $bottom, %rax; call *%rax by jump */
	uint8_t *p = alias + 512 + 15 * 16 + 256;
	uint64_t target = (uint64_t)bottom;

	p[0] = 0x48;
	p[1] = 0xb8;
	memcpy(p + 2, &target, 8);
	p[10] = 0xff;
	p[11] = 0xe0;
}

void test_main(void)
{
	trap_handler[BP] = nothing;
	code = (uint8_t *)TEST_BASE;
	alias = (uint8_t *)TEST_BASE + 0x8000;
	for (unsigned i = 0; i < 2; i++)
		pa[i] = page_alloc();
	page_map((uint64_t)code, pa[0], PTE_P | PTE_W);
	page_map((uint64_t)alias, pa[0], PTE_P | PTE_W);
	emit(code, 1);
	for (unsigned i = 0; i < 120; i++) {
		how = i % 6;
		next = 5000 + i;
		expect_equal(run(code), next, "way %u, round %u", how, i);
		if (how == 2) {
			next = 6000 + i;
			how = 3;
			expect_equal(run(code), next, "way 3, round %u", i);
		}
	}
	emit_chain();
	chain = (void *)(code + 512);
	for (next = 1; next < 40; next += 3) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < 16; i++)
			sum += (uint8_t)(next + i);
		expect_equal(chain(0) & 0xff, sum & 0xff, "chain %u", next);
	}
}
