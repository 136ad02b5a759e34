// SPDX-License-Identifier: MIT
#include "sandbox.h"

#include "page.h"
#include "test.h"

#define GUARD	(1ul << 16)

static uint8_t *guard_low, *guard_high;

static uint8_t filler(unsigned i)
{
	return (uint8_t)(i * 7);
}

uint64_t sandbox_make(uint64_t size)
{
	uint64_t sandbox = page_alloc_aligned(size + 2 * GUARD, PAGE_SIZE) + GUARD;

	guard_low = phys_to_virt(sandbox - GUARD);
	guard_high = phys_to_virt(sandbox + size);
	for (unsigned i = 0; i < GUARD; i++)
		guard_low[i] = guard_high[i] = filler(i);
	return sandbox;
}

void sandbox_check(void)
{
	for (unsigned i = 0; i < GUARD; i++) {
		if (!expect(guard_low[i] == filler(i) && guard_high[i] == filler(i), "guard %u", i))
			break;
	}
}
