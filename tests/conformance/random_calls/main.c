// SPDX-License-Identifier: MIT
/*
 * Random calls from a guest, alone and as multicalls, made after the list's types, with interrupts on
 * and off, in every configuration: results are those that the ABI has, nothing is written outside
 * what was named, no register changes, and the machine lives. The seed and the last call are
 * told where it does not. (The same grammar inside ring3: tests/fuzz/fuzz_hypercall.c.)
 */
#include "case.h"
#include "page.h"
#include "random.h"
#include "sandbox.h"
#include "trap.h"

CASE_NEEDS(0, 0);
CASE_MACHINE("--disk null=64M,device=pv --net null,device=pv");
CASE_RUN("seed=1", "success");
CASE_RUN("seed=2", "success");

#define SANDBOX	(1ul << 18)
#define MARGIN	8192ul
#define BATCH	32u

struct argument { uint8_t type; int8_t count; const char *what; };
enum { u32, u64, gpa };

static struct argument arguments[CASE_CALLS][6];
static uint64_t sandbox, batch_pa;

static void grammar_read(void)
{
#define GRAMMAR_ARGUMENT(number, n, kind, name, points_to, counted_by)	\
	arguments[number][n] = (struct argument){ kind, counted_by, points_to };
#include "abi/abi_grammar.h"
}

