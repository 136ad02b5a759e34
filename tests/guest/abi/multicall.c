// SPDX-License-Identifier: MIT
/*
 * multicall: each call is made in order, whatever the others' results, and its result stands in the
 * array before the next one is read, so that calls may make each other; from any index; it stops
 * where an interrupt waits and behind halt and goes on where it was; within itself it is refused.
 */
#include "page.h"
#include "ring3.h"
#include "test.h"
#include "time.h"
#include "trap.h"

#define VECTOR	0x65
#define EVENT	90
#define UNTOUCHED	0x7777777777777777ul

static volatile struct ring3_vcpu_page *shared;
static struct ring3_multicall *array;
static uint64_t array_pa;
static volatile uint64_t interrupts;

static bool event_interrupt(struct trap_frame *f)
{
	(void)f;
	interrupts++;
	shared->pending[1] = 0;
	return true;
}

static void put(unsigned i, uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
	array[i] = (struct ring3_multicall){ .number = number, .args = { a, b, c }, .result = UNTOUCHED };
}

static int64_t multicall(uint32_t count, uint32_t index)
{
	return ring3_call(RING3_CALL_MULTICALL, array_pa, count, index, 0);
}

static void results(void)
{
	put(0, RING3_CALL_EVENT_RETRY, 0, 0, 0);
	put(1, 255, 1, 2, 3);
	put(2, RING3_CALL_EVENT_MASK, RING3_EVENTS, 0, 0);
	put(3, RING3_CALL_DEVICE_STATUS, 1000, 0, 0);
	put(4, RING3_CALL_MULTICALL, array_pa, 1, 0);
	put(5, RING3_CALL_IPI, 0, EVENT, 0);
	put(6, RING3_CALL_DEVICE_STATUS, 0, RING3_STATUS_READ, 0);
	put(7, UINT64_MAX, 0, 0, 0);
	expect_equal(multicall(7, 0), 7);
	expect_equal(array[0].result, 0);
	expect_equal(array[1].result, HYPERCALL_ENOSYS);
	expect_equal(array[2].result, HYPERCALL_EINVAL);
	expect_equal(array[3].result, HYPERCALL_ENODEV);
	expect_equal(array[4].result, HYPERCALL_EINVAL, "within itself");
	expect_equal(array[5].result, 0);
	expect_equal(array[6].result, 0);
	expect_equal(array[7].result, UNTOUCHED, "behind count");
	expect_equal(shared->pending[1], 1ul << (EVENT - 64));
	expect_equal(array[4].args[0], array_pa, "arguments stay");
	for (unsigned i = 0; i < 8; i++)
		array[i].result = UNTOUCHED;
	expect_equal(multicall(7, 5), 7);
	for (unsigned i = 0; i < 5; i++)
		expect_equal(array[i].result, UNTOUCHED, "before index: %u", i);
	expect_equal(array[5].result, 0);
	expect_equal(multicall(7, 7), 7, "nothing left");
	expect_equal(multicall(0, 0), 0);
	shared->pending[1] = 0;
}

static void refused(void)
{
	uint64_t nowhere = 1ul << 45;

	expect_equal(ring3_call(RING3_CALL_MULTICALL, array_pa + 4, 1, 0, 0), HYPERCALL_EINVAL);
	expect_equal(multicall(RING3_MULTICALL_MAX + 1, 0), HYPERCALL_EINVAL);
	expect_equal(multicall(1, 2), HYPERCALL_EINVAL);
	expect_equal(multicall(UINT32_MAX, UINT32_MAX), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_MULTICALL, nowhere, 1, 0, 0), HYPERCALL_EFAULT);
	expect_equal(ring3_call(RING3_CALL_MULTICALL, -64ul, 1, 0, 0), HYPERCALL_EFAULT);
	expect_equal(ring3_call(RING3_CALL_MULTICALL, -64ul, 2, 0, 0), HYPERCALL_EFAULT);
	expect_equal(ring3_call(RING3_CALL_MULTICALL, array_pa, 1ul << 32, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_MULTICALL, array_pa, 1, 1ul << 32, 0), HYPERCALL_EINVAL);
}

