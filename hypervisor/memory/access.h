/* SPDX-License-Identifier: MIT */
/*
 * Guest-virtual loads and stores made by the engine on behalf of an
 * instruction: walk, permission checks, RAM or MMIO, page-crossing.
 *
 * `addr` is a linear address (segmentation done).  access: WALK_* flags; the
 * direction flag is implied by the call.  On failure vcpu->exception holds the
 * #PF (or #GP/#SS(0) for a non-canonical address) and nothing was written,
 * except for the part before the faulting page of a page-crossing *string*
 * element, which never happens: both pages are checked first.
 */
#ifndef RING3_MEMORY_ACCESS_H
#define RING3_MEMORY_ACCESS_H

#include "base/types.h"
#include "machine/vcpu.h"
#include "memory/walk.h"

bool access_read(struct vcpu *vcpu, gva_t addr, void *buf, unsigned len, unsigned access);
bool access_write(struct vcpu *vcpu, gva_t addr, const void *buf, unsigned len, unsigned access);
/* Instruction fetch: up to len bytes, stops short at a page that faults; returns the count
 * (0: exception set). */
unsigned access_fetch(struct vcpu *vcpu, gva_t addr, uint8_t *buf, unsigned len);
/* Atomic read-modify-write on RAM (LOCK prefixes): host pointer for an operand that does not
 * cross a page, checked for write; NULL with exception set, or NULL without one when the
 * operand is MMIO or crosses a page (caller then does it non-atomically). */
void *access_atomic(struct vcpu *vcpu, gva_t addr, unsigned len, unsigned access);
/*
 * Host view of RAM from addr to the end of its page, by the rights in `access` (WALK_WRITE and
 * WALK_EXEC select the kind).  NULL: exception set, or not RAM (exception.valid is false then).
 */
void *access_pointer(struct vcpu *vcpu, gva_t addr, unsigned access);
/*
 * Forget every translation that the functions above remember.  Called by
 * emulate/system.c for what it does itself, and by whoever changes paging state
 * or honours a flush by other ways.  Costs one increment.
 */
void access_flush(struct vcpu *vcpu);
/* Changes with each access_flush(): who keeps a host pointer of access_pointer() compares. */
extern uint64_t access_generation;
/* Told of every explicit load and store while set (the guest's data breakpoints); else NULL. */
extern void (*access_observe)(uint64_t addr, unsigned len, bool write);
/* For debuggers: no side effects, any permissions; bytes copied up to the first hole. */
size_t access_debug_read(struct vcpu *vcpu, gva_t addr, void *buf, size_t len);
size_t access_debug_write(struct vcpu *vcpu, gva_t addr, const void *buf, size_t len);

#endif
