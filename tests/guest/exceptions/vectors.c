// SPDX-License-Identifier: MIT
/*
 * Every exception that an instruction at CPL0 can cause arrives at its vector, with its error
 * code, with RIP on the instruction (faults) or behind it (traps), and with the RFLAGS, RSP, CS
 * and SS of the moment.
 */
#include "page.h"
#include "test.h"
#include "trap.h"

#define check_but_tcg(reason, ...)					\
	do {								\
		if (test_on_tcg())					\
			print("not checked under TCG: %s\n", reason);	\
		else							\
			check(__VA_ARGS__);				\
	} while (0)

static void check(const char *what, int got, int vector, uint64_t error, bool fault)
{
	expect(got == vector, "%s: vector %d, expected %d", what, got, vector);
	if (got != vector)
		return;
	expect_equal(trap_last.error, error, "%s: error code", what);
	expect_equal(trap_last.rip, fault ? trap_last.try_start : trap_last.try_end, "%s: RIP", what);
	expect_equal(trap_last.cs, KERNEL_CS, "%s: CS", what);
	expect_equal(trap_last.ss, KERNEL_DS, "%s: SS", what);
	expect(!(trap_last.handler_flags & (FLAG_IF | FLAG_TF | FLAG_RF)), "%s: RFLAGS %lx in handler",
	       what, trap_last.handler_flags);
}

static void arithmetic(void)
{
	uint64_t a = 1, d = 0, zero = 0;

	check("div by zero", TRY("divq %2", : "+a"(a), "+d"(d) : "r"(zero) : "cc", "memory"), DE, 0, true);
	expect(a == 1 && d == 0, "registers changed by a faulting DIV");
	d = 5;
	check("div overflow", TRY("divq %2", : "+a"(a), "+d"(d) : "r"(2ul) : "cc", "memory"), DE, 0, true);
	a = 1ul << 63;
	d = ~0ul;
	check("idiv overflow", TRY("idivq %2", : "+a"(a), "+d"(d) : "r"(-1l) : "cc", "memory"), DE, 0, true);
	check("div memory", TRY("divl %2", : "+a"(a), "+d"(d) : "m"(zero) : "cc", "memory"), DE, 0, true);
}

static void software(void)
{
	check("int3", TRY("int3", ::: "memory"), BP, 0, false);
	check("int $3", TRY("int $3", ::: "memory"), BP, 0, false);
	check("int $4", TRY("int $4", ::: "memory"), OF, 0, false);
	check_but_tcg("ICEBP is #UD there", "icebp", TRY(".byte 0xf1", ::: "memory"), DB, 0, false);
	check("int $0x81", TRY("int $0x81", ::: "memory"), 0x81, 0, false);
	check("ud2", TRY("ud2", ::: "memory"), UD, 0, true);
	check("ud1", TRY("ud1 %%eax, %%eax", ::: "memory"), UD, 0, true);
	check("into in 64-bit mode", TRY(".byte 0xce", ::: "memory"), UD, 0, true);
	check("lock on a register", TRY(".byte 0xf0, 0x01, 0xc0", ::: "memory"), UD, 0, true);
	check_but_tcg("ignores LOCK on MOV", "lock mov",
		      TRY_IN("mov %0, %%rax", ".byte 0xf0, 0x89, 0x00", "", :: "r"(gdt) : "rax", "memory"), UD, 0, true);
	check("pop %cs", TRY(".byte 0x0e", ::: "memory"), UD, 0, true);
}

static void protection(void)
{
	uint64_t hole = 0x0000900000000000ul;
	uint64_t bad_cr4 = cr4_read() | 1ul << 31;
	struct table_pointer bad = { 0, hole };

	check("non-canonical load", TRY("mov (%0), %%rax", :: "r"(hole) : "rax", "memory"), GP, 0, true);
	check("non-canonical store", TRY("mov %%rax, (%0)", :: "r"(hole) : "memory"), GP, 0, true);
	check("non-canonical rep", TRY("rep movsb", : "+S"(hole) : "D"(&bad), "c"(4) : "memory"), GP, 0,
	      true);
	check_but_tcg("never #SS for an address", "non-canonical through %rbp",
	      TRY_IN("push %%rbp; mov %0, %%rbp", "mov (%%rbp), %%rax", "pop %%rbp",
		     :: "r"(hole) : "rax", "memory"), SS, 0, true);
	expect_equal(try_execute((void *)hole), GP, "non-canonical call");
	check_but_tcg("hangs", "reserved bit of CR4", TRY("mov %0, %%cr4", :: "r"(bad_cr4) : "memory"), GP, 0, true);
	check_but_tcg("does not check", "PG without PE", TRY("mov %0, %%cr0", :: "r"(cr0_read() & ~1ul) : "memory"), GP, 0, true);
	check_but_tcg("loads any base", "lidt of a non-canonical base", TRY("lidt %0", :: "m"(bad) : "memory"), GP, 0, true);
	check_but_tcg("unknown MSRs read as zero", "unknown MSR", TRY("rdmsr", :: "c"(0x12345678) : "rax", "rdx", "memory"), GP, 0, true);
	check_but_tcg("does not check alignment", "misaligned movaps",
	      TRY("movaps 1(%0), %%xmm0", :: "r"((uint64_t)gdt & ~15ul) : "memory"), GP, 0, true);
}

