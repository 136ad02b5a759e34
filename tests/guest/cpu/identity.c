// SPDX-License-Identifier: MIT
/*
 * CPUID and the model-specific registers agree with each other and with what the processor does:
 * leaf ranges, features in both directions, OSXSAVE and APIC bits that follow registers, EFER and
 * PAT reserved bits, bases and canonical checks, TSC that counts and can be forbidden.
 */
#include "test.h"
#include "user.h"

user_program(u_cpuid, "mov %edi, %eax; mov %esi, %ecx; cpuid; mov %rbx, %r8; syscall");
user_program(u_rdtsc, "rdtsc; syscall");

static void leaves(void)
{
	struct cpuid l0 = cpuid(0, 0), l1 = cpuid(1, 0), ext = cpuid(0x80000000, 0);

	expect(l0.eax >= 7 && l0.eax < 0x100, "%x leaves", l0.eax);
	expect(ext.eax >= 0x80000008, "%x", ext.eax);
	expect(l1.edx & (1u << 6) && l1.edx & (1u << 5) && l1.edx & (1u << 9), "PAE, MSR, APIC");
	expect(l1.edx & (1u << 25) && l1.edx & (1u << 26), "SSE, SSE2");
	expect(cpuid(0x80000001, 0).edx & (1u << 29), "long mode");
	expect(cpuid(0x80000001, 0).edx & (1u << 20), "NX");
	uint32_t sizes = cpuid(0x80000008, 0).eax;

	expect((sizes >> 8 & 0xff) == 48 || (sizes >> 8 & 0xff) == 57, "linear address bits %u", sizes >> 8 & 0xff);
	expect((sizes & 0xff) >= 36 && (sizes & 0xff) <= 52, "physical address bits");
	expect(!(l1.ecx & (1u << 27)), "OSXSAVE follows CR4");
	/* A leaf beyond the last is that of the last basic one (Intel) or zero (AMD): not a fault. */
	(void)cpuid(0x7fffffff, 0);
	(void)cpuid(0xc0000000, 0);

	user_init();
	for (uint32_t leaf = 0; leaf <= l0.eax; leaf++) {
		struct cpuid c = cpuid(leaf, 0);

		expect_equal(user_run(u_cpuid, leaf, 0, 0), TRAP_SYSCALL);
		/* EBX of leaf 1 holds the APIC ID: equal as well, there is one processor. */
		expect((uint32_t)user_frame.rax == c.eax && (uint32_t)user_frame.r8 == c.ebx &&
		       (uint32_t)user_frame.rdx == c.edx,
		       "leaf %x: CPL3 sees %lx %lx, CPL0 %x %x", leaf, user_frame.rax, user_frame.r8, c.eax, c.ebx);
	}
	/* What is not shown must not work, what is shown must. */
	uint64_t v;

	if (cpuid(0x80000001, 0).edx & (1u << 27))
		expect_equal(TRY("rdtscp", ::: "rax", "rcx", "rdx", "memory"), TRAP_NONE, "RDTSCP");
	if (cpuid(7, 0).ecx & (1u << 22))
		expect_equal(TRY("rdpid %0", : "=r"(v) :: "memory"), TRAP_NONE, "RDPID");
	if (cpuid(1, 0).ecx & (1u << 23))
		expect_equal(TRY("popcnt %0, %0", : "=r"(v) :: "memory", "cc"), TRAP_NONE, "POPCNT");
	if (!(cpuid(7, 0).ecx & (1u << 3)) && !test_on_tcg())
		expect_equal(TRY("mov %0, %%cr4", :: "r"(cr4_read() | 1u << 22) : "memory"), GP, "PKE");
	if (cpu_has_tsc_deadline())
		expect_equal(try_msr_read(MSR_TSC_DEADLINE, &v), TRAP_NONE);
}

static void registers(void)
{
	uint64_t v, hole = 0x0000900000000000ul;
	static const uint32_t bases[] = {
		MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_LSTAR, MSR_CSTAR, MSR_SYSENTER_ESP,
		MSR_SYSENTER_EIP,
	};

	for (unsigned i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		uint64_t keep = msr_read(bases[i]), set = 0xffff912345678000ul;

		/* AMD keeps 32 bits of the SYSENTER addresses. */
		if (bases[i] == MSR_SYSENTER_ESP || bases[i] == MSR_SYSENTER_EIP)
			set = 0x12345678;
		msr_write(bases[i], set);
		expect_equal(msr_read(bases[i]), set, "MSR %x", bases[i]);
		if (set >> 32)
			expect_but_tcg("does not check", try_msr_write(bases[i], hole) == GP, "MSR %x", bases[i]);
		msr_write(bases[i], keep);
	}
	expect(msr_read(MSR_EFER) & EFER_LMA);
	expect_but_tcg("does not check", try_msr_write(MSR_EFER, msr_read(MSR_EFER) | 1u << 9) == GP,
		       "reserved EFER bit");
	expect_but_tcg("does not check", try_msr_write(MSR_EFER, msr_read(MSR_EFER) & ~EFER_LME) == GP,
		       "LME with paging on");
	expect(msr_read(MSR_EFER) & EFER_LMA, "still in long mode");
	expect_equal(msr_read(MSR_PAT), 0x0007040600070406ul, "PAT at reset");
	expect_equal(try_msr_write(MSR_PAT, 0x0007040600070406ul), TRAP_NONE);
	expect_but_tcg("does not check", try_msr_write(MSR_PAT, 0x0207040600070406ul) == GP, "reserved PAT type");
	expect_equal(msr_read(MSR_APIC_BASE) & ~0xffful, 0xfee00000);
	msr_write(MSR_SFMASK, 0x47700);
	expect_equal(msr_read(MSR_SFMASK), 0x47700);
	/* The upper halves of RAX and RDX are ignored by WRMSR, cleared by RDMSR. */
	uint64_t a, d;

	__asm__ volatile("mov $-1, %%rax; mov $-1, %%rdx; rdmsr" : "=a"(a), "=d"(d) : "c"(MSR_STAR));
	expect(!(a >> 32) && !(d >> 32));
	(void)v;
}

static void time_stamp(void)
{
	uint64_t last = cpu_tsc();

	for (unsigned i = 0; i < 10000; i++) {
		uint64_t now = cpu_tsc();

		if (now < last) {
			expect(now >= last, "TSC went back: %lx after %lx", now, last);
			break;
		}
		last = now;
	}
	expect_equal(user_run(u_rdtsc, 0, 0, 0), TRAP_SYSCALL);
	uint64_t user = (uint32_t)user_frame.rax | user_frame.rdx << 32;

	expect(user >= last && user <= cpu_tsc(), "one clock for CPL0 and CPL3");
	cr4_write(cr4_read() | CR4_TSD);
	expect_equal(user_run(u_rdtsc, 0, 0, 0), GP, "CR4.TSD");
	(void)cpu_tsc();
	cr4_write(cr4_read() & ~CR4_TSD);
	expect_equal(user_run(u_rdtsc, 0, 0, 0), TRAP_SYSCALL);
	expect_but_tcg("another clock", msr_read(MSR_TSC) >= last, "IA32_TIME_STAMP_COUNTER");
}

void test_main(void)
{
	leaves();
	registers();
	time_stamp();
}
