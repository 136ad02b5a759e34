// SPDX-License-Identifier: MIT
/*
 * A machine that starts again begins at the beginning: nothing is accepted, no page is shared, no
 * event, timer, mask or queue is left from before.  (The disk tells which time this is.)
 */
#include "block.h"

CASE_NEEDS(1, FEATURE(DEVICES) | FEATURE(QUEUES) | FEATURE(VCPU_PAGE) | FEATURE(EVENTS) | FEATURE(CPU));
CASE_MACHINE("--disk file={image},device=pv");
CASE_REBOOTS;

static struct block b;

static void first(void)
{
	CALLS(0, EVENT_MASK, 44, 1);
	CALLS(0, EVENT_SETUP, 0, 0);
	CALLS(0, IPI, 0, 45);
	if (case_call_exists(RING3_CALL_TIMER_SET))
		CALL(TIMER_SET, 1ul << 62);
	memset(b.data, 0, 512);
	expect(block_request(&b, 1, 0), "noted");
	CALL(SHUTDOWN, RING3_SHUTDOWN_REBOOT, 0, 0);
	expect(false, "the machine goes on");
}

void test_main(void)
{
	volatile struct ring3_vcpu_page *page;

	case_find();
	for (uint64_t n = 1; n < CASE_CALLS; n++)
		if (n != RING3_CALL_CONSOLE_WRITE && n != RING3_CALL_SHUTDOWN)
			expect_equal(CALL_NUMBER(n, 0, 0, 0), HYPERCALL_ENOSYS, "call %lu", n);
	case_begin();
	CALLS(0, DEVICE_STATUS, 0, RING3_STATUS_READ);
	CALLS(HYPERCALL_EINVAL, QUEUE_KICK, 0, 0);
	page = case_events();
	expect_equal(page->pending[0] | page->pending[1], 0, "no event from before");
	block_memory(&b, 50);
	expect(block_start(&b, VERSION_1), "starts");
	expect(block_request(&b, 0, 0), "a read");
	if (b.data[0] == 1)
		first();
	expect_equal(b.data[0], 0, "the second time");
	CALLS(0, IPI, 0, 44);
	case_taken[0] = 0;
	expect(case_wait(&case_interrupts, 1, 1000), "no mask from before");
	expect(case_taken[0] >> 44 & 1, "event 44");
}
