// SPDX-License-Identifier: MIT
/*
 * An argument of 32 bits has 32 bits: any of bits 32 to 63 set is -EINVAL, in each such argument of
 * each call that exists, before anything else about the arguments is looked at.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(0, 0);
CASE_MACHINE("--disk null=64M,device=pv");

void test_main(void)
{
	uint64_t pa = page_alloc();
	unsigned seen = 0;

	case_begin();
	for (uint64_t n = 0; n < CASE_CALLS; n++) {
		const struct case_call *c = &case_calls[n];

		if (!case_call_exists(n))
			continue;
		for (unsigned bit = 32; bit < 64; bit++) {
			for (unsigned i = 0; i < c->args; i++) {
				uint64_t plain[6] = { pa, pa, pa, pa, pa, pa }, bad[6];

				if (!(c->mask32 >> i & 1))
					continue;
				/* All else is as bad as can be: what is judged first? */
				for (unsigned k = 0; k < 6; k++)
					bad[k] = c->mask32 >> k & 1 ? ~0u : NOT_RAM + 1;
				plain[i] |= 1ul << bit;
				bad[i] |= 1ul << bit;
				expect_equal(case_call(n, plain, c->args), HYPERCALL_EINVAL,
					     "%s, argument %u, bit %u", c->name, i, bit);
				expect_equal(case_call(n, bad, c->args), HYPERCALL_EINVAL,
					     "%s, argument %u, bit %u", c->name, i, bit);
				seen++;
			}
		}
	}
	expect(seen >= 32 * 4, "version, console_write and shutdown have such arguments");
}
