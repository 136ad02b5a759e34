/* SPDX-License-Identifier: MIT */
/*
 * Segment registers and descriptors: loads with every check of the mode, far
 * jumps, calls and returns (SDM vol. 3, chapters 3, 5 and 6; vol. 2, JMP, CALL,
 * RET).
 *
 * Functions that can fault return false (EMULATE_EXCEPTION) with
 * vcpu->exception set and nothing changed.
 */
#ifndef RING3_EMULATE_SEGMENT_H
#define RING3_EMULATE_SEGMENT_H

#include "emulate/emulate.h"
#include "machine/vcpu.h"

/* A descriptor as it stands in a table. */
struct descriptor {
	uint64_t low, high;	/* high: second half of a 16-byte system descriptor */
	uint64_t addr;		/* linear address of the entry */
};

#define DESCRIPTOR_TYPE(d)	((unsigned)((d)->low >> 40) & 15)
#define DESCRIPTOR_S(d)		((d)->low >> 44 & 1)
#define DESCRIPTOR_DPL(d)	((unsigned)((d)->low >> 45) & 3)
#define DESCRIPTOR_P(d)		((d)->low >> 47 & 1)
#define DESCRIPTOR_L(d)		((d)->low >> 53 & 1)
#define DESCRIPTOR_DB(d)	((d)->low >> 54 & 1)

/* Code segment, and conforming. */
#define DESCRIPTOR_IS_CODE(d)	(DESCRIPTOR_S(d) && (DESCRIPTOR_TYPE(d) & 8))
#define DESCRIPTOR_CONFORMS(d)	((DESCRIPTOR_TYPE(d) & 12) == 12)

/* Read a descriptor; outside the table: `vector` with the selector | ext as error. */
bool descriptor_read(struct vcpu *vcpu, uint16_t selector, enum vcpu_vector vector, unsigned ext,
		     struct descriptor *d);
/* Second half, in long mode. */
bool descriptor_read_high(struct vcpu *vcpu, uint16_t selector, enum vcpu_vector vector,
			  struct descriptor *d);
bool descriptor_set_accessed(struct vcpu *vcpu, struct descriptor *d);
void descriptor_unpack(const struct descriptor *d, uint16_t selector, struct vcpu_segment *out);

/* Raise `vector` with the selector's error code; always false. */
bool segment_raise(struct vcpu *vcpu, enum vcpu_vector vector, uint16_t selector, unsigned ext);

/* MOV, POP, Lxx to ES, SS, DS, FS, GS. */
bool segment_load(struct vcpu *vcpu, enum vcpu_seg seg, uint16_t selector);
/* Checks of a new SS at privilege `cpl`, without loading; #GP, #SS, or `vector` (#TS). */
bool segment_check_ss(struct vcpu *vcpu, uint16_t selector, unsigned cpl, enum vcpu_vector vector,
		      unsigned ext, struct vcpu_segment *out);
/* Real mode and virtual-8086: base from the selector. */
void segment_load_real(struct vcpu *vcpu, enum vcpu_seg seg, uint16_t selector);
/* FS or GS base, keeping vcpu->fast in step. */
void segment_set_base(struct vcpu *vcpu, enum vcpu_seg seg, uint64_t base);
/* Make CS the code segment of d, with privilege cpl. */
void segment_set_cs(struct vcpu *vcpu, const struct descriptor *d, uint16_t selector, unsigned cpl);
/* Return to an outer ring: DS, ES, FS, GS it may not use become null. */
void segment_drop_privileged(struct vcpu *vcpu);
/* Stack of ring `cpl` from the TSS; long mode: SS null, RSP from index. */
bool segment_tss_stack(struct vcpu *vcpu, unsigned cpl, unsigned ext, uint16_t *ss, uint64_t *rsp);
/* Would offset be a valid RIP in d? #GP(0 | ext). */
bool segment_check_rip(struct vcpu *vcpu, const struct descriptor *d, uint64_t offset, unsigned ext);

enum emulate_result segment_far_jump(struct vcpu *vcpu, uint16_t selector, uint64_t offset);
enum emulate_result segment_far_call(struct vcpu *vcpu, uint16_t selector, uint64_t offset,
				     unsigned size, uint64_t next_rip);
enum emulate_result segment_far_return(struct vcpu *vcpu, unsigned size, unsigned extra);

#endif
