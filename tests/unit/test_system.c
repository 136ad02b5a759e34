// SPDX-License-Identifier: MIT
/*
 * System registers: which values are refused, and what each accepted one does to
 * mode, translations and the pages of the KVM clock.
 */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "emulate/msr.h"
#include "emulate/system.h"
#include "machine/cpuid.h"
#include "machine/irq.h"
#include "machine/machine.h"
#include "memory/ram.h"

#define RAM	(16 * MIB)

/* The interrupt controllers come along; there is no vCPU loop to wake. */
__attribute__((weak)) void vcpu_kick(void) { }

static struct vcpu vcpu;
static struct { unsigned all, pcid, page, cr3, mode; bool keep, flush, global; uint64_t arg; } news;

static void on_all(struct vcpu *v, bool keep_global)
{
	(void)v;
	news.all++;
	news.keep = keep_global;
}

static void on_pcid(struct vcpu *v, unsigned pcid)
{
	(void)v;
	news.pcid++;
	news.arg = pcid;
}

static void on_page(struct vcpu *v, unsigned pcid, gva_t addr, bool global_too)
{
	(void)v;
	(void)addr;
	news.page++;
	news.arg = pcid;
	news.global = global_too;
}

static void on_cr3(struct vcpu *v, uint64_t old, bool flush)
{
	(void)v;
	news.cr3++;
	news.arg = old;
	news.flush = flush;
}

static void on_mode(struct vcpu *v)
{
	(void)v;
	news.mode++;
}

static const struct system_tlb_ops ops = {
	.flush_all = on_all, .flush_pcid = on_pcid, .flush_page = on_page, .load_cr3 = on_cr3,
	.mode_changed = on_mode,
};

static void setup(void)
{
	const char *missing = NULL;

	machine.config.pv = MACHINE_PV_KVM;
	if (cpuid_init(&missing))
		exit(77);
	vcpu_reset(&vcpu);
	memset(&news, 0, sizeof(news));
	system_tlb = &ops;
}

static void long_mode(void)
{
	ck_assert(system_write_cr0(&vcpu, CR0_PE));
	ck_assert(system_write_cr4(&vcpu, CR4_PAE));
	ck_assert(system_write_cr3(&vcpu, 0x1000));
	ck_assert(system_write_efer(&vcpu, EFER_LME | EFER_SCE));
	ck_assert(system_write_cr0(&vcpu, CR0_PE | CR0_PG));
	ck_assert(vcpu_long_mode(&vcpu));
	vcpu.seg[SEG_CS].attr |= SEG_ATTR_L;
	memset(&news, 0, sizeof(news));
}

static void is_gp(bool result)
{
	ck_assert(!result);
	ck_assert(vcpu.exception.valid && vcpu.exception.vector == VEC_GP && vcpu.exception.has_error);
	vcpu.exception.valid = false;
}

static void is_ud(bool result)
{
	ck_assert(!result);
	ck_assert(vcpu.exception.valid && vcpu.exception.vector == VEC_UD);
	vcpu.exception.valid = false;
}

START_TEST(reset_state)
{
	ck_assert_uint_eq(vcpu.rip, 0xfff0);
	ck_assert_uint_eq(vcpu.seg[SEG_CS].base, 0xffff0000);
	ck_assert_uint_eq(vcpu.rflags, 2);
	ck_assert_uint_eq(vcpu.cr0, 0x60000010);
	ck_assert_uint_eq(vcpu.dr7, 0x400);
	ck_assert_uint_eq(vcpu.xcr0, 1);
}
END_TEST

START_TEST(cr0_refuses)
{
	is_gp(system_write_cr0(&vcpu, 1ull << 32));
	is_gp(system_write_cr0(&vcpu, CR0_PG));
	is_gp(system_write_cr0(&vcpu, CR0_NW));
	/* Long mode needs PAE, and 64-bit code cannot leave it. */
	ck_assert(system_write_cr0(&vcpu, CR0_PE));
	ck_assert(system_write_efer(&vcpu, EFER_LME));
	is_gp(system_write_cr0(&vcpu, CR0_PE | CR0_PG));
	ck_assert_uint_eq(vcpu.cr0, CR0_PE | CR0_ET);
	long_mode();
	is_gp(system_write_cr0(&vcpu, CR0_PE));
	vcpu.seg[SEG_CS].attr &= (uint16_t)~SEG_ATTR_L;
	ck_assert(system_write_cr0(&vcpu, CR0_PE));
	ck_assert(!vcpu_long_mode(&vcpu));
	ck_assert(news.all && news.mode);
}
END_TEST

