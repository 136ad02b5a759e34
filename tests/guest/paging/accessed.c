// SPDX-License-Identifier: MIT
/*
 * Accessed and dirty bits: A at every level when and only when a translation is used, D in the
 * leaf when and only when a write happened; by CPL0 and CPL3, reads, writes, fetches and
 * read-modify-writes; cleared and flushed bits are set again; a refused write sets no D.
 */
#include "test.h"
#include "user.h"

user_program(u_read, "mov (%rdi), %al; syscall");
user_program(u_write, "movb $0xc3, (%rdi); syscall");

static uint64_t va, *e[5];

static void clean(uint64_t flags)
{
	for (unsigned l = 2; l <= 4; l++)
		*(volatile uint64_t *)e[l] &= ~PTE_A;
	*(volatile uint64_t *)e[1] = (*e[1] & PTE_ADDRESS) | flags;
	cpu_invlpg(va);
}

static void check(const char *what, bool accessed, bool dirty)
{
	for (unsigned l = 1; l <= 4; l++)
		if (l == 1 || accessed)	/* a refused access may set A in the tables above */
			expect_equal(!!(*(volatile uint64_t *)e[l] & PTE_A), accessed, "%s: A of level %u",
				     what, l);
	expect_equal(!!(*(volatile uint64_t *)e[1] & PTE_D), dirty, "%s: D", what);
	for (unsigned l = 2; l <= 4; l++)
		expect(!(*(volatile uint64_t *)e[l] & PTE_D), "%s: D of level %u", what, l);
}

void test_main(void)
{
	volatile uint8_t *p;
	uint64_t flags = PTE_P | PTE_W | PTE_U, pa = page_alloc();

	user_init();
	va = USER_FREE + (513ul << 30);
	p = (void *)va;
	page_map(va, pa, flags);
	for (unsigned l = 1; l <= 4; l++)
		e[l] = page_entry(va, l);
	*(uint8_t *)phys_to_virt(pa) = 0xc3;

	clean(flags);
	check("untouched", false, false);
	(void)*p;
	check("read", true, false);
	*p = 0xc3;
	check("write after read", true, true);

	clean(flags);
	*p = 0xc3;
	check("write", true, true);
	clean(flags);
	expect_equal(try_execute(p), TRAP_NONE);
	check("fetch", true, false);
	clean(flags);
	__asm__ volatile("lock addb $0, (%0)" :: "r"(p) : "memory", "cc");
	check("locked add", true, true);
	clean(flags);
	__asm__ volatile("addb $0, (%0)" :: "r"(p) : "memory", "cc");
	check("add", true, true);
	clean(flags);
	__asm__ volatile("lock cmpxchg %b1, (%0)" :: "r"(p), "r"(1), "a"(0) : "memory", "cc");
	check("cmpxchg that fails", true, true);
	clean(flags);
	__asm__ volatile("rep stosb" :: "D"(p + 64), "a"(0), "c"(64) : "memory");
	check("rep stos", true, true);
	clean(flags);
	__asm__ volatile("rep stosb" :: "D"(p + 64), "a"(0), "c"(0ul) : "memory");
	check("rep stos of nothing", false, false);
	clean(flags);
	__asm__ volatile("prefetcht0 (%0)" :: "r"(p) : "memory");
	expect(!(*e[1] & PTE_D), "prefetch");

	clean(flags);
	expect_equal(user_run(u_read, va + 64, 0, 0), TRAP_SYSCALL);
	check("user read", true, false);
	expect_equal(user_run(u_write, va + 64, 0, 0), TRAP_SYSCALL);
	check("user write", true, true);
	clean(flags);
	expect_equal(user_run(u_write, va, 0, 0), TRAP_SYSCALL);
	check("user write first", true, true);

	clean(flags & ~PTE_W);
	expect_equal(try_write(p), PF);
	expect(!(*(volatile uint64_t *)e[1] & PTE_D), "refused write");
	expect_equal(try_read(p), TRAP_NONE);
	check("read of a read-only page", true, false);
	clean(flags & ~PTE_U);
	expect_equal(user_run(u_read, va, 0, 0), PF);
	expect(!(*(volatile uint64_t *)e[1] & PTE_D), "refused read");

	/* D only in the leaf's own entry, also of a large page. */
	uint64_t big = page_alloc_aligned(2ul << 20, 2ul << 20), bva = va + (4ul << 21);
	volatile uint64_t *be = page_entry(bva, 2);

	*be = big | PTE_P | PTE_W | PTE_PS;
	(void)*(volatile uint8_t *)(bva + 0x1ff000);
	expect_equal(*be & (PTE_A | PTE_D), PTE_A, "2 MiB read");
	*(volatile uint8_t *)(bva + 0x5000) = 1;
	expect_equal(*be & (PTE_A | PTE_D), PTE_A | PTE_D, "2 MiB write");

	/* Cleaned under a live translation, as kernels that age pages do: after the flush it is set again. */
	for (int i = 0; i < 100; i++) {
		clean(flags);
		if (i & 1)
			*p = 0xc3;
		else
			(void)*p;
		check("again", true, i & 1);
	}
}
