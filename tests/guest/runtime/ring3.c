// SPDX-License-Identifier: MIT
#include "ring3.h"

#include "page.h"
#include "test.h"

uint32_t ring3_base(void)
{
	if (!(cpuid(1, 0).ecx >> 31))
		return 0;
	for (uint32_t base = 0x40000000; base < 0x40010000; base += 0x100) {
		struct cpuid r = cpuid(base, 0);

		if (r.ebx == RING3_CPUID_SIGNATURE_EBX && r.ecx == RING3_CPUID_SIGNATURE_ECX &&
		    r.edx == RING3_CPUID_SIGNATURE_EDX)
			return base;
	}
	return 0;
}

void ring3_need(void)
{
	if (!ring3_base())
		test_skip("not ring3 with --pv ring3");
}

void ring3_accept(void)
{
	struct cpuid r;

	ring3_need();
	r = cpuid(ring3_base() + RING3_CPUID_FEATURES, 0);
	expect_equal(ring3_call(RING3_CALL_VERSION, RING3_ABI_VERSION, r.eax | (uint64_t)r.ebx << 32, 0, 0),
		     0);
}

volatile struct ring3_vcpu_page *ring3_share(void)
{
	uint64_t pa = page_alloc();
	struct ring3_vcpu_page *shared = phys_to_virt(pa);

	shared->size = sizeof(*shared);
	shared->interrupts = 1;
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, pa, 0, 0, 0), 0);
	return shared;
}

#define CALL(name, instruction)								\
	int64_t name(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)	\
	{										\
		register uint64_t r10 __asm__("r10") = d;				\
											\
		__asm__ volatile(instruction : "+a"(number)				\
				 : "D"(a), "S"(b), "d"(c), "r"(r10) : "memory");	\
		return (int64_t)number;							\
	}
CALL(ring3_call, "vmcall")
CALL(ring3_call_vmmcall, "vmmcall")
