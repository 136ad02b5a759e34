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
#include "memory/access.h"

/*
 * Instructions behind which TF traps nothing: INT n and its kin and SYSCALL clear
 * it before they are over, MOV SS and POP SS hold the trap off (SDM vol. 3,
 * 17.3.1.4 and 6.8.3).  Judged by the bytes, before they are executed.
 */
static bool hides_step(struct vcpu *vcpu)
{
	uint8_t b[15];
	unsigned n = access_fetch(vcpu, GVA(vcpu->seg[SEG_CS].base + vcpu->rip), b, sizeof(b)), i = 0;

	if (!n) {
		vcpu->exception.valid = false;	/* the step itself finds it again */
		return false;
	}
	while (i + 2 < n && (b[i] == 0x66 || b[i] == 0x67 || b[i] == 0xf2 || b[i] == 0xf3 || b[i] == 0x2e ||
			     b[i] == 0x36 || b[i] == 0x3e || b[i] == 0x26 || b[i] == 0x64 || b[i] == 0x65 ||
			     (vcpu_64bit_code(vcpu) && (b[i] & 0xf0) == 0x40)))
		i++;
	switch (b[i]) {
	case 0xcc: case 0xcd: case 0xce:			/* INT3, INT n, INTO */
		return true;
	case 0x17:						/* POP SS */
		return !vcpu_64bit_code(vcpu);
	case 0x8e:						/* MOV SS, r/m */
		return i + 1 < n && (b[i + 1] >> 3 & 7) == SEG_SS;
	case 0x0f:						/* SYSCALL */
		return i + 1 < n && b[i + 1] == 0x05;
	default:
		return false;
	}
}

void interpret_step(struct vcpu *vcpu)
{
	bool single_step = (vcpu->rflags & RFLAGS_TF) && !hides_step(vcpu);
	uint64_t rip = vcpu->rip;
	enum emulate_result result;

	if (vcpu->cpl)
		stats.emulated_user++;
	else
		stats.emulated++;
	trace_exit(TRACE_K_EMULATE, rip, vcpu->regs[REG_RSP], vcpu->cpl);
	result = emulate_step(vcpu);
	if (result == EMULATE_UNKNOWN) {
		debug_dump_all(vcpu, "an instruction that the interpreter does not know");
		machine_stop(MACHINE_ERROR, 0, "the interpreter does not know an instruction");
		return;
	}
	if (result == EMULATE_OK && single_step && !vcpu->exception.valid) {
		vcpu_raise(vcpu, VEC_DB);
		vcpu->exception.dr6 = 1u << 14;
	}
}