START_TEST(cr3_and_pcid)
{
	long_mode();
	is_gp(system_write_cr3(&vcpu, 1ull << 40));
	is_gp(system_write_cr3(&vcpu, 0x2000 | CR3_NOFLUSH));
	ck_assert(system_write_cr3(&vcpu, 0x2000));
	ck_assert(news.cr3 == 1 && news.flush && news.arg == 0x1000);

	ck_assert(system_write_cr3(&vcpu, 0x2001));
	is_gp(system_write_cr4(&vcpu, CR4_PAE | CR4_PCIDE));	/* CR3[11:0] not zero */
	ck_assert(system_write_cr3(&vcpu, 0x2000));
	ck_assert(system_write_cr4(&vcpu, CR4_PAE | CR4_PCIDE));
	ck_assert(system_write_cr3(&vcpu, 0x3005 | CR3_NOFLUSH));
	ck_assert(!news.flush);
	ck_assert_uint_eq(vcpu.cr3, 0x3005);
	is_gp(system_write_cr3(&vcpu, 0x3005 | 1ull << 62));

	ck_assert(system_invlpg(&vcpu, GVA(0x1000)));
	ck_assert(news.page == 1 && news.arg == 5 && news.global);
	news.page = 0;
	ck_assert(system_invlpg(&vcpu, GVA(1ull << 60)));
	ck_assert_uint_eq(news.page, 0);
}
END_TEST

START_TEST(cr4_rules)
{
	is_gp(system_write_cr4(&vcpu, CR4_LA57));
	is_gp(system_write_cr4(&vcpu, 1ull << 40));
	is_gp(system_write_cr4(&vcpu, CR4_PCIDE));	/* outside long mode */
	long_mode();
	is_gp(system_write_cr4(&vcpu, 0));		/* PAE must stay */
	ck_assert(system_write_cr4(&vcpu, CR4_PAE | CR4_PGE));
	ck_assert(news.all == 1 && !news.keep && news.mode == 1);
	ck_assert(system_write_cr4(&vcpu, CR4_PAE));
	ck_assert_uint_eq(news.all, 2);
	ck_assert(system_write_cr4(&vcpu, CR4_PAE | CR4_OSFXSR));
	ck_assert_uint_eq(news.all, 2);
}
END_TEST

START_TEST(pdptes)
{
	uint64_t table[4] = { 0x5001, 0, 0x6001, 1ull << 45 };

	ck_assert(ram_write(GPA(0x8020), table, sizeof(table)));
	ck_assert(system_write_cr0(&vcpu, CR0_PE));
	ck_assert(system_write_cr4(&vcpu, CR4_PAE));
	ck_assert(system_write_cr3(&vcpu, 0x8020));
	ck_assert(system_write_cr0(&vcpu, CR0_PE | CR0_PG));
	ck_assert(vcpu.pdpte[0] == 0x5001 && vcpu.pdpte[2] == 0x6001);
	ck_assert(!vcpu_long_mode(&vcpu));

	table[1] = 0x7003;	/* W is reserved in a PDPTE */
	ck_assert(ram_write(GPA(0x8020), table, sizeof(table)));
	is_gp(system_write_cr3(&vcpu, 0x8020));
	ck_assert_uint_eq(vcpu.pdpte[1], 0);
	is_gp(system_write_cr3(&vcpu, 0xfee00000));	/* not RAM */
}
END_TEST

START_TEST(efer)
{
	is_gp(system_write_efer(&vcpu, 1u << 12));	/* SVME */
	long_mode();
	is_gp(system_write_efer(&vcpu, EFER_SCE));	/* LME while paging */
	ck_assert(system_write_msr(&vcpu, MSR_EFER, EFER_LME | EFER_NXE));
	ck_assert_uint_eq(news.mode, 1);
	ck_assert(vcpu_long_mode(&vcpu));
}
END_TEST

