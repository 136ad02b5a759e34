// SPDX-License-Identifier: MIT
/*
 * The CPU model: nothing shown that does not work here, topology of one CPU,
 * XSAVE sizes that agree with what the processor itself writes, and frequencies
 * that multiply out.
 */
#include "suite.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "machine/cpuid.h"
#include "machine/machine.h"
#include "machine/vcpu.h"

enum { A, B, C, D };

static uint32_t r[4];

static uint32_t *leaf(uint32_t l, uint32_t sub)
{
	cpuid_read(l, sub, r);
	return r;
}

static void setup(void)
{
	const char *missing = NULL;

	machine.config.pv = MACHINE_PV_NONE;
	if (cpuid_init(&missing))
		exit(77);
}

/* {leaf, subleaf, register, bit} */
struct bit {
	uint32_t leaf, sub;
	unsigned reg, bit;
};

static bool has(struct bit b)
{
	return leaf(b.leaf, b.sub)[b.reg] >> b.bit & 1;
}

START_TEST(hidden)
{
	static const struct bit never[] = {
		{ 1, 0, C, 3 },		/* MONITOR */
		{ 1, 0, C, 5 },		/* VMX */
		{ 1, 0, C, 15 },	/* PDCM */
		{ 1, 0, D, 28 },	/* HTT */
		{ 7, 0, B, 2 },		/* SGX */
		{ 7, 0, B, 4 }, { 7, 0, B, 11 },	/* HLE, RTM */
		{ 7, 0, B, 14 },	/* MPX */
		{ 7, 0, C, 3 }, { 7, 0, C, 4 },		/* PKU, OSPKE */
		{ 7, 0, C, 5 },		/* WAITPKG */
		{ 7, 0, C, 7 }, { 7, 0, D, 20 },	/* CET */
		{ 7, 0, C, 16 },	/* LA57 */
		{ 7, 0, C, 22 },	/* RDPID */
		{ 7, 0, D, 22 }, { 7, 0, D, 24 }, { 7, 0, D, 25 },	/* AMX */
		{ 0xd, 1, A, 3 }, { 0xd, 1, A, 4 },	/* XSAVES, XFD */
		{ 0x80000001, 0, C, 2 },	/* SVM */
		{ 0x80000001, 0, C, 29 },	/* MWAITX */
		{ 0x80000001, 0, D, 27 },	/* RDTSCP */
		{ 0x80000008, 0, B, 12 },	/* IBPB */
	};

	for (unsigned i = 0; i < array_size(never); i++)
		ck_assert_msg(!has(never[i]), "leaf %x.%u register %u bit %u", never[i].leaf,
			      never[i].sub, never[i].reg, never[i].bit);
	ck_assert_uint_eq(leaf(0xa, 0)[A], 0);	/* no PMU */
}
END_TEST

START_TEST(shown)
{
	static const struct bit always[] = {
		{ 1, 0, C, 13 }, { 1, 0, C, 17 }, { 1, 0, C, 21 }, { 1, 0, C, 24 }, { 1, 0, C, 31 },
		{ 1, 0, D, 9 }, { 1, 0, D, 26 },
		{ 6, 0, A, 2 },			/* ARAT */
		{ 7, 0, B, 0 }, { 7, 0, B, 1 },	/* FSGSBASE, TSC_ADJUST */
		{ 7, 0, B, 7 }, { 7, 0, B, 10 }, { 7, 0, B, 20 }, { 7, 0, C, 2 },
		{ 0x80000001, 0, D, 11 }, { 0x80000001, 0, D, 20 }, { 0x80000001, 0, D, 26 },
		{ 0x80000001, 0, D, 29 },
		{ 0x80000007, 0, D, 8 },
	};

	for (unsigned i = 0; i < array_size(always); i++)
		ck_assert_msg(has(always[i]), "leaf %x.%u register %u bit %u", always[i].leaf,
			      always[i].sub, always[i].reg, always[i].bit);
	ck_assert_uint_eq(leaf(0x80000008, 0)[A] & 0xff, CPUID_PHYS_BITS);
}
END_TEST

/* What the host has not, user code cannot execute: instruction bits are a subset. */
START_TEST(no_instruction_the_host_lacks)
{
	static const struct { uint32_t leaf, sub, mask[4]; } instructions[] = {
		{ 1, 0, { 0, 0, 0x76dc2203, 0x07808101 } },
		{ 7, 0, { 0, 0xf1bf0b29, 0x00005f43, 0x00800110 } },
		{ 7, 1, { 0x30, 0, 0, 0 } },
		{ 0x80000001, 0, { 0, 0, 0x1e1, 0x00400000 } },
	};

	for (unsigned i = 0; i < array_size(instructions); i++) {
		uint32_t h[4];

		__cpuid_count(instructions[i].leaf, instructions[i].sub, h[A], h[B], h[C], h[D]);
		leaf(instructions[i].leaf, instructions[i].sub);
		for (int reg = 0; reg < 4; reg++) {
			uint32_t mask = instructions[i].mask[reg];

			if (instructions[i].leaf == 7 && reg == B)
				mask &= ~(1u << 20);	/* SMAP: ours */
			ck_assert_msg(!(r[reg] & mask & ~h[reg]), "leaf %x register %d: %x beyond %x",
				      instructions[i].leaf, reg, r[reg], h[reg]);
		}
	}
}
END_TEST

