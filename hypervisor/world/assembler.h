/* SPDX-License-Identifier: MIT */
/*
 * Writing seccomp filters: one word of struct seccomp_data at a time is loaded
 * and compared; conditions are straight-line code that ends in a verdict.
 */
#ifndef RING3_WORLD_ASSEMBLER_H
#define RING3_WORLD_ASSEMBLER_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/log.h"
#include "base/types.h"

struct assembler {
	struct sock_filter *at;
	unsigned count, max;
	uint32_t refusal;		/* SECCOMP_RET_* of what is not allowed */
};

#define DATA(field)	((uint32_t)offsetof(struct seccomp_data, field))
#define ARG_LOW(n)	(DATA(args) + 8 * (n))
#define ARG_HIGH(n)	(DATA(args) + 8 * (n) + 4)

static inline void bpf_put(struct assembler *a, unsigned code, unsigned jt, unsigned jf, uint32_t k)
{
	bug_on(a->count >= a->max || jt > 255 || jf > 255);
	a->at[a->count++] = (struct sock_filter){ (uint16_t)code, (uint8_t)jt, (uint8_t)jf, k };
}

static inline void bpf_load(struct assembler *a, uint32_t offset)
{
	bpf_put(a, BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
}

static inline void bpf_refuse(struct assembler *a)
{
	bpf_put(a, BPF_RET | BPF_K, 0, 0, a->refusal);
}

static inline void bpf_allow(struct assembler *a)
{
	bpf_put(a, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
}

/* Go on if the loaded word is `value`. */
static inline void bpf_require(struct assembler *a, uint32_t value)
{
	bpf_put(a, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, value);
	bpf_refuse(a);
}

static inline void bpf_require_at(struct assembler *a, uint32_t offset, uint32_t value)
{
	bpf_load(a, offset);
	bpf_require(a, value);
}

/* Go on if all bits of `mask` are clear in the word. */
static inline void bpf_require_clear(struct assembler *a, uint32_t offset, uint32_t mask)
{
	bpf_load(a, offset);
	bpf_put(a, BPF_JMP | BPF_JSET | BPF_K, 0, 1, mask);
	bpf_refuse(a);
}

/* Code for the loaded word being `value`; skipped otherwise, keeping the word.  Must end in a
 * verdict.  Returns what bpf_end() takes. */
static inline unsigned bpf_begin(struct assembler *a, uint32_t value)
{
	bpf_put(a, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, value);
	return a->count - 1;
}

static inline void bpf_end(struct assembler *a, unsigned begin)
{
	bug_on(a->count - begin - 1 > 255);
	a->at[begin].jf = (uint8_t)(a->count - begin - 1);
}

#endif
