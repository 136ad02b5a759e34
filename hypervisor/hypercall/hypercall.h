/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls: entry and dispatch (docs/abi.md, docs/abi-reference.md).
 *
 * hypercall.c has the order of checks that all calls share; the calls themselves are in
 * the other files of this folder, by the prototype call_NAME below.  They know devices and
 * the console; of the CPU that called only mmu.c and cpu.c look at anything.
 */
#ifndef RING3_HYPERCALL_HYPERCALL_H
#define RING3_HYPERCALL_HYPERCALL_H

#include "machine/machine.h"
#include "machine/vcpu.h"

/* Start-up, after worlds_init() and before the jail: calls of this CPU answer from now on. */
void hypercall_init(struct vcpu *vcpu);

/* The devices are made: put them and the machine into the recording's header, if there is one. */
void hypercall_describe(const struct machine_config *config);

/* VMCALL or VMMCALL at vcpu->rip: sets RAX and, where that is the call's meaning, what waits, loads or
 * stops the CPU; nothing else of it.  false: not for us (#UD), nothing was done. */
bool hypercall_take(struct vcpu *vcpu);

/* The result of call `number`, made from 64-bit code at CPL0; multicall's way and the tests'. */
int64_t hypercall_dispatch(uint64_t number, const uint64_t args[6]);

/* The CPU that calls. */
extern struct vcpu *hypercall_vcpu;

/* What the guest accepted: minor version, and a feature by its bit. */
unsigned hypercall_minor(void);
bool hypercall_accepted(unsigned feature);

/*
 * Read a structure whose first field is its size (u32): `known` bytes are what we know of it,
 * `first` what its first version had.  A shorter one is filled up with zeros.
 * 0, -EINVAL (shorter than the first, not 8-byte aligned), -E2BIG (more than we know, and not
 * zero), -EFAULT.
 */
int64_t hypercall_read_struct(uint64_t gpa, void *to, uint32_t known, uint32_t first);

/* inject.c: failures as --abi asks for them.  inject_init(): the sequences begin; inject_calls(): which
 * calls have any, a bit for each; inject_failure(): this time?  0, or -errno. */
void inject_init(void);
uint64_t inject_calls(void);
int64_t inject_failure(uint64_t number);

#define HYPERCALL(number, name, ...) int64_t call_##name(const uint64_t *args);
#include "abi/hypercall_table.h"

#endif
