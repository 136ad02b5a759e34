/* SPDX-License-Identifier: MIT */
/*
 * ring3's hypercalls from a test kernel.
 */
#ifndef GUEST_RING3_H
#define GUEST_RING3_H

#include "abi/ring3_abi.h"
#include "cpu.h"

#define HYPERCALL_EPERM		(-1)
#define HYPERCALL_EFAULT	(-14)
#define HYPERCALL_EBUSY		(-16)
#define HYPERCALL_ENODEV	(-19)
#define HYPERCALL_EINVAL	(-22)
#define HYPERCALL_ENOSYS	(-38)
#define HYPERCALL_E2BIG		(-7)

/* The base leaf, or 0: not on ring3, or without its hypercalls. */
uint32_t ring3_base(void);
/* Skip the test where there are none. */
void ring3_need(void);
/* The same, and accept all that is offered. */
void ring3_accept(void);
/* A page shared with the CPU, its `interrupts` set. */
volatile struct ring3_vcpu_page *ring3_share(void);

int64_t ring3_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
int64_t ring3_call_vmmcall(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

#endif
