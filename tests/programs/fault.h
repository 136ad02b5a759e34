/* SPDX-License-Identifier: MIT */
/*
 * Provoke a fault, catch its signal, print what the kernel says of it: number,
 * code, the CPU's trap number and error code, and the address relative to
 * `base` or to RIP.
 */
#ifndef RING3_TESTS_FAULT_H
#define RING3_TESTS_FAULT_H

#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#include "check.h"

static sigjmp_buf resume;
static siginfo_t info;
static greg_t trap_number, trap_error, trap_rip, trap_rax;
static volatile uintptr_t base;		/* si_addr is printed relative to this */

static void on_fault(int number, siginfo_t *si, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)number;
	/* A handler inherits the alignment-check flag. */
	__asm__ volatile("pushfq; andq $~0x40000, (%%rsp); popfq" : : : "cc", "memory");
	info = *si;
	trap_number = g[REG_TRAPNO];
	trap_error = g[REG_ERR];
	trap_rip = g[REG_RIP];
	trap_rax = g[REG_RAX];
	siglongjmp(resume, 1);
}

static const char *signal_name(int number)
{
	switch (number) {
	case SIGSEGV: return "SEGV";
	case SIGBUS: return "BUS";
	case SIGFPE: return "FPE";
	case SIGILL: return "ILL";
	case SIGTRAP: return "TRAP";
	default: return "?";
	}
}

enum address { ADDRESS_NONE, ADDRESS_RELATIVE, ADDRESS_RIP };

#define FAULT(name, address, ...) do {								\
	if (!sigsetjmp(resume, 1)) {								\
		__VA_ARGS__;									\
		printf("FAIL %s: no signal\n", name);						\
		check_failures++;								\
	} else {										\
		report(name, address);								\
	}											\
} while (0)

static void report(const char *name, enum address address)
{
	printf("%-28s SIG%s code %d trap %lld error %lld", name, signal_name(info.si_signo), info.si_code,
	       (long long)trap_number, (long long)(trap_number == 14 ? trap_error : trap_error & 0xffff));
	if (address == ADDRESS_NONE)
		printf(" address %s\n", info.si_addr ? "set" : "0");
	else if (address == ADDRESS_RELATIVE)
		printf(" address base%+lld\n", (long long)((uintptr_t)info.si_addr - base));
	else
		printf(" address %s rip\n", (greg_t)(uintptr_t)info.si_addr == trap_rip ? "is" : "is not");
}

#define LOAD(p) (*(volatile char *)(p))

static inline void fault_catch(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	static char stack[65536];

	sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

#endif
