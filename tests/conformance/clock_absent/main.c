// SPDX-License-Identifier: MIT
/*
 * A guest whose page has no room for the clock gets none: with the size of version 1.0 nothing
 * is written behind it, however long it runs, though the clock was accepted.
 */
#include "case.h"
#include "page.h"
#include "time.h"

CASE_NEEDS(1, FEATURE(VCPU_PAGE));

void test_main(void)
{
	uint64_t pa = page_alloc();
	uint8_t *bytes = phys_to_virt(pa);

	case_begin();
	memset(bytes, 0, RING3_VCPU_PAGE_SIZE_0);
	memset(bytes + RING3_VCPU_PAGE_SIZE_0, 0x5a, PAGE_SIZE - RING3_VCPU_PAGE_SIZE_0);
	*(uint32_t *)bytes = RING3_VCPU_PAGE_SIZE_0;
	CALLS(0, VCPU_PAGE, pa);
	for (unsigned i = 0; i < 20; i++) {
		time_delay_us(1000);
		CALL(VERSION, 0, 0);
	}
	for (unsigned i = RING3_VCPU_PAGE_SIZE_0; i < PAGE_SIZE; i++)
		if (!expect_equal(bytes[i], 0x5a, "byte %u", i))
			break;
}
