// SPDX-License-Identifier: MIT
/*
 * Address spaces by calls.  After mmu_update a changed entry is what CPL0 and CPL3 see, with no
 * INVLPG: new page, less permission, gone; in the space that is loaded and, once it is, in another;
 * with and without PCID.  mmu_flush of each kind does what INVPCID would; mmu_load loads; a space
 * that was destroyed can be made anew of the same pages.
 */
#include "page.h"
#include "ring3.h"
#include "test.h"
#include "user.h"

user_program(u_read, "mov (%rdi), %rax; syscall");
user_program(u_write, "mov %rsi, 8(%rdi); syscall");

#define PAGES	16
#define KEPT	RING3_MMU_LOAD_KEEP
#define PREFILL	RING3_MMU_UPDATE_PREFILL
#define RW	(PTE_P | PTE_W | PTE_U)

static struct ring3_mmu_update *updates;
static uint64_t updates_pa, page[PAGES], root[2];
static bool pcid;

static uint64_t entry_of(uint64_t in, uint64_t va)
{
	return virt_to_phys(page_entry_in(in, va, 1));
}

static int64_t update_all(uint32_t count, uint64_t cr3)
{
	return ring3_call(RING3_CALL_MMU_UPDATE, updates_pa, count, cr3, 0);
}

static void put(unsigned i, uint64_t in, uint64_t va, uint64_t value, uint64_t flags)
{
	updates[i] = (struct ring3_mmu_update){ .entry = entry_of(in, va) | flags, .value = value,
						.address = va | (i * 8 & 0xff8) };
}

static void update(uint64_t in, uint64_t va, uint64_t value, uint64_t flags)
{
	put(0, in, va, value, flags);
	expect_equal(update_all(1, in), 1);
	expect_equal(*page_entry_in(in, va, 1) & ~(PTE_A | PTE_D), value & ~(PTE_A | PTE_D), "written");
}

static uint64_t user_read(uint64_t va)
{
	expect_equal(user_run(u_read, va, 0, 0), TRAP_SYSCALL, "read of %lx", va);
	return user_frame.rax;
}

/* One address through all that may happen to it, CPL3 and CPL0 looking. */
static void changes(uint64_t va, uint64_t flags)
{
	uint64_t in = cr3_read();
	volatile uint64_t *p = (volatile uint64_t *)va;

	for (unsigned i = 0; i < 8; i++) {
		update(in, va, page[i] | RW, flags);
		expect_equal(user_read(va), page[i], "mapped, %lx", flags);
		expect_equal(*p, page[i]);
		expect_equal(user_run(u_write, va, i, 0), TRAP_SYSCALL);
		expect_equal(((uint64_t *)phys_to_virt(page[i]))[1], i);

		update(in, va, page[i] | PTE_P | PTE_U, flags);
		expect_equal(user_run(u_write, va, 99, 0), PF, "write-protected");
		expect_equal(trap_last.error, PF_P | PF_W | PF_U);
		expect_equal(try_write(p + 2), PF);
		expect_equal(user_read(va), page[i]);

		update(in, va, page[i] | PTE_P | PTE_W, flags);
		expect_equal(user_run(u_read, va, 0, 0), PF, "the kernel's");
		expect_equal(*p, page[i]);

		update(in, va, 0, flags);
		expect_equal(user_run(u_read, va, 0, 0), PF, "gone");
		expect_equal(trap_last.error, PF_U);
		expect_equal(trap_last.cr2, va);
		expect_equal(try_read(p), PF);
	}
}

