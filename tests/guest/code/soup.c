// SPDX-License-Identifier: MIT
/*
 * Random programs end the same way on every machine: registers, defined flags, memory and the
 * exception that ended each are summed up in lines that tests/guest/run compares between QEMU and
 * ring3.  At CPL0 (with privileged instructions, memory in both halves) or, user=1, at CPL3.
 * ticks=1: each is run again and again with a timer interrupt somewhere in it, to the same result.
 * low=1: CPL0 code in the lower half, the other view of its memory in the upper.
 * faults=1: likewise with its memory not mapped until it is touched, sometimes taken away again.
 */
#include "soup.h"

#include "page.h"
#include "runtime.h"
#include "test.h"
#include "time.h"
#include "user.h"

#define DATA_PAGES	4
#define TICK		0x50

static uint64_t code_va, data_va, data_pa, other_va;
static struct trap_frame ended;
static uint64_t skipped;

/* What faults at CPL0 on its way out uses this. */
static uint8_t ist[16384] __attribute__((aligned(16)));
static uint64_t resume_rsp;
extern char soup_resume[];

static volatile uint64_t ticks;

static bool tick(struct trap_frame *f)
{
	(void)f;
	ticks++;
	lapic_eoi();
	return true;
}

static uint64_t data_flags, faults;
static bool take_away;

static void data_map(uint64_t va, uint64_t flags)
{
	uint64_t o = (va - (va - data_va < DATA_PAGES * PAGE_SIZE ? data_va : other_va)) & ~(PAGE_SIZE - 1);

	page_map(va & ~(PAGE_SIZE - 1), flags ? data_pa + o : 0, flags);
	cpu_invlpg(va);
}

static bool mine(uint64_t va)
{
	return va - data_va < DATA_PAGES * PAGE_SIZE || va - other_va < DATA_PAGES * PAGE_SIZE;
}

/* First a page to read, then one to write; every fourth time another one goes. */
static bool repair(struct trap_frame *f)
{
	uint64_t at = trap_last.cr2;

	if (!take_away || f->vector != PF || !mine(at))
		return false;
	if (++faults % 4 == 0)
		data_map((faults & 4 ? data_va : other_va) + (faults >> 3) % DATA_PAGES * PAGE_SIZE, 0);
	uint64_t flags = at >> 63 ? data_flags & ~PTE_U : data_flags;

	data_map(at, f->error & PF_W ? flags | PTE_W : flags);
	return true;
}

static void take_all(void)
{
	for (uint64_t o = 0; o < DATA_PAGES * PAGE_SIZE; o += PAGE_SIZE) {
		data_map(data_va + o, 0);
		data_map(other_va + o, 0);
	}
}

/* UD2, INT3 and INT 0x40 inside a program are passed over, anything else ends it. */
static bool over(struct trap_frame *f)
{
	if (f->vector == TICK)
		return tick(f);
	if (repair(f))
		return true;
	if (f->rip - code_va < SOUP_SIZE && (f->vector == UD || f->vector == BP || f->vector == 0x40) &&
	    (f->vector != UD || *(uint16_t *)f->rip == 0x0b0f)) {
		f->rip += f->vector == UD ? 2 : 0;
		skipped++;
		return true;
	}
	ended = *f;
	f->rip = (uint64_t)soup_resume;
	f->rsp = resume_rsp;
	f->rflags = 2;
	f->cs = KERNEL_CS;
	f->ss = KERNEL_DS;
	return true;
}

