/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and interrupts: who sees them, and how a test goes on after one.
 *
 * In order: trap_handler[vector] if set; if it returns false or there is none, a
 * trap from CPL3 ends user_enter(); one on an instruction wrapped in TRY()
 * continues behind it; anything else is a crash.
 */
#ifndef GUEST_TRAP_H
#define GUEST_TRAP_H

#include "cpu.h"

struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

#define TRAP_NONE	(-1)
#define TRAP_SYSCALL	0x100	/* pseudo vector: SYSCALL from CPL3 */

/* The last trap, of whatever kind. */
extern volatile struct trap_last {
	int vector;
	uint64_t error, cr2, rip, cs, rflags, rsp, ss;
	uint64_t handler_rsp;	/* RSP at the handler's first instruction: where the frame lies */
	uint64_t handler_flags;	/* RFLAGS there */
	uint64_t try_start, try_end;	/* bounds of the TRY() it was on */
} trap_last;

extern bool (*volatile trap_handler[256])(struct trap_frame *f);
extern volatile uint64_t trap_count[256];

void trap_init(void);
/* Interrupt stack table index of a vector's gate, 0: none. */
void trap_set_ist(unsigned vector, unsigned ist);
void trap_set_dpl(unsigned vector, unsigned dpl);
/* Replace a gate by one to `handler` (type 14: interrupt, 15: trap); 0 restores. */
void trap_set_gate(unsigned vector, uint64_t handler, unsigned type, unsigned dpl, unsigned ist);
struct idt_entry { uint64_t low, high; };
extern struct idt_entry idt[256];
/* Error code of a fault on a gate of the IDT.  TCG counts 16 bytes a gate in long mode, processors
 * the vector. */
uint64_t trap_gate_error(unsigned vector);
_Noreturn void trap_crash(struct trap_frame *f, const char *why);

/*
 * One instruction that may trap: TRY("mov (%0), %0", : "+r"(x)) is the vector, or
 * TRAP_NONE.  trap_last tells the rest.
 */
#define TRY_ASM(insn)							\
	".pushsection .ex_table, \"a\"\n"				\
	".quad 771f, 772f\n"						\
	".popsection\n"							\
	"771:	" insn "\n"						\
	"772:\n"
#define TRY(insn, ...)							\
	({								\
		trap_last.vector = TRAP_NONE;				\
		__asm__ volatile(TRY_ASM(insn) __VA_ARGS__);		\
		trap_last.vector;					\
	})

/* The same with instructions around it that do not trap and run in any case. */
#define TRY_IN(before, insn, after, ...)				\
	({								\
		trap_last.vector = TRAP_NONE;				\
		__asm__ volatile(before "\n" TRY_ASM(insn) after "\n" __VA_ARGS__); \
		trap_last.vector;					\
	})

static inline int try_read(const volatile void *p)
{
	uint64_t v;

	return TRY("movb (%1), %b0", : "=&q"(v) : "r"(p) : "memory");
}

static inline int try_write(volatile void *p)
{
	return TRY("movb $0x5a, (%0)", :: "r"(p) : "memory");
}

/* Call an address; a fault of the fetch itself comes back as the vector, the code must RET. */
int try_execute(const volatile void *p);
/* RDMSR/WRMSR with capture. */
int try_msr_read(uint32_t msr, uint64_t *v);
int try_msr_write(uint32_t msr, uint64_t v);

#endif
