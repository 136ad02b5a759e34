/* SPDX-License-Identifier: MIT */
/*
 * Delivery of exceptions and interrupts through the IDT (or the real-mode IVT),
 * and the control transfers that undo it: all modes, IST, stack switch by TSS,
 * error codes, double and triple fault (SDM vol. 3, chapter 6).
 */
#ifndef RING3_EMULATE_DELIVER_H
#define RING3_EMULATE_DELIVER_H

#include "emulate/emulate.h"
#include "machine/vcpu.h"

/* Deliver vcpu->exception (valid).  Contributory faults become #DF; false: triple fault
 * (shutdown), state left as it was before the third fault. */
bool deliver_exception(struct vcpu *vcpu);
/* Deliver an external interrupt or NMI.  Wakes from HLT.  false: triple fault. */
bool deliver_interrupt(struct vcpu *vcpu, uint8_t vector);	/* 2: NMI, blocks NMIs until IRET */

/* Fast, exact 64-bit forms used by the call-outs; false: exception set. */
bool deliver_iret(struct vcpu *vcpu);		/* IRETQ at CPL0 in 64-bit mode; RSP/RIP before it */
bool deliver_syscall(struct vcpu *vcpu, uint64_t next_rip);
bool deliver_sysret(struct vcpu *vcpu, bool operand64);

/* The interpreter's general forms: any mode, operand size in bytes. */
enum emulate_result deliver_iret_any(struct vcpu *vcpu, unsigned size);
bool deliver_sysenter(struct vcpu *vcpu);
bool deliver_sysexit(struct vcpu *vcpu, bool operand64);
/* INT n, INT3, INTO (hardware_like: INT1): gate DPL checked; the handler returns to next_rip. */
enum emulate_result deliver_software(struct vcpu *vcpu, uint8_t vector, uint64_t next_rip,
				     bool hardware_like);

/* One event through the IDT or IVT; private to deliver*.c. */
struct deliver_event {
	uint8_t vector;
	bool software;		/* gate DPL against CPL; no EXT in error codes */
	bool has_error;
	uint32_t error;
	uint64_t rip;		/* pushed */
	uint64_t rflags;	/* pushed */
};
bool deliver_event_legacy(struct vcpu *vcpu, const struct deliver_event *e);	/* protected mode */
bool deliver_event_real(struct vcpu *vcpu, const struct deliver_event *e);

#endif
