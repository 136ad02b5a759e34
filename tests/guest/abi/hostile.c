// SPDX-License-Identifier: MIT
/*
 * Random calls with random arguments, structures and configuration writes: none ends the machine,
 * none writes outside what it names, and afterwards the devices still start.  (Not shutdown.)
 * Page tables are among what calls are given: those of a range that only this test looks at.
 */
#include "page.h"
#include "random.h"
#include "ring3.h"
#include "runtime.h"
#include "sandbox.h"
#include "test.h"
#include "trap.h"

#define ROUNDS		60000u
#define SANDBOX		(1ul << 18)

#define PLAYGROUND	(TEST_BASE + (64ul << 30))	/* addresses whose page table is anybody's */

static uint64_t sandbox, table, other_root;

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
	case 4: return table + (random() % 4 ? 0 : random() % 4096);
	default: return sandbox + (random() % (SANDBOX - 8192) & (random() % 4 ? ~4095ul : ~7ul));
	}
}

static uint64_t number(void)
{
	uint64_t n = random() % 16 ? random() % 26 : random();

	return n == RING3_CALL_SHUTDOWN || n == RING3_CALL_CONSOLE_WRITE ? RING3_CALL_QUEUE_KICK : n;
}

/* A root that may be loaded, or one that must be refused: garbage that it may not, the CPU would load. */
static uint64_t root(void)
{
	uint64_t good = random() % 2 ? cr3_read() : other_root;

	switch (random() % 4) {
	case 0: return good | 1ul << (40 + random() % 24);
	case 1: return (1ul << 34) + (random() % (1ul << 35) & ~4095ul);
	default: return good;
	}
}

static void updates(uint64_t pa)
{
	struct ring3_mmu_update *u;

	if (pa < sandbox || pa >= sandbox + SANDBOX || pa % 8)
		return;
	u = phys_to_virt(pa);
	for (unsigned i = 0; i < 8; i++)
		u[i] = (struct ring3_mmu_update){
			.entry = random() % 8 ? table + random() % 512 * 8 + random() % 2 : address(),
			.value = random(),
			.address = random() % 2 ? PLAYGROUND + random() % (1ul << 21) : random(),
		};
}

/* Whatever the entries say now, looking is a page fault or not. */
static void playground_look(void)
{
	int vector = try_read((void *)(PLAYGROUND + random() % (1ul << 21)));

	expect(vector == TRAP_NONE || vector == PF, "vector %d", vector);
}

static uint64_t multicall_number(void)
{
	uint64_t n = number();

	return n == RING3_CALL_HALT || n == RING3_CALL_MMU_LOAD ? 255 : n;
}

static void calls(uint64_t pa)
{
	struct ring3_multicall *c;

	if (pa < sandbox || pa >= sandbox + SANDBOX || pa % 8)
		return;
	c = phys_to_virt(pa);
	for (unsigned i = 0; i < 8; i++)
		c[i] = (struct ring3_multicall){
			.number = multicall_number(),
			.args = { random() % 2 ? random() % 4 : address(), random() % 64, address(),
				  random() % 64 },
		};
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
		switch (call) {
		case RING3_CALL_MMU_LOAD: case RING3_CALL_SPACE_DESTROY: case RING3_CALL_SPACE_CREATE:
			a = root();
			b = random() % 3;
			break;
		case RING3_CALL_MMU_UPDATE:
			updates(a = address());
			b = random() % 16 ? random() % 9 : value();
			c = root();
			break;
		case RING3_CALL_MMU_FLUSH:
			a = random() % 5;
			b = root();
			c = random() % 2 ? 0 : PLAYGROUND;
			d = random() % 2 ? 0 : value();
			break;
		case RING3_CALL_MULTICALL:
			calls(a = address());
			/* Never more than were put there: the rest could load a root of garbage. */
			b = random() % 16 ? random() % 9 : RING3_MULTICALL_MAX + 1 + random() % 1000;
			c = random() % 8 ? 0 : value();
			break;
		case RING3_CALL_HALT:	/* not for ever */
			ring3_call(RING3_CALL_EVENT_MASK, RING3_EVENT_TIMER, 0, 0, 0);
			ring3_call(RING3_CALL_TIMER_SET, 1, 0, 0, 0);
			a = random() % 4 == 0;
			break;
		}
		if (call >= RING3_CALL_DEVICE_INFO && call <= RING3_CALL_QUEUE_RESET && random() % 8)
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
		playground_look();
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
	table = virt_to_phys(page_entry(PLAYGROUND, 1)) & ~4095ul;
	other_root = page_alloc();
	memcpy(phys_to_virt(other_root), phys_to_virt(cr3_read() & PTE_ADDRESS), PAGE_SIZE);
	for (unsigned v = 32; v < 256; v++)
		trap_handler[v] = dismiss;
	abuse();
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, 0, 0, 0, 0), 0);
	devices_start();
	sandbox_check();
}