START_TEST(one_cpu)
{
	bool amd = cpuid_model.vendor == CPUID_AMD;

	ck_assert_uint_eq(leaf(1, 0)[B] >> 24, 0);
	ck_assert_uint_eq(leaf(1, 0)[B] >> 16 & 0xff, 1);
	ck_assert_uint_eq(leaf(0xb, 0)[B], 1);
	ck_assert_uint_eq(leaf(0xb, 1)[B], 1);
	ck_assert_uint_eq(leaf(0xb, 1)[C] >> 8, 2);
	ck_assert_uint_eq(leaf(0xb, 2)[B], 0);
	ck_assert_uint_eq(leaf(0xb, 2)[C], 2);
	ck_assert_uint_eq(leaf(0x1f, 0)[B], leaf(0x1f, 1)[B]);	/* absent */
	ck_assert_uint_eq(leaf(0x80000008, 0)[C], 0);
	for (unsigned i = 0; i < 8; i++) {
		leaf(amd ? 0x8000001d : 4, i);
		ck_assert_uint_eq(r[A] >> 14 & 0xfff, 0);
		if (!(r[A] & 31))
			break;
	}
}
END_TEST

START_TEST(xsave_sizes)
{
	static uint8_t area[VCPU_XSAVE_SIZE] __attribute__((aligned(64)));
	uint64_t mask = cpuid_model.xcr0_mask;
	uint32_t eax, ebx, ecx, edx;

	ck_assert_uint_eq(mask & ~0xe7ull, 0);
	ck_assert_uint_eq(leaf(0xd, 0)[A], mask);
	ck_assert_uint_eq(leaf(0xd, 0)[C], cpuid_xsave_size(mask));
	ck_assert_uint_le(cpuid_xsave_size(mask), VCPU_XSAVE_SIZE);
	ck_assert_uint_eq(cpuid_xsave_size(1), 576);
	ck_assert_uint_eq(cpuid_xsavec_size(3), 576);
	if (mask & 4) {
		__cpuid_count(0xd, 2, eax, ebx, ecx, edx);
		ck_assert_uint_eq(cpuid_xsave_size(7), ebx + eax);
		ck_assert_uint_eq(cpuid_xsavec_size(7), 576 + eax);
	}
	/* The processor writes no byte behind what we say. */
	memset(area, 0xa5, sizeof(area));
	memset(area + 512, 0, 64);
	__asm__ volatile("xsave64 %0" : "+m"(area) : "a"((uint32_t)mask), "d"(0) : "memory");
	for (unsigned i = cpuid_xsave_size(mask); i < sizeof(area); i++)
		ck_assert_uint_eq(area[i], 0xa5);
}
END_TEST

START_TEST(frequencies)
{
	leaf(0x15, 0);
	if (cpuid_model.vendor == CPUID_AMD) {
		ck_assert_uint_eq(leaf(0, 0)[A], 0xd);
	} else {
		/* As Linux computes it, in 32 bits. */
		uint32_t khz = r[C] / 1000 * r[B] / r[A];

		ck_assert_int_lt(abs((int)khz - (int)clock_tsc_khz()), 10);
	}
}
END_TEST

START_TEST(hypervisor_leaves)
{
	leaf(0x40000000, 0);
	ck_assert(!r[A] && !r[B] && !r[C] && !r[D]);
	machine.config.pv = MACHINE_PV_KVM;
	ck_assert_int_eq(cpuid_init(&(const char *){ NULL }), 0);
	leaf(0x40000000, 0);
	ck_assert_uint_eq(r[A], 0x40000001);
	ck_assert_int_eq(memcmp(&r[1], "KVMKVMKVM\0\0\0", 12), 0);
	ck_assert_uint_eq(leaf(0x40000001, 0)[A] & 0x01000009, 0x01000009);
}
END_TEST

START_TEST(vendor_is_the_host)
{
	uint32_t h[4];

	__cpuid(0, h[A], h[B], h[C], h[D]);
	leaf(0, 0);
	ck_assert(r[B] == h[B] && r[C] == h[C] && r[D] == h[D]);
	__cpuid(1, h[A], h[B], h[C], h[D]);
	ck_assert_uint_eq(leaf(1, 0)[A], h[A]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cpuid");
	TCase *tests = tcase_create("cpuid");

	if (clock_init())
		return 77;
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, hidden);
	tcase_add_test(tests, shown);
	tcase_add_test(tests, no_instruction_the_host_lacks);
	tcase_add_test(tests, one_cpu);
	tcase_add_test(tests, xsave_sizes);
	tcase_add_test(tests, frequencies);
	tcase_add_test(tests, hypervisor_leaves);
	tcase_add_test(tests, vendor_is_the_host);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
