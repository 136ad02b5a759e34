// SPDX-License-Identifier: MIT
/*
 * ipi signals an event to a CPU of those that CPUID counts, the caller included, and refuses other
 * CPUs and numbers that are no events.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(1, FEATURE(VCPU_PAGE) | FEATURE(CPU));

void test_main(void)
{
	volatile struct ring3_vcpu_page *page;
	uint32_t cpus;

	case_begin();
	page = case_page();
	cpus = cpuid(ring3_base() + RING3_CPUID_LIMITS, 0).edx;
	for (unsigned e = 0; e < RING3_EVENTS; e++) {
		CALLS(0, IPI, 0, e);
		expect_equal(page->pending[e / 64], 1ul << e % 64, "event %u", e);
		page->pending[e / 64] = 0;
	}
	CALLS(HYPERCALL_EINVAL, IPI, cpus, 1);
	CALLS(HYPERCALL_EINVAL, IPI, ~0u, 1);
	CALLS(HYPERCALL_EINVAL, IPI, 0, RING3_EVENTS);
	CALLS(HYPERCALL_EINVAL, IPI, 0, RING3_EVENT_NONE);
	CALLS(HYPERCALL_EINVAL, IPI, 0, 1u << 31);
	expect_equal(page->pending[0] | page->pending[1], 0, "what was refused");
	/* A bit that is set stays set. */
	CALLS(0, IPI, 0, 6);
	CALLS(0, IPI, 0, 7);
	CALLS(0, IPI, 0, 6);
	expect_equal(page->pending[0], 3ul << 6);
}