/* What was prefilled and never touched is revoked as well. */
static void untouched(void)
{
	uint64_t in = cr3_read();

	for (unsigned i = 0; i < PAGES; i++)
		put(i, in, USER_FREE + i * PAGE_SIZE, page[i] | RW | (i & 1 ? PTE_A | PTE_D : 0), PREFILL);
	expect_equal(update_all(PAGES, in), PAGES);
	for (unsigned i = 0; i < PAGES; i += 3)
		expect_equal(user_read(USER_FREE + i * PAGE_SIZE), page[i]);
	for (unsigned i = 0; i < PAGES; i++)
		put(i, in, USER_FREE + i * PAGE_SIZE, page[PAGES - 1 - i] | RW, i & 2 ? PREFILL : 0);
	expect_equal(update_all(PAGES, in), PAGES);
	for (unsigned i = 0; i < PAGES; i++) {
		expect_equal(user_read(USER_FREE + i * PAGE_SIZE), page[PAGES - 1 - i]);
		expect(*page_entry(USER_FREE + i * PAGE_SIZE, 1) & PTE_A, "accessed is set");
		expect(!(*page_entry(USER_FREE + i * PAGE_SIZE, 1) & PTE_D), "dirty is not, by a read");
		expect_equal(user_run(u_write, USER_FREE + i * PAGE_SIZE, i, 0), TRAP_SYSCALL);
		expect(*page_entry(USER_FREE + i * PAGE_SIZE, 1) & PTE_D, "dirty");
	}
	for (unsigned i = 0; i < PAGES; i++)
		put(i, in, USER_FREE + i * PAGE_SIZE, 0, 0);
	expect_equal(update_all(PAGES, in), PAGES);
	for (unsigned i = 0; i < PAGES; i++)
		expect_equal(user_run(u_read, USER_FREE + i * PAGE_SIZE, 0, 0), PF);
}

static uint64_t cr3_of(unsigned i)
{
	return root[i] | (pcid ? i + 5 : 0);
}

static void load(unsigned i, uint64_t flags)
{
	expect_equal(ring3_call(RING3_CALL_MMU_LOAD, cr3_of(i), flags, 0, 0), 0);
	expect_equal(cr3_read(), cr3_of(i));
}

/* Two spaces, each changed while the other is loaded. */
static void spaces(void)
{
	for (unsigned i = 0; i < 2; i++) {
		expect_equal(ring3_call(RING3_CALL_SPACE_CREATE, cr3_of(i), 0, 0, 0), 0);
		load(i, 0);
		update(cr3_of(i), USER_FREE, page[i] | RW, 0);
		expect_equal(user_read(USER_FREE), page[i]);
	}
	for (unsigned n = 2; n < PAGES; n++) {
		update(cr3_of(n & 1), USER_FREE, page[n] | RW, n & 2 ? PREFILL : 0);
		expect_equal(user_read(USER_FREE), page[n - 1], "the loaded one is not the one changed");
		load(n & 1, KEPT);
		expect_equal(user_read(USER_FREE), page[n], "changed while away");
		expect_equal(*(volatile uint64_t *)USER_FREE, page[n]);
	}
	load(0, 0);
	update(cr3_of(1), USER_FREE, 0, 0);
	load(1, KEPT);
	expect_equal(user_run(u_read, USER_FREE, 0, 0), PF, "taken while away");
}

/* Entries changed by stores, then flushed. */
static void flushes(void)
{
	static const struct { unsigned kind; uint64_t pages; bool global; } kinds[] = {
		{ RING3_FLUSH_PAGES, 1, false }, { RING3_FLUSH_PAGES, 1, true },
		{ RING3_FLUSH_PAGES, 3, true }, { RING3_FLUSH_PAGES, 1000000, true },
		{ RING3_FLUSH_PAGES, UINT64_MAX, true }, { RING3_FLUSH_SPACE, 0, false },
		{ RING3_FLUSH_ALL, 0, false }, { RING3_FLUSH_GLOBAL, 0, true },
	};

	load(0, 0);
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		volatile uint64_t *e = page_entry(USER_FREE, 1);
		uint64_t g = kinds[i].global ? PTE_G : 0, at = kinds[i].pages ? USER_FREE : 0;

		for (unsigned n = 0; n < 4; n++) {
			*e = page[n] | RW | g;
			expect_equal(ring3_call(RING3_CALL_MMU_FLUSH, kinds[i].kind, cr3_of(0), at,
						kinds[i].pages), 0);
			expect_equal(user_read(USER_FREE), page[n], "kind %u, %lu pages", kinds[i].kind,
				     kinds[i].pages);
			expect_equal(*(volatile uint64_t *)USER_FREE, page[n]);
		}
		*e = 0;
		ring3_call(RING3_CALL_MMU_FLUSH, RING3_FLUSH_GLOBAL, 0, 0, 0);
		expect_equal(user_run(u_read, USER_FREE, 0, 0), PF);
	}
	/* Of a space that is not loaded. */
	for (unsigned n = 0; n < 4; n++) {
		*page_entry_in(root[1], USER_FREE, 1) = page[n] | RW;
		expect_equal(ring3_call(RING3_CALL_MMU_FLUSH, n & 1 ? RING3_FLUSH_PAGES : RING3_FLUSH_SPACE,
					cr3_of(1), n & 1 ? USER_FREE : 0, n & 1), 0);
		load(1, KEPT);
		expect_equal(user_read(USER_FREE), page[n], "round %u", n);
		load(0, KEPT);
	}
}

