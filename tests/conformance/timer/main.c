// SPDX-License-Identifier: MIT
/*
 * The timer: its event comes once, never before the shared clock reaches the deadline, at once if
 * that has passed; a new deadline takes the place of the old one, TIMER_NEVER takes it away.
 */
#include "clock.h"
#include "time.h"

CASE_NEEDS(1, FEATURE(VCPU_PAGE) | FEATURE(EVENTS) | FEATURE(TIMER) | FEATURE(CLOCK));

#define MS	1000000ul

static volatile struct ring3_vcpu_page *page;

static bool fired(uint64_t ms)
{
	uint64_t before = case_interrupts;

	case_taken[0] = case_taken[1] = 0;
	if (!case_wait(&case_interrupts, before + 1, ms))
		return false;
	expect_equal(case_taken[0], 1ul << RING3_EVENT_TIMER);
	expect_equal(case_taken[1], 0);
	expect_equal(case_interrupts, before + 1, "once");
	return true;
}

static void not_before(uint64_t ns)
{
	uint64_t deadline = clock_now(page) + ns, now;

	CALLS(0, TIMER_SET, deadline);
	if (!expect(fired(2000), "in %lu ns", ns))
		return;
	now = clock_now(page);
	expect(now >= deadline, "%lu ns too early", deadline - now);
	expect(!fired(3), "and not again");
}

static void passed(void)
{
	CALLS(0, TIMER_SET, clock_now(page));
	expect(case_pending(RING3_EVENT_TIMER), "at once: now");
	expect(fired(100), "now");
	CALLS(0, TIMER_SET, 1);
	expect(case_pending(RING3_EVENT_TIMER), "at once: long ago");
	expect(fired(100), "long ago");
}

/* A deadline that something takes the place of in time: a busy host may let it pass before. */
static void replaced_by(uint64_t later)
{
	uint64_t deadline;

	do {
		page->pending[0] = 0;
		deadline = clock_now(page) + 5 * MS;
		CALLS(0, TIMER_SET, deadline);
		CALLS(0, TIMER_SET, later);
	} while (clock_now(page) >= deadline);
}

static void replaced(void)
{
	replaced_by(clock_now(page) + 1000000 * MS);
	expect(!fired(20), "put off");
	CALLS(0, TIMER_SET, clock_now(page) + 2 * MS);
	expect(fired(2000), "put forward");
	replaced_by(RING3_TIMER_NEVER);
	expect(!fired(20), "taken away");
	CALLS(0, TIMER_SET, RING3_TIMER_NEVER);
	CALLS(0, TIMER_SET, ~0ul);
	CALLS(0, TIMER_SET, 1ul << 63);
	expect(!fired(20), "in some hundred years");
	not_before(MS);
}

void test_main(void)
{
	case_begin();
	page = case_events();
	expect(!fired(5), "no timer was set");
	not_before(0);
	not_before(1000);
	not_before(10000);
	not_before(35000);
	not_before(100000);
	not_before(3 * MS);
	not_before(20 * MS);
	passed();
	replaced();
}