static bool dismiss(struct trap_frame *f)
{
	(void)f;
	return true;
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* In the sandbox, or not RAM. */
static uint64_t address(void)
{
	switch (random() % 16) {
	case 0: return random() | 1ul << 40;
	case 1: return 0xfee00000 + random() % 4096;
	case 2: return -(random() % 65536);
	case 3: return case_ram_end() + random() % 65536;
	case 4: return sandbox + random() % (SANDBOX - MARGIN);
	case 5: case 6: case 7: return sandbox + (random() % (SANDBOX - MARGIN) & ~4095ul);
	default: return sandbox + (random() % (SANDBOX - MARGIN) & ~7ul);
	}
}

static uint64_t value(unsigned type)
{
	uint64_t v;

	switch (random() % 12) {
	case 0: v = random(); break;
	case 1: v = 1ul << random() % 64; break;
	case 2: v = ~(random() % 4); break;
	case 3: v = type == u64 ? address() : random() % 65536; break;
	case 4: v = random() % 512; break;
	case 5: v = 1ul << 32; break;
	case 6: v = 15; break;
	default: v = random() % 4; break;
	}
	return type == u32 && random() % 32 ? (uint32_t)v : v;
}

/* What lies there: sizes that are right or nearly, page-table entries in the sandbox, queues. */
static void structure(const char *what, uint64_t pa, uint64_t count)
{
	uint64_t *w;

	if (pa < sandbox || pa >= sandbox + SANDBOX - MARGIN)
		return;
	w = phys_to_virt(pa & ~7ul);
	if (same(what, "queue"))
		*(struct ring3_queue *)w = (struct ring3_queue){
			.size = sizeof(struct ring3_queue), .entries = 1u << random() % 12,
			.event = (uint32_t)value(u32) % 200, .desc = address() & ~15ul,
			.avail = address() & ~1ul, .used = address() & ~3ul };
	else if (same(what, "mmu_update"))
		for (unsigned i = 0; i < count % 16; i++, w += 3) {
			w[0] = (address() & ~7ul) | (random() % 8 == 0 ? random() % 8 : random() % 2);
			w[1] = random() % 2 ? 0 : random();
			w[2] = random() >> random() % 64;
		}
	else if (same(what, "vcpu_page") || same(what, "device_info"))
		*(uint32_t *)w = random() % 8 ? (same(what, "vcpu_page") ? 72 : 32) : (uint32_t)random() % 8192;
	if (random() % 16 == 0)
		*(uint32_t *)w = (uint32_t)value(u32);
}

/* The number, and its arguments; none that ends the machine, sleeps, or takes the kernel's pages away. */
static uint64_t choose(uint64_t args[6])
{
	uint64_t n = random() % 64 ? random() % 26 : random();
	const struct case_call *c = &case_calls[n < CASE_CALLS ? n : CASE_CALLS - 1];

	if (n == RING3_CALL_SHUTDOWN || n == RING3_CALL_HALT || n == RING3_CALL_MMU_LOAD ||
	    n == RING3_CALL_CONSOLE_WRITE || n == RING3_CALL_MULTICALL)
		n = RING3_CALL_YIELD;
	for (unsigned i = 0; i < 6; i++) {
		const struct argument *a = &arguments[n < CASE_CALLS ? n : CASE_CALLS - 1][i];

		args[i] = i < c->args && a->type == gpa ? address() : value(i < c->args ? a->type : u64);
	}
	if (n >= RING3_CALL_DEVICE_INFO && n <= RING3_CALL_QUEUE_RESET && random() % 8)
		args[0] = random() % 2;
	if (n == RING3_CALL_DEVICE_STATUS && random() % 4)
		args[1] = random() % 8 ? 15 : 0;
	/* A read of the console's input would wait for nobody; its length is bounded by MARGIN. */
	for (unsigned i = 0; i < c->args; i++)
		if (arguments[n][i].type == gpa)
			structure(arguments[n][i].what, args[i],
				  arguments[n][i].count < 0 ? 1 : args[arguments[n][i].count]);
	return n;
}

static bool good(uint64_t number, int64_t r)
{
	bool exists = case_call_exists(number);

	if (!expect(exists == (r != HYPERCALL_ENOSYS), "call %lx: %ld", number, r))
		return false;
	return expect(r >= 0 ? r <= 0xffffffffl :
		      r == HYPERCALL_ENOSYS || r == HYPERCALL_EINVAL || r == HYPERCALL_EFAULT ||
		      r == HYPERCALL_EBUSY || r == HYPERCALL_ENODEV || r == HYPERCALL_E2BIG,
		      "call %lx: %ld", number, r);
}

static bool alone(void)
{
	uint64_t args[6], n = choose(args);

	return good(n, case_call(n, args, 6));
}

static bool many(void)
{
	struct ring3_multicall *calls = phys_to_virt(batch_pa);
	uint64_t numbers[BATCH];
	unsigned n = 1 + random() % BATCH;
	int64_t done = 0;

	for (unsigned i = 0; i < n; i++)
		numbers[i] = calls[i].number = choose(calls[i].args);
	while (done < n) {
		int64_t next = CALL(MULTICALL, batch_pa, n, (uint64_t)done);

		if (!expect(next > done && next <= n, "%ld from %ld of %u", next, done, n))
			return false;
		done = next;
	}
	for (unsigned i = 0; i < n; i++)
		if (!good(numbers[i], (int64_t)calls[i].result))
			return false;
	return true;
}

void test_main(void)
{
	bool batches;

	case_begin();
	random_seed = 0x9e3779b97f4a7c15 ^ test_option("seed", 0) * 0xbf58476d1ce4e5b9;
	grammar_read();
	batch_pa = page_alloc();
	sandbox = sandbox_make(SANDBOX);
	for (unsigned v = 32; v < 256; v++)
		trap_handler[v] = dismiss;
	batches = case_call_exists(RING3_CALL_MULTICALL);
	for (unsigned i = 0; i < 3000; i++) {
		if (i % 64 == 0)
			cpu_sti();
		if (!(i % 8 == 0 && batches ? many() : alone()))
			break;
		cpu_cli();
	}
	/* The page must not be written any more, then nothing else may have been. */
	if (case_call_exists(RING3_CALL_VCPU_PAGE))
		CALLS(0, VCPU_PAGE, 0);
	sandbox_check();
	for (uint64_t n = 0; n < 2 && case_call_exists(RING3_CALL_DEVICE_STATUS); n++) {
		CALLS(0, DEVICE_STATUS, n, 0);
		CALLS(0, DEVICE_FEATURES, n, 1ul << 32);
		CALLS(15, DEVICE_STATUS, n, 15);
		CALLS(0, DEVICE_STATUS, n, 0);
	}
}
