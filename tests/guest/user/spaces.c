// SPDX-License-Identifier: MIT
/*
 * Several address spaces: CPL3 code alternating between them by CR3 sees its own page at the same
 * address, with and without PCID, with and without NOFLUSH; the kernel sees the current one's;
 * a change in a space that is not current is seen after the flush that the manual asks for.
 */
#include "test.h"
#include "user.h"

#define SPACES	60	/* more than any machine keeps apart at once */

user_program(u_count, "incq (%rdi); mov (%rdi), %rax; mov (%rsi), %rbx; syscall");

static uint64_t root[SPACES], page[SPACES];

static void alternate(uint64_t pcid_step, uint64_t noflush, const char *what)
{
	uint64_t count[SPACES];

	for (unsigned i = 0; i < SPACES; i++)
		count[i] = *(uint64_t *)phys_to_virt(page[i]);
	for (unsigned round = 0; round < 600; round++) {
		unsigned i = (round * 7 + round / SPACES) % SPACES;

		cr3_write(root[i] | (i + 1) * pcid_step | noflush);
		expect_equal(user_run(u_count, USER_FREE, USER_FREE + 8, 0), TRAP_SYSCALL);
		count[i]++;
		expect_equal(user_frame.rax, count[i], "%s: space %u round %u", what, i, round);
		expect_equal(user_frame.rbx, i, "%s: space %u round %u", what, i, round);
		expect_equal(*(volatile uint64_t *)USER_FREE, count[i], "%s: kernel's view", what);
		expect_equal(*(volatile uint64_t *)phys_to_virt(page[i]), count[i], "%s: direct map", what);
	}
}

static void swap(unsigned a, unsigned b)
{
	uint64_t *ea = page_entry_in(root[a], USER_FREE, 1), *eb = page_entry_in(root[b], USER_FREE, 1);
	uint64_t t = *ea;

	*ea = *eb;
	*eb = t;
}

static void look(unsigned i, uint64_t cr3, uint64_t want, const char *what)
{
	cr3_write(cr3);
	expect_equal(user_run(u_count, USER_FREE, USER_FREE + 8, 0), TRAP_SYSCALL, "%s", what);
	expect_equal(user_frame.rbx, want, "%s: space %u", what, i);
}

void test_main(void)
{
	uint64_t first = cr3_read();

	user_init();
	for (uint64_t i = 0; i < SPACES; i++) {
		root[i] = page_root_new();
		page[i] = page_alloc();
		((uint64_t *)phys_to_virt(page[i]))[1] = i;
		user_map_into(root[i]);
		*page_entry_in(root[i], USER_FREE, 1) = page[i] | PTE_P | PTE_W | PTE_U;
	}
	alternate(0, 0, "no PCID");
	swap(0, 1);
	look(0, root[0], 1, "changed while away");
	look(1, root[1], 0, "changed while away");
	swap(0, 1);
	cr3_write(first);
	if (!cpu_has_pcid()) {
		print("no PCID\n");
		return;
	}
	cr4_write(cr4_read() | CR4_PCIDE);
	alternate(1, 0, "PCID");
	alternate(1, 1ul << 63, "PCID and NOFLUSH");
	expect(!(cr3_read() >> 63), "NOFLUSH is not kept");

	/* Flush by loading without NOFLUSH. */
	swap(2, 3);
	look(2, root[2] | 3, 3, "flushed by CR3");
	look(3, root[3] | 4, 2, "flushed by CR3");
	if (cpu_has_invpcid()) {
		swap(2, 3);
		cpu_invpcid(0, 3, USER_FREE);
		cpu_invpcid(0, 4, USER_FREE);
		look(2, root[2] | 3 | 1ul << 63, 2, "INVPCID address");
		look(3, root[3] | 4 | 1ul << 63, 3, "INVPCID address");
		swap(2, 3);
		cpu_invpcid(1, 3, 0);
		cpu_invpcid(1, 4, 0);
		look(2, root[2] | 3 | 1ul << 63, 3, "INVPCID single");
		look(3, root[3] | 4 | 1ul << 63, 2, "INVPCID single");
		swap(2, 3);
		cpu_invpcid(2, 0, 0);
		look(2, root[2] | 3 | 1ul << 63, 2, "INVPCID all");
		look(3, root[3] | 4 | 1ul << 63, 3, "INVPCID all");
		swap(2, 3);
		cpu_invpcid(3, 0, 0);
		look(2, root[2] | 3 | 1ul << 63, 3, "INVPCID all but global");
		look(3, root[3] | 4 | 1ul << 63, 2, "INVPCID all but global");
		expect_equal(TRY_IN("", "invpcid (%0), %1", "", :: "r"(root), "r"(4ul) : "memory"), GP);
	}
	/* One PCID reused for another root without NOFLUSH. */
	look(5, root[5] | 9, 5, "PCID reused");
	look(6, root[6] | 9, 6, "PCID reused");
	cr3_write(first);
	cr4_write(cr4_read() & ~CR4_PCIDE);
}
