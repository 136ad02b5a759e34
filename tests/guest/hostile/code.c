// SPDX-License-Identifier: MIT
/*
 * Random bytes as kernel code: anything may come of it for the guest, nothing for the virtual
 * machine monitor.  Each run begins with the registers pointing into scratch memory.
 */
#include "page.h"
#include "random.h"
#include "test.h"
#include "time.h"
#include "trap.h"

static uint64_t resume_rsp;

extern char resume[];

static bool over(struct trap_frame *f)
{
	if (f->vector >= 0x20)
		lapic_eoi();
	f->rip = (uint64_t)resume;
	f->rsp = resume_rsp;
	f->rflags = 2;
	f->cs = KERNEL_CS;
	f->ss = KERNEL_DS;
	return true;
}

static void run(uint64_t code, uint64_t scratch)
{
	__asm__ volatile("push %%rbx; push %%rbp; mov %%rsp, %0; mov %2, %%rsp; mov %2, %%rax; mov %2, %%rcx;"
			 "mov %2, %%rdx; mov %2, %%rbx; mov %2, %%rbp; mov %2, %%rsi; mov %2, %%rdi; mov %2, %%r8;"
			 "sti; jmp *%1\n"
			 ".globl resume\nresume: cli; pop %%rbp; pop %%rbx"
			 : "=m"(resume_rsp) : "r"(code), "r"(scratch)
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
			 "memory", "cc");
}

void test_main(void)
{
	static uint8_t ist[16384] __attribute__((aligned(16)));
	uint64_t runs = test_option("runs", 2000), pa = page_alloc_aligned(4 * PAGE_SIZE, PAGE_SIZE);
	uint64_t text = TEST_BASE;

	random_seed = test_option("seed", 1) * 0x9e3779b97f4a7c15ul;
	for (uint64_t o = 0; o < 4 * PAGE_SIZE; o += PAGE_SIZE)
		page_map(text + o, pa + o, PTE_P | PTE_W);
	lapic_enable();
	tss.ist[0] = (uint64_t)ist + sizeof(ist);
	for (unsigned v = 0; v < 256; v++) {
		trap_handler[v] = over;
		trap_set_ist(v, 1);
	}
	for (uint64_t n = 0; n < runs; n++) {
		uint64_t *p = phys_to_virt(pa);

		for (unsigned i = 0; i < 32; i++)
			p[i] = random();
		lapic_timer_in(0x50, time_tsc_khz() / 2);
		run(text + (random() & 31), text + 0x2000 + (random() & 0xff8));
		lapic_timer_stop();
		__asm__ volatile("mov %0, %%ds; mov %0, %%es" :: "r"(0));
	}
	print("survived %lu runs\n", runs);
}
