// SPDX-License-Identifier: MIT
/*
 * A guest finds ring3 as docs/abi.md says: the hypervisor bit, then one signature among the leaves
 * at multiples of 0x100, behind KVM's own; and the leaves hold exactly the version and the features
 * that this machine was told to offer.  Programs see the same, and negotiating changes nothing.
 */
#include "case.h"
#include "user.h"

CASE_NEEDS(0, 0);
CASE_MACHINE("--disk null=64M,device=pv --net null,device=pv");

user_program(user_cpuid, "mov %edi, %eax\n\txor %ecx, %ecx\n\tcpuid\n\tint $0x80");

static void signature(void)
{
	struct cpuid kvm = cpuid(0x40000000, 0);
	unsigned found = 0;

	expect(cpuid(1, 0).ecx >> 31, "hypervisor bit");
	expect_equal(kvm.ebx, 0x4b4d564b, "KVM");
	expect_equal(kvm.ecx, 0x564b4d56, "VMKV");
	expect_equal(kvm.edx, 0x4d, "M");
	expect(kvm.eax >= 0x40000001 && kvm.eax < RING3_CPUID_BASE, "KVM's leaves end at %x", kvm.eax);
	for (uint32_t base = 0x40000000; base < 0x40010000; base += 0x100) {
		struct cpuid r = cpuid(base, 0);

		found += r.ebx == RING3_CPUID_SIGNATURE_EBX && r.ecx == RING3_CPUID_SIGNATURE_ECX &&
			 r.edx == RING3_CPUID_SIGNATURE_EDX;
	}
	expect_equal(found, 1, "signatures");
}

static void leaves(uint32_t base)
{
	struct cpuid r = cpuid(base, 0);
	uint64_t hints = 0;

#define GRAMMAR_HINT(bit, name, minor) \
	hints |= (uint64_t)(minor <= (case_version & 0xffff)) << bit;
#include "abi/abi_grammar.h"
	expect_equal(r.eax, base + RING3_CPUID_LIMITS, "highest leaf");
	r = cpuid(base + RING3_CPUID_VERSION, 0);
	expect_equal(r.eax, test_option("version", 0), "version");
	expect_equal(r.ebx, RING3_ABI_OLDEST, "oldest");
	expect_equal(r.ecx, RING3_ENTRY_VMCALL | RING3_ENTRY_VMMCALL, "entry instructions");
	r = cpuid(base + RING3_CPUID_FEATURES, 0);
	expect_equal(r.eax | (uint64_t)r.ebx << 32, test_option("features", 0), "features");
	expect_equal((r.ecx | (uint64_t)r.edx << 32) & ~hints, 0, "hints of no meaning");
	r = cpuid(base + RING3_CPUID_LIMITS, 0);
	expect_equal(r.ecx, 2, "devices");
	expect_equal(r.edx, 1, "CPUs");
}

static void program_sees_the_same(uint32_t base)
{
	for (uint32_t leaf = base; leaf <= base + RING3_CPUID_LIMITS; leaf++) {
		struct cpuid r = cpuid(leaf, 0);

		expect_equal(user_run(user_cpuid, leaf, 0, 0), 0x80);
		expect_equal((uint32_t)user_frame.rax, r.eax, "leaf %x", leaf);
		expect_equal((uint32_t)user_frame.rbx, r.ebx, "leaf %x", leaf);
		expect_equal((uint32_t)user_frame.rcx, r.ecx, "leaf %x", leaf);
		expect_equal((uint32_t)user_frame.rdx, r.edx, "leaf %x", leaf);
	}
}

void test_main(void)
{
	case_find();
	expect_equal(ring3_base(), RING3_CPUID_BASE);
	signature();
	leaves(ring3_base());
	case_begin();
	leaves(ring3_base());
	user_init();
	program_sees_the_same(ring3_base());
}
