// SPDX-License-Identifier: MIT
/*
 * String instructions: all sizes, both directions, with and without REP, overlapping; a page
 * fault in the middle shows RSI, RDI and RCX of the element that faulted, at CPL0 in both halves
 * and at CPL3, and the instruction goes on from there when the page is mapped.
 */
#include "runtime.h"
#include "test.h"
#include "user.h"

#define PAGES	6

static uint64_t area_pa, source_at, target_at;	/* PAGES pages each */
static unsigned faults_seen;
static uint64_t fault_rcx, fault_rsi, fault_rdi, fault_cr2;

static bool map_it(struct trap_frame *f)
{
	uint64_t va = trap_last.cr2 & ~(PAGE_SIZE - 1), base = 0;

	if (va >= source_at && va < source_at + PAGES * PAGE_SIZE)
		base = area_pa + (va - source_at);
	else if (va >= target_at && va < target_at + PAGES * PAGE_SIZE)
		base = area_pa + PAGES * PAGE_SIZE + (va - target_at);
	else
		return false;
	if (!faults_seen++) {
		fault_rcx = f->rcx;
		fault_rsi = f->rsi;
		fault_rdi = f->rdi;
		fault_cr2 = trap_last.cr2;
	}
	page_map(va, base, PTE_P | PTE_W | PTE_U);
	return true;
}

static void unmap(void)
{
	for (uint64_t o = 0; o < PAGES * PAGE_SIZE; o += PAGE_SIZE) {
		page_map(source_at + o, 0, 0);
		page_map(target_at + o, 0, 0);
		cpu_invlpg(source_at + o);
		cpu_invlpg(target_at + o);
	}
	faults_seen = 0;
}

#define STRING(name, insn)						\
	static void name(uint64_t *si, uint64_t *di, uint64_t *cx, uint64_t ax, bool down) \
	{								\
		if (down)						\
			__asm__ volatile("std; " insn "; cld" : "+S"(*si), "+D"(*di), "+c"(*cx) \
					 : "a"(ax) : "memory", "cc");	\
		else							\
			__asm__ volatile(insn : "+S"(*si), "+D"(*di), "+c"(*cx) \
					 : "a"(ax) : "memory", "cc");	\
	}

STRING(movs1, "rep movsb")
STRING(movs2, "rep movsw")
STRING(movs4, "rep movsl")
STRING(movs8, "rep movsq")
STRING(stos1, "rep stosb")
STRING(stos2, "rep stosw")
STRING(stos4, "rep stosl")
STRING(stos8, "rep stosq")

user_program(u_movs1, "mov %rdx, %rcx; rep movsb; syscall_end: cld; syscall");
user_program(u_movs8, "mov %rdx, %rcx; rep movsq; cld; syscall");

static void (*const moves[])(uint64_t *, uint64_t *, uint64_t *, uint64_t, bool) = {
	movs1, movs2, movs4, movs8, stos1, stos2, stos4, stos8
};

static void one(unsigned which, bool down, uint64_t skew)
{
	uint64_t size = 1ul << (which & 3), count = 3 * PAGE_SIZE / size;
	uint64_t step = down ? -size : size;
	uint64_t start = down ? 4 * PAGE_SIZE + 256 + skew : 256 + skew;
	uint64_t si = source_at + start, di = target_at + start, cx = count;
	uint8_t *from = phys_to_virt(area_pa), *to = from + PAGES * PAGE_SIZE;
	uint64_t low = down ? start - (count - 1) * size : start;
	bool store = which >= 4;

	unmap();
	for (unsigned i = 0; i < PAGES * PAGE_SIZE; i++)
		from[i] = (uint8_t)(i * 7 + (i >> 8));
	memset(to, 0, PAGES * PAGE_SIZE);
	moves[which](&si, &di, &cx, 0x0807060504030201ul, down);
	expect_equal(cx, 0);
	expect_equal(di, target_at + start + count * step, "case %u down %d", which, down);
	expect_equal(si, source_at + start + (store ? 0 : count * step), "case %u down %d", which, down);
	if (store) {
		for (uint64_t i = 0; i < count * size; i++)
			if (to[low + i] != 1 + i % size) {
				expect_equal(to[low + i], 1 + i % size, "case %u byte %lu", which, i);
				break;
			}
	} else {
		expect_equal(memcmp(from + low, to + low, count * size), 0, "case %u down %d skew %lu", which,
			     down, skew);
	}
	expect(to[low - 1] == 0 && to[low + count * size] == 0, "case %u: nothing beside", which);
	expect(faults_seen >= (store ? 3u : 6u), "faults: %u", faults_seen);
	/* The first fault is the first element's. */
	expect_equal(fault_rcx, count);
	expect_equal(fault_rdi, target_at + start);

	/* Again, with one page in the middle missing: exact state there. */
	page_map(target_at + 2 * PAGE_SIZE, 0, 0);
	cpu_invlpg(target_at + 2 * PAGE_SIZE);
	faults_seen = 0;
	si = source_at + start, di = target_at + start, cx = count;
	moves[which](&si, &di, &cx, 0, down);
	expect_equal(faults_seen, 1, "case %u down %d", which, down);
	uint64_t done = count - fault_rcx;

	expect_equal(fault_rdi, target_at + start + done * step, "RDI where it faulted, case %u", which);
	if (!store)
		expect_equal(fault_rsi, source_at + start + done * step, "RSI, case %u", which);
	/* The faulting element touches the page; the one before it does not. */
	uint64_t page = target_at + 2 * PAGE_SIZE;

	expect(fault_rdi + size > page && fault_rdi < page + PAGE_SIZE, "case %u: RDI %lx", which, fault_rdi);
	expect(fault_rdi - step + size <= page || fault_rdi - step >= page + PAGE_SIZE,
	       "case %u: an element too late: RDI %lx", which, fault_rdi);
	expect(fault_cr2 >= page && fault_cr2 < page + PAGE_SIZE, "CR2 %lx", fault_cr2);
}

