// SPDX-License-Identifier: MIT
/*
 * Kernel code that changes, and the next execution sees the change: patched in place, through
 * another mapping (text_poke), with INT3 first (text_poke_bp), NOP to JMP and back (static keys),
 * an immediate inside a running loop, a call target, code copied to a fresh page, a page remapped
 * to other code, a page freed and filled again, string-instruction and cross-page patches.
 */
#include "page.h"
#include "runtime.h"
#include "test.h"
#include "trap.h"

static uint8_t *code;		/* kernel view, executable */
static uint8_t *alias;		/* the same two pages elsewhere */

typedef uint64_t (*function)(uint64_t);

static void sync(void)
{
	cpuid(0, 0);
}

/* mov $imm, %eax; ret */
static void emit_return(uint8_t *at, uint32_t value)
{
	at[0] = 0xb8;
	memcpy(at + 1, &value, 4);
	at[5] = 0xc3;
}

static void in_place(void)
{
	function f = (function)(void *)code;

	for (uint32_t i = 0; i < 50; i++) {
		emit_return(i & 1 ? code : alias, i);
		sync();
		expect_equal(f(0), i, "written through %s", i & 1 ? "itself" : "an alias");
		/* Only one byte of the immediate. */
		(i & 1 ? alias : code)[1] = (uint8_t)(i + 100);
		sync();
		expect_equal(f(0), (uint8_t)(i + 100), "one byte, round %u", i);
	}
	/* With every width of store. */
	emit_return(code, 0);
	*(volatile uint16_t *)(code + 1) = 0x1234;
	sync();
	expect_equal(f(0), 0x1234);
	*(volatile uint64_t *)alias = 0x9090c3000000ffb8ul;
	sync();
	expect_equal(f(0), 0xff);
	__asm__ volatile("rep movsb" : : "D"(code), "S"("\xb8\x07\0\0\0\xc3"), "c"(6ul) : "memory");
	sync();
	expect_equal(f(0), 7);
	__asm__ volatile("lock xchg %b0, (%1)" : : "q"(9), "r"(code + 1) : "memory");
	sync();
	expect_equal(f(0), 9);
}

static bool breakpoint(struct trap_frame *f)
{
	f->rax = 0xb9;
	f->rip += 5;
	return true;
}

static void int3_first(void)
{
	/* 5-byte site, then ret. */
	function f = (function)(void *)(code + 256);
	uint8_t *w = alias + 256;

	trap_handler[BP] = breakpoint;
	for (uint32_t i = 0; i < 20; i++) {
		uint32_t value = 1000 + i;

		if (i == 0)
			emit_return(w, 0);
		w[0] = 0xcc;
		sync();
		/* The breakpoint's RIP is behind INT3: +5 lands behind the site, on what follows. */
		w[6] = 0xc3;
		expect_equal(f(0), 0xb9, "INT3 in place, round %u", i);
		memcpy(w + 1, &value, 4);
		sync();
		expect_equal(f(0), 0xb9);
		w[0] = 0xb8;
		sync();
		expect_equal(f(0), value, "INT3 removed, round %u", i);
	}
	trap_handler[BP] = 0;
}

static __attribute__((noinline)) uint64_t keyed(void)
{
	uint64_t v;

	__asm__ volatile("xor %%eax, %%eax\n"
			 ".globl key_site\nkey_site: .byte 0x0f, 0x1f, 0x44, 0, 0\n"
			 "inc %%eax\n"
			 ".globl key_target\nkey_target: mov %%rax, %0" : "=r"(v) :: "rax", "cc", "memory");
	return v;
}

static void static_key(void)
{
	extern uint8_t key_site[], key_target[];
	uint8_t *w = phys_to_virt(virt_to_phys(key_site));
	int32_t distance = (int32_t)(key_target - key_site - 5);

	for (unsigned i = 0; i < 40; i++) {
		if (i & 1) {
			memcpy(w + 1, &distance, 4);
			w[0] = 0xe9;
		} else {
			memcpy(w, "\x0f\x1f\x44\0", 5);
		}
		sync();
		for (unsigned n = 0; n < 3; n++)
			expect_equal(keyed(), !(i & 1), "static key, round %u", i);
	}
}

static void running_loop(void)
{
	uint64_t sum;

	/* The loop patches the immediate of its own ADD, ahead in the same block. */
	__asm__ volatile(
		"xor %%eax, %%eax; mov $1, %%ecx\n"
		"1: mov %%ecx, 2f+1(%%rip)\n"
		"jmp 2f\n"
		"2: .byte 0x05, 0, 0, 0, 0\n"
		"inc %%ecx; cmp $101, %%ecx; jb 1b\n"
		"mov %%rax, %0" : "=r"(sum) :: "rax", "rcx", "cc", "memory");
	expect_equal(sum, 5050, "a loop that patches itself");
	/* And straight behind the store, without a branch. */
	__asm__ volatile(
		"xor %%eax, %%eax; mov $1, %%ecx\n"
		"1: mov %%ecx, 2f+1(%%rip)\n"
		"2: .byte 0x05, 0, 0, 0, 0\n"
		"inc %%ecx; cmp $101, %%ecx; jb 1b\n"
		"mov %%rax, %0" : "=r"(sum) :: "rax", "rcx", "cc", "memory");
	expect_equal(sum, 5050, "patching the very next instruction");
}

