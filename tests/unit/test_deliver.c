// SPDX-License-Identifier: MIT
/*
 * Event delivery and the ways back, in the modes the guest suite does not reach
 * by itself: real mode, 16- and 32-bit gates, inner stacks by the TSS,
 * virtual-8086, nested faults; and the exact frames of long mode.
 */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "emulate/deliver.h"
#include "emulate/emulate.h"
#include "machine/cpuid.h"
#include "memory/access.h"
#include "memory/ram.h"

#define GDT	0x1000u
#define IDT	0x2000u
#define TSS	0x3000u
#define TABLES	0x4000u		/* three pages: identity map of 2 MiB */
#define CODE	0x8000u
#define STACK	0x20000u
#define INNER	0x30000u
#define HANDLER	0x9000u

/* Selectors */
#define CODE0	0x08
#define DATA0	0x10
#define CODE3	0x1b
#define DATA3	0x23
#define CODE64	0x28
#define CODE64_3 0x33
#define TR	0x40

static struct vcpu vcpu;
static uint8_t *const ram = (uint8_t *)LAYOUT_RAM;

static void put(uint64_t at, uint64_t value, unsigned size)
{
	memcpy(ram + at, &value, size);
}

static uint64_t get(uint64_t at, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, ram + at, size);
	return value;
}

static void code_put(const char *bytes, unsigned n)
{
	memcpy(ram + CODE, bytes, n);
}
#define code(bytes)	code_put(bytes, sizeof(bytes) - 1)

static void gdt_set(unsigned selector, uint64_t value)
{
	put(GDT + (selector & ~7u), value, 8);
}

static void gate32(unsigned vector, unsigned selector, uint32_t offset, unsigned type, unsigned dpl)
{
	put(IDT + 8 * vector, (offset & 0xffff) | (uint64_t)selector << 16 |
	    (uint64_t)(0x80 | dpl << 5 | type) << 40 | (uint64_t)(offset >> 16) << 48, 8);
}

static void gate64(unsigned vector, unsigned selector, uint64_t offset, unsigned ist, unsigned dpl)
{
	put(IDT + 16 * vector, (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)ist << 32 |
	    (uint64_t)(0x8e | dpl << 5) << 40 | (offset >> 16 & 0xffff) << 48, 8);
	put(IDT + 16 * vector + 8, offset >> 32, 8);
}

static void common(void)
{
	memset(ram, 0, 0x40000);
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu_reset(&vcpu);
	access_flush(&vcpu);
	gdt_set(CODE0, 0x00cf9b000000ffff);
	gdt_set(DATA0, 0x00cf93000000ffff);
	gdt_set(CODE3, 0x00cffb000000ffff);
	gdt_set(DATA3, 0x00cff3000000ffff);
	gdt_set(CODE64, 0x00af9b000000ffff);
	gdt_set(CODE64_3, 0x00affb000000ffff);
	vcpu.gdtr = (struct vcpu_table){ GDT, 0x7f };
	vcpu.idtr = (struct vcpu_table){ IDT, 0xfff };
	vcpu.rip = CODE;
	vcpu.regs[REG_RSP] = STACK;
	vcpu.rflags = RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF;
	vcpu.seg[SEG_TR] = (struct vcpu_segment){ .selector = TR, .attr = 0x8b, .limit = 0x67,
						  .base = TSS };
}

static void segment(enum vcpu_seg seg, unsigned selector, unsigned attr)
{
	vcpu.seg[seg] = (struct vcpu_segment){ .selector = (uint16_t)selector,
		.attr = (uint16_t)attr, .limit = 0xffffffff };
}

static void real_mode(void)
{
	common();
	for (int i = 0; i < SEG_LDTR; i++)
		vcpu.seg[i] = (struct vcpu_segment){ .attr = 0x93, .limit = 0xffff };
	vcpu.seg[SEG_SS].base = 0x10000;
	vcpu.seg[SEG_SS].selector = 0x1000;
	vcpu.regs[REG_RSP] = 0x100;
	vcpu.idtr = (struct vcpu_table){ 0, 0x3ff };
}

