// SPDX-License-Identifier: MIT
/*
 * Requests through a queue that was set up by hypercalls: what the image holds is read, what is
 * written is read back and nothing else changes, and each completion is told by the queue's event,
 * which the device's reset takes away.
 */
#include "block.h"

CASE_NEEDS(0, FEATURE(DEVICES) | FEATURE(QUEUES) | FEATURE(EVENTS) | FEATURE(VCPU_PAGE));
CASE_MACHINE("--disk file={image},device=pv");

#define EVENT	90u

static struct block b;

static void contents(void)
{
	for (uint64_t s = 0; s < 2048; s += 173) {
		if (!expect(block_request(&b, 0, s), "sector %lu", s))
			return;
		expect(b.data[0] == s % 127 + 1 && b.data[511] == s % 127 + 1, "sector %lu: %u", s, b.data[0]);
	}
	for (unsigned i = 0; i < 512; i++)
		b.data[i] = (uint8_t)(i * 5);
	expect(block_request(&b, 1, 100), "a write");
	memset(b.data, 0, 512);
	expect(block_request(&b, 0, 100), "read back");
	for (unsigned i = 0; i < 512; i++)
		if (!expect_equal(b.data[i], (uint8_t)(i * 5), "byte %u", i))
			break;
	for (uint64_t s = 99; s <= 101; s += 2) {
		expect(block_request(&b, 0, s), "a neighbour");
		expect_equal(b.data[0], s % 127 + 1);
	}
}

static void events(void)
{
	for (unsigned i = 0; i < 20; i++) {
		uint64_t before = case_interrupts;

		case_taken[0] = case_taken[1] = 0;
		block_offer(&b, 0, i);
		CALLS(0, QUEUE_KICK, 0, 0);
		expect(case_wait(&case_interrupts, before + 1, 5000), "an event");
		expect_equal(case_taken[0], 0);
		expect_equal(case_taken[1], 1ul << (EVENT - 64));
		expect_equal(b.used->idx, b.avail->idx, "used before it is told");
		expect_equal(b.data[0], i + 1);
	}
}

static void silent(void)
{
	uint64_t before;

	b.setup->event = RING3_EVENT_NONE;
	expect(block_start(&b, VERSION_1), "without an event");
	before = case_interrupts;
	expect(block_request(&b, 0, 1), "works");
	cpu_sti();
	time_delay_us(1000);
	cpu_cli();
	expect_equal(case_interrupts, before, "no event was asked for");
	expect(!case_pending(EVENT), "nor set");
}

void test_main(void)
{
	case_begin();
	case_events();
	block_memory(&b, EVENT);
	expect(block_start(&b, VERSION_1), "starts");
	contents();
	case_wait(&case_interrupts, 1, 1000);
	events();
	silent();
	b.setup->event = EVENT;
	expect(block_start(&b, VERSION_1), "starts again");
	events();
}
