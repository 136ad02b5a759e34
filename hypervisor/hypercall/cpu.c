// SPDX-License-Identifier: MIT
/*
 * Calls about the CPU itself: waiting, letting others run, events to CPUs.  There is one CPU.
 */
#include <errno.h>

#include "abi/ring3_abi.h"
#include "base/hostcall.h"
#include "device/event.h"
#include "hypercall/hypercall.h"

/* The loop waits, once the call has returned (trap/loop.c). */
int64_t call_halt(const uint64_t *args)
{
	if (args[0])
		return -EINVAL;
	hypercall_vcpu->halted = VCPU_HALT_PENDING;
	return 0;
}

int64_t call_yield(const uint64_t *args)
{
	(void)args;
	hostcall1(SYS_sched_yield, 0);
	return 0;
}

int64_t call_ipi(const uint64_t *args)
{
	if (args[0] || args[1] >= RING3_EVENTS)
		return -EINVAL;
	event_signal((unsigned)args[1]);
	return 0;
}
