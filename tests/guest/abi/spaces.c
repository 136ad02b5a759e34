// SPDX-License-Identifier: MIT
/*
 * Address spaces by hypercall, seen from CPL3: mmu_update needs no INVLPG, with and without
 * prefill; a prefilled page obeys the entry, not the wish (not present, read-only, supervisor,
 * no-execute, not RAM); what counts is the page table at the next entry, not at the call; a
 * write to a prefilled clean page sets D; a space that was destroyed leaves nothing to the next
 * one with the same root, or at the same addresses, however alike their programs are.
 */
#include "random.h"
#include "ring3.h"
#include "test.h"
#include "user.h"

#define PAGES	24u
#define ROUNDS	300u

user_program(u_load, "mov (%rdi), %rax; syscall");
user_program(u_store, "mov %rsi, (%rdi); mov (%rdi), %rax; syscall");
user_program(u_jump, "jmp *%rdi");

static struct ring3_mmu_update updates[RING3_MMU_BATCH_MAX] __attribute__((aligned(16)));
static uint64_t page[PAGES];

static uint64_t at(unsigned i)
{
	return USER_FREE + i * PAGE_SIZE;
}

static void put(unsigned slot, uint64_t root, uint64_t va, uint64_t value, bool prefill)
{
	updates[slot] = (struct ring3_mmu_update){
		.entry = virt_to_phys(page_entry_in(root, va, 1)) |
			 (prefill ? RING3_MMU_UPDATE_PREFILL : 0),
		.value = value,
		.address = va,
	};
}

static void update(unsigned count, uint64_t root)
{
	expect_equal(ring3_call(RING3_CALL_MMU_UPDATE, virt_to_phys(updates), count, root, 0), count);
}

static void loads(uint64_t va, uint64_t want, const char *what)
{
	expect_equal(user_run(u_load, va, 0, 0), TRAP_SYSCALL, "%s at %lx", what, va);
	expect_equal(user_frame.rax, want, "%s at %lx", what, va);
}

static void faults(const void *program, uint64_t va, uint64_t error, const char *what)
{
	expect_equal(user_run(program, va, 7, 0), PF, "%s", what);
	expect_equal(trap_last.error, error, "%s", what);
	expect_equal(trap_last.cr2, va, "%s", what);
}

#define USABLE	(PTE_P | PTE_W | PTE_U | PTE_A | PTE_D | PTE_NX)

static void change(bool prefill)
{
	uint64_t root = cr3_read();

	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < PAGES; i++)
			put(i, root, at(i), page[(i + round * 5) % PAGES] | USABLE, prefill);
		update(PAGES, root);
		for (unsigned i = 0; i < PAGES; i += round & 1 ? 1 : 3)
			loads(at(i), (i + round * 5) % PAGES, "changed");
	}
	for (unsigned i = 0; i < PAGES; i++)
		put(i, root, at(i), 0, prefill);
	update(PAGES, root);
	for (unsigned i = 0; i < PAGES; i++)
		faults(u_load, at(i), PF_U, "taken away");
}

static void rights(void)
{
	uint64_t root = cr3_read(), *entry = page_entry_in(root, at(0), 1);

	put(0, root, at(0), page[0] | PTE_P | PTE_U | PTE_A | PTE_D | PTE_NX, true);
	update(1, root);
	faults(u_store, at(0), PF_P | PF_W | PF_U, "read-only");
	loads(at(0), 0, "read-only");
	faults(u_jump, at(0), PF_P | PF_U | PF_I, "no-execute");
	put(0, root, at(0), page[0] | PTE_P | PTE_W | PTE_A | PTE_D, true);
	update(1, root);
	faults(u_load, at(0), PF_P | PF_U, "supervisor");
	put(0, root, at(0), page[0] | PTE_P | PTE_W | PTE_U | PTE_NX, true);
	update(1, root);
	loads(at(0), 0, "clean");
	expect(*entry & PTE_A, "A of a page that was read");
	expect(!(*entry & PTE_D), "D of a page that was only read");
	expect_equal(user_run(u_store, at(0), 0, 0), TRAP_SYSCALL);
	expect(*entry & PTE_D, "D of a page that was written");
	/* Not RAM: the local APIC's registers. */
	put(0, root, at(0), 0xfee00000 | USABLE, true);
	update(1, root);
	expect_equal(user_run(u_load, at(0) + 0x30, 0, 0), TRAP_SYSCALL);
	expect(user_frame.rax & 0xff, "version of the local APIC");
	put(0, root, at(0), 0, false);
	update(1, root);
}