static void user(void)
{
	uint64_t count = 3 * PAGE_SIZE - 40;

	for (unsigned wide = 0; wide < 2; wide++) {
		uint8_t *from = phys_to_virt(area_pa), *to = from + PAGES * PAGE_SIZE;

		unmap();
		memset(to, 0, PAGES * PAGE_SIZE);
		expect_equal(user_run(wide ? u_movs8 : u_movs1, target_at + 20, source_at + 20,
				      wide ? count / 8 : count), TRAP_SYSCALL);
		expect_equal(user_frame.rcx, user_frame.rip);
		expect_equal(user_frame.rdi, target_at + 20 + count);
		expect_equal(user_frame.rsi, source_at + 20 + count);
		expect_equal(memcmp(from + 20, to + 20, count), 0, "user, wide %u", wide);
		expect(faults_seen >= 6, "%u", faults_seen);
	}
}

static void comparing(void)
{
	uint8_t *a = phys_to_virt(page_alloc()), *b = phys_to_virt(page_alloc());
	uint64_t si = (uint64_t)a, di = (uint64_t)b, cx = 100;
	uint8_t zero;

	a[60] = 1;
	__asm__ volatile("repe cmpsb; setz %3" : "+S"(si), "+D"(di), "+c"(cx), "=q"(zero) :: "memory", "cc");
	expect(cx == 39 && si == (uint64_t)a + 61 && di == (uint64_t)b + 61 && !zero, "cx %lu", cx);
	si = (uint64_t)a + 64, di = (uint64_t)b, cx = 16;
	b[4] = 7;
	__asm__ volatile("repe cmpsl" : "+S"(si), "+D"(di), "+c"(cx) :: "memory", "cc");
	expect_equal(cx, 14);
	di = (uint64_t)a, cx = 512;
	__asm__ volatile("repne scasb" : "+D"(di), "+c"(cx) : "a"(1) : "memory", "cc");
	expect(di == (uint64_t)a + 61 && cx == 512 - 61);
	di = (uint64_t)a + 63, cx = 64;
	__asm__ volatile("std; repe scasb; cld" : "+D"(di), "+c"(cx) : "a"(0) : "memory", "cc");
	expect(di == (uint64_t)a + 59 && cx == 60, "di %lx cx %lu", di - (uint64_t)a, cx);
	/* RCX zero: nothing happens, flags kept. */
	di = 1, si = 2, cx = 0;
	__asm__ volatile("cmp %%rax, %%rax; repe cmpsb; setz %3" : "+S"(si), "+D"(di), "+c"(cx), "=q"(zero)
			 :: "memory", "cc");
	expect(zero && di == 1 && si == 2 && cx == 0);
	/* Overlapping forwards copies the first byte on. */
	a[0] = 0x5a;
	si = (uint64_t)a, di = (uint64_t)a + 1, cx = 300;
	__asm__ volatile("rep movsb" : "+S"(si), "+D"(di), "+c"(cx) :: "memory");
	expect(a[150] == 0x5a && a[300] == 0x5a && a[301] == 0);
	for (unsigned i = 0; i < 256; i++)
		a[i] = (uint8_t)i;
	si = (uint64_t)a, di = (uint64_t)a + 3, cx = 10;
	__asm__ volatile("rep movsw" : "+S"(si), "+D"(di), "+c"(cx) :: "memory");
	static const uint8_t want[] = { 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1 };
	expect_equal(memcmp(a, want, 3), 0);
	(void)want;
	/* Without REP. */
	a[0] = 9, si = (uint64_t)a, di = (uint64_t)b;
	__asm__ volatile("movsb; movsw; movsl; movsq; lodsb; stosb; scasl; cmpsq" : "+S"(si), "+D"(di)
			 :: "rax", "memory", "cc");
	expect(si == (uint64_t)a + 24 && di == (uint64_t)b + 28);
	/* 32-bit count and addresses. */
	cx = 0x100000004ul, di = (uint64_t)b;
	__asm__ volatile("xor %%eax, %%eax; mov %%ecx, %%ecx; rep stosb" : "+D"(di), "+c"(cx) :: "rax", "memory", "cc");
	expect(cx == 0 && di == (uint64_t)b + 4);
	/* String port input. */
	di = (uint64_t)b, cx = 3;
	__asm__ volatile("rep insb" : "+D"(di), "+c"(cx) : "d"(0x61) : "memory");
	expect(cx == 0 && di == (uint64_t)b + 3);
	si = (uint64_t)b, cx = 3;
	__asm__ volatile("rep outsb" : "+S"(si), "+c"(cx) : "d"(0x80) : "memory");
	expect(cx == 0 && si == (uint64_t)b + 3);
}

void test_main(void)
{
	static const uint64_t skews[] = { 0, 3 };

	user_init();
	area_pa = page_alloc_aligned(2 * PAGES * PAGE_SIZE, PAGE_SIZE);
	trap_handler[PF] = map_it;
	for (unsigned half = 0; half < 3; half++) {
		source_at = half & 1 ? TEST_BASE : USER_FREE;
		target_at = half & 2 ? TEST_BASE + 0x100000 : USER_FREE + 0x100000;
		for (unsigned which = 0; which < 8; which++)
			for (unsigned s = 0; s < 2; s++) {
				one(which, false, skews[s]);
				one(which, true, skews[s]);
			}
	}
	source_at = USER_FREE;
	target_at = USER_FREE + 0x100000;
	user();
	comparing();
}
