// SPDX-License-Identifier: MIT
/*
 * Interrupts at any instruction boundary change nothing: a computation full of string
 * instructions, stack games, flags kept across branches, calls, accesses to both halves and
 * RSP-relative operands runs under timer interrupts at random moments, in the kernel and at CPL3,
 * and its checksum is exactly that of a run without interrupts.  The handler destroys every
 * register it may.  faults=1: it also takes the scratch pages and the code's page away at random,
 * which page faults bring back, so that every instruction is restarted from a fault somewhere.
 * step=1: a single-step trap behind every instruction instead of a timer.
 */
#include "random.h"
#include "test.h"
#include "time.h"
#include "user.h"

/*
 * rdi: two pages of scratch, rsi: rounds.  Result in rax.  The same text for CPL0 and CPL3.
 */
#define WORK								\
	"push %rbx; push %rbp; push %r12; push %r13\n"			\
	"mov %rdi, %r12; mov %rsi, %r13; mov $0x9e3779b97f4a7c15, %rbx; xor %ebp, %ebp\n" \
	"1:\n"								\
	"lea (%rbx,%rbx,4), %rbx; add $0x1234567, %rbx; ror $17, %rbx\n" \
	/* string instructions, both directions */			\
	"mov %r12, %rdi; mov %rbx, %rax; mov $24, %ecx; rep stosq\n"	\
	"mov %r12, %rsi; lea 4096(%r12), %rdi; mov $190, %ecx; rep movsb\n" \
	"std; lea 184(%r12), %rsi; lea 4096+184(%r12), %rdi; mov $20, %ecx; rep movsq; cld\n" \
	"lea (%r12), %rsi; lea 4096(%r12), %rdi; mov $192, %ecx; repe cmpsb; adc %rcx, %rbp\n" \
	/* flags across branches */					\
	"add %rbx, %rbp; jc 2f; 2: adc $0, %rbp; call 6f; adc $3, %rbp\n" \
	"cmp %rbx, %rbp; pushf; lea 3f(%rip), %rax; jmp *%rax; 3: popf; rcl $1, %rbp; setp %al; movzbl %al, %eax; add %rax, %rbp\n" \
	/* the stack by every name */					\
	"mov %rsp, %rcx; push %rbx; push %rsp; pop %rdx; sub %rdx, %rcx; add %rcx, %rbp\n" \
	"xor (%rsp), %rbp; lea -64(%rsp), %rsp; mov %rbp, 16(%rsp); incq 16(%rsp); mov 16(%rsp), %rbp; lea 64(%rsp), %rsp; pop %rbx\n" \
	"push %rbp; mov %rsp, %rbp; push %rbx; addq $7, (%rsp); pop %rax; leave; xor %rax, %rbp\n" \
	"mov %rsp, %rax; lea -128(%rsp), %rcx; xchg %rcx, %rsp; push %rbp; pop %rdx; mov %rax, %rsp; add %rdx, %rbp\n" \
	/* memory */							\
	"lock xadd %rbp, 256(%r12); mov 256(%r12), %rax; lock cmpxchg %rbx, 256(%r12); adc %rax, %rbp\n" \
	"push 256(%r12); pop 264(%r12); mov 264(%r12), %rax; xor %rax, %rbp\n" \
	"movq %rbx, %xmm0; paddq %xmm0, %xmm0; movdqu %xmm0, 300(%r12); mov 303(%r12), %rax; add %rax, %rbp\n" \
	"mov %rbp, %rax; mul %rbx; xor %rdx, %rbp; bswap %rbp; mov %ebx, %ecx; shld %cl, %rbx, %rbp\n" \
	"dec %r13; jnz 1b\n"						\
	"mov %rbp, %rax; pop %r13; pop %r12; pop %rbp; pop %rbx\n"	\
	"jmp 9f\n"							\
	"6: jc 7f; stc; jmp 8f; 7: clc; 8: ret\n"			\
	"9:\n"

uint64_t kernel_work(uint64_t scratch, uint64_t rounds);
__asm__(".text\n.globl kernel_work\nkernel_work:\n" WORK "ret");
user_program(user_work, WORK "syscall");

static volatile uint64_t ticks, repaired;
static bool take_away;
static uint64_t scratch_pa;
static uint64_t unit;

static void leaf_change(uint64_t va, uint64_t entry)
{
	*(volatile uint64_t *)page_entry(va, 1) = entry;
	cpu_invlpg(va);
}

/* Of one page, in one half: not present, read-only, or clean and unaccessed. */
static void disturb(void)
{
	uint64_t r = random(), page = (r >> 8 & 1) * PAGE_SIZE, user = r >> 9 & 1;
	uint64_t va = (user ? USER_FREE : TEST_BASE) + page, pa = scratch_pa + page;
	static const uint64_t flags[] = { 0, PTE_P, PTE_P | PTE_W, PTE_P };

	leaf_change(va, pa | (flags[r & 3] | (flags[r & 3] && user ? PTE_U : 0)));
	/* The program's own text, CPL3's view. */
	if ((r >> 16 & 7) == 0)
		leaf_change(USER_TEXT, 0);
}

