// SPDX-License-Identifier: MIT
/*
 * ring3 run --abi fail=...: the calls named fail as often as asked, and only they; one that failed did
 * nothing, arguments are judged before, and within a multicall it is the same.
 *
 * fail=event_mask:EBUSY:4 fail=device_status:77:1 fail=ipi:EFAULT:0.5
 */
#include "page.h"
#include "ring3.h"
#include "test.h"

#define CALLS	4000u

static volatile struct ring3_vcpu_page *shared;

/* 1 in n, of CALLS: five times the deviation off is one case in millions, and the same in each run. */
static void often(unsigned failed, unsigned n, const char *what)
{
	unsigned mean = CALLS / n, off = failed > mean ? failed - mean : mean - failed;

	print("%s: %u of %u failed\n", what, failed, CALLS);
	expect(off * off < 25 * mean, "%s: %u of %u", what, failed, CALLS);
}

static void masks(void)
{
	unsigned failed = 0, row = 0, longest = 0;

	for (unsigned i = 0; i < CALLS; i++) {
		int64_t r = ring3_call(RING3_CALL_EVENT_MASK, 70, i & 1, 0, 0);

		expect(r == 0 || r == HYPERCALL_EBUSY, "%ld", r);
		failed += r != 0;
		row = r ? row + 1 : 0;
		longest = row > longest ? row : longest;
		expect_equal(ring3_call(RING3_CALL_EVENT_MASK, RING3_EVENTS, 0, 0, 0) == 0, 0);
		expect_equal(ring3_call(RING3_CALL_EVENT_MASK, 1ul << 32, 0, 0, 0), HYPERCALL_EINVAL);
	}
	often(failed, 4, "event_mask");
	expect(longest > 1, "at random, not each fourth");
}

static void ipis(void)
{
	unsigned failed = 0;

	for (unsigned i = 0; i < CALLS; i++) {
		int64_t r = ring3_call(RING3_CALL_IPI, 0, 71, 0, 0);

		expect(r == 0 || r == HYPERCALL_EFAULT, "%ld", r);
		expect_equal(shared->pending[1], r ? 0 : 1ul << (71 - 64), "done, or not");
		shared->pending[1] = 0;
		failed += r != 0;
	}
	often(failed, 2, "ipi");
}

static void within_multicall(void)
{
	uint64_t pa = page_alloc();
	struct ring3_multicall *c = phys_to_virt(pa);
	unsigned failed = 0;

	for (unsigned i = 0; i < CALLS; i++) {
		for (unsigned k = 0; k < 2; k++)
			c[k] = (struct ring3_multicall){
				.number = k ? RING3_CALL_IPI : RING3_CALL_EVENT_RETRY, .args = { 0, 72 } };
		expect_equal(ring3_call(RING3_CALL_MULTICALL, pa, 2, 0, 0), 2);
		expect_equal(c[0].result, 0);
		expect(c[1].result == 0 || c[1].result == (uint64_t)HYPERCALL_EFAULT);
		failed += c[1].result != 0;
	}
	often(failed, 2, "ipi within multicall");
}

void test_main(void)
{
	uint64_t pa;

	ring3_accept();
	shared = phys_to_virt(pa = page_alloc());
	shared->size = sizeof(*shared);
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, pa, 0, 0, 0), 0);
	for (unsigned i = 0; i < 100; i++) {
		expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, 0, 3, 0, 0), -77l, "always");
		expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, 1ul << 32, 3, 0, 0), HYPERCALL_EINVAL);
		expect_equal(ring3_call(RING3_CALL_EVENT_RETRY, 0, 0, 0, 0), 0, "others do not");
	}
	masks();
	ipis();
	within_multicall();
}
