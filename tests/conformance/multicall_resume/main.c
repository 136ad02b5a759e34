// SPDX-License-Identifier: MIT
/*
 * A multicall may stop between two calls for an interrupt or an event and says where: made again
 * from there until all is done, each call was made exactly once, and no interrupt waited
 * for more than one call. With interrupts off nothing stops it.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(1, FEATURE(MULTICALL) | FEATURE(CPU) | FEATURE(EVENTS) | FEATURE(VCPU_PAGE));

#define COUNT	200u

static uint64_t pa;
static struct ring3_multicall *calls;

static void set(unsigned n, uint64_t number, uint64_t a, uint64_t b)
{
	calls[n] = (struct ring3_multicall){ number, { a, b }, 0x77 };
}

/* Until all is done; how often it was begun again. */
static unsigned finish(unsigned count)
{
	int64_t index = 0;
	unsigned stops = 0;

	for (;;) {
		int64_t next = CALL(MULTICALL, pa, count, (uint64_t)index);

		if (!expect(next > index && next <= count, "from %ld to %ld", index, next) || next == count)
			return stops;
		index = next;
		stops++;
	}
}

static void interrupted(void)
{
	uint64_t before = case_interrupts;
	unsigned stops;

	for (unsigned i = 0; i < COUNT; i++)
		set(i, i % 4 == 1 ? RING3_CALL_IPI : 1000, 0, i % RING3_EVENTS);
	cpu_sti();
	stops = finish(COUNT);
	cpu_cli();
	expect_equal(case_interrupts - before, COUNT / 4, "one for each event: it stopped for each");
	expect(stops >= COUNT / 4 - 1, "%u stops", stops);
	for (unsigned i = 0; i < COUNT; i++)
		expect_equal(calls[i].result, i % 4 == 1 ? 0 : HYPERCALL_ENOSYS, "element %u", i);
}

static void not_interrupted(void)
{
	uint64_t before = case_interrupts;

	for (unsigned i = 0; i < COUNT; i++)
		set(i, RING3_CALL_IPI, 0, i % RING3_EVENTS);
	expect_equal(finish(COUNT), 0, "interrupts are off");
	expect_equal(case_interrupts, before);
	cpu_sti();
	cpu_sti();
	cpu_cli();
	expect(case_wait(&case_interrupts, before + 1, 1000), "then one for all");
	expect_equal(case_interrupts, before + 1);
}

/* halt in the middle: the CPU waits there, and what is behind is done when it woke. */
static void halting(void)
{
	volatile struct ring3_vcpu_page *page = case_page();

	set(0, RING3_CALL_IPI, 0, 3);
	set(1, RING3_CALL_HALT, 0, 0);
	set(2, RING3_CALL_IPI, 0, 4);
	finish(3);
	expect_equal(calls[1].result, 0);
	expect_equal(calls[2].result, 0);
	expect_equal(page->pending[0], 3ul << 3);
}

void test_main(void)
{
	case_begin();
	case_events();
	pa = page_alloc_aligned(COUNT * sizeof(*calls), PAGE_SIZE);
	calls = phys_to_virt(pa);
	interrupted();
	not_interrupted();
	halting();
}