/* The same root page for another space, with other tables below it. */
static void destroyed(void)
{
	load(1, 0);
	update(cr3_of(1), USER_FREE, page[3] | RW, 0);
	expect_equal(user_read(USER_FREE), page[3]);
	expect_equal(ring3_call(RING3_CALL_SPACE_DESTROY, cr3_of(1), 0, 0, 0), HYPERCALL_EBUSY, "loaded");
	load(0, 0);
	expect_equal(ring3_call(RING3_CALL_SPACE_DESTROY, cr3_of(1), 0, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_SPACE_DESTROY, cr3_of(1), 0, 0, 0), 0, "again");
	*page_entry_in(root[1], USER_FREE, 1) = page[4] | RW;
	load(1, KEPT);
	expect_equal(user_read(USER_FREE), page[4], "not what it was");
	expect_equal(*(volatile uint64_t *)USER_FREE, page[4]);
	load(0, 0);
}

static void bad(void)
{
	uint64_t in = cr3_read(), nowhere = 1ul << 39, good = entry_of(in, USER_FREE);

	expect_equal(ring3_call(RING3_CALL_MMU_LOAD, in | 1ul << 63, 0, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_MMU_LOAD, in | 1ul << 52, 0, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_MMU_LOAD, in, 2, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_MMU_LOAD, nowhere, 0, 0, 0), HYPERCALL_EFAULT);
	expect_equal(ring3_call(RING3_CALL_SPACE_CREATE, nowhere, 0, 0, 0), HYPERCALL_EFAULT);
	expect_equal(ring3_call(RING3_CALL_SPACE_CREATE, in | 1ul << 63, 0, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_SPACE_DESTROY, in | 1ul << 63, 0, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_SPACE_DESTROY, in, 0, 0, 0), HYPERCALL_EBUSY);
	expect_equal(ring3_call(RING3_CALL_MMU_FLUSH, 4, in, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_MMU_FLUSH, 1ul << 32, in, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_MMU_FLUSH, RING3_FLUSH_ALL, 0, 4096, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_MMU_FLUSH, RING3_FLUSH_SPACE, in, 0, 1), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_MMU_FLUSH, RING3_FLUSH_PAGES, in, 4095, 1), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_MMU_FLUSH, RING3_FLUSH_PAGES, in | 1ul << 63, 0, 1),
		     HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_MMU_FLUSH, RING3_FLUSH_PAGES, in, 0, 0), 0, "no pages");
	expect_equal(ring3_call(RING3_CALL_MMU_FLUSH, RING3_FLUSH_PAGES, in, 1ul << 47, 2), 0, "no such address");
	expect_equal(ring3_call(RING3_CALL_MMU_FLUSH, RING3_FLUSH_PAGES, in, -8192ul, 8), 0, "round the end");
	expect_equal(ring3_call(RING3_CALL_MMU_UPDATE, updates_pa + 4, 1, in, 0), HYPERCALL_EINVAL);
	expect_equal(update_all(RING3_MMU_BATCH_MAX + 1, in), HYPERCALL_EINVAL);
	expect_equal(update_all(1, in | 1ul << 63), HYPERCALL_EINVAL);
	expect_equal(update_all(1, nowhere), HYPERCALL_EFAULT);
	expect_equal(ring3_call(RING3_CALL_MMU_UPDATE, nowhere, 1, in, 0), HYPERCALL_EFAULT);
	expect_equal(ring3_call(RING3_CALL_MMU_UPDATE, -24ul, 1, in, 0), HYPERCALL_EFAULT);
	expect_equal(update_all(0, in), 0);

	/* The first bad one ends it; those before it count. */
	for (unsigned flag = 2; flag <= 4; flag += 2) {
		for (unsigned i = 0; i < 4; i++)
			put(i, in, USER_FREE + i * PAGE_SIZE, page[i] | RW, 0);
		updates[2].entry = good | flag;
		expect_equal(update_all(4, in), 2);
		expect_equal(user_read(USER_FREE + PAGE_SIZE), page[1]);
		expect_equal(user_run(u_read, USER_FREE + 3 * PAGE_SIZE, 0, 0), PF, "behind the bad one");
		updates[0].entry = good | flag;
		expect_equal(update_all(4, in), HYPERCALL_EINVAL);
		updates[0].entry = nowhere;
		expect_equal(update_all(4, in), HYPERCALL_EFAULT);
		updates[0].entry = good;
		updates[0].address = 1ul << 47;
		expect_equal(update_all(1, in), 1, "an address that cannot be");
		for (unsigned i = 0; i < 4; i++)
			put(i, in, USER_FREE + i * PAGE_SIZE, 0, 0);
		expect_equal(update_all(4, in), 4);
	}
}

