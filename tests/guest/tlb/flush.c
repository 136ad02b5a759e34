// SPDX-License-Identifier: MIT
/*
 * After INVLPG, a CR3 load, a CR4.PGE toggle or INVPCID of every type, a changed entry is seen:
 * new page, less permission, gone; by CPL0 and CPL3.  More permission needs no flush (at most a
 * spurious fault, which these kernels retry).  Global pages survive a CR3 load if anything at all.
 */
#include "test.h"
#include "user.h"

user_program(u_read, "mov (%rdi), %rax; syscall");
user_program(u_write, "mov %rsi, (%rdi); syscall");

static uint64_t va, page[2];

static void flush(unsigned how)
{
	switch (how) {
	case 0:
		cpu_invlpg(va);
		break;
	case 1:
		cr3_write(cr3_read());
		break;
	case 2:
		cr4_write(cr4_read() ^ CR4_PGE);
		cr4_write(cr4_read() ^ CR4_PGE);
		break;
	default:	/* INVPCID types 0..3 */
		cpu_invpcid(how - 3, 0, va);
		break;
	}
}

static uint64_t kernel_read(void)
{
	return *(volatile uint64_t *)va;
}

static uint64_t user_read(void)
{
	expect_equal(user_run(u_read, va, 0, 0), TRAP_SYSCALL);
	return user_frame.rax;
}

static void changes(unsigned how)
{
	volatile uint64_t *e = page_entry(va, 1);

	for (unsigned i = 0; i < 6; i++) {
		*e = page[i & 1] | PTE_P | PTE_W | PTE_U;
		flush(how);
		expect_equal(kernel_read(), page[i & 1], "remapped, flush %u", how);
		expect_equal(user_read(), page[i & 1], "remapped, user, flush %u", how);

		*e &= ~PTE_W;
		flush(how);
		expect_equal(try_write((void *)(va + 8)), PF, "write-protected, flush %u", how);
		expect_equal(trap_last.error, PF_P | PF_W);
		expect_equal(user_run(u_write, va + 8, 0, 0), PF, "write-protected, user, flush %u", how);

		*e &= ~PTE_U;
		flush(how);
		expect_equal(kernel_read(), page[i & 1]);
		expect_equal(user_run(u_read, va, 0, 0), PF, "supervisor, flush %u", how);

		*e = 0;
		flush(how);
		expect_equal(try_read((void *)va), PF, "gone, flush %u", how);
		expect_equal(trap_last.error, 0);
		expect_equal(user_run(u_read, va, 0, 0), PF, "gone, user, flush %u", how);

		/* More permission, step by step, no flush. */
		*e = page[1] | PTE_P;
		expect_equal(kernel_read(), page[1]);
		*e |= PTE_W;
		while (try_write((void *)(va + 8)) != TRAP_NONE)
			expect_equal(trap_last.error, PF_P | PF_W);
		*e |= PTE_U;
		for (unsigned n = 0; user_run(u_read, va, 0, 0) != TRAP_SYSCALL && n < 5; n++)
			expect_equal(trap_last.error, PF_P | PF_U);
		expect_equal(user_frame.rax, page[1]);
	}
}

static void global(void)
{
	volatile uint64_t *e = page_entry(va, 1);

	*e = page[0] | PTE_P | PTE_W | PTE_U | PTE_G;
	cpu_invlpg(va);
	expect_equal(kernel_read(), page[0]);
	*e = page[1] | PTE_P | PTE_W | PTE_U | PTE_G;
	cr3_write(cr3_read());
	expect(kernel_read() == page[0] || kernel_read() == page[1], "old or new, never else");
	cpu_invlpg(va);
	expect_equal(kernel_read(), page[1], "INVLPG flushes global pages");
	expect_equal(user_read(), page[1]);
	*e = page[0] | PTE_P | PTE_W | PTE_U | PTE_G;
	cr4_write(cr4_read() & ~CR4_PGE);
	expect_equal(kernel_read(), page[0], "clearing PGE flushes global pages");
	cr4_write(cr4_read() | CR4_PGE);
}

void test_main(void)
{
	user_init();
	va = USER_FREE;
	for (unsigned i = 0; i < 2; i++) {
		page[i] = page_alloc();
		*(uint64_t *)phys_to_virt(page[i]) = page[i];
	}
	cr4_write(cr4_read() | CR4_PGE);
	for (unsigned how = 0; how < (cpu_has_invpcid() ? 7 : 3); how++)
		changes(how);
	global();

	/* A table entry changed above the leaf: one INVLPG of any address below is enough for it. */
	volatile uint64_t *e2 = page_entry(va, 2);
	uint64_t other = page_alloc(), keep = *e2;

	((uint64_t *)phys_to_virt(other))[va >> 12 & 511] = page[1] | PTE_P | PTE_W | PTE_U;
	page_map(va, page[0], PTE_P | PTE_W | PTE_U);
	cpu_invlpg(va);
	expect_equal(user_read(), page[0]);
	*e2 = other | PTE_P | PTE_W | PTE_U;
	cpu_invlpg(va);
	expect_equal(kernel_read(), page[1], "another page table");
	expect_equal(user_read(), page[1], "another page table");
	*e2 = keep;
	cr3_write(cr3_read());
	expect_equal(user_read(), page[0]);
}
