// SPDX-License-Identifier: MIT
/* Host faults in natively run guest instructions: see native_signal.h. */
#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

#include "native_signal.h"

static fault_handler *handled;

static void fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uint64_t rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];

	(void)info;
	if (handled(&rip, (uint8_t)uc->uc_mcontext.gregs[REG_TRAPNO]))
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)rip;
	else
		signal(sig, SIG_DFL);
}

void native_signal_init(fault_handler *handler)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK };
	static uint8_t stack[65536];
	stack_t alternative = { .ss_sp = stack, .ss_size = sizeof(stack) };

	handled = handler;
	sigaltstack(&alternative, NULL);
	action.sa_sigaction = fault;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGFPE, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}
