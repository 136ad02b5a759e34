// SPDX-License-Identifier: MIT
/*
 * Prints what a hypercall that does nothing costs, and an access to a port: TSC ticks, the best of
 * many rounds each.  Proves only that both come back.
 */
#include "ring3.h"
#include "test.h"

#define ROUNDS	200u
#define TIMES	100u

static uint64_t best_of(bool port)
{
	uint64_t best = ~0ul;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t start = cpu_tsc(), took;

		for (unsigned n = 0; n < TIMES; n++) {
			if (port)
				in8(0x80);
			else
				ring3_call(1000, 0, 0, 0, 0);
		}
		took = cpu_tsc() - start;
		if (took < best)
			best = took;
	}
	return best / TIMES;
}

void test_main(void)
{
	uint64_t call, port;

	ring3_need();
	call = best_of(false);
	port = best_of(true);
	print("a hypercall: %lu ticks; IN from port 0x80: %lu ticks\n", call, port);
	expect(call && port, "both were measured");
}
