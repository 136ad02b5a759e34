// SPDX-License-Identifier: MIT
/*
 * queue_reset disables one queue of a device that goes on, if RING_RESET was accepted: it is gone
 * when the call returns, can be set up again, and works from the start of its rings.
 */
#include "block.h"

CASE_NEEDS(1, FEATURE(DEVICES) | FEATURE(QUEUES));
CASE_MACHINE("--disk file={image},device=pv");

static struct block b;

void test_main(void)
{
	case_begin();
	block_memory(&b, RING3_EVENT_NONE);
	CALLS(HYPERCALL_EINVAL, QUEUE_RESET, 0, 0);
	expect(block_start(&b, VERSION_1), "without RING_RESET");
	CALLS(HYPERCALL_EINVAL, QUEUE_RESET, 0, 0);
	expect(block_request(&b, 0, 3), "goes on");
	expect(block_start(&b, VERSION_1 | RING_RESET), "with RING_RESET");
	for (unsigned i = 0; i < 20; i++) {
		expect(block_request(&b, 0, i) && b.data[0] == i + 1, "works, time %u", i);
		if (i & 1)
			block_offer(&b, 0, 9);	/* left in the queue, or in flight */
		if (i & 2)
			CALL(QUEUE_KICK, 0, 0);
		CALLS(0, QUEUE_RESET, 0, 0);
		CALLS(15, DEVICE_STATUS, 0, RING3_STATUS_READ);
		CALLS(HYPERCALL_EINVAL, QUEUE_KICK, 0, 0);
		CALLS(HYPERCALL_EINVAL, QUEUE_RESET, 0, 0);
		memset(b.data, 0xee, 513);
		block_clear(&b);
		time_delay_us(500);
		expect(b.data[0] == 0xee && !b.used->idx, "nothing is in use any more");
		CALLS(0, QUEUE_SETUP, 0, 0, b.setup_pa);
	}
	expect(block_request(&b, 0, 77) && b.data[0] == 78, "works");
	CALLS(HYPERCALL_EINVAL, QUEUE_RESET, 0, 1);
	CALLS(HYPERCALL_EINVAL, QUEUE_RESET, 0, RING3_QUEUE_CONFIG);
}
