/* SPDX-License-Identifier: MIT */
/* As fault.h, for 32-bit programs. */
#ifndef RING3_TESTS_FAULT32_H
#define RING3_TESTS_FAULT32_H

#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#include "check.h"

static sigjmp_buf resume;
static siginfo_t info;
static greg_t trap_number, trap_error, trap_eip;
static uintptr_t base;

static void on_fault(int number, siginfo_t *si, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)number;
	info = *si;
	trap_number = g[REG_TRAPNO];
	trap_error = g[REG_ERR];
	trap_eip = g[REG_EIP];
	siglongjmp(resume, 1);
}

#define FAULT(name, ...) \
	do { \
		if (!sigsetjmp(resume, 1)) { \
			__VA_ARGS__; \
			printf("%s: no signal\n", name); \
		} else { \
			report(name); \
		} \
	} while (0)

static void report(const char *name)
{
	printf("%-24s signal %d code %d trap %d error %d address ", name, info.si_signo, info.si_code,
	       (int)trap_number, (int)trap_error & 0xffff);
	if (base)
		printf("base%+d\n", (int)((uintptr_t)info.si_addr - base));
	else if (!info.si_addr)
		printf("0\n");
	else
		printf("%s\n", (greg_t)(uintptr_t)info.si_addr == trap_eip ? "is eip" : "other");
}

static inline void fault_catch(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

#endif
