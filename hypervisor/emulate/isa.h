/* SPDX-License-Identifier: MIT */
/*
 * Which instruction sets exist: by the CPUID the guest sees, which is a subset
 * of the host's, so that whatever is present here also runs natively.
 */
#ifndef RING3_EMULATE_ISA_H
#define RING3_EMULATE_ISA_H

#include "decode/decode.h"
#include "machine/vcpu.h"

/* Read the guest's CPUID; once, before the first instruction. */
void isa_init(struct vcpu *vcpu);
bool isa_present(ZydisISASet set);

#endif
