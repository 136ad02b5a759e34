// SPDX-License-Identifier: MIT
/*
 * Numbers that no version gave a meaning are -ENOSYS: all small ones, those next to powers of two,
 * and any of 64 bits, before and after the version was accepted.
 */
#include "case.h"
#include "random.h"

CASE_NEEDS(0, 0);

static void none(uint64_t number)
{
	if (number < CASE_CALLS && case_calls[number].known)
		return;
	expect_equal(CALL_NUMBER(number, random(), random(), random(), random(), random(), random()),
		     HYPERCALL_ENOSYS, "call %lx", number);
}

static void all(void)
{
	for (uint64_t n = 0; n < 1000; n++)
		none(n);
	for (unsigned bit = 0; bit < 64; bit++)
		for (uint64_t near = 0; near < 3; near++)
			none((1ul << bit) - 1 + near);
	for (unsigned i = 0; i < 5000; i++)
		none(random() >> random() % 64);
}

void test_main(void)
{
	case_find();
	all();
	case_begin();
	all();
}
