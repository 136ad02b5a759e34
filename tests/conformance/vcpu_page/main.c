// SPDX-License-Identifier: MIT
/*
 * The shared page: ring3 writes in it what belongs to it and nothing else, shows in it what came
 * before there was one, follows it when it moves, and leaves the old one alone.  Without the
 * feature CLOCK the clock's fields stay as they are.
 */
#include "case.h"
#include "page.h"
#include "time.h"

CASE_NEEDS(1, FEATURE(VCPU_PAGE) | FEATURE(CPU));

static uint64_t pa[2];
static volatile struct ring3_vcpu_page *page[2];

static void page_new(unsigned n)
{
	uint8_t *bytes;

	pa[n] = page_alloc();
	bytes = phys_to_virt(pa[n]);
	for (unsigned i = sizeof(struct ring3_vcpu_page); i < PAGE_SIZE; i++)
		bytes[i] = (uint8_t)(i * 3 + n);
	page[n] = phys_to_virt(pa[n]);
	page[n]->size = sizeof(struct ring3_vcpu_page);
}

static void rest_untouched(unsigned n)
{
	const uint8_t *bytes = phys_to_virt(pa[n]);

	for (unsigned i = sizeof(struct ring3_vcpu_page); i < PAGE_SIZE; i++)
		if (!expect_equal(bytes[i], (uint8_t)(i * 3 + n), "byte %u of page %u", i, n))
			break;
	expect_equal(page[n]->size, sizeof(struct ring3_vcpu_page), "size");
	expect_equal(page[n]->reserved, 0);
}

void test_main(void)
{
	case_begin();
	page_new(0);
	page_new(1);
	CALLS(0, IPI, 0, 9);
	CALLS(0, IPI, 0, 127);
	CALLS(0, VCPU_PAGE, pa[0]);
	expect_equal(page[0]->pending[0], 1ul << 9, "what came before there was a page");
	expect_equal(page[0]->pending[1], 1ul << 63);
	expect_equal(page[0]->interrupts, 0, "the guest's");

	page[0]->pending[0] = page[0]->pending[1] = 0;
	CALLS(0, IPI, 0, 3);
	expect_equal(page[0]->pending[0], 1ul << 3);
	CALLS(0, VCPU_PAGE, pa[1]);
	expect_equal(page[1]->pending[0], 0, "a bit that was shown is the guest's to keep");
	CALLS(0, IPI, 0, 64);
	expect_equal(page[1]->pending[1], 1);
	expect_equal(page[0]->pending[1], 0, "the old page");
	expect_equal(page[0]->pending[0], 1ul << 3, "the old page");

	CALLS(0, VCPU_PAGE, 0);
	CALLS(0, IPI, 0, 65);
	expect_equal(page[1]->pending[1], 1, "no page any more");
	page[1]->pending[1] = 0;
	CALLS(0, VCPU_PAGE, pa[1]);
	expect_equal(page[1]->pending[1], 2, "shown once there is one again");
	CALLS(0, VCPU_PAGE, pa[1]);
	expect_equal(page[1]->pending[1], 2, "the same page again");

	time_delay_us(20000);
	rest_untouched(0);
	rest_untouched(1);
	if (!(case_features & FEATURE(CLOCK)))
		expect(!page[1]->clock_version && !page[1]->clock_mul && !page[1]->clock_ns &&
		       !page[1]->clock_flags && !page[1]->clock_wall_ns && !page[1]->steal_ns,
		       "the clock was not accepted");
}