static void run_kernel(const struct trap_frame *start)
{
	__asm__ volatile(
		"push %%rbx; push %%rbp; push %%r12; push %%r13; push %%r14; push %%r15; mov %%rsp, %0\n"
		"mov %1, %%rsp; pop %%r15; pop %%r14; pop %%r13; pop %%r12; pop %%r11; pop %%r10; pop %%r9; pop %%r8\n"
		"pop %%rdi; pop %%rsi; pop %%rbp; pop %%rbx; pop %%rdx; pop %%rcx; pop %%rax; add $16, %%rsp; iretq\n"
		".globl soup_resume\nsoup_resume:\n"
		"pop %%r15; pop %%r14; pop %%r13; pop %%r12; pop %%rbp; pop %%rbx"
		: "=m"(resume_rsp) : "r"(start)
		: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
}

static uint64_t mix(uint64_t hash, uint64_t v)
{
	hash = (hash ^ v) * 0x9e3779b97f4a7c15ul;
	return hash ^ hash >> 29;
}

static uint64_t sum(uint64_t hash)
{
	const uint64_t *r = (const uint64_t *)&ended, *d = phys_to_virt(data_pa);
	uint64_t vector = ended.vector == SS ? GP : ended.vector;	/* TCG knows no #SS for addresses */

	for (unsigned i = 0; i < 15; i++)
		hash = mix(hash, r[i]);
	hash = mix(hash, vector);
	if (vector == PF) {
		hash = mix(hash, trap_last.cr2);
		/* Of a read-modify-write TCG reports the read. */
		hash = mix(hash, ended.error & ~(uint64_t)PF_W);
	}
	hash = mix(hash, ended.rip);
	hash = mix(hash, ended.rsp);
	hash = mix(hash, ended.rflags & (FLAG_ARITH | FLAG_DF) & ~FLAG_AF);
	for (unsigned i = 0; i < DATA_PAGES * 512; i++)
		hash = mix(hash, d[i]);
	return hash;
}

static void run(struct soup *soup, uint64_t n, uint64_t data_seed, bool user)
{
	struct trap_frame start = { 0 };
	uint64_t *d = phys_to_virt(data_pa);
	struct soup words = { .seed = data_seed };

	for (unsigned i = 0; i < DATA_PAGES * 512; i++)
		d[i] = soup_random(&words);
	start.rax = n & 7;
	start.rcx = 5;
	start.rdx = soup_random(&words);
	start.rbx = data_va + 0x800;
	start.rsi = n & 1 ? other_va + 0x1800 : data_va + 0x1800;
	start.rdi = n & 2 ? other_va + 0x2000 : data_va + 0x2000;
	start.rbp = n & 4 ? other_va + 0x1000 : data_va + 0x1000;
	start.r8 = data_va;
	start.r12 = data_va + 0x400;
	start.r13 = other_va + 0x400;
	/* Programs cannot change these. */
	msr_write(MSR_FS_BASE, other_va + 0x600);
	msr_write(MSR_GS_BASE, data_va + 0x700);
	start.rsp = (n & 8 ? other_va : data_va) + 0x3800;
	start.rip = soup->code;
	start.cs = user ? USER_CS : KERNEL_CS;
	start.ss = user ? USER_DS : KERNEL_DS;
	start.rflags = 2 | FLAG_IF;
	__asm__ volatile("pxor %%xmm0, %%xmm0; movdqa %%xmm0, %%xmm1; movdqa %%xmm0, %%xmm2;"
			 "movdqa %%xmm0, %%xmm3; movdqa %%xmm0, %%xmm4; movdqa %%xmm0, %%xmm5;"
			 "movdqa %%xmm0, %%xmm6; movdqa %%xmm0, %%xmm7" ::: "memory");
	if (user) {
		user_frame = start;
		(void)user_enter();
		ended = user_frame;
	} else {
		run_kernel(&start);
	}
}

static void dump(unsigned size, const uint8_t *code)
{
	const uint64_t *d = phys_to_virt(data_pa);

	print("code:");
	for (unsigned i = 0; i < size; i++)
		print(" %02x", code[i]);
	print("\n");
	for (unsigned i = 0; i < 15; i++)
		print("r%u %lx\n", i, ((uint64_t *)&ended)[i]);
	print("error %lx cr2 %lx rsp %lx\n", ended.error, trap_last.cr2, ended.rsp);
	for (unsigned i = 0; i < DATA_PAGES * 512; i++)
		print("%lx%s", d[i], i % 8 == 7 ? "\n" : " ");
}

void test_main(void)
{
	static uint8_t text[SOUP_SIZE];
	bool show = test_option("show", 0);
	uint64_t programs = test_option("programs", 3000), first = test_option("first", 0), hash = 0;
	unsigned instructions = (unsigned)test_option("length", 60);
	bool user = test_option("user", 0), each = test_option("each", 0);
	uint64_t code_pa = page_alloc();
	struct soup soup = { .kernel = !user };
	uint64_t counts[256] = { 0 };

	user_init();
	/* Beyond the RAM there may be ones or zeros: machines differ. */
	for (uint64_t pa = 128ul << 20; pa < 1ul << 30; pa += 2ul << 20)
		*page_entry(GUEST_BASE + pa, 2) = 0;
	cr3_write(cr3_read());
	code_va = user ? USER_FREE : test_option("low", 0) ? 0x60000000 : TEST_BASE;
	data_va = code_va + 0x10000;
	other_va = user ? USER_FREE + 0x40000 : test_option("low", 0) ? TEST_BASE : USER_FREE;
	data_pa = page_alloc_aligned(DATA_PAGES * PAGE_SIZE, PAGE_SIZE);
	page_map(code_va, code_pa, PTE_P | PTE_W | (user ? PTE_U : 0));
	for (uint64_t o = 0; o < DATA_PAGES * PAGE_SIZE; o += PAGE_SIZE) {
		page_map(data_va + o, data_pa + o, PTE_P | PTE_W | (user ? PTE_U : 0));
		page_map(other_va + o, data_pa + o, PTE_P | PTE_W | PTE_U);
	}
	tss.ist[0] = (uint64_t)ist + sizeof(ist);
	trap_set_dpl(SOUP_END, 3);
	trap_set_dpl(BP, 3);
	trap_set_dpl(0x40, 3);
	if (!user)
		for (unsigned v = 0; v < 256; v++) {
			trap_handler[v] = over;
			trap_set_ist(v, 1);
		}
	bool interrupted = test_option("ticks", 0);

	data_flags = PTE_P | PTE_U;
	take_away = false;
	if (user)
		trap_handler[PF] = repair;
	if (interrupted) {
		(void)time_tsc_khz();
		lapic_enable();
		if (user)
			trap_handler[TICK] = tick;
	}
	for (uint64_t n = first; n < first + programs; n++) {
		soup.seed = (n + 1) * 0x9e3779b97f4a7c15ul;
		soup.code = code_va;
		soup.data = data_va;
		uint64_t data_seed = soup_random(&soup) | 1;
		unsigned size = soup_make(&soup, phys_to_virt(code_pa), instructions);

		for (uint64_t o = 0; o < DATA_PAGES * PAGE_SIZE; o += PAGE_SIZE) {
			data_map(data_va + o, PTE_P | PTE_W | (user ? PTE_U : 0));
			data_map(other_va + o, PTE_P | PTE_W | PTE_U);
		}
		run(&soup, n, data_seed, user);
		counts[ended.vector & 0xff]++;
		if (show)
			dump(size, phys_to_virt(code_pa));
		uint64_t once = sum(0);

		hash = mix(hash, once);
		if (each)
			print("compare: %lu %lx vector %lx rip %lx rflags %lx\n", n, once,
			      ended.vector == SS ? GP : ended.vector, ended.rip,
			      ended.rflags & (FLAG_ARITH | FLAG_DF) & ~FLAG_AF);
		else if ((n + 1) % 250 == 0)
			print("compare: %lu %lx\n", n + 1, hash);
		/* Some change their own text. */
		soup.seed = (n + 1) * 0x9e3779b97f4a7c15ul;
		(void)soup_random(&soup);
		soup_make(&soup, text, instructions);
		bool faulting = test_option("faults", 0);

		for (unsigned again = 0; (interrupted || faulting) && again < 10; again++) {
			if (faulting)
				take_all();
			take_away = faulting;
			if (memcmp(phys_to_virt(code_pa), text, size))
				memcpy(phys_to_virt(code_pa), text, size);
			if (interrupted)
				lapic_timer_in(TICK, 1 + soup_random(&soup) % (time_tsc_khz() / 100));
			run(&soup, n, data_seed, user);
			take_away = false;
			if (interrupted) {
				lapic_timer_stop();
				__asm__ volatile("sti; nop; nop; cli" ::: "memory");
			}
			expect_equal(sum(0), once, "program %lu, disturbed", n);
		}
	}
	for (unsigned i = 0; i < 256; i++)
		if (counts[i])
			print("vector %u: %lu\n", i, counts[i]);
	print("%lu passed over, %lu interrupts, %lu page faults\n", skipped, ticks, faults);
	expect(counts[SOUP_END] > programs / 20, "few programs reach their end");
}