static void protected_mode(unsigned cpl)
{
	common();
	vcpu.cr0 = CR0_PE | CR0_ET | CR0_NE;
	vcpu.cpl = (uint8_t)cpl;
	segment(SEG_CS, cpl ? CODE3 : CODE0, 0xc09b | cpl << 5);
	for (int i = 0; i < SEG_LDTR; i++)
		if (i != SEG_CS)
			segment((enum vcpu_seg)i, cpl ? DATA3 : DATA0, 0xc093 | cpl << 5);
	put(TSS + 4, INNER, 4);
	put(TSS + 8, DATA0, 2);
}

static void long_mode(unsigned cpl)
{
	protected_mode(cpl);
	put(TABLES, (TABLES + 0x1000) | 7, 8);
	put(TABLES + 0x1000, (TABLES + 0x2000) | 7, 8);
	put(TABLES + 0x2000, 0x87, 8);
	vcpu.cr0 |= CR0_PG | CR0_WP;
	vcpu.cr4 = CR4_PAE;
	vcpu.cr3 = TABLES;
	vcpu.efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
	segment(SEG_CS, cpl ? CODE64_3 : CODE64, 0xa09b | cpl << 5);
	memset(ram + TSS, 0, 0x68);
	put(TSS + 4, INNER + 5, 8);		/* to see it aligned */
	put(TSS + 0x24, INNER + 0x1000, 8);	/* IST 1 */
}

START_TEST(real_mode_interrupt_and_back)
{
	real_mode();
	put(4 * 0x21, 0x12345678, 4);
	ck_assert(deliver_interrupt(&vcpu, 0x21));
	ck_assert_uint_eq(vcpu.rip, 0x5678);
	ck_assert_uint_eq(vcpu.seg[SEG_CS].selector, 0x1234);
	ck_assert_uint_eq(vcpu.seg[SEG_CS].base, 0x12340);
	ck_assert_uint_eq(vcpu.regs[REG_RSP], 0x100 - 6);
	ck_assert_uint_eq(get(0x100fa, 2), CODE);
	ck_assert_uint_eq(get(0x100fe, 2), RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF);
	ck_assert(!(vcpu.rflags & RFLAGS_IF));
	ck_assert_int_eq(deliver_iret_any(&vcpu, 2), EMULATE_OK);
	ck_assert_uint_eq(vcpu.rip, CODE);
	ck_assert_uint_eq(vcpu.seg[SEG_CS].base, 0);
	ck_assert(vcpu.rflags & RFLAGS_IF);
}
END_TEST

START_TEST(real_mode_table_too_short_shuts_down)
{
	real_mode();
	vcpu.idtr.limit = 3;
	vcpu_raise(&vcpu, VEC_UD);
	ck_assert(!deliver_exception(&vcpu));
	ck_assert_uint_eq(vcpu.rip, CODE);
}
END_TEST

START_TEST(protected_inner_stack_with_error_code)
{
	protected_mode(3);
	gate32(VEC_GP, CODE0, HANDLER, 0xe, 0);
	vcpu_raise_error(&vcpu, VEC_GP, 0x1234);
	ck_assert(deliver_exception(&vcpu));
	ck_assert_uint_eq(vcpu.cpl, 0);
	ck_assert_uint_eq(vcpu.rip, HANDLER);
	ck_assert_uint_eq(vcpu.regs[REG_RSP], INNER - 24);
	ck_assert_uint_eq(vcpu.seg[SEG_SS].selector, DATA0);
	ck_assert_uint_eq(get(INNER - 24, 4), 0x1234);
	ck_assert_uint_eq(get(INNER - 20, 4), CODE);
	ck_assert_uint_eq(get(INNER - 16, 4), CODE3);
	ck_assert_uint_eq(get(INNER - 12, 4),
			  RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF | RFLAGS_RF);
	ck_assert_uint_eq(get(INNER - 8, 4), STACK);
	ck_assert_uint_eq(get(INNER - 4, 4), DATA3);
	vcpu.regs[REG_RSP] += 4;
	ck_assert_int_eq(deliver_iret_any(&vcpu, 4), EMULATE_OK);
	ck_assert_uint_eq(vcpu.cpl, 3);
	ck_assert_uint_eq(vcpu.rip, CODE);
	ck_assert_uint_eq(vcpu.regs[REG_RSP], STACK);
	ck_assert_uint_eq(vcpu.seg[SEG_CS].selector, CODE3);
}
END_TEST

