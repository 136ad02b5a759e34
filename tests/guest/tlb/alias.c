// SPDX-License-Identifier: MIT
/*
 * Several mappings of one physical page (4 KiB in kernel and user half, inside a 2 MiB page, the
 * direct map) show each other's writes at once, whoever made them, and unaligned across pages.
 */
#include "test.h"
#include "user.h"

user_program(u_exchange, "mov (%rdi), %rax; mov %rsi, (%rdi); mov (%rdx), %rbx; syscall");

void test_main(void)
{
	uint64_t big = page_alloc_aligned(2ul << 20, 2ul << 20), pa = big + 0x7000;
	uint64_t user[3] = { USER_FREE, USER_FREE + 0x3000, USER_FREE + 0x400000 + 0x7000 };
	volatile uint64_t *kernel[3] = {
		(void *)TEST_BASE, (void *)(TEST_BASE + 0x200000 + 0x7000), phys_to_virt(pa)
	};

	user_init();
	page_map(user[0], pa, PTE_P | PTE_W | PTE_U);
	page_map(user[1], pa, PTE_P | PTE_W | PTE_U);
	page_map_large(USER_FREE + 0x400000, big, PTE_P | PTE_W | PTE_U, 2);
	page_map(TEST_BASE, pa, PTE_P | PTE_W);
	page_map_large(TEST_BASE + 0x200000, big, PTE_P | PTE_W, 2);

	for (uint64_t i = 1; i < 200; i++) {
		uint64_t value = i * 0x9e3779b97f4a7c15ul;

		*kernel[i % 3] = value;
		for (unsigned k = 0; k < 3; k++)
			expect_equal(*kernel[k], value, "round %lu view %u", i, k);
		expect_equal(user_run(u_exchange, user[i % 3], ~value, user[(i + 1) % 3]), TRAP_SYSCALL);
		expect_equal(user_frame.rax, value, "user sees the kernel's write, round %lu", i);
		expect_equal(user_frame.rbx, ~value, "user sees its own through an alias, round %lu", i);
		for (unsigned k = 0; k < 3; k++)
			expect_equal(*kernel[k], ~value, "kernel sees the user's, round %lu view %u", i, k);
	}

	/* Two virtual neighbours that are physically far apart, swapped. */
	uint64_t far = page_alloc();
	volatile uint64_t *edge = (void *)(TEST_BASE + 0x401000 - 4);

	page_map(TEST_BASE + 0x400000, pa, PTE_P | PTE_W);
	page_map(TEST_BASE + 0x401000, far, PTE_P | PTE_W);
	*edge = 0x1122334455667788ul;
	expect_equal(*(uint32_t *)phys_to_virt(pa + 0xffc), 0x55667788);
	expect_equal(*(uint32_t *)phys_to_virt(far), 0x11223344);
	page_map(TEST_BASE + 0x400000, far, PTE_P | PTE_W);
	page_map(TEST_BASE + 0x401000, pa, PTE_P | PTE_W);
	cpu_invlpg(TEST_BASE + 0x400000);
	cpu_invlpg(TEST_BASE + 0x401000);
	*edge = 0xaabbccddeeff0011ul;
	expect_equal(*(uint32_t *)phys_to_virt(far + 0xffc), 0xeeff0011);
	expect_equal(*(uint32_t *)phys_to_virt(pa), 0xaabbccdd);
	__asm__ volatile("lock incq (%0)" :: "r"(edge) : "memory", "cc");
	expect_equal(*edge, 0xaabbccddeeff0012ul, "split lock across pages");
}
