// SPDX-License-Identifier: MIT
/*
 * A guest finds the hypercalls by CPUID beside KVM's leaves, both entry instructions work and
 * change RAX only, version and features freeze, calls of features that were not accepted do not
 * exist, nor do calls that the version accepted had not, and CPL3 gets -EPERM.
 *
 * What is to be found: offered=BITS of version 1.minor=N; the guest accepts version 1.accept=N with
 * features=BITS.
 */
#include "ring3.h"
#include "test.h"
#include "trap.h"
#include "user.h"

user_program(user_vmcall, "vmcall\n\tsyscall");
user_program(user_vmmcall, "vmmcall\n\tsyscall");

static uint64_t minor, offered;		/* what is to be found */

static void leaves(uint32_t base)
{
	struct cpuid kvm = cpuid(0x40000000, 0), r = cpuid(base, 0);

	expect_equal(kvm.ebx, 0x4b4d564b, "KVM's leaves");
	expect_equal(base & 0xff, 0);
	expect_equal(r.eax, base + RING3_CPUID_LIMITS, "highest leaf");
	r = cpuid(base + RING3_CPUID_VERSION, 0);
	expect_equal(r.eax, 1 << 16 | minor);
	expect_equal(r.ebx, RING3_ABI_OLDEST);
	expect_equal(r.ecx, RING3_ENTRY_VMCALL | RING3_ENTRY_VMMCALL);
	r = cpuid(base + RING3_CPUID_FEATURES, 0);
	expect_equal(r.eax | (uint64_t)r.ebx << 32, offered);
	expect_equal(r.ecx | (uint64_t)r.edx << 32, minor ? 1u << RING3_HINT_FAULTS_DEAR : 0, "hints");
	r = cpuid(base + RING3_CPUID_LIMITS, 0);
	expect_equal(r.ecx, test_option("devices", 2), "devices");
	expect_equal(r.edx, 1, "CPUs");
}

/* All registers and flags but RAX, for a call that fails and one that works. */
#define PRESERVES(instruction, number)							\
	do {										\
		uint64_t a = (number), flags, cx = 0x2222, bad;				\
		__asm__ volatile("mov $0x8d7, %%r8d\n\tpush %%r8\n\tpopf\n\t"		\
			"mov $8, %%r8d\n\tmov $9, %%r9d\n\tmov $10, %%r10d\n\tmov $11, %%r11d\n\t"	\
			"mov $12, %%r12d\n\tmov $13, %%r13d\n\tmov $14, %%r14d\n\tmov $15, %%r15d\n\t"	\
			instruction "\n\tpushf\n\tpop %[flags]\n\t"			\
			"sub $8, %%r8\n\tsub $9, %%r9\n\tsub $10, %%r10\n\tsub $11, %%r11\n\t"	\
			"sub $12, %%r12\n\tsub $13, %%r13\n\tsub $14, %%r14\n\tsub $15, %%r15\n\t"	\
			"or %%r9, %%r8\n\tor %%r10, %%r8\n\tor %%r11, %%r8\n\tor %%r12, %%r8\n\t"	\
			"or %%r13, %%r8\n\tor %%r14, %%r8\n\tor %%r15, %%r8\n\tmov %%r8, %[bad]"	\
			: "+a"(a), [flags] "=&b"(flags), "+c"(cx), [bad] "=d"(bad)	\
			: "D"(0), "S"(0), "d"(0)					\
			: "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc"); \
		expect_equal((FLAG_ARITH & flags), 0x8d7ul & FLAG_ARITH, instruction);	\
		expect_equal(bad, 0, "registers of " instruction);			\
		expect_equal(cx, 0x2222);						\
	} while (0)