static void pages(void)
{
	uint64_t pa[3] = { page_alloc(), page_alloc(), page_alloc() }, va = TEST_BASE + 0x10000;
	function f = (function)va;

	for (unsigned i = 0; i < 3; i++)
		emit_return(phys_to_virt(pa[i]), 10 + i);
	for (unsigned i = 0; i < 30; i++) {
		page_map(va, pa[i % 3], PTE_P | (i & 1 ? PTE_W : 0));
		cpu_invlpg(va);
		expect_equal(f(0), 10 + i % 3, "remapped page, round %u", i);
	}
	/* Freed and used for data, then for code again. */
	for (unsigned i = 0; i < 10; i++) {
		page_map(va, pa[0], PTE_P | PTE_NX | PTE_W);
		cpu_invlpg(va);
		memset((void *)va, (int)i, PAGE_SIZE);
		expect_equal(try_execute((void *)va), PF);
		emit_return((uint8_t *)va, 70 + i);
		page_map(va, pa[0], PTE_P);
		cpu_invlpg(va);
		expect_equal(f(0), 70 + i, "page used again, round %u", i);
	}
	/* The table above swapped. */
	uint64_t *e2 = page_entry(va, 2), old = *e2, other = page_alloc();

	((uint64_t *)phys_to_virt(other))[va >> 12 & 511] = pa[1] | PTE_P;
	*e2 = other | PTE_P | PTE_W;
	cr3_write(cr3_read());
	expect_equal(f(0), 11, "another page table");
	*e2 = old;
	cr3_write(cr3_read());
	expect_equal(f(0), 79);
}

static void crossing(void)
{
	/* mov $imm, %eax with its immediate across two pages; the second changes, then moves. */
	uint8_t *at = code + PAGE_SIZE - 3, *w = alias + PAGE_SIZE - 3;
	function f = (function)(void *)at;
	uint64_t second = page_alloc(), keep;

	for (uint32_t i = 0; i < 20; i++) {
		emit_return(w, 0x01010000 + i);
		sync();
		expect_equal(f(0), 0x01010000 + i);
		w[4] = (uint8_t)(0x80 + i);		/* in the second page */
		sync();
		expect_equal(f(0), 0x80010000ul + ((uint64_t)i << 24) + i, "second page, round %u", i);
	}
	memcpy(phys_to_virt(second), code + PAGE_SIZE, 16);
	((uint8_t *)phys_to_virt(second))[1] = 0x42;
	keep = *page_entry((uint64_t)code + PAGE_SIZE, 1);
	*page_entry((uint64_t)code + PAGE_SIZE, 1) = second | PTE_P | PTE_W;
	cpu_invlpg((uint64_t)code + PAGE_SIZE);
	expect_equal(f(0) >> 24, 0x42, "second page remapped");
	*page_entry((uint64_t)code + PAGE_SIZE, 1) = 0;
	cpu_invlpg((uint64_t)code + PAGE_SIZE);
	expect_equal(try_execute(at), PF, "second page gone");
	expect_equal(trap_last.cr2, (uint64_t)code + PAGE_SIZE, "CR2 names the second page");
	expect_equal(trap_last.rip, at, "RIP names the instruction");
	*page_entry((uint64_t)code + PAGE_SIZE, 1) = keep;
	cpu_invlpg((uint64_t)code + PAGE_SIZE);
	expect_equal(f(0), 0x93010013);
}

static void data_beside_code(void)
{
	/* A counter in the page of the code that counts: many writes, code unchanged. */
	uint8_t *f = code + 1024;
	volatile uint64_t *counter = (void *)(code + 1200);
	static const uint8_t text[] = {
		0x48, 0xff, 0x07,	/* incq (%rdi) */
		0x48, 0x8b, 0x07,	/* mov (%rdi), %rax */
		0xc3,
	};

	memcpy(f, text, sizeof(text));
	*counter = 0;
	for (uint64_t i = 1; i <= 2000; i++)
		expect_equal(((function)(void *)f)((uint64_t)counter), i);
}

void test_main(void)
{
	uint64_t pa = page_alloc_aligned(2 * PAGE_SIZE, PAGE_SIZE);

	code = (uint8_t *)TEST_BASE;
	alias = (uint8_t *)TEST_BASE + 0x8000;
	for (uint64_t o = 0; o < 2 * PAGE_SIZE; o += PAGE_SIZE) {
		page_map((uint64_t)code + o, pa + o, PTE_P | PTE_W);
		page_map((uint64_t)alias + o, pa + o, PTE_P | PTE_W | PTE_NX);
	}
	in_place();
	int3_first();
	static_key();
	running_loop();
	pages();
	crossing();
	data_beside_code();
}
