// SPDX-License-Identifier: MIT
/*
 * The guest's own words in the records of what happened (debug/trace.h).
 */
#include "debug/trace.h"
#include "hypercall/hypercall.h"

int64_t call_trace(const uint64_t *args)
{
	trace_exit(TRACE_K_GUEST, hypercall_vcpu->rip, args[0], args[1]);
	return 0;
}
