/* SPDX-License-Identifier: MIT */
/*
 * The registers gdb sees, their order and description (target.xml), and their
 * way to and from struct vcpu.
 *
 * Values are little-endian byte strings.  Control registers and MSRs are
 * written by emulate/system.c, with the checks and side effects of the guest's
 * own instructions; segment selectors cannot be written.
 */
#ifndef RING3_DEBUG_GDBREGS_H
#define RING3_DEBUG_GDBREGS_H

#include "base/types.h"
#include "machine/vcpu.h"

#define GDB_REGISTER_MAX	16	/* bytes of the widest one */

unsigned gdb_register_count(void);
unsigned gdb_register_bytes(unsigned nr);	/* 0: no such register */
/* How many come with `g`: those before the system registers, which are fetched one by one. */
unsigned gdb_register_general(void);

/* false: not available at this moment (SIMD state elsewhere). */
bool gdb_register_read(struct vcpu *vcpu, unsigned nr, uint8_t *value);
/* false: refused. */
bool gdb_register_write(struct vcpu *vcpu, unsigned nr, const uint8_t *value);

/* Part of target.xml from offset; returns its length, 0 at or past the end. */
size_t gdb_target_xml(uint64_t offset, char *buf, size_t size);

#endif
