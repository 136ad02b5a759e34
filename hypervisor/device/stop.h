/* SPDX-License-Identifier: MIT */
/*
 * The end of the machine by a guest's register write.  machine_stop() alone is not
 * seen before generated code leaves for another reason, which a guest that spins
 * after its last write may never give.
 */
#ifndef RING3_DEVICE_STOP_H
#define RING3_DEVICE_STOP_H

#include "machine/irq.h"
#include "machine/machine.h"

static inline void device_stop(enum machine_stop why, int code, const char *reason)
{
	machine_stop(why, code, reason);
	vcpu_kick();
}

#endif
