// SPDX-License-Identifier: MIT
/*
 * A call exists exactly if it was accepted: in every set of features that a machine can offer or a
 * guest accept.  One that does not behaves as a number without meaning: -ENOSYS whatever the
 * arguments, and no memory that they name is touched.
 */
#include "case.h"
#include "page.h"
#include "random.h"

CASE_NEEDS(0, 0);
CASE_EVERY;
CASE_MACHINE("--disk null=64M,device=pv");

#define MEMORY	8192u

static uint64_t memory_pa;
static uint8_t *memory;

static void absent(uint64_t number)
{
	static const uint64_t wild = 1ul << 63 | 7;
	uint64_t a = memory_pa + random() % MEMORY;

	expect_equal(CALL_NUMBER(number, memory_pa, memory_pa, memory_pa, memory_pa, memory_pa, memory_pa),
		     HYPERCALL_ENOSYS, "call %lx", number);
	expect_equal(CALL_NUMBER(number, 0, 0, 0, 0, 0, 0), HYPERCALL_ENOSYS, "call %lx", number);
	expect_equal(CALL_NUMBER(number, wild, ~0ul, wild, ~0ul, wild, ~0ul), HYPERCALL_ENOSYS,
		     "call %lx", number);
	expect_equal(CALL_NUMBER(number, a, 8, a, 8, a, 8), HYPERCALL_ENOSYS, "call %lx", number);
}

/* With arguments that it refuses, if it has any it can refuse. */
static void present(uint64_t number)
{
	const struct case_call *c = &case_calls[number];
	uint64_t args[6] = { 0 };

	for (unsigned i = 0; i < 6; i++)
		args[i] = c->mask32 ? (uint64_t)(c->mask32 >> i & 1) << 32 :
			  number == RING3_CALL_TIMER_SET || number == RING3_CALL_TRACE ? 0 : ~0ul;
	if (c->mask32)
		expect_equal(case_call(number, args, c->args), HYPERCALL_EINVAL, "call %s", c->name);
	else
		expect(case_call(number, args, c->args) != HYPERCALL_ENOSYS, "call %s", c->name);
}

static void numbers(bool accepted)
{
	for (uint64_t n = 0; n < CASE_CALLS; n++) {
		if (accepted ? case_call_exists(n) : case_calls[n].known && case_calls[n].feature < 0)
			present(n);
		else
			absent(n);
	}
	for (uint64_t n = 0; n < CASE_CALLS; n++) {
		absent(n | 1ul << 8);
		absent(n | 1ul << 32);
		absent(n | 1ul << 63);
	}
}

void test_main(void)
{
	memory_pa = page_alloc_aligned(MEMORY, PAGE_SIZE);
	memory = phys_to_virt(memory_pa);
	for (unsigned i = 0; i < MEMORY; i++)
		memory[i] = (uint8_t)(i * 11);
	case_find();
	numbers(false);
	case_begin();
	numbers(true);
	for (unsigned i = 0; i < MEMORY; i++)
		if (!expect_equal(memory[i], (uint8_t)(i * 11), "byte %u was written", i))
			break;
}
