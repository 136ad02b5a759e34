// SPDX-License-Identifier: MIT
/*
 * Errors are judged in the order of docs/abi.md: a call that is wrong in several ways has the error
 * that comes first: -EINVAL of halves and alignment before -EFAULT, before -E2BIG.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(0, 0);
CASE_MACHINE("--disk null=64M,device=pv");

static uint64_t pa;
static uint32_t *page;

static bool has(uint64_t number)
{
	return case_call_exists(number);
}

static void pages(void)
{
	CALLS(HYPERCALL_EINVAL, VCPU_PAGE, NOT_RAM + 8);
	CALLS(HYPERCALL_EFAULT, VCPU_PAGE, NOT_RAM);
	page[0] = 4;
	page[1023] = 1;
	CALLS(HYPERCALL_EINVAL, VCPU_PAGE, pa);
	page[0] = 4096;
	CALLS(HYPERCALL_E2BIG, VCPU_PAGE, pa);
	page[1023] = 0;
}

static void structures(void)
{
	struct ring3_queue *q = (void *)page;

	if (has(RING3_CALL_DEVICE_INFO)) {
		CALLS(HYPERCALL_EINVAL, DEVICE_INFO, 0, NOT_RAM + 4);
		CALLS(HYPERCALL_EFAULT, DEVICE_INFO, 0, NOT_RAM);
	}
	if (has(RING3_CALL_QUEUE_SETUP)) {
		CALLS(HYPERCALL_EINVAL, QUEUE_SETUP, 0, 0, NOT_RAM + 4);
		CALLS(HYPERCALL_EFAULT, QUEUE_SETUP, 0, 0, NOT_RAM);
		*q = (struct ring3_queue){ .size = 8, .flags = 1 };
		CALLS(HYPERCALL_EINVAL, QUEUE_SETUP, 0, 0, pa);
	}
}

static void calls_of_1_1(void)
{
	if (has(RING3_CALL_MMU_UPDATE)) {
		CALLS(HYPERCALL_EINVAL, MMU_UPDATE, NOT_RAM + 4, 1, cr3_read());
		CALLS(HYPERCALL_EINVAL, MMU_UPDATE, NOT_RAM, RING3_MMU_BATCH_MAX + 1, cr3_read());
		CALLS(HYPERCALL_EFAULT, MMU_UPDATE, NOT_RAM, 1, cr3_read());
		CALLS(HYPERCALL_EINVAL, MMU_LOAD, NOT_RAM, 1ul << 40);
		CALLS(HYPERCALL_EFAULT, MMU_LOAD, NOT_RAM, 0);
	}
	if (has(RING3_CALL_MULTICALL)) {
		CALLS(HYPERCALL_EINVAL, MULTICALL, NOT_RAM + 4, 1, 0);
		CALLS(HYPERCALL_EINVAL, MULTICALL, NOT_RAM, RING3_MULTICALL_MAX + 1, 0);
		CALLS(HYPERCALL_EINVAL, MULTICALL, NOT_RAM, 1, 2);
		CALLS(HYPERCALL_EFAULT, MULTICALL, NOT_RAM, 1, 0);
	}
}

void test_main(void)
{
	pa = page_alloc();
	page = phys_to_virt(pa);
	case_begin();
	CALLS(HYPERCALL_EINVAL, SHUTDOWN, 99, NOT_RAM, 10);
	CALLS(HYPERCALL_EFAULT, SHUTDOWN, RING3_SHUTDOWN_PANIC, NOT_RAM, 10);
	CALLS(HYPERCALL_EINVAL, CONSOLE_WRITE, NOT_RAM, 1ul << 32);
	CALLS(HYPERCALL_EFAULT, CONSOLE_WRITE, NOT_RAM, 1);
	if (has(RING3_CALL_VCPU_PAGE))
		pages();
	structures();
	calls_of_1_1();
}
