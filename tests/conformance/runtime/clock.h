/* SPDX-License-Identifier: MIT */
/*
 * The shared page's clock, read as abi/ring3.abi says.
 */
#ifndef CONFORMANCE_CLOCK_H
#define CONFORMANCE_CLOCK_H

#include "case.h"

static inline uint64_t clock_at(const volatile struct ring3_vcpu_page *page, uint64_t tsc)
{
	uint64_t delta = tsc - page->clock_tsc;

	return page->clock_ns + (uint64_t)((__uint128_t)(delta << page->clock_shift) * page->clock_mul >> 32);
}

/* ns since the machine started. */
static inline uint64_t clock_now(const volatile struct ring3_vcpu_page *page)
{
	uint32_t version;
	uint64_t ns;

	do {
		version = __atomic_load_n(&page->clock_version, __ATOMIC_ACQUIRE);
		ns = clock_at(page, cpu_tsc());
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((version & 1) || version != page->clock_version);
	return ns;
}

#endif