START_TEST(invpcid)
{
	uint64_t d[2] = { 7, 0x1000 };

	long_mode();
	is_gp(system_invpcid(&vcpu, 4, d));
	is_gp(system_invpcid(&vcpu, 0, d));	/* PCID without PCIDE */
	ck_assert(system_write_cr4(&vcpu, CR4_PAE | CR4_PCIDE));
	memset(&news, 0, sizeof(news));
	ck_assert(system_invpcid(&vcpu, 0, d));
	ck_assert(news.page == 1 && news.arg == 7 && !news.global);
	ck_assert(system_invpcid(&vcpu, 1, d));
	ck_assert(news.pcid == 1 && news.arg == 7);
	ck_assert(system_invpcid(&vcpu, 2, d));
	ck_assert(news.all == 1 && !news.keep);
	ck_assert(system_invpcid(&vcpu, 3, d));
	ck_assert(news.all == 2 && news.keep);
	d[1] = 1ull << 60;
	is_gp(system_invpcid(&vcpu, 0, d));
	d[0] = 0x1000;
	is_gp(system_invpcid(&vcpu, 2, d));
}
END_TEST

START_TEST(debug_registers)
{
	uint64_t value;

	ck_assert(system_write_dr(&vcpu, 7, ~0u));
	ck_assert(!system_read_dr(&vcpu, 7, &value));	/* GD */
	ck_assert(vcpu.exception.vector == VEC_DB && vcpu.exception.dr6 == 1u << 13);
	vcpu.dr7 = 0x400;
	vcpu.exception.valid = false;
	is_gp(system_write_dr(&vcpu, 7, 1ull << 32));
	is_gp(system_write_dr(&vcpu, 6, 1ull << 32));
	ck_assert(system_write_dr(&vcpu, 5, 0));
	ck_assert(system_read_dr(&vcpu, 7, &value) && value == 0x400);
	ck_assert(system_write_dr(&vcpu, 6, 0));
	ck_assert(system_read_dr(&vcpu, 4, &value) && value == 0xffff0ff0);
	ck_assert(system_write_cr4(&vcpu, CR4_DE));
	is_ud(system_read_dr(&vcpu, 4, &value));
	is_ud(system_read_dr(&vcpu, 8, &value));
	ck_assert(system_write_dr(&vcpu, 2, 0xffffffff81000000));
	ck_assert(system_read_dr(&vcpu, 2, &value) && value == 0xffffffff81000000);
}
END_TEST

START_TEST(xcr0)
{
	is_ud(system_set_xcr0(&vcpu, 0, 1));
	ck_assert(system_write_cr4(&vcpu, CR4_OSXSAVE));
	is_gp(system_set_xcr0(&vcpu, 1, 1));
	is_gp(system_set_xcr0(&vcpu, 0, 2));
	is_gp(system_set_xcr0(&vcpu, 0, 5));
	is_gp(system_set_xcr0(&vcpu, 0, 1 | 1ull << 9));
	is_gp(system_set_xcr0(&vcpu, 0, 0x27));
	ck_assert(system_set_xcr0(&vcpu, 0, cpuid_model.xcr0_mask));
}
END_TEST

START_TEST(cpuid_follows_state)
{
	uint32_t r[4];

	system_cpuid(&vcpu, 1, 0, r);
	ck_assert(!(r[2] >> 27 & 1));
	ck_assert(system_write_cr4(&vcpu, CR4_OSXSAVE));
	system_cpuid(&vcpu, 1, 0, r);
	ck_assert(r[2] >> 27 & 1);
	system_cpuid(&vcpu, 0xd, 0, r);
	ck_assert_uint_eq(r[1], 576);
	ck_assert(system_set_xcr0(&vcpu, 0, cpuid_model.xcr0_mask));
	system_cpuid(&vcpu, 0xd, 0, r);
	ck_assert_uint_eq(r[1], r[2]);
}
END_TEST

