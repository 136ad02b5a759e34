// SPDX-License-Identifier: MIT
/*
 * Many calls by one.  The array is guest memory that the calls themselves, their results
 * included, may change: each element is read when its turn comes, once.
 *
 * Between two calls the same things end it that would end a run of generated code: so an interrupt
 * waits for one call at most, not for all.
 */
#include <errno.h>

#include "abi/ring3_abi.h"
#include "hypercall/hypercall.h"
#include "machine/irq.h"
#include "machine/machine.h"
#include "memory/ram.h"

static bool inside;

static bool must_stop(void)
{
	const struct vcpu *vcpu = hypercall_vcpu;

	if (vcpu->halted || machine.stop)
		return true;
	return (vcpu->rflags & RFLAGS_IF) && (vcpu->fast.kick || vcpu->fast.irq_waits);
}

static bool call_one(uint64_t gpa)
{
	struct ring3_multicall call;

	if (!ram_read(GPA(gpa), &call, sizeof(call)))
		return false;
	call.result = (uint64_t)hypercall_dispatch(call.number, call.args);
	return ram_write(GPA(gpa + offsetof(struct ring3_multicall, result)), &call.result,
			 sizeof(call.result));
}

int64_t call_multicall(const uint64_t *args)
{
	uint64_t array = args[0];
	uint32_t count = (uint32_t)args[1], i = (uint32_t)args[2];

	if (inside || array % 8 || count > RING3_MULTICALL_MAX || i > count)
		return -EINVAL;
	if (!ram_contains(GPA(array), count * sizeof(struct ring3_multicall)))
		return -EFAULT;
	inside = true;
	while (i < count && call_one(array + i * sizeof(struct ring3_multicall))) {
		i++;
		if (must_stop())
			break;
	}
	inside = false;
	return i;
}
