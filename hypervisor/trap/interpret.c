/* SPDX-License-Identifier: MIT */
/*
 * The interpreter as the vCPU loop uses it: what can follow an instruction
 * besides the next one.
 */
#include "trap/interpret.h"

#include "debug/dump.h"
#include "debug/gdb.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "emulate/emulate.h"
#include "machine/machine.h"
#include "trap/debugregs.h"

void interpret_step(struct vcpu *vcpu)
{
	bool watched = unlikely(debugregs_active(vcpu));
	uint64_t rip = vcpu->rip;
	enum emulate_result result;

	if (vcpu->cpl)
		stats.emulated_user++;
	else
		stats.emulated++;
	trace_exit(TRACE_K_EMULATE, rip, vcpu->regs[REG_RSP], vcpu->cpl);
	if (watched && debugregs_before(vcpu))
		return;
	result = emulate_step(vcpu);
	if (watched)
		debugregs_behind(vcpu);
	if (result == EMULATE_UNKNOWN) {
		debug_dump_all(vcpu, "an instruction that the interpreter does not know");
		machine_stop(MACHINE_ERROR, 0, "the interpreter does not know an instruction");
	}
}
