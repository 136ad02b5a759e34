// SPDX-License-Identifier: MIT
/*
 * State dumps: page walks of every paging mode, entries absent or outside RAM,
 * code and stack that cannot be read, and no side effects on page tables.
 */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "debug/dump.h"
#include "memory/ram.h"

struct collector {
	struct report report;
	char text[16384];
};

static struct collector out;
static struct vcpu vcpu;

static void collect(struct report *report, const char *text)
{
	struct collector *c = (struct collector *)report;

	ck_assert_uint_lt(strlen(c->text) + strlen(text) + 2, sizeof(c->text));
	strcat(c->text, text);
	strcat(c->text, "\n");
}

static void put64(uint64_t at, uint64_t value)
{
	ck_assert(ram_write(GPA(at), &value, 8));
}

static void put32(uint64_t at, uint32_t value)
{
	ck_assert(ram_write(GPA(at), &value, 4));
}

static void setup(void)
{
	ck_assert_int_eq(ram_init(2 * MIB), 0);
	out = (struct collector){ .report = { collect } };
	memset(&vcpu, 0, sizeof(vcpu));
}

static const char *walk(uint64_t addr)
{
	out.text[0] = '\0';
	dump_walk(&out.report, &vcpu, GVA(addr));
	return out.text;
}

#define SAYS(text, part)	ck_assert_msg(strstr(text, part), "no \"%s\" in:\n%s", part, text)

START_TEST(walk_long_mode)
{
	uint64_t pte;

	vcpu.cr0 = CR0_PE | CR0_PG;
	vcpu.cr4 = CR4_PAE;
	vcpu.efer = EFER_LME | EFER_LMA;
	vcpu.cr3 = 0x10000;
	put64(0x10000 + 511 * 8, 0x11003);
	put64(0x11000 + 510 * 8, 0x12003);
	put64(0x12000 + 8 * 8, 0x1e3);			/* 2 MiB */
	put64(0x12000 + 9 * 8, 0x13003);
	put64(0x13000, 0x8000000000005007);
	put64(0x12000 + 10 * 8, 0x7f000003);		/* table outside RAM */
	SAYS(walk(0xffffffff81000123), "-> gpa 123, page of 2048 KiB");
	SAYS(walk(0xffffffff81200042), "-> gpa 5042, page of 4 KiB");
	SAYS(out.text, "pt[0] at gpa 13000: 8000000000005007 P W U NX");
	SAYS(walk(0xffffffff81201000), "pt[1] at gpa 13008: 0000000000000000 absent");
	SAYS(walk(0xffffffff81400000), "not in RAM");
	SAYS(walk(0x800000000000), "not canonical");
	SAYS(walk(0), "pml4[0] at gpa 10000: 0000000000000000 absent");
	ram_read(GPA(0x13000), &pte, 8);
	ck_assert_uint_eq(pte, 0x8000000000005007);	/* no A bit appeared */
}
END_TEST

START_TEST(walk_32bit)
{
	vcpu.cr0 = CR0_PE | CR0_PG;
	vcpu.cr4 = CR4_PSE;
	vcpu.cr3 = 0x10000;
	put32(0x10000 + 768 * 4, 0x11003);
	put32(0x10000 + 769 * 4, 0x000000e3);
	put32(0x11000 + 4, 0x6003);
	SAYS(walk(0xc0001abc), "-> gpa 6abc, page of 4 KiB");
	SAYS(walk(0xc0400abc), "-> gpa abc, page of 4096 KiB");
	SAYS(walk(0), "absent");
}
END_TEST

START_TEST(walk_pae)
{
	vcpu.cr0 = CR0_PE | CR0_PG;
	vcpu.cr4 = CR4_PAE;
	vcpu.cr3 = 0x10000;
	vcpu.pdpte[3] = 0x12001;
	put64(0x12000, 0x13003);
	put64(0x13000 + 8, 0x7003);
	SAYS(walk(0xc0001abc), "-> gpa 7abc, page of 4 KiB");
	SAYS(walk(0), "pdpte[0]");
}
END_TEST

START_TEST(code_and_stack)
{
	static const uint8_t code[] = { 0x0f, 0x01, 0xf8, 0xf4, 0x06 };	/* swapgs; hlt; (bad) */

	vcpu.cr0 = CR0_PE | CR0_PG;
	vcpu.cr4 = CR4_PAE;
	vcpu.efer = EFER_LME | EFER_LMA;
	vcpu.cr3 = 0x10000;
	put64(0x10000, 0x11003);
	put64(0x11000, 0x12003);
	put64(0x12000, 0x83);
	vcpu.seg[SEG_CS].attr = SEG_ATTR_L | SEG_ATTR_P;
	vcpu.rip = 0x1ffffb;
	vcpu.regs[REG_RSP] = 0x7000;
	put64(0x7008, 0x1234567890abcdef);
	ck_assert(ram_write(GPA(vcpu.rip), code, sizeof(code)));
	dump_code(&out.report, &vcpu, GVA(vcpu.rip), 6);
	SAYS(out.text, "00000000001ffffb  0f01f8  swapgs");
	SAYS(out.text, "hlt");
	SAYS(out.text, "(bad)");
	SAYS(out.text, "0000000000200000  cannot be read");
	dump_stack(&out.report, &vcpu);
	SAYS(out.text, "0000000000007000: 0000000000000000 1234567890abcdef");
}
END_TEST

START_TEST(modes_and_exception)
{
	vcpu.cr0 = 0;
	dump_registers(&out.report, &vcpu);
	SAYS(out.text, "real mode");
	vcpu.cr0 = CR0_PE;
	vcpu.halted = true;
	vcpu_raise_pf(&vcpu, GVA(0xdead), 2);
	dump_registers(&out.report, &vcpu);
	SAYS(out.text, "16-bit protected mode, halted");
	SAYS(out.text, "exception to deliver: vector 14  error 2  cr2 dead");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dump");
	TCase *tc = tcase_create("dump");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, walk_long_mode);
	tcase_add_test(tc, walk_32bit);
	tcase_add_test(tc, walk_pae);
	tcase_add_test(tc, code_and_stack);
	tcase_add_test(tc, modes_and_exception);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
