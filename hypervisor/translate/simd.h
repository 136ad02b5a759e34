/* SPDX-License-Identifier: MIT */
/*
 * Moving the guest's x87/SSE/AVX state: it is in one place at a time,
 * vcpu->fpu_place.
 */
#ifndef RING3_TRANSLATE_SIMD_H
#define RING3_TRANSLATE_SIMD_H

#include "machine/vcpu.h"

void simd_to_kernel_world(struct vcpu *vcpu);	/* into this process's registers */
void simd_to_memory(struct vcpu *vcpu);		/* into vcpu->xsave */

#endif