/* The first call's result is the second one's number, and the second writes the third. */
static void overlap(void)
{
	uint64_t text = array_pa + 2 * sizeof(*array);

	put(0, RING3_CALL_EVENT_RETRY, 0, 0, 0);
	put(1, 255, 0, EVENT, 0);
	put(2, 255, 0, 0, 0);
	/* A structure's result where the next element lies: device_info fills in `type` and so on. */
	array[1] = (struct ring3_multicall){ .number = RING3_CALL_DEVICE_INFO, .args = { 0, text } };
	*(uint32_t *)&array[2] = sizeof(struct ring3_device_info);
	((uint32_t *)&array[2])[1] = 0;
	expect_equal(multicall(3, 0), 3);
	expect_equal(array[1].result, 0);
	expect_equal(array[2].number >> 32, 2, "a block device's type");
	expect_equal(array[2].result, HYPERCALL_ENOSYS, "what was written there is no call");

	/* The page that it shares with the CPU as array: events change it while it runs. */
	array = (struct ring3_multicall *)((uint8_t *)phys_to_virt(virt_to_phys(shared)) + 1024);
	array_pa = virt_to_phys(array);
	for (unsigned i = 0; i < 16; i++)
		put(i, RING3_CALL_IPI, 0, EVENT + i % 8, 0);
	expect_equal(multicall(16, 0), 16);
	for (unsigned i = 0; i < 16; i++)
		expect_equal(array[i].result, 0);
	expect_equal(shared->pending[1], 0xfful << (EVENT - 64));
	shared->pending[1] = 0;
	array_pa = page_alloc_aligned(RING3_MULTICALL_MAX * sizeof(*array), PAGE_SIZE);
	array = phys_to_virt(array_pa);
}

static void stops(void)
{
	int64_t next;

	for (unsigned i = 0; i < RING3_MULTICALL_MAX; i++)
		put(i, i == 100 ? RING3_CALL_IPI : RING3_CALL_EVENT_RETRY, 0, EVENT, 0);
	interrupts = 0;
	cpu_sti();
	next = multicall(RING3_MULTICALL_MAX, 0);
	/* Other reasons to stop are allowed; each time at least one call is made. */
	while (next > 0 && next < 101) {
		int64_t before = next;

		next = multicall(RING3_MULTICALL_MAX, (uint32_t)next);
		if (!expect(next > before, "goes on: %ld, %ld", before, next))
			return;
	}
	expect(time_wait(&interrupts, 1, 1000), "the interrupt");
	expect_equal(next, 101, "stopped behind the call that made it");
	expect_equal(array[101].result, UNTOUCHED);
	cpu_cli();
	expect_equal(multicall(RING3_MULTICALL_MAX, (uint32_t)next), RING3_MULTICALL_MAX);
	for (unsigned i = 0; i < RING3_MULTICALL_MAX; i++)
		expect_equal(array[i].result, 0, "%u", i);
	expect_equal(interrupts, 1);

	/* With interrupts off nothing stops it. */
	for (unsigned i = 0; i < RING3_MULTICALL_MAX; i++)
		put(i, RING3_CALL_IPI, 0, EVENT, 0);
	expect_equal(multicall(RING3_MULTICALL_MAX, 0), RING3_MULTICALL_MAX);
	expect_equal(interrupts, 1);
	put(0, RING3_CALL_HALT, 0, 0, 0);
	put(1, RING3_CALL_EVENT_RETRY, 0, 0, 0);
	expect_equal(multicall(2, 0), 1, "behind halt");
	expect_equal(array[0].result, 0);
	expect_equal(array[1].result, UNTOUCHED);
	expect_equal(multicall(2, 1), 2);
	expect(time_wait(&interrupts, 2, 1000), "one for all");
}

void test_main(void)
{
	ring3_accept();
	shared = ring3_share();
	trap_handler[VECTOR] = event_interrupt;
	array_pa = page_alloc_aligned(RING3_MULTICALL_MAX * sizeof(*array), PAGE_SIZE);
	array = phys_to_virt(array_pa);
	results();
	expect_equal(ring3_call(RING3_CALL_EVENT_SETUP, VECTOR, 0, 0, 0), 0);
	refused();
	overlap();
	cpu_sti();
	__asm__ volatile("nop; nop");
	cpu_cli();
	stops();
}
