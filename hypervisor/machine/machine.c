// SPDX-License-Identifier: MIT
/*
 * The machine's end: who stopped it first, and why.
 *
 * `machine` fills whole pages of its own, because cli/supervise.c shares it with
 * the process that waits for this one: what stands here when the kernel world
 * is gone is how the machine ended.
 */
#include "machine/machine.h"

struct machine machine;

_Static_assert(sizeof(machine) % PAGE_SIZE == 0, "the supervisor shares whole pages");

void machine_stop(enum machine_stop why, int code, const char *reason)
{
	enum machine_stop running = MACHINE_RUNNING;

	/* Two processes and any signal handler may call; the code and reason of the one that wins
	 * are read only after the kernel world has ended. */
	if (!__atomic_compare_exchange_n(&machine.stop, &running, why, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return;
	machine.stop_code = code;
	machine.stop_reason = reason;
}
