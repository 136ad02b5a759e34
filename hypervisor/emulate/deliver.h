/* SPDX-License-Identifier: MIT */
/*
 * Delivery of exceptions and interrupts through the IDT (or the real-mode IVT),
 * and the control transfers that undo it: all modes, IST, stack switch by TSS,
 * error codes, double and triple fault (SDM vol. 3, chapter 6).
 */
#ifndef RING3_EMULATE_DELIVER_H
#define RING3_EMULATE_DELIVER_H

#include "machine/vcpu.h"

/* Deliver vcpu->exception (valid).  Contributory faults become #DF; false: triple fault
 * (shutdown), state left as it was before the third fault. */
bool deliver_exception(struct vcpu *vcpu);
/* Deliver an external interrupt or NMI.  Wakes from HLT.  false: triple fault. */
bool deliver_interrupt(struct vcpu *vcpu, uint8_t vector);

/* Fast, exact 64-bit forms used by the call-outs; false: exception set. */
bool deliver_iret(struct vcpu *vcpu);		/* IRETQ at CPL0 in 64-bit mode; RSP/RIP before it */
bool deliver_syscall(struct vcpu *vcpu, uint64_t next_rip);
bool deliver_sysret(struct vcpu *vcpu, bool operand64);

#endif
