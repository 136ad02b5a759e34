// SPDX-License-Identifier: MIT
/*
 * Kernel code that is not of 64 bits has not the registers: there the instructions are undefined,
 * as without ring3, and nothing is done.
 */
#include "case.h"
#include "page.h"
#include "trap.h"
#include "user.h"

CASE_NEEDS(0, 0);

#define CODE	USER_FREE		/* in the low half, where 32-bit code reaches */
#define STACK	(USER_FREE + 2 * PAGE_SIZE)

static volatile unsigned undefined;
uint64_t code_kernel_rsp;
uint64_t code_32(uint64_t number, uint64_t stack, const void *far_pointer);

/* To 32-bit code, on a stack that holds the way back for 64-bit code to return by. */
__asm__(".globl code_32\n"
	"code_32:\n\t"
	"push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
	"mov %rsp, code_kernel_rsp(%rip)\n\t"
	"mov %rdi, %rax\n\t"
	"mov %rsi, %rsp\n\t"
	"lea 1f(%rip), %rcx\n\t"
	"push %rcx\n\t"
	"xor %edi, %edi\n\t"
	"xor %esi, %esi\n\t"
	"ljmpl *(%rdx)\n"
	"1:\tmov code_kernel_rsp(%rip), %rsp\n\t"
	"pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\t"
	"ret\n");

static bool step_over(struct trap_frame *f)
{
	undefined++;
	f->rip += 3;
	return true;
}

static void code_write(void)
{
	uint64_t pa = page_alloc();
	uint8_t *p = phys_to_virt(pa);

	page_map(CODE, pa, PTE_P | PTE_W);
	page_map(STACK - PAGE_SIZE, page_alloc(), PTE_P | PTE_W | PTE_NX);
	/* vmcall or vmmcall; ljmp $KERNEL_CS, $CODE + 10; there, of 64 bits: ret */
	p[0] = 0x0f;
	p[1] = 0x01;
	p[2] = case_vmmcall() ? 0xd9 : 0xc1;
	p[3] = 0xea;
	*(uint32_t *)(p + 4) = CODE + 10;
	*(uint16_t *)(p + 8) = KERNEL_CS;
	p[10] = 0xc3;
}

void test_main(void)
{
	const struct { uint32_t offset; uint16_t selector; } to = { CODE, KERNEL_CS32 };

	case_begin();
	code_write();
	tss.ist[0] = (uint64_t)phys_to_virt(page_alloc()) + PAGE_SIZE;
	trap_set_ist(UD, 1);
	trap_handler[UD] = step_over;
	for (uint64_t n = 0; n < 30; n++) {
		undefined = 0;
		expect_equal(code_32(n, STACK - 64, &to), n, "EAX of call %lu", n);
		expect_equal(undefined, 1, "call %lu", n);
	}
}
