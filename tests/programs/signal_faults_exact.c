// SPDX-License-Identifier: MIT
/*
 * Faults that an emulator easily gets wrong (QEMU's TCG does): stack-segment
 * faults, unmasked SSE and x87 exceptions, INT n with its error code, INT1,
 * returns to ring 0.
 */
#include <fenv.h>

#include "fault.h"

static void stack_faults(void)
{
	FAULT("pop non-canonical stack", ADDRESS_NONE,
	      __asm__ volatile("mov %%rsp, %%rbx; movabs $0x8000000000000000, %%rsp; pop %%rax; mov %%rbx, %%rsp"
			       : : : "rax", "rbx", "memory"));
	FAULT("non-canonical by rbp", ADDRESS_NONE,
	      __asm__ volatile("mov %%rbp, %%rbx; movabs $0x8000000000000000, %%rbp; mov (%%rbp), %%rax; mov %%rbx, %%rbp"
			       : : : "rax", "rbx", "memory"));
}

static void float_faults(void)
{
	static const struct { const char *name; int exception; } simd[] = {
		{ "SSE invalid", FE_INVALID }, { "SSE divide by zero", FE_DIVBYZERO }, { "SSE overflow", FE_OVERFLOW },
		{ "SSE underflow", FE_UNDERFLOW }, { "SSE inexact", FE_INEXACT },
	};
	volatile double tiny = 2.2250738585072014e-308, huge = 1e308, zero = 0, one = 1, three = 3;
	volatile double result;

	for (volatile size_t i = 0; i < sizeof(simd) / sizeof(simd[0]); i++)
		FAULT(simd[i].name, ADDRESS_RIP, {
			unsigned mxcsr = 0x1f80u & ~((unsigned)simd[i].exception << 7);
			__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
			switch (simd[i].exception) {
			case FE_INVALID: result = zero / zero; break;
			case FE_DIVBYZERO: result = one / zero; break;
			case FE_OVERFLOW: result = huge * huge; break;
			case FE_UNDERFLOW: result = tiny * tiny; break;
			default: result = one / three; break;
			}
		});
	__asm__ volatile("ldmxcsr %0" : : "m"((unsigned){ 0x1f80 }));
	FAULT("x87 stack fault", ADDRESS_NONE, {
		unsigned short cw = 0x37f & ~1;
		__asm__ volatile("fldcw %0; fstp %%st(0); fwait" : : "m"(cw));
	});
	__asm__ volatile("fninit");
	(void)result;
}

static void interrupts_and_returns(void)
{
	FAULT("int1", ADDRESS_NONE, __asm__ volatile(".byte 0xf1"));
	FAULT("int 5", ADDRESS_NONE, __asm__ volatile("int $5"));
	FAULT("int 13", ADDRESS_NONE, __asm__ volatile("int $13"));
	FAULT("int 14", ADDRESS_NONE, __asm__ volatile("int $14"));
	FAULT("int 0xff", ADDRESS_NONE, __asm__ volatile("int $0xff"));
	FAULT("iretq to ring 0", ADDRESS_NONE,
	      __asm__ volatile("mov %%rsp, %%rbx; push $0x18; push %%rbx; pushfq; push $0x10; lea 1f(%%rip), %%rax;"
			       "push %%rax; iretq; 1: mov %%rbx, %%rsp" : : : "rax", "rbx", "memory"));
	FAULT("far return to ring 0", ADDRESS_NONE,
	      __asm__ volatile("mov %%rsp, %%rbx; lea 1f(%%rip), %%rax; push $0x10; push %%rax; lretq; 1: mov %%rbx, %%rsp"
			       : : : "rax", "rbx", "memory"));
}

int main(void)
{
	fault_catch();
	stack_faults();
	float_faults();
	interrupts_and_returns();
	return check_result();
}