START_TEST(msrs)
{
	static const uint32_t canonical[] = { MSR_LSTAR, MSR_CSTAR, MSR_FS_BASE, MSR_GS_BASE,
					      MSR_KERNEL_GS_BASE, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP };
	uint64_t value;

	for (unsigned i = 0; i < array_size(canonical); i++) {
		uint64_t want = 0xffffffff81000000 + i;

		is_gp(system_write_msr(&vcpu, canonical[i], 1ull << 60));
		ck_assert(system_write_msr(&vcpu, canonical[i], want));
		ck_assert(system_read_msr(&vcpu, canonical[i], &value) && value == want);
	}
	ck_assert(vcpu.fast.gs_base[0] != vcpu.fast.gs_base[1]);
	is_gp(system_write_msr(&vcpu, MSR_PAT, 2));
	ck_assert(system_write_msr(&vcpu, MSR_PAT, 0x0407050600070106));
	is_gp(system_write_msr(&vcpu, MSR_MTRR_DEF_TYPE, 7));
	is_gp(system_write_msr(&vcpu, 0x200, 1ull << 41));
	ck_assert(system_read_msr(&vcpu, MSR_MTRR_CAP, &value) && (value & 0xff) == 8);
	is_gp(system_write_msr(&vcpu, MSR_MTRR_CAP, 0));
	is_gp(system_read_msr(&vcpu, 0xdeadbeef, &value));
	is_gp(system_write_msr(&vcpu, 0xdeadbeef, 0));
	is_gp(system_read_msr(&vcpu, 0xc1, &value));	/* no PMU */
	is_gp(system_read_msr(&vcpu, 0x400, &value));	/* no machine-check banks */
	ck_assert(system_read_msr(&vcpu, MSR_MCG_CAP, &value) && value == 0);
	if (cpuid_model.vendor == CPUID_AMD) {
		ck_assert(system_read_msr(&vcpu, MSR_AMD_HWCR, &value) && (value >> 24 & 1));
		is_gp(system_write_msr(&vcpu, MSR_SPEC_CTRL, 0));
	} else {
		ck_assert(system_write_msr(&vcpu, MSR_SPEC_CTRL, 1));
		is_gp(system_write_msr(&vcpu, MSR_SPEC_CTRL, 2));
		ck_assert(system_read_msr(&vcpu, MSR_ARCH_CAPABILITIES, &value) && (value & 1));
	}
	ck_assert(system_read_msr(&vcpu, MSR_TSC, &value));
	ck_assert_uint_le(value, clock_tsc());
}
END_TEST

START_TEST(kvm_clock)
{
	struct {
		uint32_t version, pad;
		uint64_t tsc, ns;
		uint32_t mul;
		int8_t shift;
		uint8_t flags;
	} page;
	struct { uint32_t version, sec, nsec; } wall;
	uint64_t second = clock_tsc_khz() * 1000, delta, ns;

	ck_assert(system_write_msr(&vcpu, 0x4b564d01, 0x9000 | 1));
	ck_assert(ram_read(GPA(0x9000), &page, sizeof(page)));
	ck_assert(page.version && page.version % 2 == 0 && page.flags == 1);
	ck_assert_uint_le(page.tsc, clock_tsc());
	delta = page.shift >= 0 ? second << page.shift : second >> -page.shift;
	ns = (uint64_t)((unsigned __int128)delta * page.mul >> 32);
	ck_assert_int_lt(llabs((int64_t)ns - 1000000000), 1000);

	ck_assert(system_write_msr(&vcpu, 0x4b564d00, 0xa000));
	ck_assert(ram_read(GPA(0xa000), &wall, sizeof(wall)));
	ck_assert_int_le(llabs((int64_t)wall.sec - (int64_t)(clock_realtime_ns() / 1000000000)), 1);
	ck_assert_uint_lt(wall.nsec, 1000000000);
	/* Pages that are not RAM, or half: nothing happens. */
	ck_assert(system_write_msr(&vcpu, 0x4b564d01, (RAM - 16) | 1));
	ck_assert(system_write_msr(&vcpu, 0x4b564d00, ~0ull));

	machine.config.pv = MACHINE_PV_NONE;
	is_gp(system_write_msr(&vcpu, 0x4b564d01, 0));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system");
	TCase *tests = tcase_create("system");

	if (clock_init())
		return 77;
	if (ram_init(RAM))
		return 2;
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, reset_state);
	tcase_add_test(tests, cr0_refuses);
	tcase_add_test(tests, cr3_and_pcid);
	tcase_add_test(tests, cr4_rules);
	tcase_add_test(tests, pdptes);
	tcase_add_test(tests, efer);
	tcase_add_test(tests, invpcid);
	tcase_add_test(tests, debug_registers);
	tcase_add_test(tests, xcr0);
	tcase_add_test(tests, cpuid_follows_state);
	tcase_add_test(tests, msrs);
	tcase_add_test(tests, kvm_clock);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
