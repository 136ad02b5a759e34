/* SPDX-License-Identifier: MIT */
/*
 * The clock that stock kernels carry for KVM guests (--pv kvm): two MSRs, each
 * naming a structure in guest RAM that says how to turn the TSC into time.
 */
#ifndef RING3_MACHINE_KVMCLOCK_H
#define RING3_MACHINE_KVMCLOCK_H

#include "base/types.h"

#define KVMCLOCK_MSR_WALL_OLD	0x11u
#define KVMCLOCK_MSR_SYSTEM_OLD	0x12u
#define KVMCLOCK_MSR_WALL	0x4b564d00u
#define KVMCLOCK_MSR_SYSTEM	0x4b564d01u

/* Is it one of the four, and does this machine have them?  Else: no such MSR. */
bool kvmclock_has_msr(uint32_t msr);
uint64_t kvmclock_read(uint32_t msr);
bool kvmclock_write(uint32_t msr, uint64_t value);	/* false: #GP */
/* Write the page anew, after clock_recalibrate(). */
void kvmclock_update(void);
void kvmclock_reset(void);

#endif
