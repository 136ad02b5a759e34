// SPDX-License-Identifier: MIT
/*
 * timer_set: EVENT_TIMER comes once, never before the page's clock has reached the deadline, and
 * soon after it; a new deadline replaces the old one, TIMER_NEVER takes it back, one that is past
 * comes at once, and one that is centuries away does not.
 */
#include "page.h"
#include "ring3.h"
#include "test.h"
#include "time.h"
#include "trap.h"

#define VECTOR	0x62
#define MS	1000000ul

static volatile struct ring3_vcpu_page *shared;
static volatile uint64_t ticks, taken, at;

static uint64_t now(void)
{
	return shared->clock_ns + (uint64_t)(((unsigned __int128)(cpu_tsc() - shared->clock_tsc) <<
					      shared->clock_shift) * shared->clock_mul >> 32);
}

static bool interrupt(struct trap_frame *f)
{
	(void)f;
	at = now();
	taken |= __atomic_exchange_n(&shared->pending[0], 0, __ATOMIC_SEQ_CST);
	ticks++;
	return true;
}

static void set(uint64_t deadline)
{
	expect_equal(ring3_call(RING3_CALL_TIMER_SET, deadline, 0, 0, 0), 0);
}

static void ahead(uint64_t ns)
{
	uint64_t before = ticks, deadline = now() + ns;

	set(deadline);
	expect(time_wait(&ticks, before + 1, 2000), "%lu ns ahead", ns);
	expect(at >= deadline, "%lu ns early", deadline - at);
	/* A bound for a lost timer, not for a busy host. */
	expect(at < deadline + 1000 * MS, "%lu ns late", at - deadline);
	time_delay_us(100);
	expect_equal(ticks, before + 1, "once");
}

static void waits(uint64_t ms, uint64_t want, const char *what)
{
	uint64_t end = now() + ms * MS;

	cpu_sti();
	while (now() < end)
		cpu_pause();
	cpu_cli();
	expect_equal(ticks, want, "%s", what);
}

static void replaced(void)
{
	uint64_t before = ticks, first = now() + 20 * MS;

	set(first);
	set(first + 40 * MS);
	waits(40, before, "the first was replaced");
	expect(time_wait(&ticks, before + 1, 2000), "the second");
	expect(at >= first + 40 * MS);
	set(now() + 1000000 * MS);
	set(now() + 5 * MS);
	expect(time_wait(&ticks, before + 2, 2000), "an earlier one");
	set(now() + 10 * MS);
	set(RING3_TIMER_NEVER);
	waits(30, before + 2, "taken back");
}

static void past(void)
{
	static const uint64_t deadlines[] = { 1, 12345 };
	uint64_t before = ticks;

	for (unsigned i = 0; i < 2; i++) {
		set(deadlines[i]);
		expect(shared->pending[0] & 1ul << RING3_EVENT_TIMER, "at once");
		cpu_sti();
		__asm__ volatile("nop; nop");
		cpu_cli();
		expect_equal(ticks, before + i + 1, "interrupts when it may");
	}
	set(UINT64_MAX);
	set(1ul << 63);
	set(now() + (1ul << 62));
	waits(10, before + 2, "in centuries");
	set(RING3_TIMER_NEVER);
}

/* As fast as it goes: a deadline each time that the last one came. */
static void many(void)
{
	uint64_t before = ticks;

	for (unsigned i = 0; i < 300; i++) {
		uint64_t deadline = now() + i * 500;

		set(deadline);
		if (!expect(time_wait(&ticks, before + i + 1, 2000), "number %u", i) ||
		    !expect(at >= deadline, "%lu ns early", deadline - at))
			return;
	}
	expect_equal(ticks, before + 300);
}

void test_main(void)
{
	ring3_accept();
	shared = ring3_share();
	trap_handler[VECTOR] = interrupt;
	expect_equal(ring3_call(RING3_CALL_EVENT_SETUP, VECTOR, 0, 0, 0), 0);
	time_tsc_khz();
	ahead(3 * MS);
	ahead(50 * MS);
	ahead(1000);
	ahead(1);
	replaced();
	past();
	many();
	expect_equal(taken, 1ul << RING3_EVENT_TIMER, "and nothing else");
}