START_TEST(protected_sixteen_bit_trap_gate)
{
	protected_mode(0);
	gate32(0x30, CODE0, HANDLER, 7, 0);
	ck_assert(deliver_interrupt(&vcpu, 0x30));
	ck_assert_uint_eq(vcpu.rip, HANDLER);
	ck_assert_uint_eq(vcpu.regs[REG_RSP], STACK - 6);
	ck_assert(vcpu.rflags & RFLAGS_IF);
	ck_assert_int_eq(deliver_iret_any(&vcpu, 2), EMULATE_OK);
	ck_assert_uint_eq(vcpu.rip, CODE);
	ck_assert_uint_eq(vcpu.regs[REG_RSP], STACK);
}
END_TEST

START_TEST(virtual_8086_and_back)
{
	uint32_t *f = (uint32_t *)(ram + STACK - 36);
	const uint32_t frame[9] = { 0x100, 0x800, RFLAGS_FIXED | RFLAGS_VM | RFLAGS_IF, 0x200,
				    0x1000, 0x11, 0x22, 0x33, 0x44 };

	protected_mode(0);
	memcpy(f, frame, sizeof(frame));
	vcpu.regs[REG_RSP] = STACK - 36;
	ck_assert_int_eq(deliver_iret_any(&vcpu, 4), EMULATE_OK);
	ck_assert_uint_eq(vcpu.cpl, 3);
	ck_assert(vcpu.rflags & RFLAGS_VM);
	ck_assert_uint_eq(vcpu.seg[SEG_CS].base, 0x8000);
	ck_assert_uint_eq(vcpu.seg[SEG_ES].selector, 0x11);
	ck_assert_uint_eq(vcpu.seg[SEG_GS].selector, 0x44);
	/* One instruction: mov ax, 5 in 16-bit form at 0800:0100. */
	memcpy(ram + 0x8100, "\xb8\x05\x00", 3);
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_OK);
	ck_assert_uint_eq(vcpu.regs[REG_RAX] & 0xffff, 5);
	ck_assert_uint_eq(vcpu.rip, 0x103);
	gate32(0x20, CODE0, HANDLER, 0xe, 0);
	ck_assert(deliver_interrupt(&vcpu, 0x20));
	ck_assert_uint_eq(vcpu.cpl, 0);
	ck_assert(!(vcpu.rflags & RFLAGS_VM));
	ck_assert_uint_eq(vcpu.regs[REG_RSP], INNER - 36);
	ck_assert_uint_eq(get(INNER - 36, 4), 0x103);
	ck_assert_uint_eq(get(INNER - 4, 4), 0x44);
	ck_assert_uint_eq(vcpu.seg[SEG_DS].attr, 0);
}
END_TEST

START_TEST(long_frame_is_aligned_and_exact)
{
	long_mode(3);
	gate64(VEC_GP, CODE64, HANDLER, 0, 0);
	vcpu_raise_error(&vcpu, VEC_GP, 0x55);
	ck_assert(deliver_exception(&vcpu));
	ck_assert_uint_eq(vcpu.regs[REG_RSP], INNER - 48);
	ck_assert_uint_eq(get(INNER - 48, 8), 0x55);
	ck_assert_uint_eq(get(INNER - 40, 8), CODE);
	ck_assert_uint_eq(get(INNER - 32, 8), CODE64_3);
	ck_assert_uint_eq(get(INNER - 24, 8), RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF | RFLAGS_RF);
	ck_assert_uint_eq(get(INNER - 16, 8), STACK);
	ck_assert_uint_eq(get(INNER - 8, 8), DATA3);
	ck_assert_uint_eq(vcpu.seg[SEG_SS].selector, 0);
	ck_assert_uint_eq(vcpu.cpl, 0);
	vcpu.regs[REG_RSP] += 8;
	ck_assert(deliver_iret(&vcpu));
	ck_assert_uint_eq(vcpu.rip, CODE);
	ck_assert_uint_eq(vcpu.cpl, 3);
	ck_assert_uint_eq(vcpu.regs[REG_RSP], STACK);
}
END_TEST

