// SPDX-License-Identifier: MIT
/*
 * Failures of calls, as --abi fail=... asks for them: the call is not made, its result is the
 * error.  Which calls fail is a pseudo-random sequence for each option, decided by
 * its seed and the number of calls of that name before, and by nothing else: what failed
 * once fails again in the next run of the same guest.
 */
#include "hypercall/hypercall.h"

#include "machine/machine.h"

static uint64_t state[MACHINE_ABI_FAILURES];

/* splitmix64. */
static uint64_t random_next(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15ul;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ul;
	z = (z ^ z >> 27) * 0x94d049bb133111ebul;
	return z ^ z >> 31;
}

void inject_init(void)
{
	for (unsigned i = 0; i < array_size(state); i++)
		state[i] = machine.config.abi.seed + i;
}

uint64_t inject_calls(void)
{
	const struct machine_abi *abi = &machine.config.abi;
	uint64_t calls = 0;

	for (unsigned i = 0; i < abi->failures; i++)
		calls |= 1ull << abi->failure[i].call;
	return calls;
}

int64_t inject_failure(uint64_t number)
{
	const struct machine_abi *abi = &machine.config.abi;
	int64_t error = 0;

	/* All of them go on, whichever decides. */
	for (unsigned i = 0; i < abi->failures; i++) {
		const struct machine_abi_failure *f = &abi->failure[i];

		if (f->call == number && (uint32_t)random_next(&state[i]) < f->rate && !error)
			error = -(int64_t)f->error;
	}
	return error;
}
