// SPDX-License-Identifier: MIT
/*
 * IDT, TSS and the dispatch of traps.  See trap.h for the order of who sees what.
 */
#include "trap.h"

#include "runtime.h"
#include "test.h"
#include "user.h"

struct idt_entry idt[256] __attribute__((aligned(16)));
struct tss tss __attribute__((aligned(16)));
volatile struct trap_last trap_last;
bool (*volatile trap_handler[256])(struct trap_frame *f);
volatile uint64_t trap_count[256];

extern const uint64_t trap_gates[256];
extern const uint64_t ex_table_start[], ex_table_end[];
extern uint64_t try_execute_rsp;
extern char try_execute_failed[];

void trap_dispatch(struct trap_frame *f, uint64_t flags);

void trap_set_gate(unsigned vector, uint64_t handler, unsigned type, unsigned dpl, unsigned ist)
{
	if (!handler)
		handler = trap_gates[vector];
	idt[vector].low = (handler & 0xffff) | KERNEL_CS << 16 | (uint64_t)ist << 32 |
			  (uint64_t)(0x80 | dpl << 5 | type) << 40 |
			  (handler >> 16 & 0xffff) << 48;
	idt[vector].high = handler >> 32;
}

void trap_set_ist(unsigned vector, unsigned ist)
{
	idt[vector].low = (idt[vector].low & ~(7ul << 32)) | (uint64_t)ist << 32;
}

void trap_set_dpl(unsigned vector, unsigned dpl)
{
	idt[vector].low = (idt[vector].low & ~(3ul << 45)) | (uint64_t)dpl << 45;
}

void trap_init(void)
{
	struct table_pointer p = { sizeof(idt) - 1, (uint64_t)idt };
	uint64_t base = (uint64_t)&tss;

	for (unsigned i = 0; i < 256; i++)
		trap_set_gate(i, 0, 14, 0, 0);
	__asm__ volatile("lidt %0" :: "m"(p));

	tss.io_map = sizeof(tss);
	gdt[7] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 |
		 (base >> 24 & 0xff) << 56;
	gdt[8] = base >> 32;
	__asm__ volatile("ltr %w0; lldt %w1" :: "r"(TSS_SELECTOR), "r"(0));
	trap_last.vector = TRAP_NONE;
	/* Firmware leaves IRQ 0 at vector 8. */
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
}

uint64_t trap_gate_error(unsigned vector)
{
	return vector * (test_on_tcg() ? 16 : 8) + 2;
}

void trap_crash(struct trap_frame *f, const char *why)
{
	print("crash: %s: vector %lu error %lx cr2 %lx\n", why, f->vector, f->error, cr2_read());
	print("rip %lx cs %lx rflags %lx rsp %lx ss %lx\n", f->rip, f->cs, f->rflags, f->rsp, f->ss);
	print("rax %lx rcx %lx rdx %lx rbx %lx rbp %lx rsi %lx rdi %lx\n", f->rax, f->rcx, f->rdx,
	      f->rbx, f->rbp, f->rsi, f->rdi);
	print("r8 %lx r9 %lx r10 %lx r11 %lx r12 %lx r13 %lx r14 %lx r15 %lx\n", f->r8, f->r9,
	      f->r10, f->r11, f->r12, f->r13, f->r14, f->r15);
	test_end(TEST_CRASH);
}

void trap_dispatch(struct trap_frame *f, uint64_t flags)
{
	unsigned vector = (uint8_t)f->vector;

	trap_last.vector = (int)vector;
	trap_last.error = f->error;
	if (vector == PF)
		trap_last.cr2 = cr2_read();
	trap_last.rip = f->rip;
	trap_last.cs = f->cs;
	trap_last.rflags = f->rflags;
	trap_last.rsp = f->rsp;
	trap_last.ss = f->ss;
	trap_last.handler_rsp = (uint64_t)&f->error;
	if (vector != DF && !(vector >= TS && vector <= PF) && vector != AC)
		trap_last.handler_rsp += 8;
	trap_last.handler_flags = flags;
	trap_count[vector]++;

	if (trap_handler[vector] && trap_handler[vector](f))
		return;
	if (f->cs & 3)
		user_exit(f);
	for (const uint64_t *e = ex_table_start; e < ex_table_end; e += 2) {
		if (f->rip >= e[0] && f->rip <= e[1]) {
			trap_last.try_start = e[0];
			trap_last.try_end = e[1];
			f->rip = e[1];
			return;
		}
	}
	if (try_execute_rsp && (vector == PF || vector == GP || vector == UD)) {
		f->rip = (uint64_t)try_execute_failed;
		return;
	}
	trap_crash(f, "unexpected exception");
}

int try_msr_read(uint32_t msr, uint64_t *v)
{
	uint32_t lo = 0, hi = 0;
	int vector = TRY("rdmsr", : "+a"(lo), "+d"(hi) : "c"(msr) : "memory");

	*v = lo | (uint64_t)hi << 32;
	return vector;
}

int try_msr_write(uint32_t msr, uint64_t v)
{
	return TRY("wrmsr", :: "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
