// SPDX-License-Identifier: MIT
/*
 * When an interrupt that waits is taken: not until the instruction behind STI, MOV SS and POP SS
 * is done; at once behind POPF, IRETQ, CR8 and after a page fault is repaired; not at all between
 * STI and CLI; HLT behind STI always wakes; NMI in spite of IF, once until IRETQ.
 */
#include "page.h"
#include "test.h"
#include "time.h"
#include "trap.h"

static volatile uint64_t taken, taken_rip, nmis, nmi_nested;

static bool note(struct trap_frame *f)
{
	taken++;
	taken_rip = f->rip;
	lapic_eoi();
	return true;
}

static void arm(void)
{
	taken = 0;
	lapic_write(LAPIC_ICR, 1u << 18 | 0x50);
}

/* `insns` open the window; label 1: is where the interrupt must be taken. */
#define TAKEN_AT_1(insns, ...)						\
	do {								\
		uint64_t at_;						\
									\
		arm();							\
		__asm__ volatile("lea 1f(%%rip), %0\n" insns "\ncli\n"	\
				 : "=&r"(at_) : __VA_ARGS__ : "rax", "rcx", "memory", "cc"); \
		expect_equal(taken, 1, "%s", insns);			\
		expect_equal(taken_rip, at_, "%s", insns);		\
	} while (0)

#define NOT_TAKEN(insns, ...)						\
	do {								\
		arm();							\
		__asm__ volatile(insns ::: "rax", "memory", "cc");	\
		expect_equal(taken, 0, "%s", insns);			\
		__asm__ volatile("sti; nop; nop; cli" ::: "memory");	\
		expect_equal(taken, 1);					\
	} while (0)

static bool nmi(struct trap_frame *f)
{
	(void)f;
	nmis++;
	if (nmis == 1) {
		/* A second one while we are here waits for our IRETQ. */
		lapic_write(LAPIC_ICR, 1u << 18 | 4u << 8);
		for (volatile unsigned i = 0; i < 1000; i++)
			;
		nmi_nested = nmis != 1;
	}
	return true;
}

static bool map(struct trap_frame *f)
{
	(void)f;
	page_map(trap_last.cr2 & ~(PAGE_SIZE - 1), page_alloc(), PTE_P | PTE_W);
	return true;
}

static void non_maskable(void)
{
	uint64_t self = lapic_read(LAPIC_ID);

	trap_handler[NMI] = nmi;
	/* The destination by number: not every machine takes NMI with the self shorthand. */
	lapic_write(LAPIC_ICR_HIGH, (uint32_t)self);
	lapic_write(LAPIC_ICR, 4u << 8);
	for (volatile unsigned i = 0; i < 1000; i++)
		;
	if (test_on_tcg() && !nmis) {
		print("no NMI to self here\n");
		return;
	}
	expect(nmis >= 1, "NMI in spite of IF");
	expect(!nmi_nested, "NMI inside NMI");
	for (volatile unsigned i = 0; i < 1000; i++)
		;
	print("NMIs: %lu\n", nmis);
}

void test_main(void)
{
	uint64_t ss = KERNEL_DS;

	pic_init(0);
	lapic_enable();
	trap_handler[0x50] = note;

	TAKEN_AT_1("sti; nop; 1: nop", "i"(0));
	TAKEN_AT_1("sti; mov $5, %%eax; 1: mov $6, %%eax", "i"(0));
	TAKEN_AT_1("sti; inc %%rax; 1: inc %%rcx", "i"(0));
	TAKEN_AT_1("sti; jmp 1f; 1: nop", "i"(0));
	TAKEN_AT_1("sti; call 1f; jmp 2f; 1: ret; 2: nop", "i"(0));
	TAKEN_AT_1("sti; hlt; 1: nop", "i"(0));
	TAKEN_AT_1("sti; sti; 1: nop", "i"(0));
	TAKEN_AT_1("pushf; orl $0x200, (%%rsp); popf; 1: nop; nop", "i"(0));
	TAKEN_AT_1("mov %%rsp, %%rax; push $0x18; push %%rax; pushf; orl $0x200, (%%rsp); push $0x10;"
		   "lea 1f(%%rip), %%rcx; push %%rcx; iretq; 1: nop", "i"(0));
	TAKEN_AT_1("mov $15, %%eax; mov %%rax, %%cr8; sti; nop; nop; xor %%eax, %%eax; mov %%rax, %%cr8; 1: nop", "i"(0));
	TAKEN_AT_1("pushf; orl $0x200, (%%rsp); mov %k1, %%ecx; popf; 1: mov %%ecx, %%ss; nop; nop", "r"(ss));
	NOT_TAKEN("sti; cli");
	NOT_TAKEN("sti; cli; sti; cli; sti; cli");
	/* Armed inside the shadow: MOV SS blocks for one instruction. */
	taken = 0;
	uint64_t at;

	__asm__ volatile("lea 1f(%%rip), %0; mov $15, %%eax; mov %%rax, %%cr8; sti; nop; xor %%eax, %%eax; mov %k1, %%ecx;"
			 "movl $0x40050, (%2); mov %%ecx, %%ss; mov %%rax, %%cr8; 1: nop; nop; cli"
			 : "=&r"(at) : "r"(ss), "r"(phys_to_virt(0xfee00300)) : "rax", "rcx", "memory");
	expect_equal(taken, 1);
	/* A self-IPI write that opens nothing: taken behind the write when IF is set. */
	taken = 0;
	cpu_sti();
	arm();
	__asm__ volatile("nop; nop; nop; nop" ::: "memory");
	cpu_cli();
	expect_equal(taken, 1, "self-IPI with IF set");

	/* A page fault between STI and the next instruction. */
	trap_handler[PF] = map;
	arm();
	__asm__ volatile("sti; incl (%0); nop; cli" :: "r"(TEST_BASE) : "memory", "cc");
	expect_equal(taken, 1);
	expect_equal(*(uint32_t *)TEST_BASE, 1, "the faulting instruction ran once");

	/* HLT with IF, many times, woken by a timer each time. */
	for (unsigned i = 0; i < 20; i++) {
		taken = 0;
		lapic_timer_in(0x50, time_tsc_khz() / 20);
		__asm__ volatile("sti; hlt; cli" ::: "memory");
		expect_equal(taken, 1, "HLT %u", i);
	}
	lapic_timer_stop();
	non_maskable();
}
