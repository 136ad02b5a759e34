/* SPDX-License-Identifier: MIT */
/*
 * The hypercall ABI as this machine presents it: the newest, or an older version and
 * without some features, as --abi says (machine.config.abi).
 *
 * CPUID shows it, hypercall/ acts by it, cli/ looks names up.
 */
#ifndef RING3_MACHINE_ABI_H
#define RING3_MACHINE_ABI_H

#include "base/types.h"

uint32_t abi_version(void);		/* major << 16 | minor */
/* What is offered to a guest that goes by this minor version; RING3_FEATURE_* bits. */
uint64_t abi_features(unsigned minor);
uint64_t abi_hints(void);		/* RING3_HINT_* bits */

uint32_t abi_newest(void);		/* the version of this build, as above */
/* Its names as in abi/ring3.abi, whatever their case.  -1: there is none of that name. */
int abi_feature_bit(const char *name, size_t length);
int abi_call_number(const char *name, size_t length);
/* NULL: no such call. */
const char *abi_call_name(uint64_t number);
/* May the call, as it is described, return an error? */
bool abi_call_fails(uint64_t number);

#endif
