// SPDX-License-Identifier: MIT
/*
 * One kernel with code and data in both halves: code in the upper half calls code in the lower
 * half and back, with stacks and data in either; the same code page runs at two addresses; traps
 * taken there return there.
 */
#include "page.h"
#include "runtime.h"
#include "test.h"
#include "trap.h"

#define LOW_CODE	0x0000000060000000ul
#define FAR_LOW_CODE	0x00007f1234567000ul
#define HIGH_CODE	0xffffffffc0000000ul
#define MIDDLE_CODE	0xffff888123456000ul

/* uint64_t f(uint64_t *data, uint64_t (*next)(...), uint64_t *rip_out): position-independent. */
extern char body[], body_end[];
__asm__(".text\n.globl body\nbody:\n"
	"push %rbx; mov %rdi, %rbx\n"
	"lea body(%rip), %rax; mov %rax, (%rdx)\n"
	"incq (%rbx); lock addq $2, (%rbx); push (%rbx); pop %rax\n"
	"ud2\n"
	"pushf; cli; popf\n"
	"test %rsi, %rsi; jz 1f\n"
	"mov %rsi, %rcx; xor %esi, %esi; mov %rbx, %rdi; lea 8(%rdx), %rdx; call *%rcx\n"
	"1: mov (%rbx), %rax; pop %rbx; ret\n"
	".globl body_end\nbody_end:");

typedef uint64_t (*function)(uint64_t *, uint64_t, uint64_t *);

static uint64_t trap_rip;

static bool skip(struct trap_frame *f)
{
	trap_rip = f->rip;
	f->rip += 2;
	return true;
}

static uint64_t call_on(uint64_t stack, uint64_t code, uint64_t *data, uint64_t next, uint64_t *rips)
{
	uint64_t v;

	__asm__ volatile("mov %%rsp, %%r12; mov %5, %%rsp; call *%4; mov %%r12, %%rsp"
			 : "=&a"(v), "+D"(data), "+S"(next), "+d"(rips) : "r"(code), "r"(stack)
			 : "rcx", "r8", "r9", "r10", "r11", "r12", "memory", "cc");
	return v;
}

void test_main(void)
{
	uint64_t where[] = { LOW_CODE, FAR_LOW_CODE, HIGH_CODE, MIDDLE_CODE };
	uint64_t stacks[4], cells[4], pa = page_alloc(), rips[2];

	trap_handler[UD] = skip;
	memcpy(phys_to_virt(pa), body, (uint64_t)(body_end - body));
	for (unsigned i = 0; i < 4; i++) {
		page_map(where[i], pa, PTE_P);
		page_map(where[i] + 0x2000, page_alloc(), PTE_P | PTE_W);
		stacks[i] = where[i] + 0x3000;
		page_map(where[i] + 0x5000, page_alloc(), PTE_P | PTE_W);
		cells[i] = where[i] + 0x5008;
	}
	for (unsigned n = 0; n < 4 * 4 * 4 * 4 * 2; n++) {
		unsigned code = n & 3, stack = n >> 2 & 3, data = n >> 4 & 3, next = n >> 6 & 3;
		volatile uint64_t *cell = (uint64_t *)cells[data];

		*cell = 100;
		expect_equal(call_on(stacks[stack], where[code], (uint64_t *)cells[data], where[next],
				     rips), 106, "code %u stack %u data %u next %u", code, stack, data, next);
		expect_equal(rips[0], where[code], "RIP-relative");
		expect_equal(rips[1], where[next], "RIP-relative");
		expect_equal(trap_rip & ~0xffful, where[next], "trap in the inner call");
		expect_equal(*cell, 106);
	}
}