/* The array lies in the page table that it changes, and an element changes the next one. */
static void itself(void)
{
	uint64_t in = cr3_read(), va = USER_FREE + (2ul << 20), table = entry_of(in, va);
	struct ring3_mmu_update *own = (struct ring3_mmu_update *)page_entry(va, 1) + 2;

	updates = own;
	updates_pa = virt_to_phys(own);
	updates[0] = (struct ring3_mmu_update){ .entry = updates_pa + 24, .value = table };
	updates[1] = (struct ring3_mmu_update){ .entry = 1ul << 39, .value = page[7] | RW, .address = va };
	expect_equal(update_all(2, in), 2);
	expect_equal(user_read(va), page[7]);
	for (unsigned i = 0; i < 12; i++)
		((uint64_t *)page_entry(va, 1))[i] = 0;
	ring3_call(RING3_CALL_MMU_FLUSH, RING3_FLUSH_ALL, 0, 0, 0);
	expect_equal(user_run(u_read, va, 0, 0), PF);
}

static void run(void)
{
	changes(USER_FREE, 0);
	changes(USER_FREE + 5 * PAGE_SIZE, PREFILL);
	untouched();
	spaces();
	flushes();
	destroyed();
	bad();
}

void test_main(void)
{
	uint64_t first = cr3_read(), first_updates;

	ring3_accept();
	user_init();
	updates_pa = first_updates = page_alloc_aligned(4 * PAGE_SIZE, PAGE_SIZE);
	updates = phys_to_virt(updates_pa);
	for (unsigned i = 0; i < PAGES; i++) {
		page[i] = page_alloc();
		*(uint64_t *)phys_to_virt(page[i]) = page[i];
	}
	for (unsigned i = 0; i < 2; i++) {
		root[i] = page_root_new();
		user_map_into(root[i]);
		page_entry_in(root[i], USER_FREE, 1);
	}
	cr4_write(cr4_read() | CR4_PGE);
	run();
	itself();
	updates_pa = first_updates;
	updates = phys_to_virt(updates_pa);
	cr3_write(first);
	if (!cpu_has_pcid())
		return;
	cr4_write(cr4_read() | CR4_PCIDE);
	pcid = true;
	run();
	cr3_write(first);
	cr4_write(cr4_read() & ~CR4_PCIDE);
}
