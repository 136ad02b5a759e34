// SPDX-License-Identifier: MIT
/*
 * More scattered translations than any host keeps mappings for: 80,000 pages whose physical
 * neighbours never are neighbours, touched from CPL3 and CPL0, each still showing its own page
 * afterwards; and the same again after every entry was changed.
 */
#include "test.h"
#include "user.h"

#define DISTINCT	64

/* rdi: first page, rsi: pages, rdx: 64 * 8 bytes of expected values, by page number modulo 64. */
user_program(u_walk,
	"xor %ecx, %ecx; 1: mov %rcx, %rax; and $63, %eax; mov (%rdx,%rax,8), %rax; cmp (%rdi), %rax; jne 2f\n"
	"incq 8(%rdi); add $4096, %rdi; inc %rcx; cmp %rsi, %rcx; jb 1b; 2: syscall");

static uint64_t page[DISTINCT];

/* Odd pages of a group forwards, even ones backwards: never two in sequence. */
static unsigned slot(uint64_t i, unsigned turn)
{
	return (unsigned)(i * 29 + turn * 7) % DISTINCT;
}

static void map_all(uint64_t va, uint64_t pages, unsigned turn, uint64_t flags)
{
	for (uint64_t i = 0; i < pages; i++)
		page_map(va + i * PAGE_SIZE, page[slot(i, turn)], flags);
}

void test_main(void)
{
	uint64_t pages = test_option("pages", 80000), va = 0x100000000ul * 5, kva = TEST_BASE;
	uint64_t *want;

	user_init();
	want = (uint64_t *)user_data;
	for (unsigned i = 0; i < DISTINCT; i++) {
		page[i] = page_alloc();
		*(uint64_t *)phys_to_virt(page[i]) = 0xabc000 + i;
	}
	for (unsigned turn = 0; turn < 2; turn++) {
		map_all(va, pages, turn, PTE_P | PTE_W | PTE_U);
		cr3_write(cr3_read());
		for (unsigned i = 0; i < DISTINCT; i++)
			want[i] = 0xabc000 + slot(i, turn);
		for (unsigned again = 0; again < 2; again++) {
			expect_equal(user_run(u_walk, va, pages, USER_DATA), TRAP_SYSCALL);
			expect_equal(user_frame.rdi, va + pages * PAGE_SIZE, "turn %u: stopped at page %lu", turn,
				     (user_frame.rdi - va) / PAGE_SIZE);
		}
	}
	map_all(kva, pages / 2, 0, PTE_P | PTE_W);
	for (unsigned turn = 0; turn < 2; turn++) {
		for (uint64_t i = 0; i < pages / 2; i++) {
			volatile uint64_t *p = (uint64_t *)(kva + i * PAGE_SIZE);

			if (*p != 0xabc000 + slot(i, 0)) {
				expect(false, "CPL0: page %lu shows %lx", i, *p);
				break;
			}
			p[1]++;
		}
	}
	/* Each physical page counted every touch of it. */
	uint64_t sum = 0;

	for (unsigned i = 0; i < DISTINCT; i++)
		sum += ((uint64_t *)phys_to_virt(page[i]))[1];
	expect_equal(sum, pages * 4 + pages / 2 * 2);
}