static void freezes(uint64_t version, uint64_t features)
{
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, 0, 0, 0, 0), HYPERCALL_ENOSYS, "before version");
	expect_equal(ring3_call(RING3_CALL_CONSOLE_READ, 0, 0, 0, 0), HYPERCALL_ENOSYS, "before version");
	expect_equal(ring3_call(RING3_CALL_VERSION, 2 << 16, features, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_VERSION, (1 << 16 | minor) + 1, features, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_VERSION, version, 1ul << 63, 0, 0), HYPERCALL_EINVAL);
	for (unsigned bit = 0; bit < 64; bit++)
		if (!(offered >> bit & 1))
			expect_equal(ring3_call(RING3_CALL_VERSION, version, 1ul << bit, 0, 0),
				     HYPERCALL_EINVAL);
	if (minor)
		expect_equal(ring3_call(RING3_CALL_VERSION, 1 << 16, 1ul << RING3_FEATURE_TRACE, 0, 0),
			     HYPERCALL_EINVAL, "1.0 has not what 1.1 brought");
	expect_equal(ring3_call(RING3_CALL_VERSION, version | 1ul << 32, features, 0, 0), HYPERCALL_EINVAL,
		     "upper half");
	expect_equal(ring3_call(RING3_CALL_VERSION, version, features, 0, 0), 0);
	expect_equal(ring3_call_vmmcall(RING3_CALL_VERSION, version, features, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_VERSION, version, features ^ 2, 0, 0), HYPERCALL_EBUSY);
	expect_equal(ring3_call(RING3_CALL_VERSION, 2 << 16, features, 0, 0), HYPERCALL_EBUSY);
}

static const struct { bool always; uint8_t bit, since; } feature_of[] = {
#define HYPERCALL(number, name, feature, arguments, mask32, minor, fails)	\
	[number] = { (feature) < 0, (uint8_t)(feature), minor },
#include "abi/hypercall_table.h"
};

static void unknown(void)
{
	static const uint8_t reserved[] = { 26, 27, 63, 64, 128, 255 };
	uint64_t seed = 88172645463325252ul;

	for (unsigned i = 0; i < sizeof(reserved); i++)
		expect_equal(ring3_call(reserved[i], ~0ul, ~0ul, ~0ul, ~0ul), HYPERCALL_ENOSYS);
	for (unsigned i = 0; i < 2000; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		if (seed >= 26)
			expect_equal(ring3_call(seed, seed * 3, seed * 5, ~seed, seed), HYPERCALL_ENOSYS);
	}
}

static void user(void)
{
	user_init();
	for (uint64_t number = 0; number < 30; number++) {
		user_prepare(user_address(user_vmcall));
		user_frame.rax = number;
		expect_equal(user_enter(), TRAP_SYSCALL);
		expect_equal(user_frame.rax, HYPERCALL_EPERM, "call %lu", number);
		user_prepare(user_address(user_vmmcall));
		user_frame.rax = number;
		expect_equal(user_enter(), TRAP_SYSCALL);
		expect_equal(user_frame.rax, HYPERCALL_EPERM, "call %lu", number);
	}
}

void test_main(void)
{
	uint64_t accept, features;

	minor = test_option("minor", RING3_ABI_MINOR);
	offered = test_option("offered", minor ? RING3_FEATURES_ALL : RING3_FEATURES_SINCE_0);
	accept = test_option("accept", minor);
	features = test_option("features", accept ? offered : offered & RING3_FEATURES_SINCE_0);
	ring3_need();
	leaves(ring3_base());
	PRESERVES("vmcall", 255);
	PRESERVES("vmmcall", 255);
	freezes(1 << 16 | accept, features);
	PRESERVES("vmcall", RING3_CALL_CONSOLE_WRITE);
	unknown();
	for (unsigned n = 1; n < sizeof(feature_of) / sizeof(feature_of[0]); n++)
		if (!feature_of[n].always &&
		    (feature_of[n].since > accept || !(features >> feature_of[n].bit & 1)))
			expect_equal(ring3_call(n, ~0ul, ~0ul, ~0ul, ~0ul), HYPERCALL_ENOSYS, "call %u", n);
	user();
}
