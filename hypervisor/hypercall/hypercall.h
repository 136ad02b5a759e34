/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls: entry and dispatch (docs/abi.md, docs/abi-reference.md).
 *
 * hypercall.c has the order of checks that all calls share; the calls themselves are in
 * the other files of this folder, by the prototype call_NAME below.  They know devices
 * and the console, not the CPU that called.
 */
#ifndef RING3_HYPERCALL_HYPERCALL_H
#define RING3_HYPERCALL_HYPERCALL_H

#include "machine/vcpu.h"

/* Start-up: calls answer from now on. */
void hypercall_init(void);

/* VMCALL or VMMCALL at vcpu->rip: sets RAX and nothing else of the CPU.  false: not for us (#UD),
 * nothing was done. */
bool hypercall_take(struct vcpu *vcpu);

/* What it does, for tests: the result of call `number`. */
int64_t hypercall_dispatch(uint64_t number, const uint64_t args[6]);

/*
 * Read a structure whose first field is its size (u32): `known` bytes are what we know of it,
 * `first` what its first version had.  A shorter one is filled up with zeros.
 * 0, -EINVAL (shorter than the first, not 8-byte aligned), -E2BIG (more than we know, and not
 * zero), -EFAULT.
 */
int64_t hypercall_read_struct(uint64_t gpa, void *to, uint32_t known, uint32_t first);

#define HYPERCALL(number, name, feature, arguments, mask32) int64_t call_##name(const uint64_t *args);
#include "abi/hypercall_table.h"
#undef HYPERCALL

#endif