static void segments(void)
{
	uint64_t data = 0x00cf93000000ffff;
	unsigned selector = GDT_FREE * 8;

	gdt[GDT_FREE] = data & ~(1ul << 47);		/* not present */
	gdt[GDT_FREE + 1] = data | 3ul << 45;		/* DPL 3 */
	check("not-present DS", TRY("mov %0, %%ds", :: "r"(selector) : "memory"), NP, selector, true);
	check("not-present GS", TRY("mov %0, %%gs", :: "r"(selector) : "memory"), NP, selector, true);
	check("not-present SS", TRY("mov %0, %%ss", :: "r"(selector) : "memory"), SS, selector, true);
	check("SS of another DPL", TRY("mov %0, %%ss", :: "r"(selector + 8) : "memory"), GP,
	      selector + 8, true);
	check("beyond the GDT", TRY("mov %0, %%ds", :: "r"(0x1000) : "memory"), GP, 0x1000, true);
	check("no LDT", TRY("mov %0, %%ds", :: "r"(0xc) : "memory"), GP, 0xc, true);
	check("code segment as SS", TRY("mov %0, %%ss", :: "r"(KERNEL_CS) : "memory"), GP, KERNEL_CS, true);
	check("mov to %cs", TRY(".byte 0x8e, 0xc8", ::: "memory"), UD, 0, true);
	check("int beyond the IDT", ({
		struct table_pointer old, cut;

		__asm__ volatile("sidt %0" : "=m"(old));
		cut = old;
		cut.limit = 0x80 * 16 - 1;
		__asm__ volatile("lidt %0" :: "m"(cut));
		int v = TRY("int $0x90", ::: "memory");
		__asm__ volatile("lidt %0" :: "m"(old));
		v; }), GP, trap_gate_error(0x90), true);
	idt[0x91].low &= ~(1ul << 47);
	check("not-present gate", TRY("int $0x91", ::: "memory"), NP, trap_gate_error(0x91), true);
	trap_set_gate(0x91, 0, 14, 0, 0);
}

static void paging(void)
{
	volatile uint8_t *p = (void *)TEST_BASE;
	uint64_t pa = page_alloc();

	check("read of nothing", try_read(p), PF, 0, true);
	expect_equal(trap_last.cr2, p);
	check("write to nothing", try_write(p + 5), PF, PF_W, true);
	expect_equal(trap_last.cr2, p + 5);
	page_map((uint64_t)p, pa, PTE_P);
	check("write to read-only", try_write(p + 7), PF, PF_P | PF_W, true);
	expect_equal(trap_last.cr2, p + 7);
	*page_entry((uint64_t)p, 1) = pa | PTE_P | PTE_W | PTE_NX;
	cpu_invlpg((uint64_t)p);
	expect_equal(try_execute(p), PF);
	expect_equal(trap_last.error, PF_P | PF_I);
	expect_equal(trap_last.rip, p);
	expect_equal(trap_last.cr2, p);
	expect_equal(try_execute(p + 0x5000), PF);
	expect_equal(trap_last.error, PF_I, "NXE is set, so a fetch says so");
}

static void numeric(void)
{
	uint32_t mxcsr = 0x1f80 & ~0x200u, old = 0x1f80;	/* divide-by-zero unmasked */
	uint16_t control = 0x037f & ~4u;
	uint32_t one = 0x3f800000, zero = 0;
	uint64_t cr0 = cr0_read();

	__asm__ volatile("ldmxcsr %0" :: "m"(mxcsr));
	check_but_tcg("no #XM", "divss by zero", TRY_IN("movss %0, %%xmm0", "divss %1, %%xmm0", "", :: "m"(one), "m"(zero)
				      : "memory"), XM, 0, true);
	__asm__ volatile("ldmxcsr %0" :: "m"(old));

	__asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp" :: "m"(control));
	check("fwait after 1/0", TRY("fwait", ::: "memory"), MF, 0, true);
	__asm__ volatile("fnclex; fninit");

	cr0_write(cr0 | CR0_TS);
	check("fld with TS", TRY("fld1", ::: "memory"), NM, 0, true);
	check("movaps with TS", TRY("movaps %%xmm0, %%xmm1", ::: "memory"), NM, 0, true);
	check("fwait with TS and MP", TRY("fwait", ::: "memory"), NM, 0, true);
	__asm__ volatile("clts");
	check("after clts", TRY("movaps %%xmm0, %%xmm1", ::: "memory"), TRAP_NONE, 0, true);
	cr0_write(cr0 | CR0_EM);
	check("fld with EM", TRY("fld1", ::: "memory"), NM, 0, true);
	check("movaps with EM", TRY("movaps %%xmm0, %%xmm1", ::: "memory"), UD, 0, true);
	cr0_write(cr0);
}

void test_main(void)
{
	arithmetic();
	software();
	protection();
	segments();
	paging();
	numeric();
}
