/* SPDX-License-Identifier: MIT */
/*
 * Host faults of code the interpreter runs natively, for a fuzzer: ask `handled`
 * first, then let the fault kill the process.  Apart, because <ucontext.h> and
 * machine/vcpu.h both name the registers.
 */
#ifndef RING3_TESTS_NATIVE_SIGNAL_H
#define RING3_TESTS_NATIVE_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>

typedef bool fault_handler(uint64_t *rip, uint8_t vector);
void native_signal_init(fault_handler *handled);

#endif
