// SPDX-License-Identifier: MIT
/*
 * A hypercall changes RAX and nothing else of the processor: beside what every case checks (general
 * registers, flags, XMM), control and debug registers, segments, their bases, x87 and MXCSR, and
 * the upper halves of YMM; for every call, refused and done.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(0, 0);
CASE_MACHINE("--disk null=64M,device=pv");

struct state {
	uint64_t cr0, cr2, cr3, cr4, cr8, dr6, dr7, fs_base, gs_base, kernel_gs_base, efer, star, lstar;
	uint16_t cs, ds, es, fs, gs, ss, ldt, tr;
	struct table_pointer gdt, idt;
	uint32_t mxcsr;
	uint16_t fcw, fsw;
	uint8_t ymm[16][32] __attribute__((aligned(32)));
};

static bool avx;
static uint64_t pa;

static void state_read(struct state *s)
{
	memset(s, 0, sizeof(*s));
	s->cr0 = cr0_read();
	s->cr2 = cr2_read();
	s->cr3 = cr3_read();
	s->cr4 = cr4_read();
	s->cr8 = cr8_read();
	s->dr6 = dr6_read();
	s->dr7 = dr7_read();
	s->fs_base = msr_read(MSR_FS_BASE);
	s->gs_base = msr_read(MSR_GS_BASE);
	s->kernel_gs_base = msr_read(MSR_KERNEL_GS_BASE);
	s->efer = msr_read(MSR_EFER);
	s->star = msr_read(MSR_STAR);
	s->lstar = msr_read(MSR_LSTAR);
	__asm__ volatile("mov %%cs, %0; mov %%ds, %1; mov %%es, %2; mov %%fs, %3; mov %%gs, %4; mov %%ss, %5"
			 : "=m"(s->cs), "=m"(s->ds), "=m"(s->es), "=m"(s->fs), "=m"(s->gs), "=m"(s->ss));
	__asm__ volatile("sldt %0; str %1; sgdt %2; sidt %3; stmxcsr %4; fnstcw %5; fnstsw %6"
			 : "=m"(s->ldt), "=m"(s->tr), "=m"(s->gdt), "=m"(s->idt), "=m"(s->mxcsr),
			   "=m"(s->fcw), "=m"(s->fsw));
#define YMM(n) __asm__ volatile("vmovdqu %%ymm" #n ", %0" : "=m"(s->ymm[n]))
	if (avx) {
		YMM(0); YMM(1); YMM(2); YMM(3); YMM(4); YMM(5); YMM(6); YMM(7);
		YMM(8); YMM(9); YMM(10); YMM(11); YMM(12); YMM(13); YMM(14); YMM(15);
	}
#undef YMM
}

/* The upper halves hold something; the lower ones are case_call()'s. */
static void ymm_fill(void)
{
	static uint8_t junk[32] __attribute__((aligned(32)));

	for (unsigned i = 0; i < 32; i++)
		junk[i] = (uint8_t)(i * 37 + 1);
#define YMM(n) __asm__ volatile("vmovdqu %0, %%ymm" #n :: "m"(junk))
	if (avx) {
		YMM(0); YMM(1); YMM(2); YMM(3); YMM(4); YMM(5); YMM(6); YMM(7);
		YMM(8); YMM(9); YMM(10); YMM(11); YMM(12); YMM(13); YMM(14); YMM(15);
	}
#undef YMM
}

static void same(const struct state *a, const struct state *b, const char *call)
{
#define SAME(field) expect(!memcmp(&a->field, &b->field, sizeof(a->field)), "%s changed " #field, call)
	SAME(cr0); SAME(cr2); SAME(cr3); SAME(cr4); SAME(cr8); SAME(dr6); SAME(dr7);
	SAME(fs_base); SAME(gs_base); SAME(kernel_gs_base); SAME(efer); SAME(star); SAME(lstar);
	SAME(cs); SAME(ds); SAME(es); SAME(fs); SAME(gs); SAME(ss); SAME(ldt); SAME(tr);
	SAME(gdt); SAME(idt); SAME(mxcsr); SAME(fcw); SAME(fsw);
	for (unsigned i = 0; i < 16; i++)
		expect(!memcmp(a->ymm[i] + 16, b->ymm[i] + 16, 16), "%s changed YMM%u", call, i);
}

static void one(uint64_t number, const uint64_t *args)
{
	struct state before, after;
	const char *name = number < CASE_CALLS && case_calls[number].known ? case_calls[number].name : "none";

	ymm_fill();
	state_read(&before);
	case_call(number, args, 6);
	state_read(&after);
	same(&before, &after, name);
}

static void processor_prepare(void)
{
	uint32_t mxcsr = 0x1f80 | 3u << 13;
	uint16_t fcw = 0x027f;

	cr2_write(0x123456789000);
	msr_write(MSR_FS_BASE, 0x7000);
	msr_write(MSR_KERNEL_GS_BASE, 0xffff900000001000);
	__asm__ volatile("fninit; fldcw %1; ldmxcsr %0" :: "m"(mxcsr), "m"(fcw));
	avx = cpu_has_avx() && cpu_has_xsave();
	if (avx) {
		cr4_write(cr4_read() | CR4_OSXSAVE);
		__asm__ volatile("xsetbv" :: "c"(0), "a"(7), "d"(0));
	}
}

void test_main(void)
{
	struct ring3_multicall *calls;

	case_begin();
	pa = page_alloc();
	calls = phys_to_virt(pa);
	*(uint32_t *)calls = 24;
	processor_prepare();
	for (uint64_t n = 0; n < CASE_CALLS; n++) {
		if (n == RING3_CALL_SHUTDOWN || n == RING3_CALL_MMU_LOAD)
			continue;
		one(n, (uint64_t[6]){ ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul });
		if (n == RING3_CALL_HALT)
			continue;
		one(n, (uint64_t[6]){ 0 });
		one(n, (uint64_t[6]){ pa, 0 });
		one(n, (uint64_t[6]){ 0, pa });
		one(n, (uint64_t[6]){ 0, 0, pa });
	}
	if (case_call_exists(RING3_CALL_MMU_LOAD))
		one(RING3_CALL_MMU_LOAD, (uint64_t[6]){ cr3_read(), 0 });
	one(~0ul, (uint64_t[6]){ 0 });
}