START_TEST(long_ist_and_nmi_blocking)
{
	long_mode(0);
	gate64(VEC_NMI, CODE64, HANDLER, 1, 0);
	ck_assert(deliver_interrupt(&vcpu, VEC_NMI));
	ck_assert(vcpu.nmi_blocked);
	ck_assert_uint_eq(vcpu.regs[REG_RSP], INNER + 0x1000 - 40);
	ck_assert(deliver_iret(&vcpu));
	ck_assert(!vcpu.nmi_blocked);
	ck_assert_uint_eq(vcpu.regs[REG_RSP], STACK);
}
END_TEST

START_TEST(long_page_fault_while_delivering_page_fault_is_double)
{
	long_mode(0);
	/* #PF's handler stack is not mapped; #DF has its own. */
	gate64(VEC_PF, CODE64, HANDLER, 2, 0);
	gate64(VEC_DF, CODE64, HANDLER + 0x100, 1, 0);
	put(TSS + 0x2c, 0x40000000, 8);
	vcpu_raise_pf(&vcpu, GVA(0x1234567), PF_W);
	ck_assert(deliver_exception(&vcpu));
	ck_assert_uint_eq(vcpu.rip, HANDLER + 0x100);
	ck_assert_uint_eq(get(vcpu.regs[REG_RSP], 8), 0);
	ck_assert_uint_eq(vcpu.cr2, 0x40000000 - 8);	/* the first push */
	/* And without a #DF handler: shutdown, state as it was. */
	long_mode(0);
	gate64(VEC_PF, CODE64, HANDLER, 2, 0);
	put(TSS + 0x2c, 0x40000000, 8);
	vcpu_raise_pf(&vcpu, GVA(0x1234567), PF_W);
	ck_assert(!deliver_exception(&vcpu));
	ck_assert_uint_eq(vcpu.rip, CODE);
	ck_assert_uint_eq(vcpu.regs[REG_RSP], STACK);
}
END_TEST

START_TEST(long_software_interrupt_needs_gate_privilege)
{
	long_mode(3);
	gate64(0x80, CODE64, HANDLER, 0, 0);
	code("\xcd\x80");
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_EXCEPTION);
	ck_assert_uint_eq(vcpu.exception.vector, VEC_GP);
	ck_assert_uint_eq(vcpu.exception.error, 0x80 * 8 + 2);
	ck_assert_uint_eq(vcpu.rip, CODE);
	gate64(0x80, CODE64, HANDLER, 0, 3);
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_OK);
	ck_assert_uint_eq(vcpu.rip, HANDLER);
	ck_assert_uint_eq(get(vcpu.regs[REG_RSP], 8), CODE + 2);
}
END_TEST

START_TEST(syscall_and_sysret)
{
	long_mode(3);
	vcpu.star = (uint64_t)CODE64 << 32 | (uint64_t)(CODE64_3 - 16) << 48;
	vcpu.lstar = HANDLER;
	vcpu.sfmask = RFLAGS_IF;
	code("\x0f\x05");
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_OK);
	ck_assert_uint_eq(vcpu.rip, HANDLER);
	ck_assert_uint_eq(vcpu.cpl, 0);
	ck_assert_uint_eq(vcpu.regs[REG_RCX], CODE + 2);
	ck_assert_uint_eq(vcpu.regs[REG_R11], RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF);
	ck_assert(!(vcpu.rflags & RFLAGS_IF));
	ck_assert(deliver_sysret(&vcpu, true));
	ck_assert_uint_eq(vcpu.rip, CODE + 2);
	ck_assert_uint_eq(vcpu.cpl, 3);
	ck_assert_uint_eq(vcpu.seg[SEG_CS].selector, CODE64_3);
	ck_assert(vcpu.rflags & RFLAGS_IF);
	vcpu.cpl = 0;
	vcpu.regs[REG_RCX] = 1ul << 48;
	ck_assert(!deliver_sysret(&vcpu, true));
	ck_assert_uint_eq(vcpu.exception.vector, VEC_GP);
}
END_TEST