/* Noted by address: what the tables say later is what counts. */
static void later(void)
{
	uint64_t root = cr3_read(), other = page_root_new();

	user_map_into(other);
	for (unsigned i = 0; i < 4; i++)
		put(i, other, at(i), page[i] | USABLE, true);
	update(4, other);
	*page_entry_in(other, at(1), 1) = page[9] | USABLE;
	*page_entry_in(other, at(2), 1) = 0;
	cr3_write(other);
	loads(at(0), 0, "another space");
	loads(at(1), 9, "changed before it was entered");
	faults(u_load, at(2), PF_U, "gone before it was entered");
	loads(at(3), 3, "another space");
	cr3_write(root);
	expect_equal(ring3_call(RING3_CALL_SPACE_DESTROY, other, 0, 0, 0), 0);
}

/* Programs come and go; some pages they share, some they write, some they lack. */
static void generations(void)
{
	uint64_t home = cr3_read(), roots[3], *table[3];
	uint64_t mine[PAGES];

	for (unsigned k = 0; k < 3; k++) {
		roots[k] = page_root_new();
		user_map_into(roots[k]);
		table[k] = page_entry_in(roots[k], at(0), 1);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned k = (unsigned)(random() % 3), n = 0;

		for (unsigned i = 0; i < PAGES; i++) {
			uint64_t r = random();

			mine[i] = r % 4 == 0 ? PAGES : r % 4 == 1 ? i : r / 4 % PAGES;
			table[k][i] = 0;
			if (mine[i] == PAGES)
				continue;
			if (r >> 20 & 1)
				put(n++, roots[k], at(i), page[mine[i]] | (r >> 21 & 1 ? USABLE :
				    PTE_P | PTE_U | PTE_A), r >> 22 & 1);
			else
				table[k][i] = page[mine[i]] | PTE_P | PTE_U | (r >> 23 & 1 ? PTE_A : 0);
		}
		expect_equal(ring3_call(RING3_CALL_SPACE_CREATE, roots[k], 0, 0, 0), 0);
		if (n)
			update(n, roots[k]);
		cr3_write(roots[k]);
		for (unsigned look = 0; look < 8; look++) {
			unsigned i = (unsigned)(random() % PAGES);

			if (mine[i] < PAGES)
				loads(at(i), mine[i], "generation");
			else
				faults(u_load, at(i), PF_U, "not in this generation");
		}
		cr3_write(home);
		expect_equal(ring3_call(RING3_CALL_SPACE_DESTROY, roots[k], 0, 0, 0), 0);
	}
}

/* Wishes for what can never be. */
static void hostile(void)
{
	uint64_t root = cr3_read(), spare = virt_to_phys(page_entry_in(root, at(PAGES), 1));

	for (unsigned round = 0; round < 40; round++) {
		for (unsigned i = 0; i < RING3_MMU_BATCH_MAX; i++)
			updates[i] = (struct ring3_mmu_update){
				.entry = spare | RING3_MMU_UPDATE_PREFILL,
				.value = random() & ~(uint64_t)PTE_P,
				.address = random() >> (random() % 64),
			};
		update(RING3_MMU_BATCH_MAX, round & 1 ? root : virt_to_phys(updates) & ~0xffful);
		loads(USER_DATA, 0, "hostile");
	}
}

void test_main(void)
{
	ring3_accept();
	user_init();
	for (unsigned i = 0; i < PAGES; i++) {
		page[i] = page_alloc();
		*(uint64_t *)phys_to_virt(page[i]) = i;
	}
	change(false);
	change(true);
	rights();
	later();
	generations();
	hostile();
	change(true);
}
