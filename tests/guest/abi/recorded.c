// SPDX-License-Identifier: MIT
/*
 * A bit of everything that a recording of hypercalls (ring3 run --record) must hold: structures in
 * and out, text that no terminal should see, calls within a multicall, errors, calls that are
 * not replayed.  Proves by itself that recording changes no result; tests/abi/tools records it.
 *
 * forever=N: then makes calls without end, N us apart, which tests/abi/tools watches and kills.
 */
#include "page.h"
#include "ring3.h"
#include "test.h"
#include "time.h"

static const char text[] = "recorded \033[31m\"text\"\\\n";

static uint64_t page_pa;
static void *page;

static void devices(void)
{
	struct ring3_device_info *info = page;

	*info = (struct ring3_device_info){ .size = sizeof(*info) };
	expect_equal(ring3_call(RING3_CALL_DEVICE_INFO, 0, page_pa, 0, 0), 0);
	expect_equal(info->type, 2);
	info->size = 7;
	expect_equal(ring3_call(RING3_CALL_DEVICE_INFO, 0, page_pa, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_DEVICE_INFO, 99, page_pa, 0, 0), HYPERCALL_ENODEV);
	expect_equal(ring3_call(RING3_CALL_DEVICE_CONFIG, 0, 0, page_pa, 8), 0);
	expect_equal(*(uint64_t *)page, 64 << 11, "sectors");
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, 0, 3, 0, 0), 3);
	expect_equal(ring3_call(RING3_CALL_DEVICE_FEATURES, 0, 1ul << 32, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, 0, 0xb, 0, 0), 0xb);
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, 0, 0, 0, 0), 0);
}

static void inner_calls(void)
{
	struct ring3_multicall *calls = page;
	struct ring3_device_info *info = page + 2048;
	const struct ring3_multicall list[] = {
		{ .number = RING3_CALL_EVENT_RETRY },
		{ .number = RING3_CALL_DEVICE_INFO, .args = { 1, page_pa + 2048 } },
		{ .number = RING3_CALL_CONSOLE_WRITE, .args = { virt_to_phys(text), 8 } },
		{ .number = 999, .args = { 1, 2, 3, 4, 5, 6 } },
		{ .number = RING3_CALL_YIELD },
		{ .number = RING3_CALL_MULTICALL, .args = { page_pa, 1 } },
	};
	const int64_t results[] = { 0, 0, 8, HYPERCALL_ENOSYS, 0, HYPERCALL_EINVAL };

	for (unsigned i = 0; i < 6; i++)
		calls[i] = list[i];
	*info = (struct ring3_device_info){ .size = sizeof(*info) };
	for (uint64_t i = 0; i < 6;) {
		int64_t r = ring3_call(RING3_CALL_MULTICALL, page_pa, 6, i, 0);

		if (!expect(r > (int64_t)i && r <= 6, "multicall from %lu on: %ld", i, r))
			return;
		i = (uint64_t)r;
	}
	for (unsigned i = 0; i < 6; i++)
		expect_equal((int64_t)calls[i].result, results[i], "call %u within", i);
	expect_equal(info->type, 1);
}

void test_main(void)
{
	uint64_t pause = test_option("forever", 0);

	ring3_accept();
	page_pa = page_alloc();
	page = phys_to_virt(page_pa);
	expect_equal(ring3_call(RING3_CALL_CONSOLE_WRITE, virt_to_phys(text), sizeof(text) - 1, 0, 0),
		     sizeof(text) - 1);
	expect_equal(ring3_call(RING3_CALL_CONSOLE_WRITE, 1ul << 45, 1, 0, 0), HYPERCALL_EFAULT);
	expect_equal(ring3_call(12345678901, 1, 2, 3, 4), HYPERCALL_ENOSYS);
	expect_equal(ring3_call(RING3_CALL_TIMER_SET, RING3_TIMER_NEVER, 0, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_CONSOLE_READ, page_pa, 64, 0, 0), 0, "nobody types");
	expect_equal(ring3_call(RING3_CALL_YIELD, 0, 0, 0, 0), 0);
	devices();
	inner_calls();
	expect_equal(ring3_call(RING3_CALL_TRACE, 0x1234, 0x5678, 0, 0), 0);
	for (uint64_t i = 0; pause; i++) {
		ring3_call(RING3_CALL_TRACE, i, ~i, 0, 0);
		time_delay_us(pause);
	}
}