START_TEST(call_gate_to_inner_ring)
{
	protected_mode(3);
	/* Gate at 0x48: CODE0:HANDLER, two parameters. */
	gdt_set(0x48, (uint64_t)(HANDLER & 0xffff) | (uint64_t)CODE0 << 16 | 2ul << 32 |
		0xecul << 40);
	put(STACK, 0x11111111, 4);
	put(STACK + 4, 0x22222222, 4);
	code("\x9a\x00\x00\x00\x00\x48\x00");
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_OK);
	ck_assert_uint_eq(vcpu.cpl, 0);
	ck_assert_uint_eq(vcpu.rip, HANDLER);
	ck_assert_uint_eq(vcpu.regs[REG_RSP], INNER - 24);
	ck_assert_uint_eq(get(INNER - 24, 4), CODE + 7);
	ck_assert_uint_eq(get(INNER - 16, 4), 0x11111111);
	ck_assert_uint_eq(get(INNER - 12, 4), 0x22222222);
	ck_assert_uint_eq(get(INNER - 8, 4), STACK);
	memcpy(ram + HANDLER, "\xca\x08\x00", 3);	/* retf 8 */
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_OK);
	ck_assert_uint_eq(vcpu.cpl, 3);
	ck_assert_uint_eq(vcpu.regs[REG_RSP], STACK + 8);
}
END_TEST

START_TEST(single_step_trap_comes_after)
{
	long_mode(0);
	vcpu.rflags |= RFLAGS_TF;
	code("\x90\x90");
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_EXCEPTION);
	ck_assert_uint_eq(vcpu.exception.vector, VEC_DB);
	ck_assert_uint_eq(vcpu.exception.dr6, 1 << 14);
	ck_assert_uint_eq(vcpu.rip, CODE + 1);
}
END_TEST

START_TEST(sti_and_mov_ss_shadows)
{
	long_mode(0);
	vcpu.rflags &= ~(uint64_t)RFLAGS_IF;
	vcpu.regs[REG_RAX] = DATA0;
	code("\xfb\x8e\xd0\x90");
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_OK);
	ck_assert(vcpu.interrupt_shadow);
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_OK);
	ck_assert(vcpu.interrupt_shadow);
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_OK);
	ck_assert(!vcpu.interrupt_shadow);
}
END_TEST

START_TEST(from_real_mode_to_long_mode)
{
	/* lgdt; cr0.pe; far jump; cr4, cr3, efer, cr0.pg; far jump to 64-bit code. */
	static const char start[] =
		"\x0f\x01\x16\x00\x70"			/* lgdt [0x7000] */
		"\x0f\x20\xc0\x66\x83\xc8\x01\x0f\x22\xc0"	/* or cr0, 1 */
		"\x66\xea\x00\x81\x00\x00\x08\x00";	/* jmp 8:0x8100 */
	static const char middle[] =
		"\xb8\x10\x00\x00\x00\x8e\xd8\x8e\xd0"	/* ds, ss = 0x10 */
		"\x0f\x20\xe0\x83\xc8\x20\x0f\x22\xe0"	/* cr4.pae */
		"\xb8\x00\x40\x00\x00\x0f\x22\xd8"	/* cr3 = TABLES */
		"\xb9\x80\x00\x00\xc0\x0f\x32\x0d\x00\x01\x00\x00\x0f\x30"	/* efer.lme */
		"\x0f\x20\xc0\x0d\x00\x00\x00\x80\x0f\x22\xc0"	/* cr0.pg */
		"\xea\x00\x82\x00\x00\x28\x00";		/* jmp 0x28:0x8200 */
	static const char end[] = "\x48\xb8\x88\x77\x66\x55\x44\x33\x22\x11\xf4";
	enum emulate_result result = EMULATE_OK;

	real_mode();
	put(TABLES, (TABLES + 0x1000) | 7, 8);
	put(TABLES + 0x1000, (TABLES + 0x2000) | 7, 8);
	put(TABLES + 0x2000, 0x87, 8);
	put(0x7000, 0x7f, 2);
	put(0x7002, GDT, 4);
	memcpy(ram + CODE, start, sizeof(start) - 1);
	memcpy(ram + 0x8100, middle, sizeof(middle) - 1);
	memcpy(ram + 0x8200, end, sizeof(end) - 1);
	for (int i = 0; i < 40 && result == EMULATE_OK; i++)
		result = emulate_step(&vcpu);
	ck_assert_int_eq(result, EMULATE_HALT);
	ck_assert(vcpu_64bit_code(&vcpu));
	ck_assert_uint_eq(vcpu.regs[REG_RAX], 0x1122334455667788);
	ck_assert(vcpu.halted);
}
END_TEST

