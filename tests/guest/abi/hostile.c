// SPDX-License-Identifier: MIT
/*
 * Random calls with random arguments, structures and configuration writes: none ends the machine,
 * none writes outside what it names, and afterwards the devices still start.  (Not shutdown.)
 */
#include "page.h"
#include "random.h"
#include "ring3.h"
#include "sandbox.h"
#include "test.h"
#include "trap.h"

#define ROUNDS		60000u
#define SANDBOX		(1ul << 18)

static uint64_t sandbox;

static bool dismiss(struct trap_frame *f)
{
	(void)f;
	return true;
}

/* RAM only within the sandbox, far enough from its end for what one call may write. */
static uint64_t address(void)
{
	switch (random() % 16) {
	case 0: return random() | 1ul << 40;
	case 1: return 0xfee00000 + random() % 4096;
	case 2: return (uint64_t)0 - random() % 65536;
	case 3: return (1ul << 34) + random() % (1ul << 36);
	default: return sandbox + (random() % (SANDBOX - 8192) & (random() % 4 ? ~4095ul : ~7ul));
	}
}

static uint64_t number(void)
{
	uint64_t n = random() % 16 ? random() % 26 : random();

	return n == RING3_CALL_SHUTDOWN || n == RING3_CALL_CONSOLE_WRITE ? RING3_CALL_QUEUE_KICK : n;
}

static uint64_t value(void)
{
	switch (random() % 8) {
	case 0: return random();
	case 1: return (uint32_t)random();
	case 2: return 1ul << random() % 64;
	case 3: return RING3_QUEUE_CONFIG;
	case 4: return random() % 512;
	default: return random() % 4;
	}
}

static void structure(uint64_t pa)
{
	struct ring3_queue *q;

	if (pa < sandbox || pa >= sandbox + SANDBOX || pa % 8)
		return;
	q = phys_to_virt(pa);
	*q = (struct ring3_queue){
		.size = (uint32_t)(random() % 4 ? 40 : random() % 5000), .entries = 1u << random() % 12,
		.flags = random() % 32 == 0, .event = (uint32_t)(random() % 4 ? random() % 128 : random()),
		.desc = address() & ~15ul, .avail = address(), .used = address(),
	};
}

static void devices_start(void)
{
	static const uint32_t types[] = { 2, 1 };

	for (uint64_t n = 0; n < 2; n++) {
		struct ring3_device_info *info = phys_to_virt(sandbox);

		*info = (struct ring3_device_info){ .size = sizeof(*info) };
		expect_equal(ring3_call(RING3_CALL_DEVICE_INFO, n, sandbox, 0, 0), 0);
		expect_equal(info->type, types[n]);
		expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, 0, 0, 0), 0, "reset");
		expect_equal(ring3_call(RING3_CALL_DEVICE_FEATURES, n, 1ul << 32, 0, 0), 0);
		expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, 0xf, 0, 0), 0xf, "starts");
		expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, 0, 0, 0), 0, "reset");
	}
}

static void abuse(void)
{
	uint64_t errors = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t call = number(), a = value(), b = value(), c = address(), d = value();
		int64_t result;

		/* The address where the call has it. */
		if (call == RING3_CALL_VCPU_PAGE || call == RING3_CALL_CONSOLE_READ)
			a = address();
		if (call == RING3_CALL_DEVICE_INFO)
			b = address();
		if (call >= RING3_CALL_DEVICE_INFO && call <= RING3_CALL_QUEUE_KICK && random() % 8)
			a = random() % 2;
		if (call == RING3_CALL_DEVICE_FEATURES && random() % 2)
			b = 1ul << 32;
		if (call == RING3_CALL_DEVICE_STATUS && random() % 4)
			b = random() % 8 ? 0xf : 0;
		structure(call == RING3_CALL_QUEUE_SETUP ? c : call == RING3_CALL_DEVICE_INFO ? b : a);
		result = ring3_call(call, a, b, c, d);
		if (!expect(result >= -4095 && result <= 4096, "call %lu: %ld", call, result))
			return;
		errors += result < 0;
		if (random() % 64 == 0) {
			cpu_sti();
			cpu_pause();
			cpu_cli();
		}
	}
	print("%lu of %u calls refused\n", errors, ROUNDS);
	expect(errors > ROUNDS / 20 && errors < ROUNDS, "some of both");
}

void test_main(void)
{
	ring3_accept();
	random_seed = 0x9e3779b97f4a7c15 ^ test_option("seed", 0) * 0xbf58476d1ce4e5b9;
	sandbox = sandbox_make(SANDBOX);
	for (unsigned v = 32; v < 256; v++)
		trap_handler[v] = dismiss;
	abuse();
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, 0, 0, 0, 0), 0);
	devices_start();
	sandbox_check();
}
