/* SPDX-License-Identifier: MIT */
/*
 * The host's signals as its kernel has them (include/uapi/asm-generic/signal.h,
 * arch/x86/include/uapi/asm/signal.h).  libc's headers cannot be used beside
 * machine/vcpu.h: both name registers REG_*.
 */
#ifndef RING3_WORLD_HOSTSIGNAL_H
#define RING3_WORLD_HOSTSIGNAL_H

#include "base/types.h"

#define HOST_SIGILL	4
#define HOST_SIGTRAP	5
#define HOST_SIGBUS	7
#define HOST_SIGFPE	8
#define HOST_SIGKILL	9
#define HOST_SIGUSR1	10
#define HOST_SIGSEGV	11
#define HOST_SIGCONT	18
#define HOST_SIGSTOP	19
#define HOST_SIGTSTP	20
#define HOST_SIGSYS	31
#define HOST_SIGNALS	64
#define HOST_SI_KERNEL	0x80

#define HOST_SIG_IGN	1ul
#define HOST_SA_SIGINFO		0x00000004ul
#define HOST_SA_RESTORER	0x04000000ul
#define HOST_SA_ONSTACK		0x08000000ul
#define HOST_SA_NODEFER		0x40000000ul
#define HOST_SIG_SETMASK	2
#define HOST_SS_AUTODISARM	(1u << 31)

struct host_sigaction {
	uint64_t handler, flags, restorer, mask;
};

struct host_stack {	/* stack_t */
	uint64_t sp;
	uint32_t flags, pad;
	uint64_t size;
};

#endif
