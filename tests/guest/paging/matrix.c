// SPDX-License-Identifier: MIT
/*
 * Page permissions: every combination of P, W, U, NX in the leaf, in a 4 KiB, 2 MiB and 1 GiB
 * page, against CR0.WP, SMEP, SMAP (with and without AC) and EFER.NXE, for read, write and fetch
 * from CPL0 and CPL3.  Allowed accesses happen; refused ones give the exact error code and CR2.
 */
#include "runtime.h"
#include "test.h"
#include "user.h"

user_program(u_read, "mov (%rdi), %al; syscall");
user_program(u_write, "movb $1, (%rdi); syscall");
user_program(u_jump, "jmp *%rdi");

enum access { READ, WRITE, FETCH };

static uint64_t small_pa, large_pa, va_of[4];
static bool smep, smap, ac, wp, user;

static int expected(uint64_t pte, enum access a, uint64_t *error)
{
	bool p = pte & PTE_P, ok = p;

	*error = (p ? PF_P : 0) | (a == WRITE ? PF_W : 0) | (user ? PF_U : 0) | (a == FETCH ? PF_I : 0);
	if (user && !(pte & PTE_U))
		ok = false;
	if (a == WRITE && !(pte & PTE_W) && (user || wp))
		ok = false;
	if (a == FETCH && (pte & PTE_NX))
		ok = false;
	if (!user && (pte & PTE_U)) {
		if (a == FETCH && smep)
			ok = false;
		if (a != FETCH && smap && !ac)
			ok = false;
	}
	return ok ? TRAP_NONE : PF;
}

static int attempt(uint64_t va, enum access a)
{
	volatile uint8_t *p = (void *)va;
	int got;

	if (user) {
		got = user_run(a == READ ? u_read : a == WRITE ? u_write : u_jump, va, 0, 0);
		return got == TRAP_SYSCALL ? TRAP_NONE : got;
	}
	if (a == FETCH)
		return try_execute(p);
	if (ac)
		cpu_stac();
	got = a == READ ? try_read(p) : try_write(p);
	if (ac)
		cpu_clac();
	return got;
}

static void one(unsigned level, uint64_t pte, enum access a)
{
	/* Offset 0 holds code for CPL0 (ret), 16 for CPL3 (syscall), 64 data. */
	uint64_t va = va_of[level] + (a == FETCH ? (user ? 16 : 0) : 64), error;
	int want = expected(pte, a, &error), got;

	*page_entry(va_of[level], level) = pte;
	cpu_invlpg(va);
	got = attempt(va, a);
	if (got != want || (got == PF && (trap_last.error != error || trap_last.cr2 != va))) {
		print("level %u pte %lx access %d: user %d wp %d smep %d smap %d ac %d\n", level, pte, a,
		      user, wp, smep, smap, ac);
		expect_equal(got, want);
		expect_equal(trap_last.error, error);
		expect_equal(trap_last.cr2, va);
	}
}

static void all(void)
{
	for (unsigned level = 1; level <= 3; level++) {
		uint64_t pa = level == 1 ? small_pa : level == 2 ? large_pa : 0;

		if (level == 3 && !cpu_has_1g_pages())
			continue;
		for (unsigned bits = 0; bits < 16; bits++) {
			uint64_t pte = pa | (bits & 7) | (bits & 8 ? PTE_NX : 0) |
				       (level > 1 ? PTE_PS : 0);

			for (enum access a = READ; a <= FETCH; a++)
				one(level, pte, a);
		}
	}
}

void test_main(void)
{
	uint64_t cr0 = cr0_read(), cr4 = cr4_read();
	uint8_t code[] = { 0xc3 }, user_syscall_code[] = { 0x0f, 0x05 };
	uint8_t keep[32];

	user_init();
	small_pa = page_alloc();
	large_pa = page_alloc_aligned(2ul << 20, 2ul << 20);
	va_of[1] = USER_FREE;
	va_of[2] = USER_FREE + (2ul << 20);
	va_of[3] = 0x80000000ul;	/* the 1 GiB page shows physical 0 .. 1 GiB */
	memcpy(keep, phys_to_virt(0), sizeof(keep));
	for (unsigned i = 0; i < 3; i++) {
		uint8_t *p = phys_to_virt(i == 0 ? small_pa : i == 1 ? large_pa : 0);

		memcpy(p, code, sizeof(code));
		memcpy(p + 16, user_syscall_code, sizeof(user_syscall_code));
	}

	for (unsigned mode = 0; mode < 32; mode++) {
		user = mode & 1;
		wp = mode & 2;
		smep = mode & 4;
		smap = mode & 8;
		ac = mode & 16;
		if ((smep && !cpu_has_smep()) || (smap && !cpu_has_smap()) ||
		    (ac && (user || !smap)))
			continue;
		cr0_write(wp ? cr0 | CR0_WP : cr0 & ~CR0_WP);
		cr4_write(cr4 | (smep ? CR4_SMEP : 0) | (smap ? CR4_SMAP : 0));
		all();
	}
	cr4_write(cr4);
	cr0_write(cr0);
	memcpy(phys_to_virt(0), keep, sizeof(keep));
}
