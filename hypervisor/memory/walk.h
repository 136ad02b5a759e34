/* SPDX-License-Identifier: MIT */
/*
 * The guest's paging, in software: 4-level long mode, PAE, 32-bit, and off
 * (SDM vol. 3, chapter 4), with WP, NX, SMEP, SMAP, reserved bits, and A/D
 * updates exactly as hardware makes them.
 */
#ifndef RING3_MEMORY_WALK_H
#define RING3_MEMORY_WALK_H

#include "base/types.h"
#include "machine/vcpu.h"

enum walk_access {
	WALK_READ	= 0,
	WALK_WRITE	= 1 << 0,
	WALK_EXEC	= 1 << 1,
	WALK_USER	= 1 << 2,	/* CPL3, explicit */
	WALK_IMPLICIT	= 1 << 3,	/* by the CPU itself to GDT, IDT, TSS: supervisor's, AC ignored */
	WALK_PROBE	= 1 << 4,	/* set no A/D bits (debuggers, revalidation) */
};

struct walk {
	gpa_t gpa;		/* of the address asked for */
	uint64_t page_size;	/* 4 KiB, 2 MiB, 4 MiB, 1 GiB; paging off: 4 KiB */
	bool writable;		/* W in all levels (WP not considered) */
	bool user;		/* U in all levels */
	bool no_execute;	/* NX in any level */
	bool dirty;		/* leaf D, after this access */
	bool global;		/* leaf G and CR4.PGE */
	uint64_t leaf_gpa;	/* address of the leaf entry; 0: paging is off, or it is not in RAM */
};

/*
 * Translate.  WALK_USER is not derived from vcpu->cpl: the caller says.  Without
 * it SMAP is judged with vcpu->rflags.AC unless WALK_IMPLICIT.
 * 0: *out is valid.  Otherwise the page-fault error code, with bit 31 set so that
 * it is never 0 (mask with WALK_ERROR_MASK); nothing in the vCPU is changed.
 * A non-canonical address must have been refused by the caller.
 */
#define WALK_FAULT	0x80000000u
#define WALK_ERROR_MASK	0x7fffffffu
uint32_t walk_translate(struct vcpu *vcpu, gva_t addr, unsigned access, struct walk *out);

static inline bool gva_canonical(gva_t a)
{
	return (uint64_t)((int64_t)(a.v << 16) >> 16) == a.v;
}

#endif