START_TEST(io_bitmap_decides_at_cpl3)
{
	long_mode(3);
	put(TSS + 0x66, 0x68, 2);
	vcpu.seg[SEG_TR].limit = 0x68 + 0x20;
	memset(ram + TSS + 0x68, 0xff, 0x21);
	ram[TSS + 0x68 + 0x10] = 0xfe;		/* port 0x80 allowed */
	code("\xe6\x80\xe6\x81");
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_OK);
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_EXCEPTION);
	ck_assert_uint_eq(vcpu.exception.vector, VEC_GP);
	ck_assert_uint_eq(vcpu.rip, CODE + 2);
}
END_TEST

START_TEST(rep_keeps_its_progress_at_a_fault)
{
	long_mode(0);
	vcpu.regs[REG_RDI] = 0x200000 - 0x10;	/* nothing behind 2 MiB */
	vcpu.regs[REG_RCX] = 0x40;
	vcpu.regs[REG_RAX] = 0x5a;
	code("\xf3\xaa");
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_OK);
	ck_assert_uint_eq(vcpu.rip, CODE);
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_EXCEPTION);
	ck_assert_uint_eq(vcpu.exception.vector, VEC_PF);
	ck_assert_uint_eq(vcpu.exception.cr2, 0x200000);
	ck_assert_uint_eq(vcpu.regs[REG_RCX], 0x30);
	ck_assert_uint_eq(vcpu.regs[REG_RDI], 0x200000);
	ck_assert_uint_eq(ram[0x1fffff], 0x5a);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("deliver");
	TCase *tc = tcase_create("deliver");
	const char *missing;

	if (arena_init() || clock_init() || ram_init(4 * MIB) || cpuid_init(&missing))
		return EXIT_FAILURE;
	tcase_add_test(tc, real_mode_interrupt_and_back);
	tcase_add_test(tc, real_mode_table_too_short_shuts_down);
	tcase_add_test(tc, protected_inner_stack_with_error_code);
	tcase_add_test(tc, protected_sixteen_bit_trap_gate);
	tcase_add_test(tc, virtual_8086_and_back);
	tcase_add_test(tc, long_frame_is_aligned_and_exact);
	tcase_add_test(tc, long_ist_and_nmi_blocking);
	tcase_add_test(tc, long_page_fault_while_delivering_page_fault_is_double);
	tcase_add_test(tc, long_software_interrupt_needs_gate_privilege);
	tcase_add_test(tc, syscall_and_sysret);
	tcase_add_test(tc, call_gate_to_inner_ring);
	tcase_add_test(tc, single_step_trap_comes_after);
	tcase_add_test(tc, sti_and_mov_ss_shadows);
	tcase_add_test(tc, from_real_mode_to_long_mode);
	tcase_add_test(tc, io_bitmap_decides_at_cpl3);
	tcase_add_test(tc, rep_keeps_its_progress_at_a_fault);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