static bool repair(struct trap_frame *f)
{
	uint64_t at = trap_last.cr2 & ~(PAGE_SIZE - 1);

	(void)f;
	repaired = repaired + 1;
	if (at == USER_TEXT) {
		leaf_change(at, virt_to_phys(user_image_start) | PTE_P | PTE_U);
		return true;
	}
	if (at - USER_FREE < 2 * PAGE_SIZE)
		leaf_change(at, (scratch_pa + (at - USER_FREE)) | PTE_P | PTE_W | PTE_U);
	else if (at - TEST_BASE < 2 * PAGE_SIZE)
		leaf_change(at, (scratch_pa + (at - TEST_BASE)) | PTE_P | PTE_W);
	else
		return false;
	return true;
}

static bool step(struct trap_frame *f)
{
	(void)f;
	ticks++;
	if (take_away && ticks % 3 == 0)
		disturb();
	dr6_write(0xffff0ff0);
	return true;
}

static bool tick(struct trap_frame *f)
{
	ticks++;
	if (take_away)
		disturb();
	if ((f->rsp < 0x1000 || f->rip < 0x1000 || (f->cs & 3 ? f->rsp > USER_STACK : f->ss != KERNEL_DS)))
		trap_crash(f, "impossible state interrupted");
	lapic_eoi();
	lapic_timer_in(0x50, 1 + random() % unit);
	__asm__ volatile("std; stc; cld; mov $0xdead, %%ecx; mov %%ecx, %%edx; mov %%ecx, %%esi; mov %%ecx, %%edi;"
			 "mov %%ecx, %%r8d; mov %%ecx, %%r9d; mov %%ecx, %%r10d; mov %%ecx, %%r11d"
			 ::: "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc");
	return true;
}

void test_main(void)
{
	bool stepping;
	uint64_t rounds = test_option("rounds", 3000), want, got, scratch, begin;
	uint64_t high = TEST_BASE, pa = page_alloc_aligned(2 * PAGE_SIZE, PAGE_SIZE);

	user_init();
	for (uint64_t o = 0; o < 2 * PAGE_SIZE; o += PAGE_SIZE) {
		page_map(high + o, pa + o, PTE_P | PTE_W);
		page_map(USER_FREE + o, pa + o, PTE_P | PTE_W | PTE_U);
	}
	lapic_enable();
	trap_handler[0x50] = tick;
	scratch_pa = pa;
	take_away = test_option("faults", 0);
	stepping = test_option("step", 0);
	if (take_away)
		trap_handler[PF] = repair;
	trap_handler[DB] = step;

	/*
	 * Ticks far enough apart that work gets on between two of them on slow machines, and work
	 * for some hundred ticks on fast ones.
	 */
	unit = time_tsc_khz() / (take_away ? 3 : 10);
	begin = cpu_tsc();
	(void)kernel_work(high, rounds);
	if (!stepping && cpu_tsc() - begin < 20 * time_tsc_khz())
		rounds = rounds * 20 * time_tsc_khz() / (cpu_tsc() - begin);
	*(uint64_t *)phys_to_virt(pa + 256) = 0;
	want = kernel_work(high, rounds);

	for (unsigned pass = 0; pass < 6; pass++) {
		scratch = pass % 3 == 1 ? high : USER_FREE;
		ticks = 0;
		/* A busy host may give few: again until there were enough to prove something. */
		for (unsigned again = 0; again < 30 && ticks < 40; again++) {
			*(uint64_t *)phys_to_virt(pa + 256) = 0;
			if (!stepping)
				lapic_timer_in(0x50, unit);
			if (pass % 3 == 2) {
				user_prepare(user_address(user_work));
				user_frame.rdi = scratch;
				user_frame.rsi = rounds;
				if (stepping)
					user_frame.rflags |= FLAG_TF;
				expect_equal(user_enter(), TRAP_SYSCALL);
				got = user_frame.rax;
			} else {
				flags_write(2 | (stepping ? FLAG_TF : FLAG_IF));
				got = kernel_work(scratch, rounds);
				flags_write(2);
			}
			lapic_timer_stop();
			cpu_sti();
			cpu_cli();
			expect_equal(got, want, "pass %u", pass);
		}
		print("pass %u: %lu interrupts, %lu faults\n", pass, ticks, repaired);
		if (take_away)
			expect(repaired > 0, "pass %u: nothing was taken away", pass);
		expect(ticks >= 3, "pass %u: too few interrupts to prove anything: %lu", pass, ticks);
	}
}
